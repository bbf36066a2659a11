//! Turns: calls that would only hinder one another go one after the other, or let one of them pass first.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

const LANES: usize = 64;

/// A fixed number of lanes; what has the same name shares one. Saves work in this process; correctness rests on
/// the database.
pub struct Turns {
    lanes: Vec<RwLock<()>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { lanes: (0..LANES).map(|_| RwLock::default()).collect() }
    }
}

impl Turns {
    /// Waits until nobody is in the lane of this name, and has it alone. Who asks first comes first.
    pub async fn take(&self, name: &[&str]) -> RwLockWriteGuard<'_, ()> {
        self.lane(name).write().await
    }

    /// Waits until nobody has the lane of this name alone, nor waits to.
    pub async fn share(&self, name: &[&str]) -> RwLockReadGuard<'_, ()> {
        self.lane(name).read().await
    }

    fn lane(&self, name: &[&str]) -> &RwLock<()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0);
        &self.lanes[lane]
    }
}
