//! Goes through all keys and holds them as the settings say: splits what is whole, makes anew what lacks shares, and
//! puts together what is not to be split any more.
//!
//! A key is split anew as a whole: shares of two splittings do not go together, so that what was lost, and may be found
//! by somebody, is worth nothing. The shares of before stay for a while, for a database that comes back older.

use domain::ids::KeyId;
use domain::limits::SHARES_LOOK_KEYS;
use domain::time::Timestamp;
use serde::Serialize;
use store::StoreError;
use store::held_keys::{self, Held, HeldKey};

use super::super::Error;
use super::gather::{Gathered, Lack};
use super::hold::{away, replace_sealed};
use crate::app::App;
use crate::key_shares::Place;

/// Which keys are to be held anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// All that are not held as the settings say.
    All,
    /// Those that lack a share in one place.
    Of(Place),
    /// Those of which a share was changed. What is missing may be a disk that is not there: that is for people.
    Damaged,
}

/// What was found, and what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remade {
    /// Keys that were looked at.
    pub keys: u64,
    /// Of them, held whole in their rows in the end.
    pub whole: u64,
    /// In shares, all of which are there.
    pub complete: u64,
    /// In shares of which some are not to be had; still enough.
    pub lacking: u64,
    /// In shares of which too few are to be had.
    pub lost: u64,
    /// Keys that are held anew.
    pub remade: u64,
}

/// Goes through all keys. `tell` hears how far it is, now and then. A store that is away ends it with an error: what was
/// done until then stays done.
pub async fn remake_key_shares(
    app: &App,
    wish: Wish,
    now: Timestamp,
    mut tell: impl FnMut(&Remade) + Send,
) -> Result<Remade, Error> {
    let (mut done, mut after) = (Remade::default(), None::<KeyId>);
    loop {
        let from = after.clone();
        let page =
            app.db.read("list_held", move |rx| held_keys::list_held(rx, from.as_ref(), SHARES_LOOK_KEYS));
        let page: Vec<HeldKey> = page.await.map_err(|error: StoreError| Error::from(error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for key in &page {
            look(app, key, wish, now, &mut done).await?;
        }
        tell(&done);
    }
    Ok(done)
}

/// Looks at one key.
async fn look(app: &App, key: &HeldKey, wish: Wish, now: Timestamp, done: &mut Remade) -> Result<(), Error> {
    done.keys += 1;
    let (of, held) = ((&key.tenant_id, &key.id), key.held());
    let (split_id, row) = match &held {
        Held::Whole(sealed) => {
            let is_wanted = wish == Wish::All && app.key_shares.split.is_some();
            if is_wanted && replace_sealed(app, of, &held, sealed.clone(), now).await? {
                done.remade += 1;
                done.complete += 1;
            } else {
                done.whole += 1;
            }
            return Ok(());
        }
        Held::InShares(split_id, row) => (split_id, row),
    };
    let mut gathered = Gathered::begin(app, of, split_id, row);
    for at in 0..app.key_shares.shelves.len() {
        gathered.look(app, Some(at)).await;
    }
    if gathered.lacks.iter().any(|(_, lack)| *lack == Lack::Away) {
        return Err(away());
    }
    let Some(sealed) = gathered.combine() else {
        tracing::error!(key_id = %key.id, "too few shares of a key can be read");
        done.lost += 1;
        return Ok(());
    };
    let is_off = app.key_shares.split.is_none();
    let is_wanted = match wish {
        Wish::All => is_off || !gathered.is_as_set(app, None) || !gathered.is_complete(),
        Wish::Of(place) => !is_off && !gathered.is_as_set(app, Some(place)),
        Wish::Damaged => !is_off && gathered.lacks.iter().any(|(_, lack)| *lack == Lack::Damaged),
    };
    if is_wanted && replace_sealed(app, of, &held, sealed, now).await? {
        tracing::info!(key_id = %key.id, "a key is held anew");
        done.remade += 1;
        *if is_off { &mut done.whole } else { &mut done.complete } += 1;
    } else if gathered.is_complete() {
        done.complete += 1;
    } else {
        done.lacking += 1;
    }
    Ok(())
}
