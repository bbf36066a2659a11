//! A call over HTTP and nothing around it: no client that would repeat it by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any call takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Whether it is the repeat of an earlier one.
    pub is_replay: bool,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Somebody with an API key, at one server process.
#[derive(Clone, Debug)]
pub struct Caller {
    pub base_url: String,
    pub api_key: String,
}

impl Caller {
    /// Posts JSON; none when no whole answer came.
    pub fn post(&self, path: &str, name: Option<&str>, body: &Value) -> Option<Answer> {
        let (host, body) =
            (self.base_url.strip_prefix("http://").expect("a plain address"), body.to_string());
        let name = name.map_or(String::new(), |name| format!("Idempotency-Key: {name}\r\n"));
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {}\r\n{name}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.api_key,
            body.len()
        );
        let mut stream = TcpStream::connect(host).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        read(&String::from_utf8(answer).expect("text"))
    }
}

/// Reads a whole answer; none of one that was cut off.
fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let is_replay = header("idempotent-replay").is_some();
    (body.len() == length).then(|| Answer { status, is_replay, body: body.to_owned() })
}
