//! Whether a webhook is genuine: from the raw body and the headers, in both dialects that the service signs in.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock;
use crate::hex;

/// How far an event's time may be from this machine's, either way, in seconds.
pub const TOLERANCE_S: u64 = 5 * 60;
/// More signatures than a rotation brings are somebody's attempt.
const SIGNATURES_MAX: usize = 10;
/// Of HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;
/// No time of ours has more digits.
const TIME_DIGITS_MAX: usize = 12;

/// What arrived, and how it is judged.
#[derive(Clone, Copy, Debug)]
pub struct WebhookInput<'a> {
    /// The body exactly as it came, before anything parsed it.
    pub body: &'a [u8],
    /// Names in any case, and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The endpoint's secret, `whsec_` included; during a change of it, both.
    pub secrets: &'a [&'a str],
    /// How far the event's time may be from this machine's, either way, in seconds: [`TOLERANCE_S`].
    pub tolerance_s: u64,
    /// Seconds since the epoch; the system's clock when left out.
    pub now_s: Option<i64>,
}

/// A genuine event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// The same on every try: an `id` that was seen is a repeat.
    pub id: String,
    /// Its type, such as `inquiry.approved`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened, RFC 3339.
    pub created_at: String,
    /// `sandbox` or `production`.
    pub environment: String,
    /// What happened.
    pub data: Map<String, Value>,
}

/// Why an event is not taken. Answer such a request with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookFault {
    /// No dialect's headers are there, or not all of one's.
    #[error("{0}; hand in the headers as they came: a proxy in between may drop some")]
    HeadersMissing(&'static str),
    /// A header is not written as the service writes it.
    #[error("{0}")]
    HeadersForm(&'static str),
    /// Older or newer than the tolerance allows: a replay, or a clock that is off.
    #[error(
        "the event is genuine, but its time is {age_s} s before this machine's, and {tolerance_s} s either way are \
         allowed; it is a replay, or this machine's clock is off"
    )]
    Time {
        /// Negative when it is ahead.
        age_s: i64,
        /// As allowed.
        tolerance_s: u64,
    },
    /// No signature is that of a secret over this body.
    #[error(
        "no signature is that of the secret over this body; the body must be the bytes as they came (a framework that \
         parsed and re-serialised it changes them), and the secret that of this endpoint"
    )]
    Signature,
    /// The secret is not one.
    #[error(
        "there is no secret to verify with that the service gives; copy it again, as it was shown: whsec_ and base64"
    )]
    Secret,
    /// The body is signed, but no event, or of another id than the header says.
    #[error("the body is signed, but {0}")]
    Body(&'static str),
}

impl WebhookFault {
    /// This library's word for it: `webhook-` and the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HeadersMissing(_) => "webhook-headers-missing",
            Self::HeadersForm(_) => "webhook-headers-form",
            Self::Time { .. } => "webhook-time",
            Self::Signature => "webhook-signature",
            Self::Secret => "webhook-secret",
            Self::Body(_) => "webhook-body",
        }
    }
}

/// What one dialect says.
struct Signed {
    seconds: i64,
    message: Vec<u8>,
    signatures: Vec<Vec<u8>>,
    key_of: fn(&str) -> Option<Vec<u8>>,
}

/// Verifies an event and reads it. Whichever dialect is there must hold: `Coincover-Signature`, the three headers of
/// Standard Webhooks, or both.
pub fn verify_webhook(input: &WebhookInput<'_>) -> Result<WebhookEvent, WebhookFault> {
    let secrets: Vec<&str> = input.secrets.iter().copied().filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return Err(WebhookFault::Secret);
    }
    let found: Vec<Signed> = [coincover(input)?, standard(input)?].into_iter().flatten().collect();
    if found.is_empty() {
        let what = "neither Coincover-Signature nor webhook-signature is there";
        return Err(WebhookFault::HeadersMissing(what));
    }
    let now_s = input.now_s.unwrap_or_else(|| clock::now_ms() / 1_000);
    for signed in &found {
        check_signature(signed, &secrets)?;
        let age_s = now_s.saturating_sub(signed.seconds);
        if age_s.unsigned_abs() > input.tolerance_s {
            return Err(WebhookFault::Time { age_s, tolerance_s: input.tolerance_s });
        }
    }
    event_of(input)
}

/// One header; which of two would count is anybody's guess.
fn header<'a>(input: &WebhookInput<'a>, name: &str) -> Result<Option<&'a str>, WebhookFault> {
    let mut found = input.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(WebhookFault::HeadersForm("a header of the signature is there twice")),
        (first, _) => Ok(first.map(|(_, value)| *value)),
    }
}

/// The published dialect: `t=<seconds>,v1=<hex>[,v1=<hex>]` over `<t>.<body>`, keyed with the secret's text.
fn coincover(input: &WebhookInput<'_>) -> Result<Option<Signed>, WebhookFault> {
    let Some(text) = header(input, "coincover-signature")? else { return Ok(None) };
    let form = || WebhookFault::HeadersForm("Coincover-Signature is not t=<seconds>,v1=<hex>");
    let mut parts = text.split(',');
    let time = parts.next().and_then(|part| part.strip_prefix("t=")).ok_or_else(form)?;
    let seconds = seconds_of(time).ok_or_else(form)?;
    let signature_of = |part: &str| {
        let bytes = hex::decode_lower(part.strip_prefix("v1=")?)?;
        (bytes.len() == SIGNATURE_BYTES).then_some(bytes)
    };
    let signatures: Vec<Vec<u8>> = parts.map(signature_of).collect::<Option<_>>().ok_or_else(form)?;
    if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
        return Err(form());
    }
    let message = [time.as_bytes(), b".", input.body].concat();
    Ok(Some(Signed { seconds, message, signatures, key_of: |secret| Some(secret.as_bytes().to_vec()) }))
}

/// Standard Webhooks: `v1,<base64>[ v1,<base64>]` over `<id>.<timestamp>.<body>`, keyed with the secret's bytes.
fn standard(input: &WebhookInput<'_>) -> Result<Option<Signed>, WebhookFault> {
    let (id, time) = (header(input, "webhook-id")?, header(input, "webhook-timestamp")?);
    let text = header(input, "webhook-signature")?;
    let (id, time, text) = match (id, time, text) {
        (None, None, None) => return Ok(None),
        (Some(id), Some(time), Some(text)) => (id, time, text),
        _ => {
            let what = "webhook-id, webhook-timestamp and webhook-signature go together";
            return Err(WebhookFault::HeadersMissing(what));
        }
    };
    let form = || {
        let what = "webhook-timestamp or webhook-signature is not what Standard Webhooks says";
        WebhookFault::HeadersForm(what)
    };
    let seconds = seconds_of(time).ok_or_else(form)?;
    let words: Vec<&str> = text.split(' ').collect();
    let signature_of = |word: &&str| STANDARD.decode(word).ok().filter(|one| one.len() == SIGNATURE_BYTES);
    // Other versions are passed over, as the standard says.
    let ours: Vec<&str> = words.iter().filter_map(|word| word.strip_prefix("v1,")).collect();
    let signatures: Vec<Vec<u8>> = ours.iter().map(signature_of).collect::<Option<_>>().ok_or_else(form)?;
    if signatures.is_empty() || words.len() > SIGNATURES_MAX {
        return Err(form());
    }
    let message = [id.as_bytes(), b".", time.as_bytes(), b".", input.body].concat();
    let key_of = |secret: &str| STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok();
    Ok(Some(Signed { seconds, message, signatures, key_of }))
}

fn seconds_of(text: &str) -> Option<i64> {
    let is_number = (1..=TIME_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// One signature of several is enough, by any of the secrets; all are compared, whichever holds.
fn check_signature(signed: &Signed, secrets: &[&str]) -> Result<(), WebhookFault> {
    let mut is_genuine = false;
    for secret in secrets {
        let key = (signed.key_of)(secret).filter(|key| !key.is_empty()).ok_or(WebhookFault::Secret)?;
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed.message);
        for signature in &signed.signatures {
            is_genuine |= verify_slices_are_equal(signature, expected.as_ref()).is_ok();
        }
    }
    if is_genuine { Ok(()) } else { Err(WebhookFault::Signature) }
}

fn event_of(input: &WebhookInput<'_>) -> Result<WebhookEvent, WebhookFault> {
    let event: WebhookEvent =
        serde_json::from_slice(input.body).map_err(|_| WebhookFault::Body("it is no event"))?;
    match header(input, "webhook-id")? {
        Some(id) if id != event.id => Err(WebhookFault::Body("its id is not webhook-id")),
        _ => Ok(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"e","type":"t","created_at":"","environment":"sandbox","data":{}}"#;

    /// The signature in the dialect of Standard Webhooks, by a key of so many zeros.
    fn signature(key_bytes: usize) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &vec![0; key_bytes]);
        hmac::sign(&key, &[b"e.100.".as_slice(), BODY].concat()).as_ref().to_vec()
    }

    fn judge(time: &str, signatures: &str, secret: &str) -> Result<WebhookEvent, WebhookFault> {
        let headers = [("webhook-id", "e"), ("webhook-timestamp", time), ("webhook-signature", signatures)];
        let secrets = &[secret];
        let (tolerance_s, now_s) = (TOLERANCE_S, Some(100));
        verify_webhook(&WebhookInput { body: BODY, headers: &headers, secrets, tolerance_s, now_s })
    }

    #[test]
    fn more_signatures_than_a_rotation_brings_and_such_as_are_none_are_refused() {
        let good = format!("v1,{}", STANDARD.encode(signature(24)));
        let secret = format!("whsec_{}", STANDARD.encode([0; 24]));
        assert!(judge("100", &good, &secret).is_ok());
        let refused = |time: &str, signatures: &str| judge(time, signatures, &secret).unwrap_err().code();
        assert_eq!(refused("100", &[good.as_str(); SIGNATURES_MAX + 1].join(" ")), "webhook-headers-form");
        let short = format!("{good} v1,{}", STANDARD.encode([0; SIGNATURE_BYTES - 1]));
        assert_eq!(refused("100", &short), "webhook-headers-form");
        assert_eq!(refused("+100", &good), "webhook-headers-form");
    }

    #[test]
    fn an_empty_key_is_no_secret() {
        // Whoever knows that it is empty could sign with it.
        let good = format!("v1,{}", STANDARD.encode(signature(0)));
        assert_eq!(judge("100", &good, "whsec_").unwrap_err().code(), "webhook-secret");
    }
}
