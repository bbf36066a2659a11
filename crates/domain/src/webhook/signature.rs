//! Two signatures over each delivery, by one secret.
//!
//! The secret's text is `whsec_` and standard base64. `Coincover-Signature` takes the whole text as its key, as
//! the libraries that check `t=..,v1=..` headers do. Standard Webhooks takes the bytes that the base64 spells,
//! as its libraries do. Thirty-three bytes, so that the base64 has no padding that could get lost in copying.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audit::hex;
use crate::entropy::Entropy;
use crate::time::Timestamp;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 33;

/// What an endpoint's deliveries are signed with. Has no `Debug`: it is never to be shown but once.
pub struct WebhookSecret {
    text: String,
    bytes: Vec<u8>,
}

impl WebhookSecret {
    /// A new one.
    pub fn new(chance: &mut dyn Entropy) -> Self {
        let mut bytes = vec![0; SECRET_BYTES];
        chance.fill(&mut bytes);
        Self { text: format!("{PREFIX}{}", STANDARD.encode(&bytes)), bytes }
    }

    /// Reads the text of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (bytes.len() == SECRET_BYTES).then(|| Self { text: text.to_owned(), bytes })
    }

    /// The whole text.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

/// The headers that sign a delivery of the event `id` at `at`: by each secret, the newest first.
pub fn signed_headers(
    id: &str,
    at: Timestamp,
    body: &str,
    secrets: &[WebhookSecret],
) -> [(&'static str, String); 4] {
    let t = at.seconds();
    let (mut ours, mut standard) = (format!("t={t}"), Vec::new());
    for secret in secrets {
        let tag = mac(secret.text.as_bytes(), &format!("{t}.{body}"));
        ours = format!("{ours},v1={}", hex(&tag));
        standard.push(format!("v1,{}", STANDARD.encode(mac(&secret.bytes, &format!("{id}.{t}.{body}")))));
    }
    [
        ("coincover-signature", ours),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", t.to_string()),
        ("webhook-signature", standard.join(" ")),
    ]
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u8);
    impl Entropy for Counting {
        fn fill(&mut self, target: &mut [u8]) {
            for byte in target {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }

    const ID: &str = "01234567-89ab-7fff-bfff-ffffffffffff";
    const BODY: &str = r#"{"data":{"key_id":"k"},"id":"01234567-89ab-7fff-bfff-ffffffffffff"}"#;

    // Made with Python's hmac, hashlib and base64.
    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
    const OURS: &str = "7082ce2b44346a8399d4c23bf84e56616b64cef2a60effab322aa1c3dab5cd89";
    const STANDARD_TAG: &str = "nHuJe3SGhlDfr7MbrPdNgk1Mq8fJi1s8gGtEhBvY060=";

    #[test]
    fn signatures_are_the_known_ones() {
        let secret = WebhookSecret::new(&mut Counting(0));
        assert_eq!(secret.expose(), SECRET);
        let at = Timestamp::from_ms(1_763_700_000_999);
        let headers = signed_headers(ID, at, BODY, &[WebhookSecret::parse(SECRET).unwrap()]);
        assert_eq!(headers[0], ("coincover-signature", format!("t=1763700000,v1={OURS}")));
        assert_eq!(headers[1], ("webhook-id", ID.to_owned()));
        assert_eq!(headers[2], ("webhook-timestamp", "1763700000".to_owned()));
        assert_eq!(headers[3], ("webhook-signature", format!("v1,{STANDARD_TAG}")));
    }

    #[test]
    fn during_a_rotation_both_sign_the_newest_first_and_without_a_space() {
        let secrets = [WebhookSecret::new(&mut Counting(9)), WebhookSecret::parse(SECRET).unwrap()];
        let at = Timestamp::from_ms(1_763_700_000_000);
        let headers = signed_headers(ID, at, BODY, &secrets);
        let ours = &headers[0].1;
        assert!(ours.ends_with(&format!(",v1={OURS}")) && !ours.contains(' '), "{ours}");
        assert_eq!(ours.matches(",v1=").count(), 2);
        let standard: Vec<_> = headers[3].1.split(' ').collect();
        assert_eq!((standard.len(), standard[1]), (2, format!("v1,{STANDARD_TAG}").as_str()));
        let alone = signed_headers(ID, at, BODY, &secrets[..1]);
        assert!(ours.starts_with(&alone[0].1) && standard[0] == alone[3].1);
    }

    #[test]
    fn what_is_no_secret_does_not_read() {
        for text in ["", "whsec_", "whsec_AAAA", &SECRET[6..], &format!("{SECRET}="), &format!(" {SECRET}")] {
            assert!(WebhookSecret::parse(text).is_none(), "{text}");
        }
    }
}
