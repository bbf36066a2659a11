//! One call over HTTP, and its answer with everything that a caller sees of it.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::device::{CANARY, base64};

/// A call that has not been made yet.
pub struct Call {
    request: RequestBuilder,
    what: String,
}

impl Call {
    pub(crate) fn new(http: &reqwest::Client, method: &Method, base: &str, path: &str) -> Self {
        let request = http.request(method.clone(), format!("{base}{path}"));
        Self { request, what: format!("{method} {path}") }
    }

    /// With this header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    /// With this header, which need not be text.
    #[must_use]
    pub fn header_bytes(self, name: &str, value: &[u8]) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    /// With this JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    /// With these bytes under this content type.
    #[must_use]
    pub fn raw(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.header(CONTENT_TYPE, content_type).body(body), ..self }
    }

    /// With these bytes and no content type.
    #[must_use]
    pub fn untyped(self, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.body(body), ..self }
    }

    /// Makes the call. Whatever is answered, the plaintext of a test is not in it.
    pub async fn send(self) -> Answer {
        let what = self.what;
        let response = self.request.send().await;
        let response = response.unwrap_or_else(|error| unreachable!("{what}: no answer: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await;
        let body = body.unwrap_or_else(|error| unreachable!("{what}: half an answer: {error:?}")).to_vec();
        let text = String::from_utf8_lossy(&body);
        // Without the last three bytes, whose base64 depends on what follows.
        let encoded = base64(&CANARY.as_bytes()[..CANARY.len() / 3 * 3]);
        assert!(!text.contains(CANARY) && !text.contains(&encoded), "{what}: plaintext in an answer");
        Answer { what, status, headers, body }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    what: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// The reason phrases of the statuses that the contract uses.
const REASONS: [(u16, &str); 13] = [
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (413, "Payload Too Large"),
    (415, "Unsupported Media Type"),
    (422, "Unprocessable Entity"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (503, "Service Unavailable"),
];

impl Answer {
    /// A header's text; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|_| unreachable!("{}: {}", self.what, self.text()))
    }

    /// The body of a call that succeeded.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}: {}", self.what, self.text());
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        self.json()
    }

    /// The body of a call that was refused so, after a look at its form.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{}: {body}", self.what);
        let reason = REASONS.iter().find(|(known, _)| *known == status).map(|(_, reason)| *reason);
        assert_eq!(body["error"].as_str(), reason, "{}: {body}", self.what);
        assert!(body["message"].as_str().is_some_and(|text| text.len() > 10), "{}: {body}", self.what);
        assert_eq!(body["request_id"].as_str(), Some(self.header("x-request-id")), "{}", self.what);
        let known = ["message", "error", "code", "request_id", "errors"];
        let members = body.as_object().expect("an object");
        assert!(members.keys().all(|name| known.contains(&name.as_str())), "{}: {body}", self.what);
        assert_eq!(
            self.header("retry-after").parse::<u32>().is_ok(),
            status == 503 || status == 429 || ["recovery-delayed", "tenant-frozen"].contains(&code),
            "{body}"
        );
        body
    }

    /// The fields at fault of a call that was not valid.
    pub fn faults(&self) -> Vec<String> {
        let body = self.refused(400, "validation-failed");
        let faults = body["errors"].as_object().unwrap_or_else(|| unreachable!("no fields: {body}"));
        assert!(!faults.is_empty(), "{body}");
        for (path, texts) in faults {
            let texts = texts.as_array().expect("a list");
            let written = texts.iter().all(|text| text.as_str().is_some_and(|text| !text.is_empty()));
            assert!(written && !texts.is_empty(), "{path}: {body}");
        }
        faults.keys().cloned().collect()
    }

    /// All of the answer but what differs from call to call: the request's id, the date and the caller's rate.
    pub fn face(&self) -> (u16, BTreeMap<String, Vec<u8>>, String) {
        let id = self.header("x-request-id");
        let varies = |name: &str| ["x-request-id", "date"].contains(&name) || name.starts_with("ratelimit-");
        let headers = self.headers.iter().filter(|(name, _)| !varies(name.as_str()));
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        (self.status, headers, self.text().replace(id, "<request id>"))
    }
}
