//! Lets what was frozen go on before its time: an Owner signs the end of exactly this freeze, and the enclave decides.

use boundary::approval::Document as _;
use boundary::freeze::{Thaw, Thawing};
use domain::control::Act;
use domain::refusal::{Kind, Refusal};

use super::super::freeze_tenant::{stands, write_change};
use super::super::{Ctx, Error};
use super::found_roster::in_force;
use super::{ToSign, ask_to_sign, ballot_of, control, hash_of, not_believed, permitted, recorded};
use crate::app::App;

/// What an Owner signs to end the freeze; nothing is kept yet.
pub async fn draft_thaw(app: &App, ctx: &Ctx) -> Result<ToSign, Error> {
    let drafted = async {
        let person = permitted(ctx, Act::Thaw)?;
        let (_, _, mine) = in_force(app, ctx, &person).await?;
        let document = latest(app, ctx).await?;
        let hash = hash_of(app, &document);
        let options = ask_to_sign(control(app)?, &mine, &hash);
        Ok(ToSign { document: document.to_canonical(), hash, options })
    };
    recorded(app, ctx, ctx.entry(app, "tenant.thaw-refused"), drafted.await).await
}

/// Ends the freeze that an Owner has signed the end of.
pub async fn thaw_tenant(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<(), Error> {
    let thawed = thaw(app, ctx, document, credential).await;
    recorded(app, ctx, ctx.entry(app, "tenant.thaw-refused"), thawed).await
}

async fn thaw(app: &App, ctx: &Ctx, document: &str, credential: &str) -> Result<(), Error> {
    let person = permitted(ctx, Act::Thaw)?;
    let signed = Thawing::from_canonical(document.as_bytes());
    let latest = latest(app, ctx).await?;
    if signed.as_ref() != Some(&latest) {
        let text = "the account was frozen anew since this was shown; look at it again and sign anew";
        return Err(Refusal::new(Kind::Conflict, "frozen-anew", text).into());
    }
    let (roster, keys, _) = in_force(app, ctx, &person).await?;
    let ballot = ballot_of(app, &person, &keys, (&hash_of(app, &latest), true), credential).await?;
    let thaw = Thaw { roster: roster.to_canonical().into_bytes(), ballot };
    let frozen = app.enclave.thaw(thaw).await.map_err(not_believed)?;
    let text = "An owner has ended the freeze before its time: recoveries go on.";
    let told = ("tenant.thawed", "The account is frozen no more", text);
    write_change(app, ctx, (&frozen, ctx.entry(app, "tenant.thawed")), told).await
}

/// The end of the latest freeze, which is not over.
async fn latest(app: &App, ctx: &Ctx) -> Result<Thawing, Error> {
    let frozen = stands(app, &ctx.principal.tenant).await?;
    if frozen.left_ms == 0 {
        let text = "the account is not frozen";
        return Err(Refusal::new(Kind::Conflict, "not-frozen", text).into());
    }
    let tenant_id = ctx.principal.tenant.to_string();
    Ok(Thawing { env: app.env, tenant_id, freeze: frozen.number })
}
