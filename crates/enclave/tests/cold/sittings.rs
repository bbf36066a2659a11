//! The offline enclave's root key in shares: holders open it for one sitting, and for nothing else.

use std::fs;
use std::io::Read as _;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use boundary::Env;
use boundary::ceremony::{Epochs, Give, Purpose};
use boundary::cold::{ANSWER_FILE, Answers, Entry, File, REQUEST_FILE};
use boundary::message::{Generate, Hello, KeyType, Open, Refusal, Reply, Request};
use boundary::wire::Wire as _;

use crate::rig::cold::{Ceremony, ColdKey, open_by, sit_by, sitting, waiting};
use crate::rig::control::unpack;
use crate::rig::keeper::*;
use crate::rig::*;
use crate::{ALTERED, NOT_NOW, World, expect};

fn order() -> [Entry; 1] {
    [Entry::Make(vec![KeyType::Ed25519])]
}

/// Everything that is not about the root key, as an open online enclave would answer it.
fn ordinary() -> [Request; 3] {
    let open = Open { tenant_id: TENANT.into(), user_identifier: USER.into(), openpgp_fingerprint: None };
    let hello = Hello { env: Env::Production };
    [Request::Hello(hello), Request::Generate(Generate { key_type: KeyType::Ed25519 }), Request::Open(open)]
}

pub fn nothing_else(enclave: &Enclave) {
    for request in ordinary() {
        refused(&enclave.call(&request), Refusal::Sealed);
    }
}

/// The offline enclave's folder, served: for its holders alone.
pub fn served(ceremony: &Ceremony, root: &'static str) -> (Folder, Enclave) {
    let folder = Folder::new();
    std::os::unix::fs::symlink(ceremony.folder.path("offline"), folder.path("state")).unwrap();
    let enclave = Enclave::start(&folder, &Settings { root, ..Settings::default() });
    (folder, enclave)
}

/// What the offline program says when it does not wait.
fn fails(ceremony: &Ceremony, words: &[&str]) -> String {
    let mut command = program();
    command.args(words).args(["--env", "production", "--state"]).arg(ceremony.folder.path("offline"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn holders_open_it_for_one_bundle() {
    let keeper = Keeper::new();
    let mut world = World::of(Ceremony::in_shares(&keeper), |_| ());
    let parcel = world.voted();
    let vouched = world.ceremony.release(&parcel);
    let packaged = expect!(world.hold(vouched), Packaged);
    let files = unpack(&world.ceremony.gpg, &packaged.message);
    assert_eq!(files["data/backup-1"], world.stored.plaintext);

    let ceremony = &mut world.ceremony;
    let bundle = ceremony.bundle(&order()).to_bytes();
    let mut waits = waiting(&ceremony.folder, Env::Production, &mut ceremony.asked_offline(&bundle));
    nothing_else(&waits);
    refused(&waits.call(&Request::Found(keeper.plan(2, 2))), Refusal::NotNow);
    refused(&waits.call(&Request::Collect(Hello { env: Env::Production })), Refusal::NoAttempt);
    let other = Purpose::Sit([7; 32]);
    for purpose in
        [Purpose::Verify, Purpose::Rekey(keeper.plan(2, 2)), Purpose::Retire(1), Purpose::Unseal, other]
    {
        refused(&waits.call(&Request::Begin(purpose)), Refusal::NotNow);
    }
    let begun = begin(&waits, sitting(&bundle));
    for part in [&ceremony.shares[0], &ceremony.shares[3], &ceremony.shares[0]] {
        assert!(!expect!(waits.call(&to(&begun, part)), Given).done);
    }
    assert_eq!(standing(&waits).open, None, "two of three open nothing");
    assert!(
        waits.child.try_wait().unwrap().is_none() && !ceremony.folder.path("out").join(ANSWER_FILE).exists()
    );
    // The third is told that it is done, by a process that goes on to the bundle and ends with it.
    assert!(expect!(waits.call(&to(&begun, &ceremony.shares[4])), Given).done);
    let answers = ceremony.carried(waits.child.wait().unwrap()).unwrap();
    assert!(UnixStream::connect(&waits.socket).is_err(), "nobody is answered any more");
    assert!(!ceremony.folder.path("offline/root.key").exists());

    // The same bundle needs its holders again, and has the same answers.
    let mut again = waiting(&ceremony.folder, Env::Production, &mut ceremony.asked_offline(&bundle));
    refused(&again.call(&to(&begun, &ceremony.shares[4])), Refusal::NoAttempt);
    assert_eq!(standing(&again).open, None);
    sit_by(&again, &bundle, &ceremony.shares[..3]);
    assert_eq!(ceremony.carried(again.child.wait().unwrap()), Ok(answers));
}

#[test]
fn after_the_last_share_its_socket_answers_nobody() {
    let keeper = Keeper::new();
    let mut ceremony = Ceremony::in_shares(&keeper);
    // Two RSA keys take a while: time in which somebody might ask.
    let bundle = ceremony.bundle(&[Entry::Make(vec![KeyType::Rsa4096; 2])]).to_bytes();
    let mut sitting = waiting(&ceremony.folder, Env::Production, &mut ceremony.asked_offline(&bundle));
    // Who says nothing keeps the others waiting for seconds, and not for minutes.
    let silent = UnixStream::connect(&sitting.socket).unwrap();
    let mut client = sitting.connect();
    client.0.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    expect!(client.call(&Request::Stand(Hello { env: Env::Production })), Stands);
    sit_by(&sitting, &bundle, &ceremony.shares[..3]);
    let mut asked = 0;
    while sitting.child.try_wait().unwrap().is_none() {
        for request in ordinary() {
            if let Ok(stream) = UnixStream::connect(&sitting.socket) {
                assert_eq!(Client(stream).try_call(&request), None);
            }
            asked += 1;
        }
    }
    assert!(asked > 0);
    let made = ceremony.carried(sitting.child.wait().unwrap()).unwrap();
    expect!(Reply::from_bytes(&made.parts[0]).unwrap(), Made);
    silent.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn shares_of_another_ceremony_or_enclave_do_not_count() {
    let keeper = Keeper::new();
    let folder = Folder::new();
    let mut founding = waiting(&folder, Env::Production, program().arg("offline-key"));
    nothing_else(&founding);
    // Nobody could read these: made anew, they are of another ceremony.
    let first = found(&founding, &keeper);
    let shares = found(&founding, &keeper);
    let begun = begin(&founding, Purpose::Unseal);
    refused(&founding.call(&to(&begun, &first[0])), Refusal::WrongShare);
    let online = Enclave::start(&folder, &Settings { root: "shares", ..Settings::default() });
    let foreign = found(&online, &keeper);
    refused(&founding.call(&to(&begun, &foreign[0])), Refusal::WrongShare);
    refused(&founding.call(&Request::Give(Give { ciphertext: vec![1; 512] })), Refusal::WrongShare);
    assert_eq!(standing(&founding).attempt.unwrap().given, 0);
    open_by(&founding, &shares[..3]);
    assert!(founding.child.wait().unwrap().success());
    let known = fs::read_to_string(folder.path("offline/offline.pub")).unwrap();
    assert_eq!(known.lines().count(), 2);
    for name in ["identity.key", "ceremonies", "signing.keys", "offline.key"] {
        let mode = fs::metadata(folder.path("offline").join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    // From now on there is something to lose.
    let founding = waiting(&folder, Env::Production, program().arg("offline-key"));
    refused(&founding.call(&Request::Found(keeper.plan(3, 5))), Refusal::NotNow);
}

#[test]
fn a_sitting_that_was_cut_off_goes_on_at_the_next() {
    let keeper = Keeper::new();
    let mut ceremony = Ceremony::in_shares(&keeper);
    let bundle = ceremony.bundle(&[Entry::Make(vec![KeyType::Rsa4096, KeyType::Ed25519])]).to_bytes();
    let sit = |ceremony: &Ceremony| {
        waiting(&ceremony.folder, Env::Production, &mut ceremony.asked_offline(&bundle))
    };
    let mut waits = sit(&ceremony);
    let begun = begin(&waits, sitting(&bundle));
    for part in &ceremony.shares[..2] {
        expect!(waits.call(&to(&begun, part)), Given);
    }
    waits.kill();
    // What was given before the end is forgotten; and so is the root key, in the midst of the work.
    let mut waits = sit(&ceremony);
    assert_eq!(standing(&waits).attempt, None);
    sit_by(&waits, &bundle, &ceremony.shares[2..]);
    waits.kill();
    let mut waits = sit(&ceremony);
    assert_eq!(standing(&waits).open, None);
    sit_by(&waits, &bundle, &ceremony.shares[1..4]);
    let answers: File = ceremony.carried(waits.child.wait().unwrap()).unwrap();
    assert_eq!(ceremony.carry(&bundle), Ok(answers));
}

#[test]
fn one_process_to_a_folder_and_the_root_key_in_one_place() {
    let ceremony = Ceremony::in_shares(&Keeper::new());
    let batch = ["batch", "--ed25519", "1", "--out", "/dev/null/none"];
    assert!(fails(&ceremony, &batch).contains("--socket"), "nothing is waited for where nobody could come");
    assert!(fails(&ceremony, &["offline-key"]).contains("--socket"));
    let founding = waiting(&ceremony.folder, Env::Production, program().arg("offline-key"));
    let other = ceremony.folder.path("other.sock");
    let other = ["--socket", other.to_str().unwrap()];
    assert!(fails(&ceremony, &[&batch[..], &other].concat()).contains("another enclave"));
    assert!(
        fails(&ceremony, &[&["serve", "--root", "shares"][..], &other].concat()).contains("another enclave")
    );
    drop(founding);
    let on_disk = Ceremony::new(Env::Production);
    assert!(fails(&on_disk, &[&batch[..], &other].concat()).contains("without --socket"));
    assert!(fails(&on_disk, &[&["offline-key"][..], &other].concat()).contains("without --socket"));
    assert!(!Path::new(other[1]).exists());
}

/// Where the offline folder is served, for new shares and for drills.
#[test]
fn a_served_offline_folder_answers_its_holders_alone() {
    let keeper = Keeper::new();
    let mut ceremony = Ceremony::in_shares(&keeper);
    let old = ceremony.shares.clone();
    let (_folder, enclave) = served(&ceremony, "shares");
    nothing_else(&enclave);
    open_by(&enclave, &old[..3]);
    assert_eq!(standing(&enclave).open, Some(Epochs { current: 1, former: None }));
    nothing_else(&enclave);
    let collect = Request::Collect(Hello { env: Env::Production });
    let dealt = |purpose: Purpose, by: &[Vec<u8>], threshold: usize| {
        let begun = begin(&enclave, purpose);
        for part in by {
            expect!(enclave.call(&to(&begun, part)), Given);
        }
        let parts = keeper.open(&expect!(enclave.call(&collect), Dealt));
        let begun = begin(&enclave, Purpose::Verify);
        for part in &parts[..threshold] {
            expect!(enclave.call(&to(&begun, part)), Given);
        }
        parts
    };
    let rekeyed = dealt(Purpose::Rekey(keeper.plan(2, 3)), &old[..3], 2);
    let renewed = dealt(Purpose::Renew(keeper.plan(3, 5)), &rekeyed[1..], 3);
    assert_eq!(standing(&enclave).open, Some(Epochs { current: 2, former: Some(1) }));
    nothing_else(&enclave);
    drop(enclave);

    let bundle = ceremony.bundle(&order()).to_bytes();
    let waits = waiting(&ceremony.folder, Env::Production, &mut ceremony.asked_offline(&bundle));
    let begun = begin(&waits, sitting(&bundle));
    for before in [&old[0], &rekeyed[0]] {
        refused(&waits.call(&to(&begun, before)), Refusal::WrongShare);
    }
    drop(waits);
    ceremony.shares = renewed;
    let known = ceremony.offline();
    ceremony.hold(&order());
    assert_eq!(ceremony.offline(), known);
}

#[test]
fn a_root_key_on_the_offline_disk_goes_to_holders_and_nothing_is_lost() {
    let keeper = Keeper::new();
    let mut world = World::new(|_| ());
    let known = world.ceremony.offline();
    let (offline, copy) =
        (world.ceremony.folder.path("offline"), world.ceremony.folder.path("copy-of-before"));
    run(Command::new("cp").arg("-r").arg(&offline).arg(&copy));
    let (_folder, enclave) = served(&world.ceremony, "to-shares");
    nothing_else(&enclave);
    let shares = found(&enclave, &keeper);
    let begun = begin(&enclave, Purpose::Verify);
    for part in &shares[..3] {
        expect!(enclave.call(&to(&begun, part)), Given);
    }
    drop(enclave);
    assert!(!world.ceremony.folder.path("offline/root.key").exists());
    world.ceremony.shares = shares;
    // Keys, list and the record of the check are of the epoch before; a key and a tie of now are made beside them.
    let made: Vec<ColdKey> = world.ceremony.keys(&[KeyType::Ed25519], USER);
    assert!(matches!(world.ceremony.hold(&[made[0].tie()])[0], Reply::Verified(_)));
    let parcel = world.voted();
    let vouched = world.ceremony.release(&parcel);
    let packaged = expect!(world.hold(vouched), Packaged);
    let files = unpack(&world.ceremony.gpg, &packaged.message);
    assert_eq!(files["data/backup-1"], world.stored.plaintext);
    assert_eq!(world.ceremony.offline(), known, "the online enclave knows it still");
    assert_eq!(world.ceremony.carry(b"no bundle").map(drop), ALTERED);
    // A copy of the file, with one of the folder from before, opens nothing that is kept now.
    let kept = Vec::<Vec<u8>>::from_bytes(&fs::read(offline.join("cold.keys")).unwrap()).unwrap();
    assert!(kept.len() > 2 && kept.iter().all(|key| key[4..6] == [0, 1]), "each is of the second epoch");
    fs::copy(offline.join("offline.key"), copy.join("offline.key")).unwrap();
    let mut opened = program();
    let opened = opened.args(["offline-key", "--env", "production", "--state"]).arg(&copy).output().unwrap();
    assert!(String::from_utf8(opened.stderr).unwrap().contains("not sealed by this root key"));
    fs::copy(copy.join("root.key"), offline.join("root.key")).unwrap();
    world.ceremony.shares.clear();
    let bundle = world.ceremony.bundle(&order()).to_bytes();
    assert_eq!(world.ceremony.carry(&bundle).map(drop), NOT_NOW);
}

/// Whoever has the folder in his hands changes nothing by putting another bundle there once the holders are asked.
#[test]
fn the_bundle_that_they_were_asked_for_is_answered_and_no_other() {
    let keeper = Keeper::new();
    let mut ceremony = Ceremony::in_shares(&keeper);
    let [told, other] =
        [1, 2].map(|count| ceremony.bundle(&[Entry::Make(vec![KeyType::Ed25519; count])]).to_bytes());
    let mut waits = waiting(&ceremony.folder, Env::Production, &mut ceremony.asked_offline(&told));
    fs::write(ceremony.folder.path("in").join(REQUEST_FILE), &other).unwrap();
    refused(&waits.call(&Request::Begin(sitting(&other))), Refusal::NotNow);
    refused(&waits.call(&Request::Begin(Purpose::Unseal)), Refusal::NotNow);
    sit_by(&waits, &told, &ceremony.shares[..3]);
    let answers = ceremony.carried(waits.child.wait().unwrap()).unwrap();
    let head = Answers::from_bytes(&answers.head.body).unwrap();
    assert_eq!(Purpose::Sit(head.bundle), sitting(&told));
    // Where there is no bundle, none is opened for.
    let served = served(&ceremony, "shares");
    refused(&served.1.call(&Request::Begin(sitting(&told))), Refusal::NotNow);
    let mut order = program();
    order.args(["batch", "--ed25519", "1", "--out"]).arg(ceremony.folder.path("batch"));
    drop(served);
    let mut waits = waiting(&ceremony.folder, Env::Production, &mut order);
    refused(&waits.call(&Request::Begin(sitting(&told))), Refusal::NotNow);
    open_by(&waits, &ceremony.shares[..3]);
    assert!(waits.child.wait().unwrap().success());
}

/// The socket's mode aside: who is another user is not answered.
#[test]
fn another_user_opens_nothing() {
    let ceremony = Ceremony::in_shares(&Keeper::new());
    let mut founding = waiting(&ceremony.folder, Env::Production, program().arg("offline-key"));
    assert_eq!(fs::metadata(&founding.socket).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&founding.socket, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&ceremony.folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
        s.settimeout(5)\ns.sendall(bytes([0,0,0,3,1,1,1]))\nprint(len(s.recv(9)))";
    let ask = |user: &[&str]| {
        let mut command = Command::new(user[0]);
        command.args(&user[1..]).args(["/usr/bin/python3", "-c", script]).arg(&founding.socket);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    // Length, version, and that it is sealed.
    assert_eq!(ask(&["env"]), "7\n", "the owner is answered");
    if rustix::process::geteuid().is_root() {
        assert!(ask(&["setpriv", "--reuid=65534", "--clear-groups"]).trim_end().replace('0', "").is_empty());
    }
    open_by(&founding, &ceremony.shares[..3]);
    assert!(founding.child.wait().unwrap().success());
    let mut said = String::new();
    founding.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
