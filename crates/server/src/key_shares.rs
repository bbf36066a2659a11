//! The stores that keep shares of sealed private keys beside the database.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::time::Timestamp;
use store::blob::{BlobError, Bucket, Scheme};
use store::key_shares::Split;
use store::share_store::ShareStore;

use crate::edge::bucket::BucketHttp;

/// How long the last word of a store counts.
const WORD_AGE_MAX: Duration = Duration::from_secs(10);

/// Where shares of sealed private keys are kept.
#[derive(Clone, Debug, Default)]
pub struct KeySharesAt {
    /// How keys are split; none: they are held whole, and what was split before is read from the stores.
    pub split: Option<Split>,
    /// Where each share goes, share 1 first.
    pub places: Vec<SharesAt>,
}

/// Where a share goes.
#[derive(Clone, Debug)]
pub enum SharesAt {
    /// Into the row of its key.
    Database,
    /// Into this folder.
    Folder(PathBuf),
    /// Into this bucket, below this prefix.
    Bucket(Bucket, String),
}

/// Where a share is: a store by its place in [`KeyShares::shelves`], or the row of its key.
pub type Place = Option<usize>;

/// The stores, opened.
pub struct KeyShares {
    /// How keys are split; none: not at all.
    pub split: Option<Split>,
    /// Where each share goes, share 1 first.
    pub layout: Vec<Place>,
    /// The stores beside the database, in the order of the settings.
    pub shelves: Vec<Shelf>,
}

/// A store, and how it was last.
pub struct Shelf {
    /// The store.
    pub store: ShareStore,
    heard: Mutex<Option<(Timestamp, bool)>>,
}

impl SharesAt {
    /// What settings and logs call it.
    pub fn name(&self) -> String {
        match self {
            Self::Database => "database".to_owned(),
            Self::Folder(folder) => folder.display().to_string(),
            Self::Bucket(bucket, prefix) => format!("s3://{}/{prefix}", bucket.name),
        }
    }

    fn open(&self) -> Result<Option<ShareStore>, Box<dyn Error + Send + Sync>> {
        Ok(match self {
            Self::Database => None,
            Self::Folder(folder) => Some(ShareStore::in_folder(folder)?),
            Self::Bucket(bucket, prefix) => {
                let plain = bucket.endpoint.as_ref().is_some_and(|(scheme, _)| *scheme == Scheme::Http);
                Some(ShareStore::in_bucket(bucket, prefix, BucketHttp::new(plain)?)?)
            }
        })
    }
}

impl KeyShares {
    /// Opens them. A bucket that is away shows later, call by call.
    pub fn open(at: &KeySharesAt) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (mut layout, mut shelves) = (Vec::new(), Vec::<Shelf>::new());
        for place in &at.places {
            let known = shelves.iter().position(|shelf| shelf.store.name() == place.name());
            let opened = if known.is_none() { place.open() } else { Ok(None) };
            let opened = opened.map_err(|error| format!("{}: {}", place.name(), chain(error.as_ref())))?;
            layout.push(known.or(opened.is_some().then_some(shelves.len())));
            shelves.extend(opened.map(|store| Shelf { store, heard: Mutex::default() }));
        }
        Ok(Self { split: at.split, layout, shelves })
    }

    /// The stores, those last that did not answer lately, so that they hold nobody up.
    pub fn nearest(&self, now: Timestamp) -> Vec<Place> {
        let mut order: Vec<usize> = (0..self.shelves.len()).collect();
        order.sort_by_key(|at| self.shelves[*at].heard(now) == Some(false));
        order.into_iter().map(Some).collect()
    }

    /// What a place is called in logs.
    pub fn name(&self, place: Place) -> &str {
        place.and_then(|at| self.shelves.get(at)).map_or("database", |shelf| shelf.store.name())
    }
}

impl Shelf {
    /// Whether it answered lately; none when that is not known.
    fn heard(&self, now: Timestamp) -> Option<bool> {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.filter(|(at, _)| now < *at + WORD_AGE_MAX).map(|(_, there)| there)
    }

    /// Whether it is there, as of [`WORD_AGE_MAX`] ago at most.
    pub async fn is_there(&self, now: Timestamp) -> bool {
        if let Some(there) = self.heard(now) {
            return there;
        }
        self.note(self.store.ask().await, now).is_ok()
    }

    /// Keeps in mind whether it answered.
    pub fn note<T>(&self, answer: Result<T, BlobError>, now: Timestamp) -> Result<T, BlobError> {
        if let Err(error) = &answer {
            tracing::warn!(store = self.store.name(), error = chain(error), "a store of key shares is away");
        }
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, answer.is_ok()));
        answer
    }
}

fn chain(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
