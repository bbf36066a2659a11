//! An old copy of the enclave's log, put back: whoever remembers what came after it is not served by it.

mod rig;

use boundary::Env;
use boundary::message::{Hello, Judge, Mark, Marked, Refusal, Reply, Request};
use rig::world::World;
use rig::*;

fn ask(client: &mut Client, latest: Option<&Marked>) -> Reply {
    client.call(&Request::Mark(Mark { latest: latest.map(|marked| marked.mark.clone()) }))
}

fn mark(client: &mut Client, latest: Option<&Marked>) -> Marked {
    expect!(ask(client, latest), Marked)
}

fn give_up_to(record: u64) -> Settings {
    Settings { extra: vec!["--give-up-to".into(), record.to_string()], ..Settings::default() }
}

/// Asks for a decision on that session, and says nothing.
fn judge_of(session: &Session) -> Judge {
    let nothing = Vec::new;
    Judge { ticket: session.ticket.clone(), roster: nothing(), review: nothing(), ballots: Vec::new() }
}

/// An enclave of which a copy was taken before a session's one recovery went out; and what is remembered of it since.
fn sent() -> (World, Marked) {
    let world = World::new(&Settings::default());
    world.copy();
    let mut client = world.enclave.connect();
    assert_eq!(expect!(world.bundle.send(&mut client), Released).delivery, 1);
    let remembered = mark(&mut client, None);
    (world, remembered)
}

#[test]
fn an_old_copy_decides_nothing_for_whoever_remembers_more() {
    let (mut world, remembered) = sent();
    // What the log itself has passes, after a restart too.
    let mut client = world.restart(&Settings::default());
    let later = mark(&mut client, Some(&remembered));
    assert!(later.sequence > remembered.sequence);
    mark(&mut client, Some(&later));

    world.enclave.kill();
    world.put_back();
    let mut client = world.restart(&Settings::default());
    // Whoever remembers nothing has nothing to hold against it: the copy has forgotten what went out.
    assert_eq!(expect!(world.bundle.send(&mut client), Released).delivery, 1);
    for remembered in [&remembered, &later] {
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
    let (mut world, remembered) = sent();
    world.enclave.kill();
    world.put_back();
    let mut client = world.restart(&Settings::default());
    for number in 0..8 {
        let session = open(&mut client, TENANT, &format!("user-{number}"), None);
        approve(&mut client, &mut world.provider, &session, &format!("inq_{number}0"));
    }
    let grown = mark(&mut client, None);
    assert!(grown.sequence > remembered.sequence);
    assert_eq!(ask(&mut client, Some(&remembered)), Reply::Refused(Refusal::RolledBack));
}

#[test]
fn what_is_lost_is_given_up_by_its_number_and_ends_every_session() {
    let (mut world, remembered) = sent();
    world.enclave.kill();
    world.put_back();
    let number = remembered.sequence;
    let mut client = world.restart(&give_up_to(number + 1));
    assert_eq!(ask(&mut client, Some(&remembered)), Reply::Refused(Refusal::RolledBack));
    let mut client = world.restart(&give_up_to(number));
    assert_eq!(expect!(world.bundle.send(&mut client), Released).delivery, 1, "until it is given up");
    mark(&mut client, Some(&remembered));
    // What is opened in the millisecond of the giving up is over too.
    std::thread::sleep(std::time::Duration::from_millis(2));
    let session = open(&mut client, TENANT, USER, None);
    let item = check_item(&world.key, "backup-2", b"later");
    for restarted in [false, true] {
        if restarted {
            client = world.restart(&Settings::default());
            mark(&mut client, Some(&remembered));
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
    let (world, remembered) = sent();
    let mut client = world.enclave.connect();
    let mut altered = remembered.clone();
    altered.mark[10] ^= 1;
    let (_, other) = sent();
    for mark in [altered, other] {
        assert_eq!(ask(&mut client, Some(&mark)), Reply::Refused(Refusal::SealBroken));
    }
    mark(&mut client, Some(&remembered));
}
