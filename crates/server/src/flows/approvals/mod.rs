//! What people decide together: who owns the tenant, lists, keys under lists, and recoveries. What people sign is
//! kept verbatim and shown to the enclave, which alone decides; what is refused here is refused early and politely.

mod advance_recovery;
mod attach_keys;
mod build_intent;
mod change_acl;
mod close_keys;
mod download_recovery;
mod found_roster;
mod list_reviews;
mod make_acl;
mod offer_recovery;
mod open_person_check;
mod prepare_recovery;
mod read_acls;
mod read_policy;
mod read_recoveries;
mod read_review;
mod request_recovery;
mod second_review;
mod settle_change;
mod settle_review;
mod sign_policy;
mod sign_review;
mod start_person_check;
mod stop_change;
mod stop_recovery;
mod tell_officers;
mod thaw_tenant;
mod vote;
mod vote_on_change;

pub use advance_recovery::{advance_recoveries, end_packages};
pub use attach_keys::{Attaching, attach_keys, draft_attachment};
pub use change_acl::change_acl;
pub use download_recovery::{download_recovery, make_link, read_package};
pub use found_roster::{RosterStands, draft_roster, found_roster};
pub use list_reviews::{ReviewQuery, list_reviews};
pub use make_acl::{Candidate, DraftAcl, DraftMember, draft_acl, list_candidates, make_acl};
pub use open_person_check::open_person_check;
pub use read_acls::{ShownAcl, ShownChange, list_acls, read_acl, read_change};
pub use read_policy::{ShownPolicy, read_policy};
pub use read_recoveries::{RECOVERIES_SHOWN, ShownRecovery, ShownVote, list_recoveries, read_recovery};
pub use read_review::{ShownReview, Shows, read_review};
pub use request_recovery::{RequestRecovery, request_recovery};
pub use second_review::second_review;
pub use settle_change::{Cast, settle_changes};
pub use settle_review::settle_reviews;
pub use sign_policy::{DraftPolicy, POLICY_PATH, draft_policy, sign_policy};
pub use sign_review::{draft_review, sign_review};
pub use start_person_check::{Baseline, begin_baseline, read_baseline};
pub use stop_change::stop_change;
pub use stop_recovery::stop_recovery;
pub use thaw_tenant::{draft_thaw, thaw_tenant};
pub use vote::{CastVote, vote};
pub use vote_on_change::vote_on_change;

#[cfg(test)]
pub use super::read_verification::Inquiry;

pub(super) use advance_recovery::advance_of_check;
pub(super) use offer_recovery::{recoveries_for_ceremony, take_answer};
pub(super) use read_policy::{Judging, judging};
pub(super) use request_recovery::{predecessors, replaced};
pub(super) use tell_officers::tell_officers;

use boundary::approval::{AclDocument, Document, SigningKey};
use boundary::message::{Ballot, Refusal as EnclaveRefusal, Signature};
use domain::audit::hex;
use domain::control::Act;
use domain::ids::{PersonId, TenantId};
use domain::notice::NoticeKind;
use domain::person::{PersonState, Role};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::acls::Acl;
use store::audit::AuditEntry;
use store::notices::Notice;
use store::passkeys::{self, Passkey};
use store::people::{self, Person};
use store::{Rx, StoreError};

use super::{Ctx, Error, News, notify, record_refused};
use crate::app::App;
use crate::control::Control;
use crate::edge::assertion::{self, is_signed_by};
use crate::edge::enclave::CallError;

/// The code of the enclave's no to what people signed.
const NOT_BELIEVED: &str = "approval-refused";

/// Something that a person signs with a passkey: what it is, its hash, and what the browser is asked.
#[derive(Clone, Debug)]
pub struct ToSign {
    /// The document, exactly.
    pub document: String,
    /// Its hash: the passkey's challenge.
    pub hash: [u8; 32],
    /// The options for the browser, JSON.
    pub options: String,
}

/// Who is signed in, if his role may do this.
pub(super) fn permitted(ctx: &Ctx, act: Act) -> Result<PersonId, Error> {
    ctx.principal.permit_act(act)?;
    let person = ctx.principal.person.as_ref().map(|(person, _)| person.clone());
    person.ok_or_else(|| Error::fault("finding out who is signed in"))
}

fn control(app: &App) -> Result<&Control, Error> {
    app.control.as_ref().ok_or_else(|| Refusal::no_such_path().into())
}

/// What a person signs with by now: his passkeys that were not revoked and count.
fn signing_keys(passkeys: &[Passkey], rp_id: &str, now: Timestamp) -> Vec<SigningKey> {
    let counting = passkeys.iter().filter(|passkey| passkey.counts_from <= now);
    let keys = counting.map(|passkey| SigningKey {
        kind: boundary::approval::KeyKind::WebAuthn,
        public_key: hex(&passkey.point),
        rp_id: Some(rp_id.to_owned()),
    });
    keys.collect()
}

/// What the browser is asked for a signature over that hash, by one of this person's passkeys.
fn ask_to_sign(control: &Control, passkeys: &[Passkey], hash: &[u8; 32]) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let known = passkeys
        .iter()
        .map(|passkey| serde_json::json!({ "type": "public-key", "id": encode(&passkey.credential_id) }));
    serde_json::json!({ "publicKey": {
        "challenge": encode(hash),
        "rpId": control.passkeys.rp_id,
        "allowCredentials": known.collect::<Vec<_>>(),
        "userVerification": "required",
        "timeout": 300_000,
    }})
    .to_string()
}

/// A person's passkeys by now.
async fn passkeys_of(app: &App, person: &PersonId) -> Result<Vec<Passkey>, Error> {
    let person = person.clone();
    let found = app.db.read("list_passkeys", move |rx| passkeys::list(rx, &person)).await;
    found.map_err(|error: StoreError| error.into())
}

/// The ballot that a browser's answer is, if a passkey of this person made it that is not revoked, and that stands
/// among `keys`: what the list, or the roster, says he signs with.
async fn ballot_of(
    app: &App,
    person: &PersonId,
    keys: &[SigningKey],
    (hash, approve): (&[u8; 32], bool),
    credential: &str,
) -> Result<Ballot, Error> {
    let answer = assertion::read(credential).ok_or_else(|| not_signed("no passkey signed this"))?;
    let known = passkeys_of(app, person).await?;
    let used = known.iter().find(|passkey| passkey.credential_id == answer.credential_id);
    let used = used.ok_or_else(|| not_signed("this passkey is not one of yours, or it was revoked"))?;
    let point = hex(&used.point);
    let its_own: Vec<_> = keys.iter().filter(|key| key.public_key == point).cloned().collect();
    if its_own.is_empty() {
        let text = "this passkey is not yet among those you sign with: use one that you had when the list was made, \
                    or have the list changed to take the new one";
        return Err(not_signed(text).into());
    }
    let signature = Signature::WebAuthn(answer.assertion);
    let ballot = Ballot { person_id: person.to_string(), approve, signature };
    if is_signed_by(&its_own, &control(app)?.origin, hash, &ballot) {
        return Ok(ballot);
    }
    Err(not_signed("the signature is not one over what the page shows").into())
}

fn not_signed(text: &str) -> Refusal {
    Refusal::new(Kind::Forbidden, "not-signed", text)
}

/// The document of a list, which was read when it was kept.
pub(super) fn document_of(acl: &Acl) -> Result<AclDocument, Error> {
    AclDocument::from_canonical(acl.document.as_bytes()).ok_or_else(|| Error::fault("reading a list"))
}

fn hash_of(app: &App, document: &impl Document) -> [u8; 32] {
    app.sha256(&document.preimage())
}

/// The enclave's no to a document that people signed.
fn not_believed(error: CallError) -> Error {
    match error {
        CallError::Refused(EnclaveRefusal::ProofFailed | EnclaveRefusal::SealBroken) => {
            let text =
                "the enclave does not accept what was signed; the operator finds the reason in its log";
            Error::Refused(Refusal::new(Kind::Forbidden, NOT_BELIEVED, text))
        }
        CallError::Refused(EnclaveRefusal::AlreadyBound) => {
            let text = "one of these keys is under another list, for good";
            Error::Refused(Refusal::new(Kind::Conflict, "key-guarded", text))
        }
        error => error.into(),
    }
}

/// Writes down that it was refused, and hands the refusal on; what broke is handed on as it is.
pub(super) async fn recorded<T>(
    app: &App,
    ctx: &Ctx,
    entry: AuditEntry,
    done: Result<T, Error>,
) -> Result<T, Error> {
    if let Err(Error::Refused(refusal)) = &done {
        record_refused(app, ctx, entry, refusal.code).await?;
    }
    done
}

/// The notices that tell these people.
fn news(
    app: &App,
    now: Timestamp,
    people: &[PersonId],
    (kind, title, text, link): (NoticeKind, &str, &str, &str),
) -> Result<Vec<Notice>, Error> {
    let news = News { kind, title: title.to_owned(), text: text.to_owned(), link: link.to_owned() };
    notify(app, now, people, &news)
}

/// People of a list who sign in still, for notices.
fn people_of(document: &AclDocument) -> Vec<PersonId> {
    document.members.iter().filter_map(|member| member.person_id.parse().ok()).collect()
}

/// Who has this role by now.
fn of_role(rx: &mut Rx<'_>, tenant: &TenantId, role: Role) -> Result<Vec<Person>, StoreError> {
    let mut people = people::of(tenant).list(rx)?;
    people.retain(|person| person.role == role && person.state == PersonState::Active);
    Ok(people)
}
