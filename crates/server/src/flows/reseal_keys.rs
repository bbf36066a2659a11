//! Has the enclave seal anew, under the root key in force, what it sealed under the one before: page by page, all of
//! it, and again and again until nothing was left to move. A row is replaced only if it is still what was read.

use std::cmp::Ordering;

use boundary::ceremony::{RESEAL_ITEMS_MAX, Reseal as Request};
use domain::ids::KeyId;
use domain::limits::{RESEAL_AGAIN, RESEAL_SETTLE};
use domain::time::Timestamp;
use store::held_keys::{self, HeldKey};
use store::reseals::{self, PLACES, Place, Reseal, SealedRow};
use store::{StoreError, Tx};

use super::Error;
use super::key_shares::{open_sealed, replace_sealed};
use crate::app::App;
use crate::edge::enclave::CallError;

/// Goes one page further. True when there is more to do at once.
pub async fn reseal_keys(app: &App, now: Timestamp) -> Result<bool, Error> {
    let epochs = app.enclave.reseal(Request { items: Vec::new() }).await?.epochs;
    if epochs.former.is_none() {
        return Ok(false);
    }
    let epoch = i64::from(epochs.current);
    let found = app.db.read("find_reseal", reseals::find_latest).await;
    let found: Option<Reseal> = found.map_err(|error: StoreError| Error::from(error))?;
    let Some(was) = found.filter(|found| found.epoch == epoch) else {
        let begun = begin(epoch, now);
        app.db.write("begin_reseal", move |tx| reseals::insert(tx, &begun)).await.map_err(store_error)?;
        return Ok(true);
    };
    if now < was.due_at {
        return Ok(false);
    }
    let at = usize::try_from(was.place).unwrap_or(usize::MAX);
    match at.cmp(&PLACES.len()) {
        Ordering::Less => move_rows(app, &PLACES[at], was).await?,
        Ordering::Equal => move_keys(app, was, now).await?,
        Ordering::Greater => {
            let next = end_pass(&was, now);
            step(app, was, next).await?;
        }
    }
    Ok(true)
}

/// A page of rows that have a seal whole.
async fn move_rows(app: &App, place: &'static Place, was: Reseal) -> Result<(), Error> {
    let after = was.last_id.clone();
    let page = app.db.read("list_sealed", move |rx| reseals::list_sealed(rx, place, &after, limit())).await;
    let page: Vec<SealedRow> = page.map_err(store_error)?;
    let sealed = sealed_anew(app, page.iter().map(|row| row.sealed.clone()).collect()).await?;
    let moved = app.db.write("set_sealed", move |tx| write(tx, place, &was, &page, &sealed));
    moved.await.map_err(store_error)
}

/// A page of customers' keys, which may be in shares. One that cannot be put together now holds all of it up: the root
/// key of before is needed until it can.
async fn move_keys(app: &App, was: Reseal, now: Timestamp) -> Result<(), Error> {
    let after: Option<KeyId> = was.last_id.parse().ok();
    let page = app.db.read("list_held", move |rx| held_keys::list_held(rx, after.as_ref(), limit())).await;
    let page: Vec<HeldKey> = page.map_err(store_error)?;
    let mut items = Vec::with_capacity(page.len());
    for key in &page {
        items.push(open_sealed(app, (&key.tenant_id, &key.id), &key.held()).await?);
    }
    let mut next = was.clone();
    for ((key, before), becomes) in page.iter().zip(&items).zip(sealed_anew(app, items.clone()).await?) {
        match becomes {
            None => next.broken_in_pass += 1,
            Some(becomes) if becomes == *before => {}
            Some(becomes) => {
                let of = (&key.tenant_id, &key.id);
                next.moved_in_pass += 1;
                next.moved += i64::from(replace_sealed(app, of, &key.held(), becomes, now).await?);
            }
        }
    }
    next.place += i64::from(page.is_empty());
    next.last_id = page.last().map_or_else(String::new, |last| last.id.to_string());
    step(app, was, next).await
}

/// As the enclave seals these in the epoch that is in force; none: a seal that does not hold.
async fn sealed_anew(app: &App, items: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let count = items.len();
    let answer = app.enclave.reseal(Request { items }).await?;
    if answer.items.len() == count { Ok(answer.items) } else { Err(CallError::OutOfProtocol.into()) }
}

async fn step(app: &App, was: Reseal, next: Reseal) -> Result<(), Error> {
    let taken = app.db.write("set_reseal", move |tx| reseals::set(tx, &was, &next)).await;
    taken.map(drop).map_err(store_error)
}

/// How many are asked of the enclave at once.
fn limit() -> i64 {
    i64::try_from(RESEAL_ITEMS_MAX).unwrap_or(i64::MAX)
}

fn store_error(error: StoreError) -> Error {
    error.into()
}

fn begin(epoch: i64, now: Timestamp) -> Reseal {
    Reseal {
        epoch,
        began_at: now,
        pass_began_at: now,
        due_at: now,
        place: 0,
        last_id: String::new(),
        moved: 0,
        moved_in_pass: 0,
        broken: 0,
        broken_in_pass: 0,
        finished_at: None,
    }
}

/// Writes what of a page moved, and how far it has come.
fn write(
    tx: &mut Tx<'_>,
    place: &'static Place,
    was: &Reseal,
    page: &[SealedRow],
    sealed: &[Option<Vec<u8>>],
) -> Result<(), StoreError> {
    let mut next = was.clone();
    for (row, becomes) in page.iter().zip(sealed) {
        match becomes {
            None => next.broken_in_pass += 1,
            Some(becomes) if *becomes == row.sealed => {}
            // Somebody else's newer one is looked at in the next pass.
            Some(becomes) => {
                next.moved_in_pass += 1;
                next.moved += i64::from(reseals::set_sealed(tx, place, row, becomes)?);
            }
        }
    }
    next.place += i64::from(page.is_empty());
    next.last_id = page.last().map_or_else(String::new, |last| last.id.clone());
    reseals::set(tx, was, &next).map(drop)
}

/// What comes after a whole pass: another one, at once if this one moved something. Nothing is finished by a pass that
/// began while an answer of the enclave of before could still have been on its way into the database.
fn end_pass(was: &Reseal, now: Timestamp) -> Reseal {
    let is_settled = was.pass_began_at >= was.began_at + RESEAL_SETTLE;
    let finished_at = (was.moved_in_pass == 0 && is_settled).then(|| was.finished_at.unwrap_or(now));
    let due_at = if was.moved_in_pass == 0 { now + RESEAL_AGAIN } else { now };
    Reseal {
        pass_began_at: due_at,
        due_at,
        place: 0,
        last_id: String::new(),
        moved_in_pass: 0,
        broken: was.broken_in_pass,
        broken_in_pass: 0,
        finished_at,
        ..was.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_000_000);

    #[test]
    fn a_pass_finishes_it_that_moved_nothing_and_began_late_enough() {
        let begun = begin(2, START);
        let ends = |pass_began_at, moved_in_pass, now| {
            end_pass(&Reseal { pass_began_at, moved_in_pass, place: 7, ..begun.clone() }, now)
        };
        let late = START + RESEAL_SETTLE;
        let early = Timestamp::from_ms(late.ms() - 1);
        for (pass_began_at, moved, is_finished) in
            [(START, 0, false), (early, 0, false), (late, 0, true), (late, 1, false)]
        {
            let next = ends(pass_began_at, moved, late + RESEAL_AGAIN);
            assert_eq!(next.finished_at.is_some(), is_finished, "{pass_began_at:?} {moved}");
            assert_eq!((next.place, next.last_id.as_str(), next.moved_in_pass), (0, "", 0));
        }
        let idle = ends(START, 0, late);
        assert_eq!((idle.due_at, idle.pass_began_at), (late + RESEAL_AGAIN, late + RESEAL_AGAIN));
        assert_eq!(ends(START, 5, late).due_at, late, "at once");
    }

    #[test]
    fn what_comes_late_ends_the_end() {
        let late = START + RESEAL_SETTLE;
        let finished = end_pass(&Reseal { pass_began_at: late, ..begin(2, START) }, late);
        assert_eq!(finished.finished_at, Some(late));
        let again = end_pass(&finished, late + RESEAL_AGAIN);
        assert_eq!(again.finished_at, Some(late), "since when, and not until when");
        let moved = end_pass(&Reseal { moved: 1, moved_in_pass: 1, ..finished }, late + RESEAL_AGAIN);
        assert_eq!(moved.finished_at, None);
    }

    #[test]
    fn seals_that_do_not_hold_are_counted_by_pass() {
        let pass = Reseal { broken_in_pass: 3, broken: 9, ..begin(2, START) };
        let next = end_pass(&pass, START);
        assert_eq!((next.broken, next.broken_in_pass), (3, 0));
    }
}
