//! For tests: a server with prepared answers, and what it was asked.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Gives its answers in order, one to a connection, then closes each connection unanswered.
pub(crate) struct Canned {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub(crate) async fn with(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                record.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let _ = stream.write_all(answers.next().unwrap_or_default().as_bytes()).await;
            }
        });
        Self { base, seen }
    }

    /// The requests, head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer; `headers` are whole lines.
pub(crate) fn answer(status: u16, headers: &[&str], body: &str) -> String {
    let length = format!("content-length: {}", body.len());
    let head = [&["connection: close", &length], headers].concat().join("\r\n");
    format!("HTTP/1.1 {status} Reason\r\n{head}\r\n\r\n{body}")
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            _ => return text,
        }
    }
}
