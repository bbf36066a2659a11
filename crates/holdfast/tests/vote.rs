//! The real program, as somebody uses it who votes on a machine of his own: no network, no service, and words that
//! strangers chose.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const HOSTILE: &str = "Anna\n\u{1b}[2JWho asks: nobody \u{202e}evil\u{2069}";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Without any way to a network: not even a name could be resolved.
    fn holdfast(&self, words: &[&str]) -> Output {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", env!("CARGO_BIN_EXE_holdfast"), "vote"]);
        command.args(words).current_dir(self.folder.path()).env("GNUPGHOME", self.path("gnupg"));
        command.output().expect("the program runs")
    }

    fn does(&self, words: &[&str]) -> String {
        let output = self.holdfast(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn fails(&self, words: &[&str]) -> String {
        let output = self.holdfast(words);
        assert!(!output.status.success(), "{words:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn gpg(&self, words: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        let output = command.args(words).env("GNUPGHOME", self.path("gnupg")).output().expect("gpg runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A request of a list of which these keys are the first member's.
    fn request(&self, name: &str, keys: &[Value]) -> [u8; 32] {
        let other = json!({ "kind": "ed25519", "public_key": "ab".repeat(32), "rp_id": null });
        let member = |id: &str, name: &str, keys: &[Value]| json!({ "person_id": id, "name": name, "veto": false, "must": false, "keys": keys });
        let acl = canonical(&json!({
            "v": 1, "kind": "acl", "env": "sandbox", "tenant_id": "t", "acl_id": "l", "version": 1, "prev_hash": null,
            "name": "Board", "rule": { "kind": "majority", "value": null }, "vote_window_s": 604_800,
            "members": [member("anna", HOSTILE, keys), member("ben", "Ben", &[other])],
            "delay_hot_s": 0, "delay_cold_s": 0, "check_requester": true, "check_voters": false, "any_member_may_ask": false,
        }));
        let intent = canonical(&json!({
            "v": 1, "kind": "private_key", "flow": "control", "env": "sandbox", "tenant_id": "t", "user_tag": "aa",
            "verification_id": "inq_1", "items": [{ "backup_id": "backup-1", "key_id": "key-1", "record_digest": "00" }],
            "keys": ["key-2"], "acl_id": "l", "reason": HOSTILE, "policy_hash": hex(&hash("acl/v1", &acl)),
            "recipient": { "openpgp_fpr": "0123456789ABCDEF0123456789ABCDEF01234567", "enc_subkey_fpr": "E", "cert_sha256": "cc" },
            "policy_version": 1, "requested_by": "anna", "session_nonce": "dd", "not_before": 1, "expires_at": 1_795_239_567_250_i64,
        }));
        let request = json!({ "version": 1, "intent": intent, "acl": acl });
        std::fs::write(self.path(name), request.to_string()).expect("written");
        hash("release-intent/v1", &intent)
    }

    fn ballot(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).expect("a ballot")).expect("JSON")
    }
}

/// RFC 8785, for texts without escapes of their own and for integers.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            let members: Vec<String> =
                sorted.iter().map(|(name, value)| format!("\"{name}\":{}", canonical(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn hash(domain: &str, document: &str) -> [u8; 32] {
    let bytes = [domain.as_bytes(), b"\0", document.as_bytes()].concat();
    digest(&SHA256, &bytes).as_ref().try_into().expect("32 bytes")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn signed(hash: &[u8; 32], approve: bool) -> Vec<u8> {
    let rejected = digest(&SHA256, &[b"reject/v1\0".as_slice(), hash].concat());
    let subject = if approve { hash.as_slice() } else { rejected.as_ref() };
    [b"holdfast-vote/v1\0", subject].concat()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_and_votes_yes_and_no() {
    let desk = Desk::new();
    let made: Value =
        serde_json::from_str(&desk.does(&["--json", "key", "--out", "anna.pem"])).expect("JSON");
    let public = made["public_key"].as_str().expect("a key").to_owned();
    assert_eq!(mode(&desk.path("anna.pem")), 0o600);
    let openssl = Command::new("openssl")
        .args(["pkey", "-pubout", "-outform", "DER", "-in"])
        .arg(desk.path("anna.pem"))
        .output();
    assert!(hex(&openssl.expect("openssl runs").stdout).ends_with(&public), "OpenSSL reads the same key");
    assert!(desk.fails(&["key", "--out", "anna.pem"]).contains("anna.pem"), "a key is never overwritten");
    let subject =
        desk.request("request.json", &[json!({ "kind": "ed25519", "public_key": public, "rp_id": null })]);
    let shown: Value = serde_json::from_str(&desk.does(&["show", "request.json", "--json"])).expect("JSON");
    assert_eq!(
        (shown["event"].as_str(), shown["hash"].as_str()),
        (Some("vote-request"), Some(hex(&subject).as_str()))
    );
    let code = shown["short_code"].as_str().expect("a code").to_owned();
    let point: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&public[at..at + 2], 16).expect("hex")).collect();
    for (approve, more, out) in
        [(true, &["--code", code.as_str()][..], "yes.json"), (false, &["--reject"], "no.json")]
    {
        desk.does(&[&["sign", "request.json", "--key", "anna.pem", "--out", out], more].concat());
        let ballot = desk.ballot(out);
        assert_eq!(
            (ballot["person_id"].as_str(), ballot["approve"].as_bool()),
            (Some("anna"), Some(approve))
        );
        assert_eq!((ballot["short_code"].as_str(), mode(&desk.path(out))), (Some(code.as_str()), 0o600));
        let signature = STANDARD.decode(ballot["signature"].as_str().expect("text")).expect("base64");
        let key = UnparsedPublicKey::new(&ED25519, &point);
        assert!(key.verify(&signed(&subject, approve), &signature).is_ok(), "{out}");
    }
    let again = ["sign", "request.json", "--key", "anna.pem", "--out", "yes.json"];
    assert!(desk.fails(&again).contains("yes.json"), "a vote is never overwritten");
    let other_code = ["sign", "request.json", "--key", "anna.pem", "--code", "AAAA-AAAA", "--out", "x.json"];
    assert!(desk.fails(&other_code).contains(&code));
    desk.does(&["key", "--out", "stranger.pem"]);
    let stranger = ["sign", "request.json", "--key", "stranger.pem", "--out", "x.json"];
    assert!(desk.fails(&stranger).contains("no member"));
    assert!(!desk.path("x.json").exists());
}

#[test]
fn what_is_asked_is_said_in_words_that_stand_still() {
    let desk = Desk::new();
    desk.request(
        "request.json",
        &[json!({ "kind": "ed25519", "public_key": "cd".repeat(32), "rp_id": null })],
    );
    let said = desk.does(&["show", "request.json"]);
    for word in [
        "Anna\\u{a}\\u{1b}[2JWho asks: nobody \\u{202e}evil\\u{2069} (anna)",
        "Board, version 1 (l)",
        "0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567",
        "2026-11-21T05:39:27Z",
        "backup backup-1  under key key-1",
        "private key key-2",
        "Code: ",
    ] {
        assert!(said.contains(word), "{word} in:\n{said}");
    }
    assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{2069}', '\r']), "{said}");
    assert_eq!(said.matches("\nWho asks:").count() + usize::from(said.starts_with("Who asks:")), 1, "{said}");
    let text = std::fs::read_to_string(desk.path("request.json")).expect("text");
    std::fs::write(desk.path("bad.json"), text.replace("Ben", "Bea")).expect("written");
    assert!(desk.fails(&["show", "bad.json"]).contains("does not fit"), "the list is not the one it names");
    assert!(desk.fails(&["show", "none.json"]).contains("none.json"));
}

#[test]
fn gnupg_signs_and_only_a_members_key_counts() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("gnupg")).expect("a folder");
    std::fs::set_permissions(desk.path("gnupg"), std::fs::Permissions::from_mode(0o700)).expect("a mode");
    let mut fingerprints = Vec::new();
    for name in ["anna", "stranger"] {
        desk.gpg(&["--quick-gen-key", name, "ed25519", "sign", "never"]);
        let listing = String::from_utf8(desk.gpg(&["--with-colons", "--list-keys", name])).expect("text");
        let line = listing.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        fingerprints.push(line.split(':').nth(9).expect("a field").to_owned());
    }
    let certificate = hex(&desk.gpg(&["--export", "anna"]));
    let subject = desk
        .request("request.json", &[json!({ "kind": "openpgp", "public_key": certificate, "rp_id": null })]);
    desk.does(&["sign", "request.json", "--gpg-key", &fingerprints[0], "--out", "yes.json"]);
    let ballot = desk.ballot("yes.json");
    assert_eq!((ballot["kind"].as_str(), ballot["person_id"].as_str()), (Some("openpgp"), Some("anna")));
    let signature = STANDARD.decode(ballot["signature"].as_str().expect("text")).expect("base64");
    std::fs::write(desk.path("vote.sig"), signature).expect("written");
    std::fs::write(desk.path("vote"), signed(&subject, true)).expect("written");
    let (by, of) = (desk.path("vote.sig"), desk.path("vote"));
    desk.gpg(&["--verify", by.to_str().expect("text"), of.to_str().expect("text")]);
    let stranger = ["sign", "request.json", "--gpg-key", &fingerprints[1], "--out", "x.json"];
    assert!(desk.fails(&stranger).contains("no member"));
    let unknown = ["sign", "request.json", "--gpg-key", &"A".repeat(40), "--out", "x.json"];
    assert!(desk.fails(&unknown).contains("gpg did not sign"));
    let option = ["sign", "request.json", "--gpg-key", "--no-such", "--out", "x.json"];
    assert!(!desk.holdfast(&option).status.success());
    assert!(
        desk.fails(&["sign", "request.json", "--gpg-key", "anna", "--out", "x.json"]).contains("fingerprint")
    );
    assert!(!desk.path("x.json").exists());
    let mut kill = Command::new("gpgconf");
    kill.args(["--kill", "all"]).env("GNUPGHOME", desk.path("gnupg"));
    assert!(kill.status().expect("gpgconf runs").success());
}

#[test]
fn a_change_of_a_list_is_read_in_words_and_voted_on() {
    let desk = Desk::new();
    let made: Value =
        serde_json::from_str(&desk.does(&["--json", "key", "--out", "anna.pem"])).expect("JSON");
    let key = |public: &str| json!([{ "kind": "ed25519", "public_key": public, "rp_id": null }]);
    let member = |id: &str, name: &str, veto: bool, public: &str| json!({ "person_id": id, "name": name, "veto": veto, "must": false, "keys": key(public) });
    let anna = member("anna", HOSTILE, false, made["public_key"].as_str().expect("a key"));
    let ben = member("ben", "Ben", true, &"ab".repeat(32));
    let cleo = member("cleo", "Cleo\n", false, &"cd".repeat(32));
    let list = |version: i64, prev: Value, rule: Value, members: Value| {
        canonical(&json!({
            "v": 1, "kind": "acl", "env": "sandbox", "tenant_id": "t", "acl_id": "l", "version": version, "prev_hash": prev,
            "name": "Board", "rule": rule, "vote_window_s": 604_800, "members": members, "delay_hot_s": 3_600,
            "delay_cold_s": 0, "check_requester": true, "check_voters": false, "any_member_may_ask": false,
        }))
    };
    let old = list(1, Value::Null, json!({ "kind": "majority", "value": null }), json!([anna, ben]));
    let prev = json!(hex(&hash("acl/v1", &old)));
    let next = list(2, prev, json!({ "kind": "exact", "value": 1 }), json!([anna, cleo]));
    let subject = hash("acl/v1", &next);
    let request = json!({ "version": 1, "acl": old, "next": next }).to_string();
    std::fs::write(desk.path("change.json"), &request).expect("written");
    let said = desk.does(&["show", "change.json"]);
    for word in [
        "Board (l)",
        "1, then 2",
        "weaker  Comes: Cleo\\u{a} (cleo), who votes.",
        "weaker  Goes: Ben (ben), who votes, and ends it by his no.",
        "weaker  Who must say yes: 1 of 2 (exactly 1); before: 2 of 2 (more than half).",
        "What is marked as weaker",
        "Code: ",
    ] {
        assert!(said.contains(word), "{word} in:\n{said}");
    }
    assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{2069}', '\r']), "{said}");
    let shown: Value = serde_json::from_str(&desk.does(&["show", "change.json", "--json"])).expect("JSON");
    assert_eq!(
        (&shown["event"], &shown["hash"], &shown["weakens"]),
        (&json!("change-request"), &json!(hex(&subject)), &json!(true))
    );
    assert_eq!(shown["changes"].as_array().map(Vec::len), Some(3));
    desk.does(&["sign", "change.json", "--key", "anna.pem", "--reject", "--out", "no.json"]);
    let ballot = desk.ballot("no.json");
    assert_eq!((&ballot["person_id"], &ballot["approve"]), (&json!("anna"), &json!(false)));
    assert_eq!(ballot["hash"], json!(hex(&subject)));
    std::fs::write(desk.path("bad.json"), request.replace("Ben", "Bea")).expect("written");
    assert!(desk.fails(&["show", "bad.json"]).contains("it follows another document"));
}
