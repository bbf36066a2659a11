//! The token: an AES-256 key that never leaves it, and what it encrypts.

use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::Failure;

const NONCE_BYTES: usize = 12;
const TAG_BITS: u64 = 128;
const KEY_BYTES: u64 = 32;
/// What is encrypted says what it is.
const LABEL: &[u8] = b"holdfast-unseal/v1";

/// Which key of which token.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The token's PKCS#11 module.
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The token's label.
    #[arg(long, value_name = "LABEL")]
    token: String,
    /// The key's label.
    #[arg(long, value_name = "LABEL", default_value = "holdfast-unseal")]
    key: String,
    /// The file with the user's PIN.
    #[arg(long, value_name = "FILE")]
    pin_file: PathBuf,
}

/// An open token.
pub struct Token {
    session: Session,
    key: String,
    // Last, for it is what the session lives by.
    _module: Pkcs11,
}

fn failed<E: std::fmt::Display>(doing: &str) -> impl Fn(E) -> Failure {
    move |cause| Failure(format!("{doing}: {cause}"))
}

impl Token {
    /// Loads the module, finds the token, logs in.
    pub fn open(place: &Place) -> Result<Self, Failure> {
        let module = Pkcs11::new(&place.module).map_err(failed("cannot load the token's module"))?;
        let initialised = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        initialised.map_err(failed("cannot use the token's module"))?;
        let slots = module.get_slots_with_token().map_err(failed("cannot list tokens"))?;
        let is_ours = |slot: &cryptoki::slot::Slot| {
            module.get_token_info(*slot).is_ok_and(|info| info.label().trim_end() == place.token)
        };
        let slot = slots.into_iter().find(is_ours);
        let slot =
            slot.ok_or_else(|| Failure(format!("there is no token with the label {}", place.token)))?;
        let session = module.open_rw_session(slot).map_err(failed("cannot open the token"))?;
        let pin = std::fs::read_to_string(&place.pin_file).map_err(failed("cannot read the PIN"))?;
        let pin = AuthPin::new(Zeroizing::new(pin).trim().into());
        session.login(UserType::User, Some(&pin)).map_err(failed("the token does not take the PIN"))?;
        Ok(Self { session, key: place.key.clone(), _module: module })
    }

    fn find(&self) -> Result<Option<ObjectHandle>, Failure> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Label(self.key.clone().into_bytes()),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
        ];
        let found = self.session.find_objects(&template).map_err(failed("cannot look for the key"))?;
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            _ => Err(Failure(format!("the token has several keys with the label {}", self.key))),
        }
    }

    /// The key, made in the token if it is not there.
    fn ensure(&self) -> Result<ObjectHandle, Failure> {
        if let Some(key) = self.find()? {
            return Ok(key);
        }
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(KEY_BYTES.into()),
            Attribute::Label(self.key.clone().into_bytes()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        let made = self.session.generate_key(&Mechanism::AesKeyGen, &template);
        made.map_err(failed("the token made no key"))
    }

    /// AES-256-GCM within the token, under a nonce of the token's, which goes in front.
    pub fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        let key = self.ensure()?;
        let mut nonce = [0; NONCE_BYTES];
        self.session.generate_random_slice(&mut nonce).map_err(failed("the token gives no chance"))?;
        let mut wrapped = nonce.to_vec();
        let gcm = Mechanism::AesGcm(parameters(&mut nonce)?);
        let body = self.session.encrypt(&gcm, key, plain).map_err(failed("the token does not encrypt"))?;
        wrapped.extend_from_slice(&body);
        Ok(wrapped)
    }

    /// Undoes [`Token::wrap`].
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let key = self.find()?.ok_or_else(|| Failure(format!("the token has no key {}", self.key)))?;
        let (nonce, body) = wrapped
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(|| Failure("what is wrapped is too short".to_owned()))?;
        let mut nonce = *nonce;
        let gcm = Mechanism::AesGcm(parameters(&mut nonce)?);
        let plain = self.session.decrypt(&gcm, key, body);
        plain.map(Zeroizing::new).map_err(failed("the token does not decrypt what was wrapped"))
    }
}

fn parameters(nonce: &mut [u8]) -> Result<GcmParams<'_>, Failure> {
    GcmParams::new(nonce, LABEL, TAG_BITS.into()).map_err(failed("the token's numbers are too small"))
}
