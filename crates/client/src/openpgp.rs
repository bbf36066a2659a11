//! The device's own OpenPGP key, to which a recovery is encrypted, and the opening of what comes back.

use std::io::Read as _;

use api::retail::RecoveredItem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgp::composed::{
    ArmorOptions, Deserializable as _, EncryptionCaps, KeyType, Message, SecretKeyParamsBuilder,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::types::{KeyDetails as _, Password, SecretParams};
use rand_core::OsRng;
use zeroize::Zeroizing;

use crate::encrypt::checksum;
use crate::package::{PackedFile, unpack};
use crate::secret::Secret;

/// What the key says about its holder: nothing.
const USER_ID: &str = "recovery";
/// No item is larger: a message that unpacks to more is not the service's.
const PLAINTEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// No package of a recovery that people decided on is larger.
const PACKAGE_BYTES_MAX: u64 = boundary::message::PACKAGE_BYTES_MAX as u64;

/// Why an OpenPGP step failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPgpFault {
    /// The key could not be made.
    #[error("the OpenPGP key could not be made ({0}); try again")]
    Generate(String),
    /// The text is not an armoured secret key.
    #[error("this is not an armoured OpenPGP secret key ({0}); give the whole block")]
    SecretBlock(String),
    /// The secret key has a passphrase.
    #[error("the OpenPGP secret key is locked; give its passphrase")]
    Locked,
    /// The passphrase is another key's.
    #[error("the passphrase does not unlock the OpenPGP secret key; give the one it was exported with")]
    Passphrase,
    /// There is no package: the item failed at the service.
    #[error("the service could not recover {name:?}: {reason}; show its backup id to the service's operator")]
    Failed {
        /// The item.
        name: String,
        /// As the service says.
        reason: String,
    },
    /// The package is not base64 of an armoured, encrypted OpenPGP message.
    #[error("the recovery package of {name:?} is {what}; recover again with the same OpenPGP key")]
    Package {
        /// The item.
        name: String,
        /// What it is instead.
        what: &'static str,
    },
    /// The message is for another key, or damaged.
    #[error("the recovery package of {name:?} does not open with this OpenPGP key ({why})")]
    Open {
        /// The item.
        name: String,
        /// The library's word.
        why: String,
    },
    /// What was inside is not what was stored.
    #[error(
        "{name:?} opened, but its checksum is not the one it was stored with; do not use it, and show its \
         backup id to the service's operator"
    )]
    Checksum {
        /// The item.
        name: String,
    },
}

impl OpenPgpFault {
    /// This library's word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Generate(_) => "openpgp-key",
            Self::SecretBlock(_) => "secret-block",
            Self::Locked => "secret-locked",
            Self::Passphrase => "passphrase",
            Self::Failed { .. } => "item-failed",
            Self::Package { .. } => "package",
            Self::Open { .. } => "package-open",
            Self::Checksum { .. } => "package-checksum",
        }
    }
}

/// A device's OpenPGP key pair (Curve25519). Made afresh for a recovery.
pub struct RecipientKey {
    secret: SignedSecretKey,
    public_block: String,
}

impl RecipientKey {
    /// A new pair, in the form that every OpenPGP program since GnuPG 2.1 reads.
    pub fn generate() -> Result<Self, OpenPgpFault> {
        let fault = |error: &dyn std::fmt::Display| OpenPgpFault::Generate(error.to_string());
        let subkey = SubkeyParamsBuilder::default()
            .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
            .can_sign(false)
            .can_encrypt(EncryptionCaps::All)
            .can_authenticate(false)
            .build()
            .map_err(|error| fault(&error))?;
        let parameters = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .primary_user_id(USER_ID.into())
            .subkeys(vec![subkey])
            .build()
            .map_err(|error| fault(&error))?;
        let secret = parameters.generate(OsRng).map_err(|error| fault(&error))?;
        Self::of(secret).map_err(|error| fault(&error))
    }

    /// A pair kept from before with [`Self::secret_block`]: the same recovery may be asked for again only
    /// with the same key. One that has a passphrase is [`OpenPgpFault::Locked`].
    pub fn from_secret_block(block: &str) -> Result<Self, OpenPgpFault> {
        let secret = secret_of(block)?;
        let mut parts = secret.secret_subkeys.iter().map(|part| part.key.secret_params());
        if secret.primary_key.secret_params().is_encrypted() || parts.any(SecretParams::is_encrypted) {
            return Err(OpenPgpFault::Locked);
        }
        Self::of(secret).map_err(|error| block_fault(&error))
    }

    /// The same of a block that has a passphrase. A part without its secret, as GnuPG leaves one out where somebody
    /// exports the subkeys alone, does no harm.
    pub fn from_locked_block(block: &str, passphrase: &Secret) -> Result<Self, OpenPgpFault> {
        let mut secret = secret_of(block)?;
        let passphrase = Password::from(passphrase.expose());
        let primary = &mut secret.primary_key;
        let mut is_unlocked =
            primary.secret_params().is_encrypted() && primary.remove_password(&passphrase).is_ok();
        for part in secret.secret_subkeys.iter_mut().map(|part| &mut part.key) {
            is_unlocked |= part.secret_params().is_encrypted() && part.remove_password(&passphrase).is_ok();
        }
        if !is_unlocked {
            return Err(OpenPgpFault::Passphrase);
        }
        Self::of(secret).map_err(|error| block_fault(&error))
    }

    fn of(secret: SignedSecretKey) -> Result<Self, pgp::errors::Error> {
        let public_block = secret.to_public_key().to_armored_string(ArmorOptions::default())?;
        Ok(Self { secret, public_block })
    }

    /// The armoured public block: what a recovery is asked with.
    pub fn public_block(&self) -> &str {
        &self.public_block
    }

    /// The armoured secret block, unencrypted. Keep it where secrets are kept.
    pub fn secret_block(&self) -> Result<Zeroizing<String>, OpenPgpFault> {
        self.secret
            .to_armored_string(ArmorOptions::default())
            .map(Zeroizing::new)
            .map_err(|error| OpenPgpFault::SecretBlock(error.to_string()))
    }

    /// The primary key's fingerprint, upper-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.fingerprint())
    }

    /// Opens one recovered item and compares it with the checksum it was stored with.
    pub fn open(&self, item: &RecoveredItem) -> Result<Secret, OpenPgpFault> {
        let name = || item.item_key.clone();
        if let Some(reason) = &item.error {
            return Err(OpenPgpFault::Failed { name: name(), reason: reason.clone() });
        }
        let package = |what| OpenPgpFault::Package { name: name(), what };
        let data = match (&item.recovery_package, &item.item_value) {
            (Some(package), _) => &package.data,
            (None, Some(value)) => value,
            (None, None) => return Err(package("missing")),
        };
        let armoured = STANDARD.decode(data).map_err(|_| package("not base64"))?;
        let secret = self.open_armoured(&armoured, &name)?;
        let stored = item.item_checksum.as_deref().ok_or_else(|| package("without a checksum"))?;
        if checksum(&secret).eq_ignore_ascii_case(stored) {
            Ok(secret)
        } else {
            Err(OpenPgpFault::Checksum { name: name() })
        }
    }

    /// Opens the package of a recovery that people decided on: a binary message, as it is downloaded. `name` is what
    /// errors call it.
    pub fn open_package(&self, message: &[u8], name: &str) -> Result<Vec<PackedFile>, OpenPgpFault> {
        let archive = self.open_message(message, name)?;
        let what = "not an archive of files";
        unpack(&archive).ok_or_else(|| OpenPgpFault::Package { name: name.to_owned(), what })
    }

    /// Opens an OpenPGP message, armoured or binary: a recovered item, or what Control gave to download. `name` is what
    /// errors call it.
    pub fn open_message(&self, message: &[u8], name: &str) -> Result<Secret, OpenPgpFault> {
        let name = || name.to_owned();
        if message.trim_ascii_start().starts_with(b"-----BEGIN PGP MESSAGE-----") {
            return self.open_armoured(message.trim_ascii(), &name);
        }
        let fault = |_| OpenPgpFault::Package { name: name(), what: "not an OpenPGP message" };
        let parsed = Message::from_bytes(message).map_err(fault)?;
        self.open_parsed(parsed, (message.len(), PACKAGE_BYTES_MAX), &name)
    }

    fn open_armoured(&self, armoured: &[u8], name: &dyn Fn() -> String) -> Result<Secret, OpenPgpFault> {
        let fault = || OpenPgpFault::Package { name: name(), what: "not an armoured OpenPGP message" };
        let (message, _) = Message::from_armor(armoured).map_err(|_| fault())?;
        self.open_parsed(message, (armoured.len(), PLAINTEXT_BYTES_MAX), name)
    }

    /// What is in a message; `sizes` are its expected and its largest one, in bytes.
    fn open_parsed(
        &self,
        message: Message<'_>,
        sizes: (usize, u64),
        name: &dyn Fn() -> String,
    ) -> Result<Secret, OpenPgpFault> {
        let (expected, largest) = sizes;
        let package = |what| OpenPgpFault::Package { name: name(), what };
        let open =
            |error: &dyn std::fmt::Display| OpenPgpFault::Open { name: name(), why: error.to_string() };
        if !message.is_encrypted() {
            return Err(package("not encrypted"));
        }
        let mut message = message.decrypt(&Password::empty(), &self.secret).map_err(|error| open(&error))?;
        if message.is_compressed() {
            message = message.decompress().map_err(|error| open(&error))?;
        }
        // Reserved at once: a buffer that grows leaves copies behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(expected));
        message.by_ref().take(largest + 1).read_to_end(&mut plaintext).map_err(|error| open(&error))?;
        if plaintext.len() as u64 > largest {
            return Err(package("larger than any that the service makes"));
        }
        Ok(Secret::from(plaintext))
    }
}

fn secret_of(block: &str) -> Result<SignedSecretKey, OpenPgpFault> {
    let (secret, _) = SignedSecretKey::from_string(block.trim()).map_err(|error| block_fault(&error))?;
    secret.verify_bindings().map_err(|error| block_fault(&error))?;
    Ok(secret)
}

fn block_fault(error: &pgp::errors::Error) -> OpenPgpFault {
    OpenPgpFault::SecretBlock(error.to_string())
}

impl std::fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecipientKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use api::retail::RecoveryPackage;
    use pgp::composed::{MessageBuilder, SignedPublicKey};
    use pgp::crypto::sym::SymmetricKeyAlgorithm;

    use super::*;

    fn item(armoured: &str, plaintext: &str) -> RecoveredItem {
        let data = STANDARD.encode(armoured);
        RecoveredItem {
            backup_id: "b".into(),
            item_key: "mnemonic".into(),
            backup_item_key: "mnemonic".into(),
            recovery_id: Some("r".into()),
            recovery_package: Some(RecoveryPackage { algorithm: "gpg".into(), data: data.clone() }),
            item_value: Some(data),
            item_checksum: Some(checksum(&Secret::from(plaintext)).to_uppercase()),
            original_filename: None,
            content_type: None,
            original_size: None,
            metadata: None,
            error: None,
        }
    }

    fn encrypt_to(key: &RecipientKey, plaintext: &str) -> String {
        let (certificate, _) = SignedPublicKey::from_string(key.public_block()).unwrap();
        certificate.verify_bindings().unwrap();
        let mut builder = MessageBuilder::from_bytes("", plaintext.to_owned())
            .seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
        builder.encrypt_to_key(OsRng, &certificate.public_subkeys[0]).unwrap();
        builder.to_armored_string(OsRng, ArmorOptions::default()).unwrap()
    }

    #[test]
    fn what_is_encrypted_to_the_device_opens_on_it_and_nowhere_else() {
        let (device, other) = (RecipientKey::generate().unwrap(), RecipientKey::generate().unwrap());
        let item = item(&encrypt_to(&device, "abandon ability"), "abandon ability");
        assert_eq!(device.open(&item).unwrap(), Secret::from("abandon ability"));
        assert!(matches!(other.open(&item), Err(OpenPgpFault::Open { .. })));

        let kept = RecipientKey::from_secret_block(&device.secret_block().unwrap()).unwrap();
        assert_eq!(kept.fingerprint(), device.fingerprint());
        assert_eq!(kept.open(&item).unwrap(), Secret::from("abandon ability"));
    }

    #[test]
    fn what_is_not_a_package_is_refused_by_name() {
        let device = RecipientKey::generate().unwrap();
        let good = item(&encrypt_to(&device, "abandon"), "abandon");
        let mut changed = good.clone();
        changed.item_checksum = Some("0".repeat(64));
        assert_eq!(device.open(&changed), Err(OpenPgpFault::Checksum { name: "mnemonic".into() }));

        let mut failed = good.clone();
        failed.error = Some("item-damaged".into());
        assert!(matches!(device.open(&failed), Err(OpenPgpFault::Failed { .. })));

        for (data, what) in [
            ("%%", "not base64"),
            ("YWJj", "not an armoured OpenPGP message"),
            ("", "not an armoured OpenPGP message"),
        ] {
            let mut bad = good.clone();
            bad.recovery_package = Some(RecoveryPackage { algorithm: "gpg".into(), data: data.into() });
            assert_eq!(device.open(&bad), Err(OpenPgpFault::Package { name: "mnemonic".into(), what }));
        }
        let builder = MessageBuilder::from_bytes("", "abandon");
        let plain = builder.to_armored_string(OsRng, ArmorOptions::default()).unwrap();
        let bare = item(&plain, "abandon");
        let fault = OpenPgpFault::Package { name: "mnemonic".into(), what: "not encrypted" };
        assert_eq!(device.open(&bare), Err(fault));
    }
    #[test]
    fn a_package_is_a_binary_message_of_an_archive() {
        let (device, other) = (RecipientKey::generate().unwrap(), RecipientKey::generate().unwrap());
        let sealed = |plaintext: Vec<u8>| {
            let (certificate, _) = SignedPublicKey::from_string(device.public_block()).unwrap();
            let builder = MessageBuilder::from_bytes("", plaintext);
            let mut builder = builder.seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
            builder.encrypt_to_key(OsRng, &certificate.public_subkeys[0]).unwrap();
            builder.to_vec(OsRng).unwrap()
        };
        let empty = sealed(vec![0; 1024]);
        assert_eq!(device.open_package(&empty, "r"), Ok(Vec::new()));
        assert!(matches!(other.open_package(&empty, "r"), Err(OpenPgpFault::Open { .. })));
        let bare = MessageBuilder::from_bytes("", vec![0; 1024]).to_vec(OsRng).unwrap();
        for (message, what) in [
            (sealed(b"abandon".to_vec()), "not an archive of files"),
            (b"abandon".to_vec(), "not an OpenPGP message"),
            (bare, "not encrypted"),
        ] {
            let fault = OpenPgpFault::Package { name: "r".into(), what };
            assert_eq!(device.open_package(&message, "r"), Err(fault));
        }
    }
}
