//! Shows the recoveries that people decide on: what is asked for, who voted, what is missing, what comes next.

use std::collections::BTreeMap;

use api::vote::{VOTE_FILE_VERSION, VoteRequest};
use boundary::acl::{Outcome, outcome};
use boundary::approval::AclDocument;
use boundary::json::Value as Json;
use domain::approval::{Facts, PersonCheck};
use domain::control::Act;
use domain::ids::{BackupId, PersonId, RecoveryId, TenantId, VerificationId};
use domain::person::PersonState;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use domain::verification::InquiryState;
use store::control_recoveries::{self, ControlRecovery};
use store::control_votes::{self, Vote};
use store::listings::{self, ListedBackup};
use store::verifications::{self, Verification};
use store::{Rx, StoreError, acls};

use super::super::{Ctx, Error, EventData};
use super::{ToSign, ask_to_sign, control, passkeys_of, permitted};
use crate::app::App;
use crate::edge::assertion::signed_hash;

/// How many recoveries a page has.
pub const RECOVERIES_SHOWN: i64 = 50;

/// A recovery with all that decides on it.
#[derive(Clone)]
pub struct ShownRecovery {
    /// The recovery.
    pub recovery: ControlRecovery,
    /// The list, in the version that is voted by.
    pub list: AclDocument,
    /// The votes, in the order in which they came.
    pub votes: Vec<ShownVote>,
    /// Its backups, as they are by now.
    pub backups: Vec<ListedBackup>,
    /// The check of whoever asked.
    pub check: PersonCheck,
    /// The enclave's word on that check.
    pub admission: Option<Vec<u8>>,
    /// Whether that check waits for an officer: whoever stood for it may be another person.
    pub is_in_review: bool,
    /// Whoever asked, by name.
    pub asked_by: String,
    /// When it cannot be packed any more.
    pub intent_ends_at: Timestamp,
}

/// A vote, and whether it counts.
#[derive(Clone)]
pub struct ShownVote {
    /// The vote.
    pub vote: Vote,
    /// The voter's check.
    pub check: PersonCheck,
    /// The enclave's word on that check.
    pub admission: Option<Vec<u8>>,
    /// Whether he was taken out of the team since.
    pub is_removed: bool,
}

impl ShownVote {
    /// Whether it counts. Whoever says no need not prove who he is; and a no stands when he has gone, so that taking
    /// people out never brings a release nearer.
    pub fn counts(&self) -> bool {
        !self.vote.approve || (self.check.holds() && !self.is_removed)
    }
}

impl ShownRecovery {
    /// What each member says, as far as it counts.
    pub fn counted(&self) -> Vec<Option<bool>> {
        let of = |person: &str| {
            let cast = self.votes.iter().find(|shown| shown.vote.person_id.as_str() == person)?;
            cast.counts().then_some(cast.vote.approve)
        };
        self.list.members.iter().map(|member| of(&member.person_id)).collect()
    }

    /// Where the votes stand.
    pub fn outcome(&self, now: Timestamp) -> Outcome {
        let requester = self.list.place(self.recovery.asked_by.as_str());
        let closed = now >= self.recovery.window_ends_at;
        let outcome_if =
            |closed| outcome(self.list.rule, &self.list.seats(), &self.counted(), requester, closed);
        outcome_if(closed)
    }

    /// Whether a member with a veto said no.
    pub fn is_vetoed(&self) -> bool {
        let said = self.counted();
        self.list.members.iter().zip(&said).any(|(member, vote)| member.veto && *vote == Some(false))
    }

    /// The private keys that go out.
    pub fn private_keys(&self) -> Vec<String> {
        let intent = boundary::intent::Intent::from_canonical(&self.recovery.intent);
        intent.map(|intent| intent.keys).unwrap_or_default()
    }

    /// What is voted on, for `holdfast vote`: the intent and the list, both exactly as they are hashed.
    pub fn request(&self) -> VoteRequest {
        VoteRequest {
            version: VOTE_FILE_VERSION,
            intent: String::from_utf8_lossy(&self.recovery.intent).into_owned(),
            acl: boundary::approval::Document::to_canonical(&self.list),
        }
    }

    /// All that its next step hangs on.
    pub(super) fn facts(&self, now: Timestamp) -> Facts {
        Facts {
            state: self.recovery.state,
            votes: self.outcome(now),
            vetoed: self.is_vetoed(),
            check: self.check,
            release_at: self.recovery.release_at,
            intent_ends_at: self.intent_ends_at,
            keep_until: self.recovery.keep_until,
        }
    }

    /// What this person would sign for a yes and for a no.
    pub(super) fn signed(
        &self,
        app: &App,
        person: &[store::passkeys::Passkey],
    ) -> Result<[ToSign; 2], Error> {
        let document = String::from_utf8_lossy(&self.recovery.intent).into_owned();
        let of = |approve| {
            let hash = signed_hash(&self.recovery.intent_hash, approve);
            let options = ask_to_sign(control(app)?, person, &hash);
            Ok::<_, Error>(ToSign { document: document.clone(), hash, options })
        };
        Ok([of(true)?, of(false)?])
    }
}

/// The tenant's recoveries, newest first, and the names of who asked.
pub async fn list_recoveries(
    app: &App,
    ctx: &Ctx,
    before: Option<&str>,
) -> Result<Vec<ShownRecovery>, Error> {
    permitted(ctx, Act::SeeRecoveries)?;
    let before: Option<RecoveryId> = before.and_then(|id| id.parse().ok());
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("list_recoveries", move |rx| {
        let rows = control_recoveries::of(&tenant).list(rx, before.as_ref(), RECOVERIES_SHOWN)?;
        rows.into_iter().map(|row| show(rx, &tenant, row)).collect::<Result<Vec<_>, Error>>()
    });
    found.await
}

/// One of them, and what the reader would sign for a yes and for a no, where he may vote, or stop it.
pub async fn read_recovery(
    app: &App,
    ctx: &Ctx,
    id: &str,
) -> Result<(ShownRecovery, Option<[ToSign; 2]>), Error> {
    let person = permitted(ctx, Act::SeeRecoveries)?;
    let shown = find_recovery(app, &ctx.principal.tenant, id).await?;
    let place = shown.list.place(person.as_str());
    let has_voted = shown.votes.iter().any(|shown| shown.vote.person_id == person);
    let may_vote =
        shown.recovery.state.takes_votes() && !has_voted && ctx.now < shown.recovery.window_ends_at;
    let may_stop = shown.recovery.state == domain::approval::ControlState::Approved
        && place.is_some_and(|at| shown.list.members[at].veto);
    if place.is_none() || !(may_vote || may_stop) || ctx.principal.permit_act(Act::Vote).is_err() {
        return Ok((shown, None));
    }
    let to_sign = shown.signed(app, &passkeys_of(app, &person).await?)?;
    Ok((shown, Some(to_sign)))
}

/// The tenant's recovery of this id; unknown, foreign and malformed are one.
pub(super) async fn find_recovery(app: &App, tenant: &TenantId, id: &str) -> Result<ShownRecovery, Error> {
    let id: RecoveryId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = tenant.clone();
    let found = app.db.read("find_control_recovery", move |rx| {
        let row = control_recoveries::of(&tenant).find(rx, &id)?.ok_or_else(Refusal::not_found)?;
        show(rx, &tenant, row)
    });
    found.await
}

/// A recovery with what decides on it, by now.
fn show(rx: &mut Rx<'_>, tenant: &TenantId, recovery: ControlRecovery) -> Result<ShownRecovery, Error> {
    let versions = acls::of(tenant).list_versions(rx, &recovery.acl_id)?;
    let version = versions.into_iter().find(|version| version.version == recovery.acl_version);
    let list =
        version.and_then(|version| boundary::approval::Document::from_canonical(version.document.as_bytes()));
    let list: AclDocument = list.ok_or_else(|| Error::fault("reading the list of a recovery"))?;
    let intent = boundary::intent::Intent::from_canonical(&recovery.intent);
    let intent = intent.ok_or_else(|| Error::fault("reading the intent of a recovery"))?;
    let names: BTreeMap<&str, &str> =
        list.members.iter().map(|member| (&*member.person_id, &*member.name)).collect();
    let mut votes = Vec::new();
    for vote in control_votes::of(tenant).list(rx, &recovery.id)? {
        let (check, found) = check_of(rx, tenant, vote.verification_id.as_ref(), vote.check_ends_at)?;
        let admission = found.and_then(|found| found.admission);
        let cast_by = store::people::of(tenant).find(rx, &vote.person_id)?;
        let is_removed = cast_by.is_none_or(|person| person.state == PersonState::Removed);
        votes.push(ShownVote { vote, check, admission, is_removed });
    }
    let (check, found) = check_of(rx, tenant, recovery.verification_id.as_ref(), recovery.check_ends_at)?;
    let is_in_review = found.as_ref().is_some_and(|found| found.state == InquiryState::NeedsReview);
    let admission = found.and_then(|found| found.admission);
    let asked_by = name_of(rx, tenant, &recovery.asked_by, &names)?;
    let mut backups = Vec::new();
    for id in backup_ids(&recovery) {
        backups.extend(listings::of(tenant).find_backup(rx, &id)?);
    }
    let intent_ends_at = Timestamp::from_ms(intent.expires_at_ms);
    Ok(ShownRecovery {
        recovery,
        list,
        votes,
        backups,
        check,
        admission,
        is_in_review,
        asked_by,
        intent_ends_at,
    })
}

fn name_of(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    names: &BTreeMap<&str, &str>,
) -> Result<String, StoreError> {
    if let Some(name) = names.get(person.as_str()) {
        return Ok((*name).to_owned());
    }
    let found = store::people::of(tenant).find(rx, person)?;
    Ok(found.map_or_else(|| "somebody".to_owned(), |person| person.name))
}

fn check_of(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    id: Option<&VerificationId>,
    ends_at: Option<Timestamp>,
) -> Result<(PersonCheck, Option<Verification>), StoreError> {
    let (Some(id), Some(ends_at)) = (id, ends_at) else { return Ok((PersonCheck::NotDemanded, None)) };
    let found: Option<Verification> = verifications::of(tenant).find(rx, id)?;
    let Some(found) = found else { return Ok((PersonCheck::Failed, None)) };
    let check = match found.state {
        // What passed too late did not pass.
        InquiryState::Approved if found.updated_at < ends_at => PersonCheck::Passed,
        InquiryState::Approved | InquiryState::Expired => PersonCheck::Waiting(found.updated_at.min(ends_at)),
        InquiryState::Declined | InquiryState::Failed => PersonCheck::Failed,
        InquiryState::Created
        | InquiryState::Pending
        | InquiryState::Completed
        | InquiryState::NeedsReview => PersonCheck::Waiting(ends_at),
    };
    Ok((check, Some(found)))
}

/// The backups of a recovery.
pub(super) fn backup_ids(recovery: &ControlRecovery) -> Vec<BackupId> {
    let names: Vec<String> = serde_json::from_str(&recovery.backups).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// The data of a recovery's event.
pub(super) fn control_data(recovery: &ControlRecovery, state: &str) -> EventData {
    let ids = backup_ids(recovery).iter().map(|id| Json::text(id.as_str())).collect();
    let verification = recovery.verification_id.as_ref().map(VerificationId::as_str);
    vec![
        ("recovery_id", Json::text(recovery.id.to_string())),
        ("backup_ids", Json::List(ids)),
        ("verification_id", Json::text_or_null(verification)),
        ("user_identifier", Json::Null),
        ("gpg_fingerprint", Json::text(recovery.gpg_fingerprint.clone())),
        ("state", Json::text(state.to_owned())),
    ]
}
