//! Many files at once on their way into a bucket: the service's memory holds a few of them and not all.

use domain::limits::{BUCKET_AT_ONCE, FILE_BYTES_MAX};
use domain::rate::Rate;
use serde_json::json;
use testkit::Plan;
use testkit::foreign::python;

/// How many upload at once: 320 MiB.
const UPLOADS: usize = 32;

/// What is held of a file besides the file: pieces on their way, and what the allocator keeps.
const SLACK_KIB: u64 = 32 * 1024;

/// Each thread sends half of its file, waits for the others, and sends the rest.
const UPLOADER: &str = r#"
import http.client, json, sys, threading, urllib.parse
ask = json.load(sys.stdin)
address = urllib.parse.urlparse(ask["base"])
together, statuses = threading.Barrier(ask["uploads"]), []

def upload(number):
    part = '--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    head = part % ("public_key", "") + ask["public_key"] + "\r\n"
    head += part % ("file", '; filename="f"\r\nContent-Type: application/octet-stream')
    file = number.to_bytes(8, "big") * (ask["bytes"] // 8)
    body = head.encode() + file + b"\r\n--b--\r\n"
    call = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    call.putrequest("POST", "/v1/partner/secure/file")
    for name, value in [("x-api-key", ask["api_key"]), ("content-length", str(len(body))),
                        ("content-type", "multipart/form-data; boundary=b")]:
        call.putheader(name, value)
    call.endheaders()
    call.send(body[: len(body) // 2])
    together.wait()
    call.send(body[len(body) // 2 :])
    statuses.append(call.getresponse().status)

threads = [threading.Thread(target=upload, args=[at]) for at in range(1, ask["uploads"] + 1)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(statuses))
"#;

/// A figure of this process, KiB. The uploader and the bucket are processes of their own.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_holds_a_few_files_and_not_all() {
    let plenty = Rate::per_second(1_000, 1_000);
    let app = Plan::default().in_bucket().with_rates(plenty, plenty).start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let mut ask = json!({
        "base": app.base(), "api_key": partner.api_key, "public_key": key.public_key, "uploads": 1,
        "bytes": FILE_BYTES_MAX,
    });
    let run = async |ask: &serde_json::Value| {
        let input = ask.to_string();
        let said =
            tokio::task::spawn_blocking(move || python(UPLOADER, &[], input.as_bytes())).await.unwrap();
        serde_json::from_slice::<Vec<u16>>(&said).unwrap()
    };
    // One beforehand, so that what is made once has been made.
    assert_eq!(run(&ask).await, [200]);
    let before = memory("VmRSS");
    ask["uploads"] = UPLOADS.into();
    let statuses = run(&ask).await;
    assert_eq!(statuses, [200; UPLOADS]);
    assert_eq!(app.files().await.len(), UPLOADS, "each is a file, the first among them");
    let (peak, after) = (memory("VmHWM"), memory("VmRSS"));
    println!(
        "figure: {UPLOADS} files of 10 MiB at once into a bucket: {before} KiB before, {peak} KiB at most, {after} KiB after"
    );
    let whole_kib = FILE_BYTES_MAX / 1024 * u64::try_from(BUCKET_AT_ONCE).unwrap();
    let growth = peak.saturating_sub(before);
    assert!(growth < whole_kib + SLACK_KIB, "it grew by {growth} KiB");
}
