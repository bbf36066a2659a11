//! The book's samples do what the book says, against a real sandbox: each is run as a reader would run it.

#![expect(clippy::panic, dead_code, reason = "a test may stop at once, and uses its part of the rig")]

mod rig {
    pub mod sandbox;
    pub mod typescript;
}

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;

use crate::rig::sandbox::Sandbox;
use crate::rig::typescript;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/samples");
/// A sample takes at most this many RSA keys, and does not wait for one.
const KEYS_WANTED: i64 = 2;
/// Ten minutes, in tenths of a second: on a busy machine a key takes seconds.
const PATIENCE: u32 = 6_000;

/// Whose sample, in which language, and what it prints; `ID` stands for any id.
const SAYS: [(&str, &str, &str); 15] = [
    ("retail", "curl", "Verified OK\nstored ID\nrecovered correct horse battery staple\n"),
    ("retail", "python", "stored ID\nrecovered correct horse battery staple\n"),
    ("retail", "typescript", "stored ID\nrecovered correct horse battery staple\n"),
    ("retail", "rust", "stored ID\nrecovered correct horse battery staple\n"),
    ("partner", "curl", "Verified OK\nstored ID\nstored file ID\n"),
    ("partner", "python", "stored ID\nunder True\n"),
    ("partner", "typescript", "stored ID oaep\nstored ID jwe true\n"),
    ("partner", "rust", "stored ID oaep\nstored ID jwe true\n"),
    (
        "institution",
        "curl",
        "Verified OK\nstored ID\nkey \"is_key_valid\":true\nbackup \"is_backup_valid\":true\n",
    ),
    ("institution", "python", "stored ID\nkey valid True\nbackup valid True\n"),
    ("institution", "typescript", "stored ID\nkey valid true\nbackup valid true\n"),
    ("institution", "rust", "stored ID\nkey valid true\nbackup valid true\n"),
    ("retail", "command", "recovered correct horse battery staple\nexit code 7\n"),
    ("partner", "command", "proven backup\nproven key\nthe log holds\nchanged: exit code 1\n"),
    ("institution", "command", "\"type\":\"webhook.test\"\nopened the shard of a key\n0  Done.\n"),
];

#[test]
fn every_sample_of_the_book_prints_what_it_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(folder.path());
    let scripts = compile_typescript(folder.path());
    for (kind, language, says) in SAYS {
        wait_for_keys(&sandbox);
        let mut tenants = sandbox.credentials.tenants.iter();
        let tenant = tenants.find(|tenant| tenant.kind == kind).expect("a tenant of each kind");
        let mut command = match language {
            "curl" | "command" => program("bash", &sample(language, kind, "sh")),
            "python" => program(&python(), &sample("python", kind, "py")),
            "typescript" => program("node", &scripts.join(format!("{kind}.js"))),
            _ => Command::new(example(kind)),
        };
        command.env("HOLDFAST_URL", &sandbox.credentials.base_url).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("PATH", with_programs());
        let ended = command.env("HOLDFAST_KEY", &tenant.api_keys.full).output().expect("the sample starts");
        let (said, complained) = (text(&ended.stdout), text(&ended.stderr));
        assert!(ended.status.success(), "{kind} in {language}: {}\n{said}\n{complained}", ended.status);
        assert_eq!(without_ids(&said), says, "{kind} in {language}\n{complained}");
    }
}

#[test]
fn every_sample_is_in_the_book_and_is_run() {
    let chapters = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/integrate");
    for (language, ending) in
        [("curl", "sh"), ("command", "sh"), ("python", "py"), ("typescript", "ts"), ("rust", "rs")]
    {
        for entry in fs::read_dir(Path::new(SAMPLES).join(language)).expect("a folder of samples") {
            let name = entry.expect("a sample").file_name().into_string().expect("a plain name");
            let Some(kind) = name.strip_suffix(&format!(".{ending}")) else { continue };
            let included = format!("{{{{#include ../../samples/{language}/{name}}}}}");
            let mut pages =
                fs::read_dir(chapters).expect("chapters").map(|page| page.expect("a page").path());
            let has_it = |page: PathBuf| fs::read_to_string(page).expect("a page").contains(&included);
            assert!(pages.any(has_it), "no chapter includes {language}/{name}");
            // The one that the others import runs with each of them.
            let is_run = SAYS.iter().any(|says| (says.0, says.1) == (kind, language));
            assert!(is_run || name == "holdfast.py", "{language}/{name} is not run");
        }
    }
}

fn program(name: &str, script: &Path) -> Command {
    let mut command = Command::new(name);
    command.arg(script);
    command
}

fn sample(language: &str, kind: &str, ending: &str) -> PathBuf {
    Path::new(SAMPLES).join(language).join(format!("{kind}.{ending}"))
}

fn python() -> String {
    env::var("HOLDFAST_PYTHON").expect("HOLDFAST_PYTHON (scripts/test sets it)")
}

/// Where `holdfast` is found first.
fn with_programs() -> OsString {
    let programs = Path::new(env!("CARGO_BIN_EXE_holdfast")).parent().expect("a folder of programs");
    let others = env::var_os("PATH").expect("a path");
    env::join_paths([programs.to_owned()].into_iter().chain(env::split_paths(&others))).expect("a path")
}

/// The samples in Rust are this package's examples, and cargo builds those together with its tests.
fn example(kind: &str) -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_holdfast")).parent().expect("a folder of programs");
    let path = programs.join("examples").join(format!("book-{kind}"));
    assert!(path.exists(), "{} is not built: cargo build -p holdfast --examples", path.display());
    path
}

/// Compiles the samples in TypeScript, as strictly as the client is; where the scripts are.
fn compile_typescript(folder: &Path) -> PathBuf {
    let folder = folder.join("typescript");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("package.json"), "{\"type\":\"module\"}").expect("a package");
    for kind in ["retail", "partner", "institution"] {
        let name = format!("{kind}.ts");
        fs::copy(sample("typescript", kind, "ts"), folder.join(name)).expect("a copy");
    }
    let strict = ["--strict", "--noUncheckedIndexedAccess", "--skipLibCheck", "--types", "node"];
    let files = ["--target", "ES2022", "--module", "NodeNext", "retail.ts", "partner.ts", "institution.ts"];
    typescript::compile(&folder, &[&strict[..], &files].concat());
    folder
}

/// A sample does not wait for a key, and the sandbox makes them while it serves.
fn wait_for_keys(sandbox: &Sandbox) {
    let path = Path::new(&sandbox.credentials.data_dir).join("holdfast.db");
    let database = Connection::open(path).expect("the database");
    database.busy_timeout(Duration::from_secs(10)).expect("patience");
    let sql = "SELECT count(*) FROM pool_keys WHERE key_environment = 'HOT' AND key_type = 'rsa4096'";
    for _ in 0..PATIENCE {
        let count: i64 = database.query_row(sql, [], |row| row.get(0)).expect("a number");
        if count >= KEYS_WANTED {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the pool stays dry");
}

/// Each word that is an id, as `ID`.
fn without_ids(said: &str) -> String {
    let is_id =
        |word: &str| word.len() == 36 && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let lines = said.lines().map(|line| {
        line.split(' ').map(|word| if is_id(word) { "ID" } else { word }).collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
