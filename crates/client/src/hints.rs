//! The mistakes that people make when they go live, and what to do about each.

use api::error::ErrorBody;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::SetupFault;
use crate::hex;

pub(crate) const KEY_FORM: &str = "give public_key as the service answered it: hexadecimal of the DER, one line \
    without spaces; not PEM, not base64 (from a PEM: take the base64 between the lines, decode it, write it as \
    hexadecimal)";
pub(crate) const WRONG_PATH: &str = "nothing is there: give the base URL without /v1, as it was given to you";
const CHECK_FAILED: &str = "one of four is wrong: the checksum (SHA-256 of the plaintext, before encryption, not of \
    the ciphertext), the padding (RSA-OAEP with SHA-256 for the hash and for MGF1, empty label; many libraries take \
    SHA-1 if not told), the key (another than public_key names), or the encoding (standard base64 of the 512 bytes). \
    Each failed check counts against a budget";

/// What to do about a refusal, where it is known.
pub(crate) fn hint_of(body: &ErrorBody) -> Option<&'static str> {
    let fields = || body.errors.iter().flat_map(|errors| errors.keys());
    if fields().any(|field| field.ends_with("public_key") && !field.contains("gpg")) {
        return Some(KEY_FORM);
    }
    if fields().any(|field| field.ends_with("checksum")) {
        return Some("give SHA-256 of the plaintext: 64 hexadecimal digits");
    }
    Some(match body.code.as_str() {
        "check-failed" => CHECK_FAILED,
        "wrong-environment" => {
            "the credential is of another environment than this address: change base URL and credential together"
        }
        "unauthenticated" => {
            "the credential is missing, mistyped, expired or revoked; a whole one begins with hf_ and has no spaces"
        }
        "no-such-path" => WRONG_PATH,
        "scope-missing" => {
            "the credential is genuine and lacks the scope that the message names; use the one made for this API"
        }
        "sandbox-only" => "nothing is simulated in production: let the person be checked",
        "verification-not-approved" => "wait until the verification is approved and repeat",
        "verification-window-closed" => "start another verification; the time after an approval is limited",
        "verification-used" => {
            "one verification serves one recovery with one OpenPGP key, three deliveries; start another verification"
        }
        "key-already-assigned" => {
            "the user has a key already: list the active keys of the user, or rotate it"
        }
        "key-superseded" => "use the key that errors.superseded_by names",
        "idempotency-mismatch" => {
            "use a new idempotency key for each deed, and the same one only to repeat the same bytes"
        }
        "idempotency-secret-shown" => {
            "the first try succeeded and its answer with the secret was lost: revoke what it made and make another"
        }
        "no-backup" => {
            "nothing confirmed is there: was the backup stored under another user_identifier, or never approved?"
        }
        _ => return None,
    })
}

/// The environment that a credential names: `hf_<environment>_...`.
pub(crate) fn environment_of(credential: &str) -> Option<&str> {
    let (named, _) = credential.strip_prefix("hf_")?.split_once('_')?;
    let is_word = !named.is_empty() && named.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then_some(named)
}

/// Refuses a key that is not written as the service writes it.
pub(crate) fn check_key_form(public_key: &str) -> Result<(), SetupFault> {
    let is_hex = !public_key.is_empty()
        && public_key.len().is_multiple_of(2)
        && public_key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        return Ok(());
    }
    Err(SetupFault::PublicKeyForm(if public_key.contains("-----BEGIN") {
        "PEM"
    } else if STANDARD.decode(public_key.trim()).is_ok() {
        "base64"
    } else {
        "not hexadecimal"
    }))
}

/// Refuses a ciphertext that is not base64, and a checksum of the ciphertext, before they cost a check.
pub(crate) fn check_store(data: &str, checksum: Option<&str>) -> Result<(), SetupFault> {
    // 512 bytes in hexadecimal happen to be base64, too, of something else.
    let is_hex = data.len() == 1_024 && data.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = STANDARD.decode(data).ok().filter(|_| !is_hex).ok_or(SetupFault::CiphertextForm)?;
    let sums = [&bytes, data.as_bytes()].map(|of| hex::encode(digest(&SHA256, of).as_ref()));
    match checksum {
        Some(given) if sums.contains(&given.to_ascii_lowercase()) => Err(SetupFault::ChecksumOverCiphertext),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_names_its_environment() {
        assert_eq!(environment_of("hf_sandbox_abc"), Some("sandbox"));
        for other in ["hf_sandbox", "hf__a", "hf_SAND_a", "eyJ.a.b", ""] {
            assert_eq!(environment_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_in_another_form_is_told_by_its_form() {
        assert_eq!(check_key_form("3082aaFF"), Ok(()));
        for (given, form) in [
            ("-----BEGIN PUBLIC KEY-----\nMIIC\n-----END PUBLIC KEY-----", "PEM"),
            ("MIICIjAN", "base64"),
            ("30 82", "not hexadecimal"),
            ("308", "not hexadecimal"),
        ] {
            assert_eq!(check_key_form(given), Err(SetupFault::PublicKeyForm(form)), "{given}");
        }
    }

    #[test]
    fn a_checksum_of_the_ciphertext_never_leaves() {
        let data = STANDARD.encode([7; 512]);
        let sum = |of: &[u8]| hex::encode(digest(&SHA256, of).as_ref());
        assert_eq!(check_store(&data, Some(&sum(b"the plaintext"))), Ok(()));
        assert_eq!(check_store(&data, None), Ok(()));
        for of in [sum(&[7; 512]), sum(data.as_bytes()), sum(&[7; 512]).to_uppercase()] {
            assert_eq!(check_store(&data, Some(&of)), Err(SetupFault::ChecksumOverCiphertext));
        }
        for data in ["%", &"ab".repeat(512), "YWJ", "YWJj\n"] {
            assert_eq!(check_store(data, None), Err(SetupFault::CiphertextForm), "{data}");
        }
    }

    #[test]
    fn a_refusal_has_a_next_step() {
        let body = |code: &str, field: Option<&str>| ErrorBody {
            message: String::new(),
            error: String::new(),
            code: code.into(),
            request_id: String::new(),
            errors: field.map(|field| [(field.to_owned(), Vec::new())].into()),
        };
        assert!(hint_of(&body("check-failed", None)).is_some_and(|hint| hint.contains("MGF1")));
        assert_eq!(hint_of(&body("validation-failed", Some("public_key"))), Some(KEY_FORM));
        assert_ne!(hint_of(&body("validation-failed", Some("gpg_public_key"))), Some(KEY_FORM));
        assert!(hint_of(&body("validation-failed", Some("backup[0].item_checksum"))).is_some());
        assert_eq!(hint_of(&body("internal", None)), None);
    }
}
