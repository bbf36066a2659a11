//! Epochs of the root key: a new one takes over while the enclave runs, what the one before sealed is sealed anew, and
//! then that one is forgotten.

#![expect(clippy::unwrap_used, reason = "a test may stop at once, in what its functions share too")]

mod rig;

use std::fs;
use std::thread;
use std::time::Duration;

use boundary::Env;
use boundary::ceremony::*;
use boundary::checkpoint::{Cosign, TreeHead};
use boundary::message::*;
use boundary::token::LogMark;
use boundary::wire::Wire;
use rig::keeper::*;
use rig::*;

/// Where the number of epochs before that of a seal stands in it, behind its format.
const EPOCH_AT: usize = 4;

fn epochs(enclave: &Enclave) -> Epochs {
    standing(enclave).open.unwrap()
}

/// Gives shares for a purpose until they are enough.
fn give(enclave: &Enclave, purpose: Purpose, parts: &[Vec<u8>]) {
    let begun = begin(enclave, purpose);
    let said = parts.iter().map(|part| expect!(enclave.call(&to(&begun, part)), Given).done);
    assert_eq!(said.collect::<Vec<_>>().last(), Some(&true));
}

/// Has the holders of `parts` agree to a new root key; its shares, of which two open.
fn renew(enclave: &Enclave, keeper: &Keeper, parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    give(enclave, Purpose::Renew(keeper.plan(2, 3)), parts);
    keeper.open(&expect!(enclave.call(&Request::Collect(Hello { env: enclave.env })), Dealt))
}

fn reseal(enclave: &Enclave, items: &[Vec<u8>]) -> Resealed {
    expect!(enclave.call(&Request::Reseal(Reseal { items: items.to_vec() })), Resealed)
}

/// All of them, sealed anew.
fn moved(enclave: &Enclave, items: &[Vec<u8>]) -> Vec<Vec<u8>> {
    reseal(enclave, items).items.into_iter().map(|item| item.expect("its seal holds")).collect()
}

/// Has the enclave use the private half of a user's key.
fn opens(client: &mut Client, key: &UserKey) -> Reply {
    let item = check_item(key, "backup-of-now", CANARY.as_bytes());
    client.call(&check_request(key, TENANT, USER, None, vec![item]))
}

fn is_proven(reply: Reply) -> bool {
    expect!(reply, Checked).records.len() == 1
}

/// How many threads of the enclave have this name.
fn threads(enclave: &Enclave, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", enclave.child.id())).unwrap();
    // One that ends meanwhile has no name any more.
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|comm| comm.trim() == name).count()
}

/// An enclave of the shares of `keeper`, opened.
fn opened(folder: &Folder, keeper: &Keeper) -> (Enclave, Vec<Vec<u8>>) {
    let enclave = Enclave::start(folder, &shares());
    let parts = found(&enclave, keeper);
    unseal(&enclave, &parts[..3]);
    (enclave, parts)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, in which each part stands on the one before")]
fn a_new_root_key_takes_over_while_all_goes_on() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let (mut provider, gpg) = (Provider::start(), Gpg::new(&folder));
    let (mut enclave, old) = opened(&folder, &keeper);
    let mut client = enclave.connect();
    let recipient = gpg.export(&curve25519(&gpg, "ada"));
    let hello = Request::Hello(Hello { env: enclave.env });
    let signing_keys = expect!(client.call(&hello), Welcome).signing_keys;
    let head = TreeHead { origin: "holdfast-production/tenant-a".to_owned(), size: 1, root: [1; 32] };
    let cosign = Request::Cosign(Cosign { head, proof: Vec::new() });
    let cosigner = expect!(client.call(&cosign), Cosigned).key;
    let pool = expect!(client.call(&Request::Generate(Generate { key_type: KeyType::Ed25519 })), Generated);
    let key = new_key(&mut client, TENANT, USER);
    let session = open(&mut client, TENANT, USER, None);
    let stored = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
    let event = provider.sign(&session.id, "\"inquiry\":\"inq_1\"");
    let admit = admit_request(&session, &event);
    let admission = expect!(client.call(&admit), Admitted).admission.unwrap();
    let marked = expect!(client.call(&Request::Mark(Mark { latest: None })), Marked);
    let release = |client: &mut Client, session: &Session, admission: &[u8], stored: &Stored| {
        let (admissions, items) = ([admission.to_vec()], [stored.clone()]);
        let env = Env::Production;
        let bundle =
            Bundle::new(client, env, TENANT, USER, session, &admissions, "inq_1", &recipient, &items);
        expect!(bundle.send(client), Released).delivery
    };
    assert_eq!(epochs(&enclave), Epochs { current: 1, former: None });
    refused(&client.call(&Request::Begin(Purpose::Retire(1))), Refusal::NotNow);

    // Agreed to and not shown: nothing has changed, and the old shares open.
    let new = renew(&enclave, &keeper, &old[..3]);
    assert_eq!(epochs(&enclave), Epochs { current: 1, former: None });
    enclave.kill();
    let mut enclave = Enclave::start(&folder, &shares());
    let begun = begin(&enclave, Purpose::Unseal);
    refused(&enclave.call(&to(&begun, &new[0])), Refusal::WrongShare);
    unseal(&enclave, &old[1..4]);

    // Shown: the new root key is in force at once, and everything of before is believed.
    let mut client = enclave.connect();
    give(&enclave, Purpose::Verify, &new[..2]);
    assert_eq!(epochs(&enclave), Epochs { current: 2, former: Some(1) });
    assert!(!folder.path("state/signing.keys.next").exists(), "it took the other one's place");
    assert_eq!(expect!(client.call(&hello), Welcome).signing_keys, signing_keys);
    assert_eq!(expect!(client.call(&cosign), Cosigned).key, cosigner, "others pin it");
    assert!(is_proven(opens(&mut client, &key)));
    assert_eq!(release(&mut client, &session, &admission, &stored), 1);
    let latest = Some(marked.mark);
    let marked = expect!(client.call(&Request::Mark(Mark { latest })), Marked);
    // What is said again of an event of before is said in the epoch in force.
    let again = expect!(client.call(&admit), Admitted).admission.unwrap();
    assert_ne!(again, admission);
    assert_eq!(Some(again), reseal(&enclave, std::slice::from_ref(&admission)).items[0]);
    // A later approval is of the same person: who he is, is hidden by the same key.
    let later = open(&mut client, TENANT, USER, None);
    approve(&mut client, &mut provider, &later, "inq_2");
    let fresh = new_key(&mut client, TENANT, USER);
    assert_eq!(fresh.sealed[EPOCH_AT..EPOCH_AT + 2], [0, 1]);
    assert_eq!(
        reseal(&enclave, &[fresh.sealed.clone(), later.ticket.clone()]).items,
        [Some(fresh.sealed.clone()), Some(later.ticket.clone())]
    );

    // Sealed anew is the same of another epoch, and nothing else.
    let before = [pool.sealed.clone(), key.sealed.clone()];
    let tokens = [session.ticket.clone(), admission, stored.item.record.clone()];
    let seals = moved(&enclave, &before);
    for (was, is) in before.iter().zip(&seals) {
        assert_eq!((&was[EPOCH_AT..EPOCH_AT + 2], &is[EPOCH_AT..EPOCH_AT + 2]), (&[0, 0][..], &[0, 1][..]));
        assert_eq!((was.len(), &was[..EPOCH_AT]), (is.len(), &is[..EPOCH_AT]));
        // All that stands in plain of the smallest of them, and then another nonce.
        assert_eq!(was[EPOCH_AT + 2..100], is[EPOCH_AT + 2..100]);
        assert_ne!(was[100..], is[100..]);
    }
    let issued = moved(&enclave, &tokens);
    for (was, is) in tokens.iter().zip(&issued) {
        let encoding = was.len() - 32;
        assert_eq!(was[..encoding], is[..encoding]);
        assert_ne!(was[encoding..], is[encoding..]);
    }

    // Of two epochs the former is retired first, by the holders of the new shares.
    refused(&client.call(&Request::Begin(Purpose::Renew(keeper.plan(2, 3)))), Refusal::NotNow);
    for epoch in [0, 2, 3] {
        refused(&client.call(&Request::Begin(Purpose::Retire(epoch))), Refusal::NotNow);
    }
    enclave.kill();
    let enclave = Enclave::start(&folder, &shares());
    refused(&enclave.call(&Request::Reseal(Reseal { items: before.to_vec() })), Refusal::Sealed);
    let begun = begin(&enclave, Purpose::Unseal);
    refused(&enclave.call(&to(&begun, &old[0])), Refusal::WrongShare);
    unseal(&enclave, &new[1..]);
    assert_eq!(epochs(&enclave), Epochs { current: 2, former: Some(1) });
    let mut client = enclave.connect();
    let begun = begin(&enclave, Purpose::Retire(1));
    refused(&enclave.call(&to(&begun, &old[0])), Refusal::WrongShare);
    expect!(enclave.call(&to(&begun, &new[0])), Given);
    assert_eq!(epochs(&enclave).former, Some(1), "one is not enough");
    expect!(enclave.call(&to(&begun, &new[1])), Given);
    assert_eq!(epochs(&enclave), Epochs { current: 2, former: None });
    // Of what worked under the old root key nothing is left, once it has ended.
    while threads(&enclave, "log") > 1 || threads(&enclave, "generate") > 1 {
        thread::sleep(Duration::from_millis(10));
    }

    // What was left behind is refused, and says why where it can; what was moved is as good as ever.
    refused(&opens(&mut client, &key), Refusal::EpochRetired);
    refused(&client.call(&Request::Recall(Recall { ticket: session.ticket })), Refusal::SealBroken);
    assert_eq!(reseal(&enclave, &[&before[..], &tokens].concat()).items, [const { None }; 5]);
    let key = UserKey { sealed: seals[1].clone(), ..key };
    assert!(is_proven(opens(&mut client, &key)));
    let bind = Bind { sealed: seals[0].clone(), ..bind_request(&pool, TENANT, USER) };
    expect!(client.call(&Request::Bind(bind)), Bound);
    let session = Session { ticket: issued[0].clone(), ..session };
    let item = ReleaseItem { key: seals[1].clone(), record: issued[2].clone(), ..stored.item.clone() };
    let stored = Stored { item, ..stored };
    assert_eq!(release(&mut client, &session, &issued[1], &stored), 2);
    expect!(client.call(&Request::Mark(Mark { latest: Some(marked.mark) })), Marked);
    assert_eq!(renew(&enclave, &keeper, &new[..2]).len(), 3);
}

#[test]
fn only_what_this_enclave_sealed_is_sealed_anew() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let (enclave, old) = opened(&folder, &keeper);
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let ticket = open(&mut client, TENANT, USER, None).ticket;
    let new = renew(&enclave, &keeper, &old[..3]);
    give(&enclave, Purpose::Verify, &new[..2]);
    let none = |items: &[Vec<u8>], what: &str| {
        for some in items.chunks(RESEAL_ITEMS_MAX) {
            assert!(reseal(&enclave, some).items.iter().all(Option::is_none), "{what}");
        }
    };
    let altered = |good: &[u8]| {
        let flip = |bit: usize| {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        };
        let bits = (0..good.len() * 8).filter(|bit| *bit < 64 * 8 || bit % 13 == 0);
        bits.map(flip).chain([good[..good.len() - 1].to_vec(), [good, &[0]].concat()]).collect::<Vec<_>>()
    };
    none(&altered(&key.sealed), "an altered seal of the epoch before");
    none(
        &altered(&moved(&enclave, std::slice::from_ref(&key.sealed))[0]),
        "an altered seal of the epoch in force",
    );
    none(&altered(&ticket), "an altered ticket");
    none(&[Vec::new(), vec![0; 32], b"HFK1".to_vec()], "nothing of ours");
    refused(
        &enclave.call(&Request::Reseal(Reseal { items: vec![Vec::new(); RESEAL_ITEMS_MAX + 1] })),
        Refusal::Malformed,
    );

    // What says that it is of an epoch to come, or of another than it is, is of none.
    let said_otherwise = |sealed: &[u8], epoch: u8| {
        let mut bad = sealed.to_vec();
        bad[EPOCH_AT + 1] = epoch;
        opens(&mut enclave.connect(), &UserKey { sealed: bad, ..key.clone() })
    };
    let sealed = moved(&enclave, std::slice::from_ref(&key.sealed)).remove(0);
    refused(&said_otherwise(&key.sealed, 1), Refusal::SealBroken);
    refused(&said_otherwise(&sealed, 0), Refusal::SealBroken);
    refused(&said_otherwise(&sealed, 2), Refusal::SealBroken);

    // A log's mark is made anew when it is compared, and in no other way.
    let marked = expect!(client.call(&Request::Mark(Mark { latest: None })), Marked).mark;
    none(std::slice::from_ref(&marked), "a mark of the log");
    assert_eq!(LogMark::take(&mut &marked[..]).unwrap().env, Env::Production);

    // Of another installation, of this environment and of the other one.
    for env in [Env::Production, Env::Sandbox] {
        let folder = Folder::new();
        let other = Enclave::start(&folder, &Settings { env, ..Settings::default() });
        let mut client = other.connect();
        let key = new_key(&mut client, TENANT, USER);
        let ticket = open(&mut client, TENANT, USER, None).ticket;
        assert!(moved(&other, std::slice::from_ref(&key.sealed))[0] == key.sealed);
        none(&[key.sealed, ticket], "of another installation");
    }
}

/// What a kill leaves: whose shares open it, which the ceremony in force says.
fn reopen(folder: &Folder, known: &[(Ceremony, Vec<Vec<u8>>)]) -> (Enclave, Ceremony) {
    let enclave = Enclave::start(folder, &shares());
    let current = standing(&enclave).current.unwrap();
    let (_, parts) = known.iter().find(|(ceremony, _)| *ceremony == current).expect("one that was dealt");
    unseal(&enclave, &parts[..usize::try_from(current.threshold).unwrap()]);
    (enclave, current)
}

/// Gives all shares but the last, then the last, and kills the enclave that long after.
fn cut(enclave: &mut Enclave, purpose: Purpose, parts: &[Vec<u8>], after: Duration) {
    let begun = begin(enclave, purpose);
    let (last, others) = parts.split_last().unwrap();
    for part in others {
        expect!(enclave.call(&to(&begun, part)), Given);
    }
    let (mut client, request) = (enclave.connect(), to(&begun, last));
    thread::scope(|scope| {
        scope.spawn(move || client.try_call(&request));
        thread::sleep(after);
        enclave.kill();
    });
}

/// Each deed, cut short after a time that grows by so much from round to round, and begun again until it was done.
#[test]
fn a_kill_leaves_the_old_holders_or_the_new_ones() {
    const STEP: Duration = Duration::from_micros(700);
    let rounds: u32 = if std::env::var_os("HOLDFAST_CAMPAIGN").is_some() { 40 } else { 4 };
    let (mut kills, mut by_new) = (0, 0);
    for round in 0..rounds {
        let (folder, keeper) = (Folder::new(), Keeper::new());
        let (mut enclave, old) = opened(&folder, &keeper);
        let mut key = new_key(&mut enclave.connect(), TENANT, USER);
        let mut known = vec![(standing(&enclave).current.unwrap(), old.clone())];

        cut(&mut enclave, Purpose::Renew(keeper.plan(2, 3)), &old[..3], STEP * round);
        (enclave, _) = reopen(&folder, &known);
        assert!(is_proven(opens(&mut enclave.connect(), &key)), "round {round}: after a cut renewal");
        let new = renew(&enclave, &keeper, &old[..3]);
        known.push((standing(&enclave).pending.unwrap(), new.clone()));

        cut(&mut enclave, Purpose::Verify, &new[..2], STEP * round);
        let current;
        (enclave, current) = reopen(&folder, &known);
        assert!(is_proven(opens(&mut enclave.connect(), &key)), "round {round}: after a cut proof");
        if current == known[0].0 {
            give(&enclave, Purpose::Verify, &new[..2]);
        } else {
            by_new += 1;
        }
        assert_eq!(epochs(&enclave), Epochs { current: 2, former: Some(1) }, "round {round}");
        let left = key.clone();
        key.sealed = moved(&enclave, &[key.sealed]).remove(0);

        cut(&mut enclave, Purpose::Retire(1), &new[1..], STEP * round);
        (enclave, _) = reopen(&folder, &known);
        assert!(is_proven(opens(&mut enclave.connect(), &key)), "round {round}: after a cut retirement");
        if epochs(&enclave).former.is_some() {
            assert!(is_proven(opens(&mut enclave.connect(), &left)), "round {round}: not retired");
            give(&enclave, Purpose::Retire(1), &new[1..]);
        }
        refused(&opens(&mut enclave.connect(), &left), Refusal::EpochRetired);
        kills += 3;
    }
    println!("figure: epoch_kills {kills} kills");
    println!("figure: epoch_kills_opened_by_new_holders {by_new} kills");
}
