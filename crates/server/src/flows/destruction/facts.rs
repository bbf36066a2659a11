//! What the end of a destruction hangs on, read in the transaction that acts on it.

use boundary::approval::{AclDocument, Document as _};
use domain::control::Act;
use domain::destruction::{Doubt, Facts, Hold, Loss, logged_words};
use domain::ids::{PersonId, TenantId};
use domain::key::KeyState;
use domain::owners::Standing;
use domain::person::PersonState;
use domain::time::Timestamp;
use store::destructions::{self, Destruction};
use store::keys::CustomerKey;
use store::people;
use store::row_seals::check_row;
use store::rows::Table;
use store::seal::RowKey;
use store::{Rx, StoreError, ToArg, acls, control_recoveries, freezes};

use super::super::approvals::{predecessors, replaced};
use super::super::rotate_key::is_at_rest;
use super::judge::Judge;
use super::logged::list_acts;
use super::owners::list_changes;
use super::successors;

/// All of it.
pub(super) fn read_facts(
    rx: &mut Rx<'_>,
    judge: &Judge,
    (tenant, key, destruction): (&TenantId, &CustomerKey, &Destruction),
) -> Result<Facts, StoreError> {
    let Words { are_logged, loss } = read_words(rx, judge, (tenant, key, destruction))?;
    let doubt = if are_sealed(rx, &judge.row_key, (tenant, key, destruction))? {
        (!are_logged).then_some(Doubt::Log)
    } else {
        Some(Doubt::Rows)
    };
    Ok(Facts { doubt, loss, hold: find_hold(rx, (tenant, key), judge.is_frozen, judge.now)? })
}

/// How it stands with the words of the two.
pub(super) struct Words {
    /// Whether the log says that they gave them, so many days ago, and what became of the owners since.
    are_logged: bool,
    /// Why they count no longer.
    pub(super) loss: Option<Loss>,
}

/// What rows and log say of the words of the two.
pub(super) fn read_words(
    rx: &mut Rx<'_>,
    judge: &Judge,
    (tenant, key, destruction): (&TenantId, &CustomerKey, &Destruction),
) -> Result<Words, StoreError> {
    let Judge { row_key, is_sandbox, settle, is_log_broken, now, .. } = judge;
    let asked_by = &destruction.asked_by;
    let second = destruction.confirmed_by.as_ref().filter(|second| *second != asked_by);
    let Some(second) = second else { return Ok(Words { are_logged: false, loss: Some(Loss::Owner) }) };
    let acts = list_acts(rx, row_key, (tenant, &destruction.key_id))?.filter(|_| !is_log_broken);
    let said = acts.and_then(|acts| logged_words(&acts, (asked_by, second), *now, *is_sandbox));
    let list = list_of(rx, tenant, key)?;
    let standing = Standing { settle: *settle, list: list.as_ref() };
    let have_stood = match said {
        Some([asked_at, confirmed_at]) => list_changes(rx, row_key, tenant, asked_at - *settle)?
            .map(|acts| standing.have_stood(&acts, [(asked_by, asked_at), (second, confirmed_at)])),
        None => None,
    };
    let loss = if !is_owner(rx, tenant, asked_by)? || !is_owner(rx, tenant, second)? {
        Some(Loss::Owner)
    } else {
        (have_stood == Some(false)).then_some(Loss::Owners)
    };
    Ok(Words { are_logged: have_stood.is_some(), loss })
}

/// The list that guards a key, as it is now.
pub(super) fn list_of(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    key: &CustomerKey,
) -> Result<Option<AclDocument>, StoreError> {
    let Some(id) = &key.acl_id else { return Ok(None) };
    let found = acls::of(tenant).find(rx, id)?;
    let list = found.and_then(|acl| AclDocument::from_canonical(acl.document.as_bytes()));
    let (statement, column) = ("acls.find", "document");
    list.map(Some).ok_or(StoreError::Corrupt { statement, column, why: "is not that of a list" })
}

/// What the end has to wait for by now. That the account is frozen is said by the enclave, and by the row beside it.
pub(super) fn find_hold(
    rx: &mut Rx<'_>,
    (tenant, key): (&TenantId, &CustomerKey),
    is_frozen: bool,
    now: Timestamp,
) -> Result<Option<Hold>, StoreError> {
    let until = freezes::of(tenant).find(rx)?.and_then(|freeze| freeze.frozen_until);
    if is_frozen || until.is_some_and(|until| now < until) {
        return Ok(Some(Hold::Frozen));
    }
    if is_needed(rx, tenant, key)? {
        return Ok(Some(Hold::Recovery));
    }
    if is_moved_to(rx, tenant, key)? {
        return Ok(Some(Hold::Moves));
    }
    Ok(has_files_elsewhere(rx, tenant, key)?.then_some(Hold::Files))
}

/// Whether somebody still is of the tenant, and may have keys destroyed.
pub(super) fn is_owner(rx: &mut Rx<'_>, tenant: &TenantId, person: &PersonId) -> Result<bool, StoreError> {
    let found = people::of(tenant).find(rx, person)?;
    Ok(found
        .is_some_and(|found| found.state == PersonState::Active && Act::DestroyKey.is_open_to(found.role)))
}

/// Whether a recovery runs on the key, or on one that replaced it: its private half goes out with that one's.
fn is_needed(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<bool, StoreError> {
    for key in successors(rx, tenant, key)?.iter().chain([key]) {
        if !is_at_rest(rx, tenant, key)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a key that it replaced has backups that wait for the ceremony that moves them here: they would come to a key
/// that opens nothing.
pub(super) fn is_moved_to(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<bool, StoreError> {
    Ok(predecessors(rx, tenant, key)?.iter().any(|before| before.state == KeyState::Superseding))
}

/// Whether a key that replaced it guards files. They stay encrypted to the key that they were stored under, and nobody
/// here sees which that is.
pub(super) fn has_files_elsewhere(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    key: &CustomerKey,
) -> Result<bool, StoreError> {
    for successor in successors(rx, tenant, key)? {
        if destructions::of(tenant).count_files(rx, &successor.id)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a key's own state is, beside that it is being destroyed.
fn state_beside(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<KeyState, StoreError> {
    if !matches!(key.state, KeyState::DestroyPending | KeyState::Destroyed) {
        return Ok(key.state);
    }
    let found = destructions::of(tenant).find(rx, &key.id)?;
    Ok(found.map_or(key.state, |destruction| destruction.key_state))
}

/// Whether the rows of the key, of those that it replaced and that replaced it, of their destructions, of all people, and
/// of the key's recoveries and its list are as the service wrote them.
fn are_sealed(
    rx: &mut Rx<'_>,
    row_key: &RowKey,
    (tenant, key, destruction): (&TenantId, &CustomerKey, &Destruction),
) -> Result<bool, StoreError> {
    let (before, after) = (replaced(rx, tenant, key)?, successors(rx, tenant, key)?);
    // Rows of keys stay: where one is missing, or they come back to one of them, nobody here wrote that.
    let last = match after.last() {
        Some(last) => state_beside(rx, tenant, last)?,
        None => destruction.key_state,
    };
    let is_cut_off = before.last().unwrap_or(key).supersedes.is_some()
        || matches!(last, KeyState::Superseding | KeyState::Superseded);
    if is_cut_off {
        tracing::error!(key_id = %key.id, "a key that this one replaced, or that replaced it, is not there");
        return Ok(false);
    }
    let keys: Vec<_> = before.iter().chain(&after).chain([key]).map(|key| &key.id).collect();
    let mut rows: Vec<(&str, Vec<&dyn ToArg>)> = Vec::new();
    rows.extend(keys.iter().map(|id| ("customer_keys", vec![*id as &dyn ToArg])));
    rows.extend(keys.iter().map(|id| ("key_destructions", vec![*id as &dyn ToArg])));
    // Who is said to be out stops nothing: each row counts, whatever it says.
    let people = people::of(tenant).list_ever(rx)?;
    rows.extend(people.iter().map(|person| ("people", vec![person as &dyn ToArg])));
    let recoveries = control_recoveries::of(tenant).list_of_key(rx, &key.id)?;
    rows.extend(recoveries.iter().map(|id| ("control_recovery_keys", vec![id as &dyn ToArg, &key.id])));
    let acl = key.acl_id.as_ref().map(|id| acls::of(tenant).find(rx, id)).transpose()?.flatten();
    if let Some(acl) = &acl {
        rows.push(("acls", vec![&acl.id]));
        rows.push(("acl_versions", vec![&acl.id, &acl.version]));
    }
    for (table, row) in rows {
        let Some(table) = Table::find_sealed(table) else { return Ok(false) };
        if let Some(finding) = check_row(rx, row_key, table, &row)? {
            tracing::error!(key_id = %key.id, ?finding, "a row that a destruction rests on is not as the service wrote it");
            return Ok(false);
        }
    }
    Ok(true)
}
