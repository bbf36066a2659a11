//! Access lists against a production enclave: what they release, and what a captured server can try. It has the
//! socket, every token, sealed key, ciphertext, document and ballot, and the keys of one member; no script may get
//! anything, and after each the untouched request is released.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]

#[path = "control/assertions.rs"]
mod assertions;
#[path = "control/documents.rs"]
mod documents;
#[path = "control/packages.rs"]
mod packages;
mod rig;
#[path = "control/vetoes.rs"]
mod vetoes;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use boundary::Env;
use boundary::acl::Rule;
use boundary::approval::{AclDocument, Roster, TenantPolicy};
use boundary::message::{Ballot, KeyType, Refusal, Reply, Request, Reset, Signature, Weigh};
use boundary::policy::built_in;
use boundary::wire::FRAME_BYTES_MAX;
use rig::control::*;
use rig::*;

/// The enclave under attack, and the tenant whose list it is.
struct World {
    // Ended before the folder goes.
    enclave: Enclave,
    client: Client,
    provider: Provider,
    gpg: Gpg,
    recipient: Vec<u8>,
    thief: Vec<u8>,
    owner: Person,
    anna: Person,
    ben: Person,
    cora: Person,
    stranger: Person,
    roster: Roster,
    list: AclDocument,
    key: UserKey,
    unattached: UserKey,
    /// Signs for an offline enclave that this one knows.
    offline: Ed25519KeyPair,
    next: u32,
    folder: Folder,
}

impl World {
    fn new() -> Self {
        Self::of(Env::Production)
    }

    fn of(env: Env) -> Self {
        Self::with_limits(env, "off")
    }

    fn with_limits(env: Env, limits: &str) -> Self {
        let folder = Folder::new();
        let offline = Ed25519KeyPair::generate().unwrap();
        let known = folder.path("offline.pub");
        std::fs::write(&known, hex(offline.public_key().as_ref())).unwrap();
        let known = known.display().to_string();
        let extra = vec!["--recovery-limits".into(), limits.into(), "--offline-key".into(), known];
        let enclave = Enclave::start(&folder, &Settings { env, extra, ..Settings::default() });
        let gpg = Gpg::new(&folder);
        curve25519(&gpg, "recipient");
        curve25519(&gpg, "thief");
        let (recipient, thief) = (gpg.export("recipient"), gpg.export("thief"));
        let mut client = enclave.connect();
        let people = ["olga", "anna", "ben", "cora", "mallory"].map(Person::new);
        let [owner, anna, ben, cora, stranger] = people;
        let list = list(env, TENANT, "list-1", &[&anna, &ben, &cora]);
        let roster = found(&mut client, &owner, &list);
        let key = new_key(&mut client, TENANT, USER);
        let unattached = new_key(&mut client, TENANT, USER);
        attach(&mut client, &owner, &roster, &list, &[&key]);
        let (provider, next) = (Provider::start(), 0);
        Self {
            enclave,
            client,
            provider,
            gpg,
            recipient,
            thief,
            owner,
            anna,
            ben,
            cora,
            stranger,
            roster,
            list,
            key,
            unattached,
            offline,
            next,
            folder,
        }
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{:04}", self.next)
    }

    /// Two items of the customer under the list's key.
    fn stored(&mut self) -> Vec<Stored> {
        let names = [self.fresh("backup"), self.fresh("backup")];
        let store = |id: &String| store(&mut self.client, &self.key, TENANT, USER, None, id);
        names.iter().map(store).collect()
    }

    /// What Anna asks for, checked and not yet voted on.
    fn asked(&mut self, stored: &[Stored], keys: &[UserKey]) -> Parcel {
        let list = self.list.clone();
        self.asked_of(&list, stored, keys)
    }

    fn asked_of(&mut self, list: &AclDocument, stored: &[Stored], keys: &[UserKey]) -> Parcel {
        let session = open_person(&mut self.client, &list.tenant_id, "anna");
        let asks = (&self.anna, &session);
        let mut parcel = Parcel::new(&mut self.client, list, asks, USER, &self.recipient, (stored, keys));
        parcel.bundle.admissions = vec![approve(&mut self.client, &mut self.provider, &session, "inq_1")];
        parcel
    }

    /// The same, with the votes of Anna and Ben.
    fn case(&mut self) -> (Parcel, Vec<Stored>) {
        let stored = self.stored();
        let parcel = self.asked(&stored, &[]);
        (parcel.voted(&[&self.anna, &self.ben]), stored)
    }

    fn refuses(&mut self, parcel: &Parcel, refusal: &Refusal, why: &str) {
        match parcel.send(&mut self.client) {
            Reply::Packaged(_) => panic!("{why}: it was released"),
            reply => assert_eq!(reply, Reply::Refused(refusal.clone()), "{why}"),
        }
    }

    fn proof_fails(&mut self, parcel: &Parcel, why: &str) {
        self.refuses(parcel, &Refusal::ProofFailed, why);
    }

    fn releases(&mut self, parcel: &Parcel, stored: &[Stored]) {
        let packaged = expect!(parcel.send(&mut self.client), Packaged);
        let files = unpack(&self.gpg, &packaged.message);
        for stored in stored {
            let folder = if stored.item.record.is_empty() { "files" } else { "data" };
            assert_eq!(files[&format!("{folder}/{}", stored.backup_id)], stored.plaintext);
        }
    }

    /// An alteration of a good request gives nothing; the good one then does.
    fn altered(&mut self, why: &str, alter: impl FnOnce(&mut Self, &mut Parcel)) {
        let (good, stored) = self.case();
        let mut bad = good.clone();
        alter(self, &mut bad);
        self.proof_fails(&bad, why);
        self.releases(&good, &stored);
    }
}

type Script = (&'static str, fn(&mut World));

#[test]
fn no_script_gets_anything() {
    let mut world = World::new();
    let tables = [documents::SCRIPTS, packages::SCRIPTS, assertions::SCRIPTS, vetoes::SCRIPTS];
    let scripts: Vec<&Script> = tables.into_iter().flatten().collect();
    for (name, script) in &scripts {
        println!("attack: {name}");
        script(&mut world);
    }
    println!("figure: control_attack_scripts {} scripts", scripts.len());
    assert!(scripts.len() >= 36);
}

#[test]
fn what_was_approved_before_a_reset_is_worth_nothing_after_it() {
    let mut world = World::of(Env::Sandbox);
    let stored = world.stored();
    let good = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
    world.releases(&good, &stored);
    let reset = Request::Reset(Reset { tenant_id: TENANT.into() });
    expect!(world.client.call(&reset), HasReset);
    world.proof_fails(&good, "after the reset");
    let session = open_person(&mut world.client, TENANT, "anna");
    let mut renewed = good.clone();
    renewed.bundle.ticket.clone_from(&session.ticket);
    renewed.bundle.intent.session_nonce = hex(&session.ticket().nonce);
    renewed.bundle.admissions = vec![approve(&mut world.client, &mut world.provider, &session, "inq_1")];
    let renewed = renewed.voted(&[&world.anna, &world.ben]);
    world.proof_fails(&renewed, "a new session, by the list of before");
    // The tenant begins anew, with an Owner of its own choice.
    let (list, stranger) = (world.list.clone(), Person::new("otto"));
    let roster = found(&mut world.client, &stranger, &list);
    world.proof_fails(&renewed, "by the same list, taken anew");
    let request = attach_request(&stranger, &roster, &list, &[&world.key]);
    let reply = world.client.call(&Request::Attach(request));
    assert_eq!(reply, Reply::Refused(Refusal::SealBroken), "a key of before");
}

#[test]
fn a_sandbox_takes_this_machines_own_pages() {
    let mut world = World::of(Env::Sandbox);
    let here = |person: &Person, hash: &[u8; 32], origin: &str| {
        let assertion = person.asserts(hash, |assertion| {
            let text = String::from_utf8(assertion.client_data_json.clone()).unwrap();
            assertion.client_data_json = text.replace("https://control.example", origin).into_bytes();
            assertion.authenticator_data[..32].copy_from_slice(&sha256(b"localhost"));
        });
        person.ballot(true, Signature::WebAuthn(assertion))
    };
    let mut made = roster(Env::Sandbox, "tenant-local", &[&world.owner]);
    made.owners[0].keys[0].rp_id = Some("localhost".into());
    let hash = hash_of(&made);
    for (origin, good) in [
        ("http://localhost.evil.example", false),
        ("http://control.example", false),
        ("http://127.0.0.1:8080", false),
        ("ws://localhost", false),
        ("http://localhost:8080", true),
    ] {
        let ballots = vec![here(&world.owner, &hash, origin)];
        let reply = amend(&mut world.client, &made, None, None, ballots);
        assert_eq!(matches!(reply, Reply::Amended(_)), good, "{origin}: {reply:?}");
    }
    let named = roster(Env::Sandbox, "tenant-named", &[&world.owner]);
    let hash = hash_of(&named);
    let plain = world.owner.asserts(&hash, |assertion| {
        let text = String::from_utf8(assertion.client_data_json.clone()).unwrap();
        assertion.client_data_json = text.replace("https:", "http:").into_bytes();
    });
    let ballots = vec![world.owner.ballot(true, Signature::WebAuthn(plain))];
    let reply = amend(&mut world.client, &named, None, None, ballots);
    assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "another host over plain HTTP");
}

#[test]
fn a_tenants_packages_are_limited() {
    let mut world = World::with_limits(Env::Production, "on");
    let stored = world.stored();
    for _ in 0..20 {
        let parcel = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
        expect!(parcel.send(&mut world.client), Packaged);
    }
    let parcel = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
    let refused = parcel.send(&mut world.client);
    assert!(matches!(refused, Reply::Refused(Refusal::ReleaseLimit(seconds)) if seconds > 3_000), "limit");
}

#[test]
fn a_policy_limits_packages_to_a_fifth_and_is_to_be_shown() {
    let mut world = World::with_limits(Env::Production, "on");
    let built_in = built_in(Env::Production, TENANT);
    let policy = TenantPolicy { version: 1, max_releases_per_hour: 9, ..built_in.clone() };
    let lax = TenantPolicy { max_releases_per_hour: 100, ..policy.clone() };
    let signed = vec![world.owner.yes(&hash_of(&policy))];
    expect!(amend(&mut world.client, &policy, None, Some(&world.roster), signed), Amended);
    let (mut first, _) = world.case();
    for (why, policies) in [
        ("none", vec![]),
        ("the built-in one", vec![bytes_of(&built_in)]),
        ("one that nobody signed", vec![bytes_of(&lax)]),
    ] {
        first.bundle.policies = policies;
        world.proof_fails(&first, why);
    }
    first.bundle.policies = vec![bytes_of(&policy)];
    expect!(first.send(&mut world.client), Packaged);
    let (mut second, _) = world.case();
    second.bundle.policies = vec![bytes_of(&policy)];
    let refused = second.send(&mut world.client);
    assert!(matches!(refused, Reply::Refused(Refusal::ReleaseLimit(seconds)) if seconds > 3_000), "limit");
}

#[test]
fn whoever_is_of_the_tenant_may_ask_where_the_list_says_so() {
    let mut world = World::new();
    let (anna, ben) = (&world.anna, &world.ben);
    let open =
        AclDocument { any_member_may_ask: true, ..list(Env::Production, TENANT, "list-open", &[anna, ben]) };
    let signed = vec![world.owner.yes(&hash_of(&open))];
    expect!(amend(&mut world.client, &open, None, Some(&world.roster), signed), Amended);
    let key = new_key_of(&mut world.client, KeyType::Ed25519, TENANT, USER);
    attach(&mut world.client, &world.owner, &world.roster, &open, &[&key]);
    let session = open_person(&mut world.client, TENANT, "mallory");
    let asks = (&world.stranger, &session);
    let mut parcel = Parcel::new(&mut world.client, &open, asks, USER, &world.recipient, (&[], &[key]));
    parcel.bundle.admissions = vec![approve(&mut world.client, &mut world.provider, &session, "inq_1")];
    let own = parcel.clone().voted(&[&world.anna, &world.stranger]);
    world.proof_fails(&own, "his own vote");
    let parcel = parcel.voted(&[&world.anna, &world.ben]);
    world.releases(&parcel, &[]);
}

#[test]
fn a_package_is_as_large_as_it_may_be_and_nothing_else_is() {
    let mut world = World::new();
    let key = world.key.clone();
    let files = |world: &mut World, count: usize| -> Vec<Stored> {
        (0..count).map(|_| file(&key, &world.fresh("backup"), &vec![7; 10 * 1024 * 1024])).collect()
    };
    let stored = files(&mut world, 6);
    let parcel = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
    world.releases(&parcel, &stored);
    let stored = files(&mut world, 7);
    let parcel = world.asked(&stored, &[]).voted(&[&world.anna, &world.ben]);
    world.proof_fails(&parcel, "more than an archive may hold");
    let certificate = vec![0; FRAME_BYTES_MAX];
    let large = Request::Inspect(boundary::message::Inspect { certificate });
    let mut client = world.enclave.connect();
    // It is refused while it is being sent, so that the sending may fail, and the answer be lost with it.
    let reply = client.try_call(&large);
    assert!(matches!(reply, None | Some(Reply::Refused(Refusal::Malformed))), "{reply:?}");
    let (good, stored) = world.case();
    world.releases(&good, &stored);
}

/// What the server asks before it keeps a ballot is what decides when the ballots are counted.
#[test]
fn a_ballot_is_weighed_as_it_will_be_counted() {
    let mut world = World::new();
    let stored = world.stored();
    let hash = world.asked(&stored, &[]).hash();
    let acl = bytes_of(&world.list);
    let weighs = |ballot: Ballot| Weigh { acl: acl.clone(), hash, ballot };
    let good = [world.anna.yes(&hash), world.anna.no(&hash), world.ben.yes_offline(&hash)];
    let mut weigh = |request: &Weigh| world.client.call(&Request::Weigh(request.clone()));
    for ballot in &good {
        expect!(weigh(&weighs(ballot.clone())), Verified);
    }
    let turned = |ballot: &Ballot| Ballot { approve: !ballot.approve, ..ballot.clone() };
    let of_ben = Ballot { person_id: "ben".into(), ..good[0].clone() };
    let of_nobody = Ballot { person_id: "nobody".into(), ..good[0].clone() };
    let other = Weigh { hash: [7; 32], ..weighs(good[0].clone()) };
    let bad = [turned(&good[0]), turned(&good[1]), turned(&good[2]), of_ben, of_nobody].map(weighs);
    for request in bad.iter().chain([&other]) {
        assert_eq!(weigh(request), Reply::Refused(Refusal::ProofFailed), "{:?}", request.ballot.person_id);
    }
    let loose = Weigh { acl: [b" ".as_slice(), &acl].concat(), ..weighs(good[0].clone()) };
    assert_eq!(weigh(&loose), Reply::Refused(Refusal::Malformed));
}
