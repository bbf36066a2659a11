//! The real program, as a newcomer meets it: it starts, tells its stories, and leaves nothing behind.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A sandbox that stays up until it is told to end.
struct Sandbox {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Sandbox {
    fn start(data_dir: &Path, more: &[&str]) -> Self {
        let mut child = command(data_dir, more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("it has an output")).lines();
        let mut sandbox = Self { child, lines, said: Vec::new() };
        sandbox.read_until("Ctrl-C");
        sandbox
    }

    fn read_until(&mut self, word: &str) {
        for line in self.lines.by_ref() {
            let line = line.expect("text");
            self.said.push(line);
            if self.said.last().is_some_and(|line| line.contains(word)) {
                return;
            }
        }
        panic!("it ended before it said {word:?}: {:#?}", self.said);
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Whatever failed: nothing stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data_dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).args(more);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The command lines of all processes that name this folder.
fn processes_on(data_dir: &Path) -> Vec<String> {
    let name = data_dir.display().to_string();
    let line_of = |pid: PathBuf| Some(text(&fs::read(pid.join("cmdline")).ok()?).replace('\0', " "));
    let all = fs::read_dir("/proc").expect("processes can be listed");
    let lines = all.filter_map(|entry| line_of(entry.ok()?.path()));
    lines.filter(|line| line.contains(&name)).collect()
}

fn wait_until_gone(data_dir: &Path) {
    for _ in 0..100 {
        if processes_on(data_dir).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("still running: {:#?}", processes_on(data_dir));
}

#[test]
fn the_tour_goes_well_and_leaves_nothing_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    let credentials = folder.path().join("credentials.json");
    let flags = ["--tour", "--once", "--credentials", &credentials.display().to_string()];
    let Output { status, stdout, stderr } = command(&data_dir, &flags).output().expect("the program runs");
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    // Where a line ends is not what is told.
    let told = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in TOLD {
        assert!(told.contains(words), "{words:?} is missing in\n{stdout}");
    }
    assert_eq!(told.matches("byte for byte").count(), 2, "{stdout}");
    tells_no_secret(&stdout, &credentials);
    assert!(!stdout.contains('\x1b'), "colours where no terminal is");
    assert_eq!(processes_on(&data_dir), Vec::<String>::new());

    // Again on the same folder: the stories begin at their beginning.
    let again = command(&data_dir, &["--tour", "--once", "--json"]).output().expect("the program runs");
    let told = text(&again.stdout);
    assert!(again.status.success(), "{told}");
    let events = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let events: Vec<_> = events.collect();
    let last = events.iter().find(|event| event["event"] == "tour-ended").expect("an ended tour");
    let steps = events.iter().filter(|event| event["event"] == "step").count();
    assert_eq!((&last["ok"], &last["steps"], steps), (&true.into(), &STEPS.into(), STEPS));
    assert!(told.contains("on record from its start"), "the owners are signed for once: {told}");
    // The credentials are one event, which a program asked for; the tour is what follows it.
    let ready = events.iter().position(|event| event["event"] == "ready").expect("a sandbox");
    let tour: Vec<&str> = told.lines().skip(ready + 1).collect();
    tells_no_secret(&tour.join("\n"), &credentials);
}

/// How many steps the three stories have.
const STEPS: usize = 24;

/// What the tour must say.
const TOLD: [&str; 12] = [
    "Story one",
    "Story two",
    "Story three",
    "[1/24]",
    "[24/24]",
    "Passed: the votes can take effect now.",
    "The same code, so it is the same request",
    "It is ready: whoever asked can download it.",
    "the manifest names the request that was voted on",
    "This link was used: each opens once.",
    "recovery.download-refused person refused link-spent",
    "The tour is over: 24 steps, all as they should be.",
];

/// What people sign in with, and what a browser alone holds, is not told.
fn tells_no_secret(told: &str, credentials: &Path) {
    let written: client::api::sandbox::Credentials =
        serde_json::from_slice(&fs::read(credentials).expect("a file")).expect("the contract's shape");
    let people: Vec<_> = written.tenants.iter().flat_map(|tenant| &tenant.control).collect();
    assert_eq!(people.len(), 15);
    for person in people {
        for secret in [&person.password, &person.totp_secret, &person.passkey.private_key_pkcs8] {
            assert!(!told.contains(secret.as_str()), "{} of {}", secret, person.email);
        }
    }
    let plain = told.replace(' ', "");
    for (name, stands) in [
        ("\"password\":", "\"(hidden)\""),
        ("\"csrf\":", "\"(hidden)\""),
        ("\"credential\":", "\"(signedbythepasskey)\""),
        ("package?token=", "(hidden)"),
        ("cookie:holdfast=", "(hidden)"),
    ] {
        let shown: Vec<_> = plain.split(name).skip(1).collect();
        assert!(!shown.is_empty() || name.starts_with("cookie"), "{name} is nowhere in\n{told}");
        assert!(shown.iter().all(|after| after.starts_with(stands)), "{name} in\n{told}");
    }
}

#[test]
fn pasted_lines_work_and_the_end_is_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    let credentials = folder.path().join("credentials.json");
    let mut sandbox = Sandbox::start(&data_dir, &["--credentials", &credentials.display().to_string()]);

    assert_eq!(fs::metadata(&credentials).expect("a file").permissions().mode() & 0o777, 0o600);
    let written: client::api::sandbox::Credentials =
        serde_json::from_slice(&fs::read(&credentials).expect("a file")).expect("the contract's shape");
    let kinds: Vec<_> = written.tenants.iter().map(|tenant| tenant.kind.as_str()).collect();
    assert_eq!(kinds, ["retail", "partner", "institution"]);

    let is_call = |line: &&String| line.starts_with("curl ") || line.starts_with("V=$(");
    let pasted: Vec<String> = sandbox.said.iter().filter(is_call).cloned().collect();
    assert!(pasted.len() >= 6, "{pasted:#?}");
    let shell = Command::new("sh").args(["-c", &pasted.join("\n")]).current_dir(folder.path()).output();
    let answers = text(&shell.expect("a shell").stdout);
    for words in ["\"approved\"", "\"signed_payload\"", "\"key.", "assignment-sig"] {
        assert!(answers.contains(words), "{words} is missing in\n{answers}\nof\n{pasted:#?}");
    }
    assert!(!answers.contains("\"error\":"), "{answers}");
    assert!(folder.path().join("holdfast-openapi.json").exists());

    let second = command(&data_dir, &["--once"]).output().expect("the program runs");
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("another sandbox"), "{}", text(&second.stderr));

    sandbox.signal("-TERM");
    assert!(sandbox.child.wait().expect("an end").success());
    assert_eq!(processes_on(&data_dir), Vec::<String>::new());
}

#[test]
fn when_the_sandbox_is_killed_its_enclave_ends_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    let mut sandbox = Sandbox::start(&data_dir, &[]);
    assert!(processes_on(&data_dir).iter().any(|line| line.contains("enclave serve")));
    sandbox.child.kill().expect("it can be killed");
    sandbox.child.wait().expect("an end");
    wait_until_gone(&data_dir);
    // What a kill left behind does not keep the next one from starting.
    let next = command(&data_dir, &["--once"]).output().expect("the program runs");
    assert!(next.status.success(), "{}", text(&next.stderr));
}

#[test]
fn an_enclave_that_dies_is_started_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    let mut sandbox = Sandbox::start(&data_dir, &[]);
    let pid = pid_of_enclave(&data_dir);
    assert!(Command::new("kill").args(["-KILL", &pid]).status().expect("kill runs").success());
    sandbox.read_until("started again");
    assert_ne!(pid_of_enclave(&data_dir), pid);
    sandbox.signal("-INT");
    assert!(sandbox.child.wait().expect("an end").success());
    assert_eq!(processes_on(&data_dir), Vec::<String>::new());
}

fn pid_of_enclave(data_dir: &Path) -> String {
    let name = data_dir.display().to_string();
    let is_it = |pid: &PathBuf| {
        let line = text(&fs::read(pid.join("cmdline")).unwrap_or_default());
        line.contains(&name) && line.contains("enclave\0serve")
    };
    let mut pids = fs::read_dir("/proc").expect("processes can be listed").filter_map(Result::ok);
    let pid = pids.find_map(|entry| Some(entry.path()).filter(is_it)).expect("an enclave");
    text(pid.file_name().expect("a number").as_encoded_bytes())
}

/// A running sandbox's address and its partner's key, of its credentials file.
fn partner_of(credentials: &Path) -> (String, String) {
    let written: client::api::sandbox::Credentials =
        serde_json::from_slice(&fs::read(credentials).expect("a file")).expect("the contract's shape");
    let partner = written.tenants.into_iter().find(|tenant| tenant.kind == "partner").expect("a partner");
    (written.base_url, partner.api_keys.full)
}

/// A POST: status, headers and body as one text.
fn post((base, key): &(String, String), path: &str, body: &str) -> String {
    let header = format!("X-API-Key: {key}");
    let mut curl = Command::new("curl");
    curl.args(["-s", "-i", "-X", "POST", "-H", &header, "-H", "Content-Type: application/json", "-d", body]);
    text(&curl.arg(format!("{base}{path}")).output().expect("curl runs").stdout)
}

fn assign_cold(partner: &(String, String), user: &str, key_type: &str) -> String {
    let body = format!(
        "{{\"user_identifier\":\"{user}\",\"key_type\":\"{key_type}\",\"key_environment\":\"COLD\",\
         \"organisation\":{{\"customer_id\":\"c\"}},\"package\":{{\"package_id\":\"p\"}}}}"
    );
    post(partner, "/v1/partner/keys", &body)
}

#[test]
fn ceremonies_are_left_to_whoever_asks_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    let credentials = folder.path().join("credentials.json");
    let file = credentials.display().to_string();
    let mut sandbox = Sandbox::start(&data_dir, &["--manual-ceremony", "--credentials", &file]);
    assert!(sandbox.said.iter().any(|line| line.contains("/v1/sandbox/ceremony")), "{:#?}", sandbox.said);
    let partner = partner_of(&credentials);
    for key_type in ["rsa4096", "secp256k1", "ed25519"] {
        let dry = assign_cold(&partner, "user-1", key_type);
        assert!(dry.starts_with("HTTP/1.1 503") && dry.contains("pool-empty"), "{dry}");
        assert!(dry.to_lowercase().contains("\r\nretry-after: "), "{dry}");
    }
    let cold = folder.path().join("sandbox-cold");
    let kept = fs::read(cold.join("enclave/cold.keys")).expect("a list of keys");
    assert_eq!(kept, 0_u32.to_be_bytes(), "nobody asked for a key");
    assert!(processes_on(&cold).is_empty(), "nobody asked for a ceremony: {:#?}", processes_on(&cold));

    let held = post(&partner, "/v1/sandbox/ceremony", "{}");
    assert!(held.starts_with("HTTP/1.1 200") && held.contains("\"keys_added\":36"), "{held}");
    assert!(processes_on(&cold).is_empty(), "it was answered before its end: {:#?}", processes_on(&cold));
    for key_type in ["rsa4096", "secp256k1", "ed25519"] {
        let given = assign_cold(&partner, key_type, key_type);
        assert!(given.starts_with("HTTP/1.1 200") && given.contains("\"COLD\""), "{given}");
    }
    // There is room for as many as were given out.
    let held = post(&partner, "/v1/sandbox/ceremony", "{}");
    assert!(held.starts_with("HTTP/1.1 200") && held.contains("\"keys_added\":3"), "{held}");

    sandbox.signal("-TERM");
    assert!(sandbox.child.wait().expect("an end").success());
    assert_eq!(processes_on(&data_dir), Vec::<String>::new());
}

#[test]
fn cold_keys_are_made_again_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    let credentials = folder.path().join("credentials.json");
    let file = credentials.display().to_string();
    let _sandbox = Sandbox::start(&data_dir, &["--credentials", &file]);
    let partner = partner_of(&credentials);
    // More than were there at the start.
    for user in 0..20 {
        let user = format!("user-{user}");
        let is_given = |_| {
            std::thread::sleep(Duration::from_millis(150));
            let answer = assign_cold(&partner, &user, "ed25519");
            assert!(answer.starts_with("HTTP/1.1 200") || answer.contains("pool-empty"), "{answer}");
            answer.starts_with("HTTP/1.1 200")
        };
        assert!((0..400).any(is_given), "{user} never got a key");
    }
}

#[test]
fn the_limits_of_recoveries_are_rehearsed_on_request_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("sandbox");
    for (flags, word) in [(&[][..], "off"), (&["--recovery-limits"][..], "on")] {
        let mut sandbox = Sandbox::start(&data_dir, flags);
        let enclave = processes_on(&data_dir).into_iter().find(|line| line.contains("enclave serve"));
        let enclave = enclave.expect("an enclave");
        assert!(enclave.contains(&format!("--recovery-limits {word} ")), "{enclave}");
        sandbox.signal("-TERM");
        assert!(sandbox.child.wait().expect("an end").success());
    }
}
