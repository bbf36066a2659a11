//! What people sign in with: where Control is, its passkeys, and who hashes passwords.

use webauthn_rs::prelude::{Url, WebauthnError};

use crate::edge::passkeys::Passkeys;
use crate::edge::passwords::Passwords;

/// The parts of Control that are no pages.
pub struct Control {
    /// Where people reach it, without a slash at the end.
    pub origin: String,
    /// Whether that is with TLS.
    pub is_secure: bool,
    /// Passkeys of this origin.
    pub passkeys: Passkeys,
    /// Passwords.
    pub passwords: Passwords,
}

impl Control {
    /// Control at this address.
    pub fn at(url: &Url) -> Result<Self, WebauthnError> {
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            is_secure: url.scheme() == "https",
            passkeys: Passkeys::of(url)?,
            passwords: Passwords::default(),
        })
    }

    /// The name of the cookie. With TLS, one that no other page of the domain can set.
    pub fn cookie_name(&self) -> &'static str {
        if self.is_secure { "__Host-holdfast" } else { "holdfast" }
    }
}
