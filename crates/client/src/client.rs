//! The client, and how it is made.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::attest::SigningKeyPin;
use crate::error::{Error, SetupFault};
use crate::hints::environment_of;
use crate::jwks::JwksCache;
use crate::observe::{Exchange, Observer, UploadObserver};
use crate::options::CallOptions;
use crate::retry::Budget;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole exchange may take. A release waits for the enclave, a store for its check.
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(1);

/// A connection to the service, with one tenant's credential. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    pub(crate) options: CallOptions,
}

pub(crate) struct Inner {
    pub(crate) base: Url,
    pub(crate) credential: HeaderValue,
    pub(crate) is_sandbox: bool,
    pub(crate) http: reqwest::Client,
    pub(crate) timeout: Duration,
    pub(crate) budget: Budget,
    pub(crate) observer: Option<Observer>,
    pub(crate) upload_observer: Option<UploadObserver>,
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
            credential: credential_header(credential),
            named: environment_of(credential).map(str::to_owned),
            environment: None,
            timeout: EXCHANGE_TIMEOUT,
            is_plain_http_allowed: false,
            observer: None,
            upload_observer: None,
            pins: Vec::new(),
        }
    }

    /// Whether the credential names the sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.inner.is_sandbox
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
    named: Option<String>,
    environment: Option<String>,
    timeout: Duration,
    is_plain_http_allowed: bool,
    observer: Option<Observer>,
    upload_observer: Option<UploadObserver>,
    pins: Vec<SigningKeyPin>,
}

impl ClientBuilder {
    /// Shows every exchange to `observer`, after its answer. The credential is not shown.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Tells `observer` how many bytes of a file have been sent, and how many there are. A repeat begins again.
    #[must_use]
    pub fn upload_observer(mut self, observer: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.upload_observer = Some(Arc::new(observer));
        self
    }

    /// How long one exchange may take; a minute when left alone. A large file is given longer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Refuses a credential that names another environment than this: `sandbox` or `production`.
    #[must_use]
    pub fn environment(mut self, environment: &str) -> Self {
        self.environment = Some(environment.to_owned());
        self
    }

    /// Believes this signing key (and others so added) in the place of the service's JWKS.
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
        if let (Some(named), Some(wanted)) = (&self.named, &self.environment)
            && named != wanted
        {
            return Err(SetupFault::WrongEnvironment { named: named.clone(), wanted: wanted.clone() }.into());
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("holdfast-client/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT);
        if is_local {
            // What runs on this machine is not behind a proxy.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| SetupFault::Http(error.to_string()))?;
        let inner = Inner {
            base,
            credential,
            is_sandbox: self.named.as_deref() == Some("sandbox"),
            http,
            timeout: self.timeout,
            budget: Budget::default(),
            observer: self.observer,
            upload_observer: self.upload_observer,
            jwks: JwksCache::default(),
            pins: self.pins,
        };
        Ok(Client { inner: Arc::new(inner), options: CallOptions::default() })
    }
}

/// What no credential holds is no credential: nothing at all, spaces, line breaks, letters beyond ASCII.
fn credential_header(credential: &str) -> Option<HeaderValue> {
    let is_one = !credential.is_empty() && credential.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then(|| HeaderValue::from_str(&format!("Bearer {credential}")).ok()).flatten()
}

/// The address, ending in a slash, so that a path joined to it goes below it.
fn parse_base(text: &str) -> Result<Url, SetupFault> {
    let refused = || SetupFault::BaseUrl(text.to_owned());
    let trimmed = text.trim_end_matches('/');
    if trimmed.ends_with("/v1") {
        return Err(SetupFault::VersionInBaseUrl(text.to_owned()));
    }
    let base = Url::parse(&format!("{trimmed}/")).map_err(|_| refused())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(base: &str, credential: &str) -> Option<SetupFault> {
        match Client::new(base, credential) {
            Err(Error::Setup(fault)) => Some(fault),
            _ => None,
        }
    }

    #[test]
    fn a_base_url_is_an_address() {
        for good in ["https://h", "https://h/", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"]
        {
            assert_eq!(fault_of(good, "k"), None, "{good}");
        }
        for bad in
            ["", "h:1", "ftp://h", "https://u:p@h", "https://u@h", "https://h/?q=1", "https://h#f", "data:x"]
        {
            assert_eq!(fault_of(bad, "k"), Some(SetupFault::BaseUrl(bad.into())), "{bad}");
        }
        for bad in ["https://h/v1", "https://h/v1/"] {
            assert_eq!(fault_of(bad, "k"), Some(SetupFault::VersionInBaseUrl(bad.into())), "{bad}");
        }
    }

    #[test]
    fn a_credential_does_not_travel_in_the_clear_or_get_printed() {
        assert!(matches!(fault_of("http://example.com", "k"), Some(SetupFault::PlainHttp(_))));
        assert!(matches!(fault_of("http://localhost.example.com", "k"), Some(SetupFault::PlainHttp(_))));
        assert!(Client::builder("http://example.com", "k").allow_plain_http().build().is_ok());
        for bad in ["", "a\nb", "a b", "ä"] {
            assert_eq!(fault_of("https://h", bad), Some(SetupFault::Credential), "{bad}");
        }
        assert!(!format!("{:?}", Client::new("https://h", "topsecret").unwrap()).contains("topsecret"));
    }

    #[test]
    fn a_credential_of_the_other_environment_is_refused_before_it_travels() {
        let build = |environment| {
            Client::builder("https://h", "hf_sandbox_a").environment(environment).build().map(drop)
        };
        assert!(build("sandbox").is_ok());
        let fault = build("production").unwrap_err();
        assert!(matches!(fault, Error::Setup(SetupFault::WrongEnvironment { .. })), "{fault}");
        assert!(Client::builder("https://h", "a.jwt.of_ours").environment("production").build().is_ok());
    }
}
