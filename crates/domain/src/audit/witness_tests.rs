use boundary::Env;

use super::super::checkpoint::LogKey;
use super::super::tree::{Tree, leaf};
use super::*;

const TENANT: &str = "01890000-0000-7000-8000-000000000001";

fn log() -> LogKey {
    LogKey::of(&[7; 32], Env::Production).expect("a key")
}

fn verifier() -> VerifierKey {
    VerifierKey::parse(&log().vkey(TENANT)).expect("a key")
}

/// Entries of a log, the first so many of one history and the others of this one.
fn leaves(common: usize, size: usize, history: &str) -> Vec<Hash> {
    (0..size).map(|at| leaf(format!("{at} {}", if at < common { "" } else { history }).as_bytes())).collect()
}

fn tree(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree
}

fn note(leaves: &[Hash]) -> String {
    log().sign(TENANT, 1, i64::try_from(leaves.len()).expect("small"), &tree(leaves).root())
}

/// The request by which a log of these leaves goes on from the first `old`.
fn request(old: usize, leaves: &[Hash]) -> AddCheckpoint {
    let proof = tree(&leaves[..old]).consistency(&leaves[old..]);
    AddCheckpoint { old: i64::try_from(old).expect("small"), proof, note: note(leaves) }
}

fn known(leaves: &[Hash]) -> Checkpoint {
    verifier().open(&note(leaves)).expect("signed")
}

#[test]
fn what_goes_on_is_signed_whatever_the_sizes() {
    for size in 1..=70 {
        let all = leaves(0, size, "a");
        assert_eq!(judge(&verifier(), None, &request(0, &all)).map(|new| new.size), Ok(known(&all).size));
        for old in 1..=size {
            let before = known(&all[..old]);
            let asked = request(old, &all);
            let judged = judge(&verifier(), Some(&before), &asked);
            assert_eq!(judged, Ok(known(&all)), "from {old} to {size}");
            assert_eq!(AddCheckpoint::read(&asked.text()), Some(asked));
        }
    }
}

#[test]
fn another_history_is_signed_by_no_proof() {
    for size in 2..=40 {
        for old in 1..size {
            let (ours, theirs) = (leaves(old - 1, old, "a"), leaves(old - 1, size, "b"));
            let (before, asked) = (known(&ours), request(old, &theirs));
            assert_eq!(judge(&verifier(), Some(&before), &asked), Err(Unwitnessed::NotShown), "{old} {size}");
            // Nor by a part of the right one, or more than that, of the same history.
            let same = leaves(old, size, "b");
            let asked = request(old, &same);
            let (before, proof) = (known(&same[..old]), &asked.proof);
            for at in 0..proof.len() {
                let mut changed = asked.clone();
                changed.proof[at][0] ^= 1;
                assert_eq!(judge(&verifier(), Some(&before), &changed), Err(Unwitnessed::NotShown));
                changed = AddCheckpoint { proof: proof[..at].to_vec(), ..asked.clone() };
                assert_eq!(judge(&verifier(), Some(&before), &changed), Err(Unwitnessed::NotShown));
            }
            let more = AddCheckpoint { proof: [proof.as_slice(), &[[0; 32]]].concat(), ..asked };
            assert_eq!(judge(&verifier(), Some(&before), &more), Err(Unwitnessed::NotShown));
        }
    }
}

#[test]
fn who_begins_elsewhere_is_told_where_the_witness_is() {
    let all = leaves(0, 9, "a");
    let before = known(&all[..5]);
    for old in [0, 4, 6, 9] {
        assert_eq!(judge(&verifier(), Some(&before), &request(old, &all)), Err(Unwitnessed::OtherSize(5)));
    }
    assert_eq!(judge(&verifier(), None, &request(3, &all)), Err(Unwitnessed::OtherSize(0)));
    let other = leaves(4, 5, "b");
    assert_eq!(
        judge(&verifier(), Some(&before), &request(5, &other)),
        Err(Unwitnessed::OtherSize(5)),
        "as many, and others"
    );
    // What was cut off is not signed again, by whatever size it is said to go on from.
    assert_eq!(judge(&verifier(), Some(&before), &request(3, &all[..4])), Err(Unwitnessed::OtherSize(5)));
    let smaller = AddCheckpoint { old: 5, ..request(0, &all[..4]) };
    assert_eq!(judge(&verifier(), Some(&before), &smaller), Err(Unwitnessed::Malformed));
}

#[test]
fn what_the_log_did_not_sign_is_refused() {
    let all = leaves(0, 3, "a");
    let asked = request(0, &all);
    let other = LogKey::of(&[8; 32], Env::Production).expect("a key");
    let forged = other.sign(TENANT, 1, 3, &tree(&all).root());
    let changed = asked.note.replacen("\n3\n", "\n4\n", 1);
    for (note, fault) in [
        (forged, Unwitnessed::NotSigned),
        (changed, Unwitnessed::NotSigned),
        ("nothing".to_owned(), Unwitnessed::Malformed),
        (log().sign(TENANT, 1, 0, &tree(&[]).root()), Unwitnessed::Malformed),
    ] {
        let asked = AddCheckpoint { note, ..asked.clone() };
        assert_eq!(judge(&verifier(), None, &asked), Err(fault), "{asked:?}");
    }
    let superfluous = AddCheckpoint { proof: vec![[0; 32]], ..asked };
    assert_eq!(judge(&verifier(), None, &superfluous), Err(Unwitnessed::NotShown));
}

#[test]
fn what_is_no_request_is_not_read() {
    let good = request(2, &leaves(0, 3, "a")).text();
    assert!(AddCheckpoint::read(&good).is_some());
    for bad in [
        good.replacen("old 2", "old 02", 1),
        good.replacen("old 2", "old -2", 1),
        good.replacen("old 2", "old +2", 1),
        good.replacen("old 2", "old  2", 1),
        good.replacen("old 2", "size 2", 1),
        good.replacen("\n\n", "\n", 1),
        good.replacen('\n', "\nAAAA\n", 1),
        good.replacen('\n', &format!("\n{}", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(63)), 1),
        String::new(),
    ] {
        // A checkpoint has an empty line of its own: taken for the request's, it leaves no proof that reads.
        assert_eq!(AddCheckpoint::read(&bad), None, "{bad}");
    }
}

#[test]
fn a_witness_signs_as_the_standard_has_it() {
    let (seed, name) = ([3; 32], "witness.example.org/1");
    let key = WitnessKey::of(&seed, name).expect("a key");
    let secret = WitnessKey::secret(&seed, name).expect("a key");
    assert_eq!(WitnessKey::parse(&secret).expect("read").vkey(), key.vkey());
    assert!(WitnessKey::parse(&secret.replacen("example", "exomple", 1)).is_none(), "another's name");
    for name in ["", "a b", "a+b", "a\nb"] {
        assert!(WitnessKey::of(&seed, name).is_none(), "{name:?}");
    }
    let all = leaves(0, 3, "a");
    let line = key.sign(&known(&all), Timestamp::from_ms(1_795_239_567_000));
    let cosigned = note(&all) + &line;
    let witness = Cosigner::parse(&key.vkey()).expect("a key");
    assert_eq!(witness.check(&cosigned), Ok(Timestamp::from_ms(1_795_239_567_000)));
    assert_eq!(verifier().open(&cosigned).map(|read| read.size), Ok(3));
    let moved = note(&leaves(2, 3, "b")) + &line;
    assert_eq!(witness.check(&moved), Err(NoteFault::BadSignature));
}
