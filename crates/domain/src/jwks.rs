//! The keys of a tenant's own issuer: a JWK Set (RFC 7517) whose only use is to verify ES256.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use boundary::json::{Value, parse};

use crate::limits::{IDENTIFIER_CHARS_MAX, JWKS_BYTES_MAX, JWKS_KEYS_MAX};

/// A public key of P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKey {
    /// Its name.
    pub kid: String,
    /// The uncompressed point (SEC 1 §2.3.3); whether it lies on the curve is not known here.
    pub point: [u8; 65],
}

/// The usable keys of a set, which may be none: others are passed over, as RFC 7517 §5 asks. The error says why
/// the text is no such set.
pub fn read(text: &[u8]) -> Result<Vec<IssuerKey>, &'static str> {
    if text.len() > JWKS_BYTES_MAX {
        return Err("is larger than 65536 bytes");
    }
    let set = std::str::from_utf8(text).ok().and_then(|text| parse(text).ok()).ok_or("is not JSON")?;
    let Some(Value::List(keys)) = set.get("keys") else {
        return Err("is no JWK Set: it has no list `keys`");
    };
    let mut usable: Vec<IssuerKey> = Vec::new();
    for key in keys.iter().filter_map(read_key) {
        if usable.iter().any(|known| known.kid == key.kid) {
            return Err("has two keys of one `kid`");
        }
        usable.push(key);
    }
    if usable.len() > JWKS_KEYS_MAX {
        return Err("has more than 32 keys");
    }
    Ok(usable)
}

/// What precedes an uncompressed P-256 point in a DER `SubjectPublicKeyInfo` (RFC 5480 §2).
pub const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The key that somebody pasted: a JWK, or a PEM (RFC 7468 §13), which has no name. The error says why it is none.
pub fn read_pasted(text: &str) -> Result<(Option<String>, [u8; 65]), &'static str> {
    const NONE: &str = "is neither a public key of P-256 in PEM nor as a JWK";
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return Err("is a private key: paste its public half, and keep this one to yourself");
    }
    if let Some(body) = text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        let body = body.strip_suffix("-----END PUBLIC KEY-----").ok_or(NONE)?;
        let der = STANDARD.decode(body.split_whitespace().collect::<String>()).map_err(|_| NONE)?;
        let point = der.strip_prefix(&P256_SPKI_PREFIX).and_then(|point| point.try_into().ok());
        return point.filter(|point: &[u8; 65]| point[0] == 4).map(|point| (None, point)).ok_or(NONE);
    }
    let mut key = parse(text).map_err(|_| NONE)?;
    if key.get("d").is_some() {
        return Err("is a private key: paste its public half, and keep this one to yourself");
    }
    let named = key.get("kid").and_then(Value::as_text).map(str::to_owned);
    if let (None, Value::Object(members)) = (&named, &mut key) {
        members.retain(|(name, _)| name != "kid");
        members.push(("kid".to_owned(), Value::text("-")));
    }
    read_key(&key).map(|key| (named, key.point)).ok_or(NONE)
}

/// A key that may verify ES256 and nothing else; none for any other, and for one whose private half everybody
/// may read there.
fn read_key(key: &Value) -> Option<IssuerKey> {
    let is = |name: &str, expected: &str| key.get(name).and_then(Value::as_text) == Some(expected);
    let is_free = |name: &str, expected: &str| key.get(name).is_none() || is(name, expected);
    let may_verify = key.get("key_ops").is_none_or(
        |ops| matches!(ops, Value::List(ops) if ops.iter().any(|op| op.as_text() == Some("verify"))),
    );
    let is_ours = is("kty", "EC") && is("crv", "P-256") && is_free("use", "sig") && is_free("alg", "ES256");
    if !is_ours || !may_verify || key.get("d").is_some() {
        return None;
    }
    let kid = key.get("kid")?.as_text().filter(|kid| (1..=IDENTIFIER_CHARS_MAX).contains(&kid.len()))?;
    let mut point = [4; 65];
    for (name, place) in [("x", 1..33), ("y", 33..65)] {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(key.get(name)?.as_text()?).ok()?.try_into().ok()?;
        point[place].copy_from_slice(&bytes);
    }
    Some(IssuerKey { kid: kid.to_owned(), point })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key with these members before the others.
    fn key(more: &str) -> String {
        let half = URL_SAFE_NO_PAD.encode([7; 32]);
        format!(r#"{{{more}"x":"{half}","y":"{half}"}}"#)
    }

    fn read_keys(keys: &[String]) -> Result<Vec<IssuerKey>, &'static str> {
        read(format!(r#"{{"keys":[{}],"more":1.5}}"#, keys.join(",")).as_bytes())
    }

    const GOOD: &str = r#""kty":"EC","crv":"P-256","kid":"a","#;

    #[test]
    fn only_a_public_key_for_es256_is_used() {
        let mut point = [7; 65];
        point[0] = 4;
        let expected = vec![IssuerKey { kid: "a".to_owned(), point }];
        for more in ["", r#""use":"sig","#, r#""alg":"ES256","#, r#""key_ops":["sign","verify"],"#] {
            assert_eq!(read_keys(&[key(&format!("{GOOD}{more}"))]), Ok(expected.clone()), "{more}");
        }
        for more in [
            r#""kty":"EC","crv":"P-256","#,
            r#""kty":"EC","crv":"P-256","kid":"","#,
            r#""kty":"EC","crv":"P-256","kid":7,"#,
            r#""kty":"EC","crv":"P-384","kid":"a","#,
            r#""kty":"EC","crv":"secp256k1","kid":"a","#,
            r#""kty":"RSA","crv":"P-256","kid":"a","#,
            r#""kty":"oct","k":"AAAA","kid":"a","#,
            &format!(r#"{GOOD}"use":"enc","#),
            &format!(r#"{GOOD}"use":null,"#),
            &format!(r#"{GOOD}"alg":"ES384","#),
            &format!(r#"{GOOD}"alg":"none","#),
            &format!(r#"{GOOD}"key_ops":["sign"],"#),
            &format!(r#"{GOOD}"key_ops":"verify","#),
            &format!(r#"{GOOD}"d":"AAAA","#),
        ] {
            let keys = [key(more), key(&GOOD.replace('a', "b"))];
            let kids: Vec<_> = read_keys(&keys).unwrap().into_iter().map(|key| key.kid).collect();
            assert_eq!(kids, ["b"], "{more}: passed over, and the other one is not");
        }
        for half in ["", "AAAA", &URL_SAFE_NO_PAD.encode([7; 33]), &"=".repeat(43)] {
            let wrong = key(GOOD).replace(&URL_SAFE_NO_PAD.encode([7; 32]), half);
            assert_eq!(read_keys(&[wrong]), Ok(vec![]), "{half}");
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let named = |count: usize| -> Vec<_> {
            (0..count).map(|n| key(&GOOD.replace("\"a\"", &format!("\"{n}\"")))).collect()
        };
        assert_eq!(read_keys(&named(JWKS_KEYS_MAX)).map(|keys| keys.len()), Ok(JWKS_KEYS_MAX));
        assert!(read_keys(&named(JWKS_KEYS_MAX + 1)).is_err());
        assert!(read_keys(&[key(GOOD), key(GOOD)]).is_err(), "which of the two?");
        assert_eq!(read(br#"{"keys":[]}"#), Ok(vec![]));
        let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "a".repeat(JWKS_BYTES_MAX));
        let texts = ["", "[]", "{}", "<html>", r#"{"keys":{}}"#, r#"{"keys":[]} x"#, &long];
        for wrong in texts.map(str::as_bytes).into_iter().chain([&b"\xff"[..]]) {
            assert!(read(wrong).is_err());
        }
    }

    #[test]
    fn a_pasted_key_is_a_pem_or_a_jwk() {
        let mut point = [7; 65];
        point[0] = 4;
        let pem = |prefix: &[u8], word: &str| {
            let body = STANDARD.encode([prefix, &point].concat());
            let (head, tail) = body.split_at(64);
            format!("-----BEGIN {word} KEY-----\n{head}\r\n{tail}\n-----END {word} KEY-----\n")
        };
        assert_eq!(read_pasted(&pem(&P256_SPKI_PREFIX, "PUBLIC")), Ok((None, point)));
        assert_eq!(read_pasted(&key(GOOD)), Ok((Some("a".to_owned()), point)));
        assert_eq!(read_pasted(&key(r#""kty":"EC","crv":"P-256","#)), Ok((None, point)));
        let private = pem(&P256_SPKI_PREFIX, "EC PRIVATE");
        for bad in [private, key(&format!(r#"{GOOD}"d":"AAAA","#))] {
            assert!(read_pasted(&bad).unwrap_err().contains("private"), "{bad}");
        }
        let mut other_curve = P256_SPKI_PREFIX;
        other_curve[22] = 0x08;
        for bad in [
            String::new(),
            "x".to_owned(),
            "[]".to_owned(),
            pem(&other_curve, "PUBLIC"),
            pem(&P256_SPKI_PREFIX[1..], "PUBLIC"),
            pem(&P256_SPKI_PREFIX, "PUBLIC").replace("-----END", "---- END"),
            key(r#""kty":"EC","crv":"P-384","#),
            key(r#""kty":"EC","crv":"P-256","kid":"","#),
        ] {
            assert!(read_pasted(&bad).unwrap_err().contains("neither"), "{bad}");
        }
    }
}
