//! Other people's implementations decide what is right: OpenSSL and Python's cryptography encrypt, OpenSSL
//! verifies what the enclave signs.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod rig;

use std::process::Command;

use boundary::Env;
use boundary::batch::{Binding, SignedBinding, binding_preimage};
use boundary::message::{
    Adopt, Adopted, Bind, CheckItem, Generate, Hello, KeyType, PoolKey, Refusal, Reply, Request,
};
use boundary::wire::Wire;
use rig::*;

struct World {
    client: Client,
    enclave: Enclave,
    files: Folder,
    /// Of the enclave's state; removed last.
    _folder: Folder,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let enclave = Enclave::start(&folder, &Settings::default());
        Self { client: enclave.connect(), enclave, files: Folder::new(), _folder: folder }
    }

    fn on(enclave: Enclave) -> Self {
        Self { client: enclave.connect(), enclave, files: Folder::new(), _folder: Folder::new() }
    }

    fn file(&self, name: &str, content: &[u8]) -> std::path::PathBuf {
        let path = self.files.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn openssl_encrypt(&self, public_key: &[u8], plaintext: &[u8], options: &[&str]) -> Vec<u8> {
        let (der, text) = (self.file("key.der", public_key), self.file("plain", plaintext));
        let mut command = Command::new("openssl");
        command.args(["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey"]).arg(der);
        command.arg("-in").arg(text).args(["-pkeyopt", "rsa_padding_mode:oaep"]);
        for option in options {
            command.args(["-pkeyopt", option]);
        }
        run(&mut command).stdout
    }

    /// Verifies an ECDSA signature of one of the enclave's own keys with OpenSSL.
    fn openssl_verifies(&mut self, env: Env, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        let welcome = expect!(self.client.call(&Request::Hello(Hello { env })), Welcome);
        let key = welcome.signing_keys.iter().find(|key| key.purpose == purpose).unwrap();
        // RFC 5480: the fixed head of a P-256 SubjectPublicKeyInfo, then the point.
        let spki =
            [unhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"), key.point.clone()].concat();
        let (der, message) = (self.file("signer.der", &spki), self.file("message", message));
        let signature = self.file("signature", signature);
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-keyform", "DER", "-verify"]).arg(der);
        command.arg("-signature").arg(signature).arg(message);
        command.output().unwrap().status.success()
    }

    fn check(&mut self, key: &UserKey, ciphertext: Vec<u8>, plaintext: &[u8]) -> Reply {
        let item = CheckItem {
            backup_id: "b".into(),
            item_key: "i".into(),
            ciphertext,
            checksum: sha256(plaintext),
        };
        self.client.call(&check_request(key, TENANT, USER, None, vec![item]))
    }
}

#[test]
fn ciphertexts_of_other_libraries() {
    let mut world = World::new();
    let key = new_key(&mut world.client, TENANT, USER);
    let public_key = key.pool.public_key.clone();
    assert_eq!(public_key.len(), 550);
    let sha256_both = ["rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
    for length in [1, 32, 445, 446] {
        let plaintext = vec![b'p'; length];
        let ciphertext = world.openssl_encrypt(&public_key, &plaintext, &sha256_both);
        expect!(world.check(&key, ciphertext, &plaintext), Checked);
    }
    for options in [
        ["rsa_oaep_md:sha1", "rsa_mgf1_md:sha1"],
        ["rsa_oaep_md:sha256", "rsa_mgf1_md:sha1"],
        ["rsa_oaep_md:sha1", "rsa_mgf1_md:sha256"],
        ["rsa_oaep_md:sha512", "rsa_mgf1_md:sha512"],
    ] {
        let ciphertext = world.openssl_encrypt(&public_key, b"plain", &options);
        assert_eq!(
            world.check(&key, ciphertext, b"plain"),
            Reply::Refused(Refusal::CheckFailed),
            "{options:?}"
        );
    }
    let labelled = ["rsa_oaep_md:sha256", "rsa_mgf1_md:sha256", "rsa_oaep_label:6c6162656c"];
    let ciphertext = world.openssl_encrypt(&public_key, b"plain", &labelled);
    assert_eq!(world.check(&key, ciphertext, b"plain"), Reply::Refused(Refusal::CheckFailed));

    let python = std::env::var("HOLDFAST_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign.py");
    for length in [0, 1, 446] {
        let plaintext = vec![b'q'; length];
        let (der, text) = (world.file("key.der", &public_key), world.file("plain", &plaintext));
        let out = world.files.path("ciphertext");
        run(Command::new(&python).arg(script).args([&der, &text, &out]));
        let ciphertext = std::fs::read(out).unwrap();
        expect!(world.check(&key, ciphertext, &plaintext), Checked);
    }
}

#[test]
fn openssl_verifies_the_statement_about_a_key() {
    let mut world = World::new();
    let (env, purpose) = (Env::Production, "assignment-sig");
    for (key_type, length) in [(KeyType::Rsa4096, 550), (KeyType::Secp256k1, 33), (KeyType::Ed25519, 32)] {
        let pool = expect!(world.client.call(&Request::Generate(Generate { key_type })), Generated);
        assert_eq!(pool.public_key.len(), length);
        let bound = expect!(world.client.call(&Request::Bind(bind_request(&pool, TENANT, USER))), Bound);
        let text = hex(&pool.public_key);
        assert!(world.openssl_verifies(env, purpose, text.as_bytes(), &bound.signature));
        assert!(!world.openssl_verifies(env, purpose, &pool.public_key, &bound.signature));
        assert!(!world.openssl_verifies(env, "receipt-sig", text.as_bytes(), &bound.signature));
        assert_eq!((bound.signed_payload, bound.binding), (None, None));
        if key_type != KeyType::Rsa4096 {
            let key = UserKey { sealed: bound.sealed, pool };
            assert_eq!(world.check(&key, vec![0; 512], b""), Reply::Refused(Refusal::WrongKeyType));
        }
    }
    let pool =
        expect!(world.client.call(&Request::Generate(Generate { key_type: KeyType::Ed25519 })), Generated);
    let plain = bind_request(&pool, TENANT, USER);
    for sign_with in
        [vec!["public_key"], vec!["no such field"], vec!["key_id", "key_id"], vec!["external_customer_id"]]
    {
        let sign_with = sign_with.into_iter().map(str::to_owned).collect();
        let bind = Bind { sign_with, ..plain.clone() };
        assert_eq!(world.client.call(&Request::Bind(bind)), Reply::Refused(Refusal::Malformed));
    }
    let sign_with = ["key_fingerprint", "external_customer_id", "key_id"].map(str::to_owned).to_vec();
    let bind = Bind { sign_with, external_customer_id: Some("Größe".into()), ..plain };
    let bound = expect!(world.client.call(&Request::Bind(bind)), Bound);
    let payload = bound.signed_payload.unwrap();
    let (public_key, fingerprint) = (hex(&pool.public_key), hex(&sha256(&pool.public_key)));
    let expected = format!(
        r#"{{"external_customer_id":"Größe","key_fingerprint":"{fingerprint}","key_id":"{}","public_key":"{public_key}"}}"#,
        pool.key_id
    );
    assert_eq!(payload, expected);
    assert!(world.openssl_verifies(env, purpose, payload.as_bytes(), &bound.signature));
}

/// Makes a batch of one key of each kind in a state directory of its own.
fn batch(offline: &Folder, env: &str, out: &str) -> std::process::Output {
    let mut command = program();
    command.args(["batch", "--env", env, "--rsa", "1", "--secp256k1", "1", "--ed25519", "1", "--state"]);
    command.arg(offline.path("state")).arg("--out").arg(offline.path(out));
    command.output().unwrap()
}

/// An online enclave that believes the offline one.
fn online(folder: &Folder, offline: &Folder) -> Enclave {
    let key = offline.path("state/offline.pub").display().to_string();
    let extra = vec!["--offline-key".into(), key];
    Enclave::start(folder, &Settings { env: Env::Sandbox, extra, ..Settings::default() })
}

#[test]
fn a_batch_made_offline_is_adopted_and_bound_once() {
    let (offline, folder) = (Folder::new(), Folder::new());
    assert!(!batch(&offline, "production", "early").status.success(), "production is initialised on purpose");
    let made = batch(&offline, "sandbox", "batch");
    assert!(String::from_utf8(made.stderr).unwrap().ends_with("generated 3/3\n"));
    let file = std::fs::read(offline.path("batch")).unwrap();
    let mut rest = file.as_slice();
    let (bytes, signature) = (Vec::<u8>::take(&mut rest).unwrap(), Vec::<u8>::take(&mut rest).unwrap());
    assert!(rest.is_empty());

    let mut world = World::on(online(&folder, &offline));
    for (batch, signature) in [
        ([bytes.as_slice(), &[0]].concat(), signature.clone()),
        (bytes.clone(), vec![0; 64]),
        (bytes.clone(), vec![]),
    ] {
        let reply = world.client.call(&Request::Adopt(Adopt { batch, signature }));
        assert_eq!(reply, Reply::Refused(Refusal::SealBroken));
    }
    let adopt = Request::Adopt(Adopt { batch: bytes.clone(), signature });
    let first = expect!(world.client.call(&adopt), Adopted);
    let second = expect!(world.client.call(&adopt), Adopted);
    let names = |adopted: &Adopted| -> Vec<(String, Vec<u8>)> {
        adopted.keys.iter().map(|key| (key.key_id.clone(), key.public_key.clone())).collect()
    };
    assert_eq!(names(&first), names(&second));
    let key: &PoolKey = &first.keys[0];
    let bound = expect!(world.client.call(&Request::Bind(bind_request(key, TENANT, USER))), Bound);
    let signed = SignedBinding::from_bytes(&bound.binding.unwrap()).unwrap();
    let binding = Binding::from_bytes(&signed.binding).unwrap();
    assert_eq!((&binding.key_id, binding.tenant_id.as_str()), (&key.key_id, TENANT));
    assert_eq!(binding.user_tag, user_tag(TENANT, USER));
    assert_eq!(binding.public_key_sha256, sha256(&key.public_key));
    let preimage = binding_preimage(&signed.binding);
    assert!(world.openssl_verifies(Env::Sandbox, "receipt-sig", &preimage, &signed.signature));
    let cold = UserKey { sealed: bound.sealed, pool: key.clone() };
    assert_eq!(world.check(&cold, vec![0; 512], b""), Reply::Refused(Refusal::WrongKeyType));

    // A key of the second adoption, after a restart too, is the key of the first.
    world.enclave.kill();
    let mut world = World::on(online(&folder, &offline));
    let again = expect!(world.client.call(&adopt), Adopted);
    let reply = world.client.call(&Request::Bind(bind_request(&again.keys[0], TENANT, "user-9")));
    assert_eq!(reply, Reply::Refused(Refusal::AlreadyBound));
    expect!(world.client.call(&Request::Bind(bind_request(&again.keys[1], TENANT, "user-9"))), Bound);

    // The offline side adds to what it keeps.
    let kept = std::fs::metadata(offline.path("state/cold.keys")).unwrap().len();
    assert!(batch(&offline, "sandbox", "batch2").status.success());
    assert!(std::fs::metadata(offline.path("state/cold.keys")).unwrap().len() > kept * 3 / 2);
}
