//! A member's vote on a recovery: a signature over the hash of exactly this intent, or of its rejection. It is final.
//! Also what a ballot is read from, for the votes on changes of lists.

use api::vote::{BallotFile, VOTE_FILE_VERSION};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::approval::{AclDocument, Document as _, KeyKind};
use boundary::message::{Ballot, Signature, Weigh};
use boundary::wire::Wire as _;
use domain::approval::ControlState;
use domain::control::Act;
use domain::ids::PersonId;
use domain::refusal::{Kind, Refusal};
use store::audit::AuditEntry;
use store::control_recoveries::{self, ControlRecovery};
use store::control_votes::{self, Vote};

use super::super::{Ctx, Error};
use super::advance_recovery::advance;
use super::read_recoveries::{ShownRecovery, find_recovery};
use super::start_person_check::{Begun, begin_check, ends_at, open_session, play_baseline};
use super::vote_on_change::{voted, word};
use super::{ballot_of, control, not_signed, permitted, recorded};
use crate::app::App;
use crate::edge::assertion::{is_signed_by, unhex};

/// How a member votes.
#[derive(Clone, Debug)]
pub enum CastVote {
    /// With a passkey, on the page: yes or no, and the browser's answer.
    Passkey {
        /// Yes or no.
        approve: bool,
        /// JSON, as the browser made it.
        credential: String,
    },
    /// With a key that is kept away from any network: the ballot's file.
    File(String),
}

/// Keeps the vote, and does what follows from it. Every refusal is recorded.
pub async fn vote(app: &App, ctx: &Ctx, id: &str, cast: &CastVote) -> Result<ControlState, Error> {
    let shown = find_recovery(app, &ctx.principal.tenant, id).await?;
    let about =
        |action: &str| AuditEntry { recovery_id: Some(shown.recovery.id.clone()), ..ctx.entry(app, action) };
    let kept = keep(app, ctx, &shown, cast, about("recovery.voted")).await;
    recorded(app, ctx, about("recovery.vote-refused"), kept).await?;
    advance(app, &ctx.principal.tenant, &shown.recovery.id, ctx.now, &ctx.request_id).await
}

async fn keep(
    app: &App,
    ctx: &Ctx,
    shown: &ShownRecovery,
    cast: &CastVote,
    entry: AuditEntry,
) -> Result<(), Error> {
    let person = permitted(ctx, Act::Vote)?;
    if shown.list.place(person.as_str()).is_none() {
        let text = "you are not on the list that decides on this, so you have no vote on it";
        return Err(Refusal::new(Kind::Forbidden, "not-on-acl", text).into());
    }
    if shown.votes.iter().any(|shown| shown.vote.person_id == person) {
        return Err(voted().into());
    }
    takes_votes(&shown.recovery, ctx)?;
    let ballot = read_ballot(app, &person, &shown.list, &shown.recovery.intent_hash, cast).await?;
    let check = if shown.list.check_voters && ballot.approve {
        play_baseline(app, ctx, &person).await?;
        let opened = open_session(app, &ctx.principal.tenant, &person).await?;
        Some(begin_check(app, ctx, &person, opened).await?)
    } else {
        None
    };
    let vote = Vote {
        recovery_id: shown.recovery.id.clone(),
        person_id: person,
        approve: ballot.approve,
        ballot: ballot.to_bytes(),
        verification_id: check.as_ref().map(|check| check.id().clone()),
        check_ends_at: check.as_ref().map(|_| ends_at(ctx.now)),
        voted_at: ctx.now,
    };
    let entry = AuditEntry {
        reason: Some(word(ballot.approve).to_owned()),
        verification_id: vote.verification_id.clone(),
        ..entry
    };
    write(app, ctx, vote, check, entry).await
}

async fn write(
    app: &App,
    ctx: &Ctx,
    vote: Vote,
    check: Option<Begun>,
    entry: AuditEntry,
) -> Result<(), Error> {
    let (tenant, asked) = (ctx.principal.tenant.clone(), ctx.clone());
    app.db
        .write("vote", move |tx| {
            let recovery = control_recoveries::of(&tenant).find_locked(tx, &vote.recovery_id)?;
            takes_votes(&recovery.ok_or_else(Refusal::not_found)?, &asked)?;
            if let Some(check) = &check {
                check.write(tx, &tenant)?;
            }
            if !control_votes::of(&tenant).insert(tx, &vote)? {
                return Err(Error::from(voted()));
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

fn takes_votes(recovery: &ControlRecovery, ctx: &Ctx) -> Result<(), Refusal> {
    if recovery.state.takes_votes() && ctx.now < recovery.window_ends_at {
        return Ok(());
    }
    let text = "the vote on this recovery is over: nothing is added to it";
    Err(Refusal::new(Kind::Conflict, "vote-closed", text))
}

/// The ballot that was cast, if this person signed it, with a key that the list has of him, over what has that hash.
pub(super) async fn read_ballot(
    app: &App,
    person: &PersonId,
    list: &AclDocument,
    hash: &[u8; 32],
    cast: &CastVote,
) -> Result<Ballot, Error> {
    let keys = list.place(person.as_str()).map_or(&[][..], |at| &list.members[at].keys);
    match cast {
        CastVote::Passkey { approve, credential } => {
            ballot_of(app, person, keys, (hash, *approve), credential).await
        }
        CastVote::File(text) => {
            let ballot = parse_file(text, hash)?;
            if ballot.person_id != person.as_str() {
                return Err(not_signed("this ballot is another person's").into());
            }
            let holds = match &ballot.signature {
                Signature::OpenPgp(_) => {
                    let acl = list.to_canonical().into_bytes();
                    app.enclave.weigh(Weigh { acl, hash: *hash, ballot: ballot.clone() }).await?
                }
                _ => is_signed_by(keys, &control(app)?.origin, hash, &ballot),
            };
            if holds { Ok(ballot) } else { Err(not_signed("no key of yours signed this ballot").into()) }
        }
    }
}

/// Reads a ballot's file, as `holdfast vote sign` writes it.
fn parse_file(text: &str, hash: &[u8; 32]) -> Result<Ballot, Refusal> {
    let fault = |text: &str| Refusal::field("ballot", text);
    let file: BallotFile = serde_json::from_str(text.trim())
        .map_err(|_| fault("is not a ballot as `holdfast vote sign` writes it"))?;
    if file.version != VOTE_FILE_VERSION {
        return Err(fault("is of another version than this service reads"));
    }
    if unhex(&file.hash).as_deref() != Some(hash.as_slice()) {
        return Err(fault("is for something else than what this page shows"));
    }
    let signature = STANDARD.decode(&file.signature).map_err(|_| fault("has no readable signature"))?;
    let signature = match KeyKind::parse(&file.kind) {
        Some(KeyKind::Ed25519) => Signature::Ed25519(signature),
        Some(KeyKind::OpenPgp) => Signature::OpenPgp(signature),
        Some(KeyKind::WebAuthn) | None => return Err(fault("is not signed with an offline key")),
    };
    Ok(Ballot { person_id: file.person_id, approve: file.approve, signature })
}
