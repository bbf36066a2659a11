//! Codes of an app (TOTP, RFC 6238): SHA-1, six digits, thirty seconds, as every app knows them.

use domain::entropy::Entropy;
use domain::time::Timestamp;
use totp_rs::{Builder, Secret, Totp};

/// Bytes of a secret (RFC 4226 §4 R6).
const SECRET_BYTES: usize = 20;

/// A new secret.
pub fn new_secret(chance: &mut dyn Entropy) -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    chance.fill(&mut secret);
    secret
}

/// The time step of the code, if it is one of now, of the step before or of the one after.
pub fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = u64::try_from(now.ms() / 1_000).ok()?;
    totp(secret)?.check(&code, seconds).and_then(|step| i64::try_from(step).ok())
}

/// Bytes in RFC 4648 base32 without padding, as an app takes a secret and a person types a code.
pub fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |chunk: &[u8], at: usize| {
        let bits =
            chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)) << (8 * (5 - chunk.len()));
        char::from(LETTERS[(bits >> (35 - 5 * at) & 31) as usize])
    };
    let letters =
        |chunk: &[u8]| (0..(chunk.len() * 8).div_ceil(5)).map(|at| digit(chunk, at)).collect::<String>();
    bytes.chunks(5).map(letters).collect()
}

/// What the QR code says: issuer, account and secret.
pub fn address(secret: &[u8], account: &str) -> String {
    let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
    format!("otpauth://totp/Holdfast:{account}?secret={}&issuer=Holdfast", base32(secret))
}

fn totp(secret: &[u8]) -> Option<Totp> {
    Builder::new().with_secret(Secret::new_stack(secret.try_into().ok()?)).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        // RFC 6238, appendix B, whose codes have two more digits in front.
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            let at = |seconds: i64| Timestamp::from_ms(seconds * 1_000);
            assert_eq!(step_of(secret, code, at(seconds)), Some(seconds / 30), "{seconds}");
            assert_eq!(step_of(secret, code, at(seconds + 30)), Some(seconds / 30), "a step late");
            assert_eq!(step_of(secret, code, at(seconds + 90)), None, "too late");
        }
        let at = Timestamp::from_ms(59_000);
        assert_eq!(step_of(secret, "287 082", at), Some(1), "as apps show it");
        for odd in ["", "28708", "2870820", "28708a", "+28708", "٢٨٧٠٨٢"] {
            assert_eq!(step_of(secret, odd, at), None, "{odd:?}");
        }
        assert_eq!(base32(secret), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            (base32(b"fooba"), base32(b"foob"), base32(b"f")),
            ("MZXW6YTB".into(), "MZXW6YQ".into(), "MY".into())
        );
    }
}
