//! `/metrics`: on an address of its own, with series that move, and nothing of anybody's.

use std::time::Duration;

use domain::rate::Rate;
use reqwest::Method;
use serde_json::json;
use testkit::device::secret;
use testkit::{App, Plan, Scrape, Stop};

/// Scrapes until it shows what is awaited: what a job or a closed connection changes comes a little later.
async fn until(app: &App, shows: impl Fn(&Scrape) -> bool) -> Scrape {
    loop {
        let scrape = app.scrape().await;
        if shows(&scrape) {
            return scrape;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn it_is_not_at_the_api_and_the_api_is_not_there() {
    let app = App::start().await;
    app.anonymous().get("/metrics").await.refused(404, "no-such-path");
    app.retail().get("/metrics").await.refused(404, "no-such-path");
    let scrape = app.scrape().await;
    assert!(scrape.answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let base = format!("http://{}", app.service().metrics_address().unwrap());
    for path in ["/", "/healthz", "/v1/audit", "/openapi.json"] {
        assert_eq!(app.retail().at(&base).get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn nobody_listens_where_it_is_off() {
    let mut app = App::start().await;
    let before = app.service().metrics_address().unwrap();
    app.stop_service().await;
    app.settings().metrics_listen = None;
    app.start_service().await.unwrap();
    assert_eq!(app.service().metrics_address(), None);
    assert!(std::net::TcpStream::connect(before).is_err());
}

#[tokio::test]
async fn a_call_is_counted_by_its_template_method_and_status() {
    let app = App::start().await;
    let retail = app.retail();
    let calls = ["http_requests_total", "http_request_duration_seconds_count"];
    let id = retail.approved("user-1").await;
    retail.get(&format!("/v1/verification/status?verification_id={id}")).await.ok();
    retail.get("/v1/verification/status?verification_id=nothing").await.refused(404, "not-found");
    app.anonymous().get("/v1/verification/status").await.refused(401, "unauthenticated");
    for path in ["/v1/partner/keys/one", "/v1/partner/keys/two", "/nowhere/one", "/nowhere/two"] {
        assert_eq!(app.partner().get(path).await.status, 404);
    }
    let invented = Method::from_bytes(b"INVENTED").unwrap();
    assert_eq!(retail.call(&invented, "/v1/audit").send().await.status, 405);
    let scrape = app.scrape().await;
    let status = ["route=\"/v1/verification/status\"", "method=\"GET\""];
    let of = |status_code: &str| {
        scrape.sum(calls[0], &[status[0], status[1], &format!("status=\"{status_code}\"")])
    };
    assert_eq!((of("200"), of("404"), of("401")), (1, 1, 1));
    assert_eq!(scrape.sum(calls[1], &status), 3);
    assert_eq!(scrape.sum(calls[0], &["route=\"/v1/partner/keys/{key_id}\""]), 2);
    assert_eq!(scrape.sum(calls[0], &["route=\"none\"", "status=\"404\""]), 2);
    assert_eq!(scrape.sum(calls[0], &["method=\"other\"", "status=\"405\""]), 1);
    assert_eq!(scrape.one("http_requests_running"), 0, "nothing runs");
    assert_eq!(scrape.sum("build_info", &[]), 1);
    for word in ["one", "INVENTED", "nowhere", &id] {
        assert!(!scrape.answer.text().contains(&format!("/{word}")), "{word}");
    }
}

#[tokio::test]
async fn a_call_runs_until_it_is_answered_or_its_caller_goes() {
    let app = App::start().await;
    let address = app.service().address();
    let key = app.retail().api_key.unwrap();
    let head = format!(
        "POST /v1/verification/start HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: 10\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    until(&app, |scrape| scrape.one("http_requests_running") == 1).await;
    drop(stream);
    let scrape = until(&app, |scrape| scrape.one("http_requests_running") == 0).await;
    // That its body ended early may still be answered, to nobody.
    let ended = scrape.sum("http_requests_total", &["route=\"/v1/verification/start\""]);
    assert_eq!(ended, 1, "{}", scrape.answer.text());
}

#[tokio::test]
async fn the_enclave_is_counted_and_shown_away() {
    let mut app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let scrape = app.scrape().await;
    assert_eq!(scrape.one("enclave_up"), 1);
    for request in ["open", "admit", "bind"] {
        let labels = [&format!("request=\"{request}\"")[..], "outcome=\"ok\""];
        assert_eq!(scrape.sum("enclave_calls_total", &labels), 1, "{request}");
        assert_eq!(scrape.sum("enclave_call_duration_seconds_count", &labels[..1]), 1, "{request}");
    }
    let wrong = json!({"user_identifier": "user-1", "verification_id": id, "gpg_public_key": "nothing"});
    retail.post("/v1/backup/recover", &wrong).await.refused(400, "validation-failed");
    assert_eq!(app.scrape().await.sum("enclave_calls_total", &["outcome=\"refused\""]), 1);
    app.enclave.kill();
    let answer = retail.try_store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    answer.refused(503, "unavailable");
    let away = app.scrape().await;
    assert_eq!((away.one("enclave_up"), away.one("database_up")), (0, 1));
    assert_eq!(away.sum("enclave_calls_total", &["request=\"check\"", "outcome=\"away\""]), 1);
    app.enclave.restart();
    until(&app, |scrape| scrape.one("enclave_up") == 1).await;
}

#[tokio::test]
async fn a_database_that_is_away_is_shown_and_what_it_knows_left_out() {
    let mut app = Plan::default().on_postgres().with_patience(Duration::from_millis(500)).start().await;
    app.retail().approved("user-1").await;
    let before = app.scrape().await;
    assert_eq!((before.one("database_up"), before.all("audit_entries_unnumbered", &[]).len()), (1, 1));
    assert!(before.one("database_commits_total") > 0);
    app.cluster.as_mut().unwrap().end(Stop::Fast);
    let away = app.scrape().await;
    assert_eq!((away.one("database_up"), away.one("enclave_up")), (0, 1));
    for name in ["audit_entries_unnumbered", "webhook_deliveries_pending", "pool_keys"] {
        assert!(away.all(name, &[]).is_empty(), "{name} is not known");
    }
    assert!(away.sum("http_requests_total", &[]) > 0);
    let failed = |scrape: &Scrape| scrape.sum("job_failures_total", &["job=\"sequence_audit\""]) > 0;
    until(&app, failed).await;
    app.cluster.as_mut().unwrap().start_again();
    until(&app, |scrape| scrape.one("database_up") == 1).await;
}

async fn what_waits_is_counted(app: App) {
    let scrape = app.scrape().await;
    let stock = |environment: &str, key_type: &str| {
        [format!("environment=\"{environment}\""), format!("key_type=\"{key_type}\"")]
    };
    let count = |scrape: &Scrape, labels: &[String; 2]| {
        scrape.sum("pool_keys", &[labels[0].as_str(), labels[1].as_str()])
    };
    let rsa = stock("HOT", "rsa4096");
    let before = count(&scrape, &rsa);
    assert!(before > 0 && count(&scrape, &stock("COLD", "rsa4096")) > 0);
    assert_eq!(scrape.all("pool_keys", &[]).len(), 6, "every kind is shown");
    assert_eq!(scrape.all("pool_keys_target", &[]), [0; 3]);
    // To nobody who listens: it is tried and stays on its way.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    app.partner().post("/v1/webhooks", &json!({"url": url})).await.ok();
    app.partner().assigned("user-1", "customer-1").await;
    let tried = |scrape: &Scrape| scrape.sum("webhook_deliveries_total", &[]) > 0;
    until(&app, tried).await;
    app.clock.advance(Duration::from_secs(3));
    let scrape = app.scrape().await;
    assert_eq!(count(&scrape, &rsa), before - 1);
    assert_eq!(scrape.one("webhook_deliveries_pending"), 1);
    assert!(scrape.one("webhook_oldest_pending_seconds") >= 3);
    assert_eq!(scrape.sum("webhook_deliveries_total", &["outcome=\"acknowledged\""]), 0);
    until(&app, |scrape| scrape.one("audit_entries_unnumbered") == 0).await;
}

#[tokio::test]
async fn what_waits_is_counted_on_sqlite() {
    what_waits_is_counted(App::start().await).await;
}

#[tokio::test]
async fn what_waits_is_counted_on_postgres() {
    what_waits_is_counted(App::on_postgres().await).await;
}

#[tokio::test]
async fn an_event_that_waits_for_the_enclave_is_counted() {
    let mut app = App::start().await;
    let retail = app.retail();
    let id = retail.start("user-1").await;
    assert_eq!(app.scrape().await.one("provider_events_waiting"), 0);
    app.enclave.kill();
    retail.simulate(&id, "approve_inquiry").await.refused(503, "unavailable");
    assert_eq!(app.scrape().await.one("provider_events_waiting"), 1);
    app.enclave.restart();
    until(&app, |scrape| scrape.one("provider_events_waiting") == 0).await;
}

#[tokio::test]
async fn who_calls_too_often_and_who_fails_to_authenticate_is_counted() {
    let app =
        Plan::default().with_rates(Rate::per_second(1, 2), Rate::per_second(1_000, 1_000)).start().await;
    for _ in 0..2 {
        app.retail().get("/v1/audit").await.ok();
    }
    app.retail().get("/v1/audit").await.refused(429, "rate-limit");
    for _ in 0..3 {
        app.anonymous().get("/v1/audit").await.refused(401, "unauthenticated");
    }
    let scrape = app.scrape().await;
    assert_eq!(scrape.one("rate_limited_calls_total"), 1);
    assert_eq!(scrape.one("authentication_failures_total"), 3);
}

#[tokio::test]
async fn nothing_of_a_tenant_or_a_caller_is_in_it() {
    let app = App::start().await;
    let (retail, partner) = (app.retail(), app.partner());
    let id = retail.approved("canary-user").await;
    let key = retail.key("canary-user", &id).await;
    let stored = retail.store("canary-user", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    retail.recover("canary-user", &id, &app.fixture.recipient.certificate).await.ok();
    partner.assigned("canary-user", "canary-customer").await;
    let call = partner.call(&Method::GET, "/v1/canary-path?canary=query");
    assert_eq!(call.header("x-request-id", "canary-request").send().await.status, 404);
    let text = app.scrape().await.answer.text();
    let tenants = [app.tenant_of(&retail).await.to_string(), app.tenant_of(&partner).await.to_string()];
    let keys = [retail.api_key.unwrap(), partner.api_key.unwrap()];
    let ids = [id, key.key_id, stored[0].clone()];
    for word in tenants.iter().chain(&keys).chain(&ids) {
        assert!(!text.contains(word), "{word}");
    }
    assert!(!text.contains("canary"), "{text}");
}
