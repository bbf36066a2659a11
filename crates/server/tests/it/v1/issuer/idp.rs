//! A tenant's own issuer: where its keys are, and what it signs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use server::edge::clock::Clock as _;
use testkit::{Actor, Answer, App};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "holdfast";

/// What the host of the keys does.
#[derive(Clone)]
pub enum Reply {
    /// A 200 with this.
    Body(String),
    /// This head and no body.
    Head(&'static str),
    /// A 200 without end.
    Endless,
    /// Nothing, ever.
    Hang,
    /// It hangs up.
    Close,
}

/// A host of keys on this machine, gone with the test.
#[derive(Clone)]
pub struct Idp {
    pub uri: String,
    reply: Arc<Mutex<Reply>>,
    hits: Arc<AtomicUsize>,
}

impl Idp {
    pub async fn new(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/jwks?a=b", listener.local_addr().unwrap());
        let idp = Self { uri, reply: Arc::new(Mutex::new(reply)), hits: Arc::default() };
        let served = idp.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (idp, mut asked) = (served.clone(), [0; 4_096]);
                tokio::spawn(async move {
                    let read = stream.read(&mut asked).await.ok()?;
                    assert!(asked[..read].starts_with(b"GET /jwks?a=b HTTP/1.1\r\n"));
                    idp.hits.fetch_add(1, Ordering::SeqCst);
                    let reply = idp.reply.lock().unwrap().clone();
                    match reply {
                        Reply::Body(body) => {
                            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                            stream.write_all((head + &body).as_bytes()).await.ok()
                        }
                        Reply::Head(head) => {
                            let head = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
                            stream.write_all(head.as_bytes()).await.ok()
                        }
                        Reply::Endless => {
                            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                            while stream.write_all(&[b' '; 8_192]).await.is_ok() {}
                            None
                        }
                        Reply::Hang => {
                            tokio::time::sleep(Duration::from_mins(5)).await;
                            None
                        }
                        Reply::Close => None,
                    }
                });
            }
        });
        idp
    }

    /// One that shows these keys.
    pub async fn with(keys: &[&Key]) -> Self {
        Self::new(Reply::Body(jwks(keys))).await
    }

    pub fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub fn show(&self, keys: &[&Key]) {
        self.reply(Reply::Body(jwks(keys)));
    }

    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// Tries to register it.
    pub async fn try_register(&self, actor: &Actor, audience: &str) -> Answer {
        put(actor, &json!({"issuer": ISSUER, "jwks_uri": self.uri, "audience": audience})).await
    }

    /// Registers it.
    pub async fn register(&self, actor: &Actor) -> Value {
        self.try_register(actor, AUDIENCE).await.ok()
    }
}

fn jwks(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()}).to_string()
}

/// Tries to register an issuer.
pub async fn put(actor: &Actor, body: &Value) -> Answer {
    actor.call(&Method::PUT, "/v1/auth/issuer").json(body).send().await
}

pub async fn delete(actor: &Actor) -> Answer {
    actor.call(&Method::DELETE, "/v1/auth/issuer").send().await
}

/// A call with a bearer token.
pub async fn get(actor: &Actor, token: &str) -> Answer {
    let call = actor.with_key(None).call(&Method::GET, "/v1/audit");
    call.header("authorization", &format!("Bearer {token}")).send().await
}

/// A key of an issuer.
pub struct Key {
    pub kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    pub fn new(kid: &'static str) -> Self {
        Self { kid, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let half = |at: usize| URL_SAFE_NO_PAD.encode(&point[at..at + 32]);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": half(1), "y": half(33)})
    }

    /// A token of the next ten minutes, with these claims above the usual ones.
    pub fn token(&self, app: &App, change: &Value) -> String {
        let now = app.clock.now().seconds();
        let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "00000000-0000-4000-8000-00000000000a",
            "iat": now, "exp": now + 600, "type": "ID_TOKEN", "scope": "audit"});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "ES256", "kid": self.kid})), part(&claims));
        #[expect(clippy::disallowed_methods, reason = "the library signs with its own chance")]
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.pair.sign(&random, text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
