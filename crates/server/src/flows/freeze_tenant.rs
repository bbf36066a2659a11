//! Has nothing leave of a tenant for a time. The enclave holds to it by its own log, whatever this server is made to
//! say later; the row beside it is for those who look, and refuses early and politely.

use boundary::freeze::{Freeze, Frozen};
use boundary::json::Value;
use domain::access::Deed;
use domain::ids::TenantId;
use domain::notice::NoticeKind;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;
use store::freezes::{self, TenantFreeze};

use super::notify::notify_everybody;
use super::{Ctx, Error, News, event, tell};
use crate::app::App;

/// Where people freeze the account, and see whether it is.
pub const FREEZE_PATH: &str = "/control/freeze";

/// Freezes the caller's tenant; until when, is at least as long as asked for.
pub async fn freeze_tenant(app: &App, ctx: &Ctx, hours: u32) -> Result<Option<Timestamp>, Error> {
    ctx.permit_one_of(&[Deed::Freeze])?;
    let frozen = app.enclave.freeze(Freeze { tenant_id: ctx.principal.tenant.to_string(), hours }).await?;
    let until = until(ctx.now, &frozen);
    let reason = until.map(|until| format!("for {hours} hours, so until {}", until.rfc3339()));
    let entry = AuditEntry { reason, ..ctx.entry(app, "tenant.frozen") };
    let text = "Nothing leaves of the account until that time: no recovery goes out, approved or not. An owner can end it \
                before.";
    write_change(app, ctx, (&frozen, entry), ("tenant.frozen", "The account was frozen", text)).await?;
    Ok(until)
}

/// Until when the caller's tenant is frozen, as the enclave says; none: it is not.
pub async fn read_freeze(app: &App, ctx: &Ctx) -> Result<Option<Timestamp>, Error> {
    ctx.principal.permit(Deed::ReadFreeze)?;
    Ok(until(ctx.now, &stands(app, &ctx.principal.tenant).await?))
}

/// How the enclave says that it stands with a tenant.
pub(super) async fn stands(app: &App, tenant: &TenantId) -> Result<Frozen, Error> {
    Ok(app.enclave.freeze(Freeze { tenant_id: tenant.to_string(), hours: 0 }).await?)
}

/// When a freeze ends, if nothing happens.
pub(super) fn until(now: Timestamp, frozen: &Frozen) -> Option<Timestamp> {
    (frozen.left_ms > 0).then(|| Timestamp::from_ms(now.ms() + frozen.left_ms))
}

/// Until when a tenant is frozen, as far as is known without the enclave.
pub async fn find_freeze(app: &App, tenant: &TenantId, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let tenant = tenant.clone();
    let found = app.db.read("find_freeze", move |rx| freezes::of(&tenant).find(rx)).await;
    let found = found.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.and_then(|freeze| freeze.frozen_until).filter(|until| now < *until))
}

/// Refuses what leaves of a tenant that is known to be frozen, before anything is begun for it.
pub(super) async fn refuse_frozen(app: &App, tenant: &TenantId, now: Timestamp) -> Result<(), Error> {
    match find_freeze(app, tenant, now).await? {
        None => Ok(()),
        Some(until) => Err(frozen(u32::try_from(until.since(now).as_secs() + 1).unwrap_or(u32::MAX)).into()),
    }
}

/// What a caller is told who wants something out of a tenant that is frozen.
pub(super) fn frozen(seconds: u32) -> Refusal {
    let text =
        "this account is frozen: nothing leaves of it until that time is over, or until an owner ends it";
    Refusal::new(Kind::Conflict, "tenant-frozen", text).retry_after(seconds)
}

/// Writes down how it stands by now, and tells everybody, unless that is known.
pub(super) async fn write_change(
    app: &App,
    ctx: &Ctx,
    (frozen, entry): (&Frozen, AuditEntry),
    (event_type, title, text): (&'static str, &str, &str),
) -> Result<(), Error> {
    let until = until(ctx.now, frozen);
    let (tenant, env) = (ctx.principal.tenant.clone(), app.env);
    let when = until.map(|until| format!(" until {}", until.rfc3339())).unwrap_or_default();
    let (title, text, link) = (format!("{title}{when}"), text.to_owned(), FREEZE_PATH.to_owned());
    let news = News { kind: NoticeKind::AccountFrozen, title, text, link };
    let notices = notify_everybody(app, ctx.now, &tenant, &news).await?;
    let (number, changed_by) = (frozen.number, ctx.principal.actor().1.to_owned());
    let data = vec![
        ("frozen_until", Value::text_or_null(until.map(Timestamp::rfc3339).as_deref())),
        ("changed_by", Value::text(&changed_by)),
    ];
    let event = event(&app.minter, ctx.now, event_type, data);
    let row = TenantFreeze { number, frozen_until: until, changed_by, changed_at: ctx.now };
    let written = app.db.write("set_freeze", move |tx| {
        store::audit::of(&tenant).append(tx, &entry)?;
        if freezes::of(&tenant).set(tx, &row)? {
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            tell(tx, &tenant, env, &event)?;
        }
        Ok(())
    });
    written.await.map_err(|error: StoreError| error.into())
}
