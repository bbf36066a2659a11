//! Signs the tenant's own policy for recoveries by its users. Each version is an Owner's word; the enclave decides from
//! when it is in force: what weakens waits, and may be taken back until then.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boundary::Env;
use boundary::approval::{Demand, Document as _, RequestKey, TenantPolicy, limits};
use boundary::json::Value;
use boundary::message::Amend;
use domain::audit::hex;
use domain::control::Act;
use domain::jwks::read_pasted;
use domain::notice::NoticeKind;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;
use store::policies::{self, Policy};

use super::super::notify::notify_everybody;
use super::super::{Ctx, Error, News, event, tell};
use super::found_roster::in_force;
use super::read_policy::{ShownPolicy, stands};
use super::{ToSign, ask_to_sign, ballot_of, control, hash_of, not_believed, permitted, recorded};
use crate::app::App;
use crate::edge::jwt::is_on_curve;

/// Where the policy is shown.
pub const POLICY_PATH: &str = "/control/settings/recovery";
/// The longest delay, in minutes: 30 days.
const DELAY_MINUTES_MAX: i64 = 30 * 24 * 60;
/// The shortest time that a weaker version waits in production, in minutes.
const CHANGE_DELAY_MINUTES_MIN: i64 = 60;
/// What is proposed for it, in minutes.
const CHANGE_DELAY_MINUTES: i64 = 24 * 60;

/// What an Owner wants the policy to be.
#[derive(Clone, Debug)]
pub struct DraftPolicy {
    /// How long an approved recovery waits, in minutes.
    pub delay_minutes: i64,
    /// How long a weaker policy waits, in minutes.
    pub change_delay_minutes: i64,
    /// How many recoveries may go out in an hour.
    pub releases_an_hour: i64,
    /// How often a user may recover in a day.
    pub sessions_a_day: i64,
    /// Whether a recovery needs a signature.
    pub is_signature_required: bool,
    /// Which of the keys stay: their points, lower-case hexadecimal.
    pub kept: Vec<String>,
    /// One more: a PEM or a JWK; empty for none.
    pub new_key: String,
}

impl DraftPolicy {
    /// What stands; before anybody has signed one, with what is proposed.
    pub fn of(policy: &TenantPolicy) -> Self {
        let unsigned = policy.version == 0 && policy.env == Env::Production;
        Self {
            delay_minutes: policy.retail_delay_s / 60,
            change_delay_minutes: if unsigned { CHANGE_DELAY_MINUTES } else { policy.change_delay_s / 60 },
            releases_an_hour: policy.max_releases_per_hour.into(),
            sessions_a_day: policy.max_sessions_per_user_day.into(),
            is_signature_required: policy.partner_signature == Demand::Required,
            kept: policy.request_keys.iter().map(|key| key.public_key.clone()).collect(),
            new_key: String::new(),
        }
    }

    /// The version that says this, or what is wrong with it.
    fn document(&self, app: &App, shown: &ShownPolicy) -> Result<TenantPolicy, Refusal> {
        let (mut faults, newest) = (BTreeMap::new(), shown.newest());
        let least = if app.env == Env::Production { CHANGE_DELAY_MINUTES_MIN } else { 0 };
        for (field, minutes, least) in [
            ("delay_minutes", self.delay_minutes, 0),
            ("change_delay_minutes", self.change_delay_minutes, least),
        ] {
            if !(least..=DELAY_MINUTES_MAX).contains(&minutes) {
                let text = format!("must be {least} to {DELAY_MINUTES_MAX} minutes");
                faults.insert(field.to_owned(), vec![text]);
            }
        }
        let version = newest.version + 1;
        let mut limit = |field: &str, number: i64, range: &RangeInclusive<u16>| {
            let (least, most) = (range.start(), range.end());
            let fitting = u16::try_from(number).ok().filter(|number| range.contains(number));
            fitting.unwrap_or_else(|| {
                let first =
                    if version == 1 { "; the first policy raises nothing, the next one may" } else { "" };
                faults.insert(field.to_owned(), vec![format!("must be {least} to {most}{first}")]);
                *least
            })
        };
        let [releases, sessions] = limits(version);
        let max_releases_per_hour = limit("releases_an_hour", self.releases_an_hour, &releases);
        let max_sessions_per_user_day = limit("sessions_a_day", self.sessions_a_day, &sessions);
        let known = shown.in_force.request_keys.iter().chain(&newest.request_keys);
        let mut request_keys: Vec<_> =
            known.filter(|key| self.kept.contains(&key.public_key)).cloned().collect();
        if !self.new_key.is_empty() {
            match request_key(app, &self.new_key) {
                Ok(key) => request_keys.push(key),
                Err(fault) => drop(faults.insert("new_key".to_owned(), vec![fault.to_owned()])),
            }
        }
        request_keys.sort_by(|a, b| a.kid.cmp(&b.kid));
        request_keys.dedup();
        if self.is_signature_required && request_keys.is_empty() {
            let text = "needs a key that signatures are verified with: paste one";
            faults.entry("new_key".to_owned()).or_insert_with(|| vec![text.to_owned()]);
        }
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults));
        }
        let policy = TenantPolicy {
            env: app.env,
            tenant_id: newest.tenant_id.clone(),
            version,
            prev_hash: (newest.version > 0).then(|| hex(&hash_of(app, newest))),
            retail_delay_s: self.delay_minutes * 60,
            partner_signature: if self.is_signature_required { Demand::Required } else { Demand::Optional },
            request_keys,
            change_delay_s: self.change_delay_minutes * 60,
            max_releases_per_hour,
            max_sessions_per_user_day,
        };
        TenantPolicy::from_canonical(policy.to_canonical().as_bytes()).ok_or_else(|| {
            Refusal::field("new_key", "is there already, has the name of another, or is one too many")
        })
    }
}

/// The key that was pasted; one without a name is called by its thumbprint (RFC 7638).
fn request_key(app: &App, text: &str) -> Result<RequestKey, &'static str> {
    let (name, point) = read_pasted(text)?;
    if !is_on_curve(&point) {
        return Err("is no point of P-256");
    }
    let thumbprint = || {
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(app.sha256(jwk.as_bytes()))
    };
    Ok(RequestKey { kid: name.unwrap_or_else(thumbprint), public_key: hex(&point) })
}

/// The next version, for an Owner to sign, and whether it waits once it is signed; nothing is kept yet.
pub async fn draft_policy(app: &App, ctx: &Ctx, draft: &DraftPolicy) -> Result<(ToSign, bool), Error> {
    let person = permitted(ctx, Act::SignPolicy)?;
    let drafted = async {
        let shown = stands(app, ctx).await?;
        let document = draft.document(app, &shown)?;
        let waits = follows(&shown, &document)?;
        let (_, _, mine) = in_force(app, ctx, &person).await?;
        let hash = hash_of(app, &document);
        let options = ask_to_sign(control(app)?, &mine, &hash);
        Ok((ToSign { document: document.to_canonical(), hash, options }, waits))
    };
    recorded(app, ctx, ctx.entry(app, "policy.refused"), drafted.await).await
}

/// Whether a version waits. While one does, only what takes it back may follow.
fn follows(shown: &ShownPolicy, next: &TenantPolicy) -> Result<bool, Refusal> {
    let is_weaker = shown.in_force.version > 0 && shown.in_force.is_weakened_by(next);
    if is_weaker && shown.waiting.is_some() {
        let text =
            "another version waits to take effect: until then it can be taken back, and nothing else changes";
        return Err(Refusal::new(Kind::Conflict, "policy-waits", text));
    }
    Ok(is_weaker)
}

/// Has the enclave take the version that an Owner has signed. Where only the enclave came to know of it, the same
/// document is taken again.
pub async fn sign_policy(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<(), Error> {
    let signed = sign(app, ctx, document, credential).await;
    recorded(app, ctx, ctx.entry(app, "policy.refused"), signed).await
}

async fn sign(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<(), Error> {
    let person = permitted(ctx, Act::SignPolicy)?;
    let next = TenantPolicy::from_canonical(document.as_bytes()).ok_or_else(changed)?;
    let shown = stands(app, ctx).await?;
    let newest = shown.newest();
    let prev_hash = (newest.version > 0).then(|| hex(&hash_of(app, newest)));
    let place = (next.env, &next.tenant_id, next.version, &next.prev_hash);
    if place != (app.env, &newest.tenant_id, newest.version + 1, &prev_hash) {
        return Err(changed().into());
    }
    let is_brief = next.change_delay_s < CHANGE_DELAY_MINUTES_MIN * 60;
    if app.env == Env::Production && is_brief {
        return Err(changed().into());
    }
    let waits = follows(&shown, &next)?;
    let (roster, keys, _) = in_force(app, ctx, &person).await?;
    let hash = hash_of(app, &next);
    let ballot = ballot_of(app, &person, &keys, (&hash, true), credential).await?;
    let current = Some(&shown.in_force).filter(|policy| policy.version > 0);
    let amend = Amend {
        document: document.as_bytes().to_vec(),
        current: current.map(|policy| policy.to_canonical().into_bytes()),
        roster: Some(roster.to_canonical().into_bytes()),
        ballots: vec![ballot],
    };
    let amended = app.enclave.amend(amend).await.map_err(not_believed)?;
    // What is in force at once is so by this clock too, though the enclave's may be ahead.
    let effective_at = if waits { Timestamp::from_ms(amended.effective_at_ms) } else { ctx.now };
    let (version, document) = (next.version, document.to_owned());
    write(app, ctx, Policy { version, document, hash, effective_at, created_at: ctx.now }).await
}

async fn write(app: &App, ctx: &Ctx, row: Policy) -> Result<(), Error> {
    let waits = row.effective_at > ctx.now;
    let when = if waits { format!(", from {}", row.effective_at.rfc3339()) } else { String::new() };
    let reason = Some(format!("version {}{when}", row.version));
    let entry = AuditEntry { reason, ..ctx.entry(app, "policy.signed") };
    let text = if waits {
        "It asks for less than the one in force, and so waits before it takes effect. An owner can take it back until \
         then."
    } else {
        "It is in force. Look at what it says."
    };
    let title = "An owner has signed another policy for recoveries".to_owned();
    let (kind, text, link) = (NoticeKind::PolicyChanged, text.to_owned(), POLICY_PATH.to_owned());
    let (tenant, env) = (ctx.principal.tenant.clone(), app.env);
    let notices = notify_everybody(app, ctx.now, &tenant, &News { kind, title, text, link }).await?;
    let data = vec![
        ("version", Value::Integer(row.version)),
        ("effective_at", Value::text(row.effective_at.rfc3339())),
    ];
    let event = event(&app.minter, ctx.now, "policy.changed", data);
    let written = app.db.write("sign_policy", move |tx| {
        if policies::of(&tenant).insert(tx, &row)? {
            store::audit::of(&tenant).append(tx, &entry)?;
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            tell(tx, &tenant, env, &event)?;
        }
        Ok(())
    });
    written.await.map_err(|error: StoreError| error.into())
}

fn changed() -> Refusal {
    let text = "what was signed does not follow the policy as it is by now; look at it again and sign anew";
    Refusal::new(Kind::Conflict, "policy-changed", text)
}
