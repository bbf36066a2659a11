//! Recoveries of COLD keys: what leaves for the offline enclave, and what comes of it.

use boundary::cold::Vouched;
use boundary::message::{PACKAGE_BYTES_MAX, Package, Reply};
use domain::approval::ControlState;
use domain::backup::CheckState;
use domain::ids::{RecoveryId, TenantId};
use domain::key::KeyEnvironment;
use domain::time::Timestamp;
use store::backups;
use store::control_recoveries::{self, ControlRecovery};
use store::{OfTenant, StoreError};

use super::super::Error;
use super::advance_recovery::{advance, seconds};
use super::prepare_recovery::{Goods, gather, keep, proof, set_release_at};
use super::read_recoveries::{ShownRecovery, backup_ids, find_recovery};
use crate::app::App;
use crate::edge::enclave::CallError;

/// How many recoveries of a state are looked at for one ceremony.
const ROUND_MAX: i64 = 200;

/// The approved recoveries that only the offline enclave can release, each with the online one's word, as many as fit.
/// One whose delay runs here is among them: the offline enclave's own begins when it sees the approval.
pub async fn recoveries_for_ceremony(app: &App) -> Result<Vec<(TenantId, RecoveryId, Vouched)>, Error> {
    let found = app.db.read("list_approved", |rx| {
        let of = |state| control_recoveries::list_in_state(rx, state, None, ROUND_MAX);
        let found = [ControlState::Approved, ControlState::Preparing].map(of).into_iter();
        Ok::<_, StoreError>(found.collect::<Result<Vec<_>, _>>()?.concat())
    });
    let found: Vec<OfTenant<ControlRecovery>> = found.await?;
    let (mut offered, mut bytes) = (Vec::new(), 0);
    for OfTenant { tenant_id, row } in found {
        if row.key_environment != KeyEnvironment::Cold {
            continue;
        }
        let shown = find_recovery(app, &tenant_id, row.id.as_str()).await?;
        let Some(vouched) = offer(app, &tenant_id, &shown).await? else { continue };
        bytes += vouched.package.release.items.iter().map(|item| item.ciphertext.len()).sum::<usize>();
        if bytes > PACKAGE_BYTES_MAX && !offered.is_empty() {
            break;
        }
        offered.push((tenant_id, row.id, vouched));
    }
    Ok(offered)
}

/// One of them; none where a backup waits for its own check first, or the online enclave does not vouch for it.
async fn offer(app: &App, tenant: &TenantId, shown: &ShownRecovery) -> Result<Option<Vouched>, Error> {
    let (owner, ids) = (tenant.clone(), backup_ids(&shown.recovery));
    let unchecked = app.db.read("find_unchecked", move |rx| {
        let found = backups::of(&owner).list_by_ids(rx, &ids)?;
        Ok::<_, StoreError>(found.iter().any(|found| found.backup.check_state == CheckState::UnverifiedCold))
    });
    if unchecked.await? {
        return Ok(None);
    }
    let Some(goods) = gather(app, tenant, shown).await? else { return Ok(None) };
    let voucher = match app.enclave.vouch(proof(shown, Goods::default())?).await {
        Ok(voucher) => voucher,
        Err(CallError::Refused(refusal)) => {
            tracing::warn!(recovery_id = %shown.recovery.id, ?refusal, "the enclave does not vouch for a recovery");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut package: Package = proof(shown, goods)?;
    // They are in the voucher.
    package.release.ticket.clear();
    package.release.admissions.clear();
    Ok(Some(Vouched { package, voucher }))
}

/// Keeps what the offline enclave released, or notes how long it still waits; says in words what became of it.
pub async fn take_answer(
    app: &App,
    tenant: &TenantId,
    id: &RecoveryId,
    reply: Reply,
    now: Timestamp,
) -> Result<String, Error> {
    // Its delay may just have ended here.
    let state = advance(app, tenant, id, now, "ceremony").await?;
    let shown = find_recovery(app, tenant, id.as_str()).await?;
    Ok(match (reply, state) {
        (Reply::Packaged(packed), ControlState::Preparing) => {
            keep(app, tenant, &shown, packed, now).await?;
            "released: ready for download".to_owned()
        }
        (Reply::Packaged(_), ControlState::Approved) => {
            "released, but its delay still runs here: import these answers again when it is over".to_owned()
        }
        (Reply::Waiting(waiting), ControlState::Approved | ControlState::Preparing) => {
            let at = now + seconds(waiting);
            set_release_at(app, tenant, &shown, at, now).await?;
            format!("waits until {} by the offline clock, and then for the next ceremony", at.rfc3339())
        }
        (Reply::Refused(refusal), state) => format!("not released ({refusal:?}); it is {state}"),
        (_, state) => format!("nothing was changed: it is {state}"),
    })
}
