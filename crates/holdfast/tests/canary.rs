//! Runs the whole service on secrets that nobody has seen before, and then looks for them everywhere but in the
//! enclave: in files, in logs, in what the processes said, in the server's memory.
//!
//! The secrets are made, encrypted and read back in this process only.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

mod rig {
    pub mod chance;
    pub mod dump;
    pub mod group;
    pub mod hex;
    pub mod search;
    pub mod stock;
    pub mod story;
}

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use client::Client;
use client::api::sandbox::Credentials;

use crate::rig::chance::{Chance, seed};
use crate::rig::dump;
use crate::rig::group::{Group, PROGRAM, wait_for};
use crate::rig::search::{Hit, Searcher, forms};
use crate::rig::story::Story;

/// The modulus of an RSA-4096 key, in the DER of its public half.
const MODULUS: std::ops::Range<usize> = 33..545;
/// In a private half the modulus is followed by 65537 and the header of the private exponent.
const AFTER_MODULUS: [u8; 7] = [2, 3, 1, 0, 1, 2, 0x82];
/// What every PKCS#8 RSA-4096 key begins with, from its algorithm on (RFC 5208): rsaEncryption, no parameters,
/// an octet string of 2,304 bytes or more.
const PKCS8_RSA: [u8; 17] = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0, 4, 0x82];
/// The first start makes RSA keys.
const START_PATIENCE: Duration = Duration::from_mins(3);

/// A sandbox that runs.
struct Sandbox {
    child: Child,
    folder: PathBuf,
    credentials: Credentials,
    _group: Group,
}

impl Sandbox {
    fn start(folder: &Path) -> Self {
        let credentials = folder.join("credentials.json");
        let mut command = Command::new(PROGRAM);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.join("data"));
        command.arg("--credentials").arg(&credentials);
        // As much as it can tell, so that what must not be told would be.
        command.env("RUST_LOG", "trace").stdin(Stdio::null());
        let group = Group::new();
        let mut child = group.start(&mut command, &folder.join("output.txt"));
        let credentials = wait_for("a sandbox", START_PATIENCE, || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("output.txt")).unwrap_or_default());
            serde_json::from_slice(&fs::read(&credentials).ok()?).ok()
        });
        Self { child, folder: folder.to_owned(), credentials, _group: group }
    }

    fn client(&self, kind: &str) -> Client {
        let tenant = self.credentials.tenants.iter().find(|tenant| tenant.kind == kind).expect("a tenant");
        Client::new(&self.credentials.base_url, &tenant.api_keys.full).expect("a client")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn cold(&self) -> PathBuf {
        self.folder.join("data-cold")
    }

    /// The files that hold a root key: the enclaves', and nobody else's.
    fn root_keys(&self) -> [PathBuf; 2] {
        [self.data(), self.cold()].map(|folder| folder.join("enclave/root.key"))
    }

    fn simulator(&self) -> PathBuf {
        self.data().join("simulator.provider")
    }

    /// The simulator's secret, as it is written and as it is meant.
    fn simulator_secret(&self) -> (String, Vec<u8>) {
        let text = fs::read_to_string(self.simulator()).expect("the provider's file");
        let secret = text.lines().find_map(|line| line.strip_prefix("secret=")).expect("a secret").to_owned();
        let bytes = secret.as_bytes().chunks(2);
        let bytes = bytes.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16));
        let bytes = bytes.collect::<Result<_, _>>().expect("hexadecimal");
        (secret, bytes)
    }

    fn end(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert!(self.child.wait().expect("an end").success());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn canary_secrets_are_nowhere_outside_the_enclave() {
    let seed = seed();
    println!("canary: HOLDFAST_SEED={seed} makes the same secrets");
    let folder = tempfile::tempdir().expect("a folder");
    let mut sandbox = Sandbox::start(folder.path());
    let mut story = Story::new(Chance::of(seed));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        story.retail(&sandbox.client("retail")).await.expect("answers");
        story.partner(&sandbox.client("partner")).await.expect("answers");
    });
    let secrets = secrets_of(&sandbox, &story);
    let credentials = credentials_of(&sandbox);

    let server = sandbox.child.id();
    let enclave = enclave_of(server);
    let memory = dump::dump(server, folder.path(), "server").expect("a dump of the server");
    let open_files = dump::open_files(server);
    println!("figure: canary_dump {} bytes", fs::metadata(&memory).expect("a dump").len());
    let found = search_open(&secrets, &open_files, &sandbox);
    assert!(found.is_empty(), "in files that the server holds open: {found:?}");
    look_into_the_enclave(&secrets, enclave, folder.path());
    check_controls_in_memory(&sandbox, &story, &memory);
    let found = secrets.in_file(&memory);
    assert!(found.is_empty(), "in the server's memory: {found:?}");

    // While it runs, with its write-ahead log, and after its end.
    search_files(&sandbox, &story, &secrets, &credentials);
    sandbox.end();
    search_files(&sandbox, &story, &secrets, &credentials);
    println!("figure: canary_secrets {} secrets", story.secrets.len());
    println!("figure: canary_keys {} keys", story.public_keys.len());
    println!("figure: canary_hits 0 hits");
}

/// Plaintexts, private keys, root keys.
fn secrets_of(sandbox: &Sandbox, story: &Story) -> Searcher {
    let mut searcher = Searcher::new();
    for (name, secret) in &story.secrets {
        searcher.add(name, secret);
    }
    for public_key in &story.public_keys {
        add_private_half(&mut searcher, public_key);
    }
    searcher.add("some private RSA key", &PKCS8_RSA);
    for path in sandbox.root_keys() {
        searcher.add("a root key", &fs::read(&path).expect("a root key"));
        assert_eq!(searcher.in_file(&path).len(), 1, "the searcher does not find {}", path.display());
    }
    searcher
}

fn add_private_half(searcher: &mut Searcher, public_key: &[u8]) {
    let modulus = &public_key[MODULUS];
    let marker = [&modulus[modulus.len() - 24..], &AFTER_MODULUS].concat();
    searcher.add("the private half of a known key", &marker);
}

/// API keys and the simulator's secret.
fn credentials_of(sandbox: &Sandbox) -> Searcher {
    let mut searcher = Searcher::new();
    for tenant in &sandbox.credentials.tenants {
        let keys = &tenant.api_keys;
        for key in [&keys.full, &keys.no_partner_scope, &keys.expired] {
            searcher.add("an API key", key.as_bytes());
        }
    }
    assert_eq!(searcher.in_file(&sandbox.folder.join("credentials.json")).len(), 1);
    let (text, bytes) = sandbox.simulator_secret();
    searcher.add("the simulator's secret", text.as_bytes());
    searcher.add("the simulator's secret, read", &bytes);
    assert_eq!(searcher.in_file(&sandbox.simulator()).len(), 2);
    searcher
}

fn search_files(sandbox: &Sandbox, story: &Story, secrets: &Searcher, credentials: &Searcher) {
    let mut control = Searcher::new();
    control.add("control", &story.control);
    let mut controls = BTreeSet::new();
    let files =
        [sandbox.data(), sandbox.cold()].iter().flat_map(|folder| files_below(folder)).collect::<Vec<_>>();
    assert!(files.iter().any(|path| path.ends_with("sandbox.log")), "{files:?}");
    for path in &files {
        if !sandbox.root_keys().contains(path) {
            let found = secrets.in_file(path);
            assert!(found.is_empty(), "in {}: {found:?}", path.display());
        }
        if *path != sandbox.simulator() {
            let found = credentials.in_file(path);
            assert!(found.is_empty(), "in {}: {found:?}", path.display());
        }
        controls.extend(control.in_file(path).into_iter().map(|(_, form)| form));
    }
    assert_eq!(controls, all_forms(), "metadata are in the database in every form");
    // What it prints for its user has the API keys on purpose, and none of the rest.
    for name in ["output.txt", "credentials.json"] {
        let found = secrets.in_file(&sandbox.folder.join(name));
        assert!(found.is_empty(), "in {name}: {found:?}");
    }
    println!("figure: canary_files {} files", files.len());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let files = entries.flat_map(|entry| match entry.file_type().expect("a kind") {
        kind if kind.is_dir() => files_below(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    files.collect()
}

fn search_open(secrets: &Searcher, open: &[PathBuf], sandbox: &Sandbox) -> BTreeSet<Hit> {
    let data = sandbox.data();
    let names: Vec<_> = open.iter().filter_map(|link| fs::read_link(link).ok()).collect();
    assert!(names.iter().any(|name| name.starts_with(&data)), "the database is not open: {names:?}");
    open.iter().flat_map(|link| secrets.in_file(link)).collect()
}

/// What must be in the server's memory is found there.
fn check_controls_in_memory(sandbox: &Sandbox, story: &Story, memory: &Path) {
    let mut searcher = Searcher::new();
    searcher.add("path", sandbox.data().display().to_string().as_bytes());
    searcher.add("control", &story.control);
    let key = &sandbox.credentials.tenants[0].api_keys.full;
    searcher.add("API key", key.as_bytes());
    let found = searcher.in_file(memory);
    let forms_of =
        |name: &str| found.iter().filter(|hit| hit.0 == name).map(|hit| hit.1).collect::<BTreeSet<_>>();
    assert!(forms_of("path").contains("raw"), "the searcher does not find what is in memory: {found:?}");
    assert!(forms_of("API key").contains("raw"), "the searcher does not find what is in memory: {found:?}");
    assert_eq!(forms_of("control"), all_forms(), "metadata are in memory in every form");
}

/// The online enclave among the children of a sandbox.
fn enclave_of(sandbox: u32) -> u32 {
    let is_child = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        parent.is_some_and(|parent| parent.trim() == sandbox.to_string())
            && String::from_utf8_lossy(&line).contains("enclave\0serve")
    };
    let entries = fs::read_dir("/proc").expect("processes can be listed").filter_map(Result::ok);
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(is_child).expect("an enclave")
}

/// Nobody but root gets a dump, and not even root one with a root key in it. What else he finds there is told and not
/// judged.
fn look_into_the_enclave(secrets: &Searcher, enclave: u32, folder: &Path) {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    match dump::dump(enclave, folder, "enclave") {
        Err(_) => println!("figure: canary_enclave_dumps 0 dumps"),
        Ok(path) => {
            assert!(is_root, "the enclave was dumped without privilege");
            let found = secrets.in_file(&path);
            let has_root = found.iter().any(|(name, _)| name == "a root key");
            assert!(!has_root || !dump::lacks_secret_memory(), "{found:?}");
            println!("figure: canary_hits_in_the_enclave {} hits", found.len());
            println!("canary: a dump of the enclave by root holds {found:?}");
            fs::remove_file(path).expect("a dump");
        }
    }
}

fn all_forms() -> BTreeSet<&'static str> {
    forms(&[0; 32]).into_iter().map(|(form, _)| form).collect()
}

#[test]
fn canary_search_finds_each_form_at_each_place() {
    let mut chance = Chance::of(seed());
    let secret = chance.bytes(100);
    let mut searcher = Searcher::new();
    searcher.add("secret", &secret);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("planted");
    let check = |form: &str, before: usize, part: &[u8]| {
        for (_, text) in forms(part).into_iter().filter(|(other, _)| *other == form) {
            fs::write(&path, [&vec![b'.'; before], &text[..], b"..."].concat()).expect("a file");
            let found = searcher.in_file(&path);
            assert!(found.iter().any(|hit| hit.1 == form), "{form} of {} bytes after {before}", part.len());
        }
    };
    for form in all_forms() {
        for part in [&secret[..], &secret[..40], &secret[3..67], &secret[61..]] {
            for before in 0..9 {
                check(form, before, part);
            }
        }
        // Over the seam of two reads.
        check(form, 32 * 1024 * 1024 - 20, &secret);
    }
    fs::write(&path, chance.bytes(1 << 20)).expect("a file");
    assert!(searcher.in_file(&path).is_empty());
}

#[test]
fn canary_search_knows_a_private_key() {
    let private = PrivateDecryptingKey::generate(KeySize::Rsa4096).expect("a key");
    let der: Pkcs8V1Der<'_> = private.as_der().expect("its DER");
    let public: PublicKeyX509Der<'_> = private.public_key().as_der().expect("its DER");
    let mut searcher = Searcher::new();
    add_private_half(&mut searcher, public.as_ref());
    searcher.add("some private RSA key", &PKCS8_RSA);
    assert!(searcher.in_bytes(public.as_ref()).is_empty(), "a public key is no secret");
    for (form, text) in forms(der.as_ref()) {
        let found = searcher.in_bytes(&text);
        let names: BTreeSet<_> = found.iter().filter(|hit| hit.1 == form).map(|hit| hit.0.as_str()).collect();
        assert_eq!(names.len(), 2, "{form}: {found:?}");
    }
}
