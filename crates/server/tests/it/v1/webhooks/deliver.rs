//! What arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use server::running::Service;
use testkit::App;
use testkit::device::{CANARY, base64, secret};

use super::sink::{OK, Reply, Sink, deliveries, path, until};

async fn every_event_is_delivered_once_acknowledged(app: App) {
    let sink = Sink::new(OK).await;
    let (retail, partner) = (app.retail(), app.partner());
    let made = sink.register(&retail).await;
    sink.register(&partner).await;
    let enrolment = retail.approved("user-1").await;
    let key = retail.key("user-1", &enrolment).await;
    let item = key.device().item("seed", &secret("seed"));
    retail.store("user-1", &enrolment, &key, std::slice::from_ref(&item)).await;
    let declined = retail.start_as("user-1", "start_inquiry").await;
    retail.simulate(&declined, "decline_inquiry").await.ok();
    let recovery = retail.approved("user-1").await;
    retail.recover("user-1", &recovery, &app.fixture.recipient.certificate).await.ok();
    let assigned = partner.assigned("user-2", "customer-1").await;
    partner.try_store_data(&assigned, &item).await;
    let mut events = app.events(&retail).await;
    events.extend(app.events(&partner).await);
    let hits = sink.wait_for(events.len()).await;
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    for hit in &hits {
        let event = hit.json();
        assert_eq!(event["id"], hit.id());
        assert_eq!(
            (&hit.headers["holdfast-attempt"], &hit.headers["content-type"]),
            (&"1/9".to_owned(), &"application/json".to_owned())
        );
        assert!(event["data"].as_object().is_some_and(|data| !data.is_empty()), "{event}");
        let ciphertext = base64(&item.ciphertext);
        for canary in [CANARY, &ciphertext, "whsec_", "PGP MESSAGE", retail.api_key.as_deref().unwrap()] {
            assert!(!hit.body.contains(canary), "{event}");
        }
        assert!(told.insert(hit.id().to_owned(), event).is_none(), "twice");
    }
    let expected: BTreeMap<_, _> =
        events.into_iter().map(|event| (event["id"].as_str().unwrap().to_owned(), event)).collect();
    assert_eq!(told, expected);
    let types: std::collections::BTreeSet<_> =
        told.values().map(|event| event["type"].as_str().unwrap()).collect();
    for known in [
        "inquiry.created",
        "inquiry.approved",
        "inquiry.declined",
        "key.assigned",
        "backup.stored",
        "recovery.requested",
        "recovery.released",
    ] {
        assert!(types.contains(known), "{known} in {types:?}");
    }
    until("all are written down", async || {
        deliveries(&retail, &made).await.iter().all(|delivery| delivery["state"] == "delivered")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(sink.hits().len(), hits.len(), "none again");
}

#[tokio::test]
async fn every_event_is_delivered_once_acknowledged_on_sqlite() {
    every_event_is_delivered_once_acknowledged(App::start().await).await;
}

#[tokio::test]
async fn every_event_is_delivered_once_acknowledged_on_postgres() {
    every_event_is_delivered_once_acknowledged(App::on_postgres().await).await;
}

#[tokio::test]
async fn other_peoples_libraries_accept_both_signatures_before_and_during_a_rotation() {
    let app = App::start().await;
    let (sink, retail) = (Sink::new(OK).await, app.retail());
    let made = sink.register(&retail).await;
    let test = async || retail.call(&Method::POST, &format!("{}/test", path(&made))).send().await.ok();
    let sent = test().await;
    sink.wait_for(1).await;
    let rotated = retail.call(&Method::POST, &format!("{}/rotate-secret", path(&made))).send().await.ok();
    test().await;
    sink.wait_for(2).await;
    app.clock.advance(Duration::from_hours(24));
    let shown = retail.get(&path(&made)).await.ok();
    assert_eq!(shown["previous_secret_until"], Value::Null);
    test().await;
    let hits = sink.wait_for(3).await;
    assert_eq!(
        (hits[0].id(), &sent["type"]),
        (sent["delivery_id"].as_str().unwrap(), &json!("webhook.test"))
    );
    assert_eq!(hits[0].json()["data"], json!({"webhook_id": made["id"]}));
    let (old, new) = (&made["secret"], &rotated["secret"]);
    let case = |at: usize, good: Value, bad: Value| json!({"body": hits[at].body, "headers": hits[at].headers, "good": good, "bad": bad});
    assert_eq!(
        hits[2].headers["coincover-signature"].matches("v1=").count(),
        1,
        "a day later the new one alone"
    );
    assert!(!hits[1].headers["coincover-signature"].contains(' '));
    // Another key in every reading of its base64.
    let wrong = old.as_str().unwrap().replacen("whsec_", "whsec_AAAA", 1);
    let cases = json!([case(0, json!([old]), json!([new])), case(1, json!([new, old]), json!([wrong]))]);
    let cases = cases.to_string();
    for said in [
        testkit::foreign::python(include_str!("judge.py"), &[], cases.as_bytes()),
        testkit::foreign::node(include_str!("judge.js"), cases.as_bytes()),
    ] {
        assert_eq!(String::from_utf8(said).unwrap().trim(), "accepted");
    }
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names() {
    let app = App::start().await;
    let (sink, all, retail) = (Sink::new(OK).await, Sink::new(OK).await, app.retail());
    let body = json!({"url": sink.url, "events": ["inquiry.approved"]});
    retail.post("/v1/webhooks", &body).await.ok();
    all.register(&retail).await;
    retail.approved("user-1").await;
    all.wait_for(app.events(&retail).await.len()).await;
    let hits = sink.wait_for(1).await;
    assert_eq!(hits.iter().map(|hit| hit.json()["type"].clone()).collect::<Vec<_>>(), ["inquiry.approved"]);
}

#[tokio::test]
async fn targets_that_hang_drip_or_never_end_slow_nobody_else() {
    let app = App::start().await;
    let tenant = app.new_tenant(TenantKind::Partner, &[Scope::Webhooks, Scope::Partner]).await;
    let bad = [Reply::Hang, Reply::Drip, Reply::Endless];
    let mut slow = Vec::new();
    for reply in bad {
        let sink = Sink::new(reply).await;
        let made = sink.register(&tenant).await;
        slow.push((sink, made));
    }
    let good = Sink::new(OK).await;
    let made = good.register(&tenant).await;
    for _ in 0..12 {
        for (_, webhook) in &slow {
            tenant.call(&Method::POST, &format!("{}/test", path(webhook))).send().await.ok();
        }
    }
    let brisk = async {
        for n in 1..=30 {
            tenant.call(&Method::POST, &format!("{}/test", path(&made))).send().await.ok();
            good.wait_for(n).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), brisk).await.unwrap();
    assert!(slow[0].0.hits().len() <= 8 && slow[1].0.hits().len() <= 8, "a few at once to one endpoint");
    until("the endless one is dropped and the others time out", async || {
        let mut ended = Vec::new();
        for (_, webhook) in &slow {
            let attempts = deliveries(&tenant, webhook).await;
            ended.extend(
                attempts.iter().flat_map(|delivery| delivery["attempts"].as_array().unwrap().clone()),
            );
        }
        let has = |status: &str| ended.iter().any(|attempt| attempt["status"] == status);
        has("timed-out") && has("refused")
    })
    .await;
}

#[test]
fn nothing_is_lost_when_the_service_dies_in_the_middle() {
    const KILLS: usize = 24;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut app, sink, retail) = runtime.block_on(async {
        let app = App::start().await;
        let (sink, retail) = (Sink::new(OK).await, app.retail());
        sink.register(&retail).await;
        (app, sink, retail)
    });
    let mut settings = runtime.block_on(async {
        app.stop_service().await;
        app.settings().clone()
    });
    settings.listen = ([127, 0, 0, 1], 0).into();
    // Half of the deaths before the answer, half of them after it.
    for kill in 0..KILLS {
        sink.reply(if kill % 2 == 0 { Reply::Hang } else { OK });
        let seen = sink.hits().len();
        let doomed = tokio::runtime::Runtime::new().unwrap();
        let service = doomed
            .block_on(Service::start_with(settings.clone(), Box::new(app.clock.clone()), None))
            .unwrap();
        let caller = retail.at(&format!("http://{}", service.address()));
        doomed.block_on(async {
            caller.start(&format!("user-{kill}")).await;
            sink.wait_for(seen + 1).await;
        });
        drop(service);
        doomed.shutdown_background();
        std::thread::sleep(Duration::from_millis(50));
    }
    runtime.block_on(async {
        sink.reply(OK);
        app.start_service().await.unwrap();
        let events = app.events(&app.retail()).await;
        assert!(events.len() >= KILLS, "{}", events.len());
        until("every event has arrived", async || {
            let hits = sink.hits();
            events.iter().all(|event| hits.iter().any(|hit| event["id"] == hit.id()))
        })
        .await;
        app.stop_service().await;
    });
}
