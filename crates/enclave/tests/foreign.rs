//! Other people's implementations decide what is right: OpenSSL and Python's cryptography encrypt, OpenSSL
//! verifies what the enclave signs.

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
    folder: Folder,
    client: Client,
    // Dropped last, so that the client is answered to its end.
    _enclave: Enclave,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let enclave = Enclave::start(&folder, &Settings::default());
        Self { client: enclave.connect(), folder, _enclave: enclave }
    }

    fn file(&self, name: &str, content: &[u8]) -> std::path::PathBuf {
        let path = self.folder.path(name);
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
        let out = world.folder.path("ciphertext");
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

#[test]
fn a_batch_made_offline_is_adopted_and_bound_once() {
    let offline = Folder::new();
    let state = offline.path("offline");
    let make = |env: &str, out: &str| {
        let mut command = program();
        command.args(["batch", "--env", env, "--rsa", "1", "--secp256k1", "1", "--ed25519", "1", "--state"]);
        command.arg(&state).arg("--out").arg(offline.path(out));
        command
    };
    assert!(
        !make("production", "early").output().unwrap().status.success(),
        "production is initialised on purpose"
    );
    let output = run(&mut make("sandbox", "batch"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("generated 3/3"));
    let mut file = std::fs::read(offline.path("batch")).unwrap();
    let mut rest = file.as_slice();
    let (batch, signature) = (Vec::<u8>::take(&mut rest).unwrap(), Vec::<u8>::take(&mut rest).unwrap());
    assert!(rest.is_empty());
    file.clear();

    let folder = Folder::new();
    let settings = || Settings {
        env: Env::Sandbox,
        extra: vec!["--offline-key".into(), state.join("offline.pub").display().to_string()],
        ..Settings::default()
    };
    let mut enclave = Enclave::start(&folder, &settings());
    let mut client = enclave.connect();
    let adopt = Request::Adopt(Adopt { batch: batch.clone(), signature: signature.clone() });
    let adopted = |client: &mut Client| expect!(client.call(&adopt), Adopted);
    let first = adopted(&mut client);
    let names = |adopted: &Adopted| -> Vec<(String, Vec<u8>)> {
        adopted.keys.iter().map(|key| (key.key_id.clone(), key.public_key.clone())).collect()
    };
    assert_eq!(names(&first), names(&adopted(&mut client)));
    for (batch, signature) in [
        ([batch.as_slice(), &[0]].concat(), signature.clone()),
        (batch.clone(), vec![0; 64]),
        (batch.clone(), vec![]),
    ] {
        let reply = client.call(&Request::Adopt(Adopt { batch, signature }));
        assert_eq!(reply, Reply::Refused(Refusal::SealBroken));
    }
    let key: &PoolKey = &first.keys[0];
    let bound = expect!(client.call(&Request::Bind(bind_request(key, TENANT, USER))), Bound);
    let signed = SignedBinding::from_bytes(&bound.binding.unwrap()).unwrap();
    let binding = Binding::from_bytes(&signed.binding).unwrap();
    assert_eq!((binding.key_id.as_str(), binding.tenant_id.as_str()), (key.key_id.as_str(), TENANT));
    assert_eq!(binding.user_tag, user_tag(TENANT, USER));
    assert_eq!(binding.public_key_sha256, sha256(&key.public_key));
    let mut world = World {
        client: enclave.connect(),
        folder: Folder::new(),
        _enclave: Enclave::start(&Folder::new(), &Settings { env: Env::Sandbox, ..Settings::default() }),
    };
    assert!(world.openssl_verifies(
        Env::Sandbox,
        "receipt-sig",
        &binding_preimage(&binding),
        &signed.signature
    ));
    let cold = UserKey { sealed: bound.sealed, pool: key.clone() };
    assert_eq!(world.check(&cold, vec![0; 512], b""), Reply::Refused(Refusal::WrongKeyType));

    // The same key from a second adoption, after a restart too, is the same key.
    enclave.kill();
    let enclave = Enclave::start(&folder, &settings());
    let mut client = enclave.connect();
    let again = adopted(&mut client);
    let reply = client.call(&Request::Bind(bind_request(&again.keys[0], TENANT, "user-9")));
    assert_eq!(reply, Reply::Refused(Refusal::AlreadyBound));
    expect!(client.call(&Request::Bind(bind_request(&again.keys[1], TENANT, "user-9"))), Bound);
    // A second batch of the same offline enclave adds to what it keeps.
    run(&mut make("sandbox", "batch2"));
    assert_ne!(std::fs::read(offline.path("batch2")).unwrap()[4..24], batch[..20]);
}
