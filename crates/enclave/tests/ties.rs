//! Whose a COLD key is, in the eyes of the offline enclave, and under which list: what the online one signs a second time,
//! or in the name of another key, changes neither.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod rig;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use boundary::Env;
use boundary::approval::AclDocument;
use boundary::batch::{Batch, BatchKey, preimage};
use boundary::cold::Entry;
use boundary::message::{Adopt, Amend, KeyType, PoolKey, Refusal, Reply, Request};
use boundary::wire::Wire as _;
use rig::cold::{Ceremony, ColdKey};
use rig::control::*;
use rig::*;

/// Some keys of nobody's, and people.
struct World {
    ceremony: Ceremony,
    pool: Vec<PoolKey>,
    people: [Person; 3],
}

impl World {
    /// With a copy of the online enclave's log, in which the keys are nobody's too.
    fn new() -> Self {
        let mut ceremony = Ceremony::new(Env::Production);
        let pool = ceremony.pool(&[KeyType::Ed25519; 2]);
        ceremony.copy();
        Self { ceremony, pool, people: ["olga", "anna", "ben"].map(Person::new) }
    }

    fn list(&self, acl_id: &str) -> AclDocument {
        let [_, anna, ben] = &self.people;
        list(Env::Production, TENANT, acl_id, &[anna, ben])
    }

    /// The first key, of the user.
    fn given(&mut self) -> ColdKey {
        self.ceremony.give(&self.pool[0], TENANT, USER)
    }

    fn ties(&mut self, keys: &[&ColdKey]) -> Vec<Reply> {
        self.ceremony.hold(&keys.iter().map(|key| key.tie()).collect::<Vec<_>>())
    }

    /// The key that another known offline enclave, which is captured, says has the name of our first one.
    fn namesake(&mut self) -> PoolKey {
        let captured = Ed25519KeyPair::generate().unwrap();
        let path = self.ceremony.folder.path("captured.pub");
        std::fs::write(&path, hex(captured.public_key().as_ref())).unwrap();
        let mut settings = self.ceremony.settings();
        settings.extra.extend(["--offline-key".into(), path.display().to_string()]);
        self.ceremony.restart(&settings);
        let PoolKey { key_id, key_type, .. } = self.pool[0].clone();
        let public_key = Ed25519KeyPair::generate().unwrap().public_key().as_ref().to_vec();
        let keys = vec![BatchKey { key_id, key_type, public_key }];
        let batch = Batch { env: Env::Production, batch_id: [7; 16], made_at_ms: now_ms(), keys }.to_bytes();
        let signature = captured.sign(&preimage(&batch)).as_ref().to_vec();
        let adopt = Request::Adopt(Adopt { batch, signature });
        expect!(self.ceremony.client.call(&adopt), Adopted).keys.remove(0)
    }
}

fn is_tied(reply: &Reply) -> bool {
    matches!(reply, Reply::Verified(_))
}

#[test]
fn a_key_stays_whose_it_was_when_the_online_enclave_was_set_back() {
    let mut world = World::new();
    let (first, pool) = (world.given(), world.pool[1].clone());
    let good = world.ceremony.give(&pool, TENANT, USER);
    world.ceremony.put_back();
    let others = world.ceremony.give(&pool, TENANT, "user-2");
    world.ceremony.put_back();
    let elsewhere = world.ceremony.give(&pool, "tenant-b", USER);
    world.ceremony.put_back();
    // His own, but in the place of another key: what that one guards could be moved to it.
    let heir = world.ceremony.replace(&first, &pool, USER);
    let replies = world.ties(&[&first, &good, &others, &elsewhere, &heir, &good]);
    let bound = Reply::Refused(Refusal::AlreadyBound);
    assert!([0, 1, 5].iter().all(|&at| is_tied(&replies[at])), "{replies:?}");
    assert!(replies[2..5].iter().all(|reply| *reply == bound), "{replies:?}");
}

#[test]
fn a_binding_of_another_key_of_that_name_ties_nothing() {
    let mut world = World::new();
    let namesake = world.namesake();
    let theirs = world.ceremony.give(&namesake, TENANT, "user-2");
    let ours = world.given();
    let replies = world.ties(&[&theirs, &ours]);
    assert_eq!(replies[0], Reply::Refused(Refusal::SealBroken));
    assert!(is_tied(&replies[1]), "{replies:?}");
}

#[test]
fn what_replaces_a_key_is_under_its_list() {
    let mut world = World::new();
    let (list, old, pool) = (world.list("list-1"), world.given(), world.pool[1].clone());
    let mut entries = vec![old.tie()];
    entries.extend(world.ceremony.found(&world.people[0], &list, &[&old.user]));
    let heir = world.ceremony.replace(&old, &pool, USER);
    entries.push(heir.tie());
    let replies = world.ceremony.hold(&entries);
    assert!(!replies.iter().any(|reply| matches!(reply, Reply::Refused(_))), "{replies:?}");
    let [_, anna, ben] = &world.people;
    let keys = [heir.user];
    let parcel = world.ceremony.asked(&list, anna, (&[], &keys)).voted(&[anna, ben]);
    let vouched = world.ceremony.release(&parcel);
    let packaged = expect!(world.ceremony.hold(&[Entry::Release(vouched)]).remove(0), Packaged);
    let files = unpack(&world.ceremony.gpg, &packaged.message);
    assert!(files.contains_key(&format!("keys/{}.pem", pool.key_id)));
}

/// No Owner has put it there.
#[test]
fn a_key_is_under_no_list_of_a_key_that_it_did_not_replace() {
    let mut world = World::new();
    let (list, old, pool) = (world.list("list-1"), world.given(), world.pool[1].clone());
    let mut entries = vec![old.tie()];
    entries.extend(world.ceremony.found(&world.people[0], &list, &[&old.user]));
    world.ceremony.hold(&entries);
    // Set back, the online enclave believes that the old one is another user's.
    world.ceremony.put_back();
    let theirs = world.ceremony.give(&world.pool[0].clone(), TENANT, "user-2");
    let heirs = world.ceremony.replace(&theirs, &pool, "user-2");
    world.ceremony.put_back();
    let namesake = world.namesake();
    let named = world.ceremony.give(&namesake, TENANT, USER);
    let namesakes = world.ceremony.replace(&named, &pool, USER);
    let broken = Reply::Refused(Refusal::SealBroken);
    assert_eq!(world.ties(&[&heirs, &namesakes]), [broken.clone(), broken]);
}

#[test]
fn a_key_stays_under_its_list_when_it_is_tied_again() {
    let mut world = World::new();
    let (old, pool) = (world.given(), world.pool[1].clone());
    let heir = world.ceremony.replace(&old, &pool, USER);
    let owner = &world.people[0];
    let mut entries = vec![old.tie(), heir.tie()];
    let (first, second) = (world.list("list-1"), world.list("list-2"));
    entries.extend(world.ceremony.found(owner, &second, &[&heir.user]));
    let roster = roster(Env::Production, TENANT, &[owner]);
    let amend = Amend {
        document: bytes_of(&first),
        current: None,
        roster: Some(bytes_of(&roster)),
        ballots: vec![owner.yes(&hash_of(&first))],
    };
    let attach = |list, key: &ColdKey| Request::Attach(attach_request(owner, &roster, list, &[&key.user]));
    entries.extend([Request::Amend(amend), attach(&first, &old)].map(Entry::Ask));
    entries.push(heir.tie());
    entries.extend([attach(&second, &heir), attach(&first, &heir)].map(Entry::Ask));
    let mut replies = world.ceremony.hold(&entries);
    assert_eq!(replies.pop(), Some(Reply::Refused(Refusal::AlreadyBound)));
    assert!(!replies.iter().any(|reply| matches!(reply, Reply::Refused(_))), "{replies:?}");
}
