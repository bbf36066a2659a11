//! Calls to addresses that a tenant chose: a name is looked up once, every address of it is checked, and the
//! connection goes to an address that was checked. No redirect is followed, no proxy asked, nothing kept.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use domain::limits::{JWKS_BYTES_MAX, JWKS_DEADLINE, WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_DEADLINE};
use domain::webhook::{AttemptOutcome, Host, Target, Targets};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long one address may take to connect while there is another.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long the rest of an answer is listened to, out of politeness.
const LINGER: Duration = Duration::from_millis(500);

/// The addresses of a name, or why there are none.
type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up.
pub trait Resolver: Send + Sync {
    /// The addresses of a name.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// A connection, over TLS or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The machine's resolver.
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// The way to the outside.
pub struct Outbound {
    targets: Targets,
    resolver: Box<dyn Resolver>,
    tls: OnceLock<Arc<ClientConfig>>,
    deadline: Duration,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Its `Retry-After`.
    pub retry_after: Option<String>,
}

impl From<AttemptOutcome> for Answer {
    fn from(outcome: AttemptOutcome) -> Self {
        Self { outcome, status: None, retry_after: None }
    }
}

impl Outbound {
    /// Calls what these rules permit.
    pub fn new(targets: Targets, resolver: Box<dyn Resolver>) -> Self {
        Self { targets, resolver, tls: OnceLock::new(), deadline: WEBHOOK_DEADLINE }
    }

    /// What may be called.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Posts JSON. Whatever the other side does, this ends within the deadline.
    pub async fn post(&self, url: &str, headers: &[(&'static str, String)], body: String) -> Answer {
        let answer = async {
            let (target, stream) = self.reach(url).await?;
            let mut request = request(Method::POST, &target).header(CONTENT_TYPE, "application/json");
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            exchange(stream, request, body, acknowledgement).await
        };
        match timeout(self.deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(outcome)) => outcome.into(),
            Err(_) => AttemptOutcome::TimedOut.into(),
        }
    }

    /// Posts a text; the status and the body of whatever is answered, which is short.
    pub async fn ask(&self, url: &str, body: String) -> Result<(u16, String), AttemptOutcome> {
        let answer = async {
            let (target, stream) = self.reach(url).await?;
            exchange(stream, request(Method::POST, &target), body, short_text).await
        };
        timeout(self.deadline, answer).await.unwrap_or(Err(AttemptOutcome::TimedOut))
    }

    /// Gets a JWKS: the body of a 200, at most [`JWKS_BYTES_MAX`] long and whole within [`JWKS_DEADLINE`].
    pub async fn get_jwks(&self, url: &str) -> Result<Bytes, AttemptOutcome> {
        let answer = async {
            let (target, stream) = self.reach(url).await?;
            let request = request(Method::GET, &target).header(ACCEPT, "application/json");
            exchange(stream, request, String::new(), document).await
        };
        timeout(JWKS_DEADLINE.min(self.deadline), answer).await.unwrap_or(Err(AttemptOutcome::TimedOut))
    }

    /// A connection to where the URL leads, if that may be called.
    async fn reach(&self, url: &str) -> Result<(Target, Box<dyn Stream>), AttemptOutcome> {
        // It may have been registered under other settings.
        let target = self.targets.read(url).map_err(|_| AttemptOutcome::TargetRefused)?;
        let addresses = self.addresses(&target.host).await?;
        let stream = connect(&addresses, target.port).await?;
        if target.tls {
            let stream = self.handshake(&target.host, stream).await?;
            return Ok((target, Box::new(stream)));
        }
        Ok((target, Box::new(stream)))
    }

    /// The addresses of a host, all of which may be called; one that may not spoils the others.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, AttemptOutcome> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name).await.map_err(|_| AttemptOutcome::NotResolved)?,
        };
        if addresses.is_empty() {
            return Err(AttemptOutcome::NotResolved);
        }
        if addresses.iter().all(|address| self.targets.permit(*address)) {
            Ok(addresses)
        } else {
            Err(AttemptOutcome::TargetRefused)
        }
    }

    async fn handshake(
        &self,
        host: &Host,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, AttemptOutcome> {
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| AttemptOutcome::TlsFailed)?,
            Host::Address(address) => ServerName::from(*address),
        };
        let config = Arc::clone(self.tls.get_or_init(system_tls));
        let handshake = TlsConnector::from(config).connect(name, stream);
        handshake.await.map_err(|_| AttemptOutcome::TlsFailed)
    }
}

/// TLS that trusts what the machine trusts.
fn system_tls() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::error!("the machine trusts no certificates: no webhook can be called over TLS");
    }
    tls(roots)
}

fn tls(roots: RootCertStore) -> Arc<ClientConfig> {
    // The library is built with one provider, which is therefore the default one.
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// A connection to the first address that takes one.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, AttemptOutcome> {
    for address in addresses {
        if let Ok(Ok(stream)) =
            timeout(CONNECT_MAX, TcpStream::connect(SocketAddr::new(*address, port))).await
        {
            // A socket that refuses is slower, not wrong.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(AttemptOutcome::NotConnected)
}

/// A request to this target that asks for nothing after it.
fn request(method: Method, target: &Target) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(target.path.as_str())
        .header(HOST, &target.authority)
        .header(USER_AGENT, concat!("Holdfast/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
}

/// Sends a request and has its answer read.
async fn exchange<T, R: Future<Output = Result<T, AttemptOutcome>>>(
    stream: Box<dyn Stream>,
    request: hyper::http::request::Builder,
    body: String,
    read: impl FnOnce(Response<Incoming>) -> R,
) -> Result<T, AttemptOutcome> {
    let broken = |_| AttemptOutcome::Broken;
    let request = request.body(Full::new(Bytes::from(body))).map_err(|_| AttemptOutcome::Broken)?;
    let mut http = hyper::client::conn::http1::Builder::new();
    http.max_buf_size(WEBHOOK_ANSWER_BYTES_MAX);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let response = async move { read(sender.send_request(request).await.map_err(broken)?).await };
    // Driven here and nowhere else: with this future the connection ends too.
    tokio::pin!(response);
    tokio::select! {
        biased;
        answer = &mut response => answer,
        _ = connection => response.await,
    }
}

/// What a webhook's answer means.
async fn acknowledgement(response: Response<Incoming>) -> Result<Answer, AttemptOutcome> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let answer = Answer {
        outcome: AttemptOutcome::of_status(status),
        status: Some(status),
        retry_after: retry_after.map(str::to_owned),
    };
    // The answer is what its status says, whatever follows; hanging up at once would look like a fault there.
    let _ = timeout(LINGER, drain(response)).await;
    Ok(answer)
}

/// The status and the body of an answer that is short.
async fn short_text(response: Response<Incoming>) -> Result<(u16, String), AttemptOutcome> {
    let status = response.status().as_u16();
    let whole = Limited::new(response.into_body(), WEBHOOK_ANSWER_BYTES_MAX).collect().await;
    let whole = whole.map_err(|_| AttemptOutcome::Broken)?.to_bytes();
    String::from_utf8(whole.to_vec()).map(|text| (status, text)).map_err(|_| AttemptOutcome::Broken)
}

/// The body of a 200.
async fn document(response: Response<Incoming>) -> Result<Bytes, AttemptOutcome> {
    match AttemptOutcome::of_status(response.status().as_u16()) {
        AttemptOutcome::Acknowledged if response.status() == StatusCode::OK => {}
        AttemptOutcome::Acknowledged => return Err(AttemptOutcome::Refused),
        outcome => return Err(outcome),
    }
    let whole = Limited::new(response.into_body(), JWKS_BYTES_MAX).collect().await;
    whole.map(http_body_util::Collected::to_bytes).map_err(|_| AttemptOutcome::Broken)
}

/// Reads an answer's body up to the cap, and forgets it.
async fn drain(response: Response<Incoming>) {
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read >= WEBHOOK_ANSWER_BYTES_MAX {
            return;
        }
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
