//! A sandbox's folder with a full key pool. RSA keys are slow to make, so the folder is made once, kept below the
//! target folder, and copied for each run.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use client::api::sandbox::{Credentials, Tenant};

use crate::rig::chance::Chance;
use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::hex::hex;
use crate::rig::installation::{Installation, Setup, data_dir};
use crate::rig::rows::Rows;

/// How many RSA keys lie in the pool.
pub const RSA_KEYS: u64 = 80;
/// On a busy machine a key takes seconds.
const PATIENCE: Duration = Duration::from_mins(15);
/// What decides whether a folder made by another build can still be used.
const FORMATS: [&str; 9] = [
    "enclave/src/log.rs",
    "enclave/src/root.rs",
    "enclave/src/seal.rs",
    "enclave/src/state.rs",
    "boundary/src/wire.rs",
    "domain/src/credential.rs",
    "server/src/sandbox_tenants.rs",
    "store/src/seal.rs",
    "store/migrations/sqlite",
];

/// Copies the prepared folder, and returns the tenants with their API keys.
pub fn copy_into(folder: &Path) -> Vec<Tenant> {
    let shelf = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(shelf.join("kill-loop.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let kept = shelf.join(format!("kill-loop-{}", fingerprint()));
    if !kept.join("done").exists() {
        remove_older(shelf);
        make(&kept);
        File::create(kept.join("done")).expect("a mark");
    }
    copy_folder(&data_dir(&kept), &data_dir(folder));
    copy_folder(&cold_dir(&kept), &cold_dir(folder));
    let text = fs::read(kept.join("credentials.json")).expect("the credentials");
    serde_json::from_slice::<Credentials>(&text).expect("the contract's shape").tenants
}

/// The offline enclave's folder, beside the service's.
pub fn cold_dir(folder: &Path) -> PathBuf {
    folder.join("data-cold")
}

/// The database in a folder.
pub fn sqlite(folder: &Path) -> Rows {
    Rows::Sqlite(data_dir(folder).join("holdfast.db"))
}

fn make(folder: &Path) {
    private_dir(folder);
    let mut command = Command::new(PROGRAM);
    command.args(["sandbox", "--once", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir(folder));
    command.arg("--credentials").arg(folder.join("credentials.json"));
    let sandbox = command.stdin(Stdio::null()).output().expect("the program runs");
    assert!(sandbox.status.success(), "{}", String::from_utf8_lossy(&sandbox.stderr));
    let setup = Setup { folder, database: "", rsa_keys: RSA_KEYS };
    let mut installation = Installation::new(&setup, &mut Chance::of(std::process::id().into()));
    installation.start();
    let rows = sqlite(folder);
    wait_for("a full pool", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(250));
        let hot = |kind: &str| {
            let sql = "SELECT count(*) FROM pool_keys WHERE key_environment = 'HOT' AND key_type = ";
            rows.number(&format!("{sql}'{kind}'"))
        };
        let is_full = hot("rsa4096") as u64 >= RSA_KEYS && hot("ed25519") >= 48 && hot("secp256k1") >= 48;
        is_full.then_some(())
    });
    installation.stop();
}

fn fingerprint() -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut context = Context::new(&SHA256);
    for name in FORMATS {
        for path in files_of(&crates.join(name)) {
            let mut bytes = Vec::new();
            File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("a source file");
            context.update(&bytes);
        }
    }
    hex(&context.finish().as_ref()[..8])
}

fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<_> =
        fs::read_dir(path).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

fn remove_older(shelf: &Path) {
    for entry in fs::read_dir(shelf).expect("a folder") {
        let path = entry.expect("a file").path();
        let is_ours = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"kill-loop-"));
        if is_ours && path.is_dir() {
            fs::remove_dir_all(path).expect("an older folder");
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    private_dir(to);
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a file");
        let (path, kind) = (to.join(entry.file_name()), entry.file_type().expect("a kind"));
        if kind.is_dir() {
            copy_folder(&entry.path(), &path);
        } else if kind.is_file() {
            fs::copy(entry.path(), path).expect("a copy");
        }
    }
}

fn private_dir(path: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).expect("a folder");
}
