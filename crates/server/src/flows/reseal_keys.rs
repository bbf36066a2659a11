//! Has the enclave seal anew, under the root key in force, what it sealed under the one before: page by page, all of
//! it, and again and again until nothing was left to move. A row is replaced only if it is still what was read.

use boundary::ceremony::{RESEAL_ITEMS_MAX, Reseal as Request};
use domain::limits::{RESEAL_AGAIN, RESEAL_SETTLE};
use domain::time::Timestamp;
use store::reseals::{self, PLACES, Place, Reseal, SealedRow};
use store::{StoreError, Tx};

use super::Error;
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
    let Some(place) = usize::try_from(was.place).ok().and_then(|at| PLACES.get(at)) else {
        let next = end_pass(&was, now);
        app.db
            .write("end_reseal_pass", move |tx| reseals::set(tx, &was, &next))
            .await
            .map_err(store_error)?;
        return Ok(true);
    };
    let (after, limit) = (was.last_id.clone(), i64::try_from(RESEAL_ITEMS_MAX).unwrap_or(i64::MAX));
    let page = app.db.read("list_sealed", move |rx| reseals::list_sealed(rx, place, &after, limit)).await;
    let page: Vec<SealedRow> = page.map_err(store_error)?;
    let items = page.iter().map(|row| row.sealed.clone()).collect();
    let answer = app.enclave.reseal(Request { items }).await?;
    if answer.items.len() != page.len() {
        return Err(CallError::OutOfProtocol.into());
    }
    let moved = app.db.write("set_sealed", move |tx| write(tx, place, &was, &page, &answer.items));
    moved.await.map_err(store_error)?;
    Ok(true)
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
            end_pass(&Reseal { pass_began_at, moved_in_pass, place: 6, ..begun.clone() }, now)
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
