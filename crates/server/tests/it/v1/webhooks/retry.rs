//! What did not arrive.

use std::time::Duration;

use domain::limits::EVENT_KEPT;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, App};

use super::sink::{OK, Reply, Sink, deliveries, path, until};

const FAILS: Reply = Reply::Head("500 Oh");

async fn send_test(actor: &Actor, webhook: &Value) -> String {
    let sent = actor.call(&Method::POST, &format!("{}/test", path(webhook))).send().await.ok();
    sent["delivery_id"].as_str().unwrap().to_owned()
}

async fn wait_for_attempts(actor: &Actor, webhook: &Value, count: usize) -> Value {
    until(&format!("{count} attempts"), async || {
        deliveries(actor, webhook).await[0]["attempts"].as_array().unwrap().len() >= count
    })
    .await;
    deliveries(actor, webhook).await.remove(0)
}

#[tokio::test]
async fn a_delivery_is_tried_nine_times_then_parked_and_goes_out_again_under_the_same_id() {
    let app = App::start().await;
    let (sink, retail) = (Sink::new(FAILS).await, app.retail());
    let made = sink.register(&retail).await;
    let id = send_test(&retail, &made).await;
    for (number, step_s) in (1..).zip([5_u64, 30, 120, 600, 3_600, 10_800, 28_800, 43_200]) {
        let delivery = wait_for_attempts(&retail, &made, number).await;
        assert_eq!((&delivery["id"], &delivery["state"]), (&json!(id), &json!("pending")));
        app.clock.advance(Duration::from_millis(step_s * 799));
        tokio::time::sleep(Duration::from_millis(450)).await;
        assert_eq!(sink.hits().len(), number, "not before its time");
        app.clock.advance(Duration::from_millis(step_s * 402));
    }
    let delivery = wait_for_attempts(&retail, &made, 9).await;
    assert_eq!((&delivery["state"], &delivery["next_attempt_at"]), (&json!("parked"), &Value::Null));
    for attempt in delivery["attempts"].as_array().unwrap() {
        assert_eq!((&attempt["status"], &attempt["answer_code"]), (&json!("refused"), &json!(500)));
    }
    let list = retail.get(&format!("{}/deliveries", path(&made))).await;
    assert!(!list.text().contains("TOP-SECRET"), "the answer's body is not kept");
    assert_eq!(crate::story::holds(app.folder(), b"TOP-SECRET"), None);
    let hits = sink.hits();
    for (number, hit) in (1..).zip(&hits) {
        assert_eq!((hit.id(), &hit.headers["holdfast-attempt"]), (id.as_str(), &format!("{number}/9")));
        assert_eq!(hit.body, hits[0].body);
    }
    let stamps: std::collections::BTreeSet<_> =
        hits.iter().map(|hit| &hit.headers["webhook-timestamp"]).collect();
    assert_eq!(stamps.len(), 9, "a fresh t on each");

    sink.reply(OK);
    let again = format!("{}/deliveries/{id}/redeliver", path(&made));
    assert_eq!(retail.call(&Method::POST, &again).send().await.ok()["state"], "pending");
    let hit = sink.wait_for(10).await.remove(9);
    assert_eq!((hit.id(), hit.headers["holdfast-attempt"].as_str()), (id.as_str(), "1/9"));
    assert_eq!(wait_for_attempts(&retail, &made, 10).await["state"], "delivered");
    // What has arrived goes out again too.
    retail.call(&Method::POST, &again).send().await.ok();
    assert_eq!(sink.wait_for(11).await[10].id(), id);
}

#[tokio::test]
async fn what_is_delivered_is_shown_for_thirty_days() {
    let app = App::start().await;
    let (sink, retail) = (Sink::new(OK).await, app.retail());
    let made = sink.register(&retail).await;
    send_test(&retail, &made).await;
    wait_for_attempts(&retail, &made, 1).await;
    app.clock.advance(EVENT_KEPT / 2);
    send_test(&retail, &made).await;
    sink.wait_for(2).await;
    assert_eq!(deliveries(&retail, &made).await.len(), 2);
    app.clock.advance(EVENT_KEPT / 2);
    // The job looks once a second.
    until("the old one is forgotten", async || deliveries(&retail, &made).await.len() == 1).await;
    assert_eq!(app.events(&retail).await.len(), 1);
}

#[tokio::test]
async fn retry_after_is_heeded_up_to_twice_the_step() {
    let app = App::start().await;
    let (sink, retail) = (Sink::new(Reply::Head("503 Later\r\nretry-after: 3600")).await, app.retail());
    let made = sink.register(&retail).await;
    send_test(&retail, &made).await;
    wait_for_attempts(&retail, &made, 1).await;
    app.clock.advance(Duration::from_millis(9_900));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(sink.hits().len(), 1);
    app.clock.advance(Duration::from_millis(100));
    sink.wait_for(2).await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let app = App::start().await;
    let (other, retail) = (Sink::new(OK).await, app.retail());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let to = other.url.clone();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let answer = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let made = retail.post("/v1/webhooks", &json!({"url": url})).await.ok();
    send_test(&retail, &made).await;
    let delivery = wait_for_attempts(&retail, &made, 1).await;
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["answer_code"]), (&json!("redirected"), &json!(307)));
    assert!(other.hits().is_empty() && delivery["state"] == "pending");
}

async fn switched_off(actor: &Actor, webhook: &Value, reason: &str) {
    until(reason, async || actor.get(&path(webhook)).await.ok()["disabled_reason"] == reason).await;
    let acts = actor.audit("&action=webhook.disabled").await;
    assert_eq!(acts.len(), 1);
    let expected = format!("webhook {} {reason}", webhook["id"].as_str().unwrap());
    assert_eq!((&acts[0]["reason"], &acts[0]["actor_type"]), (&json!(expected), &json!("service")));
    let pending = deliveries(actor, webhook).await;
    assert!(pending.iter().all(|delivery| delivery["state"] == "parked"), "{pending:?}");
}

#[tokio::test]
async fn a_410_switches_the_endpoint_off_and_the_others_are_told() {
    let app = App::start().await;
    let (gone, other, retail) = (Sink::new(Reply::Head("410 Gone")).await, Sink::new(OK).await, app.retail());
    let (made, _) = (gone.register(&retail).await, other.register(&retail).await);
    send_test(&retail, &made).await;
    switched_off(&retail, &made, "gone").await;
    let notice = other.wait_for(1).await.remove(0).json();
    assert_eq!(notice["type"], "webhook.disabled");
    assert_eq!(notice["data"], json!({"webhook_id": made["id"], "reason": "gone"}));
    retail.start("user-1").await;
    other.wait_for(2).await;
    assert_eq!(gone.hits().len(), 1, "nothing more");
}

#[tokio::test]
async fn five_days_of_failure_switch_the_endpoint_off() {
    let app = App::start().await;
    let (sink, retail) = (Sink::new(FAILS).await, app.retail());
    let made = sink.register(&retail).await;
    send_test(&retail, &made).await;
    wait_for_attempts(&retail, &made, 1).await;
    app.clock.advance(Duration::from_hours(5 * 24 - 1));
    wait_for_attempts(&retail, &made, 2).await;
    let shown = retail.get(&path(&made)).await.ok();
    assert!(shown["enabled"] == true && shown["failing_since"].is_string(), "{shown}");
    app.clock.advance(Duration::from_hours(1));
    switched_off(&retail, &made, "failing").await;
    let change = json!({"enabled": true});
    let on = retail.call(&Method::PATCH, &path(&made)).json(&change).send().await.ok();
    assert_eq!((&on["enabled"], &on["failing_since"]), (&json!(true), &Value::Null));
}

/// A process that died on the way takes its own back at its start: the lease need not run out.
#[tokio::test]
async fn what_a_dead_process_was_sending_goes_out_when_it_is_back() {
    let mut app = App::start().await;
    let (sink, retail) = (Sink::new(FAILS).await, app.retail());
    let made = sink.register(&retail).await;
    send_test(&retail, &made).await;
    wait_for_attempts(&retail, &made, 1).await;
    app.stop_service().await;
    let owner = std::fs::read_to_string(app.settings().data_dir.join("instance")).unwrap();
    let never = i64::MAX;
    app.place.run(&format!(
        "UPDATE webhook_deliveries SET due_at = 0, leased_by = '{owner}', lease_until = {never}"
    ));
    sink.reply(OK);
    app.start_service().await.unwrap();
    let retail = app.retail();
    until("the delivery", async || deliveries(&retail, &made).await[0]["state"] == "delivered").await;
}
