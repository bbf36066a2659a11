//! The user's device: makes checksums, encrypts to the key it was given, and can do each of it wrongly.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::audit::hex;
use serde_json::{Value, json};

/// What is part of every plaintext of the tests, and may never be seen outside the enclave.
pub const CANARY: &str = "canary-5d0c61";

/// A device that was given a public key.
#[derive(Clone, Debug)]
pub struct Device {
    public_key: Vec<u8>,
}

/// An item as a device sends it.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
    /// Hexadecimal.
    pub checksum: String,
}

impl Device {
    /// A device with this public key, as the service gave it.
    pub fn with(public_key_hex: &str) -> Self {
        Self { public_key: unhex(public_key_hex) }
    }

    /// RSA-OAEP with SHA-256, as the contract wants it.
    pub fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        self.encrypt_with(&OAEP_SHA256_MGF1SHA256, plaintext)
    }

    /// RSA-OAEP with SHA-1, as many libraries do it when nobody says otherwise.
    pub fn encrypt_with_sha1(&self, plaintext: &[u8]) -> Vec<u8> {
        self.encrypt_with(&OAEP_SHA1_MGF1SHA1, plaintext)
    }

    fn encrypt_with(&self, algorithm: &'static OaepAlgorithm, plaintext: &[u8]) -> Vec<u8> {
        let key = PublicEncryptingKey::from_der(&self.public_key).expect("an RSA key");
        let key = OaepPublicEncryptingKey::new(key).expect("an RSA key for OAEP");
        let mut out = vec![0; key.ciphertext_size()];
        key.encrypt(algorithm, plaintext, &mut out, None).expect("encrypts").to_vec()
    }

    /// An item of this name.
    pub fn item(&self, name: &str, plaintext: &[u8]) -> Item {
        Item { name: name.to_owned(), ciphertext: self.encrypt(plaintext), checksum: checksum(plaintext) }
    }
}

impl Item {
    /// As a member of `backup`.
    pub fn json(&self) -> Value {
        json!({
            "item_key": self.name,
            "item_value": STANDARD.encode(&self.ciphertext),
            "item_checksum": self.checksum,
        })
    }
}

/// A plaintext that the tests would notice anywhere.
pub fn secret(name: &str) -> Vec<u8> {
    format!("{CANARY} of {name}").into_bytes()
}

/// SHA-256, hexadecimal.
pub fn checksum(plaintext: &[u8]) -> String {
    hex(digest(&SHA256, plaintext).as_ref())
}

/// Bytes of lower- or upper-case hexadecimal.
pub fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok()));
    pairs.collect::<Option<_>>().expect("hexadecimal")
}

/// Standard base64.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Undoes [`base64`].
pub fn unbase64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("base64")
}
