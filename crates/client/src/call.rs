//! One HTTP exchange, and the client that makes them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api::error::ErrorBody;
use reqwest::header::{self, HeaderValue};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attest::SigningKeyPin;
use crate::error::{Error, SetupFault};
use crate::jwks::JwksCache;
use crate::observe::{Exchange, Observer};
use crate::retry::{Budget, Repeatable};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole exchange may take. A release waits for the enclave, a store for its check.
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(1);
/// No answer of this API is larger.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A connection to the service, with one tenant's credential. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    base: Url,
    credential: HeaderValue,
    http: reqwest::Client,
    budget: Budget,
    observer: Option<Observer>,
    pub(crate) jwks: JwksCache,
    pub(crate) pins: Vec<SigningKeyPin>,
}

impl Client {
    /// A client for the service at `base_url`, with an API key or a token.
    pub fn new(base_url: &str, credential: &str) -> Result<Self, Error> {
        Self::builder(base_url, credential).build()
    }

    /// The same, to be adjusted first.
    pub fn builder(base_url: &str, credential: &str) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.to_owned(),
            credential: HeaderValue::from_str(&format!("Bearer {credential}")).ok(),
            timeout: EXCHANGE_TIMEOUT,
            is_plain_http_allowed: false,
            observer: None,
            pins: Vec::new(),
        }
    }

    /// The address that the calls go to; ends in a slash.
    pub fn base_url(&self) -> &str {
        self.inner.base.as_str()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// Adjusts a [`Client`] before it is made.
pub struct ClientBuilder {
    base_url: String,
    credential: Option<HeaderValue>,
    timeout: Duration,
    is_plain_http_allowed: bool,
    observer: Option<Observer>,
    pins: Vec<SigningKeyPin>,
}

impl ClientBuilder {
    /// Shows every exchange to `observer`, after its answer. The credential is not shown.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// How long one exchange may take; a minute when left alone.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Believes this signing key (and others so added) and no other, whatever the service's JWKS lists.
    #[must_use]
    pub fn pin_signing_key(mut self, pin: SigningKeyPin) -> Self {
        self.pins.push(pin);
        self
    }

    /// Lets the credential travel unencrypted to another machine; for networks that one trusts.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.is_plain_http_allowed = true;
        self
    }

    /// The client.
    pub fn build(self) -> Result<Client, Error> {
        let base = parse_base(&self.base_url)?;
        let is_local = is_loopback(&base);
        if base.scheme() == "http" && !is_local && !self.is_plain_http_allowed {
            return Err(SetupFault::PlainHttp(self.base_url).into());
        }
        let mut credential = self.credential.ok_or(SetupFault::Credential)?;
        credential.set_sensitive(true);
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("holdfast-client/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.timeout);
        if is_local {
            // What runs on this machine is not behind a proxy.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| SetupFault::Http(error.to_string()))?;
        let inner = Inner {
            base,
            credential,
            http,
            budget: Budget::default(),
            observer: self.observer,
            jwks: JwksCache::default(),
            pins: self.pins,
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

/// The address, ending in a slash, so that a path joined to it goes below it.
fn parse_base(text: &str) -> Result<Url, SetupFault> {
    let refused = || SetupFault::BaseUrl(text.to_owned());
    let base = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|_| refused())?;
    let is_plain = base.query().is_none()
        && base.fragment().is_none()
        && base.username().is_empty()
        && base.password().is_none();
    if matches!(base.scheme(), "http" | "https") && base.has_host() && is_plain {
        Ok(base)
    } else {
        Err(refused())
    }
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A call, before it is made.
pub(crate) struct Call {
    method: Method,
    path: &'static str,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: String,
    repeatable: Repeatable,
}

impl Call {
    /// A read; may be repeated.
    pub(crate) fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: String::new(),
            repeatable: Repeatable::Yes,
        }
    }

    /// An act, with a JSON body.
    pub(crate) fn post(path: &'static str, body: &impl Serialize, repeatable: Repeatable) -> Self {
        // The bodies of the API are structs of texts: they always have a JSON form.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self { method: Method::POST, body, repeatable, ..Self::get(path) }
    }

    /// The same call, made once.
    pub(crate) fn once(self) -> Self {
        Self { repeatable: Repeatable::No, ..self }
    }

    /// With a query parameter.
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    /// Makes the call, again where it may be, and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let text = self.inner.budget.run(call.repeatable, || self.exchange(&call)).await?;
        serde_json::from_str(&text).map_err(|error| Error::Unreadable {
            method: method_of(&call),
            path: call.path.to_owned(),
            status: 200,
            what: format!("a body of another shape ({error})"),
            retry_after: None,
        })
    }

    /// Makes the call and drops its answer.
    pub(crate) async fn call_for_status(&self, call: Call) -> Result<(), Error> {
        self.inner.budget.run(call.repeatable, || self.exchange(&call)).await.map(drop)
    }

    async fn exchange(&self, call: &Call) -> Result<String, Error> {
        let url = self.url_of(call)?;
        let shown = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let broken = |source: reqwest::Error| Error::Transport {
            method: method_of(call),
            path: shown.clone(),
            source: source.without_url(),
        };
        let mut request = self.inner.http.request(call.method.clone(), url);
        request = request.header(header::AUTHORIZATION, self.inner.credential.clone());
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json").body(call.body.clone());
        }
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let retry_after = retry_after_of(&response);
        let unreadable = |what: String| Error::Unreadable {
            method: method_of(call),
            path: shown.clone(),
            status,
            what,
            retry_after,
        };
        if response.status().is_redirection() {
            return Err(unreadable("a redirect, which is never followed".to_owned()));
        }
        let text = read_answer(response)
            .await
            .map_err(broken)?
            .ok_or_else(|| unreadable("a body that is too large or no text".to_owned()))?;
        if let Some(observer) = &self.inner.observer {
            observer(&Exchange {
                method: call.method.as_str(),
                path: &shown,
                headers: &call.headers,
                request_body: &call.body,
                status,
                response_body: &text,
            });
        }
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let body = serde_json::from_str::<ErrorBody>(&text)
            .map_err(|_| unreadable("a body that is not this API's error".to_owned()))?;
        Err(Error::Api { status, body: Box::new(body), retry_after })
    }

    fn url_of(&self, call: &Call) -> Result<Url, Error> {
        let base = &self.inner.base;
        let mut url = base.join(call.path).map_err(|_| SetupFault::BaseUrl(base.to_string()))?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }
}

fn method_of(call: &Call) -> &'static str {
    if call.method == Method::POST { "POST" } else { "GET" }
}

/// The wait that the answer asks for, in seconds; the other form of the header is not used by this API.
fn retry_after_of(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The body; nothing when it is larger than any answer of this API, or no text. Counted while reading.
async fn read_answer(mut response: Response) -> Result<Option<String>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{Canned, answer};

    fn fault_of(base: &str, credential: &str) -> Option<SetupFault> {
        match Client::new(base, credential) {
            Err(Error::Setup(fault)) => Some(fault),
            _ => None,
        }
    }

    #[test]
    fn a_base_url_is_an_address_and_keeps_its_path() {
        for good in ["https://h", "https://h/", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"]
        {
            assert_eq!(fault_of(good, "k"), None, "{good}");
        }
        for bad in ["", "h:1", "ftp://h", "https://u:p@h", "https://h/?q=1", "https://h#f", "data:x"] {
            assert_eq!(fault_of(bad, "k"), Some(SetupFault::BaseUrl(bad.into())), "{bad}");
        }
        let client = Client::new("https://h/below", "k").unwrap();
        let call = Call::get("v1/audit").query("cursor", "a b&c");
        assert_eq!(client.url_of(&call).unwrap().as_str(), "https://h/below/v1/audit?cursor=a+b%26c");
    }

    #[test]
    fn a_credential_does_not_travel_in_the_clear_or_get_printed() {
        assert!(matches!(fault_of("http://example.com", "k"), Some(SetupFault::PlainHttp(_))));
        assert!(matches!(fault_of("http://localhost.example.com", "k"), Some(SetupFault::PlainHttp(_))));
        assert!(Client::builder("http://example.com", "k").allow_plain_http().build().is_ok());
        assert_eq!(fault_of("https://h", "a\nb"), Some(SetupFault::Credential));
        assert!(!format!("{:?}", Client::new("https://h", "topsecret").unwrap()).contains("topsecret"));
    }

    const BUSY: &str = r#"{"message":"m","error":"Service Unavailable","code":"c","request_id":"r"}"#;

    fn store_request() -> api::retail::StoreRequest {
        api::retail::StoreRequest {
            user_identifier: "u".into(),
            verification_id: "v".into(),
            public_key: "00".into(),
            backup: Vec::new(),
            metadata: None,
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_error_and_not_followed() {
        let other = Canned::with(vec![answer(200, &[], r#"{"keys":[]}"#)]).await;
        let location = format!("location: {}/.well-known/jwks.json", other.base);
        let server = Canned::with(vec![answer(302, &[&location], "")]).await;
        let client = Client::new(&server.base, "k").unwrap();
        assert!(matches!(client.jwks().await, Err(Error::Unreadable { status: 302, .. })));
        assert_eq!((server.seen().len(), other.seen().len()), (1, 0));
    }

    #[tokio::test]
    async fn reads_and_stores_are_tried_again_and_nothing_else_is() {
        let busy = || answer(503, &["retry-after: 0"], BUSY);
        let server = Canned::with(vec![busy(), answer(200, &[], r#"{"keys":[]}"#)]).await;
        Client::new(&server.base, "k").unwrap().jwks().await.unwrap();
        assert_eq!(server.seen().len(), 2);

        // The connection breaks after the request was sent: the service may or may not have stored.
        let stored = r#"{"backup_type":"data","metadata":{},"backup":[]}"#;
        let server = Canned::with(vec![String::new(), answer(200, &[], stored)]).await;
        Client::new(&server.base, "k").unwrap().store_backup(&store_request()).await.unwrap();
        let seen = server.seen();
        assert_eq!((seen.len(), &seen[0]), (2, &seen[1]));

        let server = Canned::with(vec![busy()]).await;
        let request = api::retail::StartRequest { user_identifier: "u".into(), gpg_fingerprint: None };
        let error = Client::new(&server.base, "k").unwrap().start_verification(&request).await.unwrap_err();
        assert_eq!((error.status(), error.code(), server.seen().len()), (Some(503), Some("c"), 1));
        assert_eq!(error.retry_after(), Some(Duration::ZERO));
    }

    #[tokio::test]
    async fn what_travels_is_shown_but_for_the_credential() {
        let shown = Arc::new(std::sync::Mutex::new(Vec::new()));
        let server = Canned::with(vec![answer(400, &[], BUSY), answer(502, &[], "<html>")]).await;
        let keep = Arc::clone(&shown);
        let client = Client::builder(&server.base, "topsecret")
            .observer(move |exchange| keep.lock().unwrap().push(format!("{exchange:?}")))
            .build()
            .unwrap();
        let request = api::retail::StartRequest { user_identifier: "u".into(), gpg_fingerprint: None };
        client.start_verification_with(&request, "approve_inquiry").await.unwrap_err();
        assert!(matches!(client.jwks().await, Err(Error::Unreadable { status: 502, .. })));

        let shown = shown.lock().unwrap();
        for words in ["POST", "/v1/verification/start", "approve_inquiry", "user_identifier", "400"] {
            assert!(shown[0].contains(words), "{words}: {}", shown[0]);
        }
        assert!(!shown.join("").contains("topsecret"));
        assert!(server.seen()[0].contains("authorization: Bearer topsecret"));
        assert!(server.seen()[0].contains("x-override-status: approve_inquiry"));
    }
}
