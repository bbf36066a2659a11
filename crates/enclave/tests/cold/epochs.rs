//! New root keys of the offline enclave, one after another: what it sealed before is sealed anew in a bundle, and then its
//! root key of before is forgotten.

use boundary::Env;
use boundary::ceremony::Purpose;
use boundary::ceremony::{Epochs, RESEAL_ITEMS_MAX, Reseal, Resealed};
use boundary::cold::Entry;
use boundary::message::{Hello, KeyType, Refusal, Reply, Request};
use boundary::wire::Wire as _;

use crate::rig::cold::{Ceremony, ColdKey, open_by};
use crate::rig::control::unpack;
use crate::rig::keeper::*;
use crate::rig::*;
use crate::sittings::{nothing_else, served};
use crate::{World, expect};

/// Gives shares for a purpose, which are enough.
fn give(enclave: &Enclave, purpose: Purpose, shares: &[Vec<u8>]) {
    let begun = begin(enclave, purpose);
    let given = shares.iter().map(|share| expect!(enclave.call(&to(&begun, share)), Given).done);
    assert_eq!(given.collect::<Vec<_>>().last(), Some(&true));
}

fn epochs(current: u32, former: Option<u32>) -> Epochs {
    Epochs { current, former }
}

/// Has the holders of the offline folder make a new root key, and bring it into force.
fn renew(ceremony: &mut Ceremony, keeper: &Keeper) -> (Folder, Enclave) {
    let (folder, enclave) = served(ceremony, "shares");
    open_by(&enclave, &ceremony.shares[..3]);
    give(&enclave, Purpose::Renew(keeper.plan(3, 5)), &ceremony.shares[1..4]);
    let collect = Request::Collect(Hello { env: Env::Production });
    ceremony.shares = keeper.open(&expect!(enclave.call(&collect), Dealt));
    give(&enclave, Purpose::Verify, &ceremony.shares[..3]);
    nothing_else(&enclave);
    (folder, enclave)
}

/// Has them forget the root key of the epoch before.
fn retire(ceremony: &Ceremony, epoch: u32) {
    let (_folder, enclave) = served(ceremony, "shares");
    open_by(&enclave, &ceremony.shares[2..]);
    for other in [epoch - 1, epoch + 1] {
        refused(&enclave.call(&Request::Begin(Purpose::Retire(other))), Refusal::NotNow);
    }
    give(&enclave, Purpose::Retire(epoch), &ceremony.shares[..3]);
    assert_eq!(standing(&enclave).open, Some(epochs(epoch + 1, None)));
    nothing_else(&enclave);
}

fn entry(items: &[Vec<u8>]) -> Entry {
    Entry::Ask(Request::Reseal(Reseal { items: items.to_vec() }))
}

fn reseal(ceremony: &mut Ceremony, items: &[Vec<u8>]) -> Resealed {
    expect!(ceremony.hold(&[entry(items)]).remove(0), Resealed)
}

/// The private halves, as the offline folder has them sealed.
fn kept(ceremony: &Ceremony) -> Vec<Vec<u8>> {
    Vec::from_bytes(&std::fs::read(ceremony.folder.path("offline/cold.keys")).unwrap()).unwrap()
}

/// The record of a check by another offline enclave.
fn record_of(mut other: Ceremony) -> Vec<u8> {
    let key: Vec<ColdKey> = other.keys(&[KeyType::Rsa4096], USER);
    let (_, check) = Ceremony::stored(&key[0], USER, "backup-1");
    let mut replies = other.hold(&[key[0].tie(), check]);
    expect!(replies.pop().unwrap(), Checked).records.remove(0)
}

#[test]
fn a_root_key_is_renewed_twice_and_what_was_checked_under_the_first_is_released() {
    let keeper = Keeper::new();
    let mut world = World::of(Ceremony::in_shares(&keeper), |_| ());
    let known = world.ceremony.offline();
    let first = world.stored.item.record.clone();
    let online = world.ceremony.client.call(&Request::Open(boundary::message::Open {
        tenant_id: TENANT.into(),
        user_identifier: USER.into(),
        openpgp_fingerprint: None,
    }));
    // Records of another enclave and of another environment, what is sealed online, and ours with a bit changed.
    let mut altered = first.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut bad = vec![
        record_of(Ceremony::new(Env::Production)),
        record_of(Ceremony::new(Env::Sandbox)),
        expect!(online, Opened).ticket,
        world.keys[0].user.sealed.clone(),
        altered,
        Vec::new(),
    ];
    let same = reseal(&mut world.ceremony, std::slice::from_ref(&first));
    assert_eq!(same, Resealed { epochs: epochs(1, None), items: vec![Some(first.clone())] });
    for epoch in [1, 2] {
        // A private half is not what leaves with records: who has the root key of before can seal any.
        let keys = kept(&world.ceremony);
        drop(renew(&mut world.ceremony, &keeper));
        let was = world.stored.item.record.clone();
        let asked: Vec<_> = [std::slice::from_ref(&was), &bad, &keys].concat();
        let mut anew = reseal(&mut world.ceremony, &asked);
        assert_eq!(anew.epochs, epochs(epoch + 1, Some(epoch)));
        let is = anew.items.remove(0).expect("it is ours");
        assert!(is != was && anew.items.iter().all(Option::is_none), "{:?}", anew.items);
        world.stored.item.record = is.clone();
        retire(&world.ceremony, epoch);
        let after = reseal(&mut world.ceremony, &[was.clone(), is.clone()]);
        assert_eq!(after, Resealed { epochs: epochs(epoch + 1, None), items: vec![None, Some(is)] });
        bad.push(was);
    }
    assert_eq!(world.ceremony.offline(), known, "the online enclave knows it still");
    let many = vec![first.clone(); RESEAL_ITEMS_MAX + 1];
    assert_eq!(world.ceremony.hold(&[entry(&many)]), [Reply::Refused(Refusal::Malformed)]);

    // What was left behind is not released, and opens again to a check; what was sealed anew is.
    let is = std::mem::replace(&mut world.stored.item.record, first);
    let parcel = world.voted();
    let vouched = world.ceremony.release(&parcel);
    let files = expect!(world.hold(vouched), Packaged).message;
    assert!(!unpack(&world.ceremony.gpg, &files).contains_key("data/backup-1"));
    world.stored.item.record = is;
    let parcel = world.voted();
    let vouched = world.ceremony.release(&parcel);
    let files = expect!(world.hold(vouched), Packaged).message;
    assert_eq!(unpack(&world.ceremony.gpg, &files)["data/backup-1"], world.stored.plaintext);
}

/// No bundle comes between the two: what the folder keeps is sealed anew before there is a sitting.
#[test]
fn an_epoch_that_is_over_at_once_takes_no_key_with_it() {
    let keeper = Keeper::new();
    let mut ceremony = Ceremony::in_shares(&keeper);
    let keys = ceremony.keys(&[KeyType::Rsa4096], USER);
    let known = ceremony.offline();
    let (_folder, enclave) = renew(&mut ceremony, &keeper);
    give(&enclave, Purpose::Retire(1), &ceremony.shares[..3]);
    drop(enclave);
    let (_, check) = Ceremony::stored(&keys[0], USER, "backup-1");
    let replies = ceremony.hold(&[keys[0].tie(), check]);
    assert!(!replies.iter().any(|reply| matches!(reply, Reply::Refused(_))), "{replies:?}");
    assert_eq!(ceremony.offline(), known);
}

/// Whoever has a root key of before can seal a key as this folder would, and the server can have it asked for.
#[test]
fn a_seal_that_the_folder_does_not_keep_is_nothing_there() {
    let mut ceremony = Ceremony::new(Env::Production);
    let mut key = ceremony.keys(&[KeyType::Rsa4096], USER).remove(0);
    ceremony.hold(&[key.tie()]);
    key.user.sealed = kept(&ceremony).remove(0);
    let (_, check) = Ceremony::stored(&key, USER, "backup-1");
    expect!(ceremony.hold(std::slice::from_ref(&check)).remove(0), Checked);
    std::fs::write(ceremony.folder.path("offline/cold.keys"), Vec::<Vec<u8>>::new().to_bytes()).unwrap();
    assert_eq!(ceremony.hold(&[check]), [Reply::Refused(Refusal::SealBroken)]);
}
