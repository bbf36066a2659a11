//! Larger secrets: a compact JWE (RFC 7516) of `RSA-OAEP-256` and `A256GCM`, and no other.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use boundary::RSA_CIPHERTEXT_BYTES;
use zeroize::{Zeroize as _, Zeroizing};

use crate::attest::AttestedKey;
use crate::chance;
use crate::encrypt::{EncryptFault, FILE_BYTES_MAX, oaep};
use crate::secret::Secret;

/// The protected header, the same for every file.
const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
const CONTENT_KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// Digits that base64url without padding takes for so many bytes.
const fn digits_of(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}
/// What a JWE adds to its content: header, content key, IV, tag, four dots.
const JWE_BYTES: usize = digits_of(HEADER.len())
    + digits_of(RSA_CIPHERTEXT_BYTES)
    + digits_of(NONCE_LEN)
    + digits_of(TAG_BYTES)
    + 4;
/// The largest secret whose JWE is still one file: about 7.5 MiB.
pub const JWE_PLAINTEXT_BYTES_MAX: usize = (FILE_BYTES_MAX - JWE_BYTES) * 3 / 4;

/// Why a JWE does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JweFault {
    /// It is not written as this library writes it; no key was used.
    #[error("this is no JWE that this library makes: {0}")]
    Form(&'static str),
    /// It was encrypted to another key, or is damaged.
    #[error(
        "the JWE does not open with this private key: it was encrypted to another key, or is damaged; nothing of it \
         can be trusted"
    )]
    Open,
    /// The private key is not one.
    #[error(
        "this is not an RSA private key in PKCS#8; give the whole PEM block (BEGIN PRIVATE KEY) as it came, or its DER"
    )]
    PrivateKey,
}

impl JweFault {
    /// This library's word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form(_) => "jwe-form",
            Self::Open => "jwe-open",
            Self::PrivateKey => "private-key",
        }
    }
}

/// Encrypts a secret of up to [`JWE_PLAINTEXT_BYTES_MAX`], as the bytes of a file.
pub fn encrypt_file(key: &AttestedKey, secret: &Secret) -> Result<Vec<u8>, EncryptFault> {
    let bytes = secret.expose().len();
    if bytes > JWE_PLAINTEXT_BYTES_MAX {
        return Err(EncryptFault::TooLong { bytes, most: JWE_PLAINTEXT_BYTES_MAX });
    }
    let library = |_| EncryptFault::Library;
    let content_key = Zeroizing::new(chance::bytes::<CONTENT_KEY_BYTES>().ok_or(EncryptFault::Library)?);
    let iv = chance::bytes::<NONCE_LEN>().ok_or(EncryptFault::Library)?;
    let wrapped = oaep(key, content_key.as_slice())?;
    let aes = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, content_key.as_slice()).map_err(library)?);
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    let mut sealed = Zeroizing::new(secret.expose().to_vec());
    let nonce = Nonce::assume_unique_for_key(iv);
    let tag = aes.seal_in_place_separate_tag(nonce, Aad::from(&header), &mut sealed).map_err(library)?;
    let parts = [&wrapped, iv.as_slice(), &sealed, tag.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    Ok(format!("{header}.{}", parts.join(".")).into_bytes())
}

/// Opens a compact JWE with an RSA private key in PKCS#8: PEM as the recovery has it in `keys/<key_id>.pem`, or DER.
pub fn open_jwe(compact: &[u8], private_key: &[u8]) -> Result<Secret, JweFault> {
    let text = std::str::from_utf8(compact).map_err(|_| JweFault::Form("it is no text"))?.trim();
    let (header, [wrapped, iv, content, tag]) = parts_of(text)?;
    let iv: [u8; NONCE_LEN] = iv.try_into().map_err(|_| JweFault::Form("its IV has another length"))?;
    if tag.len() != TAG_BYTES {
        return Err(JweFault::Form("its tag has another length"));
    }
    let content_key = unwrap_key(&private_key_of(private_key)?, &wrapped).ok_or(JweFault::Open)?;
    open_content(&content_key, iv, header.as_bytes(), [content, tag].concat()).ok_or(JweFault::Open)
}

/// `RSA-OAEP-256` (RFC 7518, section 4.3).
pub(crate) fn unwrap_key(rsa: &OaepPrivateDecryptingKey, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; RSA_CIPHERTEXT_BYTES]);
    let length = rsa.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, key.as_mut_slice(), None).ok()?.len();
    key.truncate(length);
    Some(key)
}

/// `A256GCM` (RFC 7518, section 5.3); the tag stands after the content.
pub(crate) fn open_content(
    key: &[u8],
    iv: [u8; NONCE_LEN],
    header: &[u8],
    sealed: Vec<u8>,
) -> Option<Secret> {
    let aes = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut sealed = Zeroizing::new(sealed);
    let length =
        aes.open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(header), &mut sealed).ok()?.len();
    sealed.truncate(length);
    Some(Secret::from(sealed))
}

/// Whether these bytes look like a JWE of ours: five parts, of which the first is a header.
pub fn is_jwe(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| parts_of(text.trim()).is_ok())
}

/// Content key, IV, content and tag.
type Parts = [Vec<u8>; 4];

/// The header as it stands, and what follows it.
fn parts_of(text: &str) -> Result<(&str, Parts), JweFault> {
    let five = || JweFault::Form("it has not five parts of base64url");
    let (header, rest) = text.split_once('.').ok_or_else(five)?;
    let parts: Option<Vec<_>> = rest.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect();
    let parts: Parts = parts.and_then(|parts| parts.try_into().ok()).ok_or_else(five)?;
    let members = URL_SAFE_NO_PAD.decode(header).ok();
    let members: serde_json::Map<String, serde_json::Value> = members
        .and_then(|members| serde_json::from_slice(&members).ok())
        .ok_or(JweFault::Form("its header is not JSON"))?;
    let says = |name: &str, word: &str| members.get(name).is_some_and(|value| value == word);
    // What a header may demand (`zip`, `crit`) is not done, so what demands it is not opened.
    let demands = members.contains_key("zip") || members.contains_key("crit");
    if says("alg", "RSA-OAEP-256") && says("enc", "A256GCM") && !demands {
        Ok((header, parts))
    } else {
        Err(JweFault::Form("it is not of RSA-OAEP-256 and A256GCM alone"))
    }
}

pub(crate) fn private_key_of(given: &[u8]) -> Result<OaepPrivateDecryptingKey, JweFault> {
    let mut der = Zeroizing::new(given.to_vec());
    if let Some(text) = std::str::from_utf8(given).ok().map(str::trim)
        && let Some(body) = text.strip_prefix("-----BEGIN PRIVATE KEY-----")
    {
        let body = body.strip_suffix("-----END PRIVATE KEY-----").ok_or(JweFault::PrivateKey)?;
        let mut digits: String = body.split_whitespace().collect();
        let decoded = STANDARD.decode(&digits).map_err(|_| JweFault::PrivateKey);
        digits.zeroize();
        der = Zeroizing::new(decoded?);
    }
    let rsa = PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| JweFault::PrivateKey)?;
    OaepPrivateDecryptingKey::new(rsa).map_err(|_| JweFault::PrivateKey)
}
