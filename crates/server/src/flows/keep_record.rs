//! Keeps what the enclave signed of what it saw, until it signs anew about the same, and hands it out.

use domain::ids::TenantId;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::StoreError;
use store::signed_records::{self, SignedRecord};

use super::{Ctx, Error};
use crate::app::App;

/// Keeps a record about a key, a backup or a recovery.
pub(super) async fn keep_record(
    app: &App,
    tenant: &TenantId,
    about: &str,
    record: String,
    now: Timestamp,
) -> Result<(), Error> {
    let (tenant, kept) = (tenant.clone(), SignedRecord { about: about.to_owned(), record, made_at: now });
    let written =
        app.db.write("keep_record", move |tx| signed_records::of(&tenant).set_last(tx, &kept)).await;
    written.map_err(|error: StoreError| error.into())
}

/// The last record about what has this id; whoever asks may see that, and has found it.
pub async fn find_record(app: &App, ctx: &Ctx, about: &str) -> Result<Option<SignedRecord>, Error> {
    let (tenant, about) = (ctx.principal.tenant.clone(), about.to_owned());
    let found = app.db.read("find_record", move |rx| signed_records::of(&tenant).find(rx, &about)).await;
    found.map_err(|error: StoreError| error.into())
}

/// The same, which has to be there.
pub async fn read_record(app: &App, ctx: &Ctx, about: &str) -> Result<SignedRecord, Error> {
    let none = || Refusal::new(Kind::NotFound, "no-record", "the enclave has signed nothing about this yet");
    Ok(find_record(app, ctx, about).await?.ok_or_else(none)?)
}
