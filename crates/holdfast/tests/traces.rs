//! Traces, as a collector gets them from the real program.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

mod rig {
    pub mod collector;
    pub mod hex;
}

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::rig::collector::{Collector, Temper};
use crate::rig::hex::hex;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// What must not be in a trace, wherever a caller puts it.
const CANARY: &str = "canary-7f3a";

/// A sandbox that sends its traces.
struct Sandbox {
    child: Child,
    ready: Value,
    http: reqwest::Client,
    runtime: Runtime,
    /// Kept, so that the program can say that it ends.
    _output: BufReader<ChildStdout>,
}

/// A status and a body.
type Answer = (u16, String);

impl Sandbox {
    fn start(folder: &Path, collector: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args([
            "sandbox",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--otlp-endpoint",
            collector,
            "--data-dir",
        ]);
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
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let runtime = Runtime::new().expect("threads");
        Self { child, ready, http, runtime, _output: output }
    }

    fn post(&self, path: &str, traceparent: &str, body: &Value) -> Answer {
        let base = self.ready["credentials"]["base_url"].as_str().expect("an address");
        let key = self.ready["credentials"]["tenants"][0]["api_keys"]["full"].as_str().expect("a key");
        let call = self.http.post(format!("{base}{path}")).header("x-api-key", key);
        let call = call.header("traceparent", traceparent).header("tracestate", format!("{CANARY}=1"));
        let call = call.header("content-type", "application/json").header("x-canary", CANARY);
        self.send(call.body(body.to_string()))
    }

    fn send(&self, call: reqwest::RequestBuilder) -> Answer {
        self.runtime.block_on(async {
            let answer = call.send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("text"))
        })
    }

    /// What `/metrics` says of a series without labels.
    fn metric(&self, name: &str) -> u64 {
        let address = self.ready["metrics_url"].as_str().expect("an address");
        let (_, text) = self.send(self.http.get(address));
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("holdfast_{name} ")));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}")).parse().expect("a number")
    }

    fn end(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert!(self.child.wait().expect("an end").success());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Whatever failed: nothing stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json_of((status, body): &Answer) -> Value {
    assert_eq!(*status, 200, "{body}");
    serde_json::from_str(body).expect("JSON")
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    found.map(|attribute| format!("{:?}", attribute.value)).unwrap_or_default()
}

#[test]
fn a_call_arrives_in_its_callers_trace_and_nothing_secret_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start(Temper::Takes);
    let mut sandbox = Sandbox::start(folder.path(), &collector.address());
    let started = json_of(&sandbox.post(
        "/v1/verification/start",
        &traceparent("01"),
        &json!({"user_identifier": CANARY}),
    ));
    let id = started["verification_id"].as_str().expect("an id").to_owned();
    // In paths, queries and bodies that fail, too; in a trace of its own, and one that is not to be recorded.
    sandbox.post(&format!("/v1/{CANARY}?{CANARY}"), "no trace at all", &json!({CANARY: CANARY}));
    let unrecorded = "00-11111111111111111111111111111111-00f067aa0ba902b7-00";
    let asked = json!({"user_identifier": CANARY, "verification_id": id});
    json_of(&sandbox.post("/v1/key/generate", unrecorded, &asked));
    sandbox.end();

    let spans = collector.spans();
    let ours: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    let call = ours.iter().find(|span| span.name == "call").expect("the call's span");
    assert_eq!((hex(&call.parent_span_id), call.kind()), (CALLER.to_owned(), SpanKind::Server));
    for (name, value) in [("route", "/v1/verification/start"), ("method", "POST"), ("status", "200")] {
        assert!(attribute(call, name).contains(value), "{name}: {call:?}");
    }
    assert!(!attribute(call, "request_id").is_empty());
    for (name, field, value) in [
        ("enclave", "request", "open"),
        ("database", "closure", "authenticate"),
        ("database", "closure", "start_verification"),
    ] {
        let is_it = |span: &&&Span| span.name == name && attribute(span, field).contains(value);
        let span = ours.iter().find(is_it).unwrap_or_else(|| panic!("{name} {value}: {ours:#?}"));
        assert_eq!(span.parent_span_id, call.span_id, "{name} {value} within the call");
    }
    assert!(spans.iter().any(|span| span.name == "call" && span.parent_span_id.is_empty()), "its own trace");
    assert!(!spans.iter().any(|span| hex(&span.trace_id).starts_with("1111")), "not to be recorded");
    assert!(
        spans.iter().all(|span| span.name == "call" || !span.parent_span_id.is_empty()),
        "what jobs do is nobody's trace"
    );
    assert!(spans.iter().all(|span| span.events.is_empty() && span.links.is_empty()));
    assert!(collector.resource().contains("holdfast"));

    // A line of the log names the same call.
    let log = std::fs::read_to_string(folder.path().join("data/sandbox.log")).expect("a log");
    let named = |line: &&str| line.contains("answered") && line.contains("route=\"/v1/verification/start\"");
    let line = log.lines().find(named).expect("a line within the call");
    let request_id = line.split("call{request_id=\"").nth(1).and_then(|rest| rest.split('"').next());
    assert!(attribute(call, "request_id").contains(request_id.expect("an id")), "{line}");

    let sent = collector.bytes();
    let text = String::from_utf8_lossy(&sent);
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(CANARY);
    for word in [CANARY, encoded.as_str(), id.as_str(), folder.path().to_str().expect("text")] {
        assert!(!text.contains(word), "{word} is in a trace");
    }
    for tenant in sandbox.ready["credentials"]["tenants"].as_array().expect("tenants") {
        let key = tenant["api_keys"]["full"].as_str().expect("a key");
        assert!(!text.contains(key) && !text.contains(tenant["name"].as_str().expect("a name")));
    }
}

/// Calls are answered as ever, and what could not be sent is counted.
fn calls_go_on(temper: Temper) {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start(temper);
    let mut sandbox = Sandbox::start(folder.path(), &collector.address());
    for _ in 0..300 {
        // Most are refused for their rate, which is an answer, too.
        let (status, _) =
            sandbox.post("/v1/verification/start", &traceparent("01"), &json!({"user_identifier": "u"}));
        assert!([200, 429, 503].contains(&status), "{status}");
    }
    while sandbox.metric("trace_spans_dropped_total") == 0 {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(sandbox.metric("trace_spans_exported_total"), 0);
    assert_eq!(sandbox.metric("http_requests_running"), 0);
    sandbox.end();
    assert!(collector.spans().is_empty());
}

#[test]
fn calls_go_on_while_the_collector_hangs() {
    calls_go_on(Temper::Hangs);
}

#[test]
fn calls_go_on_while_the_collector_is_dead() {
    calls_go_on(Temper::Dead);
}

#[test]
fn calls_go_on_while_the_collector_refuses() {
    calls_go_on(Temper::Refuses);
}
