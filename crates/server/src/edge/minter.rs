//! Mints the ids of log entries and events, in the order in which they are written.

use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::{EntryId, EventId, Order};
use domain::time::Timestamp;

use super::chance::SystemChance;

/// Mints ids; clones share one order.
#[derive(Clone, Default)]
pub struct Minter {
    order: Arc<Mutex<Order>>,
}

impl Minter {
    /// A new log entry's id.
    pub fn entry_id(&self, now: Timestamp) -> EntryId {
        EntryId::in_order(
            &mut self.order.lock().unwrap_or_else(PoisonError::into_inner),
            now,
            &mut SystemChance,
        )
    }

    /// A new event's id.
    pub fn event_id(&self, now: Timestamp) -> EventId {
        EventId::in_order(
            &mut self.order.lock().unwrap_or_else(PoisonError::into_inner),
            now,
            &mut SystemChance,
        )
    }
}
