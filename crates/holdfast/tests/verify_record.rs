//! The real program, as somebody uses it who was handed a record of the enclave: by keys in a file, or fetched.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const KID: &str = "receipts";
const PAYLOAD: &str = r#"{"backup_id":"b-1","checked_at":1795239567250,"checksum":"cc","ciphertext_sha256":"bb","env":"production","first_checked_at":1795239560000,"item_key":"seed","key_id":"k-1","kind":"check","public_key_sha256":"aa","result":"whole","tenant_id":"t","v":1}"#;

struct Desk {
    folder: tempfile::TempDir,
    pair: EcdsaKeyPair,
}

impl Desk {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let desk = Self { folder: tempfile::tempdir().expect("a folder"), pair };
        desk.write("keys.json", &desk.jwks("receipt-sig"));
        desk
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn jwks(&self, purpose: &str) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KID, "x": x, "y": y,
            "coincover:purposes": [purpose], "coincover:validFrom": "2026-01-01T00:00:00.000Z",
        }] })
        .to_string()
    }

    fn record(&self, payload: &str) -> String {
        self.signed(KID, payload)
    }

    fn signed(&self, kid: &str, payload: &str) -> String {
        let header = json!({ "alg": "ES256", "kid": kid, "typ": "holdfast-record" }).to_string();
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        #[expect(clippy::disallowed_methods, reason = "a signature of a test may be any")]
        let chance = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.pair.sign(&chance, input.as_bytes()).expect("a signature");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn run(&self, record: &str, jwks: &str, more: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(["verify-record", record, "--jwks", jwks]).args(more).current_dir(self.folder.path());
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (status.code().expect("an end of its own"), text(stdout), text(stderr))
    }
}

#[test]
fn a_record_is_verified_and_put_in_words() {
    let desk = Desk::new();
    desk.write("record.jws", &desk.record(PAYLOAD));
    let (code, said, _) = desk.run("record.jws", "keys.json", &[]);
    assert_eq!(code, 0, "{said}");
    for word in
        ["verified", "2026-11-21T05:39:27Z", "the backup b-1 (seed) under the key k-1", "does not prove"]
    {
        assert!(said.contains(word), "{word} in:\n{said}");
    }
    let (code, said, _) = desk.run("record.jws", "keys.json", &["--json"]);
    let event: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &event["event"], &event["kid"]), (0, &json!("verified"), &json!(KID)));
    assert_eq!(event["record"], serde_json::from_str::<Value>(PAYLOAD).expect("JSON"));
    assert!(event["words"].as_array().is_some_and(|words| words.len() > 3));
}

#[test]
fn what_the_enclave_did_not_sign_ends_with_one_and_what_cannot_be_judged_with_two() {
    let desk = Desk::new();
    let record = desk.record(PAYLOAD);
    let parts: Vec<&str> = record.split('.').collect();
    let altered = URL_SAFE_NO_PAD.encode(PAYLOAD.replace("b-1", "b-2"));
    desk.write("altered.jws", &[parts[0], &altered, parts[2]].join("."));
    desk.write("record.jws", &record);
    desk.write("none.jws", "no record");
    desk.write("assignments.json", &desk.jwks("assignment-sig"));
    for (record, jwks, told) in [
        ("altered.jws", "keys.json", "not verified"),
        ("none.jws", "keys.json", "three parts"),
        ("record.jws", "assignments.json", "no key among those given"),
    ] {
        let (code, said, _) = desk.run(record, jwks, &[]);
        assert!(code == 1 && said.contains(told), "{record} {jwks}: {code} {said}");
    }
    let (code, said, _) = desk.run("altered.jws", "keys.json", &["--json"]);
    let event: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &event["event"]), (1, &json!("not_verified")));
    for (record, jwks, told) in [
        ("missing.jws", "keys.json", "missing.jws"),
        ("record.jws", "missing.json", "missing.json"),
        ("record.jws", "record.jws", "no set of keys"),
        ("record.jws", "http://recovery.example/.well-known/jwks.json", "over https"),
        ("record.jws", "ftp://localhost/jwks.json", "over https"),
    ] {
        let (code, _, said) = desk.run(record, jwks, &[]);
        assert!(code == 2 && said.contains(told), "{record} {jwks}: {code} {said}");
    }
}

#[test]
fn a_record_of_what_was_released_offline_is_verified_by_what_that_enclave_is_known_by() {
    let desk = Desk::new();
    let point = desk.pair.public_key().as_ref();
    let hex = point.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    desk.write("offline.pub", &format!("{}\n{hex}\n", "ab".repeat(32)));
    desk.write("first.pub", &"ab".repeat(32));
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let kid = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint.as_bytes());
    desk.write("record.jws", &desk.signed(&URL_SAFE_NO_PAD.encode(kid), PAYLOAD));
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(["verify-record", "record.jws"]).args(words).current_dir(desk.folder.path());
        let output = command.output().expect("the program runs");
        (
            output.status.code().expect("an end of its own"),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(run(&["--offline-key", "offline.pub"]).0, 0);
    assert_eq!(run(&["--jwks", "keys.json", "--offline-key", "offline.pub"]).0, 0, "beside the others");
    assert_eq!(run(&["--jwks", "keys.json"]).0, 1, "the service's keys alone do not say so");
    let (code, said) = run(&["--offline-key", "first.pub"]);
    assert!(code == 2 && said.contains("first.pub is not what an offline enclave is known by"), "{said}");
    assert_eq!(run(&[]).0, 2, "no key at all");
}

/// Answers one request with these bytes.
fn answers(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut request = [0; 4_096];
        let _read = stream.read(&mut request).expect("a request");
        stream.write_all(answer.as_bytes()).expect("an answer");
    });
    format!("http://{address}/.well-known/jwks.json")
}

#[test]
fn keys_are_fetched_and_never_from_where_an_answer_leads() {
    let desk = Desk::new();
    desk.write("record.jws", &desk.record(PAYLOAD));
    let body = desk.jwks("receipt-sig");
    let good =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let address = answers(good.clone());
    let (code, said, errors) = desk.run("record.jws", &address, &[]);
    assert_eq!(code, 0, "{said}{errors}");
    let elsewhere = answers(good);
    let moved = answers(format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n"));
    let (code, said, _) = desk.run("record.jws", &moved, &[]);
    assert_eq!(code, 2, "{said}");
}
