//! `holdfast audit verify` and `holdfast admin log-key`, as somebody uses them who has nothing but files.

use std::path::Path;
use std::process::{Command, Output};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A log as the service exported it: 9 entries, a checkpoint over 4 of them and one over 8, and the key.
const EXPORT: &str = include_str!("audit/export.jsonl");
const OLDER: &str = include_str!("audit/older.txt");
const CHECKPOINT: &str = include_str!("audit/checkpoint.txt");
const KEY: &str = include_str!("audit/key.txt");

/// The checkpoint over 8 with an enclave's signature, and that enclave's key.
const COSIGNED: &str = include_str!("audit/cosigned.txt");
const ENCLAVE_KEY: &str = include_str!("audit/enclave-key.txt");

struct Files(TempDir);

impl Files {
    fn new(export: &str, checkpoint: &str) -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        files.write("export.jsonl", export);
        files.write("checkpoint.txt", checkpoint);
        files.write("older.txt", OLDER);
        files
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    fn verify(&self, more: &[&str]) -> (i32, String) {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.path()).args(["audit", "verify", "export.jsonl", "checkpoint.txt"]);
        said(&command.args(["--key", KEY.trim()]).args(more).output().expect("it runs"))
    }
}

fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code().expect("it ended by itself"), String::from_utf8(text).expect("text"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one object")
}

#[test]
fn what_holds_is_verified() {
    let files = Files::new(EXPORT, CHECKPOINT);
    let (code, text) = files.verify(&[]);
    assert_eq!(code, 0, "{text}");
    for part in ["verified: holdfast-sandbox-", "covers 8 entries", "1 more is linked"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = files.verify(&["--since", "older.txt"]);
    assert!(code == 0 && text.contains("go on from the 4"), "{text}");
    let (code, text) = files.verify(&["--since", "older.txt", "--json"]);
    let told = json(&text);
    assert_eq!((code, &told["event"], &told["size"]), (0, &"verified".into(), &8.into()));
    assert_eq!((&told["since"], &told["entries"]), (&4.into(), &9.into()));
}

#[test]
fn the_first_entry_at_fault_is_named() {
    let lines: Vec<&str> = EXPORT.lines().collect();
    let without_the_end = format!("{}\n", lines[..6].join("\n"));
    let without_one = EXPORT.replacen(&format!("{}\n", lines[4]), "", 1);
    let changed =
        EXPORT.replacen(lines[2], &lines[2].replace("\"result\":\"ok\"", "\"result\":\"refused\""), 1);
    for (export, seq, fault) in [
        (changed, 3, "chain"),
        (without_one, 5, "missing"),
        (without_the_end, 7, "missing"),
        (String::new(), 1, "missing"),
        (format!("\n{EXPORT}"), 1, "entry"),
    ] {
        let files = Files::new(&export, CHECKPOINT);
        let (code, text) = files.verify(&[]);
        assert_eq!(code, 1, "{text}");
        assert!(text.starts_with("not verified: ") && text.contains(&format!(" {seq}")), "{text}");
        let (code, text) = files.verify(&["--json"]);
        let told = json(&text);
        assert_eq!((code, &told["event"], &told["fault"]), (1, &"not_verified".into(), &fault.into()));
        assert_eq!(told["first_bad_seq"], seq, "{told}");
    }
    let files = Files::new(EXPORT, CHECKPOINT);
    files.write("older.txt", CHECKPOINT);
    files.write("checkpoint.txt", OLDER);
    let (code, text) = files.verify(&["--since", "older.txt"]);
    assert!(code == 1 && text.contains("wrong order"), "{text}");
    std::fs::write(files.path().join("export.jsonl"), [0xff, b'\n']).expect("written");
    assert_eq!(files.verify(&[]).0, 1, "no text is no entry");
}

#[test]
fn the_enclaves_signature_is_demanded_with_its_key() {
    let with_key = ["--enclave-key", ENCLAVE_KEY.trim()];
    let files = Files::new(EXPORT, COSIGNED);
    let (code, text) = files.verify(&with_key);
    assert!(code == 0 && text.contains("The enclave signed it at 2026-11-21T05:39:27"), "{text}");
    let told = json(&files.verify(&[&with_key[..], &["--json"]].concat()).1);
    assert_eq!(
        (&told["event"], &told["cosigned_at"]),
        (&"verified".into(), &"2026-11-21T05:39:27.000Z".into())
    );
    assert_eq!(files.verify(&[]).0, 0, "without the key nobody asks for it");
    // The older one is asked for it too.
    let (code, text) = files.verify(&[&with_key[..], &["--since", "older.txt"]].concat());
    assert!(code == 1 && text.contains("the older checkpoint is not signed by the enclave's key"), "{text}");
    files.write("older.txt", COSIGNED);
    assert_eq!(files.verify(&[&with_key[..], &["--since", "older.txt"]].concat()).0, 0);
    let files = Files::new(EXPORT, CHECKPOINT);
    let (code, text) = files.verify(&with_key);
    assert!(code == 1 && text.contains("the checkpoint is not signed by the enclave's key"), "{text}");
    let own_line = COSIGNED.lines().last().expect("a line");
    let moved = format!("{OLDER}{own_line}\n");
    let (code, text) = Files::new(EXPORT, &moved).verify(&with_key);
    assert!(code == 1 && text.contains("signature that is wrong"), "{text}");
    let (code, text) = files.verify(&["--enclave-key", KEY.trim()]);
    assert!(code == 1 && text.contains("the enclave's key does not read"), "{text}");
}

/// A witness's key, and his line under a checkpoint, both as the standards have them: C2SP signed-note and
/// tlog-cosignature.
fn witness(name: &str, seed: u8, note: &str) -> (String, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
    let key = [&[4], pair.public_key().as_ref()].concat();
    let hash = digest(&SHA256, &[name.as_bytes(), b"\n", &key].concat());
    let id: [u8; 4] = hash.as_ref()[..4].try_into().expect("four bytes");
    let (text, _) = note.split_once("\n\n").expect("a note");
    let seconds: u64 = 1_795_239_567;
    let signature = pair.sign(format!("cosignature/v1\ntime {seconds}\n{text}\n").as_bytes());
    let line = STANDARD.encode([&id[..], &seconds.to_be_bytes()[..], signature.as_ref()].concat());
    (
        format!("{name}+{:08x}+{}", u32::from_be_bytes(id), STANDARD.encode(key)),
        format!("\u{2014} {name} {line}\n"),
    )
}

#[test]
fn the_signature_of_each_witness_is_demanded_with_his_key() {
    let (anna, by_anna) = witness("anna.example.org", 3, CHECKPOINT);
    let (ben, by_ben) = witness("ben.example.org", 4, CHECKPOINT);
    let both = ["--witness-key", &anna, "--witness-key", &ben];
    let verify = |note: &str, more: &[&str]| Files::new(EXPORT, note).verify(more);
    let signed = format!("{CHECKPOINT}{by_anna}{by_ben}");
    let (code, text) = verify(&signed, &both);
    assert_eq!(code, 0, "{text}");
    for name in ["anna", "ben"] {
        assert!(text.contains(&format!("{name}.example.org signed it at 2026-11-21T05:39:27")), "{text}");
    }
    assert_eq!(
        json(&verify(&signed, &[&both[..], &["--json"]].concat()).1)["witnesses"][1],
        "ben.example.org"
    );
    for (note, missing) in
        [(format!("{CHECKPOINT}{by_anna}"), "ben"), (format!("{CHECKPOINT}{by_ben}"), "anna")]
    {
        let (code, text) = verify(&note, &both);
        assert!(
            code == 1 && text.contains(&format!("not signed by the witness {missing}.example.org")),
            "{text}"
        );
    }
    // A line that he made under another checkpoint, or that another made in his name.
    let (_, moved) = witness("anna.example.org", 3, OLDER);
    let (_, forged) = witness("anna.example.org", 4, CHECKPOINT);
    let id_of =
        |line: &str| STANDARD.decode(line.trim_end().rsplit(' ').next().expect("a line")).expect("base64");
    let in_his_name = STANDARD.encode([&id_of(&by_anna)[..4], &id_of(&forged)[4..]].concat());
    for line in [moved, format!("\u{2014} anna.example.org {in_his_name}\n")] {
        let (code, text) = verify(&format!("{CHECKPOINT}{line}"), &both[..2]);
        assert!(code == 1 && text.contains("in the name of the witness anna.example.org"), "{text}");
    }
    let (code, text) = verify(&signed, &["--witness-key", KEY.trim()]);
    assert!(code == 1 && text.contains("the witness's key does not read"), "{text}");
}

#[test]
fn what_cannot_be_checked_is_said() {
    let files = Files::new(EXPORT, &CHECKPOINT.replacen('8', "9", 1));
    let (code, text) = files.verify(&[]);
    assert!(code == 1 && text.contains("signature that is wrong"), "{text}");
    let files = Files::new(EXPORT, CHECKPOINT);
    let (code, text) = files.verify(&["--since", "nothing.txt"]);
    assert!(code == 1 && text.contains("cannot read nothing.txt"), "{text}");
    let mut command = Command::new(PROGRAM);
    command.current_dir(files.path()).args([
        "audit",
        "verify",
        "export.jsonl",
        "checkpoint.txt",
        "--key",
        "x",
    ]);
    let (code, text) = said(&command.output().expect("it runs"));
    assert!(code == 1 && text.contains("the key does not read"), "{text}");
}

#[test]
fn the_key_of_a_log_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("holdfast.toml");
    let data = folder.path().join("data");
    let text = format!("environment = \"sandbox\"\ndata_dir = {:?}\n", data.display());
    std::fs::write(&config, text).expect("written");
    let admin = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        said(&command.args(["admin", "--config"]).arg(&config).args(args).output().expect("it runs"))
    };
    let (code, made) = admin(&["--json", "tenant", "create", "--name", "a", "--kind", "partner"]);
    assert_eq!(code, 0, "{made}");
    let id = json(&made)["id"].as_str().expect("an id").to_owned();
    let (code, key) = admin(&["log-key", "--tenant", &id]);
    assert!(code == 0 && key.starts_with("holdfast-sandbox-"), "{key}");
    assert!(key.contains(&format!("/{id}+")), "{key}");
    assert_eq!(json(&admin(&["--json", "log-key", "--tenant", &id]).1)["key"], key.trim());
    let (code, text) = admin(&["log-key", "--enclave", "--tenant", &id]);
    assert!(code == 1 && text.contains("has signed no checkpoint"), "{text}");
    let (code, text) = admin(&["log-key", "--tenant", "nobody"]);
    assert!(code == 1 && text.contains("there is no tenant"), "{text}");
}
