//! A passkey of software: for tests, tours and whoever rehearses against a sandbox. It holds its private key in
//! memory and asks nobody, so it is no passkey for a person.
//!
//! What it makes is `WebAuthn` Level 2: §6.1 authenticator data, §5.8.1 client data, §6.3.3 assertions, and §8.7
//! registrations without an attestation. Its counter stays at 0, as a passkey's does that lives in many places.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::api::sandbox::Passkey as Given;

/// User present, user verified (§6.1).
const PRESENT_AND_VERIFIED: u8 = 0x05;
/// Credential data attached.
const ATTACHED: u8 = 0x40;

/// A software passkey.
pub struct Passkey {
    /// Its id.
    pub credential_id: Vec<u8>,
    /// Whose it is.
    pub user_handle: Vec<u8>,
    /// The name it is bound to.
    pub rp_id: String,
    /// The page on which it is used.
    pub origin: String,
    key: EcdsaKeyPair,
}

/// Why a passkey cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("a passkey: {0}")]
pub struct PasskeyError(&'static str);

/// The three parts of an assertion.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// §6.1.
    pub authenticator_data: Vec<u8>,
    /// §5.8.1.
    pub client_data_json: Vec<u8>,
    /// ECDSA on P-256 with SHA-256, DER.
    pub signature: Vec<u8>,
}

impl Passkey {
    /// One of a sandbox's credentials file, used at `origin`.
    pub fn given(given: &Given, origin: &str) -> Result<Self, PasskeyError> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| PasskeyError("not base64url"));
        let pkcs8 = decode(&given.private_key_pkcs8)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
            .map_err(|_| PasskeyError("not a private key of P-256"))?;
        Ok(Self {
            credential_id: decode(&given.credential_id)?,
            user_handle: decode(&given.user_handle)?,
            rp_id: given.rp_id.clone(),
            origin: origin.to_owned(),
            key,
        })
    }

    /// A new one, for these creation options (the JSON of a page), and what the browser answers: registration JSON.
    pub fn create(
        options: &Value,
        credential_id: &[u8],
        origin: &str,
    ) -> Result<(Self, Value), PasskeyError> {
        let options = options.get("publicKey").unwrap_or(options);
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(PasskeyError("odd options"));
        let user_handle = URL_SAFE_NO_PAD.decode(text(&options["user"]["id"])?);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let passkey = Self {
            credential_id: credential_id.to_vec(),
            user_handle: user_handle.map_err(|_| PasskeyError("odd options"))?,
            rp_id: text(&options["rp"]["id"])?,
            origin: origin.to_owned(),
            key: key.map_err(|_| PasskeyError("no new key"))?,
        };
        let client = passkey.client_data("webauthn.create", &text(&options["challenge"])?);
        let answer = json!({
            "id": URL_SAFE_NO_PAD.encode(credential_id),
            "rawId": URL_SAFE_NO_PAD.encode(credential_id),
            "type": "public-key",
            "response": {
                "attestationObject": URL_SAFE_NO_PAD.encode(passkey.attestation_object()),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            },
            "extensions": {},
        });
        Ok((passkey, answer))
    }

    /// Signs a challenge, as the browser hands it over: base64url.
    pub fn assert(&self, challenge: &str) -> Result<Assertion, PasskeyError> {
        let client_data_json = self.client_data("webauthn.get", challenge);
        self.sign(self.authenticator_data(PRESENT_AND_VERIFIED), client_data_json)
    }

    /// Signs a challenge of bytes, such as the hash of what is voted on.
    pub fn assert_bytes(&self, challenge: &[u8]) -> Result<Assertion, PasskeyError> {
        self.assert(&URL_SAFE_NO_PAD.encode(challenge))
    }

    /// What the browser answers to these request options (the JSON of a page).
    pub fn get(&self, options: &Value) -> Result<Value, PasskeyError> {
        let options = options.get("publicKey").unwrap_or(options);
        let challenge = options["challenge"].as_str().ok_or(PasskeyError("odd options"))?;
        Ok(self.answer(&self.assert(challenge)?))
    }

    /// An assertion in the form in which a page sends it.
    pub fn answer(&self, assertion: &Assertion) -> Value {
        let id = URL_SAFE_NO_PAD.encode(&self.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "authenticatorData": URL_SAFE_NO_PAD.encode(&assertion.authenticator_data),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&assertion.client_data_json),
                "signature": URL_SAFE_NO_PAD.encode(&assertion.signature),
                "userHandle": URL_SAFE_NO_PAD.encode(&self.user_handle),
            },
            "extensions": {},
        })
    }

    /// Signs whatever it is given in the place of authenticator data and client data: for tests of who judges them.
    pub fn sign(
        &self,
        authenticator_data: Vec<u8>,
        client_data_json: Vec<u8>,
    ) -> Result<Assertion, PasskeyError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a signature's own chance, which the library draws itself"
        )]
        let chance = SystemRandom::new();
        let hash = digest(&SHA256, &client_data_json);
        let signed = [authenticator_data.as_slice(), hash.as_ref()].concat();
        let signature = self.key.sign(&chance, &signed).map_err(|_| PasskeyError("no signature"))?;
        Ok(Assertion { authenticator_data, client_data_json, signature: signature.as_ref().to_vec() })
    }

    /// Its public key: an uncompressed point of P-256.
    pub fn point(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The client data of a call of this kind.
    pub fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let origin = &self.origin;
        let data = json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    /// Authenticator data with these flags and a counter of 0.
    pub fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let rp_id_hash = digest(&SHA256, self.rp_id.as_bytes());
        [rp_id_hash.as_ref(), &[flags], &[0; 4]].concat()
    }

    /// CBOR of `{"fmt": "none", "attStmt": {}, "authData": ..}` (§6.5.4).
    fn attestation_object(&self) -> Vec<u8> {
        let mut data = self.authenticator_data(PRESENT_AND_VERIFIED | ATTACHED);
        data.extend([0; 16]);
        // Ids of authenticators are short: a length of 16 bits is of the form.
        data.extend(u16::try_from(self.credential_id.len()).unwrap_or(u16::MAX).to_be_bytes());
        data.extend(&self.credential_id);
        // A COSE key (RFC 9053 §7.1.1): EC2, ES256, P-256, x, y.
        let point = self.point();
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        let mut out = vec![0xa3, 0x63];
        out.extend(b"fmt");
        out.push(0x64);
        out.extend(b"none");
        out.push(0x67);
        out.extend(b"attStmt");
        out.extend([0xa0, 0x68]);
        out.extend(b"authData");
        out.push(0x59);
        out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(data);
        out
    }
}
