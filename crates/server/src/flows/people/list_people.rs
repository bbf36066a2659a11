//! What pages show of people.

use domain::control::Act;
use domain::ids::PersonId;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::StoreError;
use store::passkeys::{self, Passkey};
use store::people::{self, Person};
use store::sessions::{self, Found, Session};
use store::{Rx, invitations};

use crate::app::App;
use crate::flows::{Ctx, Error};

/// Somebody of the team.
pub struct Teammate {
    /// He.
    pub person: Person,
    /// Until when he can take up his invitation; none: he has none.
    pub invited_until: Option<Timestamp>,
    /// How many passkeys he has.
    pub passkeys: usize,
}

/// Somebody's own account.
pub struct Account {
    /// His passkeys.
    pub passkeys: Vec<Passkey>,
    /// Whether he has an app that makes codes.
    pub has_totp: bool,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// Where he is signed in.
    pub sessions: Vec<Session>,
}

/// Everybody of the tenant, in the order of their first invitations.
pub async fn list_team(app: &App, ctx: &Ctx) -> Result<Vec<Teammate>, Error> {
    ctx.principal.permit_act(Act::SeeTeam)?;
    let tenant = ctx.principal.tenant.clone();
    let listed = app.db.read("list_team", move |rx| {
        let people = people::of(&tenant).list(rx)?;
        let (passkeys, open) =
            (passkeys::list_of_tenant(rx, &tenant)?, invitations::list_of_tenant(rx, &tenant)?);
        let mates = people.into_iter().map(|person| Teammate {
            invited_until: open.iter().find(|open| open.person_id == person.id).map(|open| open.expires_at),
            passkeys: passkeys.iter().filter(|passkey| passkey.person_id == person.id).count(),
            person,
        });
        Ok(mates.collect())
    });
    listed.await.map_err(|error: StoreError| error.into())
}

/// One of them. Unknown, removed, another tenant's and what is no id are one answer.
pub async fn read_teammate(app: &App, ctx: &Ctx, id: &str) -> Result<Teammate, Error> {
    let id: PersonId = id.parse().map_err(|_| Refusal::not_found())?;
    let team = list_team(app, ctx).await?;
    team.into_iter().find(|mate| mate.person.id == id).ok_or_else(|| Refusal::not_found().into())
}

/// What somebody sees of his own account.
pub async fn read_account(app: &App, of: &Found) -> Result<Account, Error> {
    let (tenant, id) = (of.tenant.id.clone(), of.person.id.clone());
    let read = move |rx: &mut Rx<'_>| {
        let known = people::of(&tenant).find_known(rx, &id)?;
        Ok(Account {
            passkeys: passkeys::list(rx, &id)?,
            has_totp: known.is_some_and(|known| known.secrets.totp_sealed.is_some()),
            recovery_codes: people::count_codes(rx, &id)?,
            sessions: sessions::list(rx, &id)?,
        })
    };
    app.db.read("read_account", read).await.map_err(|error: StoreError| error.into())
}
