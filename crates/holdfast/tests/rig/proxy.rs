//! A proxy that changes answers: what a server would answer that departs from the contract.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::Value;

/// An answer on its way through.
pub struct Passing {
    /// `GET /path?query`.
    pub call: String,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Passing {
    /// Whether it answers this method and path, without a query.
    pub fn answers(&self, call: &str) -> bool {
        self.call == call
    }

    /// Changes the body, where it is JSON and `change` finds what it looks for.
    pub fn alter(&mut self, change: impl FnOnce(&mut Value) -> Option<()>) {
        if let Ok(mut body) = serde_json::from_slice::<Value>(&self.body)
            && change(&mut body).is_some()
        {
            self.body = body.to_string().into_bytes();
        }
    }

    /// Takes a header away.
    pub fn drop_header(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }
}

/// Listens on this machine in front of `server`, until the test ends; its address.
pub fn listen(server: SocketAddr, change: impl Fn(&mut Passing) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let change = Arc::new(change);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let change = Arc::clone(&change);
            // A connection that its caller gave up says nothing.
            std::thread::spawn(move || drop(pass(&stream, server, &*change)));
        }
    });
    address
}

fn pass(caller: &TcpStream, server: SocketAddr, change: &dyn Fn(&mut Passing)) -> std::io::Result<()> {
    let (head, body) = read(&mut BufReader::new(caller))?;
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    // HTTP/1.0: the answer ends with its connection, and comes in no chunks.
    let mut upstream = TcpStream::connect(server)?;
    let kept = headers.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    write!(upstream, "{} {} HTTP/1.0\r\n", words[0], words[1])?;
    for line in kept {
        write!(upstream, "{line}\r\n")?;
    }
    write!(upstream, "\r\n")?;
    upstream.write_all(&body)?;
    let mut reader = BufReader::new(upstream);
    let head = read_head(&mut reader)?;
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    let mut passing = Passing {
        call: format!("{} {}", words[0], words[1]),
        status: line.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status"),
        headers: headers
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    };
    reader.read_to_end(&mut passing.body)?;
    change(&mut passing);
    for name in ["content-length", "connection", "transfer-encoding"] {
        passing.drop_header(name);
    }
    let mut caller = caller;
    write!(caller, "HTTP/1.1 {} Answer\r\nconnection: close\r\n", passing.status)?;
    if passing.status != 204 {
        write!(caller, "content-length: {}\r\n", passing.body.len())?;
    }
    for (name, value) in &passing.headers {
        write!(caller, "{name}: {value}\r\n")?;
    }
    write!(caller, "\r\n")?;
    caller.write_all(&passing.body)
}

/// A request: its head, and a body of the length that the head names.
fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let head = read_head(reader)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

/// Up to the empty line.
fn read_head(reader: &mut impl std::io::BufRead) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    head.truncate(head.len() - 4);
    Ok(String::from_utf8_lossy(&head).into_owned())
}
