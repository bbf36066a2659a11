//! Finds what the audit log calls somebody for whom a tenant's own issuer speaks: nothing that is kept has the name.

use domain::access::Subject;
use domain::audit::subject::pseudonym;
use domain::entropy::Entropy as _;
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::StoreError;
use store::audit_subjects::{self, Subject as Row};
use store::seal::Place;

use super::Error;
use crate::app::App;

/// The table of salts, and their column in it.
const TABLE: &str = "audit_subjects";
const SALT: &str = "salt";

/// Who it is, with a salt of his own from his first call on.
pub(super) async fn name_subject(
    app: &App,
    tenant: &TenantId,
    name: String,
    now: Timestamp,
) -> Result<Subject, Error> {
    if let Some(pseudonym) = find_subject(app, tenant, &name).await? {
        return Ok(Subject { name, pseudonym });
    }
    let finder = finder(app, tenant, &name);
    let mut salt = [0; 32];
    app.chance().fill(&mut salt);
    let salt = app.keys.seal(place(&row(tenant, &finder)), &salt).map_err(Error::from)?;
    let (of, new) = (tenant.clone(), Row { finder, salt, created_at: now });
    let ensured = app.db.write("name_subject", move |tx| audit_subjects::of(&of).ensure(tx, &new));
    let ensured: Row = ensured.await.map_err(|error: StoreError| Error::from(error))?;
    let pseudonym = read(app, tenant, &ensured, &name)?;
    Ok(Subject { name, pseudonym })
}

/// What the log calls him; none when it never spoke of him, or he was erased.
pub async fn find_subject(app: &App, tenant: &TenantId, name: &str) -> Result<Option<String>, Error> {
    let (of, finder) = (tenant.clone(), finder(app, tenant, name));
    let found = app.db.read("find_subject", move |rx| audit_subjects::of(&of).find(rx, &finder)).await;
    let found: Option<Row> = found.map_err(|error: StoreError| Error::from(error))?;
    found.map(|found| read(app, tenant, &found, name)).transpose()
}

/// By what he is found. Without the server's keys nobody can try names on it.
pub(super) fn finder(app: &App, tenant: &TenantId, name: &str) -> [u8; 32] {
    app.keys.person_hash(&[b"audit subject", tenant.as_str().as_bytes(), name.as_bytes()])
}

fn read(app: &App, tenant: &TenantId, found: &Row, name: &str) -> Result<String, Error> {
    let salt = app.keys.open(place(&row(tenant, &found.finder)), &found.salt).map_err(Error::from)?;
    let salt = salt.try_into().map_err(|_| Error::fault("reading a salt of the audit log"))?;
    Ok(pseudonym(&salt, name))
}

fn row(tenant: &TenantId, finder: &[u8; 32]) -> String {
    format!("{tenant}/{}", domain::audit::hex(finder))
}

fn place(row: &str) -> Place<'_> {
    Place { table: TABLE, row, column: SALT }
}
