//! The root key with five holders, by the real programs: GnuPG, the enclave, the server, the holders' tool.

#![expect(
    clippy::panic,
    dead_code,
    reason = "a test may stop at once, in what its functions share too, and uses its part of the rig"
)]

mod rig {
    pub mod chance;
    pub mod dump;
    pub mod group;
    pub mod hex;
    pub mod holders;
    pub mod house;
    pub mod search;
    pub mod stock;
}
mod shares {
    pub mod epochs;
    pub mod from_disk;
    pub mod offline;
    pub mod rekey;
}

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use client::api::retail::{GenerateKeyRequest, StartRequest};
use client::{Client, RecipientKey, RecoverAllRequest, Secret};
use holder::{Holder, Plan, Purpose, SHARE_PREFIX, Share, Wire as _, paper};

use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::hex::hex;
use crate::rig::holders::{ceremony, fed};
use crate::rig::house::{House, PATIENCE, five, words};
use crate::rig::search::Searcher;
use crate::rig::stock::in_stock;

const SECRET: &[u8] = b"correct horse battery staple, and so on";

fn share_of(text: &[u8]) -> Share {
    paper::read(std::str::from_utf8(text).expect("text")).expect("a share")
}

fn text_of(share: &Share) -> Vec<u8> {
    format!("{SHARE_PREFIX}{}\n", hex(&share.to_bytes())).into_bytes()
}

async fn verified(client: &Client) -> String {
    let request = StartRequest { user_identifier: "ada".to_owned(), gpg_fingerprint: None };
    client
        .retail()
        .start_verification_with(&request, "approve_inquiry")
        .await
        .expect("approved")
        .verification_id
}

async fn store(client: &Client) {
    let verification = verified(client).await;
    let request = GenerateKeyRequest {
        user_identifier: "ada".to_owned(),
        verification_id: verification.clone(),
        sign_with: None,
    };
    let answer = in_stock(|| client.retail().generate_key(&request)).await.expect("a key");
    let key = client.attest_generated(&request, &answer).await.expect("attested");
    let secret = Secret::from(SECRET.to_vec());
    let request =
        client::store_request("ada", &verification, &key, &[("wallet", &secret)]).expect("a request");
    client.retail().store_backup(&request).await.expect("stored");
}

async fn recover(client: &Client) {
    let verification = verified(client).await;
    let key = RecipientKey::generate().expect("a key");
    let request = RecoverAllRequest {
        user_identifier: "ada",
        verification_id: &verification,
        device: &key,
        request_signature: None,
    };
    let recovered = client.recover(&request).await.expect("recovered");
    assert_eq!(recovered.secrets.len(), 1);
    assert_eq!(recovered.secrets[0].secret.expose(), SECRET);
}

/// No file below the folder, and no word of a process, has the root key or a share.
fn nowhere(house: &House, shares: &[Vec<u8>]) {
    let mut searcher = Searcher::new();
    for share in shares.iter().map(|text| share_of(text)) {
        searcher.add("a share", &share.value);
    }
    searcher.add("the root key", &root_of(shares));
    for path in files_below(house.folder.path()) {
        let found = searcher.in_file(&path);
        assert!(found.is_empty(), "in {}: {found:?}", path.display());
    }
    let server = house.server.as_ref().expect("a server").id();
    for link in rig::dump::open_files(server) {
        let found = searcher.in_file(&link);
        assert!(found.is_empty(), "in {}, which the server holds open: {found:?}", link.display());
    }
    let dump = rig::dump::dump(server, house.folder.path(), "server").expect("a dump");
    let found = searcher.in_file(&dump);
    assert!(found.is_empty(), "in the server's memory: {found:?}");
    let mut control = Searcher::new();
    control.add("path", house.path("data").display().to_string().as_bytes());
    assert!(!control.in_file(&dump).is_empty(), "the searcher does not find what is in memory");
    fs::remove_file(dump).expect("a dump");
    not_in_the_enclaves_dump(house, &searcher);
}

/// Nobody but root gets a dump of the enclave, and the root key is not in his either. What else is in it is told and not
/// judged: what the OpenPGP library had of a share, while it was dealt, is not ours to wipe.
fn not_in_the_enclaves_dump(house: &House, secrets: &Searcher) {
    let Ok(dump) = rig::dump::dump(house.enclave(), house.folder.path(), "enclave") else {
        let is_root = fs::metadata("/proc/self").expect("a process").uid() == 0;
        assert!(!is_root, "there is no dump of the enclave");
        return;
    };
    let found = secrets.in_file(&dump);
    let is_hidden = rig::dump::lacks_secret_memory();
    println!("ceremony: a dump of the enclave by root holds {found:?}");
    let has_root = found.iter().any(|(name, _)| name == "the root key");
    assert!(!has_root || !is_hidden, "in the enclave's memory: {found:?}");
    let mut control = Searcher::new();
    control.add("path", house.path("state").display().to_string().as_bytes());
    assert!(!control.in_file(&dump).is_empty(), "the searcher does not find what is in memory");
    fs::remove_file(dump).expect("a dump");
}

/// Puts the key together as anybody could who had three shares.
fn root_of(shares: &[Vec<u8>]) -> Vec<u8> {
    let shares: Vec<Share> = shares.iter().take(3).map(|text| share_of(text)).collect();
    let shares: Vec<_> = shares.iter().map(|share| [&share.index[..], &share.value].concat()).collect();
    let shares: Vec<_> =
        shares.iter().map(|bytes| blahaj::Share::try_from(bytes.as_slice()).expect("a share")).collect();
    blahaj::Sharks(3).recover(&shares).expect("the key")
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

#[test]
fn three_of_five_open_what_the_disk_alone_does_not() {
    let people = five();
    let mut house = House::new();
    house.start_enclave();
    house.start_server();
    let sealed = |answer: &str| {
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("enclave-sealed") && answer.contains("retry-after: "), "{answer}");
    };
    sealed(&house.get("/readyz"));
    let shares = house.init(&people, "shares");
    for share in fs::read_dir(house.path("shares")).expect("a folder") {
        let mode = share.expect("a share").metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "encrypted, and nobody else's all the same");
    }
    sealed(&house.get("/readyz"));
    assert!(house.get("/healthz").starts_with("HTTP/1.1 200 "));
    sealed(&house.get("/.well-known/jwks.json"));
    assert_eq!(house.status()["open"], false);

    // Any three, at once, each from a terminal of his own; a share given twice is one.
    assert_eq!(house.unseal(&shares[4]).expect("taken")["given"], 1);
    assert_eq!(house.unseal(&shares[4]).expect("taken")["given"], 1);
    assert_eq!(house.unseal(&shares[0]).expect("taken")["done"], false);
    sealed(&house.get("/readyz"));
    assert_eq!(house.unseal(&shares[2]).expect("taken")["done"], true);
    wait_for("readiness", PATIENCE, || house.get("/readyz").starts_with("HTTP/1.1 200 ").then_some(()));

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = house.client();
    runtime.block_on(store(&client));
    nowhere(&house, &shares);

    // A restart seals it again, and the server goes on by itself.
    house.start_enclave();
    sealed(&house.get("/readyz"));
    let error = ceremony(
        &words("init", &people, &["--out", house.path("again").to_str().expect("text")]),
        &house.socket(),
        b"",
    );
    assert!(error.expect_err("a root key is not made twice").contains("ceremony status"));
    thread::scope(|scope| {
        let together: Vec<_> =
            shares[1..4].iter().map(|share| scope.spawn(|| house.unseal(share).expect("taken"))).collect();
        let said: Vec<_> =
            together.into_iter().map(|one| one.join().expect("a holder")["done"].clone()).collect();
        assert_eq!(said.iter().filter(|done| **done == true).count(), 1, "{said:?}");
    });
    wait_for("readiness", PATIENCE, || house.get("/readyz").starts_with("HTTP/1.1 200 ").then_some(()));
    runtime.block_on(recover(&client));
    nowhere(&house, &shares);
}

#[test]
fn what_is_not_a_share_of_this_ceremony_does_not_count() {
    let people = five();
    let mut house = House::new();
    house.start_enclave();
    let before = house.init(&people, "first");
    // Nothing was sealed yet: it may be made anew, and then the first shares are of another ceremony.
    let shares = house.init(&people, "second");
    assert_eq!(house.unseal(&shares[0]).expect("taken")["given"], 1);
    assert!(house.unseal(&before[1]).expect_err("an older share").contains("another ceremony"));
    let wrong = |alter: &dyn Fn(&mut Share)| {
        let mut share = share_of(&shares[1]);
        alter(&mut share);
        house.unseal(&text_of(&share)).expect_err("not a share")
    };
    let refused = "not a share of this ceremony";
    assert!(wrong(&|share| share.value[31] ^= 1).contains(refused));
    assert!(wrong(&|share| share.index = [3]).contains(refused));
    assert!(wrong(&|share| share.index = [0]).contains(refused));
    assert!(wrong(&|share| share.index = [6]).contains(refused));
    assert!(wrong(&|share| share.enclave[0] ^= 1).contains("not the enclave"));
    assert_eq!(
        house.status()["attempt"]["given"],
        1,
        "what was given before still counts, and nothing else does"
    );
    assert_eq!(house.unseal(&shares[1]).expect("taken")["given"], 2);
    assert_eq!(house.status()["open"], false);

    // Another enclave that answers at the same place gets nothing.
    let mut other = House::new();
    other.start_enclave();
    other.init(&people, "shares");
    assert!(other.unseal(&shares[2]).expect_err("another enclave").contains("not the enclave"));
    assert_eq!(house.unseal(&shares[2]).expect("taken")["done"], true);
}

/// Stands between a holder and the enclave, and changes what each says.
fn relay(house: &House, from_holder: fn(&mut Vec<u8>), from_enclave: fn(&mut Vec<u8>)) -> PathBuf {
    let (socket, enclave) = (house.path("relay.sock"), house.socket());
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a holder");
            let mut through = UnixStream::connect(&enclave).expect("the enclave");
            let mut request = read_frame(&mut stream);
            from_holder(&mut request);
            through.write_all(&request).expect("the enclave reads");
            let mut reply = read_frame(&mut through);
            from_enclave(&mut reply);
            stream.write_all(&reply).expect("the holder reads");
        }
    });
    socket
}

fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).expect("a length");
    let length = u32::from_be_bytes(frame[..].try_into().expect("four bytes"));
    frame.resize(4 + length as usize, 0);
    stream.read_exact(&mut frame[4..]).expect("a body");
    frame
}

/// Whose certificate the relay would have new shares for.
static FORGER: OnceLock<PathBuf> = OnceLock::new();

fn open(house: &House, shares: &[Vec<u8>]) {
    for share in shares {
        house.unseal(share).expect("taken");
    }
    assert_eq!(house.status()["open"], true);
}

/// Behind length and version: the tag of `Give`, the length of the ciphertext.
const GIVE: [u8; 2] = [1, 26];
/// The same of `Begin`, and of `Begun`.
const BEGUN: [u8; 2] = [1, 25];

/// On another machine: the question goes there, the answer comes back, and the share stays.
fn given_elsewhere(house: &House, share: &[u8]) -> PathBuf {
    let paths = [house.path("question"), house.path("answer")];
    let [question, answer] = paths.each_ref().map(|path| path.to_str().expect("text"));
    ceremony(&["question", "--out", question], &house.socket(), b"").expect("a question");
    // Who was told the code of a rekey does not open an enclave with his share.
    let mut coded = Command::new(PROGRAM);
    coded.args(["ceremony", "answer", question, "--share", "-", "--code", "AAAA-AAAA", "--out", answer]);
    assert!(!fed(&mut coded, share).status.success() && !Path::new(answer).exists());
    let mut command = Command::new(PROGRAM);
    command.args(["ceremony", "answer", question, "--share", "-", "--out", answer]);
    assert!(fed(&mut command, share).status.success());
    assert_eq!(ceremony(&["give", answer], &house.socket(), b"").expect("taken")["given"], 2);
    let mut searcher = Searcher::new();
    searcher.add("a share", &share_of(share).value);
    assert!(searcher.in_file(Path::new(answer)).is_empty());
    house.path("answer")
}

#[test]
fn whoever_carries_a_share_neither_reads_nor_changes_it() {
    let people = five();
    let mut house = House::new();
    house.start_enclave();
    let shares = house.init(&people, "shares");
    let through = |from_holder, from_enclave, share: &[u8]| {
        ceremony(&["unseal", "--share", "-"], &relay(&house, from_holder, from_enclave), share)
    };
    let as_is: fn(&mut Vec<u8>) = |_| ();
    let error = through(
        |request| {
            if request[4..6] == GIVE {
                request[300] ^= 1;
            }
        },
        as_is,
        &shares[0],
    );
    assert!(error.expect_err("altered").contains("altered on the way"));
    // Neither the question nor the signature under it may be touched.
    for at in [40, 600] {
        let altered: fn(&mut Vec<u8>) = if at == 40 {
            |reply| {
                if reply[4..6] == BEGUN {
                    reply[40] ^= 1;
                }
            }
        } else {
            |reply| {
                if reply[4..6] == BEGUN {
                    let at = reply.len() - 10;
                    reply[at] ^= 1;
                }
            }
        };
        let error = through(as_is, altered, &shares[0]).expect_err("not given");
        assert!(error.contains("not given"), "{at}: {error}");
    }
    assert_eq!(house.status()["attempt"]["given"], 0);
    assert_eq!(through(as_is, as_is, &shares[0]).expect("taken")["given"], 1);

    // An open enclave is asked for new shares behind the back of whoever thinks he holds a drill.
    open(&house, &shares[1..3]);
    let forged: fn(&mut Vec<u8>) = |request| {
        if request[4..6] == BEGUN {
            let certificate = fs::read(FORGER.get().expect("a forger")).expect("a certificate");
            let plan = Plan { threshold: 2, holders: vec![Holder::OpenPgp(certificate); 2] };
            let body = [&BEGUN[..], &Purpose::Rekey(plan).to_bytes()].concat();
            let length = u32::try_from(body.len()).expect("a short frame");
            *request = [&length.to_be_bytes()[..], &body].concat();
        }
    };
    FORGER.set(people[4].certificate.clone()).expect("set once");
    let socket = relay(&house, forged, as_is);
    let error = ceremony(&["verify", "--share", "-"], &socket, &shares[0]).expect_err("not given");
    assert!(error.contains("something else"), "{error}");
    let running = house.status()["attempt"].clone();
    assert_eq!((&running["purpose"], &running["given"]), (&"rekey".into(), &0.into()));
    house.start_enclave();
    assert_eq!(house.unseal(&shares[0]).expect("taken")["given"], 1);

    let answer = given_elsewhere(&house, &shares[1]);
    let answer = answer.to_str().expect("text");
    // Under the key of an attempt that is over it is worth nothing: a restart ends all of them.
    house.start_enclave();
    ceremony(&["give", answer], &house.socket(), b"").expect_err("nobody asks");
    assert_eq!(house.unseal(&shares[2]).expect("taken")["given"], 1);
    ceremony(&["give", answer], &house.socket(), b"").expect_err("of another attempt");
}
