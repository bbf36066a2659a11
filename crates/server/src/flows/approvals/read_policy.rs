//! The tenant's own policy for recoveries by its users: what is in force, what waits, and what a session is judged by.

use boundary::approval::{Document as _, TenantPolicy};
use boundary::policy::built_in;
use boundary::token::Ticket;
use boundary::wire::Wire as _;
use domain::control::Act;
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::StoreError;
use store::policies::{self, Policy};

use super::super::{Ctx, Error};
use super::permitted;
use crate::app::App;

/// A tenant's policy, as it stands.
#[derive(Clone, Debug)]
pub struct ShownPolicy {
    /// What is in force; of version 0 while nobody has signed one.
    pub in_force: TenantPolicy,
    /// What has been signed and waits, and until when.
    pub waiting: Option<(TenantPolicy, Timestamp)>,
}

impl ShownPolicy {
    /// The newest version: the next follows it.
    pub fn newest(&self) -> &TenantPolicy {
        self.waiting.as_ref().map_or(&self.in_force, |(waiting, _)| waiting)
    }
}

/// What a recovery is judged by.
pub(in crate::flows) struct Judging {
    /// The rule.
    pub policy: TenantPolicy,
    /// The version that its session was opened under.
    pub opened_under: i64,
    /// What the enclave is shown for it.
    pub documents: Vec<Vec<u8>>,
}

/// The policy, for whoever may see the settings.
pub async fn read_policy(app: &App, ctx: &Ctx) -> Result<ShownPolicy, Error> {
    permitted(ctx, Act::SeeSettings)?;
    stands(app, ctx).await
}

pub(super) async fn stands(app: &App, ctx: &Ctx) -> Result<ShownPolicy, Error> {
    shown(app, ctx, &newest(app, &ctx.principal.tenant).await?)
}

/// The two newest versions, newest first: by the enclave's clocks the later one may wait still, or be in force already.
pub(super) async fn newest(app: &App, tenant: &TenantId) -> Result<Vec<Policy>, Error> {
    let tenant = tenant.clone();
    let newest = app.db.read("list_policies", move |rx| policies::of(&tenant).list_newest(rx)).await;
    newest.map_err(|error: StoreError| error.into())
}

fn shown(app: &App, ctx: &Ctx, newest: &[Policy]) -> Result<ShownPolicy, Error> {
    let waits = newest.first().filter(|policy| policy.effective_at > ctx.now);
    let waiting = waits.map(|policy| Ok::<_, Error>((read(policy)?, policy.effective_at))).transpose()?;
    let in_force = newest.get(usize::from(waiting.is_some())).map(read).transpose()?;
    let in_force = in_force.unwrap_or_else(|| built_in(app.env, ctx.principal.tenant.as_str()));
    Ok(ShownPolicy { in_force, waiting })
}

/// What a session is judged by: the stricter of the policy that it was opened under and the one in force.
pub(in crate::flows) async fn judging(app: &App, ctx: &Ctx, ticket: &[u8]) -> Result<Judging, Error> {
    let ticket = Ticket::take(&mut &*ticket).map_err(|_| Error::fault("reading a ticket"))?;
    let (tenant, hash) = (ctx.principal.tenant.clone(), ticket.policy_hash);
    let opened = app.db.read("find_policy", move |rx| policies::of(&tenant).find_by_hash(rx, &hash)).await;
    let opened = opened.map_err(|error: StoreError| Error::from(error))?.as_ref().map(read).transpose()?;
    let opened = opened.unwrap_or_else(|| built_in(app.env, ctx.principal.tenant.as_str()));
    let newest = newest(app, &ctx.principal.tenant).await?;
    let policy = opened.judged_with(&shown(app, ctx, &newest)?.in_force);
    let opened_under = opened.version;
    let is_older = opened_under > 0 && newest.iter().all(|policy| policy.version != opened_under);
    let older = is_older.then(|| opened.to_canonical());
    let documents = newest.into_iter().map(|policy| policy.document).chain(older).map(String::into_bytes);
    Ok(Judging { policy, opened_under, documents: documents.collect() })
}

/// The document of a version, which was read when it was kept.
fn read(policy: &Policy) -> Result<TenantPolicy, Error> {
    TenantPolicy::from_canonical(policy.document.as_bytes()).ok_or_else(|| Error::fault("reading a policy"))
}
