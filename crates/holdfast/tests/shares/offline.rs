//! The offline enclave, founded and opened by people with GnuPG and the holders' tool.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use client::api::institution::{NewKeyRequest, NewKeyResponse, StoreOwnRequest};
use client::api::stored::RotateKeyRequest;
use client::{Client, Secret};
use serde_json::Value;

use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::holders::{Person, ceremony, fed, told};
use crate::rig::house::{House, PATIENCE, read_shares, words};
use crate::shares::rekey::{approve_at, ask_at};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Starts what waits for holders at this socket.
fn waiting(words: &[&str], socket: &Path) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(words).args(["--env", "sandbox", "--socket"]).arg(socket);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    wait_for("the offline enclave", PATIENCE, || ceremony(&["status"], socket, b"").ok());
    child
}

/// The code of the bundle that holders are asked to open it for.
fn asked_for_a_bundle(socket: &Path) -> String {
    wait_for("the question", PATIENCE, || {
        let output = fed(
            Command::new(PROGRAM)
                .args(["ceremony", "--json", "status", "--env", "sandbox", "--socket"])
                .arg(socket),
            b"",
        );
        let said = String::from_utf8(output.stdout).expect("text");
        let said = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let asked = said.into_iter().find(|said| said["event"] == "sitting-asked")?;
        Some(asked["code"].as_str().expect("a code").to_owned())
    })
}

fn service(house: &House, words: &[&str]) -> Value {
    let mut command = Command::new(PROGRAM);
    command.args(["ceremony", "--json"]).args(words).arg("--config").arg(house.path("holdfast.toml"));
    told(&fed(&mut command, b"")).expect("it is done")
}

#[test]
fn two_of_three_open_the_offline_enclave_for_one_bundle() {
    let people: Vec<Person> = (0..3).map(|_| Person::new()).collect();
    let mut house = House::new();
    let [socket, state, out, stick, known] =
        ["offline.sock", "offline", "shares", "stick", "offline/offline.pub"].map(|name| house.path(name));
    let unseal = |share: &[u8]| ceremony(&["unseal", "--share", "-"], &socket, share);

    let mut founding = waiting(&["enclave", "offline-key", "--state", text(&state)], &socket);
    let more = ["--threshold", "2", "--out", text(&out)];
    ceremony(&words("init", &people, &more), &socket, b"").expect("shares");
    let shares = read_shares(&people, &out);
    assert_eq!(unseal(&shares[0]).expect("taken")["done"], false);
    assert_eq!(unseal(&shares[2]).expect("taken")["done"], true);
    assert!(founding.wait().expect("it ends").success() && !state.join("root.key").exists());

    house.root = "disk";
    house.offline_key = Some(known.clone());
    house.start_enclave();
    house.write_settings();
    let export = ["export", "--offline-key", text(&known), "--ed25519", "2", "--out", text(&stick)];
    let exported = service(&house, &export);

    // Nobody is asked for a share where there is no bundle.
    let hold = ["ceremony", "--json", "hold", "--state", text(&state), "--in"];
    let mut early = Command::new(PROGRAM);
    early.args(hold).arg(&out).args(["--env", "sandbox", "--socket"]).arg(&socket);
    assert!(told(&fed(&mut early, b"")).expect_err("no bundle").contains("request.cold"));

    let holding = waiting(&[&hold[..], &[text(&stick)]].concat(), &socket);
    let code = asked_for_a_bundle(&socket);
    assert_eq!(code, exported["code"], "holders are asked for this bundle");
    unseal(&shares[1]).expect_err("it opens for nothing else");
    let error = approve_at(&socket, &shares[1], "AAAA-AAAA-AAAA-AAAA").expect_err("of another bundle");
    assert!(error.contains(&format!("the opening for a bundle with the code {code}")), "{error}");
    assert_eq!(approve_at(&socket, &shares[1], &code).expect("taken")["given"], 1);
    assert_eq!(approve_at(&socket, &shares[1], &code).expect("taken")["given"], 1);
    assert!(!stick.join("answer.cold").exists(), "one alone opens nothing");
    // The other is elsewhere.
    let [question, answer] = ["question", "answer"].map(|name| house.path(name));
    ceremony(&["question", "--out", text(&question)], &socket, b"").expect("a question");
    let answered = |code: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["ceremony", "answer", "--share", "-", "--code", code, "--out"]).arg(&answer);
        fed(command.arg(&question), &shares[0]).status.success()
    };
    assert!(!answered("AAAA-AAAA-AAAA-AAAA") && !answer.exists() && answered(&code));
    assert_eq!(ceremony(&["give", text(&answer)], &socket, b"").expect("taken")["done"], true);
    let ended = holding.wait_with_output().expect("it ends");
    assert_eq!(told(&ended).expect("held")["event"], "held");
    let asked = String::from_utf8(ended.stdout).expect("text");
    let asked: Value = serde_json::from_str(asked.lines().next().expect("an event")).expect("JSON");
    assert_eq!(asked["code"], exported["code"], "who types is told for which bundle they open");

    approve_at(&socket, &shares[0], &code).expect_err("it is sealed again, and nobody is there");
    assert_eq!(service(&house, &["import", "--in", text(&stick)])["sequence"], 1);
}

/// The two machines, and the folder of the offline one.
struct Sides {
    house: House,
    people: Vec<Person>,
    shares: Vec<Vec<u8>>,
    /// How many ceremonies there were.
    held: usize,
}

impl Sides {
    fn new() -> Self {
        let people: Vec<Person> = (0..3).map(|_| Person::new()).collect();
        let mut house = House::new();
        let [socket, state, out] = ["offline.sock", "offline", "shares-1"].map(|name| house.path(name));
        let mut founding = waiting(&["enclave", "offline-key", "--state", text(&state)], &socket);
        let more = ["--threshold", "2", "--out", text(&out)];
        ceremony(&words("init", &people, &more), &socket, b"").expect("shares");
        let shares = read_shares(&people, &out);
        let sides = |house| Self { house, people, shares, held: 0 };
        house.root = "disk";
        house.offline_key = Some(state.join("offline.pub"));
        let mut sides = sides(house);
        sides.give("unseal");
        assert!(founding.wait().expect("it ends").success());
        sides.house.start_enclave();
        sides.house.start_server();
        sides
    }

    fn socket(&self) -> PathBuf {
        self.house.path("offline.sock")
    }

    /// Two of the three give their shares.
    fn give(&self, deed: &str) {
        for share in &self.shares[1..] {
            ceremony(&[deed, "--share", "-"], &self.socket(), share).expect("taken");
        }
    }

    /// The same for what has this code.
    fn approve(&self, (asking, code): (Child, String)) -> Value {
        for share in &self.shares[..2] {
            approve_at(&self.socket(), share, &code).expect("taken");
        }
        told(&asking.wait_with_output().expect("an end")).expect("agreed to")
    }

    /// The offline folder, served for its holders, and open.
    fn served(&self) -> Child {
        let state = self.house.path("offline");
        let serve = ["enclave", "serve", "--root", "shares", "--state", text(&state)];
        let served = waiting(&serve, &self.socket());
        self.give("unseal");
        served
    }

    /// A bundle that was answered; the folder in which it lies.
    fn carry(&mut self, more: &[&str]) -> PathBuf {
        self.held += 1;
        let carried = self.house.path(&format!("stick-{}", self.held));
        let [state, known] = ["offline", "offline/offline.pub"].map(|name| self.house.path(name));
        let export = ["export", "--offline-key", text(&known), "--out", text(&carried)];
        service(&self.house, &[&export[..], more].concat());
        let hold = ["ceremony", "--json", "hold", "--state", text(&state), "--in", text(&carried)];
        let holding = waiting(&hold, &self.socket());
        let code = asked_for_a_bundle(&self.socket());
        for share in &self.shares[1..] {
            approve_at(&self.socket(), share, &code).expect("taken");
        }
        told(&holding.wait_with_output().expect("it ends")).expect("held");
        carried
    }

    fn import(&self, carried: &Path) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["ceremony", "--json", "import", "--in"]).arg(carried);
        command.arg("--config").arg(self.house.path("holdfast.toml"));
        command
    }

    /// All that an import says.
    fn imported(&self, carried: &Path) -> Vec<Value> {
        let output = fed(&mut self.import(carried), b"");
        told(&output).expect("imported");
        let said = String::from_utf8(output.stdout).expect("text");
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// A whole ceremony.
    fn hold(&mut self, more: &[&str]) -> Vec<Value> {
        let carried = self.carry(more);
        self.imported(&carried)
    }

    /// A new root key, of which two of the three have shown the shares.
    fn renew(&mut self, epoch: u64) {
        let out = self.house.path(&format!("shares-{}", epoch + 1));
        let more = ["--new-root", "--threshold", "2", "--out", text(&out)];
        self.approve(ask_at(&self.socket(), &words("rekey", &self.people, &more), None));
        self.shares = read_shares(&self.people, &out);
        self.give("verify");
    }

    /// The epochs of the open offline enclave: in force, and before that.
    fn epochs(&self) -> (Option<u64>, Option<u64>) {
        let status = ceremony(&["status"], &self.socket(), b"").expect("a status");
        (status["epoch"].as_u64(), status["former_epoch"].as_u64())
    }
}

fn find<'a>(said: &'a [Value], event: &str) -> Option<&'a Value> {
    said.iter().find(|said| said["event"] == event)
}

fn end(mut child: Child) {
    child.kill().expect("a child");
    child.wait().expect("a child");
}

/// A key made offline, with something stored under it.
async fn stored(client: &Client) -> NewKeyResponse {
    let request = NewKeyRequest {
        user_identifier: "ada".to_owned(),
        key_type: "rsa4096".to_owned(),
        key_environment: Some("COLD".to_owned()),
        organisation: None,
        package: None,
        sign_with: None,
    };
    let key = client.institution().new_key(&request).await.expect("a key");
    let attested = client.attest_new(&request, &key).await.expect("attested");
    let sealed =
        client::encrypt::encrypt(&attested, &Secret::from(b"twelve words".to_vec())).expect("sealed");
    let request = StoreOwnRequest {
        public_key: key.public_key.clone(),
        checksum: Some(sealed.checksum),
        data: sealed.data,
        padding_type: None,
        metadata: None,
    };
    client.institution().store_data(&request).await.expect("stored");
    key
}

#[test]
fn its_root_key_is_renewed_twice_and_what_was_checked_under_the_first_moves_to_a_new_key() {
    let mut sides = Sides::new();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let client = sides.house.client_of(&sides.house.api_key_of("institution", "keys"));
    sides.hold(&["--rsa", "2"]);
    let key = runtime.block_on(stored(&client));
    let said = sides.hold(&[]);
    assert!(
        find(&said, "imported").expect("it is")["entries"].to_string().contains(": verified"),
        "{said:?}"
    );
    assert!(find(&said, "records-resealed").is_none(), "nobody asked");

    for epoch in [1, 2] {
        let served = sides.served();
        assert_eq!(sides.epochs(), (Some(epoch), None));
        sides.renew(epoch);
        assert_eq!(sides.epochs(), (Some(epoch + 1), Some(epoch)));
        // Nobody is asked before an import has found that nothing is left.
        let number = epoch.to_string();
        let retire = ["retire", "--epoch", &number, "--imported"];
        let unheard = sides.house.path("stick-2");
        ceremony(&[&retire[..], &[text(&unheard)]].concat(), &sides.socket(), b"").expect_err("not resealed");
        ceremony(&retire[..3], &sides.socket(), b"").expect_err("nobody has looked");
        end(served);

        let carried = sides.carry(&["--reseal"]);
        for pause_ms in [5, 20, 35, 50, 80] {
            let mut import = sides.import(&carried);
            let import = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            thread::sleep(Duration::from_millis(pause_ms));
            end(import);
        }
        let said = sides.imported(&carried);
        assert_eq!(find(&said, "records-resealed").expect("it is")["left"], 0, "{said:?}");
        assert_eq!(find(&said, "epoch-over").expect("it is")["epoch"], epoch, "{said:?}");

        let served = sides.served();
        let retire = [&retire[..], &[text(&carried)]].concat();
        let other = (epoch + 1).to_string();
        let wrong = ["retire", "--epoch", &other, "--imported", text(&carried)];
        let error = ceremony(&wrong, &sides.socket(), b"").expect_err("another one");
        assert!(error.contains("says nothing of epoch"), "{error}");
        let retired = sides.approve(ask_at(&sides.socket(), &retire, None));
        assert_eq!((&retired["event"], &retired["epoch"]), (&"retired".into(), &epoch.into()));
        assert_eq!(sides.epochs(), (Some(epoch + 1), None));
        end(served);
    }

    // By its record alone the offline enclave knows what it moves.
    let rotate = RotateKeyRequest { sign_with: None };
    let new = runtime.block_on(async { client.institution().rotate_key(&key.key_id, &rotate).await });
    let new = new.expect("rotated").key.key_id;
    let carried = sides.carry(&["--reseal"]);
    let over = carried.join("epoch-over.json");
    std::fs::write(&over, r#"{"offline_epoch_over": 3}"#).expect("of an import before");
    let said = sides.imported(&carried);
    let entries = find(&said, "imported").expect("it is")["entries"].to_string();
    assert!(entries.contains(&format!("moved to the key {new}")), "{entries}");
    assert_eq!(find(&said, "records-resealed").expect("it is")["left"], 0, "{said:?}");
    assert!(find(&said, "epoch-over").is_none() && !over.exists(), "there is one epoch");
}
