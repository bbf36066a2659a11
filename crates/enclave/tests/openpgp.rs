//! Recipients: certificates that GnuPG made, messages that GnuPG opens.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]
#![expect(clippy::disallowed_methods, reason = "how long a certificate takes is real time")]

mod rig;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use boundary::Env;
use boundary::message::RecipientFault::{
    Expired, NoEncryptionKey, Revoked, SecretKey, SeveralKeys, TooLarge, Unreadable, Weak,
};
use boundary::message::{Inspect, RecipientFault, Refusal, Reply, Request};
use rig::*;

fn sandbox(folder: &Folder) -> Enclave {
    Enclave::start(folder, &Settings { env: Env::Sandbox, ..Settings::default() })
}

fn inspect(client: &mut Client, certificate: &[u8]) -> Result<(String, String), RecipientFault> {
    match client.call(&Request::Inspect(Inspect { certificate: certificate.to_vec() })) {
        Reply::Inspected(recipient) => {
            assert_eq!(recipient.cert_sha256, sha256(certificate));
            Ok((recipient.openpgp_fpr, recipient.enc_subkey_fpr))
        }
        Reply::Refused(Refusal::Recipient(fault)) => Err(fault),
        other => panic!("{other:?}"),
    }
}

const NIST: &str = "Key-Type: ecdsa\nKey-Curve: nistp256\nKey-Usage: sign\nSubkey-Type: ecdh\nSubkey-Curve: nistp256\nSubkey-Usage: encrypt";

#[test]
fn messages_open_in_gnupg_byte_for_byte() {
    let folder = Folder::new();
    let enclave = sandbox(&folder);
    let gpg = Gpg::new(&folder);
    let mut client = enclave.connect();
    let mut provider = Provider::start();
    gpg.generate("rsa", "Key-Type: rsa\nKey-Length: 4096\nKey-Usage: sign\nSubkey-Type: rsa\nSubkey-Length: 4096\nSubkey-Usage: encrypt");
    gpg.generate("rsa-primary", "Key-Type: rsa\nKey-Length: 2048\nKey-Usage: sign,encrypt");
    curve25519(&gpg, "curve25519");
    gpg.generate("nist-p256", NIST);
    gpg.generate("nist-p384", &NIST.replace("256", "384"));
    gpg.generate("nist-p521", &NIST.replace("256", "521"));
    let key = new_key(&mut client, TENANT, USER);
    for name in ["rsa", "rsa-primary", "curve25519", "nist-p256", "nist-p384", "nist-p521"] {
        let session = open(&mut client, TENANT, USER, None);
        let stored = store(&mut client, &key, TENANT, USER, Some(&session), name);
        let admission = approve(&mut client, &mut provider, &session, "inq_1");
        let bundle = Bundle::new(
            &mut client,
            Env::Sandbox,
            TENANT,
            USER,
            &session,
            &[admission],
            "inq_1",
            &gpg.export(name),
            std::slice::from_ref(&stored),
        );
        assert_eq!(bundle.intent.recipient.openpgp_fpr, gpg.fingerprint(name), "{name}");
        let released = expect!(bundle.send(&mut client), Released);
        let armoured = message(&released.items[0]);
        assert!(armoured.starts_with(b"-----BEGIN PGP MESSAGE-----"));
        assert_eq!(gpg.decrypt(armoured), stored.plaintext, "{name}");
    }
}

/// An enclave to ask, and GnuPG to make what it is asked about.
struct Table {
    gpg: Gpg,
    client: Client,
    _enclave: Enclave,
    // Removed last.
    folder: Folder,
}

impl Table {
    fn new() -> Self {
        let folder = Folder::new();
        let enclave = sandbox(&folder);
        Self { gpg: Gpg::new(&folder), client: enclave.connect(), _enclave: enclave, folder }
    }

    fn is(&mut self, name: &str, certificate: &[u8], expected: Option<RecipientFault>) {
        let began = Instant::now();
        assert_eq!(inspect(&mut self.client, certificate).err(), expected, "{name}");
        assert!(began.elapsed() < Duration::from_secs(1), "{name} took {:?}", began.elapsed());
    }

    /// Makes a key and asks about it.
    fn made(&mut self, name: &str, lines: &str, expected: Option<RecipientFault>) {
        self.gpg.generate(name, lines);
        self.now(name, name, expected);
    }

    /// Asks about a key as it is now.
    fn now(&mut self, why: &str, name: &str, expected: Option<RecipientFault>) {
        let certificate = self.gpg.export(name);
        self.is(why, &certificate, expected);
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        run(self.gpg.command().args(args)).stdout
    }
}

const SIGNS: &str = "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign";

#[test]
fn what_a_text_may_hold() {
    let mut table = Table::new();
    curve25519(&table.gpg, "good");
    curve25519(&table.gpg, "second");
    let good = table.gpg.export("good");
    let text = String::from_utf8(good.clone()).unwrap();
    table.is("good", &good, None);
    table.is("CRLF", text.replace('\n', "\r\n").as_bytes(), None);
    table.is("text around", format!("Dear service,\n\nmy key:\n{text}\nRegards\n").as_bytes(), None);
    table.is("white space around", format!("\n\n  {text}  \n").as_bytes(), None);
    let without_checksum: Vec<&str> = text.lines().filter(|line| !line.starts_with('=')).collect();
    table.is("no checksum", (without_checksum.join("\n") + "\n").as_bytes(), None);

    table.is("empty", b"", Some(Unreadable));
    table.is("plain text", b"not a key", Some(Unreadable));
    table.is("not text", &[0xff, 0xfe, 0], Some(Unreadable));
    let binary = table.gpg(&["--export", "good"]);
    table.is("binary", &binary, Some(Unreadable));
    table.is("escaped newlines", text.replace('\n', "\\n").as_bytes(), Some(Unreadable));
    table.is("newlines lost", text.replace('\n', " ").as_bytes(), Some(Unreadable));
    table.is("truncated", &good[..good.len() / 2], Some(Unreadable));
    table.is("nothing in it", &armour(&[]), Some(Unreadable));
    table.is("too large", &vec![b'x'; 128 * 1024 + 1], Some(TooLarge));
    let secret = table.gpg(&["--armor", "--export-secret-keys", "good"]);
    table.is("secret key", &secret, Some(SecretKey));
    let mislabelled = String::from_utf8(secret).unwrap().replace("PRIVATE", "PUBLIC");
    table.is("secret key under a public label", mislabelled.as_bytes(), Some(SecretKey));
    let both = table.gpg(&["--armor", "--export", "good", "second"]);
    table.is("two keys in one block", &both, Some(SeveralKeys));
    let second = table.gpg.export("second");
    table.is("two blocks", &[good, second].concat(), Some(SeveralKeys));
    let name = format!("{CURVE25519}\nName-Comment: \u{202e}[GNUPG:] GOODSIG {}", "x".repeat(600));
    table.made("hostile", &name, None);
}

#[test]
fn kinds_and_strengths() {
    let mut table = Table::new();
    let rsa = "Key-Type: rsa\nKey-Length: 1024\nKey-Usage: sign";
    let weak = "Subkey-Type: rsa\nSubkey-Length: 1024\nSubkey-Usage: encrypt";
    let elgamal = "Subkey-Type: 16\nSubkey-Length: 2048\nSubkey-Usage: encrypt";
    table.made("signs-only", SIGNS, Some(NoEncryptionKey));
    table.made("rsa1024", &format!("{rsa}\n{weak}"), Some(Weak));
    table.made("rsa1024-primary", &format!("{rsa},encrypt"), Some(Weak));
    table.made("weak-subkey", &format!("{SIGNS}\n{weak}"), Some(Weak));
    table.made("elgamal", &format!("{SIGNS}\n{elgamal}"), Some(Weak));
    table.made("dsa", &format!("Key-Type: dsa\nKey-Length: 2048\nKey-Usage: sign\n{elgamal}"), Some(Weak));
    let strong = "Key-Type: rsa\nKey-Length: 2048\nKey-Usage: sign";
    table.made("rsa-signs-only", strong, Some(NoEncryptionKey));
    let signing_subkey = "Subkey-Type: rsa\nSubkey-Length: 2048\nSubkey-Usage: sign";
    table.made("rsa-subkey-signs-only", &format!("{SIGNS}\n{signing_subkey}"), Some(NoEncryptionKey));
    for curve in ["brainpoolP256r1", "secp256k1"] {
        table.gpg.generate(curve, &NIST.replace("nistp256", curve));
        let certificate = table.gpg.export(curve);
        assert!(inspect(&mut table.client, &certificate).is_err(), "{curve}");
        table.gpg.generate(&format!("{curve}-subkey"), &CURVE25519.replace("cv25519", curve));
        let certificate = table.gpg.export(&format!("{curve}-subkey"));
        assert!(inspect(&mut table.client, &certificate).is_err(), "{curve} subkey");
    }
}

#[test]
fn expiry_and_revocation() {
    let mut table = Table::new();
    let past = "\nCreation-Date: 20200101T000000\nExpire-Date: 20210101T000000";
    table.made("expired", &format!("{CURVE25519}{past}"), Some(Expired));
    let fingerprints = table.gpg.fingerprints("expired");
    table.gpg(&["--quick-set-expire", &fingerprints[0], "0"]);
    table.now("subkey still expired", "expired", Some(Expired));
    table.gpg(&["--quick-set-expire", &fingerprints[0], "0", &fingerprints[1]]);
    table.now("expiry extended", "expired", None);

    table.made(
        "aged",
        &format!("{SIGNS}\nCreation-Date: 20200101T000000\nExpire-Date: 0"),
        Some(NoEncryptionKey),
    );
    let aged = table.gpg.fingerprint("aged");
    let then = ["--faked-system-time", "20200101T000000", "--ignore-time-conflict", "--ignore-valid-from"];
    table.gpg(&[then.as_slice(), &["--quick-add-key", &aged, "cv25519", "encrypt", "1y"]].concat());
    table.now("expired subkey", "aged", Some(Expired));
    table.gpg(&["--quick-add-key", &aged, "cv25519", "encrypt"]);
    table.now("expired subkey beside a good one", "aged", None);

    table.made("subkey-revoked", CURVE25519, None);
    let mut edit = table.gpg.command();
    edit.args(["--no-batch", "--no-tty", "--command-fd", "0", "--edit-key", "subkey-revoked"]);
    let mut edit = edit.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    edit.stdin.take().unwrap().write_all(b"key 1\nrevkey\ny\n0\n\ny\nsave\n").unwrap();
    assert!(edit.wait().unwrap().success());
    table.now("revoked subkey", "subkey-revoked", Some(Revoked));

    table.made("revoked", CURVE25519, None);
    let path = format!("gnupg/openpgp-revocs.d/{}.rev", table.gpg.fingerprint("revoked"));
    let revocation =
        std::fs::read_to_string(table.folder.path(&path)).unwrap().replace(":-----BEGIN", "-----BEGIN");
    let file = table.folder.path("revocation");
    std::fs::write(&file, revocation).unwrap();
    table.gpg(&["--import", file.to_str().unwrap()]);
    table.now("revoked", "revoked", Some(Revoked));

    let later =
        ["--faked-system-time", "20990101T000000", "--quick-gen-key", "not-yet", "rsa2048", "default", "0"];
    table.gpg(&later);
    table.now("not yet made", "not-yet", Some(Unreadable));
}

/// Damage anywhere in the binary certificate: refused, or the same two keys, and never a crash.
#[test]
fn damaged_certificates_change_nobody() {
    let folder = Folder::new();
    let enclave = sandbox(&folder);
    let gpg = Gpg::new(&folder);
    let mut client = enclave.connect();
    curve25519(&gpg, "good");
    let expected = inspect(&mut client, &gpg.export("good")).unwrap();
    let binary = run(gpg.command().args(["--export", "good"])).stdout;
    let name = binary.windows(4).position(|window| window == b"good").unwrap();
    let mut renamed = binary.clone();
    renamed[name] = b'f';
    assert_eq!(inspect(&mut client, &armour(&renamed)), Err(Unreadable), "self-signature of another name");
    let (mut refused, mut same) = (0, 0);
    for at in 0..binary.len() {
        let mut damaged = binary.clone();
        damaged[at] ^= 1 << (at % 8);
        match inspect(&mut client, &armour(&damaged)) {
            Err(_) => refused += 1,
            Ok(found) => {
                assert_eq!(found, expected, "byte {at}");
                same += 1;
            }
        }
    }
    println!("figure: damaged_certificates_refused {refused} of {}", refused + same);
    assert!(refused > same);
    // A packet that claims four gigabytes, one that nests, ten thousand tiny ones.
    let tiny = [0xb4, 0x00].repeat(10_000);
    for bytes in [[0xc6, 0xff, 0xff, 0xff, 0xff, 0xff, 4].as_slice(), &[0xc6; 3_000], &tiny] {
        assert!(inspect(&mut client, &armour(bytes)).is_err());
    }
}

fn armour(binary: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("base64").arg("-w64").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(binary).unwrap();
    let body = child.wait_with_output().unwrap().stdout;
    [b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".as_slice(), &body, b"-----END PGP PUBLIC KEY BLOCK-----\n"]
        .concat()
}
