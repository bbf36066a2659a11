//! The enclave's state, put back to what it was an hour ago.

use std::fs::copy;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use server::admin::Shown;
use store::enclave_marks::{self, EnclaveMark};
use testkit::device::secret;
use testkit::{Answer, App, Plan};

use crate::v1::webhooks::sink::{OK, Sink, until};

async fn kept(app: &App) -> Option<EnclaveMark> {
    app.db.read("find_mark", enclave_marks::find).await.unwrap()
}

/// Waits until the service has written down that the enclave's log is longer than that.
async fn kept_beyond(app: &App, sequence: i64) -> EnclaveMark {
    loop {
        if let Some(kept) = kept(app).await.filter(|kept| kept.sequence > sequence) {
            return kept;
        }
        // The job looks once a second.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What somebody put aside before a recovery, and the inquiry by which that was made.
struct PutAside {
    log: PathBuf,
    mark: EnclaveMark,
    inquiry: String,
}

async fn recovered(app: &mut App) -> PutAside {
    let (retail, user) = (app.retail(), "user-1");
    let inquiry = retail.approved(user).await;
    let key = retail.key(user, &inquiry).await;
    retail.store(user, &inquiry, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let mark = kept_beyond(app, 0).await;
    let aside = PutAside { log: app.folder().join("aside.log"), mark, inquiry };
    copy(app.enclave.log_file(), &aside.log).unwrap();
    retail_again(app, &aside.inquiry).await.ok();
    kept_beyond(app, aside.mark.sequence + 1).await;
    aside
}

async fn retail_again(app: &App, inquiry: &str) -> Answer {
    app.retail().recover("user-1", inquiry, &app.fixture.recipient.certificate).await
}

async fn refuses(app: &App, aside: &PutAside) {
    retail_again(app, &aside.inquiry).await.refused(503, "enclave-rolled-back");
    app.anonymous().get("/readyz").await.refused(503, "enclave-rolled-back");
    app.anonymous().get("/healthz").await.ok();
}

#[tokio::test]
async fn an_old_state_of_the_enclave_serves_nobody_who_remembers_more() {
    let mut app = Plan::default().on_sqlite().start().await;
    let aside = recovered(&mut app).await;
    app.enclave.kill();
    copy(&aside.log, app.enclave.log_file()).unwrap();
    app.enclave.restart();
    refuses(&app, &aside).await;
    app.stop_service().await;
    app.start_service().await.unwrap();
    refuses(&app, &aside).await;
}

#[tokio::test]
async fn an_old_database_put_back_with_it_is_told_by_the_file_elsewhere() {
    for has_file in [true, false] {
        let mut app = Plan::default().on_sqlite().start().await;
        let elsewhere = app.folder().join("elsewhere.mark");
        app.settings().enclave_mark_file = has_file.then_some(elsewhere);
        app.stop_service().await;
        app.start_service().await.unwrap();
        let aside = recovered(&mut app).await;
        app.stop_service().await;
        app.enclave.kill();
        copy(&aside.log, app.enclave.log_file()).unwrap();
        let (old, latest) = (aside.mark.clone(), kept(&app).await.unwrap());
        let put_back = app.db.write("put_back", move |tx| enclave_marks::set(tx, &old, Some(&latest.mark)));
        assert!(put_back.await.unwrap());
        app.enclave.restart();
        app.start_service().await.unwrap();
        if has_file {
            refuses(&app, &aside).await;
        } else {
            retail_again(&app, &aside.inquiry).await.ok();
        }
    }
}

/// Whoever was told of the mark by a webhook knows better than a state and a database that were both put back.
#[tokio::test]
async fn an_old_database_put_back_with_it_is_told_by_what_a_webhook_carried() {
    let mut app = Plan::default().on_sqlite().start().await;
    let sink = Sink::new(OK).await;
    sink.register(&app.retail()).await;
    let aside = recovered(&mut app).await;
    let latest = kept(&app).await.unwrap();
    app.retail().post("/v1/verification/start", &json!({"user_identifier": "user-9"})).await.ok();
    let carried = async || sink.hits().last().and_then(|hit| hit.headers.get("holdfast-mark").cloned());
    let is_late = |text: &str| text.split(' ').next().unwrap().parse::<i64>().unwrap() >= latest.sequence;
    until("a mark that is late enough", async || carried().await.is_some_and(|text| is_late(&text))).await;
    let told = carried().await.unwrap();
    assert_eq!(app.admin().await.show_mark(&told).await.unwrap(), Shown::Has(number(&told)));
    app.stop_service().await;
    app.enclave.kill();
    copy(&aside.log, app.enclave.log_file()).unwrap();
    let (old, newest) = (aside.mark.clone(), kept(&app).await.unwrap());
    let put_back = app.db.write("put_back", move |tx| enclave_marks::set(tx, &old, Some(&newest.mark)));
    assert!(put_back.await.unwrap());
    app.enclave.restart();
    app.start_service().await.unwrap();
    app.anonymous().get("/readyz").await.ok();
    let mut forged = told.clone();
    forged.replace_range(told.len() - 8..told.len() - 4, "AAAA");
    assert!(app.admin().await.show_mark(&forged).await.is_err(), "nobody else makes one");
    assert!(app.admin().await.show_mark("nothing").await.is_err());
    app.anonymous().get("/readyz").await.ok();
    assert_eq!(app.admin().await.show_mark(&told).await.unwrap(), Shown::Lacks(number(&told)));
    retail_again(&app, &aside.inquiry).await.refused(503, "enclave-rolled-back");
    // It is kept: neither start forgets it.
    app.stop_service().await;
    app.enclave.kill();
    app.enclave.restart();
    app.start_service().await.unwrap();
    refuses(&app, &aside).await;
}

fn number(mark: &str) -> u64 {
    mark.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn without_its_counter_the_enclave_releases_nothing_and_all_else_goes_on() {
    let mut app = Plan::default().on_sqlite().start().await;
    let user = "user-1";
    let inquiry = app.retail().approved(user).await;
    let key = app.retail().key(user, &inquiry).await;
    let item = |name| key.device().item(name, &secret(name));
    app.retail().store(user, &inquiry, &key, &[item("seed")]).await;
    let nobody = app.folder().join("nobody");
    app.enclave.restart_with_counter(nobody);
    retail_again(&app, &inquiry).await.refused(503, "enclave-counter-away");
    app.retail().store(user, &inquiry, &key, &[item("words")]).await;
    app.anonymous().get("/readyz").await.ok();
}
