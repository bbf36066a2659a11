//! Making key pairs, using private halves, and the one thread that makes them for the pool.

use std::panic::catch_unwind;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, UnparsedPublicKey,
};
use boundary::message::{KeyType, Refusal};
use boundary::{OAEP_PLAINTEXT_BYTES_MAX, RSA_CIPHERTEXT_BYTES};
use zeroize::Zeroizing;

use crate::digest::random;
use crate::secret::Plaintext;

/// DER of an RSA-4096 `SubjectPublicKeyInfo` (RFC 8017 A.1.1) with e = 65537: always this long, the modulus
/// always here.
const RSA_PUBLIC_BYTES: usize = 550;
const RSA_MODULUS: std::ops::Range<usize> = 33..545;
const RSA_EXPONENT_65537: [u8; 5] = [2, 3, 1, 0, 1];
/// How many requests may wait for the generator.
const QUEUE_MAX: usize = 64;

/// A fresh pair.
pub struct Pair {
    /// The public half, encoded as [`KeyType`] says.
    pub public_key: Vec<u8>,
    /// The private half, PKCS#8.
    pub private_half: Zeroizing<Vec<u8>>,
}

/// A library call failed, or a key is not what it should be.
#[derive(Debug)]
pub struct BadKey;

impl<E: std::error::Error> From<E> for BadKey {
    fn from(_: E) -> Self {
        Self
    }
}

/// Makes a pair, reads it back from what will be sealed, and tries both halves against each other
/// (SP 800-56B r2 §6.4.1.1) before anyone sees it.
pub fn make(key_type: KeyType) -> Result<Pair, BadKey> {
    let private_half = match key_type {
        KeyType::Rsa4096 => {
            let der: Pkcs8V1Der<'_> = PrivateDecryptingKey::generate(KeySize::Rsa4096)?.as_der()?;
            Zeroizing::new(der.as_ref().to_vec())
        }
        KeyType::Secp256k1 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256K1_SHA256_ASN1_SIGNING)?;
            Zeroizing::new(pair.to_pkcs8v1()?.as_ref().to_vec())
        }
        KeyType::Ed25519 => Zeroizing::new(Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref().to_vec()),
    };
    let public_key = public_half(key_type, &private_half)?;
    check_public_half(key_type, &public_key)?;
    try_pair(key_type, &public_key, &private_half)?;
    Ok(Pair { public_key, private_half })
}

/// The public half of a private one.
pub fn public_half(key_type: KeyType, private_half: &[u8]) -> Result<Vec<u8>, BadKey> {
    Ok(match key_type {
        KeyType::Rsa4096 => {
            let public = PrivateDecryptingKey::from_pkcs8(private_half)?.public_key();
            let der: PublicKeyX509Der<'_> = public.as_der()?;
            der.as_ref().to_vec()
        }
        KeyType::Secp256k1 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256K1_SHA256_ASN1_SIGNING, private_half)?;
            compress(pair.public_key().as_ref())?
        }
        KeyType::Ed25519 => Ed25519KeyPair::from_pkcs8(private_half)?.public_key().as_ref().to_vec(),
    })
}

/// A private half for others to read: PKCS#8 of version 1 (RFC 5208), which every tool knows.
pub fn pkcs8(key_type: KeyType, private_half: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadKey> {
    if key_type != KeyType::Ed25519 {
        return Ok(Zeroizing::new(private_half.to_vec()));
    }
    Ok(Zeroizing::new(Ed25519KeyPair::from_pkcs8(private_half)?.to_pkcs8v1()?.as_ref().to_vec()))
}

/// SEC 1 §2.3.3: the sign of y, then x.
fn compress(point: &[u8]) -> Result<Vec<u8>, BadKey> {
    match point {
        [4, coordinates @ ..] if coordinates.len() == 64 => {
            Ok([&[2 | coordinates[63] & 1], &coordinates[..32]].concat())
        }
        _ => Err(BadKey),
    }
}

/// Whether these bytes are a public half of that kind.
pub fn check_public_half(key_type: KeyType, public_key: &[u8]) -> Result<(), BadKey> {
    let good = match key_type {
        KeyType::Rsa4096 => {
            public_key.len() == RSA_PUBLIC_BYTES
                && public_key.ends_with(&RSA_EXPONENT_65537)
                && PublicEncryptingKey::from_der(public_key)?.key_size_bits() == 4_096
        }
        KeyType::Secp256k1 => public_key.len() == 33 && matches!(public_key[0], 2 | 3),
        KeyType::Ed25519 => public_key.len() == 32,
    };
    if good { Ok(()) } else { Err(BadKey) }
}

/// RSA-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 §7.1.1), as a customer's device does it.
pub fn encrypt(public_key: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, BadKey> {
    let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public_key)?)?;
    let mut ciphertext = vec![0; RSA_CIPHERTEXT_BYTES];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, None)?;
    Ok(ciphertext)
}

/// Tries both halves of a pair against each other.
pub fn try_pair(key_type: KeyType, public_key: &[u8], private_half: &[u8]) -> Result<(), BadKey> {
    let sample: [u8; 32] = random();
    match key_type {
        KeyType::Rsa4096 => {
            let ciphertext = encrypt(public_key, &sample)?;
            let opened = RsaKey::read(private_half, public_key)?.decrypt(&ciphertext).ok_or(BadKey)?;
            if opened.has_checksum(&crate::digest::sha256(&sample)) { Ok(()) } else { Err(BadKey) }
        }
        KeyType::Secp256k1 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256K1_SHA256_ASN1_SIGNING, private_half)?;
            let signature = pair.sign(&SystemRandom::new(), &sample)?;
            let public = UnparsedPublicKey::new(&ECDSA_P256K1_SHA256_ASN1, public_key);
            Ok(public.verify(&sample, signature.as_ref())?)
        }
        KeyType::Ed25519 => {
            let signature = Ed25519KeyPair::from_pkcs8(private_half)?.try_sign(&sample)?;
            Ok(UnparsedPublicKey::new(&ED25519, public_key).verify(&sample, signature.as_ref())?)
        }
    }
}

/// A customer's RSA private half, ready for use.
pub struct RsaKey {
    key: OaepPrivateDecryptingKey,
    modulus: Vec<u8>,
}

impl RsaKey {
    /// Reads a private half and compares its public half with the one its seal names.
    pub fn read(private_half: &[u8], public_key: &[u8]) -> Result<Self, BadKey> {
        let key = PrivateDecryptingKey::from_pkcs8(private_half)?;
        let der: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        crate::service::ensure(der.as_ref() == public_key && public_key.len() == RSA_PUBLIC_BYTES, BadKey)?;
        Ok(Self { key: OaepPrivateDecryptingKey::new(key)?, modulus: public_key[RSA_MODULUS].to_vec() })
    }

    /// RSA-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 §7.1.2). A ciphertext that cannot be one, by its length
    /// or because it is not below the modulus, costs the same private operation as any other.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Option<Plaintext> {
        let possible = ciphertext.len() == RSA_CIPHERTEXT_BYTES && ciphertext < self.modulus.as_slice();
        let stand_in: [u8; RSA_CIPHERTEXT_BYTES] = std::array::from_fn(|at| u8::from(at > 0));
        let input = if possible { ciphertext } else { stand_in.as_slice() };
        let mut buffer = Zeroizing::new(vec![0; RSA_CIPHERTEXT_BYTES]);
        let length =
            self.key.decrypt(&OAEP_SHA256_MGF1SHA256, input, &mut buffer, None).map(|found| found.len());
        match length {
            Ok(length) if possible && length <= OAEP_PLAINTEXT_BYTES_MAX => {
                buffer.truncate(length);
                Some(Plaintext::new(buffer))
            }
            _ => None,
        }
    }
}

/// The thread that makes keys for the pool, one at a time, behind everything else.
pub struct Generator(SyncSender<Job>);

/// What to make, and who waits for it.
type Job = (KeyType, Sender<Result<Pair, BadKey>>);

impl Generator {
    /// Starts it.
    pub fn start() -> std::io::Result<Self> {
        let (sender, jobs) = sync_channel::<Job>(QUEUE_MAX);
        thread::Builder::new().name("generate".into()).spawn(move || {
            // On Linux a priority belongs to the thread; without the right to lower it we go on as we are.
            let _ = rustix::process::setpriority_process(None, 19);
            for (key_type, answer) in jobs {
                // Whoever asked may be gone; the key is dropped then.
                let pair = catch_unwind(|| make(key_type)).unwrap_or(Err(BadKey));
                let _ = answer.send(pair);
            }
        })?;
        Ok(Self(sender))
    }

    /// Waits for a fresh pair.
    pub fn make(&self, key_type: KeyType) -> Result<Pair, Refusal> {
        let (sender, answer) = channel();
        self.0.send((key_type, sender)).map_err(|_| Refusal::Crashed)?;
        match answer.recv() {
            Ok(Ok(pair)) => Ok(pair),
            _ => Err(Refusal::Crashed),
        }
    }
}

/// What a customer's device does, for the tests of others.
#[cfg(test)]
pub fn encrypt_for_test(public_key: &[u8], plaintext: &[u8]) -> Vec<u8> {
    encrypt(public_key, plaintext).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_each_kind_fits_and_a_foreign_half_does_not() {
        for key_type in [KeyType::Secp256k1, KeyType::Ed25519] {
            let (one, two) = (make(key_type).unwrap(), make(key_type).unwrap());
            assert!(try_pair(key_type, &one.public_key, &one.private_half).is_ok());
            assert!(try_pair(key_type, &two.public_key, &one.private_half).is_err());
        }
    }

    #[test]
    fn an_rsa_pair_decrypts_what_was_encrypted_to_it_and_nothing_else() {
        let pair = make(KeyType::Rsa4096).unwrap();
        let key = RsaKey::read(&pair.private_half, &pair.public_key).unwrap();
        let mut ciphertext = encrypt_for_test(&pair.public_key, &[9; 446]);
        assert!(key.decrypt(&ciphertext).unwrap().has_checksum(&crate::digest::sha256(&[9; 446])));
        assert!(!key.decrypt(&ciphertext).unwrap().has_checksum(&[0; 32]));
        assert!(key.decrypt(&ciphertext[1..]).is_none());
        assert!(key.decrypt(&[&[0], ciphertext.as_slice()].concat()).is_none());
        assert!(key.decrypt(&[]).is_none());
        assert!(key.decrypt(&[0xff; RSA_CIPHERTEXT_BYTES]).is_none());
        assert!(key.decrypt(&pair.public_key[RSA_MODULUS]).is_none());
        ciphertext[100] ^= 1;
        assert!(key.decrypt(&ciphertext).is_none());
        assert!(RsaKey::read(&pair.private_half, &[0; 550]).is_err());
    }
}
