//! A running enclave, what a server would send it, and the world around it: an identity provider and GnuPG.

#![expect(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]
#![expect(clippy::disallowed_methods, reason = "a test of a real process lives in real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use boundary::Env;
use boundary::intent::{Flow, Intent, Item};
use boundary::json::Value;
use boundary::message::*;
use boundary::policy;
use boundary::token::{Ticket, digest_preimage, user_tag_preimage};
use boundary::wire::{Wire, frame, unframe};

pub mod cold;
pub mod control;
pub mod counter;
pub mod keeper;
pub mod machine;
pub mod policy_of;
pub mod world;

pub const TENANT: &str = "tenant-a";
pub const USER: &str = "user-1";
/// What no reply may ever hold.
pub const CANARY: &str = "CANARY-7f3a9d-plaintext";

pub fn sha256(data: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref().try_into().unwrap()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A folder that is gone when the test is.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("hf-enclave-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(self.path("gnupg")).args(["--kill", "all"]).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The enclave's program. The rig is a part of other programs too, which start none by it.
fn program_path() -> &'static Path {
    match option_env!("CARGO_BIN_EXE_holdfast-enclave") {
        Some(path) => Path::new(path),
        None => unreachable!("this is no test of the enclave"),
    }
}

pub fn program() -> Command {
    Command::new(program_path())
}

/// How an enclave is started.
pub struct Settings {
    pub env: Env,
    /// Where the root key is: `disk`, where it is made, or `shares`.
    pub root: &'static str,
    pub extra: Vec<String>,
    pub wrapper: Vec<String>,
    /// The checks that are left out, parted by commas; with any, the weakened build is what is started.
    pub without: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self { env: Env::Production, root: "disk", extra: Vec::new(), wrapper: Vec::new(), without: "" }
    }
}

/// The build of which checks can be left out.
fn weakened() -> PathBuf {
    let path = program_path().with_file_name("holdfast-enclave-weakened");
    assert!(path.exists(), "{} is not there: cargo build -p holdfast-weakened", path.display());
    path
}

/// A running enclave; ended when dropped.
pub struct Enclave {
    pub child: Child,
    pub socket: PathBuf,
    pub env: Env,
}

impl Enclave {
    /// Initialises a state directory below `folder` where there is none, and starts an enclave on it.
    pub fn start(folder: &Folder, settings: &Settings) -> Self {
        let state = folder.path("state");
        let env = settings.env.as_str();
        if settings.root == "disk" && !state.join("signing.keys").exists() {
            run(program().args(["init", "--root", "disk", "--env", env, "--state"]).arg(&state));
        }
        std::fs::write(
            folder.path("provider"),
            format!(
                "name=idp\nformat=persona\nenv={env}\ntemplate=itmpl_good\n\
                 secret=wbhsec_current-secret\nsecret=wbhsec_next-secret-x\n"
            ),
        )
        .unwrap();
        let socket = folder.path("socket");
        let mut command = match settings.wrapper.split_first() {
            None if !settings.without.is_empty() => {
                let mut command = Command::new(weakened());
                command.env("HOLDFAST_WITHOUT", settings.without);
                command
            }
            None => program(),
            Some((wrapper, args)) => {
                let mut command = Command::new(wrapper);
                command.args(args).arg(program_path());
                command
            }
        };
        command
            .args(["serve", "--root", settings.root, "--env", env, "--end-with-stdin", "--socket"])
            .arg(&socket);
        command.arg("--state").arg(&state).arg("--provider").arg(folder.path("provider"));
        command.args(&settings.extra).stdin(Stdio::piped()).stdout(Stdio::piped());
        if std::env::var_os("SHOW_ENCLAVE").is_none() {
            command.stderr(Stdio::null());
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, socket, env: settings.env }
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket)
    }

    pub fn call(&self, request: &Request) -> Reply {
        self.connect().call(request)
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Enclave {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Client(pub UnixStream);

impl Client {
    pub fn connect(socket: &Path) -> Self {
        Self(UnixStream::connect(socket).unwrap())
    }

    /// The reply, which never holds plaintext.
    pub fn call(&mut self, request: &Request) -> Reply {
        self.try_call(request).expect("the enclave answers")
    }

    pub fn try_call(&mut self, request: &Request) -> Option<Reply> {
        self.0.write_all(&frame(request)).ok()?;
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).ok()?;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(prefix)).unwrap()];
        self.0.read_exact(&mut body).ok()?;
        assert!(
            !body.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()),
            "plaintext in a reply"
        );
        Some(unframe(&body).unwrap())
    }
}

/// Takes the one reply a request should have.
#[macro_export]
macro_rules! expect {
    ($reply:expr, $variant:ident) => {
        match $reply {
            boundary::message::Reply::$variant(value) => value,
            other => panic!("expected {}, got {other:?}", stringify!($variant)),
        }
    };
}

/// The identity provider, in a process of its own.
pub struct Provider {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    events: usize,
}

pub struct Signed {
    pub body: Vec<u8>,
    pub signature: String,
}

impl Provider {
    pub fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/provider.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args([
                "current=wbhsec_current-secret",
                "next=wbhsec_next-secret-x",
                "old=wbhsec_old-secret-xy",
                "empty=",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout, events: 0 }
    }

    /// Signs an event about a session; `more` are further members of what is asked, as JSON.
    pub fn sign(&mut self, reference: &str, more: &str) -> Signed {
        self.events += 1;
        let comma = if more.is_empty() { "" } else { "," };
        let event = if more.contains("\"event\"") {
            String::new()
        } else {
            format!("\"event\":\"evt_{}\",", self.events)
        };
        writeln!(self.stdin, "{{{event}\"reference\":\"{reference}\"{comma}{more}}}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let answer = boundary::json::parse(line.trim()).unwrap();
        let text = |name: &str| answer.get(name).and_then(Value::as_text).unwrap().to_owned();
        Signed { body: unhex(&text("body")), signature: text("signature") }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// GnuPG with a home of its own.
pub struct Gpg {
    pub home: PathBuf,
}

impl Gpg {
    pub fn new(folder: &Folder) -> Self {
        let home = folder.path("gnupg");
        std::fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::chown(&home, None, None).unwrap();
        run(Command::new("chmod").arg("700").arg(&home));
        Self { home }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&self.home);
        command.args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        command
    }

    /// Makes a key from a parameter file's lines and gives its fingerprint.
    pub fn generate(&self, name: &str, lines: &str) -> String {
        let mut child =
            self.command().arg("--gen-key").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let parameters = format!("{lines}\nName-Real: {name}\n%no-protection\n%commit\n");
        child.stdin.take().unwrap().write_all(parameters.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{name}");
        self.fingerprint(name)
    }

    /// GnuPG looks for a part of a name, unless told that it is all of one.
    fn exactly(name: &str) -> String {
        let is_fingerprint = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_fingerprint || name.starts_with("hostile") { name.to_owned() } else { format!("={name}") }
    }

    /// Of the primary key, then of each subkey.
    pub fn fingerprints(&self, name: &str) -> Vec<String> {
        let listing = run(self.command().args(["--with-colons", "--list-keys", &Self::exactly(name)])).stdout;
        let listing = String::from_utf8(listing).unwrap();
        let lines = listing.lines().filter(|line| line.starts_with("fpr:"));
        lines.map(|line| line.split(':').nth(9).unwrap().to_owned()).collect()
    }

    pub fn fingerprint(&self, name: &str) -> String {
        self.fingerprints(name).remove(0)
    }

    pub fn export(&self, name: &str) -> Vec<u8> {
        run(self.command().args(["--armor", "--export", &Self::exactly(name)])).stdout
    }

    pub fn decrypt(&self, message: &[u8]) -> Vec<u8> {
        let path = self.home.join("message.asc");
        std::fs::write(&path, message).unwrap();
        run(self.command().arg("--decrypt").arg(&path)).stdout
    }
}

/// What people mostly have.
pub const CURVE25519: &str = "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\n\
    Subkey-Type: ecdh\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt";

pub fn curve25519(gpg: &Gpg, name: &str) -> String {
    gpg.generate(name, CURVE25519)
}

pub fn encrypt(public_key: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(public_key).unwrap()).unwrap();
    let mut out = vec![0; 512];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None).unwrap();
    out
}

pub fn user_tag(tenant: &str, user: &str) -> [u8; 32] {
    sha256(&user_tag_preimage(tenant, user))
}

pub fn bind_request(pool: &PoolKey, tenant: &str, user: &str) -> Bind {
    Bind {
        sealed: pool.sealed.clone(),
        tenant_id: tenant.into(),
        user_identifier: user.into(),
        user_id: "0190b5a0-0000-7000-8000-000000000001".into(),
        sign_with: Vec::new(),
        external_customer_id: None,
        external_package_id: None,
        pulled_by_id: "credential-1".into(),
        pulled_by_type: "api_key".into(),
    }
}

/// A key of a user.
#[derive(Clone)]
pub struct UserKey {
    pub pool: PoolKey,
    pub sealed: Vec<u8>,
}

pub fn new_key(client: &mut Client, tenant: &str, user: &str) -> UserKey {
    let pool = expect!(client.call(&Request::Generate(Generate { key_type: KeyType::Rsa4096 })), Generated);
    let bound = expect!(client.call(&Request::Bind(bind_request(&pool, tenant, user))), Bound);
    UserKey { sealed: bound.sealed, pool }
}

/// A session, as the server holds it.
#[derive(Clone)]
pub struct Session {
    pub id: String,
    pub ticket: Vec<u8>,
}

impl Session {
    pub fn ticket(&self) -> Ticket {
        Ticket::from_bytes(&self.ticket[..self.ticket.len() - 32]).unwrap()
    }
}

pub fn open(client: &mut Client, tenant: &str, user: &str, fingerprint: Option<&str>) -> Session {
    let request = Open {
        tenant_id: tenant.into(),
        user_identifier: user.into(),
        openpgp_fingerprint: fingerprint.map(str::to_owned),
    };
    let opened = expect!(client.call(&Request::Open(request)), Opened);
    Session { id: opened.session_id, ticket: opened.ticket }
}

pub fn admit_request(session: &Session, event: &Signed) -> Request {
    Request::Admit(Admit {
        ticket: session.ticket.clone(),
        provider: "idp".into(),
        body: event.body.clone(),
        signature: event.signature.clone(),
    })
}

pub fn approve(client: &mut Client, provider: &mut Provider, session: &Session, inquiry: &str) -> Vec<u8> {
    let event = provider.sign(&session.id, &format!("\"inquiry\":\"{inquiry}\""));
    let admitted = expect!(client.call(&admit_request(session, &event)), Admitted);
    assert!(!admitted.identity_differs);
    admitted.admission.expect("an approval has an admission")
}

pub fn check_request(
    key: &UserKey,
    tenant: &str,
    user: &str,
    session: Option<&Session>,
    items: Vec<CheckItem>,
) -> Request {
    Request::Check(Check {
        credential_id: "credential-1".into(),
        tenant_id: tenant.into(),
        user_identifier: user.into(),
        key: key.sealed.clone(),
        ticket: session.map(|session| session.ticket.clone()),
        items,
    })
}

pub fn check_item(key: &UserKey, backup_id: &str, plaintext: &[u8]) -> CheckItem {
    CheckItem {
        backup_id: backup_id.into(),
        item_key: format!("name of {backup_id}"),
        ciphertext: encrypt(&key.pool.public_key, plaintext),
        checksum: sha256(plaintext),
    }
}

/// A stored item, as the server holds it.
#[derive(Clone)]
pub struct Stored {
    pub backup_id: String,
    pub key_id: String,
    pub item: ReleaseItem,
    pub plaintext: Vec<u8>,
}

impl Stored {
    pub fn digest(&self, tenant: &str, user: &str) -> [u8; 32] {
        let item = &self.item;
        sha256(&digest_preimage(
            tenant,
            &user_tag(tenant, user),
            &self.key_id,
            &item.item_key,
            &item.ciphertext,
            &item.checksum,
        ))
    }
}

pub fn store(
    client: &mut Client,
    key: &UserKey,
    tenant: &str,
    user: &str,
    session: Option<&Session>,
    backup_id: &str,
) -> Stored {
    let plaintext = format!("{CANARY} of {tenant}/{user}/{backup_id}").into_bytes();
    let item = check_item(key, backup_id, &plaintext);
    let checked =
        expect!(client.call(&check_request(key, tenant, user, session, vec![item.clone()])), Checked);
    Stored {
        backup_id: backup_id.into(),
        key_id: key.pool.key_id.clone(),
        item: ReleaseItem {
            item_key: item.item_key,
            key: key.sealed.clone(),
            ciphertext: item.ciphertext,
            checksum: item.checksum,
            record: checked.records[0].clone(),
        },
        plaintext,
    }
}

/// All that a server brings to a release, each part open to change before it is sent.
#[derive(Clone)]
pub struct Bundle {
    pub intent: Intent,
    pub user: String,
    pub ticket: Vec<u8>,
    pub admissions: Vec<Vec<u8>>,
    pub certificate: Vec<u8>,
    pub items: Vec<ReleaseItem>,
    pub policies: Vec<Vec<u8>>,
    pub request_signature: Option<String>,
}

impl Bundle {
    #[expect(clippy::too_many_arguments, reason = "a release has that many parts")]
    pub fn new(
        client: &mut Client,
        env: Env,
        tenant: &str,
        user: &str,
        session: &Session,
        admissions: &[Vec<u8>],
        inquiry: &str,
        certificate: &[u8],
        stored: &[Stored],
    ) -> Self {
        let inspect = Request::Inspect(Inspect { certificate: certificate.to_vec() });
        let recipient = expect!(client.call(&inspect), Inspected);
        let mut stored = stored.to_vec();
        stored.sort_by(|a, b| a.backup_id.cmp(&b.backup_id));
        let items = stored.iter().map(|stored| Item {
            backup_id: stored.backup_id.clone(),
            key_id: stored.key_id.clone(),
            record_digest: hex(&stored.digest(tenant, user)),
        });
        let intent = Intent {
            flow: Flow::Retail,
            env,
            tenant_id: tenant.into(),
            user_tag: hex(&user_tag(tenant, user)),
            verification_id: inquiry.into(),
            items: items.collect(),
            recipient: boundary::intent::Recipient {
                openpgp_fpr: recipient.openpgp_fpr,
                enc_subkey_fpr: recipient.enc_subkey_fpr,
                cert_sha256: hex(&recipient.cert_sha256),
            },
            policy_hash: hex(&session.ticket().policy_hash),
            policy_version: policy::BUILT_IN_VERSION,
            keys: Vec::new(),
            acl_id: String::new(),
            reason: String::new(),
            requested_by: "credential-1".into(),
            session_nonce: hex(&session.ticket().nonce),
            not_before_ms: now_ms() - 1_000,
            expires_at_ms: now_ms() + 600_000,
        };
        Self {
            intent,
            user: user.into(),
            ticket: session.ticket.clone(),
            admissions: admissions.to_vec(),
            certificate: certificate.to_vec(),
            items: stored.into_iter().map(|stored| stored.item).collect(),
            policies: Vec::new(),
            request_signature: None,
        }
    }

    pub fn request(&self) -> Release {
        Release {
            intent: self.intent.to_canonical().into_bytes(),
            user_identifier: self.user.clone(),
            ticket: self.ticket.clone(),
            admissions: self.admissions.clone(),
            certificate: self.certificate.clone(),
            items: self.items.clone(),
            policies: self.policies.clone(),
            request_signature: self.request_signature.clone(),
        }
    }

    pub fn send(&self, client: &mut Client) -> Reply {
        client.call(&Request::Release(self.request()))
    }
}

pub fn message(outcome: &ItemOutcome) -> &[u8] {
    match outcome {
        ItemOutcome::Message(message) => &message.armoured,
        ItemOutcome::Failed => panic!("item was not released"),
    }
}
