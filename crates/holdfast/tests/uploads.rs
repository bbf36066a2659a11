//! Many uploads at once, at the real server: its memory does not grow with them, and it may die among them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use client::api::sandbox::Credentials;
use serde_json::{Value, json};

use crate::rig::group::{Group, now};
use crate::rig::served::start;

mod rig {
    pub mod group;
    pub mod served;
}

const FILE_BYTES: usize = 10 * 1024 * 1024;
/// Of each of two tenants: as many as a sandbox lets one credential call at once, and a little less.
const UPLOADS_EACH: usize = 16;
/// What the server may grow by while 320 MiB come in.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

#[test]
fn memory_does_not_grow_with_the_uploads() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new();
    let (mut server, credentials) = start(&group, folder.path());
    let tenants = ["partner", "institution"].map(|kind| Uploader::new(&credentials, kind));
    // One beforehand, so that what is made once has been made.
    tenants[0].upload(1_000, None);
    let before = memory(server.id());
    let begun = now();
    let together = Arc::new(Barrier::new(2 * UPLOADS_EACH + 1));
    let uploads: Vec<_> = (0..2 * UPLOADS_EACH)
        .map(|at| {
            let (tenant, together) = (tenants[at % 2].clone(), Arc::clone(&together));
            thread::spawn(move || tenant.upload(at, Some(&together)))
        })
        .collect();
    together.wait();
    let during = memory(server.id());
    together.wait();
    let mut ids: Vec<_> = uploads.into_iter().map(|upload| upload.join().expect("an upload")).collect();
    let after = memory(server.id());
    server.kill().expect("an end");
    server.wait().expect("an end");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2 * UPLOADS_EACH, "each is a backup");
    let files = count_files(&folder.path().join("data/files"));
    assert_eq!(files, 2 * UPLOADS_EACH + 1, "each is a file");
    println!(
        "{} uploads of 10 MiB in {:.1?}: resident {} KiB before, {} KiB with all half way, {} KiB after, {} KiB at most",
        2 * UPLOADS_EACH,
        now().duration_since(begun),
        before.resident_kib,
        during.resident_kib,
        after.resident_kib,
        after.peak_kib
    );
    let growth = after.peak_kib.saturating_sub(before.resident_kib);
    assert!(growth < GROWTH_KIB_MAX, "it grew by {growth} KiB");
}

/// Kills the server in the midst of uploads: what was answered is there, and nothing is there by half.
#[test]
fn a_killed_server_keeps_whole_files_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new();
    let mut answered = Vec::new();
    for round in 0..3 {
        let (mut server, credentials) = start(&group, folder.path());
        let tenant = Uploader::new(&credentials, "institution");
        let together = Arc::new(Barrier::new(9));
        let uploads: Vec<_> = (0..8)
            .map(|at| {
                let (tenant, together) = (tenant.clone(), Arc::clone(&together));
                thread::spawn(move || tenant.try_upload(100 * round + at, Some(&together)))
            })
            .collect();
        together.wait();
        together.wait();
        // All are half way; some will be over by then.
        thread::sleep(Duration::from_millis(200 + 500 * round as u64));
        server.kill().expect("a kill");
        server.wait().expect("an end");
        answered.extend(uploads.into_iter().filter_map(|upload| upload.join().expect("an upload")));
    }
    let (mut server, credentials) = start(&group, folder.path());
    let tenant = Uploader::new(&credentials, "institution");
    let listed = tenant.get("/v1/backups?limit=200")["data"].as_array().expect("a list").clone();
    let listed: Vec<_> = listed.iter().map(|backup| text(backup, "backup_id")).collect();
    println!("{} uploads of 24 were answered, {} are there", answered.len(), listed.len());
    assert!(answered.iter().all(|id| listed.contains(id)), "{answered:?} {listed:?}");
    for id in &listed {
        assert_eq!(tenant.get(&format!("/v1/backups/{id}/verify"))["is_backup_valid"], true, "{id}");
    }
    server.kill().expect("an end");
    server.wait().expect("an end");
}

/// A tenant with a key that files are stored under.
#[derive(Clone)]
struct Uploader {
    address: String,
    path: &'static str,
    api_key: String,
    public_key: String,
}

impl Uploader {
    fn new(credentials: &Credentials, kind: &str) -> Self {
        let tenant = credentials.tenants.iter().find(|tenant| tenant.kind == kind).expect("a tenant");
        let api_key = &tenant.api_keys.full;
        let address = credentials.base_url.strip_prefix("http://").expect("plain HTTP").to_owned();
        let mut tenant =
            Self { address, path: "/v1/secure/file", api_key: api_key.clone(), public_key: String::new() };
        let mut body = json!({"user_identifier": "user-1", "key_type": "ed25519", "key_environment": "HOT"});
        let mut path = "/v1/keys";
        if kind == "partner" {
            body["organisation"] = json!({"customer_id": "customer-1"});
            body["package"] = json!({"package_id": "package-1"});
            (path, tenant.path) = ("/v1/partner/keys", "/v1/partner/secure/file");
        }
        let body = body.to_string();
        let mut stream = tenant.begin(path, "application/json", body.len());
        stream.write_all(body.as_bytes()).expect("a call");
        tenant.public_key = text(&answer(stream).expect("an answer"), "public_key");
        tenant
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\n\r\n",
            self.api_key
        );
        stream.write_all(head.as_bytes()).expect("a call");
        answer(stream).expect("an answer")
    }

    fn begin(&self, path: &str, content_type: &str, length: usize) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\n\
             content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n",
            self.api_key
        );
        stream.write_all(head.as_bytes()).expect("a call");
        stream
    }

    /// Uploads a file unlike any other; half way it waits for the others, where there are some.
    fn upload(&self, number: usize, together: Option<&Barrier>) -> String {
        self.try_upload(number, together).expect("an answer")
    }

    /// The same; none when the server dies meanwhile.
    fn try_upload(&self, number: usize, together: Option<&Barrier>) -> Option<String> {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"public_key\"\r\n\r\n{}\r\n--b\r\nContent-Disposition: \
             form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            self.public_key
        );
        let mut body = head.into_bytes();
        body.extend((0..FILE_BYTES / 8).flat_map(|at| (at * 1_000_003 + number).to_le_bytes()));
        body.extend_from_slice(b"\r\n--b--\r\n");
        let mut stream = self.begin(self.path, "multipart/form-data; boundary=b", body.len());
        let (first, second) = body.split_at(body.len() / 2);
        stream.write_all(first).ok()?;
        if let Some(together) = together {
            together.wait();
            together.wait();
        }
        stream.write_all(second).ok()?;
        Some(text(&answer(stream)?, "backup_id"))
    }
}

/// None when the line breaks before the answer is there.
fn answer(mut stream: TcpStream) -> Option<Value> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(body).ok()
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().expect("a text").to_owned()
}

struct Memory {
    resident_kib: u64,
    peak_kib: u64,
}

fn memory(process: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let figure = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    Memory { resident_kib: figure("VmRSS:"), peak_kib: figure("VmHWM:") }
}

fn count_files(folder: &Path) -> usize {
    let tenants = fs::read_dir(folder).expect("a folder").map(|tenant| tenant.expect("a folder").path());
    tenants.map(|tenant| fs::read_dir(tenant).expect("a folder").count()).sum()
}
