//! An old copy of the enclave's log, put back: whoever remembers what came after it is not served by it.

mod rig;

use std::path::Path;

use boundary::Env;
use boundary::message::{Hello, Judge, Mark, Marked, Refusal, Reply, Request};
use rig::*;

fn ask(client: &mut Client, latest: Option<&Marked>) -> Reply {
    client.call(&Request::Mark(Mark { latest: latest.map(|marked| marked.mark.clone()) }))
}

fn mark(client: &mut Client, latest: Option<&Marked>) -> Marked {
    expect!(ask(client, latest), Marked)
}

fn put_back(copy: &Path, folder: &Folder) {
    std::fs::copy(copy, folder.path("state").join("state.log")).expect("copied");
}

fn give_up_to(record: u64) -> Settings {
    Settings { extra: vec!["--give-up-to".into(), record.to_string()], ..Settings::default() }
}

/// Asks for a decision on that session, and says nothing.
fn judge_of(session: &Session) -> Judge {
    let nothing = Vec::new;
    Judge { ticket: session.ticket.clone(), roster: nothing(), review: nothing(), ballots: Vec::new() }
}

/// An enclave of which a copy was taken before a session's one recovery went out.
struct World {
    folder: Folder,
    provider: Provider,
    enclave: Enclave,
    bundle: Bundle,
    key: UserKey,
    session: Session,
    remembered: Marked,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let enclave = Enclave::start(&folder, &Settings::default());
        let (mut client, mut provider, gpg) = (enclave.connect(), Provider::start(), Gpg::new(&folder));
        let recipient = curve25519(&gpg, "ada");
        let key = new_key(&mut client, TENANT, USER);
        let session = open(&mut client, TENANT, USER, None);
        let stored = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
        let admission = approve(&mut client, &mut provider, &session, "inq_1");
        let bundle = Bundle::new(
            &mut client,
            Env::Production,
            TENANT,
            USER,
            &session,
            &[admission],
            "inq_1",
            &gpg.export(&recipient),
            &[stored],
        );
        std::fs::copy(folder.path("state").join("state.log"), folder.path("copy")).expect("copied");
        assert_eq!(expect!(bundle.send(&mut client), Released).delivery, 1);
        let remembered = mark(&mut client, None);
        Self { folder, provider, enclave, bundle, key, session, remembered }
    }

    fn restart(&mut self, settings: &Settings) -> Client {
        self.enclave.kill();
        self.enclave = Enclave::start(&self.folder, settings);
        self.enclave.connect()
    }
}

#[test]
fn an_old_copy_decides_nothing_for_whoever_remembers_more() {
    let mut world = World::new();
    // What the log itself has passes, after a restart too.
    let mut client = world.restart(&Settings::default());
    let later = mark(&mut client, Some(&world.remembered));
    assert!(later.sequence > world.remembered.sequence);
    mark(&mut client, Some(&later));

    world.enclave.kill();
    put_back(&world.folder.path("copy"), &world.folder);
    let mut client = world.restart(&Settings::default());
    // Whoever remembers nothing has nothing to hold against it: the copy has forgotten what went out.
    assert_eq!(expect!(world.bundle.send(&mut client), Released).delivery, 1);
    for remembered in [&world.remembered, &later] {
        assert_eq!(ask(&mut client, Some(remembered)), Reply::Refused(Refusal::RolledBack));
    }
    for mut client in [client, world.enclave.connect()] {
        assert_eq!(world.bundle.send(&mut client), Reply::Refused(Refusal::RolledBack));
        assert_eq!(ask(&mut client, None), Reply::Refused(Refusal::RolledBack));
        expect!(client.call(&Request::Hello(Hello { env: Env::Production })), Welcome);
    }
}

#[test]
fn a_copy_that_has_grown_past_what_is_remembered_is_no_less_old() {
    let mut world = World::new();
    world.enclave.kill();
    put_back(&world.folder.path("copy"), &world.folder);
    let mut client = world.restart(&Settings::default());
    for number in 0..8 {
        let session = open(&mut client, TENANT, &format!("user-{number}"), None);
        approve(&mut client, &mut world.provider, &session, &format!("inq_{number}0"));
    }
    let grown = mark(&mut client, None);
    assert!(grown.sequence > world.remembered.sequence);
    assert_eq!(ask(&mut client, Some(&world.remembered)), Reply::Refused(Refusal::RolledBack));
}

#[test]
fn what_is_lost_is_given_up_by_its_number_and_ends_every_session() {
    let mut world = World::new();
    world.enclave.kill();
    put_back(&world.folder.path("copy"), &world.folder);
    let number = world.remembered.sequence;
    let mut client = world.restart(&give_up_to(number + 1));
    assert_eq!(ask(&mut client, Some(&world.remembered)), Reply::Refused(Refusal::RolledBack));
    let mut client = world.restart(&give_up_to(number));
    assert_eq!(expect!(world.bundle.send(&mut client), Released).delivery, 1, "until it is given up");
    mark(&mut client, Some(&world.remembered));
    // What is opened in the millisecond of the giving up is over too.
    std::thread::sleep(std::time::Duration::from_millis(2));
    let session = open(&mut client, TENANT, USER, None);
    let item = check_item(&world.key, "backup-2", b"later");
    for restarted in [false, true] {
        if restarted {
            client = world.restart(&Settings::default());
            mark(&mut client, Some(&world.remembered));
        }
        assert_eq!(world.bundle.send(&mut client), Reply::Refused(Refusal::ProofFailed));
        let late = world.provider.sign(&world.session.id, r#""inquiry":"inq_1""#);
        let stored = check_request(&world.key, TENANT, USER, Some(&world.session), vec![item.clone()]);
        let nothing = Judge { ticket: world.session.ticket.clone(), ..judge_of(&session) };
        for request in [admit_request(&world.session, &late), stored, Request::Judge(nothing)] {
            assert_eq!(client.call(&request), Reply::Refused(Refusal::SealBroken));
        }
    }
    // What is over is only what was opened before.
    expect!(client.call(&check_request(&world.key, TENANT, USER, Some(&session), vec![item])), Checked);
    assert_eq!(client.call(&Request::Judge(judge_of(&session))), Reply::Refused(Refusal::Malformed));
    approve(&mut client, &mut world.provider, &session, "inq_2");
}

#[test]
fn a_mark_is_the_enclaves_own() {
    let world = World::new();
    let mut client = world.enclave.connect();
    let mut altered = world.remembered.clone();
    altered.mark[10] ^= 1;
    let other = World::new().remembered;
    for mark in [altered, other] {
        assert_eq!(ask(&mut client, Some(&mark)), Reply::Refused(Refusal::SealBroken));
    }
    mark(&mut client, Some(&world.remembered));
}
