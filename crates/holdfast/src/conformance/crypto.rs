//! What an integrator's side computes: encryption to a key, digests, and whether a signature is the enclave's.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::verdict::{Stop, failed};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// SHA-256, lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal text of any case.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| u8::try_from(high << 4 | low).ok()).collect();
    if rest.is_empty() { bytes } else { None }
}

/// RSA-OAEP with SHA-256 for the hash and for MGF1, empty label; standard base64.
pub fn encrypt(public_key: &str, plaintext: &[u8]) -> Result<String, Stop> {
    let not_rsa = || failed(format!("the answered public_key is no RSA key in hexadecimal: {public_key}"));
    let der = unhex(public_key).ok_or_else(not_rsa)?;
    let key = PublicEncryptingKey::from_der(&der).map_err(|_| not_rsa())?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| not_rsa())?;
    let mut out = vec![0; key.ciphertext_size()];
    let sealed = key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None);
    sealed
        .map(|bytes| STANDARD.encode(&*bytes))
        .map_err(|_| failed("the plaintext does not fit into the key"))
}

/// Whether a signature (DER, standard base64) is that of one of these signing keys, over this text.
pub fn is_signed(jwks: &Value, kid: Option<&str>, purpose: &str, signed: &str, signature: &str) -> bool {
    let keys = jwks["keys"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let mut usable = keys.filter(|key| {
        let purposes = key["coincover:purposes"].as_array();
        let is_for_it = purposes.is_some_and(|purposes| purposes.iter().any(|known| known == purpose));
        is_for_it && kid.is_none_or(|kid| key["kid"] == kid)
    });
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    usable.any(|key| {
        point_of(key).is_some_and(|point| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .verify(signed.as_bytes(), &signature)
                .is_ok()
        })
    })
}

/// The uncompressed point of a key of P-256 in a JWKS.
pub fn point_of(key: &Value) -> Option<Vec<u8>> {
    let half = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok().filter(|half| half.len() == 32);
    Some([vec![4], half("x")?, half("y")?].concat())
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

/// Whether an Ed25519 signature holds.
pub fn is_ed25519(public_key: &[u8], signed: &str, signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(signed.as_bytes(), signature).is_ok()
}

/// A key of P-256 that signs as JWS does (RFC 7515; ES256).
pub struct Es256(EcdsaKeyPair);

impl Es256 {
    /// A new one.
    pub fn generate() -> Result<Self, Stop> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        key.map(Self).map_err(|_| failed("no key of P-256 could be made"))
    }

    /// Its public half, under this name.
    pub fn jwk(&self, kid: &str) -> Value {
        let half = |at: usize| URL_SAFE_NO_PAD.encode(&self.0.public_key().as_ref()[at..at + 32]);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": half(1), "y": half(33)})
    }

    /// A compact JWS over this text.
    pub fn sign(&self, header: &Value, text: &str) -> Result<String, Stop> {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(text));
        #[expect(
            clippy::disallowed_methods,
            reason = "a signature's own chance, which the library draws itself"
        )]
        let random = SystemRandom::new();
        let signature = self.0.sign(&random, signed.as_bytes()).map_err(|_| failed("no signature"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_in_any_case() {
        assert_eq!(unhex("00fFAb"), Some(vec![0, 255, 171]));
        assert_eq!(hex(&[0, 255, 171]), "00ffab");
        assert_eq!((unhex("0"), unhex("0g")), (None, None));
    }

    #[test]
    fn published_vectors_hold() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // RFC 4231, test case 2.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
