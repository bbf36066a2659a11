//! A stand-in for a collector: takes OTLP over HTTP (protobuf) on a port of its own, and keeps what it got.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// Takes what comes.
    Takes,
    /// Takes connections, and never answers.
    Hangs,
    /// Nobody listens.
    Dead,
    /// Answers 503.
    Refuses,
}

/// What it got, body after body.
type Got = Arc<Mutex<Vec<Vec<u8>>>>;

/// It ends with the test's process; its connections end with the program under test.
pub struct Collector {
    address: SocketAddr,
    got: Got,
}

impl Collector {
    pub fn start(temper: Temper) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let got = Got::default();
        if temper != Temper::Dead {
            let kept = Arc::clone(&got);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let (stream, kept) = (stream.expect("a connection"), Arc::clone(&kept));
                    thread::spawn(move || serve(&stream, temper, &kept));
                }
            });
        }
        Self { address, got }
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let got = self.got.lock().expect("whole");
        got.iter().map(|body| ExportTraceServiceRequest::decode(&body[..]).expect("protobuf")).collect()
    }

    /// Every span.
    pub fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// What the first sender says of itself.
    pub fn resource(&self) -> String {
        format!("{:?}", self.requests()[0].resource_spans[0].resource)
    }

    /// All that came.
    pub fn bytes(&self) -> Vec<u8> {
        self.got.lock().expect("whole").concat()
    }
}

/// Serves a connection until its other end closes it.
fn serve(stream: &TcpStream, temper: Temper, kept: &Got) {
    let mut reader = BufReader::new(stream);
    while let Some((is_traces, length)) = read_head(&mut reader) {
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let status = match temper {
            Temper::Takes if is_traces => {
                kept.lock().expect("whole").push(body);
                "200 OK"
            }
            Temper::Hangs => continue,
            _ => "503 Service Unavailable",
        };
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        if (&mut &*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Whether it is a post of traces in protobuf, and the length of its body; none at the end.
fn read_head(reader: &mut impl std::io::BufRead) -> Option<(bool, usize)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let is_traces = head[0].starts_with("post /v1/traces ");
    Some((is_traces && head.iter().any(|line| line == "content-type: application/x-protobuf"), length))
}
