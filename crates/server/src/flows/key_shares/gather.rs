//! Puts a sealed private key together from its shares.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use domain::entropy::Entropy;
use domain::ids::{KeyId, SplitId, TenantId};
use store::held_keys::Held;
use store::key_shares::{self, Share, Split};
use store::share_store::SharesOf;

use super::super::Error;
use super::{KeyOf, lacking, shares_of};
use crate::app::App;
use crate::key_shares::Place;

/// Why a store gave no share, or not all of its shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It has none.
    Missing,
    /// What it has was changed, or is of another key or another splitting.
    Damaged,
    /// It does not answer.
    Away,
}

impl Lack {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Away => "away",
        }
    }
}

/// From what a key was rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The numbers of the shares that were taken.
    pub used: Vec<u8>,
    /// How many were found whole.
    pub found: usize,
    /// How the key is split.
    pub split: Split,
}

impl Rebuilt {
    /// Whether none of the shares was missing.
    pub fn is_from_all(&self) -> bool {
        self.found == usize::from(self.split.total)
    }
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used: Vec<_> = self.used.iter().map(ToString::to_string).collect();
        let (used, found, total) = (used.join(" and "), self.found, self.split.total);
        write!(f, "rebuilt from its shares {used}, drawn from {found} of {total}")
    }
}

/// The shares of one splitting that were found so far.
pub(super) struct Gathered {
    of: SharesOf,
    shares: BTreeMap<u8, (Place, Share)>,
    /// What was wrong, and where.
    pub lacks: Vec<(Place, Lack)>,
}

impl Gathered {
    /// With the shares of the key's row.
    pub fn begin(app: &App, key: KeyOf<'_>, split_id: &SplitId, row: &[u8]) -> Self {
        let of = shares_of(key, split_id);
        let mut gathered = Self { of, shares: BTreeMap::new(), lacks: Vec::new() };
        gathered.take(app, None, row);
        gathered
    }

    /// Looks into one store. What it does not give is counted and logged, and never an error here.
    pub async fn look(&mut self, app: &App, place: Place) {
        let Some(asked) = place.and_then(|at| app.key_shares.shelves.get(at)) else { return };
        match asked.note(asked.store.read(&self.of).await, app.clock.now()) {
            Ok(Some(bytes)) => self.take(app, place, &bytes),
            Ok(None) => self.lacks(app, place, Lack::Missing),
            Err(_) => self.lacks(app, place, Lack::Away),
        }
    }

    fn take(&mut self, app: &App, place: Place, bytes: &[u8]) {
        let found = key_shares::read(&app.keys, &self.of.key, bytes);
        let (ours, others): (Vec<_>, Vec<_>) =
            found.shares.into_iter().partition(|share| share.split_id == self.of.split);
        if found.is_damaged || !others.is_empty() {
            self.lacks(app, place, Lack::Damaged);
        }
        self.shares.extend(ours.into_iter().map(|share| (share.number, (place, share))));
    }

    fn lacks(&mut self, app: &App, place: Place, lack: Lack) {
        let store = app.key_shares.name(place);
        app.metrics.count_share_lack(store, lack.as_str());
        tracing::warn!(key_id = %self.of.key, store, lack = lack.as_str(), "a key share was not to be had");
        self.lacks.push((place, lack));
    }

    /// What the shares are together; none while they are too few.
    pub fn combine(&self) -> Option<Vec<u8>> {
        key_shares::combine(&self.shares.values().map(|(_, share)| share).collect::<Vec<_>>())
    }

    /// Whether every share is where the settings want it, split as they say; of one place, or of all.
    pub fn is_as_set(&self, app: &App, only: Option<Place>) -> bool {
        app.key_shares
            .layout
            .iter()
            .zip(1..)
            .filter(|(place, _)| only.is_none_or(|only| only == **place))
            .all(|(place, number)| {
                let found = self.shares.get(&number);
                found.is_some_and(|(at, share)| at == place && Some(share.split) == app.key_shares.split)
            })
    }

    /// Whether all shares are there, of a key of which some are, and nothing else is where they are.
    pub fn is_complete(&self) -> bool {
        let total = self.shares.values().next().map_or(0, |(_, share)| share.split.total);
        total > 0 && self.shares.len() == usize::from(total) && self.lacks.is_empty()
    }
}

/// What the enclave sealed of a key, whole. Stores that are away, and shares that do not hold, are passed over as long as
/// others are enough.
pub async fn open_sealed(app: &App, key: KeyOf<'_>, held: &Held) -> Result<Vec<u8>, Error> {
    let (split_id, row) = match held {
        Held::Whole(sealed) => return Ok(sealed.clone()),
        Held::InShares(split_id, row) => (split_id, row),
    };
    let mut gathered = Gathered::begin(app, key, split_id, row);
    for place in app.key_shares.nearest(app.clock.now()) {
        if let Some(sealed) = gathered.combine() {
            return Ok(sealed);
        }
        gathered.look(app, place).await;
    }
    gathered.combine().ok_or_else(|| lacking(key.1))
}

/// As [`open_sealed`], for many keys of a tenant, each once.
pub async fn open_each(
    app: &App,
    tenant: &TenantId,
    keys: impl Iterator<Item = (KeyId, Held)>,
) -> Result<HashMap<KeyId, Vec<u8>>, Error> {
    let mut opened = HashMap::new();
    for (key, held) in keys {
        if let Entry::Vacant(room) = opened.entry(key) {
            let sealed = open_sealed(app, (tenant, room.key()), &held).await?;
            room.insert(sealed);
        }
    }
    Ok(opened)
}

/// As [`open_sealed`], from as few shares as are enough, drawn from all that there are; and which ones they were, where
/// the key is split.
pub async fn rebuild(app: &App, key: KeyOf<'_>, held: &Held) -> Result<(Vec<u8>, Option<Rebuilt>), Error> {
    let (split_id, row) = match held {
        Held::Whole(sealed) => return Ok((sealed.clone(), None)),
        Held::InShares(split_id, row) => (split_id, row),
    };
    let mut gathered = Gathered::begin(app, key, split_id, row);
    for place in app.key_shares.nearest(app.clock.now()) {
        gathered.look(app, place).await;
    }
    let mut drawn: Vec<_> = gathered.shares.values().map(|(_, share)| share).collect();
    let Some(split) = drawn.first().map(|share| share.split) else { return Err(lacking(key.1)) };
    let found = drawn.len();
    shuffle(&mut drawn, &mut app.chance());
    drawn.truncate(split.threshold.into());
    let sealed = key_shares::combine(&drawn).ok_or_else(|| lacking(key.1))?;
    let mut used: Vec<_> = drawn.iter().map(|share| share.number).collect();
    used.sort_unstable();
    tracing::info!(key_id = %key.1, ?used, found, total = split.total, "a key was rebuilt from its shares");
    Ok((sealed, Some(Rebuilt { used, found, split })))
}

/// Puts things into an order of chance (Fisher and Yates).
fn shuffle<T>(things: &mut [T], chance: &mut dyn Entropy) {
    for last in (1..things.len()).rev() {
        let mut drawn = [0; 8];
        chance.fill(&mut drawn);
        // Of so few things the remainder favours none that matters, and it fits.
        let at = u64::from_be_bytes(drawn) % (last as u64 + 1);
        things.swap(last, usize::try_from(at).unwrap_or(last));
    }
}
