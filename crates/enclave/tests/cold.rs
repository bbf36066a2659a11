//! The offline enclave, asked by files: what it answers, and what a captured server, a captured online enclave or
//! somebody with the folder in his hands can try.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

#[path = "cold/epochs.rs"]
mod epochs;
mod rig;
#[path = "cold/sittings.rs"]
mod sittings;

use boundary::Env;
use boundary::approval::AclDocument;
use boundary::cold::{ANSWER_FILE, Bundle, Entry, File, Signed, Vouched, Voucher};
use boundary::message::{KeyType, Package, Refusal, Reply, Request};
use boundary::wire::Wire;
use rig::cold::{Ceremony, ColdKey};
use rig::control::*;
use rig::counter::TpmCounter;
use rig::*;

const ALTERED: Result<(), i32> = Err(3);
const OTHER_ENVIRONMENT: Result<(), i32> = Err(4);
const OTHER_OFFLINE: Result<(), i32> = Err(5);
const OTHER_ONLINE: Result<(), i32> = Err(6);
const REPLAYED: Result<(), i32> = Err(7);
const OUT_OF_ORDER: Result<(), i32> = Err(8);
const CLOCK_BEHIND: Result<(), i32> = Err(9);
/// Anything but a bundle is at fault.
const NOT_NOW: Result<(), i32> = Err(1);

const DAY_S: i64 = 86_400;

/// A list of three over an RSA key and an Ed25519 key, known on both sides, with one checked backup.
struct World {
    ceremony: Ceremony,
    people: [Person; 4],
    list: AclDocument,
    keys: Vec<ColdKey>,
    stored: Stored,
}

impl World {
    fn new(alter: impl FnOnce(&mut AclDocument)) -> Self {
        Self::of(Ceremony::new(Env::Production), alter)
    }

    fn of(mut ceremony: Ceremony, alter: impl FnOnce(&mut AclDocument)) -> Self {
        let people = ["olga", "anna", "ben", "cora"].map(Person::new);
        let [owner, anna, ben, cora] = &people;
        let mut list = list(Env::Production, TENANT, "list-1", &[anna, ben, cora]);
        alter(&mut list);
        let keys = ceremony.keys(&[KeyType::Rsa4096, KeyType::Ed25519], USER);
        let mut entries: Vec<_> = keys.iter().map(ColdKey::tie).collect();
        entries.extend(ceremony.found(owner, &list, &[&keys[0].user, &keys[1].user]));
        let (mut stored, check) = Ceremony::stored(&keys[0], USER, "backup-1");
        let (_, mut wrong) = Ceremony::stored(&keys[0], USER, "backup-2");
        if let Entry::Ask(Request::Check(check)) = &mut wrong {
            check.items[0].checksum[0] ^= 1;
        }
        entries.extend([check, wrong]);
        let mut replies = ceremony.hold(&entries);
        assert_eq!(replies.pop(), Some(Reply::Refused(Refusal::CheckFailed)));
        stored.item.record = expect!(replies.pop().unwrap(), Checked).records.remove(0);
        assert!(replies.iter().all(|reply| !matches!(reply, Reply::Refused(_))), "{replies:?}");
        Self { ceremony, people, list, keys, stored }
    }

    /// The backup and both private keys, for Anna.
    fn asked(&mut self) -> Parcel {
        let keys: Vec<_> = self.keys.iter().map(|key| key.user.clone()).collect();
        self.ceremony.asked(&self.list, &self.people[1], (std::slice::from_ref(&self.stored), &keys))
    }

    fn voted(&mut self) -> Parcel {
        let parcel = self.asked();
        parcel.voted(&[&self.people[1], &self.people[2]])
    }

    /// The same, good for ten days.
    fn lasting(&mut self) -> Parcel {
        let mut parcel = self.asked();
        parcel.bundle.intent.expires_at_ms += 10 * DAY_S * 1_000;
        parcel.voted(&[&self.people[1], &self.people[2]])
    }

    fn hold(&mut self, vouched: Vouched) -> Reply {
        self.ceremony.hold(&[Entry::Release(vouched)]).remove(0)
    }
}

#[test]
fn what_was_approved_is_released_offline() {
    let mut world = World::new(|_| ());
    let parcel = world.voted();
    let online = parcel.send(&mut world.ceremony.client);
    assert_eq!(online, Reply::Refused(Refusal::WrongKeyType), "nothing online opens it");
    let vouched = world.ceremony.release(&parcel);
    let packaged = expect!(world.hold(vouched), Packaged);
    let files = unpack(&world.ceremony.gpg, &packaged.message);
    assert_eq!(files["data/backup-1"], world.stored.plaintext);
    assert_eq!(files.keys().filter(|name| name.starts_with("keys/")).count(), 2);
}

#[test]
fn only_the_next_bundle_is_answered() {
    let mut ceremony = Ceremony::new(Env::Production);
    let order = [Entry::Make(vec![KeyType::Ed25519])];
    let first = ceremony.bundle(&order);
    let tried = |ceremony: &Ceremony, bytes: &[u8]| ceremony.carry(bytes).map(drop);
    // Where it is cut or altered does not matter; how finely that is tried is a question of time.
    let step = if std::env::var_os("HOLDFAST_CAMPAIGN").is_some() { 1 } else { 11 };
    let bytes = first.to_bytes();
    for at in (0..bytes.len()).step_by(step) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        let code = tried(&ceremony, &bad).unwrap_err();
        assert!((3..=5).contains(&code), "byte {at}: {code}");
        assert_eq!(tried(&ceremony, &bytes[..at]), ALTERED, "cut at {at}");
    }
    let with = |alter: &dyn Fn(&mut Bundle)| {
        let mut file = first.clone();
        let mut bundle = Bundle::from_bytes(&file.head.body).unwrap();
        alter(&mut bundle);
        file.head.body = bundle.to_bytes();
        file.to_bytes()
    };
    assert_eq!(tried(&ceremony, &with(&|bundle| bundle.env = Env::Sandbox)), OTHER_ENVIRONMENT);
    assert_eq!(tried(&ceremony, &with(&|bundle| bundle.dispatch.offline[0] ^= 1)), OTHER_OFFLINE);
    assert_eq!(tried(&ceremony, &with(&|bundle| bundle.log_sequence += 1)), ALTERED);
    let mut more = first.clone();
    more.parts.push(more.parts[0].clone());
    assert_eq!(tried(&ceremony, &more.to_bytes()), ALTERED);

    ceremony.set_clocks(0, -3_600);
    assert_eq!(tried(&ceremony, &bytes), CLOCK_BEHIND);
    ceremony.offline_clock.clear();
    ceremony.sequence = 2;
    let second = ceremony.bundle(&order);
    assert_eq!(tried(&ceremony, &second.to_bytes()), OUT_OF_ORDER, "the second before the first");
    ceremony.sequence = 1;
    let answers = ceremony.carry(&bytes).unwrap();
    assert_eq!(ceremony.carry(&bytes).unwrap(), answers, "the same again");
    let another = ceremony.bundle(&order);
    assert_eq!(tried(&ceremony, &another.to_bytes()), REPLAYED, "another one of its number");
    assert_eq!(tried(&ceremony, &second.to_bytes()), OUT_OF_ORDER, "which does not name it");
    (ceremony.sequence, ceremony.previous) = (2, sha256(&first.head.body));
    ceremony.hold(&order);
    assert_eq!(tried(&ceremony, &bytes), REPLAYED);

    // Another online enclave that knows the offline one is not the one of the first bundle.
    let mut elsewhere = Ceremony::new(Env::Production);
    std::fs::copy(ceremony.folder.path("offline/offline.pub"), elsewhere.folder.path("offline/offline.pub"))
        .unwrap();
    elsewhere.restart(&elsewhere.settings());
    (elsewhere.sequence, elsewhere.previous) = (ceremony.sequence, ceremony.previous);
    let theirs = elsewhere.bundle(&order);
    assert_eq!(tried(&ceremony, &theirs.to_bytes()), OTHER_ONLINE);
    // And whoever puts the right one's name over his own signature is found out by it.
    let mut posing = theirs;
    let mut bundle = Bundle::from_bytes(&posing.head.body).unwrap();
    bundle.online = Bundle::from_bytes(&first.head.body).unwrap().online;
    posing.head.body = bundle.to_bytes();
    assert_eq!(tried(&ceremony, &posing.to_bytes()), ALTERED);
}

/// What a captured server tries, in bundles that the online enclave signs, as it signs any.
#[test]
#[expect(clippy::too_many_lines, reason = "a list of attacks")]
fn a_release_needs_people_and_both_enclaves() {
    let mut world = World::new(|list| list.check_voters = false);
    let good = world.asked();
    let (hash, people) = (good.hash(), &world.people);
    let [_, anna, ben, cora] = people;
    let yes = [anna.yes(&hash), ben.yes(&hash)];
    let good = good.clone().voted(&[anna, ben]);
    let vouched = world.ceremony.release(&good);
    let with = |alter: &dyn Fn(&mut Package)| {
        let mut bad = vouched.clone();
        alter(&mut bad.package);
        bad
    };
    let forged = anna.ballot(true, cora.yes(&hash).signature);
    let second = anna.yes_offline(&hash);
    let stranger = Person::new("mallory").yes(&hash);
    let veto = cora.no(&hash);
    let mut bad = vec![
        ("no ballots", with(&|package| package.ballots.clear())),
        ("one ballot", with(&|package| drop(package.ballots.pop()))),
        ("a forged ballot", with(&|package| package.ballots = vec![forged.clone(), yes[1].clone()])),
        ("one person twice", with(&|package| package.ballots = vec![yes[0].clone(), second.clone()])),
        ("a stranger's ballot", with(&|package| package.ballots = vec![yes[0].clone(), stranger.clone()])),
        (
            "a yes made of a no",
            with(&|package| {
                package.ballots = vec![yes[0].clone(), anna.ballot(true, veto.signature.clone())];
            }),
        ),
        ("another requester", with(&|package| package.release.user_identifier = "ben".into())),
        ("another certificate", with(&|package| package.release.certificate.push(b'\n'))),
        ("a key more", with(&|package| package.keys.push(package.keys[0].clone()))),
    ];
    // A list that only the server knows, of people of its own.
    let cronies = ["dan", "eva"].map(Person::new);
    let own = list(Env::Production, TENANT, "list-1", &[&cronies[0], &cronies[1]]);
    let mut parcel = good.clone();
    parcel.list = own.clone();
    parcel.bundle.intent.policy_hash = hex(&hash_of(&own));
    let parcel = parcel.voted(&[&cronies[0], &cronies[1]]);
    let request = parcel.request();
    bad.push(("ballots of another list", Vouched { package: request, ..vouched.clone() }));
    // What the online enclave must say, altered, of another recovery, or said by somebody else.
    let alter = |alter: &dyn Fn(&mut Signed)| {
        let mut bad = vouched.clone();
        alter(&mut bad.voucher);
        bad
    };
    let unsaid = alter(&|voucher| voucher.signature.clear());
    // Of the same session: neither ticket nor checks tell the two apart.
    let of_an_other = {
        let mut other = good.clone();
        other.bundle.intent.reason = "another".into();
        world.ceremony.release(&other.voted(&[anna, ben])).voucher
    };
    bad.push(("no word of the online enclave", unsaid));
    bad.push(("its word altered", alter(&|voucher| voucher.body[60] ^= 1)));
    bad.push(("its word on another recovery", Vouched { voucher: of_an_other, ..vouched.clone() }));
    let mut resigned = vouched.voucher.clone();
    let mut claim = Voucher::from_bytes(&resigned.body).unwrap();
    claim.admissions.clear();
    resigned.body = claim.to_bytes();
    bad.push(("its word without the check", Vouched { voucher: resigned, ..vouched.clone() }));

    let entries: Vec<_> = bad.iter().map(|(_, bad)| Entry::Release(bad.clone())).collect();
    let replies = world.ceremony.hold(&entries);
    for ((why, _), reply) in bad.iter().zip(&replies) {
        assert_eq!(*reply, Reply::Refused(Refusal::ProofFailed), "{why}");
    }
    // The online enclave says nothing for what its own log and lists do not bear out.
    for alter in [
        |parcel: &mut Parcel| drop(parcel.ballots.pop()),
        |parcel: &mut Parcel| parcel.bundle.admissions.clear(),
        |parcel: &mut Parcel| parcel.bundle.ticket[3] ^= 1,
    ] {
        let mut bad = good.clone();
        alter(&mut bad);
        assert_eq!(world.ceremony.vouch(&bad), Reply::Refused(Refusal::ProofFailed));
    }
    expect!(world.hold(vouched), Packaged);
}

/// What a captured online enclave tries: it vouches for what it likes, and binds what it likes.
#[test]
fn what_only_the_online_enclave_says_releases_nothing() {
    let mut world = World::new(|_| ());
    let vouched = {
        let parcel = world.voted();
        world.ceremony.release(&parcel)
    };
    // It says so of a recovery on which nobody has voted: its voucher is genuine, the ballots are not there.
    let mut bad = vouched.clone();
    bad.package.ballots.clear();
    assert_eq!(world.hold(bad), Reply::Refused(Refusal::ProofFailed));
    // A key that is given to somebody stays his.
    let made = world.ceremony.keys(&[KeyType::Ed25519], "user-2").remove(0);
    let mut forged = made.tie();
    if let Entry::Tie(binding) = &mut forged {
        binding.signature.clone_from(&world.keys[0].binding().signature);
    }
    let unattached =
        world.ceremony.asked(&world.list, &world.people[1], (&[], std::slice::from_ref(&made.user)));
    let unattached = unattached.voted(&[&world.people[1], &world.people[2]]);
    let unattached = world.ceremony.release(&unattached);
    let replies = world.ceremony.hold(&[
        forged,
        Entry::Release(unattached.clone()),
        made.tie(),
        made.tie(),
        world.keys[1].tie(),
        Entry::Release(unattached),
        Entry::Ask(Request::Hello(boundary::message::Hello { env: Env::Production })),
        Entry::Ask(Request::Package(vouched.package.clone())),
    ]);
    let refused =
        |at: usize, refusal: Refusal| assert_eq!(replies[at], Reply::Refused(refusal), "entry {at}");
    refused(0, Refusal::SealBroken);
    refused(1, Refusal::ProofFailed);
    assert!(replies[2..5].iter().all(|reply| matches!(reply, Reply::Verified(_))), "again is the same");
    refused(5, Refusal::ProofFailed);
    refused(6, Refusal::Malformed);
    refused(7, Refusal::ProofFailed);
    expect!(world.hold(vouched), Packaged);
}

/// It runs for moments between months: a delay is over once the clocks of both machines say so.
#[test]
fn the_delay_is_the_offline_enclaves_own() {
    let mut world = World::new(|list| list.delay_cold_s = DAY_S);
    let parcel = world.lasting();
    let vouched = world.ceremony.release(&parcel);
    expect!(world.hold(vouched.clone()), Waiting);
    world.ceremony.set_clocks(0, 2 * DAY_S);
    expect!(world.hold(vouched.clone()), Waiting);
    world.ceremony.set_clocks(2 * DAY_S, 2 * DAY_S);
    expect!(world.hold(vouched.clone()), Packaged);
    let mut late = parcel;
    late.bundle.intent.expires_at_ms = now_ms() - 1;
    let late = late.voted(&[&world.people[1], &world.people[2]]);
    assert_eq!(world.ceremony.vouch(&late), Reply::Refused(Refusal::ProofFailed));
    let late = Vouched { package: late.request(), ..vouched };
    assert_eq!(world.hold(late), Reply::Refused(Refusal::ProofFailed));
}

/// An online enclave that was a day ahead, and of which an older copy goes on at the right time.
#[test]
fn no_delay_is_longer_because_the_online_clock_was_set_back() {
    let mut world = World::new(|list| list.delay_cold_s = DAY_S);
    let parcel = world.lasting();
    let vouched = world.ceremony.release(&parcel);
    world.ceremony.copy();
    world.ceremony.set_clocks(DAY_S, DAY_S);
    world.ceremony.hold(&[Entry::Make(vec![KeyType::Ed25519])]);
    world.ceremony.put_back();
    expect!(world.hold(vouched.clone()), Waiting);
    // A minute more than a day later, for both: the offline one cannot be set back.
    world.ceremony.set_clocks(DAY_S + 60, 2 * DAY_S + 60);
    expect!(world.hold(vouched), Packaged);
}

#[test]
fn an_interrupted_ceremony_goes_on_and_releases_to_nobody_else() {
    let mut world = World::new(|_| ());
    let parcel = world.voted();
    let vouched = world.ceremony.release(&parcel);
    let bundle = world.ceremony.bundle(&[Entry::Release(vouched.clone())]);
    let delivery = |file: &File| expect!(Reply::from_bytes(&file.parts[0]).unwrap(), Packaged).delivery;
    let first = world.ceremony.carry(&bundle.to_bytes()).unwrap();
    assert_eq!(delivery(&first), 1);
    // As if the power had gone after the release and before its answer was kept.
    let kept = format!("{}.{ANSWER_FILE}", hex(&sha256(&bundle.head.body)));
    std::fs::remove_file(world.ceremony.folder.path("offline").join(kept)).unwrap();
    let again = world.ceremony.carry(&bundle.to_bytes()).unwrap();
    assert_eq!(delivery(&again), 2, "to the same recipient");
    assert_eq!(world.ceremony.carry(&bundle.to_bytes()).unwrap(), again);
    // In the place of the bundle that was taken up no other one is.
    let other = world.ceremony.bundle(&[Entry::Make(vec![KeyType::Ed25519]), Entry::Release(vouched)]);
    assert_eq!(world.ceremony.carry(&other.to_bytes()).map(drop), REPLAYED);
}

#[test]
fn an_old_copy_of_the_offline_state_releases_nothing_where_a_counter_counts() {
    let mut world = World::new(|_| ());
    let folder = &world.ceremony.folder;
    let (state, newest) = (folder.path("offline"), folder.path("newest"));
    let copies = ["uncounted", "counted"].map(|name| folder.path(name));
    let copy = |to: &std::path::Path| run(std::process::Command::new("cp").arg("-r").arg(&state).arg(to));
    let counter = TpmCounter::start(folder, "offline");
    let asked = ["--counter".to_owned(), counter.socket.display().to_string()];
    copy(&copies[0]);
    let parcel = world.voted();
    let vouched = world.ceremony.release(&parcel);
    world.ceremony.offline_extra = asked.to_vec();
    world.ceremony.hold(&[Entry::Make(vec![KeyType::Ed25519])]);
    copy(&copies[1]);
    let bundle = world.ceremony.bundle(&[Entry::Release(vouched)]).to_bytes();
    let answers = world.ceremony.carry(&bundle).unwrap();
    expect!(Reply::from_bytes(&answers.parts[0]).unwrap(), Packaged);
    std::fs::rename(&state, &newest).unwrap();
    let value = counter.value();
    for old in copies {
        std::fs::rename(&old, &state).unwrap();
        world.ceremony.offline_extra = asked.to_vec();
        assert_eq!(world.ceremony.carry(&bundle).map(drop), NOT_NOW, "{}", old.display());
        assert_eq!(counter.value(), value, "an old state counts nothing");
        std::fs::rename(&state, &old).unwrap();
    }
    // Nor does a state that was counted go on by itself.
    std::fs::rename(&newest, &state).unwrap();
    world.ceremony.offline_extra.clear();
    assert_eq!(world.ceremony.carry(&bundle).map(drop), NOT_NOW);
    world.ceremony.offline_extra = asked.to_vec();
    assert_eq!(world.ceremony.carry(&bundle).unwrap(), answers);
}
