//! Attacks on the veto over a change that has passed and waits: to stop one without having a veto, and to have one that
//! was stopped.

use std::time::Duration;

use super::*;

/// How long the changes of these scripts wait, in seconds.
const DELAY_S: i64 = 3_600;
/// How often it is looked whether a delay of a second is over.
const TRIES: usize = 600;

impl World {
    /// A list of Anna, Ben, and Cora, who has a veto; and a weaker version of it, which Anna and Ben had pass and which
    /// waits.
    fn waiting(&mut self) -> (AclDocument, AclDocument) {
        let first = self.vetoed(DELAY_S);
        let weaker = next(&first, |list| list.rule = Rule::Exact(1));
        let taken = expect!(self.changed(&first, &weaker), Amended);
        assert!(taken.effective_at_ms > now_ms() + 3_500_000, "it waits");
        (first, weaker)
    }

    fn vetoed(&mut self, delay_s: i64) -> AclDocument {
        let mut cora = self.cora.member();
        cora.veto = true;
        self.founded(|list| {
            list.members.push(cora);
            list.delay_hot_s = delay_s;
        })
    }

    fn stop(&mut self, list: &AclDocument, hash: &[u8; 32], ballot: Ballot) -> Reply {
        self.client.call(&Request::Stop(Weigh { acl: bytes_of(list), hash: *hash, ballot }))
    }

    fn stop_fails(&mut self, list: &AclDocument, hash: &[u8; 32], ballot: Ballot, why: &str) {
        assert_eq!(self.stop(list, hash, ballot), Reply::Refused(Refusal::ProofFailed), "{why}");
    }

    /// Cora stops what waits, and the list goes on from the version that is in force.
    fn stops(&mut self, list: &AclDocument, weaker: &AclDocument) {
        let hash = hash_of(weaker);
        let no = self.cora.no(&hash);
        expect!(self.stop(list, &hash, no), Verified);
        assert_eq!(self.changed(list, weaker), Reply::Refused(Refusal::ProofFailed), "it was stopped");
        let stricter = next(list, |list| list.vote_window_s -= 1);
        let taken = expect!(self.changed(list, &stricter), Amended);
        assert!(taken.effective_at_ms <= now_ms(), "nothing waits before it");
    }
}

pub const SCRIPTS: &[Script] = &[
    ("stop a change by who has no veto", |world| {
        let (first, weaker) = world.waiting();
        let hash = hash_of(&weaker);
        for (why, ballot) in [
            ("a normal member", world.anna.no(&hash)),
            ("a stranger", world.stranger.no(&hash)),
            ("an Owner who is not on the list", world.owner.no(&hash)),
            ("a stranger in her name", Ballot { person_id: "cora".into(), ..world.stranger.no(&hash) }),
            ("a member in her name", Ballot { person_id: "cora".into(), ..world.anna.no(&hash) }),
            ("she in a normal member's name", Ballot { person_id: "anna".into(), ..world.cora.no(&hash) }),
        ] {
            world.stop_fails(&first, &hash, ballot, why);
        }
        world.stops(&first, &weaker);
    }),
    ("take a vote for a veto", |world| {
        let (first, weaker) = world.waiting();
        let hash = hash_of(&weaker);
        let (yes, offline) = (world.cora.yes(&hash), world.cora.yes_offline(&hash));
        for (why, ballot) in [
            ("her yes", yes.clone()),
            ("her yes, said to be a no", Ballot { approve: false, ..yes }),
            ("what she signed offline, said to be a no", Ballot { approve: false, ..offline }),
            ("her no, said to be a yes", Ballot { approve: true, ..world.cora.no(&hash) }),
        ] {
            world.stop_fails(&first, &hash, ballot, why);
        }
        world.stops(&first, &weaker);
    }),
    ("stop another change than was signed for", |world| {
        let (first, weaker) = world.waiting();
        let (other, others) = world.waiting();
        let (hash, others_hash) = (hash_of(&weaker), hash_of(&others));
        let unseen = hash_of(&next(&first, |list| list.rule = Rule::Majority));
        let over = |hash: &[u8; 32]| world.cora.no(hash);
        let (this, that, none) = (over(&hash), over(&others_hash), over(&unseen));
        world.stop_fails(&first, &hash, that.clone(), "her veto over another list's change");
        world.stop_fails(&first, &hash, none.clone(), "her veto over what nobody voted for");
        world.stop_fails(&first, &others_hash, that, "another list's change by this list");
        world.stop_fails(&other, &hash, this, "this list's change by another list");
        world.stop_fails(&first, &unseen, none, "what does not wait");
        world.stops(&first, &weaker);
        world.stops(&other, &others);
    }),
    ("stop a change by a list of another tenant, or of one's own", |world| {
        let (first, weaker) = world.waiting();
        let (hash, tenant) = (hash_of(&weaker), world.fresh("tenant"));
        let mut own = list(Env::Production, &tenant, &first.acl_id, &[&world.cora, &world.stranger]);
        own.members.iter_mut().for_each(|member| member.veto = true);
        let (client, stranger) = (&mut world.client, &world.stranger);
        found(client, stranger, &own);
        let by_stranger = stranger.no(&hash);
        let with_veto = |list: &AclDocument| {
            let mut list = list.clone();
            list.members.iter_mut().for_each(|member| member.veto = true);
            list
        };
        let elsewhere = AclDocument { env: Env::Sandbox, ..first.clone() };
        world.stop_fails(&own, &hash, by_stranger, "another tenant's list");
        let by_anna = world.anna.no(&hash);
        for (why, list, ballot) in [
            ("the list as nobody signed it", with_veto(&first), by_anna.clone()),
            ("the version that waits", weaker.clone(), world.cora.no(&hash)),
            ("the version that waits, altered", with_veto(&weaker), by_anna),
            ("another environment's list", elsewhere, world.cora.no(&hash)),
        ] {
            world.stop_fails(&list, &hash, ballot, why);
        }
        world.stops(&first, &weaker);
    }),
    ("have what was stopped", |world| {
        let (first, weaker) = world.waiting();
        let hash = hash_of(&weaker);
        let no = world.cora.no(&hash);
        expect!(world.stop(&first, &hash, no.clone()), Verified);
        expect!(world.stop(&first, &hash, no.clone()), Verified);
        let all = vec![world.anna.yes(&hash), world.ben.yes(&hash), world.cora.yes(&hash)];
        let current = bytes_of(&first);
        let again = amend(&mut world.client, &weaker, Some(&current), None, all);
        assert_eq!(again, Reply::Refused(Refusal::ProofFailed), "the very same, with every vote");
        let on_top = next(&weaker, |list| list.vote_window_s -= 1);
        for current in [&first, &weaker] {
            let reply = world.changed(current, &on_top);
            assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "on top of what was stopped");
        }
        let keyed = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
        let request = attach_request(&world.owner, &world.roster, &weaker, std::slice::from_ref(&&keyed));
        let reply = world.client.call(&Request::Attach(request));
        assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "a key under what was stopped");
        // The same wish, proposed anew under another name, waits: the veto over the first is none over this.
        let renamed = AclDocument { name: "Board, once more".into(), ..weaker.clone() };
        expect!(world.changed(&first, &renamed), Amended);
        world.stop_fails(&first, &hash_of(&renamed), no.clone(), "her veto over the first");
        expect!(world.stop(&first, &hash, no), Verified);
        let again = world.changed(&first, &next(&first, |list| list.rule = Rule::Exact(1)));
        assert_eq!(again, Reply::Refused(Refusal::ProofFailed), "beside one that waits, or stopped");
        world.stops(&first, &renamed);
    }),
    ("stop what has taken effect", |world| {
        let first = world.vetoed(DELAY_S);
        let stricter = next(&first, |list| list.vote_window_s -= 1);
        expect!(world.changed(&first, &stricter), Amended);
        let (hash, before) = (hash_of(&stricter), hash_of(&first));
        let (no, of_before) = (world.cora.no(&hash), world.cora.no(&before));
        world.stop_fails(&stricter, &hash, no.clone(), "what took effect at once");
        world.stop_fails(&first, &hash, no, "by the version of before");
        world.stop_fails(&stricter, &before, of_before, "the version of before");
        let weaker = next(&stricter, |list| list.rule = Rule::Exact(1));
        expect!(world.changed(&stricter, &weaker), Amended);
        world.stops(&stricter, &weaker);
        let first = world.vetoed(1);
        let weaker = next(&first, |list| list.rule = Rule::Exact(1));
        expect!(world.changed(&first, &weaker), Amended);
        let hash = hash_of(&weaker);
        let third = next(&weaker, |list| list.vote_window_s -= 1);
        let is_in_force = (0..TRIES).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            matches!(world.changed(&weaker, &third), Reply::Amended(_))
        });
        assert!(is_in_force, "its delay ends");
        for list in [&first, &weaker, &third] {
            let no = world.cora.no(&hash);
            world.stop_fails(list, &hash, no, "what waited and is in force since");
        }
    }),
    ("stop a change by a member who was taken off", |world| {
        let first = world.vetoed(0);
        let without = next(&first, |list| {
            list.members.pop();
            list.members[1].veto = true;
            list.delay_hot_s = DELAY_S;
        });
        let taken = expect!(world.changed(&first, &without), Amended);
        assert!(taken.effective_at_ms <= now_ms());
        let weaker = next(&without, |list| list.rule = Rule::Exact(1));
        expect!(world.changed(&without, &weaker), Amended);
        let hash = hash_of(&weaker);
        for list in [&without, &first] {
            let no = world.cora.no(&hash);
            world.stop_fails(list, &hash, no, "she was taken off");
        }
        let no = world.ben.no(&hash);
        expect!(world.stop(&without, &hash, no), Verified);
        assert_eq!(world.changed(&without, &weaker), Reply::Refused(Refusal::ProofFailed));
    }),
];

/// What was stopped stays so whenever the enclave reads its log again.
#[test]
fn a_veto_outlives_the_process() {
    let mut world = World::new();
    let (first, weaker) = world.waiting();
    let hash = hash_of(&weaker);
    let no = world.cora.no(&hash);
    expect!(world.stop(&first, &hash, no), Verified);
    world.enclave.kill();
    world.enclave = Enclave::start(&world.folder, &Settings { env: Env::Production, ..Settings::default() });
    world.client = world.enclave.connect();
    assert_eq!(world.changed(&first, &weaker), Reply::Refused(Refusal::ProofFailed));
    let other = next(&first, |list| list.rule = Rule::Majority);
    expect!(world.changed(&first, &other), Amended);
}
