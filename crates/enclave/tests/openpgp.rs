//! Recipients: certificates that GnuPG made, messages that GnuPG opens.

mod rig;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use boundary::Env;
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

/// A certificate for each reason to refuse, and those that look odd and are good.
#[test]
fn the_table_of_certificates() {
    let folder = Folder::new();
    let enclave = sandbox(&folder);
    let gpg = Gpg::new(&folder);
    let mut client = enclave.connect();
    let mut is = |name: &str, certificate: &[u8], expected: Option<RecipientFault>| {
        let began = Instant::now();
        assert_eq!(inspect(&mut client, certificate).err(), expected, "{name}");
        assert!(began.elapsed() < Duration::from_secs(1), "{name} took {:?}", began.elapsed());
    };
    let good_fingerprint = curve25519(&gpg, "good");
    let good = gpg.export("good");
    let text = String::from_utf8(good.clone()).unwrap();

    is("good", &good, None);
    is("CRLF", text.replace('\n', "\r\n").as_bytes(), None);
    is("text around", format!("Dear service,\n\nmy key:\n{text}\nRegards\n").as_bytes(), None);
    is("white space around", format!("\n\n  {text}  \n").as_bytes(), None);
    let without_checksum: String =
        text.lines().filter(|line| !line.starts_with('=')).map(|line| format!("{line}\n")).collect();
    is("no checksum", without_checksum.as_bytes(), None);

    use RecipientFault::*;
    is("empty", b"", Some(Unreadable));
    is("plain text", b"not a key", Some(Unreadable));
    is("not text", &[0xff, 0xfe, 0], Some(Unreadable));
    is("binary", &run(gpg.command().args(["--export", "good"])).stdout, Some(Unreadable));
    is("escaped newlines", text.replace('\n', "\\n").as_bytes(), Some(Unreadable));
    is("newlines lost", text.replace('\n', " ").as_bytes(), Some(Unreadable));
    is("truncated", &good[..good.len() / 2], Some(Unreadable));
    is(
        "empty block",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n",
        Some(Unreadable),
    );
    is("too large", &vec![b'x'; 128 * 1024 + 1], Some(TooLarge));

    let secret = run(gpg.command().args(["--armor", "--export-secret-keys", "good"])).stdout;
    is("secret key", &secret, Some(SecretKey));
    let mislabelled = String::from_utf8(secret).unwrap().replace("PRIVATE", "PUBLIC");
    is("secret key under a public label", mislabelled.as_bytes(), Some(SecretKey));

    curve25519(&gpg, "second");
    is(
        "two keys in one block",
        &run(gpg.command().args(["--armor", "--export", "good", "second"])).stdout,
        Some(SeveralKeys),
    );
    is("two blocks", &[good.clone(), gpg.export("second")].concat(), Some(SeveralKeys));

    gpg.generate("signs-only", "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign");
    is("signs only", &gpg.export("signs-only"), Some(NoEncryptionKey));
    gpg.generate("rsa1024", "Key-Type: rsa\nKey-Length: 1024\nKey-Usage: sign\nSubkey-Type: rsa\nSubkey-Length: 1024\nSubkey-Usage: encrypt");
    is("RSA-1024", &gpg.export("rsa1024"), Some(Weak));
    gpg.generate("weak-subkey", "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nSubkey-Type: rsa\nSubkey-Length: 1024\nSubkey-Usage: encrypt");
    is("RSA-1024 subkey", &gpg.export("weak-subkey"), Some(Weak));
    gpg.generate("dsa", "Key-Type: dsa\nKey-Length: 2048\nKey-Usage: sign\nSubkey-Type: 16\nSubkey-Length: 2048\nSubkey-Usage: encrypt");
    is("DSA and ElGamal", &gpg.export("dsa"), Some(Weak));
    gpg.generate("brainpool", &NIST.replace("nistp256", "brainpoolP256r1"));
    assert!(inspect(&mut client_of(&enclave), &gpg.export("brainpool")).is_err());
    gpg.generate("secp256k1", &NIST.replace("nistp256", "secp256k1"));
    assert!(inspect(&mut client_of(&enclave), &gpg.export("secp256k1")).is_err());

    // Made in the past, so that they have expired by now.
    gpg.generate(
        "expired",
        &format!("{CURVE25519}\nCreation-Date: 20200101T000000\nExpire-Date: 20210101T000000"),
    );
    is("expired", &gpg.export("expired"), Some(Expired));
    run(gpg.command().args(["--quick-set-expire", &gpg.fingerprint("expired"), "0"]));
    run(gpg.command().args([
        "--quick-set-expire",
        &gpg.fingerprint("expired"),
        "0",
        &gpg.fingerprints("expired")[1],
    ]));
    is("expiry extended", &gpg.export("expired"), None);

    gpg.generate("old-subkey", "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign");
    let fingerprint = gpg.fingerprint("old-subkey");
    let past = ["--faked-system-time", "20200101T000000", "--ignore-time-conflict", "--ignore-valid-from"];
    gpg.generate("aged", "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nCreation-Date: 20200101T000000\nExpire-Date: 0");
    run(gpg.command().args(past).args([
        "--quick-add-key",
        &gpg.fingerprint("aged"),
        "cv25519",
        "encrypt",
        "1y",
    ]));
    is("expired subkey", &gpg.export("aged"), Some(Expired));
    run(gpg.command().args(["--quick-add-key", &gpg.fingerprint("aged"), "cv25519", "encrypt"]));
    is("expired subkey beside a good one", &gpg.export("aged"), None);
    is("no subkey", &gpg.export("old-subkey"), Some(NoEncryptionKey));
    run(gpg.command().args(["--quick-add-key", &fingerprint, "cv25519", "encrypt"]));
    is("subkey added", &gpg.export("old-subkey"), None);

    let edit = |name: &str, commands: &str| {
        let mut child = gpg.command();
        child.args(["--no-batch", "--no-tty", "--command-fd", "0", "--edit-key", name]).stdin(Stdio::piped());
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), commands.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    };
    edit("old-subkey", "key 1\nrevkey\ny\n0\n\ny\nsave\n");
    is("revoked subkey", &gpg.export("old-subkey"), Some(Revoked));

    curve25519(&gpg, "revoked");
    let revocation = folder.path(&format!("gnupg/openpgp-revocs.d/{}.rev", gpg.fingerprint("revoked")));
    let revocation = std::fs::read_to_string(revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(folder.path("revocation"), revocation).unwrap();
    run(gpg.command().arg("--import").arg(folder.path("revocation")));
    is("revoked", &gpg.export("revoked"), Some(Revoked));

    let huge = "x".repeat(600);
    gpg.generate("hostile", &format!("{CURVE25519}\nName-Comment: \u{202e}[GNUPG:] GOODSIG {huge}"));
    is("hostile user id", &gpg.export("hostile"), None);

    assert_eq!(inspect(&mut client_of(&enclave), &good).unwrap().0, good_fingerprint);
}

fn client_of(enclave: &Enclave) -> Client {
    enclave.connect()
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
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), binary).unwrap();
    let body = child.wait_with_output().unwrap().stdout;
    [b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".as_slice(), &body, b"-----END PGP PUBLIC KEY BLOCK-----\n"]
        .concat()
}
