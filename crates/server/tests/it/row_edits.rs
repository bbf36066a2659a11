//! Somebody has the database and writes into it past the service: any value of any row of any table. Then the service
//! is examined, and people recover. Nobody ever gets what is another's, nor anything but what he stored, and the
//! examination names every row whose change would decide anything.
//!
//! `HOLDFAST_CAMPAIGN=1` makes it five thousand edits; `HOLDFAST_SEED` plays one run again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use domain::ids::TenantId;
use domain::time::Timestamp;
use reqwest::Method;
use serde_json::json;
use server::doctor::{Line, Verdict, examine};
use store::StoreError;
use store::audit::{self, AuditEntry, Filter, Sequenced};
use store::rows::Class;
use store::tenants::{self, Tenant};
use testkit::device::secret;
use testkit::rot::Disk;
use testkit::{App, Deed, Edit, Plan, Vandal};

use crate::control::approvals::{EVERYBODY, Stage as Control, link, vote};
use crate::examination::failures;
use crate::stage::Stage;
use crate::v1::audit_export::{append, filled};

/// So many edits lie beside one another when the service is examined.
const EDITS_AT_ONCE: usize = 8;
const EDITS: usize = 200;
const EDITS_OF_CAMPAIGN: usize = 5_000;

/// Whose the database is full of.
pub(crate) struct World {
    pub app: App,
    /// Entries that wait for their places in logs.
    pub waiting: BTreeSet<String>,
}

/// How many entries of each log wait.
const WAITING: i64 = 3;

impl World {
    /// Two wallets' users, a partner with one of everything, and people who gave a backup back.
    pub async fn new(app: App) -> (Self, Vandal) {
        let mut vandal = Vandal::new(&app.place, seed());
        let retail = app.retail();
        for user in ["anna", "mallory"] {
            let inquiry = retail.approved(user).await;
            let key = retail.key(user, &inquiry).await;
            let device = key.device();
            let items = ["seed", "pin"].map(|name| device.item(name, &secret(&format!("{user}'s {name}"))));
            retail.store(user, &inquiry, &key, &items).await;
            retail.recover(user, &inquiry, &app.fixture.recipient.certificate).await.ok();
            vandal.grow_older();
        }
        let stranger = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
        Stage::set(&app, stranger, "bob").await;
        let mut control = Control::of(app, &EVERYBODY, &[]).await;
        let file = control.key.device().encrypt(b"a file");
        control.app.partner().try_store_file(&control.key, &file, &json!({"note": "x"})).await.ok();
        let path = control.ask_and_prove().await;
        vote(&mut control.first, &path, "yes").await;
        vandal.grow_older();
        vote(&mut control.second, &path, "yes").await;
        let package = link(&mut control.first, &path).await;
        assert_eq!(control.first.get(&package).await.status, 200);
        let app = control.app;
        for tenant in [app.retail(), app.partner()] {
            // Every entry gets its place in the log.
            tenant.get("/v1/audit/checkpoint").await;
        }
        // An entry that has no place in its log yet is in no chain either, and the root log follows the others.
        while app.scrape().await.one("audit_entries_unnumbered") > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (Self { app, waiting: BTreeSet::new() }, vandal)
    }

    /// Leaves entries that wait in every log, as a service that ended a moment ago does.
    pub async fn leave_waiting(&mut self) {
        let found = self.app.db.read("list", |rx| {
            let said =
                audit::of(&TenantId::root_log()).list(rx, &Filter::default(), (0, i64::MAX), WAITING)?;
            Ok((said, tenants::list_all(rx)?))
        });
        let found: Result<(Vec<Sequenced>, Vec<Tenant>), StoreError> = found.await;
        let (said, tenants) = found.unwrap();
        // What the root log says has one form.
        let said: Vec<AuditEntry> = said.into_iter().map(|said| said.entry).collect();
        let nothing = vec![filled(said[0].id.clone(), Timestamp::from_ms(1)); said.len()];
        let of_tenants = tenants.into_iter().map(|tenant| (tenant.id, nothing.clone()));
        for (owner, mut entries) in of_tenants.chain([(TenantId::root_log(), said)]) {
            for entry in &mut entries {
                let id = format!("01890000-0000-7000-8000-{:012}", self.waiting.len());
                entry.id = id.parse().unwrap();
                self.waiting.insert(id);
            }
            append(&self.app, &owner, entries).await;
        }
    }

    pub async fn examine(&self) -> Result<Vec<Line>, String> {
        let admin = self.app.try_admin().await.map_err(|error| error.to_string())?;
        let found = examine(&admin, &mut |_, _, _| {}).await;
        admin.close().await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.into_iter().filter(|line| line.verdict == Verdict::Failure).collect())
    }

    /// Everybody recovers by a new check of his own; says how many items came.
    pub async fn recover(&self) -> usize {
        let mut came = 0;
        let gpg = self.app.fixture.recipient.gpg();
        for user in ["anna", "mallory"] {
            let retail = self.app.retail();
            let call = retail.call(&Method::POST, "/v1/verification/start");
            let call = call.header("x-override-status", "approve_inquiry");
            let started = call.json(&json!({"user_identifier": user})).send().await;
            if started.status != 200 {
                continue;
            }
            let inquiry = started.ok()["verification_id"].as_str().unwrap().to_owned();
            let answer = retail.recover(user, &inquiry, &self.app.fixture.recipient.certificate).await;
            if answer.status != 200 {
                continue;
            }
            let answer = answer.ok();
            for item in answer["backup"].as_array().into_iter().flatten() {
                if item["item_value"].as_str().is_none() {
                    continue;
                }
                let plaintext = gpg.decrypt(&crate::story::message(item));
                let name = item["item_key"].as_str().unwrap();
                assert_eq!(
                    plaintext,
                    secret(&format!("{user}'s {name}")),
                    "what {user} stored under that name"
                );
                came += 1;
            }
        }
        came
    }
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};

    let asked = std::env::var("HOLDFAST_SEED").ok();
    let seed = asked.map_or_else(
        || RandomState::new().hash_one(std::process::id()),
        |text| text.parse().expect("HOLDFAST_SEED is a number"),
    );
    println!("HOLDFAST_SEED={seed}");
    seed
}

/// Whether the examination names an edit.
fn is_named(edit: &Edit, found: &[Line]) -> bool {
    let texts = || found.iter().map(|line| line.text.as_str());
    if edit.table.name == "row_seals" {
        return edit.rows.iter().any(|row| {
            let (table, id) = row.split_once('/').unwrap_or_default();
            texts().any(|text| text.starts_with(&format!("{table} {id} ")))
        });
    }
    if edit.class() == audit_class() || edit.table.name == "audit_heads" {
        let is_about = |line: &&Line| edit.tenants.iter().any(|tenant| line.text.contains(tenant.as_str()));
        return found.iter().filter(is_about).any(|line| line.check == "audit");
    }
    edit.rows.iter().all(|row| {
        let named = format!("{} {row} ", edit.table.name);
        texts().any(|text| text.starts_with(&named))
    })
}

pub(crate) fn audit_class() -> Class {
    let table = store::rows::TABLES.iter().find(|table| table.name == "audit_entries").unwrap();
    table.columns[0].1
}

/// Whether the examination has to name an edit: it changes what decides something.
fn must_be_named(edit: &Edit, World { app, waiting }: &World) -> bool {
    let place = &app.place;
    let is_gone = edit.deed == Deed::Delete || edit.column == Some("tenant_id");
    match edit.table.name {
        // The tags of what is there; one of another table's row is none.
        "row_seals" => edit.deed != Deed::Duplicate,
        // A checkpoint that is gone proves nothing wrong.
        "audit_checkpoints" if is_gone => false,
        // One that is gone is missed by nobody, and what it gets with its place is not there yet.
        "audit_entries" if edit.rows.iter().all(|row| waiting.contains(row)) => {
            edit.deed != Deed::Delete && !matches!(edit.column, Some("prev_hash" | "entry_hash"))
        }
        // The chain knows no ids.
        "audit_entries" if edit.column == Some("id") => false,
        // The head of an empty log says nothing.
        "audit_heads" if edit.deed == Deed::Delete => {
            let entries = format!("audit_entries WHERE tenant_id = '{}' AND seq > 0", edit.rows[0]);
            place.all_rows(&entries) > 0
        }
        // Its seal, and what says that it does not hold.
        "audit_heads" if matches!(edit.column, Some("tag" | "refused")) => true,
        _ => edit.class() == Class::Sealed || edit.class() == audit_class(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_of_a_row_gives_anybody_anything_on_sqlite() {
    Box::pin(no_edit_of_a_row_gives_anybody_anything(Plan::default().on_sqlite().start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_of_a_row_gives_anybody_anything_on_postgres() {
    Box::pin(no_edit_of_a_row_gives_anybody_anything(App::on_postgres().await)).await;
}

async fn no_edit_of_a_row_gives_anybody_anything(app: App) {
    let (mut world, mut vandal) = Box::pin(World::new(app)).await;
    world.app.stop_service().await;
    world.leave_waiting().await;
    assert_eq!(world.examine().await.unwrap(), [], "nothing is wrong before anybody edits");
    vandal.grow_older();
    // Whoever brings the day of a package's end forward has the service remove it.
    let files = Disk::copy(vec![world.app.settings().data_dir.join("files")]);
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let wanted = if is_campaign { EDITS_OF_CAMPAIGN } else { EDITS };
    let (mut made, mut deciding, mut named, mut stopped, mut came) = (0, 0, 0, 0, 0);
    let mut tables: BTreeMap<&str, usize> = BTreeMap::new();
    while made < wanted {
        let (mut edits, mut touched) = (Vec::new(), BTreeSet::new());
        while edits.len() < EDITS_AT_ONCE {
            edits.extend(vandal.edit(&mut touched));
        }
        let found = world.examine().await;
        for edit in &edits {
            *tables.entry(edit.table.name).or_default() += 1;
            if must_be_named(edit, &world) {
                deciding += 1;
                match &found {
                    Ok(found) if is_named(edit, found) => named += 1,
                    // Neither logs nor proofs were looked at, and the operator is told.
                    Ok(found) if found.iter().any(|line| line.check == "tenants") => stopped += 1,
                    Ok(found) => {
                        let rows = ["tenants", "audit_heads", "audit_checkpoints", "audit_entries"];
                        let rows = rows.map(|table| world.app.place.contents(table));
                        unreachable!("{edit:?} of {edits:#?} is not among {found:#?}; {rows:#?}")
                    }
                    Err(error) => unreachable!("the examination ended early: {error}"),
                }
            }
        }
        made += edits.len();
        if world.app.start_service().await.is_ok() {
            came += world.recover().await;
        }
        world.app.stop_service().await;
        vandal.undo();
        files.put_back();
    }
    println!("figure: row-edits {made} edits");
    println!("figure: row-edits-deciding {deciding} edits");
    println!("figure: row-edits-named {named} edits");
    println!("figure: row-edits-unexaminable {stopped} edits");
    println!("figure: row-edits-items-recovered {came} items");
    println!("{tables:?}");
    assert!(named * 10 >= deciding * 9 && came > 0, "an examination that ends early names nothing");
    assert_eq!(world.examine().await.unwrap(), [], "everything is as it was");
}

/// What an examination says of the log, after these rows were put back with their seals.
async fn contradicted(app: &App, vandal: &Vandal, tables: &[&str]) -> Vec<String> {
    vandal.put_back(&[tables, &["row_seals"]].concat());
    contradicted_now(app).await
}

async fn contradicted_now(app: &App) -> Vec<String> {
    let admin = app.admin().await;
    let found = examine(&admin, &mut |_, _, _| {}).await.unwrap();
    admin.close().await;
    let failures = found.into_iter().filter(|line| line.verdict == Verdict::Failure && line.check == "audit");
    failures.map(|line| line.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_row_with_its_old_seal_is_told_by_the_log() {
    let mut app = Plan::default().on_sqlite().start().await;
    let tenant = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
    let key = tenant.assigned("bob", "customer").await;
    let other = tenant.assigned("bob", "other").await;
    let stored = tenant.try_store_data(&other, &other.device().item("seed", &secret("seed"))).await.ok();
    let made = tenant.post("/v1/credentials", &json!({"name": "x", "scopes": ["audit"]})).await.ok();
    let (credential, backup) = (made["id"].as_str().unwrap(), stored["backup_id"].as_str().unwrap());
    let vandal = Vandal::new(&app.place, 0);
    tenant.call(&Method::DELETE, &format!("/v1/credentials/{credential}")).send().await;
    tenant.post(&format!("/v1/partner/keys/{}/rotate", key.key_id), &json!({})).await.ok();
    tenant.get("/v1/audit/checkpoint").await;
    app.stop_service().await;
    assert_eq!(contradicted(&app, &vandal, &[]).await.len(), 0, "the seals alone, put back, are no old rows");
    let told = contradicted(&app, &vandal, &["api_credentials", "customer_keys"]).await;
    for says in [
        format!("says that credential {credential} is revoked"),
        format!("says that key {} is closed to new backups", key.key_id),
    ] {
        assert!(told.iter().any(|text| text.ends_with(&says)), "{says}: {told:?}");
    }
    app.place.run(&format!(
        "PRAGMA foreign_keys = OFF; DELETE FROM backups WHERE id = '{backup}'; \
         DELETE FROM row_seals WHERE row_id = '{backup}'"
    ));
    let told = contradicted_now(&app).await;
    let says = format!("says that backup.stored was the last of backup {backup}");
    assert!(told.iter().any(|text| text.ends_with(&says)), "{says}: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_enclave_does_not_vouch_for_is_told_though_every_seal_holds() {
    let app = Plan::default().on_sqlite().start().await;
    let tenant = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
    let (one, other) = (tenant.assigned("bob", "customer").await, tenant.assigned("eve", "other").await);
    let device = one.device();
    let stored = tenant.try_store_data(&one, &device.item("seed", &secret("seed"))).await.ok();
    let filed = tenant.try_store_file(&one, &device.encrypt(b"a file"), &json!({"note": "x"})).await.ok();
    let inquiry = tenant.approved("bob").await;
    assert_eq!(failures(&app).await, [""; 0]);
    // By the store and its keys, as a captured server would: the seals are whole.
    let [data, file] = [&stored, &filed].map(|stored| stored["backup_id"].as_str().unwrap().to_owned());
    let id = app.tenant_of(&tenant).await;
    let (whose, key) = (id.clone(), other.key_id.clone());
    let (damaged, forged) = (data.clone(), inquiry.clone());
    let written = app.db.write("forge", move |tx| {
        let bytes = vec![1; 512];
        store::backups::of(&whose).set_damaged(
            tx,
            &damaged.parse().unwrap(),
            &bytes,
            Timestamp::from_ms(1),
        )?;
        let mut twin = store::keys::of(&whose).find(tx, &key.parse().unwrap())?.unwrap();
        twin.id = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        twin.public_key_sha256 = [7; 32];
        twin.public_key = vec![4; 550];
        twin.assignment_slot = None;
        store::keys::of(&whose).insert(tx, &twin)?;
        let mut session = store::verifications::of(&whose).find(tx, &forged.parse().unwrap())?.unwrap();
        session.id = "inq_forged".parse().unwrap();
        session.ticket[40] ^= 1;
        store::verifications::of(&whose).insert(tx, &session)
    });
    written.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
    app.blobs().remove(&id, &file.parse().unwrap()).await.unwrap();
    let told: BTreeSet<String> = failures(&app).await.into_iter().collect();
    let expected = [
        format!("backups {data} does not hold"),
        format!("backups {file} does not hold"),
        "customer_keys 01900000-0000-7000-8000-000000000001 does not hold".to_owned(),
        "verifications inq_forged does not hold".to_owned(),
    ];
    assert_eq!(told, expected.into());
}
