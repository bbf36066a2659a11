//! Reads every row, and has the enclave prove what it can.

use domain::access::{Deed, Principal};
use domain::credential::Scope;
use domain::ids::{CredentialId, EventId, RecoveryId, TenantId};
use domain::refusal::Kind;
use store::control_recoveries::{self, ControlRecovery};
use store::row_seals::{self, After, Checked, Fault, Finding};
use store::rows::{TABLES, Table};
use store::tenants::Tenant;
use store::{OfTenant, Rx, StoreError, inventory, tenants};

use super::{Line, heads, log, root::Named, waiting};
use crate::admin::{Admin, AdminError};
use crate::app::App;
use crate::edge::enclave::CallError;
use crate::flows::key_shares::Rebuilt;
use crate::flows::{self, Ctx, Error, Verdict};
use boundary::message::{Recall, Refusal as EnclaveRefusal};

/// How many rows are read in one transaction.
const PAGE_ROWS: i64 = 500;

/// Whoever wrote it past the service had the database: a copy has what was there.
const RESTORE: &str =
    "find out who writes to the database past the service; restore these rows from a copy of before";

/// A store that lost a share, or has a bad one, is no help when the next one goes.
const REMAKE: &str = "find out what happened to the stores of shares; then holdfast admin key-shares remake";

/// What looks on: what is being read, how much of it was, and how much there is.
pub type Look<'a> = dyn FnMut(&str, u64, u64) + Send + 'a;

/// Examines everything; what it finds is a line each, and each check has one at least.
pub async fn examine(admin: &Admin, look: &mut Look<'_>) -> Result<Vec<Line>, AdminError> {
    let app = admin.app();
    flows::recall_mark(app).await?;
    let mut lines = Vec::new();
    for table in TABLES.iter().filter(|table| table.sealed().next().is_some()) {
        lines.extend(seals(app, table, look).await?);
    }
    if lines.is_empty() {
        lines.push(Line::ok("rows", "every row is as the service wrote it"));
    }
    lines.extend(pages(app).await?);
    let tenants: Result<Vec<Tenant>, StoreError> = app.db.read("list_tenants", tenants::list_all).await;
    let tenants = match tenants.map_err(Error::from) {
        Ok(tenants) => tenants,
        Err(error) => {
            lines.push(unread("tenants", "the tenants", error)?);
            return Ok(lines);
        }
    };
    lines.extend(logs(app, &tenants, look).await?);
    for proof in [Proof::Keys, Proof::Backups, Proof::Packages, Proof::Sessions] {
        match prove_all(app, &tenants, proof, look).await {
            Ok(found) => lines.extend(found),
            Err(error) => lines.push(unread(proof.name(), proof.table(), error)?),
        }
    }
    Ok(lines)
}

/// What the database's engine finds wrong with its own file. A bit that a disk forgot may be in an index, where no seal
/// is.
async fn pages(app: &App) -> Result<Vec<Line>, Error> {
    let found: Result<Option<Vec<String>>, StoreError> =
        app.db.read("check_pages", inventory::check_pages).await;
    let Some(found) = found.map_err(Error::from)? else {
        let text = "its pages are not looked at here: it checks them as it reads them, where it was told to";
        return Ok(vec![Line::ok("database", text)]);
    };
    if found.is_empty() {
        return Ok(vec![Line::ok("database", "its file, its tables and its indexes hold together")]);
    }
    let next = "stop the service, look at the disk, and put a copy of the database back";
    let told = |text| Line::failure("database", format!("its file does not hold together: {text}"), next);
    Ok(found.into_iter().map(told).collect())
}

/// Looks at what waits for its place in a log, and at every log, the root log before the others.
async fn logs(app: &App, tenants: &[Tenant], look: &mut Look<'_>) -> Result<Vec<Line>, Error> {
    let root_log = TenantId::root_log();
    let mut lines = match waiting::check(app).await {
        Ok(found) => found,
        Err(error) => vec![unread("audit", "what waits for its place in a log", error)?],
    };
    lines.extend(match heads::check(app).await {
        Ok(found) => found,
        Err(error) => vec![unread("audit", "the heads of logs", error)?],
    });
    let named = match Named::read(app).await {
        Ok(named) => named,
        Err(error) => {
            lines.push(unread("audit", &format!("the root log, {root_log},"), error)?);
            Named::default()
        }
    };
    let owners = std::iter::once(&root_log).chain(tenants.iter().map(|tenant| &tenant.id));
    for (done, owner) in (0..).zip(owners) {
        look("audit logs", done, tenants.len() as u64 + 1);
        match log::check(app, owner, &named).await {
            Ok(found) => lines.extend(found),
            Err(error) => lines.push(unread("audit", &format!("the log of {owner}"), error)?),
        }
    }
    lines.extend(named.rest(tenants).into_iter().map(|text| Line::failure("audit", text, RESTORE)));
    let ownerless: Result<Vec<String>, StoreError> =
        app.db.read("list_ownerless", inventory::list_ownerless).await;
    for tenant in ownerless.map_err(Error::from)? {
        let text = format!("the log of {tenant} is of no tenant that there is");
        lines.push(Line::failure("audit", text, RESTORE));
    }
    if lines.is_empty() {
        let text = "every log, its tree and its checkpoints are whole, and the rows are as they say";
        lines.push(Line::ok("audit", text));
    }
    Ok(lines)
}

/// That something does not read: a value that the service never writes. What is away is an error.
fn unread(check: &'static str, what: &str, error: Error) -> Result<Line, Error> {
    match error {
        Error::Fault(fault) => {
            Ok(Line::failure(check, format!("{what} cannot be read: {}", fault.chain()), RESTORE))
        }
        refused @ Error::Refused(_) => Err(refused),
    }
}

/// The operator, who may look at everything of a tenant.
pub(super) fn operator(app: &App, tenant: &Tenant, deed: Deed) -> Ctx {
    let now = app.clock.now();
    let principal = Principal {
        credential: CredentialId::new(now, &mut app.chance()),
        tenant: tenant.id.clone(),
        tenant_kind: tenant.kind,
        scopes: Scope::ALL.to_vec(),
        by_token: false,
        subject: None,
        person: None,
    };
    let request_id = EventId::new(now, &mut app.chance()).to_string();
    Ctx { principal, deed: Some(deed), now, request_id, named: None }
}

/// Compares a table with its seals, and its seals with it.
async fn seals(app: &App, table: &'static Table, look: &mut Look<'_>) -> Result<Vec<Line>, Error> {
    let total: Result<i64, StoreError> =
        app.db.read("count_rows", move |rx| row_seals::count(rx, table)).await;
    let (total, mut done) = (total?.unsigned_abs(), 0);
    let mut lines = Vec::new();
    let (mut after, mut is_more): (Option<After>, bool) = (None, true);
    while is_more {
        look(table.name, done, total);
        let (key, from) = (app.keys.row_key().clone(), after.take());
        let page = app
            .db
            .read("check_rows", move |rx| row_seals::check_rows(rx, &key, table, from.as_ref(), PAGE_ROWS));
        let page: Checked = page.await.map_err(|error: StoreError| Error::from(error))?;
        done += page.rows as u64;
        lines.extend(page.found.iter().map(told));
        (is_more, after) = (page.next.is_some(), page.next);
    }
    let mut from = Some(String::new());
    while let Some(after) = from.take() {
        let page = app.db.read("check_seals", move |rx| row_seals::check_seals(rx, table, &after, PAGE_ROWS));
        let (found, next): (Vec<Finding>, _) = page.await.map_err(|error: StoreError| Error::from(error))?;
        lines.extend(found.iter().map(told));
        from = next;
    }
    Ok(lines)
}

fn told(finding: &Finding) -> Line {
    let Finding { table, row, fault } = finding;
    let text = match fault {
        Fault::Unsealed => format!("{table} {row} was not written by the service"),
        Fault::Changed(columns) => {
            format!("{table} {row} is not as the service wrote it: {}", columns.join(", "))
        }
        Fault::Gone => format!("{table} {row} is gone, and the service did not remove it"),
    };
    Line::failure("rows", text, RESTORE)
}

/// What the enclave, or the store of files, is asked about.
#[derive(Clone, Copy)]
enum Proof {
    Keys,
    Backups,
    Packages,
    Sessions,
}

impl Proof {
    const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Backups => "backups",
            Self::Packages => "packages",
            Self::Sessions => "sessions",
        }
    }

    fn list(self, rx: &mut Rx<'_>, after: &str) -> Result<Vec<OfTenant<inventory::Thing>>, StoreError> {
        match self {
            Self::Keys => inventory::list_keys(rx, after, PAGE_ROWS),
            Self::Backups => inventory::list_backups(rx, after, PAGE_ROWS),
            Self::Packages => inventory::list_packages(rx, after, PAGE_ROWS),
            Self::Sessions => inventory::list_sessions(rx, after, PAGE_ROWS),
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Keys => "customer_keys",
            Self::Backups => "backups",
            Self::Packages => "control_recoveries",
            Self::Sessions => "verifications",
        }
    }
}

/// Whether something is whole.
enum Holds {
    Yes,
    /// Still, and not from all of its shares.
    InPart(Rebuilt),
    No,
    /// Only a ceremony can tell.
    Offline,
}

async fn prove_all(
    app: &App,
    tenants: &[Tenant],
    proof: Proof,
    look: &mut Look<'_>,
) -> Result<Vec<Line>, Error> {
    let total = match Table::find_sealed(proof.table()) {
        Some(table) => app.db.read("count_rows", move |rx| row_seals::count(rx, table)).await?,
        None => 0,
    };
    let (mut after, mut lines, mut done, mut offline) = (Some(String::new()), Vec::new(), 0_u64, 0_u64);
    while let Some(from) = after.take() {
        let page = app.db.read("list_things", move |rx| proof.list(rx, &from));
        let page: Vec<OfTenant<inventory::Thing>> =
            page.await.map_err(|error: StoreError| Error::from(error))?;
        if page.len() as u64 == PAGE_ROWS.unsigned_abs() {
            after = page.last().map(|last| last.row.id.clone());
        }
        for OfTenant { tenant_id, row } in page {
            look(proof.name(), done, total.unsigned_abs());
            done += 1;
            let tenant = tenants.iter().find(|tenant| tenant.id == tenant_id);
            let holds = match tenant {
                Some(tenant) => prove(app, tenant, proof, &row.id).await?,
                None => Holds::No,
            };
            match holds {
                Holds::Yes => {}
                Holds::InPart(rebuilt) => {
                    let text = format!("{} {} lacks shares: it was {rebuilt}", proof.table(), row.id);
                    lines.push(Line::failure(proof.name(), text, REMAKE));
                }
                Holds::Offline => offline += 1,
                Holds::No => {
                    let text = format!("{} {} does not hold", proof.table(), row.id);
                    lines.push(Line::failure(proof.name(), text, RESTORE));
                }
            }
        }
    }
    if lines.is_empty() {
        let away = if offline > 0 { format!(", {offline} of them held offline") } else { String::new() };
        lines.push(Line::ok(proof.name(), format!("{done} looked at{away}")));
    }
    Ok(lines)
}

async fn prove(app: &App, tenant: &Tenant, proof: Proof, id: &str) -> Result<Holds, Error> {
    let proven = match proof {
        Proof::Keys => flows::verify_key(app, &operator(app, tenant, Deed::VerifyKey), id).await,
        Proof::Backups => flows::verify_backup(app, &operator(app, tenant, Deed::VerifyBackup), id).await,
        Proof::Packages => package(app, tenant, id).await.map(Verdict::bare),
        Proof::Sessions => recall(app, tenant, id).await.map(Verdict::bare),
    };
    match proven {
        Ok(Verdict { holds: true, shares: Some(rebuilt), .. }) if !rebuilt.is_from_all() => {
            Ok(Holds::InPart(rebuilt))
        }
        Ok(Verdict { holds: true, .. }) => Ok(Holds::Yes),
        Err(Error::Refused(refusal)) if refusal.code == "held-offline" => Ok(Holds::Offline),
        // It went between the list and the look, or its key or user is not there.
        Err(Error::Refused(refusal)) if matches!(refusal.kind, Kind::NotFound | Kind::Conflict) => {
            Ok(Holds::No)
        }
        // A fault is a column that does not read, or does not open.
        Ok(_) | Err(Error::Fault(_)) => Ok(Holds::No),
        Err(error) => Err(error),
    }
}

/// Whether what whoever asked for a recovery may download is what the enclave made.
async fn package(app: &App, tenant: &Tenant, id: &str) -> Result<bool, Error> {
    let (of, Ok(id)) = (tenant.id.clone(), id.parse::<RecoveryId>()) else { return Ok(false) };
    let found = app.db.read("find_recovery", move |rx| control_recoveries::of(&of).find(rx, &id)).await;
    let found: Option<ControlRecovery> = found.map_err(|error: StoreError| Error::from(error))?;
    let Some(recovery) = found else { return Ok(false) };
    Ok(flows::approvals::read_package(app, &tenant.id, &recovery).await?.is_some())
}

/// Whether the enclave opened the session.
async fn recall(app: &App, tenant: &Tenant, id: &str) -> Result<bool, Error> {
    let (of, Ok(id)) = (tenant.id.clone(), id.parse()) else { return Ok(false) };
    let found = app.db.read("find_session", move |rx| store::verifications::of(&of).find(rx, &id)).await;
    let found: Option<store::verifications::Verification> =
        found.map_err(|error: StoreError| Error::from(error))?;
    let Some(found) = found else { return Ok(false) };
    match app.enclave.recall(Recall { ticket: found.ticket }).await {
        Ok(_) => Ok(true),
        Err(CallError::Refused(EnclaveRefusal::SealBroken | EnclaveRefusal::Malformed)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
