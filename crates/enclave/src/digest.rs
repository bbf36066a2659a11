//! Hashes, constant-time comparison and chance of aws-lc, hexadecimal and base64, in the shapes used here.

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pem_rfc7468::LineEnding;
use zeroize::Zeroizing;

/// SHA-256 (FIPS 180-4).
pub fn sha256(data: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, data).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Fresh random bytes. A machine without chance can make no key and no nonce: the request crashes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::fill(&mut out).expect("the kernel gives random bytes");
    out
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// The bytes of a hexadecimal text, in either case.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok()
}

/// A new UUID of version 7 (RFC 9562 §5.7).
pub fn uuid_v7(now_ms: i64) -> String {
    let mut bytes: [u8; 16] = random();
    bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let text = hex(&bytes);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// base64url without padding (RFC 4648 §5).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a base64url text, if it is written as [`base64url`] writes it.
pub fn unbase64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A private key in PKCS#8 as a text (RFC 7468 §10), in memory that is wiped.
pub fn pem(private_key: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = pem_rfc7468::encode_string("PRIVATE KEY", LineEnding::LF, private_key);
    Zeroizing::new(text.expect("the label and the length are a private key's").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_and_refuses_the_rest() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(unhex("00ABff"), Some(vec![0, 0xab, 0xff]));
        for bad in ["0", "0g", "é", "00 "] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }

    #[test]
    fn base64url_has_the_samples_of_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn base64url_is_read_as_it_is_written_and_no_other_way() {
        for plain in ["", "f", "fo", "foo", "foob", "fooba", "\u{7ff}\u{fff}"] {
            assert_eq!(unbase64url(&base64url(plain.as_bytes())).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Z", "Zg==", "Zh", "Zm9=", "Zm9v\n", "+_8", "-/8", "Zm9vA", "é"] {
            assert_eq!(unbase64url(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_private_key_is_written_as_rfc_7468_has_it() {
        let text = "-----BEGIN PRIVATE KEY-----\n".to_owned()
            + &"A".repeat(64)
            + "\nAAA=\n-----END PRIVATE KEY-----\n";
        assert_eq!(*pem(&[0; 50]), text.into_bytes());
    }

    #[test]
    fn ids_are_uuids_of_version_7_that_begin_with_the_time() {
        let id = uuid_v7(0x0123_4567_89ab);
        assert_eq!((&id[..14], &id[14..15], id.len()), ("01234567-89ab-", "7", 36));
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(id, uuid_v7(0x0123_4567_89ab));
    }
}
