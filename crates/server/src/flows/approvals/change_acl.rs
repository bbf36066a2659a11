//! Proposes another version of a list. All of its members vote on it as they are, those included who are to be taken
//! off; it becomes the list whole, or not at all.

use boundary::approval::{AclDocument, Document as _};
use domain::approval::ChangeState;
use domain::audit::hex;
use domain::control::Act;
use domain::ids::{AclChangeId, AclId};
use domain::notice::NoticeKind;
use domain::refusal::{Kind, Refusal};
use store::acl_changes::{self, Change};
use store::audit::AuditEntry;
use store::{acls, control_recoveries};

use super::super::{Ctx, Error, rotate_key::recovery_running};
use super::make_acl::{DraftAcl, candidates};
use super::read_acls::find_acl;
use super::{document_of, hash_of, news, people_of, permitted, recorded};
use crate::app::App;

/// Opens the vote on it.
pub async fn change_acl(app: &App, ctx: &Ctx, id: &str, draft: &DraftAcl) -> Result<AclChangeId, Error> {
    let person = permitted(ctx, Act::ProposeChange)?;
    let acl = find_acl(app, ctx, id).await?;
    let entry = AuditEntry { reason: None, ..ctx.entry(app, "acl.change-refused") };
    let proposed = async {
        let current = document_of(&acl)?;
        let is_owner = ctx.principal.permit_act(Act::MakeAcl).is_ok();
        if current.place(person.as_str()).is_none() && !is_owner {
            let text = "only a member of this list, or an Owner, may propose another version of it";
            return Err(Refusal::new(Kind::Forbidden, "not-on-acl", text).into());
        }
        let next = (&acl.id, acl.version + 1, Some(hex(&acl.hash)));
        let next = draft.document(app, ctx, &candidates(app, ctx).await?, next)?;
        if is_same(&current, &next) {
            let text = "must differ from the list as it is";
            return Err(Refusal::field("members", text).into());
        }
        let window = std::time::Duration::from_secs(current.vote_window_s.unsigned_abs());
        let change = Change {
            id: AclChangeId::new(ctx.now, &mut app.chance()),
            acl_id: acl.id.clone(),
            version: next.version,
            document: next.to_canonical(),
            hash: hash_of(app, &next),
            state: ChangeState::Open,
            asked_by: person,
            window_ends_at: ctx.now + window,
            effective_at: None,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        write(app, ctx, &acl, &current, change).await
    };
    recorded(app, ctx, entry, proposed.await).await
}

fn is_same(current: &AclDocument, next: &AclDocument) -> bool {
    let as_next = AclDocument { version: next.version, prev_hash: next.prev_hash.clone(), ..current.clone() };
    as_next == *next
}

async fn write(
    app: &App,
    ctx: &Ctx,
    acl: &acls::Acl,
    current: &AclDocument,
    change: Change,
) -> Result<AclChangeId, Error> {
    let (tenant, id, version) = (ctx.principal.tenant.clone(), change.id.clone(), acl.version);
    let reason = format!("list {} change {id}", acl.id);
    let entry = AuditEntry { reason: Some(reason), ..ctx.entry(app, "acl.change-proposed") };
    let notices = news(
        app,
        ctx.now,
        &people_of(current),
        (
            NoticeKind::VoteWanted,
            &format!("Vote on a change of {}", acl.name),
            "Another version of a list that you are on is proposed. It counts only if its members agree.",
            &change_path(&acl.id, &id),
        ),
    )?;
    app.db
        .write("change_acl", move |tx| {
            let there = acls::of(&tenant).find_locked(tx, &change.acl_id)?;
            if there.is_none_or(|acl| acl.version != version) {
                let text = "the list has changed meanwhile; look at it again";
                return Err(Refusal::new(Kind::Conflict, "list-changed", text).into());
            }
            if control_recoveries::of(&tenant).find_running_of_acl(tx, &change.acl_id)?.is_some() {
                return Err(Error::from(recovery_running()));
            }
            if acl_changes::of(&tenant).find_stopped(tx, &change.acl_id, &change.hash)?.is_some() {
                return Err(was_stopped().into());
            }
            if !acl_changes::of(&tenant).insert(tx, &change)? {
                return Err(change_open().into());
            }
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await?;
    Ok(id)
}

/// Where a change is looked at.
pub(super) fn change_path(acl: &AclId, change: &AclChangeId) -> String {
    format!("/control/acls/{acl}/changes/{change}")
}

/// A list that is being changed is not used, and not changed once more.
pub(super) fn change_open() -> Refusal {
    let text = "a change of this list is open, or waits to take effect: when it has ended, ask anew";
    Refusal::new(Kind::Conflict, "change-open", text)
}

/// What a veto has stopped stays so: the enclave would not take it.
fn was_stopped() -> Refusal {
    let text = "a member with a veto has stopped this very version; whoever still wants it proposes one that differs";
    Refusal::new(Kind::Conflict, "change-stopped", text)
}
