use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::webhook::Range;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers each question with the next of these lists, and the last one ever after.
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Resolver for Scripted {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

fn outbound(https_only: bool, answers: &[&[&str]]) -> (Outbound, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let read = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let resolver =
        Scripted { answers: Mutex::new(answers.iter().map(read).collect()), asked: Arc::clone(&asked) };
    // Only the one address that the tests listen on.
    let allowed = vec!["127.0.0.1/32".parse::<Range>().unwrap()];
    let deadline = Duration::from_secs(2);
    let targets = Targets { https_only, allowed };
    (Outbound { deadline, ..Outbound::new(targets, Box::new(resolver)) }, asked)
}

/// Counts who comes, and answers 200.
async fn listener() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (port, seen)
}

async fn post(outbound: &Outbound, url: &str) -> AttemptOutcome {
    outbound.post(url, &[("webhook-id", "x".to_owned())], "{}".to_owned()).await.outcome
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_checked_address_is_called() {
    let (port, seen) = listener().await;
    // Bait first, then what it was all for.
    let (outbound, asked) = outbound(false, &[&["127.0.0.1"], &["127.0.0.2"]]);
    let url = format!("http://rebind.example:{port}/");
    assert_eq!(post(&outbound, &url).await, AttemptOutcome::Acknowledged);
    assert_eq!((asked.load(Ordering::SeqCst), seen.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(post(&outbound, &url).await, AttemptOutcome::TargetRefused, "checked at each try");
    assert_eq!((asked.load(Ordering::SeqCst), seen.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn one_address_that_may_not_be_called_spoils_the_others() {
    let (port, seen) = listener().await;
    for bad in
        ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1", "64:ff9b::7f00:1", "0.0.0.0"]
    {
        for answer in [vec![bad], vec!["127.0.0.1", bad], vec![bad, "127.0.0.1"]] {
            let (outbound, _) = outbound(false, &[&answer]);
            let outcome = post(&outbound, &format!("http://a.example:{port}/")).await;
            assert_eq!(outcome, AttemptOutcome::TargetRefused, "{answer:?}");
        }
    }
    let (none, _) = outbound(false, &[&[]]);
    assert_eq!(post(&none, &format!("http://a.example:{port}/")).await, AttemptOutcome::NotResolved);
    assert_eq!(seen.load(Ordering::SeqCst), 0, "nobody was connected to");
}

#[tokio::test]
async fn what_was_registered_under_other_rules_is_checked_again() {
    let (port, seen) = listener().await;
    let (strict, _) = outbound(true, &[&["127.0.0.1"]]);
    assert_eq!(post(&strict, &format!("http://127.0.0.1:{port}/")).await, AttemptOutcome::TargetRefused);
    let (lenient, _) = outbound(false, &[&["127.0.0.1"]]);
    assert_eq!(post(&lenient, &format!("http://127.0.0.2:{port}/")).await, AttemptOutcome::TargetRefused);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    assert_eq!(post(&lenient, &format!("http://127.0.0.1:{port}/")).await, AttemptOutcome::Acknowledged);
}

#[tokio::test]
async fn what_is_no_answer_has_its_own_name() {
    let (outbound, _) = outbound(false, &[&["127.0.0.1"]]);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(post(&outbound, &format!("http://a.example:{closed}/")).await, AttemptOutcome::NotConnected);
    for (reply, expected) in [
        ("", AttemptOutcome::Broken),
        ("SSH-2.0-OpenSSH_9.9\r\n", AttemptOutcome::Broken),
        ("HTTP/1.1 204 No\r\n\r\n", AttemptOutcome::Acknowledged),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf", AttemptOutcome::Acknowledged),
        ("HTTP/1.1 302 Go\r\nlocation: http://127.0.0.1/\r\n\r\n", AttemptOutcome::Redirected),
        ("HTTP/1.1 410 Gone\r\n\r\n", AttemptOutcome::Gone),
    ] {
        assert_eq!(post(&outbound, &answering(reply.as_bytes().to_vec()).await).await, expected, "{reply:?}");
    }
    let long = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    assert_eq!(post(&outbound, &answering(long).await).await, AttemptOutcome::Broken, "a header without end");
}

/// Whoever comes hears this, whatever was said.
async fn answering(reply: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://a.example:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&reply).await;
    });
    url
}

/// A certificate for a name, and its key, made by another program.
fn certificate(folder: &std::path::Path, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let path = |end: &str| folder.join(format!("{name}.{end}"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext"])
        .arg(format!("subjectAltName=DNS:{name}"))
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(path("key"))
        .arg("-out")
        .arg(path("crt"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = CertificateDer::from_pem_file(path("crt")).unwrap();
    (certificate, PrivateKeyDer::from_pem_file(path("key")).unwrap())
}

#[tokio::test]
async fn tls_is_verified_against_the_trusted_and_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (trusted, key) = certificate(folder.path(), "good.example");
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![trusted.clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    let trusting = |certificate: &CertificateDer<'static>| {
        let (outbound, _) = outbound(true, &[&["127.0.0.1"]]);
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        outbound.tls.set(tls(roots)).unwrap();
        outbound
    };
    let (good, other) = (format!("https://good.example:{port}/"), format!("https://other.example:{port}/"));
    assert_eq!(post(&trusting(&trusted), &good).await, AttemptOutcome::Acknowledged);
    assert_eq!(post(&trusting(&trusted), &other).await, AttemptOutcome::TlsFailed, "another name");
    let (stranger, _) = certificate(folder.path(), "stranger.example");
    assert_eq!(post(&trusting(&stranger), &good).await, AttemptOutcome::TlsFailed, "not trusted");
    let (plain, _) = self::listener().await;
    let outcome = post(&trusting(&trusted), &format!("https://good.example:{plain}/")).await;
    assert_eq!(outcome, AttemptOutcome::TlsFailed, "no TLS at all");
}
