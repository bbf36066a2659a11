//! `/v1/freeze` and `/control/freeze`: nothing leaves until the time is over, or until an owner says so.

use domain::credential::TenantKind;
use serde_json::json;
use server::edge::clock::Clock as _;
use store::freezes::{self, TenantFreeze};
use testkit::device::secret;
use testkit::{Actor, App};

use super::approvals::{EVERYBODY, Stage, link, sign_page, vote};
use super::recoveries::wait_for;

const PATH: &str = "/control/freeze";
const END: &str = "/control/freeze/end";
const SIGN: &str = "/control/freeze/end/sign";
const USER: &str = "user-1";

/// The database says that an Owner has ended it: what a captured server would write there.
async fn forge_an_end(app: &App, actor: &Actor) {
    let (tenant, now) = (app.tenant_of(actor).await, app.clock.now());
    let row = TenantFreeze { number: 99, frozen_until: None, changed_by: "nobody".into(), changed_at: now };
    let forged = app.db.write("forge", move |tx| freezes::of(&tenant).set(tx, &row));
    assert!(forged.await.unwrap(), "the row is another now");
}

async fn nothing_leaves_of_a_frozen_tenant(mut app: App) {
    let retail = app.retail();
    let id = retail.approved(USER).await;
    let key = retail.key(USER, &id).await;
    retail.store(USER, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let certificate = app.fixture.recipient.certificate.clone();
    let free = json!({"frozen": false, "frozen_until": null});
    assert_eq!(retail.get("/v1/freeze").await.ok(), free);
    for hours in [json!(0), json!(721), json!(-1), json!(1.5), json!("72"), json!(true)] {
        let refused = retail.post("/v1/freeze", &json!({"hours": hours})).await;
        assert_eq!((refused.status, refused.json()["errors"]["hours"].is_array()), (400, true), "{hours}");
    }
    assert_eq!(retail.get("/v1/freeze").await.ok(), free, "nothing came of that");

    let frozen = retail.post("/v1/freeze", &json!({})).await.ok();
    let until = frozen["frozen_until"].as_str().unwrap().to_owned();
    assert_eq!(frozen["frozen"], true);
    let refused = retail.recover(USER, &id, &certificate).await;
    refused.refused(409, "tenant-frozen");
    assert!(refused.header("retry-after").parse::<i64>().unwrap() > 71 * 3_600, "three days, if nobody says");
    assert!(!app.events(&retail).await.iter().any(|event| event["type"] == "recovery.requested"));
    // Less does not shorten it; more is another one.
    assert_eq!(retail.post("/v1/freeze", &json!({"hours": 1})).await.ok()["frozen"], true);
    assert!(retail.get("/v1/freeze").await.ok()["frozen_until"].as_str().unwrap() >= until.as_str());
    let longer = retail.post("/v1/freeze", &json!({"hours": 100})).await.ok();
    assert!(longer["frozen_until"].as_str().unwrap() > until.as_str());
    assert_eq!(app.partner().get("/v1/freeze").await.ok(), free, "a neighbour");
    // What is not a release goes on.
    retail.store(USER, &id, &key, &[key.device().item("seed-2", &secret("seed-2"))]).await;

    app.stop_service().await;
    app.enclave.restart();
    app.start_service().await.unwrap();
    let retail = app.retail();
    retail.recover(USER, &id, &certificate).await.refused(409, "tenant-frozen");
    forge_an_end(&app, &retail).await;
    retail.recover(USER, &id, &certificate).await.refused(409, "tenant-frozen");
    assert_eq!(retail.get("/v1/freeze").await.ok()["frozen"], true, "by the enclave's word");
    let told = app.events(&retail).await;
    let told: Vec<_> = told.iter().filter(|event| event["type"] == "tenant.frozen").collect();
    assert_eq!(told.len(), 2, "a freeze and a longer one: {told:?}");
    assert_eq!(told[0]["data"]["frozen_until"], until.as_str());
    assert_eq!(retail.audit("&action=tenant.frozen").await.len(), 3, "who asked for less is logged too");
}

#[tokio::test]
async fn nothing_leaves_of_a_frozen_tenant_on_sqlite() {
    nothing_leaves_of_a_frozen_tenant(App::start().await).await;
}

#[tokio::test]
async fn nothing_leaves_of_a_frozen_tenant_on_postgres() {
    nothing_leaves_of_a_frozen_tenant(App::on_postgres().await).await;
}

#[tokio::test]
async fn an_owner_ends_a_freeze_with_a_passkey_and_nobody_else_does() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved(USER).await;
    let key = retail.key(USER, &id).await;
    retail.store(USER, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let certificate = app.fixture.recipient.certificate.clone();
    let mut owner = app.person_of(TenantKind::Retail, "owner").await;
    let mut officer = app.person_of(TenantKind::Retail, "officer").await;
    let mut auditor = app.person_of(TenantKind::Retail, "auditor").await;
    let mut stranger = app.person("owner").await;
    assert!(owner.open(PATH).await.text().contains("The account is not frozen"));
    assert_eq!(auditor.post(PATH, &[("hours", "72")]).await.status, 403);
    assert_eq!(officer.post(PATH, &[("hours", "0")]).await.status, 400);
    assert_eq!(owner.post(END, &[]).await.status, 409, "there is nothing to end");
    assert_eq!(officer.post(PATH, &[("hours", "24")]).await.status, 303);
    for person in [&mut owner, &mut officer, &mut auditor] {
        for path in ["/control/keys", "/control/notices"] {
            assert!(person.open(path).await.text().contains("The account is frozen"), "{path}");
        }
        assert!(person.open("/control/notices").await.text().contains("The account was frozen"));
    }
    assert!(!stranger.open("/control/keys").await.text().contains("The account is frozen"));
    retail.recover(USER, &id, &certificate).await.refused(409, "tenant-frozen");

    assert_eq!(officer.post(END, &[]).await.status, 403);
    let old = owner.post(END, &[]).await;
    assert!(old.text().contains("&quot;kind&quot;:&quot;thaw&quot;"), "{}", old.text());
    // Frozen for longer since that was shown, the owner's word about the shorter one is none about this.
    retail.post("/v1/freeze", &json!({"hours": 48})).await.ok();
    let refused = sign_page(&mut owner, &old, SIGN).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    let page = owner.post(END, &[]).await;
    assert_eq!(sign_page(&mut officer, &page, SIGN).await.status, 403);
    assert_eq!(sign_page(&mut stranger, &page, SIGN).await.status, 409, "another tenant's is not frozen");
    retail.recover(USER, &id, &certificate).await.refused(409, "tenant-frozen");
    let done = sign_page(&mut owner, &page, SIGN).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(sign_page(&mut owner, &page, SIGN).await.status, 409, "once");
    assert!(!officer.open("/control/keys").await.text().contains("The account is frozen"));
    retail.recover(USER, &id, &certificate).await.ok();
    let types: Vec<_> = app.events(&retail).await.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types.iter().filter(|name| *name == "tenant.frozen").count(), 2);
    assert_eq!(types.iter().filter(|name| *name == "tenant.thawed").count(), 1);
    assert_eq!(retail.audit("&action=tenant.thawed").await.len(), 1);
    assert!(!retail.audit("&action=tenant.thaw-refused").await.is_empty());
}

#[tokio::test]
async fn what_was_approved_waits_and_what_was_packed_stays_here() {
    let mut stage = Stage::of(App::start().await, &EVERYBODY, &[]).await;
    let path = stage.ask_and_prove().await;
    assert_eq!(stage.owner.post(PATH, &[("hours", "72")]).await.status, 303);
    for person in [&mut stage.first, &mut stage.second] {
        assert_eq!(vote(person, &path, "yes").await.status, 303, "people vote all the same");
    }
    assert!(!stage.first.open(&path).await.text().contains("It is ready"));
    // Whatever the rows say, the enclave packs nothing.
    forge_an_end(&stage.app, &stage.app.partner()).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(!stage.first.open(&path).await.text().contains("It is ready"));
    let page = stage.owner.post(END, &[]).await;
    assert_eq!(sign_page(&mut stage.owner, &page, SIGN).await.status, 303);
    wait_for(&stage, &path, "It is ready").await;
    let package = link(&mut stage.first, &path).await;
    // The forged row is newer than what the enclave says; a real one is newer still.
    let tenant = stage.app.tenant_of(&stage.app.partner()).await;
    let (later, now) = (stage.app.clock.now() + std::time::Duration::from_hours(1), stage.app.clock.now());
    let row = TenantFreeze {
        number: 100,
        frozen_until: Some(later),
        changed_by: "somebody".into(),
        changed_at: now,
    };
    assert!(stage.app.db.write("freeze", move |tx| freezes::of(&tenant).set(tx, &row)).await.unwrap());
    assert_eq!(stage.first.get(&package).await.status, 409, "a package that is ready is not handed over");
    stage.refused("recovery.download-refused", "tenant-frozen").await;
    assert_eq!(stage.first.post(&format!("{path}/link"), &[]).await.status, 409);
    stage.app.clock.advance(std::time::Duration::from_secs(3_601));
    stage.first.sign_in().await;
    let package = link(&mut stage.first, &path).await;
    assert_eq!(stage.first.get(&package).await.status, 200);
}
