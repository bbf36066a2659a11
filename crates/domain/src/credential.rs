//! API credentials: kinds of tenant, scopes, and the text of a key.
//!
//! A key reads `hf_<environment>_<43 characters of secret><6 check characters>`: scanners and people spot it,
//! a typing mistake shows before the database is asked, and a key of the other environment can be told so.

use aws_lc_rs::digest::{SHA256, digest};
use boundary::Env;

use crate::entropy::Entropy;
use crate::words::words;

words! {
    /// What a tenant is.
    TenantKind {
        /// Consumers recover for themselves.
        Retail = "retail",
        /// A wallet provider with customers of its own.
        Partner = "partner",
        /// An institution with its own wallets.
        Institution = "institution",
    }

    /// What a credential may be used for.
    Scope {
        /// Section 4.
        Retail = "retail",
        /// Section 5.
        Partner = "partner",
        /// Section 6.
        Keys = "keys",
        /// Reading the audit log.
        Audit = "audit",
        /// Webhook endpoints.
        Webhooks = "webhooks",
        /// Reset, damage and ceremonies of the sandbox.
        Sandbox = "sandbox",
        /// Making and revoking credentials.
        Credentials = "credentials",
    }
}

impl TenantKind {
    /// What a credential of such a tenant may hold.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Retail => {
                &[Scope::Retail, Scope::Audit, Scope::Webhooks, Scope::Sandbox, Scope::Credentials]
            }
            Self::Partner => &[
                Scope::Partner,
                Scope::Keys,
                Scope::Audit,
                Scope::Webhooks,
                Scope::Sandbox,
                Scope::Credentials,
            ],
            Self::Institution => {
                &[Scope::Keys, Scope::Audit, Scope::Webhooks, Scope::Sandbox, Scope::Credentials]
            }
        }
    }

    /// What a tenant's own issuer may give its tokens: all that a tenant of this kind does, save making
    /// credentials, which would outlive the issuer.
    pub const fn issuer_scopes(self) -> &'static [Scope] {
        match self {
            Self::Retail => &[Scope::Retail, Scope::Audit, Scope::Webhooks, Scope::Sandbox],
            Self::Partner => &[Scope::Partner, Scope::Keys, Scope::Audit, Scope::Webhooks, Scope::Sandbox],
            Self::Institution => &[Scope::Keys, Scope::Audit, Scope::Webhooks, Scope::Sandbox],
        }
    }
}

const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;
const GUESSED_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text of an API key. Exists in full only when it is made and while a call that carries it is admitted.
pub struct ApiKeyText(String);

impl ApiKeyText {
    /// A new key with 256 bits of chance.
    pub fn new(env: Env, chance: &mut dyn Entropy) -> Self {
        let mut seed = [0; 32];
        chance.fill(&mut seed);
        Self::from_seed(env, &seed)
    }

    /// The key that a seed stands for.
    pub fn from_seed(env: Env, seed: &[u8; 32]) -> Self {
        let body = format!("{}{}", prefix(env), base62(seed, SECRET_CHARS));
        let check = check(&body);
        Self(body + &check)
    }

    /// Reads a key; none when it is not well-formed or its check characters are wrong.
    pub fn parse(text: &str) -> Option<(Env, Self)> {
        let env = named_environment(text)?;
        let fits = text.len() == prefix(env).len() + SECRET_CHARS + CHECK_CHARS
            && text.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
        let (body, given) = text.split_at_checked(text.len().checked_sub(CHECK_CHARS)?)?;
        (fits && given == check(body)).then(|| (env, Self(text.to_owned())))
    }

    /// The whole text. Never to be logged or stored.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of it later: the prefix and the last four characters.
    pub fn hint(&self) -> String {
        let secret_at = self.0.len() - SECRET_CHARS - CHECK_CHARS;
        format!("{}…{}", &self.0[..secret_at], &self.0[self.0.len() - 4..])
    }
}

/// The environment that a text claims to be a key of, well-formed or not.
pub fn named_environment(text: &str) -> Option<Env> {
    [Env::Production, Env::Sandbox].into_iter().find(|env| text.starts_with(&prefix(*env)))
}

/// The beginning of a key, or of what is given for one, by which failures with it are counted from wherever they
/// come: who guesses at one key keeps it. Six characters of 43 tell nobody the rest.
pub fn guessed_prefix(text: &str) -> &str {
    let named = named_environment(text).map_or(0, |env| prefix(env).len());
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= named + GUESSED_CHARS);
    &text[..end.unwrap_or(text.len())]
}

fn prefix(env: Env) -> String {
    format!("hf_{}_", env.as_str())
}

fn check(body: &str) -> String {
    base62(&digest(&SHA256, body.as_bytes()).as_ref()[..4], CHECK_CHARS)
}

/// The number that `bytes` spell, in base 62, with exactly `width` digits.
fn base62(bytes: &[u8], width: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![0; width];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            // The quotient of a value below 62 * 256 by 62 fits a byte.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = BASE62[rest as usize];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_one_wrong_character_shows() {
        let key = ApiKeyText::from_seed(Env::Sandbox, &[0xa5; 32]);
        let text = key.expose();
        assert!(text.starts_with("hf_sandbox_"), "{text}");
        assert!(matches!(ApiKeyText::parse(text), Some((Env::Sandbox, _))));
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'x' { 'y' } else { 'x' };
            let wrong = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(ApiKeyText::parse(&wrong).is_none(), "{wrong}");
        }
        for wrong in
            ["", "hf_sandbox_", &text[1..], &text[..text.len() - 1], &format!("{text}0"), "hf_sandbox_ééé"]
        {
            assert!(ApiKeyText::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(key.hint(), format!("hf_sandbox_…{}", &text[text.len() - 4..]));
    }

    #[test]
    fn keys_of_one_beginning_have_one_prefix() {
        for (text, prefix) in [
            ("hf_sandbox_abcdefgh", "hf_sandbox_abcdef"),
            ("hf_sandbox_abcdefXX", "hf_sandbox_abcdef"),
            ("hf_production_abcdefgh", "hf_production_abcdef"),
            ("hf_sandbox_", "hf_sandbox_"),
            ("sk_live_abcdefgh", "sk_liv"),
            ("", ""),
            ("ééééé", "ééé"),
            ("aéééé", "aééé"),
        ] {
            assert_eq!(guessed_prefix(text), prefix, "{text}");
        }
    }

    #[test]
    fn seeds_do_not_collide_in_their_text() {
        let mut last = [0xff; 32];
        let full = ApiKeyText::from_seed(Env::Production, &last).0;
        last[31] = 0xfe;
        assert_ne!(full, ApiKeyText::from_seed(Env::Production, &last).0);
        assert_eq!(named_environment("hf_production_oops"), Some(Env::Production));
        assert_eq!(named_environment("sk_live"), None);
    }
}
