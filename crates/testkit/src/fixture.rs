//! What takes long to make is made once for all tests: an enclave's state with a stock of keys. Each test
//! works on a copy.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{SHA256, digest};
use boundary::Env;
use boundary::message::{Adopt, Adopted, Bind, Generate, KeyType, PoolKey, Reply, Request};
use boundary::wire::Wire as _;

use crate::enclave::{Enclave, Recipe, built_folder, copy_folder, program, program_path, run};
use crate::foreign::Recipient;

/// Raised when the form of the fixture changes.
const VERSION: u32 = 3;

/// HOT keys of each kind. An RSA-4096 pair costs a core most of a second.
const HOT: [(KeyType, usize); 3] = [(KeyType::Rsa4096, 64), (KeyType::Secp256k1, 4), (KeyType::Ed25519, 8)];

/// COLD keys: RSA, secp256k1, Ed25519.
const COLD: [&str; 3] = ["6", "2", "2"];

/// A copy for one test.
pub struct Fixture {
    /// The enclave's state.
    pub state: PathBuf,
    /// The simulated identity provider.
    pub provider: PathBuf,
    /// The state of the offline enclave, which has the private halves of the COLD keys.
    pub offline: PathBuf,
    /// By what the enclave knows the offline one.
    pub offline_key: PathBuf,
    /// The batch that the COLD keys came in.
    pub batch: Vec<u8>,
    /// HOT keys for the pool.
    pub hot: Vec<PoolKey>,
    /// COLD keys for the pool.
    pub cold: Vec<PoolKey>,
    /// Somebody who may receive.
    pub recipient: Recipient,
}

impl Fixture {
    /// Copies the fixture into a folder; makes it first where there is none that today's enclave opens.
    pub fn copy_to(folder: &Path) -> Self {
        let place = built_folder().join(format!("../tmp/holdfast-fixture-{VERSION}"));
        fs::create_dir_all(&place).expect("a folder for the fixture");
        let lock = File::options().write(true).create(true).truncate(false).open(place.join("lock"));
        let lock = lock.expect("a lock file");
        // Tests are processes of their own: the first makes the fixture, the others wait for it.
        lock.lock().expect("a lock");
        let made = place.join("made");
        let source = place.join("content");
        let stamp = stamp_of_program();
        if fs::read_to_string(&made).is_ok_and(|by| by == stamp) || fits(&source) {
            fs::write(&made, &stamp).expect("a stamp");
        } else {
            // There may be nothing to remove.
            let _ = fs::remove_file(&made);
            let _ = fs::remove_dir_all(&source);
            make(&source);
            fs::write(&made, &stamp).expect("a stamp");
        }
        copy_folder(&source, folder);
        drop(lock);
        let read = |name: &str| fs::read(folder.join(name)).expect("a part of the fixture");
        Self {
            state: folder.join("enclave"),
            provider: folder.join("simulator.provider"),
            offline: folder.join("offline"),
            offline_key: folder.join("offline.pub"),
            batch: read("cold.batch"),
            hot: keys(&read("hot.keys")),
            cold: keys(&read("cold.keys")),
            recipient: Recipient::read(folder),
        }
    }
}

fn keys(bytes: &[u8]) -> Vec<PoolKey> {
    Adopted::from_bytes(bytes).expect("keys of the fixture").keys
}

/// Another program may seal otherwise.
fn stamp_of_program() -> String {
    let metadata = fs::metadata(program_path()).expect("the enclave's program");
    let changed = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("{} {:?}", metadata.len(), changed)
}

fn recipe(folder: &Path, state: PathBuf) -> Recipe {
    Recipe {
        env: Env::Sandbox,
        state,
        socket: folder.join("enclave.sock"),
        provider: Some(folder.join("simulator.provider")),
        offline_key: Some(folder.join("offline.pub")),
        retail_window_s: None,
        counter: None,
        recovery_limits: false,
        log: folder.join("enclave.log"),
    }
}

/// Whether today's enclave still opens what an earlier one sealed: tried on a copy, which is thrown away.
fn fits(source: &Path) -> bool {
    if !source.join("cold.keys").exists() {
        return false;
    }
    let trial = tempfile::tempdir().expect("a temporary folder");
    copy_folder(source, trial.path());
    let tried = std::panic::catch_unwind(|| {
        let key = keys(&fs::read(trial.path().join("hot.keys")).expect("keys")).remove(0);
        let enclave = Enclave::start(recipe(trial.path(), trial.path().join("enclave")));
        let bind = Bind {
            sealed: key.sealed,
            tenant_id: "tenant".to_owned(),
            user_identifier: "user".to_owned(),
            user_id: "id".to_owned(),
            sign_with: Vec::new(),
            external_customer_id: None,
            external_package_id: None,
            pulled_by_id: "key".to_owned(),
            pulled_by_type: "api_key".to_owned(),
        };
        matches!(enclave.call(&Request::Bind(bind)), Reply::Bound(_))
    });
    tried.unwrap_or(false)
}

fn make(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let secret = digest(&SHA256, b"the simulated provider of the tests");
    let secret = domain::audit::hex(secret.as_ref());
    let provider = format!("name=simulator\nformat=persona\nsecret={secret}\nenv=sandbox\n");
    fs::write(folder.join("simulator.provider"), provider).expect("a file");
    let (offline, batch) = (folder.join("offline"), folder.join("cold.batch"));
    fs::create_dir_all(&offline).expect("a folder");
    let mut command = program();
    command.args(["batch", "--env", "sandbox", "--state"]).arg(&offline).arg("--out").arg(&batch);
    command.args(["--rsa", COLD[0], "--secp256k1", COLD[1], "--ed25519", COLD[2]]);
    run(&mut command);
    fs::copy(offline.join("offline.pub"), folder.join("offline.pub")).expect("a copy");
    let enclave = Enclave::start(recipe(folder, folder.join("enclave")));
    let mut hot = Vec::new();
    for (key_type, count) in HOT {
        for _ in 0..count {
            match enclave.call(&Request::Generate(Generate { key_type })) {
                Reply::Generated(key) => hot.push(key),
                other => unreachable!("the enclave makes no key: {other:?}"),
            }
        }
    }
    let file = fs::read(&batch).expect("a batch");
    let mut rest = file.as_slice();
    let mut part = || Vec::take(&mut rest).expect("a part of a batch");
    let adopted = match enclave.call(&Request::Adopt(Adopt { batch: part(), signature: part() })) {
        Reply::Adopted(adopted) => adopted,
        other => unreachable!("the enclave takes no batch: {other:?}"),
    };
    Recipient::make(folder);
    fs::write(folder.join("hot.keys"), Adopted { keys: hot }.to_bytes()).expect("a file");
    fs::write(folder.join("cold.keys"), adopted.to_bytes()).expect("a file");
    drop(enclave);
    for name in ["enclave.sock", "enclave.log"] {
        let _ = fs::remove_file(folder.join(name));
    }
}
