//! Bearer tokens: compact JWS (RFC 7515) with ES256, signed and verified.
//!
//! The algorithm is this one, whatever a token's header says; a header that names another, or a key that is not
//! ours, is refused, and what else it offers (`jku`, `jwk`, `x5u`) is not looked at.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boundary::json::{Value, canonical, parse};

/// Longer than any token of ours, and than most of others.
const TOKEN_BYTES_MAX: usize = 8 * 1_024;

/// A P-256 private key before its 32 bytes, as DER (RFC 5915 §3).
const SEC1_HEAD: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
/// And after them: the curve.
const SEC1_TAIL: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The key that signs the service's own tokens.
pub struct TokenKey {
    pair: EcdsaKeyPair,
    kid: String,
}

impl TokenKey {
    /// The key that a seed stands for; none for the one seed in 2³² that stands for no key.
    pub fn of(seed: &[u8; 32]) -> Option<Self> {
        let der = [&SEC1_HEAD[..], seed, &SEC1_TAIL].concat();
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, pair.public_key().as_ref()).as_ref());
        Some(Self { pair, kid })
    }

    /// The token with these claims.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let header = Value::object([
            ("alg", Value::text("ES256")),
            ("kid", Value::text(self.kid.as_str())),
            ("typ", Value::text("JWT")),
        ]);
        let part = |value: &Value| Some(URL_SAFE_NO_PAD.encode(canonical(value).ok()?));
        let signed = format!("{}.{}", part(&header)?, part(claims)?);
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the edge: the library signs with its own chance"
        )]
        let chance = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.pair.sign(&chance, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    /// The claims of a token that this key signed.
    pub fn verify(&self, token: &str) -> Option<Value> {
        verify(token, |kid| (kid == self.kid).then(|| self.pair.public_key().as_ref()))
    }
}

/// Whether a text is meant to be a token: no API key has a dot.
pub fn is_token(text: &str) -> bool {
    text.contains('.')
}

/// What a token says before anybody has looked at its signature: by this its key is found.
pub struct Unverified {
    /// The name of the key.
    pub kid: String,
    /// The claims.
    pub claims: Value,
}

/// Reads a token without believing it.
pub fn read_unverified(token: &str) -> Option<Unverified> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (header, rest) = token.split_once('.')?;
    let kid = object(header)?.get("kid")?.as_text()?.to_owned();
    Some(Unverified { kid, claims: object(rest.split_once('.')?.0)? })
}

/// Whether this uncompressed point lies on P-256.
pub fn is_on_curve(point: &[u8]) -> bool {
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
}

/// The claims of a token that verifies under the key of its `kid`, an uncompressed point of P-256.
pub fn verify<'k>(token: &str, key_of: impl Fn(&str) -> Option<&'k [u8]>) -> Option<Value> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header = object(header)?;
    let names_es256 = header.get("alg")?.as_text()? == "ES256";
    // Extensions that must be understood (RFC 7515 §4.1.11): none is.
    if !names_es256 || header.get("crit").is_some() {
        return None;
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key_of(header.get("kid")?.as_text()?)?);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    object(claims)
}

/// A part that is a JSON object, each of whose members is there once.
fn object(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    parse(std::str::from_utf8(&bytes).ok()?).ok().filter(|value| matches!(value, Value::Object(_)))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    fn key() -> TokenKey {
        TokenKey::of(&[7; 32]).unwrap()
    }

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    /// A token with this header and these claims as they stand, truly signed.
    fn signed(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        #[expect(clippy::disallowed_methods, reason = "the library signs with its own chance")]
        let signature = key().pair.sign(&aws_lc_rs::rand::SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn header(more: &str) -> String {
        format!(r#"{{"alg":"ES256","kid":"{}"{more}}}"#, key().kid)
    }

    #[test]
    fn what_is_signed_verifies_and_the_same_seed_is_the_same_key() {
        let claims = Value::object([("sub", Value::text("a"))]);
        let token = key().sign(&claims).unwrap();
        assert_eq!(key().verify(&token), Some(claims));
        assert!(TokenKey::of(&[8; 32]).unwrap().verify(&token).is_none(), "another installation's");
        assert!(TokenKey::of(&[0; 32]).is_none() && TokenKey::of(&[0xff; 32]).is_none());
    }

    #[test]
    fn every_changed_character_shows() {
        let token = key().sign(&Value::object([("sub", Value::text("a"))])).unwrap();
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
            let wrong = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert!(key().verify(&wrong).is_none(), "{at}");
            assert!(key().verify(&token[..at]).is_none(), "cut at {at}");
        }
        for wrong in [
            format!("{token}A"),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}="),
            token.replace('.', ".."),
        ] {
            assert!(key().verify(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn another_algorithm_is_never_taken() {
        let public = key().pair.public_key().as_ref().to_vec();
        for alg in ["none", "None", "NONE", "", "HS256", "ES384", "RS256", "es256"] {
            let parts = format!("{}.{}", encode(&header("").replace("ES256", alg)), encode("{}"));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), parts.as_bytes());
            for signature in [String::new(), URL_SAFE_NO_PAD.encode(tag.as_ref())] {
                assert!(key().verify(&format!("{parts}.{signature}")).is_none(), "{alg}");
            }
            assert!(
                key().verify(&signed(&header("").replace("ES256", alg), "{}")).is_none(),
                "{alg}, truly signed"
            );
        }
    }

    #[test]
    fn a_header_offers_no_key_and_no_extension() {
        assert!(key().verify(&signed(&header(""), "{}")).is_some());
        let kid = key().kid;
        for wrong in [
            r#"{"alg":"ES256"}"#.to_owned(),
            r#"{"alg":"ES256","kid":7}"#.to_owned(),
            r#"{"alg":"ES256","kid":"../../etc/passwd"}"#.to_owned(),
            r#"{"alg":"ES256","kid":"' OR 1=1 --"}"#.to_owned(),
            header(r#","crit":["b64"]"#),
            header(r#","alg":"ES256""#),
            header(&format!(r#","kid":"{kid}""#)),
            format!("[{}]", header("")),
            format!("{} x", header("")),
        ] {
            assert!(key().verify(&signed(&wrong, "{}")).is_none(), "{wrong}");
        }
        let offered = r#","jku":"https://evil.example/jwks","x5u":"https://evil.example","jwk":{"kty":"EC"}"#;
        assert!(
            key().verify(&signed(&header(offered), "{}")).is_some(),
            "what is not looked at does no harm"
        );
        let mut stranger = signed(&header(offered), "{}");
        stranger.truncate(stranger.len() - 86);
        assert!(key().verify(&(stranger + &"A".repeat(86))).is_none());
    }

    #[test]
    fn what_is_read_unverified_is_read_alike() {
        let token = key().sign(&Value::object([("sub", Value::text("a"))])).unwrap();
        let read = read_unverified(&token).unwrap();
        assert_eq!((read.kid, Some(read.claims)), (key().kid, key().verify(&token)));
        let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(TOKEN_BYTES_MAX));
        for wrong in
            ["", ".", "..", "a.b.c", &signed(r#"{"alg":"ES256"}"#, "{}"), &signed(&header(""), &long)]
        {
            assert!(read_unverified(wrong).is_none(), "{wrong}");
        }
        let (public, mut off) = (key().pair.public_key().as_ref().to_vec(), [4; 65]);
        off[64] = 0;
        assert!(is_on_curve(&public) && !is_on_curve(&off) && !is_on_curve(&[]));
    }

    #[test]
    fn claims_are_one_object_with_each_member_once() {
        for wrong in ["", "[]", "null", "\"a\"", r#"{"a":1,"a":1}"#, "{} {}", "{\"a\":01}"] {
            assert!(key().verify(&signed(&header(""), wrong)).is_none(), "{wrong}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(TOKEN_BYTES_MAX));
        assert!(key().verify(&signed(&header(""), &long)).is_none());
    }
}
