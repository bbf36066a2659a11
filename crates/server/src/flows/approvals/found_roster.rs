//! Says who owns the tenant and who decides reviews, and by which keys: what lists, attachments and reviews are
//! signed under. The enclave believes
//! the first version once, and each later one on the signature of an Owner of the one before.

use boundary::approval::{Document as _, Owner, Roster};
use boundary::message::{Amend, Ballot, Request, Signature};
use domain::audit::hex;
use domain::control::Act;
use domain::ids::PersonId;
use domain::person::Role;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::offline;
use store::passkeys::{self, Passkey};
use store::people::Person;
use store::rosters;
use store::tenants::Tenant;
use store::{Rx, StoreError};

use super::super::offline::told_too;
use super::super::{Ctx, Error};
use super::{ToSign, ask_to_sign, ballot_of, control, hash_of, not_believed, of_role, permitted, recorded};
use crate::app::App;
use crate::sandbox_people::sign_as_owner;

/// Whether the roster says what is so.
#[derive(Clone, Debug)]
pub enum RosterStands {
    /// It does.
    Holds(Roster),
    /// It is to be signed: the version that would hold. None is in force, or the owners, the officers or their passkeys
    /// are not what they were.
    ToBeSigned(ToSign),
}

/// Where the roster stands, and what is to be signed where it does not hold.
pub async fn draft_roster(app: &App, ctx: &Ctx) -> Result<RosterStands, Error> {
    let person = permitted(ctx, Act::SignRoster)?;
    let (newest, next) = look(app, ctx).await?;
    match newest {
        Some(newest) if (&newest.owners, &newest.officers) == (&next.owners, &next.officers) => {
            Ok(RosterStands::Holds(newest))
        }
        _ => {
            let (hash, mine) = (hash_of(app, &next), super::passkeys_of(app, &person).await?);
            let options = ask_to_sign(control(app)?, &mine, &hash);
            Ok(RosterStands::ToBeSigned(ToSign { document: next.to_canonical(), hash, options }))
        }
    }
}

/// Puts the next version in force, on the signature of an Owner of the one before, or, of the first, of its own.
pub async fn found_roster(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<Roster, Error> {
    let founded = found(app, ctx, document, credential).await;
    recorded(app, ctx, ctx.entry(app, "roster.refused"), founded).await
}

async fn found(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<Roster, Error> {
    let person = permitted(ctx, Act::SignRoster)?;
    let (newest, next) = look(app, ctx).await?;
    if next.to_canonical() != document {
        let text = "the owners, the officers or their passkeys have changed since the page was made; look again and sign anew";
        return Err(Refusal::new(Kind::Conflict, "roster-changed", text).into());
    }
    let signers = newest.as_ref().unwrap_or(&next);
    let keys = signers.owners.iter().find(|owner| owner.person_id == person.as_str());
    let keys = keys.map(|owner| owner.keys.clone()).ok_or_else(not_an_owner)?;
    let hash = hash_of(app, &next);
    let ballot = ballot_of(app, &person, &keys, (&hash, true), credential).await?;
    put_in_force(app, ctx, newest.as_ref(), &next, ballot).await?;
    Ok(next)
}

/// Has the enclave take the version, and keeps it.
async fn put_in_force(
    app: &App,
    ctx: &Ctx,
    current: Option<&Roster>,
    next: &Roster,
    ballot: Ballot,
) -> Result<(), Error> {
    let document = next.to_canonical();
    let amend = Amend {
        document: document.clone().into_bytes(),
        current: current.map(|roster| roster.to_canonical().into_bytes()),
        roster: None,
        ballots: vec![ballot],
    };
    app.enclave.amend(amend.clone()).await.map_err(not_believed)?;
    let told = told_too(app, ctx.now, Request::Amend(amend));
    let (version, hash) = (next.version, hash_of(app, next));
    let row = rosters::Roster { version, document, hash, created_at: ctx.now };
    let entry = store::audit::AuditEntry {
        reason: Some(format!("version {}", next.version)),
        ..ctx.entry(app, "roster.signed")
    };
    let tenant = ctx.principal.tenant.clone();
    let written = app.db.write("found_roster", move |tx| {
        if rosters::of(&tenant).insert(tx, &row)? {
            offline::of(&tenant).append(tx, &told)?;
            store::audit::of(&tenant).append(tx, &entry)?;
        }
        Ok(())
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// In a sandbox the owners are on record from the start: what nobody has signed yet, the ready-made owner signs.
async fn ready_made(app: &App, ctx: &Ctx, next: &Roster) -> Result<bool, Error> {
    if app.sandbox.is_none() {
        return Ok(false);
    }
    let id = ctx.principal.tenant.clone();
    let tenant = app.db.read("find_tenant", move |rx| store::tenants::find(rx, &id)).await;
    let tenant: Option<Tenant> = tenant.map_err(|error: StoreError| Error::from(error))?;
    let Some(tenant) = tenant else { return Ok(false) };
    let (point, assertion) = sign_as_owner(app, &tenant, control(app)?, &hash_of(app, next))?;
    let point = hex(&point);
    let signs = |owner: &&Owner| owner.keys.iter().any(|key| key.public_key == point);
    let Some(owner) = next.owners.iter().find(signs) else { return Ok(false) };
    let (person_id, signature) = (owner.person_id.clone(), Signature::WebAuthn(assertion));
    put_in_force(app, ctx, None, next, Ballot { person_id, approve: true, signature }).await?;
    Ok(true)
}

pub(super) fn not_an_owner() -> Refusal {
    let text = "you are not among the owners who are on record: one of them signs the owners anew first";
    Refusal::new(Kind::Forbidden, "not-on-roster", text)
}

/// The newest version, and the next, as the owners are by now.
async fn look(app: &App, ctx: &Ctx) -> Result<(Option<Roster>, Roster), Error> {
    let (newest, next) = look_up(app, ctx).await?;
    if newest.is_none() && ready_made(app, ctx, &next).await? {
        return look_up(app, ctx).await;
    }
    Ok((newest, next))
}

async fn look_up(app: &App, ctx: &Ctx) -> Result<(Option<Roster>, Roster), Error> {
    let (tenant, rp_id, now) = (ctx.principal.tenant.clone(), control(app)?.passkeys.rp_id.clone(), ctx.now);
    let found = app.db.read("find_roster", move |rx| {
        let newest = rosters::of(&tenant).find_newest(rx)?;
        let [owners, officers] = [Role::Owner, Role::Officer].map(|role| of_role(rx, &tenant, role));
        let owners = with_keys(rx, &owners?, &rp_id, now)?;
        Ok::<_, StoreError>((newest, owners, with_keys(rx, &officers?, &rp_id, now)?))
    });
    let (newest, owners, officers) = found.await?;
    let newest = newest.map(|row| Roster::from_canonical(row.document.as_bytes()));
    let newest = newest.map(|roster| roster.ok_or_else(|| Error::fault("reading a roster"))).transpose()?;
    let next = Roster {
        env: app.env,
        tenant_id: ctx.principal.tenant.to_string(),
        version: newest.as_ref().map_or(1, |roster| roster.version + 1),
        prev_hash: newest.as_ref().map(|roster| hex(&hash_of(app, roster))),
        owners,
        officers,
    };
    Ok((newest, next))
}

/// Those of them who can sign: who have a passkey that counts.
fn with_keys(
    rx: &mut Rx<'_>,
    people: &[Person],
    rp_id: &str,
    now: Timestamp,
) -> Result<Vec<Owner>, StoreError> {
    let mut able = Vec::new();
    for person in people {
        let keys = super::signing_keys(&passkeys::list(rx, &person.id)?, rp_id, now);
        if !keys.is_empty() {
            able.push(Owner { person_id: person.id.to_string(), name: person.name.clone(), keys });
        }
    }
    able.sort_by(|a, b| a.person_id.cmp(&b.person_id));
    Ok(able)
}

/// The roster in force; none: nobody has signed yet.
pub(super) async fn newest_roster(app: &App, ctx: &Ctx) -> Result<Option<Roster>, Error> {
    Ok(look(app, ctx).await?.0)
}

/// The roster in force and what this Owner signs with by it, for what he signs beside it.
pub(super) async fn in_force(
    app: &App,
    ctx: &Ctx,
    person: &PersonId,
) -> Result<(Roster, Vec<boundary::approval::SigningKey>, Vec<Passkey>), Error> {
    let (newest, _) = look(app, ctx).await?;
    let roster = newest.ok_or_else(|| {
        let text = "nobody has signed yet who owns this account: an Owner does so first, once";
        Refusal::new(Kind::Conflict, "roster-missing", text)
    })?;
    let keys = roster.owners.iter().find(|owner| owner.person_id == person.as_str());
    let keys = keys.map(|owner| owner.keys.clone()).ok_or_else(not_an_owner)?;
    Ok((roster, keys, super::passkeys_of(app, person).await?))
}
