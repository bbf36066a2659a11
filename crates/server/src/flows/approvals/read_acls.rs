//! Shows the lists, what they guard, and their changes.

use api::vote::{ChangeRequest, VOTE_FILE_VERSION};
use boundary::acl::{Outcome, outcome};
use boundary::approval::{AclDocument, Document as _};
use domain::approval::ChangeState;
use domain::control::Act;
use domain::ids::{AclChangeId, AclId};
use domain::refusal::Refusal;
use store::acl_changes::{self, Change, Veto};
use store::acls::{self, Acl};
use store::keys::{self, CustomerKey};
use store::{StoreError, control_recoveries};

use super::super::{Ctx, Error};
use super::settle_change::{Cast, list_cast};
use super::{ToSign, ask_to_sign, control, document_of, passkeys_of, permitted};
use crate::app::App;
use crate::edge::assertion::signed_hash;

/// How many lists, keys and changes are shown.
const SHOWN_MAX: i64 = 200;

/// A list with all that a page says about it.
pub struct ShownAcl {
    /// The list.
    pub acl: Acl,
    /// Its document in force.
    pub document: AclDocument,
    /// The keys that it guards, newest first.
    pub keys: Vec<CustomerKey>,
    /// Its changes, newest first.
    pub changes: Vec<Change>,
    /// Whether a recovery runs on one of its keys.
    pub is_running: bool,
}

/// A change with all that a page says about it.
pub struct ShownChange {
    /// The list.
    pub acl: Acl,
    /// Its document in force, by which is voted; once the change is in force, that one.
    pub current: AclDocument,
    /// The change.
    pub change: Change,
    /// What the list would be.
    pub next: AclDocument,
    /// The votes, in the order in which they came.
    pub votes: Vec<Cast>,
    /// Where they stand.
    pub outcome: Outcome,
    /// What the reader would sign for a yes and for a no; none: he has no vote, or has voted.
    pub to_sign: Option<[ToSign; 2]>,
    /// The vetoes over it, once it had passed.
    pub vetoes: Vec<Veto>,
    /// What the reader would sign to stop it; none: it does not wait, he has no veto, or has used it.
    pub to_stop: Option<ToSign>,
}

impl ShownChange {
    /// What is voted on, for `holdfast vote`: both documents, exactly as they are hashed.
    pub fn request(&self) -> ChangeRequest {
        ChangeRequest {
            version: VOTE_FILE_VERSION,
            acl: self.current.to_canonical(),
            next: self.change.document.clone(),
        }
    }
}

/// The tenant's lists, newest first.
pub async fn list_acls(app: &App, ctx: &Ctx) -> Result<Vec<(Acl, AclDocument)>, Error> {
    permitted(ctx, Act::SeeAcls)?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("list_acls", move |rx| acls::of(&tenant).list(rx, SHOWN_MAX)).await;
    let found: Vec<Acl> = found.map_err(|error: StoreError| Error::from(error))?;
    found.into_iter().map(|acl| document_of(&acl).map(|document| (acl, document))).collect()
}

/// One of them.
pub async fn read_acl(app: &App, ctx: &Ctx, id: &str) -> Result<ShownAcl, Error> {
    permitted(ctx, Act::SeeAcls)?;
    let acl = find_acl(app, ctx, id).await?;
    let document = document_of(&acl)?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("read_acl", move |rx| {
        Ok::<_, StoreError>(ShownAcl {
            keys: keys::of(&tenant).list_of_acl(rx, &acl.id, SHOWN_MAX)?,
            changes: acl_changes::of(&tenant).list_of_acl(rx, &acl.id, SHOWN_MAX)?,
            is_running: control_recoveries::of(&tenant).find_running_of_acl(rx, &acl.id)?.is_some(),
            acl: acl.clone(),
            document: document.clone(),
        })
    });
    found.await.map_err(Into::into)
}

/// A change of a list.
pub async fn read_change(app: &App, ctx: &Ctx, acl: &str, change: &str) -> Result<ShownChange, Error> {
    let person = permitted(ctx, Act::SeeAcls)?;
    let acl = find_acl(app, ctx, acl).await?;
    let change = find_change(app, ctx, &acl, change).await?;
    let (tenant, id) = (ctx.principal.tenant.clone(), change.id.clone());
    let cast = app.db.read("list_change_votes", move |rx| {
        Ok((list_cast(rx, &tenant, &id)?, acl_changes::of(&tenant).list_vetoes(rx, &id)?))
    });
    let (votes, vetoes): (Vec<Cast>, Vec<Veto>) =
        cast.await.map_err(|error: StoreError| Error::from(error))?;
    let current = document_of(&acl)?;
    let next = AclDocument::from_canonical(change.document.as_bytes());
    let next = next.ok_or_else(|| Error::fault("reading a change"))?;
    let cast = current.members.iter().map(|member| {
        let own = votes.iter().find(|cast| cast.vote.person_id.as_str() == member.person_id)?;
        own.counts.then_some(own.vote.approve)
    });
    let cast: Vec<_> = cast.collect();
    let seat = current.place(person.as_str()).filter(|_| ctx.principal.permit_act(Act::Vote).is_ok());
    let has_voted = votes.iter().any(|cast| cast.vote.person_id == person);
    let may_vote = change.state == ChangeState::Open && ctx.now < change.window_ends_at && !has_voted;
    let has_veto = seat.is_some_and(|at| current.members[at].veto);
    let may_stop = change.state == ChangeState::Waiting
        && change.effective_at.is_some_and(|at| ctx.now < at)
        && !vetoes.iter().any(|veto| veto.person_id == person);
    let (mut to_sign, mut to_stop) = (None, None);
    if seat.is_some() && may_vote || has_veto && may_stop {
        let mine = passkeys_of(app, &person).await?;
        let either = [true, false].map(|approve| {
            let hash = signed_hash(&change.hash, approve);
            let options = control(app).map(|control| ask_to_sign(control, &mine, &hash))?;
            Ok::<_, Error>(ToSign { document: change.document.clone(), hash, options })
        });
        let [yes, no] = either;
        let (yes, no) = (yes?, no?);
        if may_stop {
            to_stop = Some(no);
        } else {
            to_sign = Some([yes, no]);
        }
    }
    let outcome = outcome(current.rule, &current.seats(), &cast, None, false);
    Ok(ShownChange { acl, current, change, next, votes, outcome, to_sign, vetoes, to_stop })
}

/// The tenant's list of this id; unknown, foreign and malformed are one.
pub(super) async fn find_acl(app: &App, ctx: &Ctx, id: &str) -> Result<Acl, Error> {
    let id: AclId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_acl", move |rx| acls::of(&tenant).find(rx, &id)).await;
    Ok(found.map_err(|error: StoreError| Error::from(error))?.ok_or_else(Refusal::not_found)?)
}

/// The list's change of this id.
pub(super) async fn find_change(app: &App, ctx: &Ctx, acl: &Acl, id: &str) -> Result<Change, Error> {
    let id: AclChangeId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_change", move |rx| acl_changes::of(&tenant).find(rx, &id)).await;
    let found: Option<Change> = found.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.filter(|change| change.acl_id == acl.id).ok_or_else(Refusal::not_found)?)
}
