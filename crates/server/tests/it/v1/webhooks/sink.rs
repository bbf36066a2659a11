//! Somebody who is told of events.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::Actor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What arrived.
#[derive(Clone, Debug)]
pub struct Hit {
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Hit {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A listener on this machine, gone with the test.
#[derive(Clone)]
pub struct Sink {
    pub url: String,
    hits: Arc<Mutex<Vec<Hit>>>,
    reply: Arc<Mutex<Reply>>,
}

#[derive(Clone, Copy)]
pub enum Reply {
    /// This head, and a short body.
    Head(&'static str),
    /// Nothing, ever.
    Hang,
    /// One byte of the head every so often.
    Drip,
    /// A good head, and a body without end.
    Endless,
}

pub const OK: Reply = Reply::Head("200 OK");

impl Sink {
    pub async fn new(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
        let sink = Self { url, hits: Arc::default(), reply: Arc::new(Mutex::new(reply)) };
        let served = sink.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sink = served.clone();
                tokio::spawn(async move { sink.serve(stream).await });
            }
        });
        sink
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            bytes.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length: usize = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
            if body.len() == length {
                break (head.to_owned(), body.to_owned());
            }
        };
        assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.hits.lock().unwrap().push(Hit { headers, body });
        let reply = *self.reply.lock().unwrap();
        match reply {
            Reply::Head(head) => {
                let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 11\r\n\r\nTOP-SECRET!");
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            Reply::Hang => tokio::time::sleep(Duration::from_mins(5)).await,
            Reply::Drip => {
                for byte in b"HTTP/1.1 200 OK".iter().chain(std::iter::repeat(&b' ')) {
                    stream.write_all(&[*byte]).await.ok()?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Reply::Endless => {
                stream.write_all(b"HTTP/1.1 500 Oh\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(&[b'x'; 8_192]).await.ok()?;
                }
            }
        }
        Some(())
    }

    pub fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }

    /// So many hits, or more.
    pub async fn wait_for(&self, count: usize) -> Vec<Hit> {
        until(&format!("{count} hits"), async || self.hits().len() >= count).await;
        self.hits()
    }

    /// Registers it: the endpoint with its secret.
    pub async fn register(&self, actor: &Actor) -> Value {
        actor.post("/v1/webhooks", &json!({"url": self.url})).await.ok()
    }
}

/// Waits until something holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..1_500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("never: {what}");
}

/// The path of an endpoint.
pub fn path(webhook: &Value) -> String {
    format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap())
}

/// What an endpoint was sent.
pub async fn deliveries(actor: &Actor, webhook: &Value) -> Vec<Value> {
    let page = actor.get(&format!("{}/deliveries", path(webhook))).await.ok();
    page["data"].as_array().unwrap().clone()
}
