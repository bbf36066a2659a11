//! Turns: calls that would only hinder one another go one after the other.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::{Mutex, MutexGuard};

const LANES: usize = 64;

/// A fixed number of lanes; what has the same name shares one. Saves work in this process; correctness rests on
/// the database.
pub struct Turns {
    lanes: Vec<Mutex<()>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { lanes: (0..LANES).map(|_| Mutex::default()).collect() }
    }
}

impl Turns {
    /// Waits for the lane of this name.
    pub async fn take(&self, name: &[&str]) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0);
        self.lanes[lane].lock().await
    }
}
