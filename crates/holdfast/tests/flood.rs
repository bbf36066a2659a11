//! A thousand connections that are idle, or slow, or both, while somebody else is served.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

mod rig {
    pub mod http;
}

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::http::Caller;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");
const FLOOD: usize = 1_000;
/// What the program may have open when it starts; it raises that itself.
const FILES: i64 = 256;
/// Slow calls with a credential, of each of two tenants: within what it may call at once.
const WITH_CREDENTIAL: usize = 15;
/// Far longer than the rules give anybody.
const PATIENCE: Duration = Duration::from_mins(2);

struct Sandbox {
    child: Child,
    ready: Value,
    _output: BufReader<ChildStdout>,
}

impl Sandbox {
    fn start(folder: &std::path::Path) -> Self {
        let script = format!("ulimit -S -n {FILES} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, PROGRAM, "sandbox", "--json", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(folder.join("data")).env_remove("RUST_LOG").stdin(Stdio::null());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("it has an output"));
        let ready = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("text") > 0, "it ended before it was ready");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if line.get("credentials").is_some() {
                break line;
            }
        };
        Self { child, ready, _output: output }
    }

    fn base_url(&self) -> String {
        self.ready["credentials"]["base_url"].as_str().expect("an address").to_owned()
    }

    fn host(&self) -> String {
        self.base_url().trim_start_matches("http://").to_owned()
    }

    fn key(&self, tenant: usize) -> String {
        let key = &self.ready["credentials"]["tenants"][tenant]["api_keys"]["full"];
        key.as_str().expect("a key").to_owned()
    }

    /// How many connections it has open, by its metrics.
    fn open(&self) -> i64 {
        let url = self.ready["metrics_url"].as_str().expect("an address");
        let host = url.trim_start_matches("http://").trim_end_matches("/metrics");
        let mut stream = TcpStream::connect(host).expect("metrics");
        stream.set_read_timeout(Some(PATIENCE)).expect("a patience");
        let call = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(call.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("a scrape");
        let count = text.lines().find_map(|line| line.strip_prefix("holdfast_http_connections "));
        count.expect("the series").parse().expect("a number")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Whatever failed: nothing stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a connection of the flood sends at once; then it sends a byte now and then, or nothing.
fn opening(sandbox: &Sandbox, number: usize) -> String {
    let body = |path: &str, key: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: 100000\r\n\r\n{{"
        )
    };
    match number {
        0..WITH_CREDENTIAL => body("/v1/partner/secure/data", &sandbox.key(1)),
        number if number < 2 * WITH_CREDENTIAL => body("/v1/secure/data", &sandbox.key(2)),
        number if number % 3 == 0 => body("/v1/secure/data", "nobody"),
        number if number % 3 == 1 => "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ".to_owned(),
        _ => String::new(),
    }
}

/// Sends a byte on each connection that is not idle, and says which ones the service has closed.
fn drip(flood: &mut [(TcpStream, bool)]) {
    for (stream, is_idle) in flood {
        if !*is_idle {
            // An error means that it is closed already, which is what is awaited.
            let _ = stream.write(b" ");
        }
    }
}

/// What was answered before the service closed the connection.
fn read_to_the_end(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("a patience");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the service keeps it open: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_thousand_slow_connections_keep_nobody_else_from_being_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(folder.path());
    let host = sandbox.host();
    let mut flood: Vec<(TcpStream, bool)> = (0..FLOOD)
        .map(|number| {
            let mut stream = TcpStream::connect(&host).expect("a connection");
            let opening = opening(&sandbox, number);
            stream.write_all(opening.as_bytes()).expect("sent");
            (stream, opening.is_empty())
        })
        .collect();
    // The healthy one, whose calls are each a new connection.
    let healthy = Caller { base_url: sandbox.base_url(), api_key: sandbox.key(0) };
    let mut most = sandbox.open();
    for round in 0..5 {
        let user = format!("user-{round}");
        let started = healthy.post("/v1/verification/start", None, &json!({"user_identifier": user}));
        let started = started.expect("a whole answer");
        assert_eq!(started.status, 200, "{}", started.body);
        let id = started.json()["verification_id"].clone();
        let passed = json!({"verification_id": id, "action": "approve_inquiry"});
        let passed = healthy.post("/v1/verification/simulate", None, &passed).expect("a whole answer");
        assert_eq!(passed.status, 200, "{}", passed.body);
        drip(&mut flood);
        most = most.max(sandbox.open());
    }
    assert!(most > FILES, "{most} connections at most: the limit of {FILES} files was not raised");

    let mut answers: Vec<String> = Vec::new();
    for (stream, _) in &mut flood {
        answers.push(read_to_the_end(stream));
    }
    let slow = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 408 ")).count();
    assert!(slow > 0, "who sends a body too slowly is told so");
    assert!(answers[..2 * WITH_CREDENTIAL].iter().all(|answer| !answer.starts_with("HTTP/1.1 200 ")));
    while sandbox.open() > 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
}
