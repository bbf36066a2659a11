//! Encryption on the device, to an attested key and no other.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::{OAEP_PLAINTEXT_BYTES_MAX, RSA_CIPHERTEXT_BYTES};

use crate::attest::{AttestedKey, KeyType};
use crate::hex;
use crate::jwe::JWE_PLAINTEXT_BYTES_MAX;
use crate::secret::Secret;

/// What the service takes as one file.
pub const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Why a secret cannot be encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptFault {
    /// It does not fit into one ciphertext.
    #[error(
        "it has {bytes} bytes and at most {most} fit, nothing was sent; store a shorter form of it, or several parts"
    )]
    TooLong {
        /// Its size.
        bytes: usize,
        /// What fits.
        most: usize,
    },
    /// One signs with such a key, and does not encrypt to it.
    #[error("the key is {0} and only an rsa4096 key can be encrypted to; ask for one")]
    KeyType(&'static str),
    /// The key's bytes are attested but no key.
    #[error("the key is attested, but its bytes are no RSA key; do not use it, and report it")]
    Key,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed; try again")]
    Library,
}

impl EncryptFault {
    /// This library's word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too-long",
            Self::KeyType(_) => "key-type",
            Self::Key => "key",
            Self::Library => "library",
        }
    }
}

/// In which form a secret is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One RSA-OAEP ciphertext, which the enclave opens at once to compare the checksum.
    Oaep,
    /// A file that is a JWE; the service opens no files.
    Jwe,
}

impl Form {
    /// Its name: `oaep` or `jwe`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oaep => "oaep",
            Self::Jwe => "jwe",
        }
    }
}

/// In which form a secret of this size is stored; a size that fits neither is refused.
pub fn form_of(bytes: usize) -> Result<Form, EncryptFault> {
    if bytes <= OAEP_PLAINTEXT_BYTES_MAX {
        Ok(Form::Oaep)
    } else if bytes <= JWE_PLAINTEXT_BYTES_MAX {
        Ok(Form::Jwe)
    } else {
        Err(EncryptFault::TooLong { bytes, most: JWE_PLAINTEXT_BYTES_MAX })
    }
}

/// An encrypted secret, and the checksum by which the service sees that it can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    /// Standard base64.
    pub data: String,
    /// SHA-256 of the plaintext, lower-case hexadecimal.
    pub checksum: String,
}

/// Encrypts a secret: RSA-OAEP with SHA-256 for the hash and for MGF1, empty label.
pub fn encrypt(key: &AttestedKey, secret: &Secret) -> Result<Ciphertext, EncryptFault> {
    check_size(secret)?;
    Ok(Ciphertext { data: STANDARD.encode(oaep(key, secret.expose())?), checksum: checksum(secret) })
}

/// The ciphertext of one block, to an attested RSA key.
pub(crate) fn oaep(key: &AttestedKey, plaintext: &[u8]) -> Result<Vec<u8>, EncryptFault> {
    if key.key_type() != KeyType::Rsa4096 {
        return Err(EncryptFault::KeyType(key.key_type().as_str()));
    }
    let rsa = PublicEncryptingKey::from_der(key.as_bytes())
        .ok()
        .filter(|rsa| rsa.key_size_bytes() == RSA_CIPHERTEXT_BYTES)
        .ok_or(EncryptFault::Key)?;
    let rsa = OaepPublicEncryptingKey::new(rsa).map_err(|_| EncryptFault::Key)?;
    let mut out = [0; RSA_CIPHERTEXT_BYTES];
    let data =
        rsa.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None).map_err(|_| EncryptFault::Library)?;
    Ok(data.to_vec())
}

/// Whether a secret fits; asked before a key is made for it.
pub(crate) fn check_size(secret: &Secret) -> Result<(), EncryptFault> {
    match secret.expose().len() {
        0..=OAEP_PLAINTEXT_BYTES_MAX => Ok(()),
        bytes => Err(EncryptFault::TooLong { bytes, most: OAEP_PLAINTEXT_BYTES_MAX }),
    }
}

/// SHA-256, lower-case hexadecimal.
pub fn checksum(secret: &Secret) -> String {
    hex::encode(digest::digest(&digest::SHA256, secret.expose()).as_ref())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};

    use super::*;
    use crate::attest::tests::{Signer, rsa_pair};

    fn open(pair: &PrivateDecryptingKey, ciphertext: &Ciphertext) -> Vec<u8> {
        let key = OaepPrivateDecryptingKey::new(pair.clone()).unwrap();
        let mut out = [0; RSA_CIPHERTEXT_BYTES];
        let data = STANDARD.decode(&ciphertext.data).unwrap();
        key.decrypt(&OAEP_SHA256_MGF1SHA256, &data, &mut out, None).unwrap().to_vec()
    }

    #[test]
    fn every_size_up_to_the_limit_is_opened_again() {
        let pair = rsa_pair();
        let key = Signer::new("k").attest(&pair);
        for size in [0, 1, 445, OAEP_PLAINTEXT_BYTES_MAX] {
            let secret = Secret::from(vec![7; size]);
            let sealed = encrypt(&key, &secret).unwrap();
            assert_eq!(open(&pair, &sealed), vec![7; size]);
            assert_ne!(encrypt(&key, &secret).unwrap().data, sealed.data, "each ciphertext is another");
        }
        let long = Secret::from(vec![7; OAEP_PLAINTEXT_BYTES_MAX + 1]);
        assert_eq!(encrypt(&key, &long), Err(EncryptFault::TooLong { bytes: 447, most: 446 }));
    }

    #[test]
    fn there_is_a_form_for_every_size_without_a_gap() {
        for (bytes, form) in [
            (0, Form::Oaep),
            (445, Form::Oaep),
            (446, Form::Oaep),
            (447, Form::Jwe),
            (470, Form::Jwe),
            (JWE_PLAINTEXT_BYTES_MAX, Form::Jwe),
        ] {
            assert_eq!(form_of(bytes), Ok(form), "{bytes}");
        }
        for bytes in [JWE_PLAINTEXT_BYTES_MAX + 1, FILE_BYTES_MAX, FILE_BYTES_MAX + 1] {
            assert!(form_of(bytes).is_err(), "{bytes}");
        }
        let key = Signer::new("k").attest(&rsa_pair());
        let largest = Secret::from(vec![7; JWE_PLAINTEXT_BYTES_MAX]);
        let file = crate::jwe::encrypt_file(&key, &largest).unwrap();
        assert!(file.len() <= FILE_BYTES_MAX && file.len() + 2 > FILE_BYTES_MAX, "{}", file.len());
        let larger = Secret::from(vec![7; JWE_PLAINTEXT_BYTES_MAX + 1]);
        assert!(matches!(crate::jwe::encrypt_file(&key, &larger), Err(EncryptFault::TooLong { .. })));
    }

    #[test]
    fn the_checksum_is_the_plaintexts() {
        assert_eq!(
            checksum(&Secret::from("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn one_does_not_encrypt_to_a_signing_key() {
        let key = Signer::new("k").attest_bytes(&[9; 32], "ed25519");
        assert_eq!(encrypt(&key, &Secret::from("a")), Err(EncryptFault::KeyType("ed25519")));
    }
}
