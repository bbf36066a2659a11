//! What witnesses outside have signed of the logs.

use domain::audit::tree::{Hash, leaf};
use domain::audit::witness::WitnessState;
use store::audit::{self, AuditEntry};
use store::audit_witnesses::{self, Troubles, Witnessed};
use store::checkpoints::{self, Checkpoint};
use store::{Db, reset};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    of_two_signatures_the_one_under_the_later_checkpoint_stays,
    who_did_not_sign_keeps_what_he_signed_before,
    a_witness_is_asked_when_there_is_something_new_and_it_is_time,
    a_reset_takes_the_signatures_of_one_log,
}

const ANNA: &str = "anna+01020304+key";
const BEN: &str = "ben+05060708+key";

async fn sign(db: &Db, tenant: u64, witness: &'static str, size: i64, ask_after: i64) {
    let line = format!("{witness} signed {size}");
    write(db, move |tx| {
        audit_witnesses::of(&id(tenant)).set_signed(tx, witness, (size, &line), at(ask_after))
    })
    .await;
}

async fn note(db: &Db, tenant: u64, witness: &'static str, state: WitnessState, ask_after: i64) {
    write(db, move |tx| audit_witnesses::of(&id(tenant)).set_state(tx, witness, state, at(ask_after))).await;
}

async fn find(db: &Db, tenant: u64, witness: &'static str) -> Option<Witnessed> {
    read(db, move |rx| audit_witnesses::of(&id(tenant)).find(rx, witness)).await
}

async fn lines(db: &Db, tenant: u64, size: i64) -> Vec<String> {
    read(db, move |rx| audit_witnesses::of(&id(tenant)).list_lines(rx, size)).await
}

fn signed(size: i64) -> Witnessed {
    Witnessed { size, state: WitnessState::Signed }
}

async fn of_two_signatures_the_one_under_the_later_checkpoint_stays(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(find(&db, 1, ANNA).await, None);
    for (witness, size) in [(ANNA, 3), (BEN, 5), (ANNA, 5)] {
        sign(&db, 1, witness, size, 0).await;
    }
    assert_eq!(lines(&db, 1, 3).await, [""; 0], "one line of each");
    let both = [format!("{ANNA} signed 5"), format!("{BEN} signed 5")];
    assert_eq!(lines(&db, 1, 5).await, both);
    sign(&db, 1, ANNA, 4, 0).await;
    assert_eq!(
        (find(&db, 1, ANNA).await, lines(&db, 1, 5).await),
        (Some(signed(5)), both.to_vec()),
        "too late"
    );
    write(&db, |tx| audit_witnesses::of(&id(1)).set_signed(tx, ANNA, (5, "anew"), at(0))).await;
    assert_eq!(lines(&db, 1, 5).await, ["anew".to_owned(), both[1].clone()], "of one size the last");
    // The neighbour's log has signatures of its own.
    assert_eq!((find(&db, 2, ANNA).await, lines(&db, 2, 5).await), (None, vec![]));
    sign(&db, 2, ANNA, 1, 0).await;
    assert_eq!((find(&db, 2, ANNA).await, find(&db, 1, ANNA).await), (Some(signed(1)), Some(signed(5))));
}

async fn who_did_not_sign_keeps_what_he_signed_before(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let troubles = || async { read(&db, audit_witnesses::find_troubles).await };
    assert_eq!(troubles().await, Troubles { away: 0, forked: 0 });
    sign(&db, 1, ANNA, 5, 0).await;
    note(&db, 1, ANNA, WitnessState::Forked, 0).await;
    assert_eq!(find(&db, 1, ANNA).await, Some(Witnessed { size: 5, state: WitnessState::Forked }));
    assert_eq!(lines(&db, 1, 5).await, [format!("{ANNA} signed 5")]);
    note(&db, 1, BEN, WitnessState::Away, 0).await;
    assert_eq!(find(&db, 1, BEN).await, Some(Witnessed { size: 0, state: WitnessState::Away }));
    assert_eq!(lines(&db, 1, 0).await, [""; 0], "he has signed nothing");
    note(&db, 2, ANNA, WitnessState::Away, 0).await;
    note(&db, 2, BEN, WitnessState::Stranger, 0).await;
    assert_eq!(troubles().await, Troubles { away: 2, forked: 1 }, "a stranger is no trouble");
    sign(&db, 1, ANNA, 6, 0).await;
    sign(&db, 1, BEN, 6, 0).await;
    assert_eq!(troubles().await, Troubles { away: 1, forked: 0 });
    assert_eq!(find(&db, 1, ANNA).await, Some(signed(6)));
}

fn hash(entry: &AuditEntry, _: i64, _: Option<&Hash>) -> Hash {
    leaf(entry.id.to_string().as_bytes())
}

/// A log with a checkpoint of this size, or, if `is_covered` is false, with entries alone.
async fn log(db: &Db, tenant: u64, size: i64, is_covered: bool) {
    write(db, move |tx| {
        let of = id(tenant);
        let grown = audit::of(&of).sequence_pending(tx, 0, &hash)?.expect("a head of ours").size();
        for number in grown..size {
            let number = tenant * 1_000 + number.unsigned_abs();
            audit::of(&of).append(tx, &entry(number))?;
        }
        audit::of(&of).sequence_pending(tx, size, &hash)?.expect("a head of ours");
        let (note, peaks) = (format!("note {size}"), Some(vec![7; 32]));
        let made = Checkpoint { size, root: [7; 32], note, made_at: at(1), peaks, cosigner: None };
        if is_covered { checkpoints::of(&of).insert(tx, &made) } else { Ok(()) }
    })
    .await;
}

async fn a_witness_is_asked_when_there_is_something_new_and_it_is_time(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let due = |witness, ms| read(&db, move |rx| audit_witnesses::list_due(rx, witness, at(ms), 9));
    assert_eq!(due(ANNA, 99).await, []);
    log(&db, 1, 3, false).await;
    assert_eq!(due(ANNA, 99).await, [], "there is no checkpoint");
    log(&db, 1, 3, true).await;
    log(&db, 2, 2, true).await;
    assert_eq!(due(ANNA, 0).await, [id(1), id(2)], "who was never asked, at once");
    let first = read(&db, |rx| audit_witnesses::list_due(rx, ANNA, at(0), 1)).await;
    assert_eq!(first, [id(1)]);
    sign(&db, 1, ANNA, 3, 50).await;
    assert_eq!((due(ANNA, 99).await, due(BEN, 99).await), (vec![id(2)], vec![id(1), id(2)]), "each his own");
    log(&db, 1, 4, true).await;
    assert_eq!((due(ANNA, 49).await, due(ANNA, 50).await), (vec![id(2)], vec![id(1), id(2)]));
    note(&db, 1, ANNA, WitnessState::Away, 80).await;
    note(&db, 2, ANNA, WitnessState::Stranger, 70).await;
    let asked = [due(ANNA, 69).await, due(ANNA, 70).await, due(ANNA, 80).await];
    assert_eq!(asked, [vec![], vec![id(2)], vec![id(1), id(2)]]);
    sign(&db, 2, ANNA, 2, 0).await;
    sign(&db, 1, ANNA, 4, 90).await;
    assert_eq!(due(ANNA, 99).await, [], "he has signed all there is");
    log(&db, 1, 5, true).await;
    assert_eq!((due(ANNA, 89).await, due(ANNA, 90).await), (vec![], vec![id(1)]));
}

async fn a_reset_takes_the_signatures_of_one_log(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for tenant in [1, 2] {
        sign(&db, tenant, ANNA, 5, 0).await;
    }
    write(&db, |tx| reset::forget(tx, &id(1))).await;
    assert_eq!((find(&db, 1, ANNA).await, find(&db, 2, ANNA).await), (None, Some(signed(5))));
}
