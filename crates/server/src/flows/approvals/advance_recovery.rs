//! Does what follows by itself for a recovery: from the votes, from checks, from time. Each step is one write that
//! finds the recovery where it was seen, so that it is done once, whoever comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::approval::{ControlState, Ending, Step};
use domain::audit::{ActorType, Outcome};
use domain::ids::{PersonId, RecoveryId, TenantId, VerificationId};
use domain::notice::NoticeKind;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::control_recoveries::{self, ControlRecovery};
use store::{OfTenant, StoreError, control_votes};

use super::super::{Error, entry, event, tell};
use super::prepare_recovery::{Prepared, begin_delay, pack};
use super::read_recoveries::{ShownRecovery, control_data, find_recovery};
use super::{news, people_of};
use crate::app::App;

/// How many recoveries of each state are looked at at a time.
const PAGE: i64 = 100;

/// How many steps are taken at once: from the last vote to the package.
const STEPS_MAX: usize = 6;

/// Comes back to every recovery that may move by itself; says how many did.
pub async fn advance_recoveries(app: &App, now: Timestamp) -> Result<usize, Error> {
    let mut moved = 0;
    for state in
        [ControlState::Requested, ControlState::Approved, ControlState::Preparing, ControlState::Ready]
    {
        let mut after: Option<RecoveryId> = None;
        loop {
            let last = after.clone();
            let page = app.db.read("list_recoveries_in_state", move |rx| {
                control_recoveries::list_in_state(rx, state, last.as_ref(), PAGE)
            });
            let page: Vec<OfTenant<ControlRecovery>> =
                page.await.map_err(|error: StoreError| Error::from(error))?;
            let Some(last) = page.last() else { break };
            after = Some(last.row.id.clone());
            for OfTenant { tenant_id, row } in &page {
                match advance(app, tenant_id, &row.id, now, "service").await {
                    Ok(becomes) => moved += usize::from(becomes != row.state),
                    // One that waits for the enclave keeps no other one waiting.
                    Err(Error::Refused(refusal)) => {
                        tracing::debug!(recovery_id = %row.id, %refusal, "a recovery waits");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(moved)
}

/// Removes the packages that have had their days; says how many.
pub async fn end_packages(app: &App, now: Timestamp) -> Result<usize, Error> {
    let old =
        app.db.read("list_old_packages", move |rx| control_recoveries::list_with_old_package(rx, now, PAGE));
    let old: Vec<OfTenant<ControlRecovery>> = old.await.map_err(|error: StoreError| Error::from(error))?;
    let mut of_tenants: BTreeMap<&TenantId, BTreeSet<RecoveryId>> = BTreeMap::new();
    for OfTenant { tenant_id, row } in &old {
        of_tenants.entry(tenant_id).or_default().insert(row.id.clone());
    }
    for (tenant, recoveries) in &of_tenants {
        app.files.blobs.remove_packages(tenant, recoveries, None).await.map_err(Error::files_away)?;
    }
    for OfTenant { tenant_id, row } in &old {
        let about =
            entry(&app.minter, now, (ActorType::Service, "service"), "recovery.package-deleted", "service");
        let about = AuditEntry { recovery_id: Some(row.id.clone()), ..about };
        let (tenant, id) = (tenant_id.clone(), row.id.clone());
        let written = app.db.write("end_package", move |tx| {
            if control_recoveries::of(&tenant).set_package_gone(tx, &id, now)? {
                store::audit::of(&tenant).append(tx, &about)?;
            }
            Ok(())
        });
        written.await.map_err(|error: StoreError| Error::from(error))?;
    }
    Ok(old.len())
}

/// What follows from a check that has moved, for the recovery or the vote that it is about.
pub(in crate::flows) async fn advance_of_check(
    app: &App,
    tenant: &TenantId,
    verification: &VerificationId,
    now: Timestamp,
    request_id: &str,
) -> Result<(), Error> {
    let (owner, check) = (tenant.clone(), verification.clone());
    let found = app.db.read("find_of_check", move |rx| {
        let asked = control_recoveries::of(&owner).find_of_check(rx, &check)?.map(|recovery| recovery.id);
        let voted = control_votes::of(&owner).find_of_check(rx, &check)?.map(|vote| vote.recovery_id);
        Ok::<_, StoreError>(asked.or(voted))
    });
    match found.await? {
        Some(id) => match advance(app, tenant, &id, now, request_id).await {
            // The check counts; what it leads to is tried again.
            Ok(_) | Err(Error::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        },
        None => Ok(()),
    }
}

/// Takes every step that follows by now, and says where the recovery stands.
pub(super) async fn advance(
    app: &App,
    tenant: &TenantId,
    id: &RecoveryId,
    now: Timestamp,
    request_id: &str,
) -> Result<ControlState, Error> {
    let mut shown = find_recovery(app, tenant, id.as_str()).await?;
    for _ in 0..STEPS_MAX {
        let moved = match (shown.facts(now).next(now), shown.recovery.state) {
            (Some(step), _) => {
                take(app, tenant, &shown, step, now, request_id).await?;
                true
            }
            (None, ControlState::Approved) if shown.recovery.release_at.is_none() => {
                begin_delay(app, tenant, &shown, now).await?
            }
            (None, ControlState::Preparing) => match pack(app, tenant, &shown, now).await? {
                Prepared::Packed => true,
                Prepared::Waits => false,
                Prepared::Refused => {
                    let refused = Step::Expire(Ending::ReleaseRefused);
                    take(app, tenant, &shown, refused, now, request_id).await?;
                    true
                }
            },
            (None, _) => false,
        };
        if !moved {
            break;
        }
        shown = find_recovery(app, tenant, id.as_str()).await?;
    }
    Ok(shown.recovery.state)
}

/// Writes one step: the state, the entry, the event, the notices.
async fn take(
    app: &App,
    tenant: &TenantId,
    shown: &ShownRecovery,
    step: Step,
    now: Timestamp,
    request_id: &str,
) -> Result<(), Error> {
    let said = say(step);
    let (becomes, why) = (said.becomes, said.why);
    let about = entry(&app.minter, now, (ActorType::Service, "service"), said.action, request_id);
    let about = AuditEntry {
        recovery_id: Some(shown.recovery.id.clone()),
        verification_id: shown.recovery.verification_id.clone(),
        reason: why.map(|why| why.to_string()),
        result: if why == Some(Ending::ReleaseRefused) { Outcome::Failed } else { Outcome::Ok }.to_string(),
        ..about
    };
    let told =
        said.event.map(|name| event(&app.minter, now, name, control_data(&shown.recovery, becomes.as_str())));
    let notices = match said.notice {
        Some((kind, title, text)) => {
            let link = format!("/control/recoveries/{}", shown.recovery.id);
            let title = format!("{title}: {}", shown.list.name);
            news(app, now, &concerned(shown), (kind, &title, text, &link))?
        }
        None => Vec::new(),
    };
    let (owner, env, id, from) = (tenant.clone(), app.env, shown.recovery.id.clone(), shown.recovery.state);
    let written = app.db.write("advance_recovery", move |tx| {
        let why = why.map(Ending::as_str);
        if !control_recoveries::of(&owner).set_state(tx, &id, (from, becomes), why, now)? {
            return Ok(());
        }
        store::audit::of(&owner).append(tx, &about)?;
        notices.iter().try_for_each(|notice| store::notices::of(&owner).append(tx, notice))?;
        told.as_ref().map_or(Ok(()), |event| tell(tx, &owner, env, event))
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// Whoever asked, and whoever votes.
pub(super) fn concerned(shown: &ShownRecovery) -> Vec<PersonId> {
    let mut people = people_of(&shown.list);
    people.push(shown.recovery.asked_by.clone());
    people.sort();
    people.dedup();
    people
}

/// What a step is called, and what people are told of it.
struct Said {
    becomes: ControlState,
    why: Option<Ending>,
    action: &'static str,
    event: Option<&'static str>,
    notice: Option<(NoticeKind, &'static str, &'static str)>,
}

fn say(step: Step) -> Said {
    match step {
        Step::Approve => Said {
            becomes: ControlState::Approved,
            why: None,
            action: "recovery.approved",
            event: Some("recovery.approved"),
            notice: Some((
                NoticeKind::RecoveryApproved,
                "A recovery was approved",
                "It waits out the list's delay, if there is one; a member with a veto can still stop it.",
            )),
        },
        Step::Prepare => Said {
            becomes: ControlState::Preparing,
            why: None,
            action: "recovery.preparing",
            event: None,
            notice: None,
        },
        Step::Decline(why) => Said {
            becomes: ControlState::Declined,
            why: Some(why),
            action: "recovery.declined",
            event: Some("recovery.declined"),
            notice: Some((
                NoticeKind::RecoveryDeclined,
                if why == Ending::Vetoed { "A recovery was vetoed" } else { "A recovery was declined" },
                "Nothing was given out. Whoever needs it still can ask anew.",
            )),
        },
        Step::Expire(why) => Said {
            becomes: ControlState::Expired,
            why: Some(why),
            action: "recovery.expired",
            event: Some("recovery.expired"),
            notice: Some((
                NoticeKind::RecoveryExpired,
                "A recovery has expired",
                "Something did not come in time. Look at what, and ask anew if it is still needed.",
            )),
        },
    }
}

/// A number of seconds from the enclave, as a span.
pub(super) fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
