//! What is asked again in the transaction that moves a destruction on.

use std::time::Duration;

use domain::destruction::{DestructionState, Step};
use domain::ids::{KeyId, TenantId};
use domain::owners::owners_settle;
use domain::time::Timestamp;
use store::destructions::{self, Destruction};
use store::seal::RowKey;
use store::{StoreError, Tx, keys};

use super::facts::read_facts;
use super::successors;
use crate::app::App;

/// What it is asked by, and what was asked elsewhere before.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) row_key: RowKey,
    pub(super) is_sandbox: bool,
    /// How long the owners had to be who they were.
    pub(super) settle: Duration,
    /// The enclave's word.
    pub(super) is_frozen: bool,
    /// Whether the log was altered since the request, as far as it was read.
    pub(super) is_log_broken: bool,
    pub(super) now: Timestamp,
}

impl Judge {
    pub(super) fn of(app: &App, is_frozen: bool, now: Timestamp) -> Self {
        let (row_key, is_sandbox) = (app.keys.row_key().clone(), app.sandbox.is_some());
        let settle = owners_settle(app.env);
        Self { row_key, is_sandbox, settle, is_frozen, is_log_broken: false, now }
    }

    /// The destruction, if its days are over and this is still what is to be done about it. Until the transaction ends
    /// nobody changes it, or has anything to do with the key or those that replaced it.
    pub(super) fn find_due(
        &self,
        tx: &mut Tx<'_>,
        (tenant, id): (&TenantId, &KeyId),
        step: Step,
    ) -> Result<Option<Destruction>, StoreError> {
        let key = keys::of(tenant).find_locked(tx, id)?;
        let due = destructions::of(tenant).find_locked(tx, id)?;
        let (Some(key), Some(due)) = (key, due) else { return Ok(None) };
        for successor in successors(tx, tenant, &key)? {
            keys::of(tenant).find_locked(tx, &successor.id)?;
        }
        let is_due = due.state == DestructionState::Pending && due.due_at <= self.now;
        let facts = read_facts(tx, self, (tenant, &key, &due))?;
        Ok(Some(due).filter(|_| is_due && facts.next() == step))
    }
}
