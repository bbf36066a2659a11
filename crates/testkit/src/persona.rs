//! A stand-in for Persona, written from its documentation (API reference "Create an Inquiry", "Idempotence",
//! "Webhook Best Practices"): it opens inquiries, keeps the answer under the call's `Idempotency-Key`, and makes
//! the events that its webhooks would bring.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use boundary::Env;
use domain::audit::hex;
use domain::time::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The API key that it knows.
pub const API_KEY: &str = "0f1e2d3c-stand-in";
/// The template of its inquiries.
pub const TEMPLATE: &str = "itmpl_StandIn1";
/// The secret of its webhook.
pub const SECRET: &str = "wbhsec_0f6d6c1a-stand-in";
/// The secret that a rotation brings.
pub const NEXT_SECRET: &str = "wbhsec_9a8b7c6d-stand-in-next";

/// How it is today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As documented.
    Well,
    /// Takes the call and never answers.
    Silent,
    /// Hangs up without an answer.
    Rude,
    /// Opens the inquiry and hangs up without an answer, once.
    Forgetful,
    /// Answers this status line and these headers, and no inquiry.
    Says(&'static str),
    /// Sends the caller, and its API key, elsewhere.
    Redirects,
    /// Answers 201 with this.
    Babbles(&'static str),
    /// Answers 201 and a body without end.
    Endless,
    /// Answers with the inquiry of another reference.
    Confused,
}

/// A call that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Value,
}

#[derive(Default)]
struct Desk {
    mood: Option<Mood>,
    asked: Vec<Asked>,
    /// The body and the answer of each call, by its name.
    answers: BTreeMap<String, (Value, Value)>,
    /// The reference of each inquiry.
    references: BTreeMap<String, String>,
}

/// The stand-in; gone with the test.
#[derive(Clone)]
pub struct Persona {
    /// Where it listens, on this machine.
    pub port: u16,
    desk: Arc<Mutex<Desk>>,
}

impl Persona {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let persona = Self { port, desk: Arc::default() };
        let served = persona.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let persona = served.clone();
                tokio::spawn(async move { persona.serve(stream).await });
            }
        });
        persona
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it is so.
    pub fn is(&self, mood: Mood) {
        self.desk().mood = Some(mood);
    }

    /// The calls that came.
    pub fn asked(&self) -> Vec<Asked> {
        self.desk().asked.clone()
    }

    /// The reference of an inquiry that it opened.
    pub fn reference(&self, inquiry: &str) -> String {
        self.desk().references.get(inquiry).cloned().unwrap_or_default()
    }

    /// The inquiries that it opened.
    pub fn inquiries(&self) -> Vec<String> {
        self.desk().references.keys().cloned().collect()
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let (head, body) = read_request(&mut stream).await?;
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<_, _> =
            headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        self.desk().asked.push(Asked { headers: headers.clone(), body: body.clone() });
        let mood = self.desk().mood.unwrap_or(Mood::Well);
        match mood {
            Mood::Silent => tokio::time::sleep(Duration::from_mins(5)).await,
            Mood::Rude => {}
            Mood::Says(head) => write_answer(&mut stream, head, "{\"errors\":[{\"title\":\"No\"}]}").await?,
            Mood::Redirects => {
                let head =
                    format!("307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/elsewhere", self.port);
                write_answer(&mut stream, &head, "").await?;
            }
            Mood::Babbles(text) => write_answer(&mut stream, "201 Created", text).await?,
            Mood::Endless => {
                stream.write_all(b"HTTP/1.1 201 Created\r\n\r\n").await.ok()?;
                while stream.write_all(&[b' '; 8_192]).await.is_ok() {}
            }
            Mood::Well | Mood::Forgetful | Mood::Confused => {
                let (status, mut answer) = self.create(&head, &headers, &body);
                if mood == Mood::Forgetful {
                    self.is(Mood::Well);
                    return None;
                }
                if mood == Mood::Confused {
                    answer["data"]["attributes"]["reference-id"] = json!("ffffffffffffffffffffffffffffffff");
                }
                write_answer(&mut stream, status, &answer.to_string()).await?;
            }
        }
        Some(())
    }

    fn create(&self, head: &str, headers: &BTreeMap<String, String>, body: &Value) -> (&'static str, Value) {
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let no = |title: &str| json!({"errors": [{"title": title}]});
        if let Some(inquiry) =
            head.strip_prefix("POST /api/v1/inquiries/").and_then(|rest| rest.split_once("/resume HTTP/1.1"))
        {
            let is_known = self.desk().references.contains_key(inquiry.0);
            let is_ours = header("authorization") == format!("Bearer {API_KEY}");
            let token =
                json!({"data": {"type": "inquiry", "id": inquiry.0}, "meta": {"session-token": "a+token"}});
            return if is_known && is_ours {
                ("200 OK", token)
            } else {
                ("404 Not Found", no("Record not found"))
            };
        }
        if !head.starts_with("POST /api/v1/inquiries HTTP/1.1") {
            return ("404 Not Found", no("Record not found"));
        }
        if header("authorization") != format!("Bearer {API_KEY}") {
            return ("401 Unauthorized", no("Must be authenticated"));
        }
        let attributes = &body["data"]["attributes"];
        let typed = header("content-type") == "application/json" && header("key-inflection") == "kebab";
        if !typed || header("persona-version").is_empty() || attributes["inquiry-template-id"] != TEMPLATE {
            return ("400 Bad Request", no("Bad request"));
        }
        let mut desk = self.desk();
        let name = header("idempotency-key").to_owned();
        if let Some((first, answer)) = desk.answers.get(&name).filter(|_| !name.is_empty()) {
            let same = first == body;
            return if same { ("201 Created", answer.clone()) } else { ("409 Conflict", no("Conflict")) };
        }
        let id = format!("inq_StandIn{:013}", desk.references.len() + 1);
        let reference = attributes["reference-id"].as_str().unwrap_or_default();
        desk.references.insert(id.clone(), reference.to_owned());
        let answer = json!({"data": {"type": "inquiry", "id": id, "attributes": {
            "status": "created", "reference-id": reference, "note": null, "tags": [], "behaviors": {},
            "created-at": "2026-01-01T00:00:00.000Z", "fields": {}, "next-step-name": "start"
        }, "relationships": {"inquiry-template": {"data": {"type": "inquiry-template", "id": TEMPLATE}}}}});
        desk.answers.insert(name, (body.clone(), answer.clone()));
        ("201 Created", answer)
    }

    /// The body of an event of an inquiry that it opened, about Ada.
    pub fn event(&self, id: &str, name: &str, inquiry: &str, at: Timestamp) -> Value {
        let status = name.trim_start_matches("inquiry.").replace("marked-for-review", "needs_review");
        let field = |value: &str| json!({"type": "string", "value": value});
        json!({"data": {"type": "event", "id": id, "attributes": {
            "name": name, "created-at": at.rfc3339(), "redacted-at": null,
            "payload": {
                "data": {"type": "inquiry", "id": inquiry, "attributes": {
                    "status": status, "reference-id": self.reference(inquiry), "note": null, "tags": [],
                    "behaviors": {"completion-time": 38.416, "hesitation-percentage": 12.5},
                    "created-at": at.rfc3339(), "completed-at": null,
                    "fields": {
                        "name-first": field("Ada"), "name-middle": {"type": "string", "value": null},
                        "name-last": field("Lovelace"),
                        "birthdate": {"type": "date", "value": "1990-12-10"},
                        "selected-country-code": field("GB")
                    }
                }, "relationships": {
                    "account": {"data": {"type": "account", "id": "act_StandIn1"}},
                    "template": {"data": null},
                    "inquiry-template": {"data": {"type": "inquiry-template", "id": TEMPLATE}},
                    "verifications": {"data": [{"type": "verification/government-id", "id": "ver_1"}]}
                }},
                "included": [{"type": "inquiry-template", "id": TEMPLATE, "attributes": {"status": "active"}}]
            }
        }}})
    }
}

/// The header that signs a body with each of these secrets, as it is sent at `at_s` (seconds since the epoch).
pub fn sign(secrets: &[&str], at_s: i64, body: &[u8]) -> String {
    let sets = secrets.iter().map(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, &[format!("{at_s}.").as_bytes(), body].concat());
        format!("t={at_s},v1={}", hex(tag.as_ref()))
    });
    sets.collect::<Vec<_>>().join(" ")
}

/// Writes what the enclave knows of Persona.
pub fn write_provider(folder: &Path, env: Env, secrets: &[&str]) -> PathBuf {
    let path = folder.join("persona.provider");
    let secrets = secrets.iter().map(|secret| format!("secret={secret}")).collect::<Vec<_>>().join("\n");
    let env = env.as_str();
    let text = format!("name=persona\nformat=persona\nenv={env}\ntemplate={TEMPLATE}\n{secrets}");
    std::fs::write(&path, text).expect("a file");
    path
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8(bytes.clone()).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        if body.len() == length {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

async fn write_answer(stream: &mut TcpStream, head: &str, body: &str) -> Option<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {head}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.ok()
}
