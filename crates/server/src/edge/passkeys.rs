//! Passkeys (`WebAuthn` Level 2): made and shown by ES256 alone, with the person verified by his device.

use domain::audit::hex;
use domain::ids::PersonId;
use webauthn_rs::prelude::{
    COSEAlgorithm, COSEKeyType, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// The number of ES256 (RFC 9053 §2.1).
const ES256: i64 = -7;

/// Whoever makes and judges passkeys, for one origin.
pub struct Passkeys {
    webauthn: Webauthn,
    /// The name that they are bound to: the origin's host.
    pub rp_id: String,
}

/// What is asked of the browser, JSON, and what must be remembered until it answers.
pub struct Asked {
    /// The options, as `passkey.js` hands them to the browser.
    pub options: String,
    /// What is to be kept on the server.
    pub state: Vec<u8>,
}

/// A passkey that was made.
pub struct Made {
    /// As the authenticator minted it.
    pub credential_id: Vec<u8>,
    /// What the library keeps of it, JSON.
    pub data: String,
    /// The public key: an uncompressed point of P-256.
    pub point: [u8; 65],
}

/// A passkey that was shown.
pub struct Shown {
    /// Which.
    pub credential_id: Vec<u8>,
    /// What the library keeps of it from now on, JSON.
    pub data: String,
}

/// Why an answer of a browser does not count. For the log.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// It is no such answer.
    #[error("not an answer in form")]
    Form(#[from] serde_json::Error),
    /// It does not hold.
    #[error("the answer does not hold")]
    Judged(#[from] WebauthnError),
    /// It is of something else than a public key (§5.8.2), which the library does not look at.
    #[error("an answer of another type")]
    OtherType,
    /// The key is of another kind.
    #[error("a key that is not ES256 on P-256")]
    OtherKind,
}

impl Passkeys {
    /// For pages of this origin.
    pub fn of(origin: &Url) -> Result<Self, WebauthnError> {
        let rp_id = origin.host_str().unwrap_or("").to_owned();
        let webauthn = WebauthnBuilder::new(&rp_id, origin)?.rp_name("Holdfast").build()?;
        Ok(Self { webauthn, rp_id })
    }

    /// Asks for a new passkey, on a device that has none of these.
    pub fn ask_to_make(
        &self,
        person: &PersonId,
        email: &str,
        name: &str,
        known: &[Vec<u8>],
    ) -> Result<Asked, PasskeyError> {
        let known = known.to_vec();
        let id = Uuid::from_bytes(person.bytes());
        let (mut options, state) = self.webauthn.start_passkey_registration(id, email, name, Some(known))?;
        options.public_key.pub_key_cred_params.retain(|offered| offered.alg == ES256);
        Ok(Asked { options: serde_json::to_string(&options)?, state: serde_json::to_vec(&state)? })
    }

    /// Judges what the browser answered.
    pub fn judge_made(&self, answer: &str, state: &[u8]) -> Result<Made, PasskeyError> {
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer)?;
        check_type(&answer.type_)?;
        let state: PasskeyRegistration = serde_json::from_slice(state)?;
        let made = self.webauthn.finish_passkey_registration(&answer, &state)?;
        let point = point_of(&made).ok_or(PasskeyError::OtherKind)?;
        Ok(Made { credential_id: made.cred_id().clone(), data: serde_json::to_string(&made)?, point })
    }

    /// Asks for one of these passkeys, each as the library keeps it.
    pub fn ask_to_show(&self, known: &[&str]) -> Result<Asked, PasskeyError> {
        let known =
            known.iter().map(|data| serde_json::from_str(data)).collect::<Result<Vec<Passkey>, _>>()?;
        let (options, state) = self.webauthn.start_passkey_authentication(&known)?;
        Ok(Asked { options: serde_json::to_string(&options)?, state: serde_json::to_vec(&state)? })
    }

    /// Judges what the browser answered, of these passkeys.
    pub fn judge_shown(&self, answer: &str, state: &[u8], known: &[&str]) -> Result<Shown, PasskeyError> {
        let answer: PublicKeyCredential = serde_json::from_str(answer)?;
        check_type(&answer.type_)?;
        let state: PasskeyAuthentication = serde_json::from_slice(state)?;
        let result = self.webauthn.finish_passkey_authentication(&answer, &state)?;
        for data in known {
            let mut passkey: Passkey = serde_json::from_str(data)?;
            if passkey.update_credential(&result).is_some() {
                let data = serde_json::to_string(&passkey)?;
                return Ok(Shown { credential_id: passkey.cred_id().clone(), data });
            }
        }
        Err(PasskeyError::Judged(WebauthnError::CredentialNotFound))
    }
}

/// What the library would keep of a passkey that was made elsewhere, for a sandbox's ready-made people.
pub fn data_of(credential_id: &[u8], point: &[u8; 65]) -> Result<String, PasskeyError> {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let key = serde_json::json!({"type_": "ES256", "key": {"EC_EC2": {
        "curve": "SECP256R1", "x": encode(&point[1..33]), "y": encode(&point[33..])}}});
    let cred = serde_json::json!({
        "cred_id": encode(credential_id), "cred": key, "counter": 0, "transports": null, "user_verified": true,
        "backup_eligible": false, "backup_state": false, "registration_policy": "required", "extensions": {},
        "attestation": {"data": "None", "metadata": "None"}, "attestation_format": "none"});
    let passkey: Passkey = serde_json::from_value(serde_json::json!({ "cred": cred }))?;
    Ok(serde_json::to_string(&passkey)?)
}

fn check_type(given: &str) -> Result<(), PasskeyError> {
    if given == "public-key" { Ok(()) } else { Err(PasskeyError::OtherType) }
}

fn point_of(passkey: &Passkey) -> Option<[u8; 65]> {
    let key = passkey.get_public_key();
    let COSEKeyType::EC_EC2(ec) = &key.key else { return None };
    let is_p256 = key.type_ == COSEAlgorithm::ES256 && ec.x.len() == 32 && ec.y.len() == 32;
    let bytes = [&[4], ec.x.as_slice(), ec.y.as_slice()].concat();
    bytes.try_into().ok().filter(|_| is_p256)
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("credential_id", &hex(&self.credential_id)).finish_non_exhaustive()
    }
}
