//! A counter in a TPM: an old copy of the enclave's log lets nothing out, though nobody remembers anything of it.

mod rig;

use boundary::Env;
use boundary::acl::Rule;
use boundary::freeze::Freeze;
use boundary::message::{Hello, Mark, Refusal, Reply, Request, Weigh};
use rig::control::{self, Person};
use rig::counter::{Gate, TpmCounter, Way, giving_up, with};
use rig::world::World;
use rig::*;

const AWAY: Reply = Reply::Refused(Refusal::CounterAway);
const OLD: Reply = Reply::Refused(Refusal::RolledBack);

/// An enclave with a counter, and a recovery that is ready.
fn counted() -> (World, TpmCounter) {
    let folder = Folder::new();
    let counter = TpmCounter::start(&folder, "own");
    let world = World::at(folder, &counter.settings());
    (world, counter)
}

fn goes_out(world: &World, client: &mut Client, delivery: u32) {
    assert_eq!(expect!(world.release(client), Released).delivery, delivery);
}

fn freeze(client: &mut Client, hours: u32) {
    expect!(client.call(&Request::Freeze(Freeze { tenant_id: "another".into(), hours })), Frozen);
}

/// Whoever asks anything but who is there is told that the log is old.
fn answers_nothing(world: &World, client: &mut Client) {
    assert_eq!(world.release(client), OLD);
    assert_eq!(client.call(&Request::Mark(Mark { latest: None })), OLD);
    let item = check_item(&world.key, "backup-2", b"later");
    assert_eq!(client.call(&check_request(&world.key, TENANT, USER, None, vec![item])), OLD);
    expect!(client.call(&Request::Hello(Hello { env: Env::Production })), Welcome);
}

fn checks(world: &World, client: &mut Client) {
    let item = check_item(&world.key, "backup-2", b"later");
    expect!(client.call(&check_request(&world.key, TENANT, USER, None, vec![item])), Checked);
}

#[test]
fn a_copy_of_one_life_is_old_once_something_was_released_after_it() {
    let (mut world, counter) = counted();
    let started = counter.value();
    assert_eq!(started, 1, "each start is counted");
    world.copy();
    let mut client = world.enclave.connect();
    goes_out(&world, &mut client, 1);
    assert_eq!(counter.value(), started + 1, "each release is counted once");
    world.enclave.kill();
    world.put_back();
    let mut client = world.restart(&counter.settings());
    answers_nothing(&world, &mut client);
    assert_eq!(counter.value(), started + 1, "an old log counts nothing");
    let mut client = world.restart(&counter.settings());
    answers_nothing(&world, &mut client);
}

#[test]
fn a_copy_of_an_earlier_life_is_old_though_nothing_was_released_since() {
    let (mut world, counter) = counted();
    world.copy();
    let mut client = world.restart(&counter.settings());
    checks(&world, &mut client);
    world.enclave.kill();
    world.put_back();
    let mut client = world.restart(&counter.settings());
    answers_nothing(&world, &mut client);
}

#[test]
fn what_people_decided_is_counted_too() {
    let (owner, other) = (Person::new("olivia"), Person::new("oscar"));
    let founds = |client: &mut Client| {
        let list = control::list(Env::Production, TENANT, "list-1", &[&owner, &other]);
        control::found(client, &owner, &list);
    };
    let stops = |client: &mut Client| {
        let mut list = control::list(Env::Production, TENANT, "list-2", &[&owner, &other]);
        list.delay_hot_s = 3_600;
        list.members[0].veto = true;
        control::found(client, &owner, &list);
        let weaker = control::next(&list, |list| list.rule = Rule::Exact(1));
        let (acl, hash) = (control::bytes_of(&list), control::hash_of(&weaker));
        let yes = vec![owner.yes(&hash), other.yes(&hash)];
        expect!(control::amend(client, &weaker, Some(&acl), None, yes), Amended);
        let ballot = owner.no(&hash);
        expect!(client.call(&Request::Stop(Weigh { acl, hash, ballot })), Verified);
    };
    let freezes = |client: &mut Client| freeze(client, 1);
    for (decide, times) in [(&freezes as &dyn Fn(&mut Client), 1), (&founds, 2), (&stops, 4)] {
        let (mut world, counter) = counted();
        let mut client = world.enclave.connect();
        let before = counter.value();
        freeze(&mut client, 0);
        assert_eq!(counter.value(), before, "to ask is no decision");
        world.copy();
        decide(&mut client);
        assert_eq!(counter.value(), before + times);
        world.enclave.kill();
        world.put_back();
        let mut client = world.restart(&counter.settings());
        answers_nothing(&world, &mut client);
    }
}

#[test]
fn of_two_that_run_at_once_only_one_lets_anything_out() {
    let (world, counter) = counted();
    let second = Folder::new();
    run(std::process::Command::new("cp").arg("-r").arg(world.folder.path("state")).arg(&second.0));
    std::fs::remove_file(second.path("state/lock")).expect("it is there");
    let twin = Enclave::start(&second, &counter.settings());
    let mut client = world.enclave.connect();
    checks(&world, &mut client);
    answers_nothing(&world, &mut client);
    goes_out(&world, &mut twin.connect(), 1);
}

#[test]
fn a_stop_between_log_and_counter_locks_nobody_out_and_lets_nobody_in() {
    for way in [Way::Shut, Way::Mute] {
        let (mut world, counter) = counted();
        let gate = Gate::before(&counter, &world.folder);
        let mut client = world.restart(&with(&gate.socket));
        world.copy();
        let before = counter.value();
        gate.set(way);
        assert_eq!(world.release(&mut client), AWAY, "it is logged, and not known to be counted");
        assert_eq!(counter.value(), before + u64::from(way == Way::Mute));
        // As if it had ended there; and again, in the middle of a start.
        for _ in 0..2 {
            let mut client = world.restart(&with(&gate.socket));
            checks(&world, &mut client);
        }
        gate.set(Way::Open);
        let mut client = world.restart(&counter.settings());
        goes_out(&world, &mut client, 2);
        world.enclave.kill();
        world.put_back();
        let mut client = world.restart(&counter.settings());
        answers_nothing(&world, &mut client);
    }
}

#[test]
fn of_two_that_count_in_one_moment_neither_is_believed() {
    let (mut world, counter) = counted();
    let gate = Gate::before(&counter, &world.folder);
    let mut client = world.restart(&with(&gate.socket));
    gate.set(Way::Shared);
    assert_eq!(world.release(&mut client), OLD);
    answers_nothing(&world, &mut client);
}

#[test]
fn an_old_copy_of_the_offline_side_does_nothing() {
    let folder = Folder::new();
    let counter = TpmCounter::start(&folder, "offline");
    let state = folder.path("offline");
    run(program().args(["init", "--root", "disk", "--env", "production", "--state"]).arg(&state));
    let batch = || {
        let mut command = program();
        command.args(["batch", "--env", "production", "--ed25519", "1", "--state"]).arg(&state);
        command.arg("--out").arg(folder.path("batch")).arg("--counter").arg(&counter.socket);
        command.output().expect("it runs").status.success()
    };
    assert!(batch());
    std::fs::copy(state.join("state.log"), folder.path("copy")).expect("copied");
    assert!(batch());
    std::fs::copy(folder.path("copy"), state.join("state.log")).expect("copied");
    assert!(!batch());
}

#[test]
fn without_the_counter_nothing_goes_out_and_all_else_goes_on() {
    let (mut world, mut counter) = counted();
    world.copy();
    counter.away();
    let mut client = world.enclave.connect();
    for restarted in [false, true] {
        if restarted {
            client = world.restart(&counter.settings());
        }
        assert_eq!(world.release(&mut client), AWAY);
        checks(&world, &mut client);
        freeze(&mut client, 1);
        new_key(&mut client, TENANT, "user-2");
    }
    counter.serve();
    goes_out(&world, &mut client, 1);
    // An old copy does not catch up while nobody can compare it.
    world.enclave.kill();
    world.put_back();
    counter.away();
    let mut client = world.restart(&counter.settings());
    for hours in 1..5 {
        freeze(&mut client, hours);
    }
    assert_eq!(world.release(&mut client), AWAY);
    counter.serve();
    answers_nothing(&world, &mut client);
}

#[test]
fn another_counter_is_no_word_for_this_log() {
    let (mut world, counter) = counted();
    let other = TpmCounter::start(&world.folder, "other");
    let mut client = world.restart(&other.settings());
    answers_nothing(&world, &mut client);
    // However far it has come.
    let elsewhere = World::at(Folder::new(), &other.settings());
    for delivery in 1..4 {
        goes_out(&elsewhere, &mut elsewhere.enclave.connect(), delivery);
    }
    let mut client = world.restart(&other.settings());
    answers_nothing(&world, &mut client);
    // Nor is one that has counted for somebody a word for a log that has not.
    let fresh = World::new(&Settings::default());
    let mut client = world.restart(&counter.settings());
    goes_out(&world, &mut client, 1);
    let mut fresh = fresh;
    let mut client = fresh.restart(&counter.settings());
    answers_nothing(&fresh, &mut client);
}

#[test]
fn what_is_lost_is_given_up_by_how_far_the_counter_has_come() {
    let (mut world, counter) = counted();
    world.copy();
    let mut client = world.enclave.connect();
    goes_out(&world, &mut client, 1);
    world.enclave.kill();
    world.put_back();
    let count = counter.value();
    for other in [count - 1, count + 1] {
        let mut client = world.restart(&giving_up(counter.settings(), other));
        answers_nothing(&world, &mut client);
    }
    let settings = giving_up(counter.settings(), count);
    let mut client = world.restart(&settings);
    assert_eq!(world.release(&mut client), Reply::Refused(Refusal::ProofFailed), "what was open is over");
    checks(&world, &mut client);
    // Once: the counter has moved on.
    world.enclave.kill();
    world.put_back();
    let mut client = world.restart(&settings);
    answers_nothing(&world, &mut client);
}

#[test]
fn a_log_that_was_counted_is_not_one_that_never_was() {
    let (mut world, counter) = counted();
    let mut client = world.restart(&Settings::default());
    answers_nothing(&world, &mut client);
    let mut client = world.restart(&giving_up(Settings::default(), 1));
    answers_nothing(&world, &mut client);
    let mut client = world.restart(&giving_up(Settings::default(), 0));
    checks(&world, &mut client);
    let mut client = world.restart(&Settings::default());
    checks(&world, &mut client);
    // And back: what was not counted since, the counter cannot vouch for.
    let mut client = world.restart(&counter.settings());
    answers_nothing(&world, &mut client);
    let mut client = world.restart(&giving_up(counter.settings(), counter.value()));
    checks(&world, &mut client);
    let mut client = world.restart(&counter.settings());
    checks(&world, &mut client);
}
