//! Makes a list: an Owner signs its first version, and from then on its members alone change it.

use std::collections::BTreeMap;

use boundary::Env;
use boundary::acl::{Outcome, Rule, can_pass, threshold};
use boundary::approval::{
    AclDocument, Document as _, KeyKind, Member, SigningKey, VOTER_CERTIFICATE_BYTES_MAX,
};
use boundary::json::Value as Json;
use boundary::message::{Amend, Request};
use domain::audit::hex;
use domain::control::Act;
use domain::ids::AclId;
use domain::limits::{ACL_MEMBERS_MAX, IDENTIFIER_CHARS_MAX, RELEASE_DELAYS, VOTE_WINDOW};
use domain::notice::NoticeKind;
use domain::person::{PersonState, Role};
use domain::refusal::{Kind, Refusal};
use store::StoreError;
use store::acls::{self, Version};
use store::audit::AuditEntry;
use store::passkeys;
use store::people::Person;

use super::super::offline::told_too;
use super::super::{Ctx, Error, event, tell};
use super::found_roster::in_force;
use super::{
    ToSign, ask_to_sign, ballot_of, control, hash_of, news, not_believed, people_of, permitted, recorded,
};
use crate::app::App;
use crate::edge::armour::{is_certificate, read_certificate};
use crate::edge::assertion::unhex;

/// How long an Ed25519 public key is.
const ED25519_BYTES: usize = 32;

/// A list as somebody fills it in.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftAcl {
    /// What people call it.
    pub name: String,
    /// How many have to say yes.
    pub rule: Rule,
    /// Who decides.
    pub members: Vec<DraftMember>,
    /// For how many days may be voted.
    pub window_days: i64,
    /// For how many hours a release of HOT keys waits.
    pub delay_hot_hours: i64,
    /// And one of COLD keys.
    pub delay_cold_hours: i64,
    /// Whether who asks is checked.
    pub check_requester: bool,
    /// Whether who votes is.
    pub check_voters: bool,
    /// Whether others than members may ask.
    pub any_member_may_ask: bool,
}

/// A member as somebody fills him in.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftMember {
    /// Who.
    pub person: String,
    /// Whether his no alone ends it.
    pub veto: bool,
    /// Whether nothing goes without his yes.
    pub must: bool,
    /// The public half of a key that he signs with away from any network: an Ed25519 key or an OpenPGP certificate,
    /// hexadecimal, or the armoured certificate; empty: none.
    pub offline_key: String,
}

/// Somebody who may be put on a list.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// He.
    pub person: Person,
    /// What he signs with by now; empty: he cannot vote, and so cannot be on a list.
    pub keys: Vec<SigningKey>,
}

impl DraftAcl {
    /// What stands in the form at first.
    pub fn new(env: Env) -> Self {
        let hours = |span: std::time::Duration| i64::try_from(span.as_secs() / 3_600).unwrap_or(0);
        let [hot, cold] = RELEASE_DELAYS.map(|delay| if env == Env::Sandbox { 0 } else { hours(delay) });
        Self {
            name: String::new(),
            rule: Rule::Majority,
            members: Vec::new(),
            window_days: hours(VOTE_WINDOW) / 24,
            delay_hot_hours: hot,
            delay_cold_hours: cold,
            check_requester: true,
            check_voters: false,
            any_member_may_ask: false,
        }
    }

    /// The form of a list that is there.
    pub fn of(document: &AclDocument) -> Self {
        let offline = |member: &Member| {
            let key = member.keys.iter().find(|key| key.kind != KeyKind::WebAuthn);
            key.map_or_else(String::new, |key| key.public_key.clone())
        };
        let members = document.members.iter().map(|member| DraftMember {
            person: member.person_id.clone(),
            veto: member.veto,
            must: member.must,
            offline_key: offline(member),
        });
        Self {
            name: document.name.clone(),
            rule: document.rule,
            members: members.collect(),
            window_days: document.vote_window_s / 86_400,
            delay_hot_hours: document.delay_hot_s / 3_600,
            delay_cold_hours: document.delay_cold_s / 3_600,
            check_requester: document.check_requester,
            check_voters: document.check_voters,
            any_member_may_ask: document.any_member_may_ask,
        }
    }

    /// What these votes would come to, by member; who asks is one of them, or nobody.
    pub fn simulate(&self, votes: &BTreeMap<String, bool>, requester: Option<&str>) -> Outcome {
        let votes: Vec<_> = self.members.iter().map(|member| votes.get(&member.person).copied()).collect();
        let requester = self.members.iter().position(|member| Some(member.person.as_str()) == requester);
        boundary::acl::outcome(self.rule, &self.seats(), &votes, requester, false)
    }

    /// How many have to say yes.
    pub fn threshold(&self) -> usize {
        threshold(self.rule, self.members.len())
    }

    fn seats(&self) -> Vec<boundary::acl::Seat> {
        let seat = |member: &DraftMember| boundary::acl::Seat { veto: member.veto, must: member.must };
        self.members.iter().map(seat).collect()
    }

    /// The document of this form, as the people sign by now; or what is wrong with it.
    pub(super) fn document(
        &self,
        app: &App,
        ctx: &Ctx,
        candidates: &[Candidate],
        (acl_id, version, prev_hash): (&AclId, i64, Option<String>),
    ) -> Result<AclDocument, Refusal> {
        let mut faults = self.faults(app.env);
        let mut members = Vec::new();
        for drafted in &self.members {
            match Self::member(drafted, candidates) {
                Ok(member) => members.push(member),
                Err(fault) => faults.entry("members".to_owned()).or_default().push(fault),
            }
        }
        members.sort_by(|a: &Member, b| a.person_id.cmp(&b.person_id));
        if members.windows(2).any(|pair| pair[0].person_id == pair[1].person_id) {
            faults.entry("members".to_owned()).or_default().push("name somebody twice".to_owned());
        }
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults));
        }
        let document = AclDocument {
            env: app.env,
            tenant_id: ctx.principal.tenant.to_string(),
            acl_id: acl_id.to_string(),
            version,
            prev_hash,
            name: self.name.clone(),
            rule: self.rule,
            members,
            vote_window_s: self.window_days * 86_400,
            delay_hot_s: self.delay_hot_hours * 3_600,
            delay_cold_s: self.delay_cold_hours * 3_600,
            check_requester: self.check_requester,
            check_voters: self.check_voters,
            any_member_may_ask: self.any_member_may_ask,
        };
        if AclDocument::from_canonical(document.to_canonical().as_bytes()).is_none() {
            return Err(Refusal::field(
                "members",
                "do not make a list: each needs keys that nobody else has",
            ));
        }
        Ok(document)
    }

    fn faults(&self, env: Env) -> BTreeMap<String, Vec<String>> {
        let mut faults: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut fault = |field: &str, text: String| faults.entry(field.to_owned()).or_default().push(text);
        let name = self.name.chars().count();
        if name == 0 || name > IDENTIFIER_CHARS_MAX / 2 || self.name.chars().any(char::is_control) {
            fault("name", "must be 1 to 127 characters in one line".to_owned());
        }
        let is_number = match self.rule {
            Rule::Majority => true,
            Rule::Percentage(percent) => (1..=100).contains(&percent),
            Rule::Exact(count) => count > 0,
        };
        if !is_number {
            fault("number", "must be a number of members, or 1 to 100 in a hundred".to_owned());
        }
        if !(2..=ACL_MEMBERS_MAX).contains(&self.members.len()) {
            let text = "must be two at least: nobody releases to himself alone";
            fault("members", text.to_owned());
        } else if !can_pass(self.rule, &self.seats(), None) {
            let text = format!(
                "asks for {} of {} members: that can never pass",
                self.threshold(),
                self.members.len()
            );
            fault("rule", text);
        }
        if !(1..=30).contains(&self.window_days) {
            fault("window_days", "must be 1 to 30 days".to_owned());
        }
        let least = i64::from(env != Env::Sandbox);
        for (field, hours) in
            [("delay_hot_hours", self.delay_hot_hours), ("delay_cold_hours", self.delay_cold_hours)]
        {
            if !(least..=720).contains(&hours) {
                fault(field, format!("must be {least} to 720 hours"));
            }
        }
        faults
    }

    fn member(drafted: &DraftMember, candidates: &[Candidate]) -> Result<Member, String> {
        let found = candidates.iter().find(|candidate| candidate.person.id.as_str() == drafted.person);
        let Some(Candidate { person, keys }) = found else {
            return Err("name somebody who is not one of this account's owners and members".to_owned());
        };
        if keys.is_empty() {
            return Err(format!(
                "name {}, who has no passkey that counts yet: votes are signed",
                person.name
            ));
        }
        let mut keys = keys.clone();
        if !drafted.offline_key.is_empty() {
            let key = offline_key(&drafted.offline_key);
            keys.push(key.ok_or_else(|| {
                format!(
                    "give {} an offline key that is neither 64 hexadecimal digits nor one public OpenPGP certificate",
                    person.name
                )
            })?);
        }
        Ok(Member {
            person_id: person.id.to_string(),
            name: person.name.clone(),
            veto: drafted.veto,
            must: drafted.must,
            keys,
        })
    }
}

/// An Ed25519 key, or an OpenPGP certificate, as it is pasted or as a list holds it.
fn offline_key(text: &str) -> Option<SigningKey> {
    let bytes = read_certificate(text).or_else(|| unhex(text))?;
    let kind = match bytes.len() {
        ED25519_BYTES => KeyKind::Ed25519,
        1..=VOTER_CERTIFICATE_BYTES_MAX if is_certificate(&bytes) => KeyKind::OpenPgp,
        _ => return None,
    };
    Some(SigningKey { kind, public_key: hex(&bytes), rp_id: None })
}

/// Who may be put on a list: owners and members who have finished their invitation.
pub async fn list_candidates(app: &App, ctx: &Ctx) -> Result<Vec<Candidate>, Error> {
    permitted(ctx, Act::SeeAcls)?;
    candidates(app, ctx).await
}

pub(super) async fn candidates(app: &App, ctx: &Ctx) -> Result<Vec<Candidate>, Error> {
    let (tenant, rp_id, now) = (ctx.principal.tenant.clone(), control(app)?.passkeys.rp_id.clone(), ctx.now);
    let found = app.db.read("list_candidates", move |rx| {
        let votes = |person: &Person| {
            person.state == PersonState::Active && matches!(person.role, Role::Owner | Role::Member)
        };
        let people = store::people::of(&tenant).list(rx)?.into_iter().filter(votes);
        let with_keys = people.map(|person| {
            let keys = super::signing_keys(&passkeys::list(rx, &person.id)?, &rp_id, now);
            Ok(Candidate { person, keys })
        });
        with_keys.collect::<Result<Vec<_>, StoreError>>()
    });
    found.await.map_err(|error: StoreError| error.into())
}

/// The first version of a list, for an Owner to sign; nothing is kept yet.
pub async fn draft_acl(app: &App, ctx: &Ctx, draft: &DraftAcl) -> Result<ToSign, Error> {
    let person = permitted(ctx, Act::MakeAcl)?;
    let drafted = async {
        let acl_id = AclId::new(ctx.now, &mut app.chance());
        let document = draft.document(app, ctx, &candidates(app, ctx).await?, (&acl_id, 1, None))?;
        let (_, _, mine) = in_force(app, ctx, &person).await?;
        let hash = hash_of(app, &document);
        let options = ask_to_sign(control(app)?, &mine, &hash);
        Ok(ToSign { document: document.to_canonical(), hash, options })
    };
    recorded(app, ctx, ctx.entry(app, "acl.refused"), drafted.await).await
}

/// Makes the list that an Owner has signed. Made again, it is there.
pub async fn make_acl(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<AclId, Error> {
    let made = make(app, ctx, document, credential).await;
    recorded(app, ctx, ctx.entry(app, "acl.refused"), made).await
}

async fn make(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<AclId, Error> {
    let person = permitted(ctx, Act::MakeAcl)?;
    let list = AclDocument::from_canonical(document.as_bytes()).ok_or_else(changed)?;
    let acl_id: AclId = list.acl_id.parse().map_err(|_| changed())?;
    // What was signed must be what the form would make of the people as they are by now.
    let drafted = DraftAcl::of(&list).document(app, ctx, &candidates(app, ctx).await?, (&acl_id, 1, None))?;
    if drafted != list {
        return Err(changed().into());
    }
    let (roster, keys, _) = in_force(app, ctx, &person).await?;
    let hash = hash_of(app, &list);
    let ballot = ballot_of(app, &person, &keys, (&hash, true), credential).await?;
    let amend = Amend {
        document: document.as_bytes().to_vec(),
        current: None,
        roster: Some(roster.to_canonical().into_bytes()),
        ballots: vec![ballot],
    };
    app.enclave.amend(amend.clone()).await.map_err(not_believed)?;
    write(app, ctx, &list, &acl_id, hash, amend).await?;
    Ok(acl_id)
}

async fn write(
    app: &App,
    ctx: &Ctx,
    list: &AclDocument,
    acl_id: &AclId,
    hash: [u8; 32],
    amend: Amend,
) -> Result<(), Error> {
    let first = Version {
        acl_id: acl_id.clone(),
        version: 1,
        document: list.to_canonical(),
        hash,
        created_at: ctx.now,
    };
    let entry = AuditEntry { reason: Some(format!("list {acl_id}")), ..ctx.entry(app, "acl.made") };
    let event = event(&app.minter, ctx.now, "acl.changed", acl_data(acl_id, 1));
    let notices = news(
        app,
        ctx.now,
        &people_of(list),
        (
            NoticeKind::ListChanged,
            &format!("You are on the list {}", list.name),
            "You vote on the recoveries of what it guards. Look at who else does, and by which rule.",
            &format!("/control/acls/{acl_id}"),
        ),
    )?;
    let told = told_too(app, ctx.now, Request::Amend(amend));
    let (tenant, env, name) = (ctx.principal.tenant.clone(), app.env, list.name.clone());
    let written = app.db.write("make_acl", move |tx| {
        if acls::of(&tenant).find(tx, &first.acl_id)?.is_some() {
            return Ok(());
        }
        acls::of(&tenant).insert(tx, &name, &first)?;
        store::offline::of(&tenant).append(tx, &told)?;
        store::audit::of(&tenant).append(tx, &entry)?;
        notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
        tell(tx, &tenant, env, &event)
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// The data of a list's event.
pub(super) fn acl_data(acl: &AclId, version: i64) -> super::super::EventData {
    vec![("acl_id", Json::text(acl.to_string())), ("version", Json::Integer(version))]
}

fn changed() -> Refusal {
    let text = "what was signed is not what the list would be by now; look at it again and sign anew";
    Refusal::new(Kind::Conflict, "list-changed", text)
}
