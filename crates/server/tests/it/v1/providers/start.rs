//! An inquiry is opened at the provider: once, in time, and with nothing written until it is.

use boundary::Env;
use reqwest::Method;
use serde_json::json;
use testkit::persona::{API_KEY, Mood, Persona, TEMPLATE};
use testkit::{App, Plan};

use super::World;

#[tokio::test]
async fn an_inquiry_is_opened_as_persona_documents_it() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    let asked = world.persona.asked();
    assert_eq!(asked.len(), 1);
    let header = |name: &str| asked[0].headers.get(name).map(String::as_str);
    assert_eq!(header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    assert_eq!((header("persona-version"), header("key-inflection")), (Some("2023-01-05"), Some("kebab")));
    let reference = world.persona.reference(&id);
    assert_eq!((reference.len(), header("idempotency-key")), (32, Some(&*reference)));
    let attributes = json!({"inquiry-template-id": TEMPLATE, "reference-id": reference});
    assert_eq!(asked[0].body, json!({"data": {"attributes": attributes}}), "nothing of the user is told");
    assert_eq!(world.retail.inquiry_status(&id).await, "CREATED");
    assert_ne!(world.retail.start("user-1").await, id, "each check is an inquiry of its own");
}

#[tokio::test]
async fn a_provider_that_is_away_or_odd_is_503_and_nothing_is_written() {
    let world = World::new().await;
    let before = world.app.census();
    for (mood, retry_after) in [
        (Mood::Rude, "2"),
        (Mood::Says("500 Internal Server Error"), "2"),
        (Mood::Says("503 Service Unavailable\r\nretry-after: 9"), "9"),
        (Mood::Says("429 Too Many Requests\r\nretry-after: 7"), "7"),
        (Mood::Says("429 Too Many Requests\r\nretry-after: 86400"), "120"),
        (Mood::Says("401 Unauthorized"), "2"),
        (Mood::Says("422 Unprocessable Entity"), "2"),
        (Mood::Says("204 No Content"), "2"),
        (Mood::Babbles("<html>"), "2"),
        (Mood::Babbles("{\"data\": {\"type\": \"inquiry\", \"id\": \"in q\"}}"), "2"),
        (Mood::Babbles("{\"data\": {\"type\": \"account\", \"id\": \"inq_1\"}}"), "2"),
        (Mood::Endless, "2"),
        (Mood::Confused, "2"),
        (Mood::Silent, "2"),
    ] {
        world.persona.is(mood);
        let answer = world.retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await;
        let body = answer.refused(503, "unavailable");
        assert!(body["message"].as_str().unwrap().contains("identity provider"), "{mood:?}: {body}");
        assert_eq!(answer.header("retry-after"), retry_after, "{mood:?}");
        assert!(!answer.text().contains(API_KEY) && !answer.text().contains("127.0.0.1"), "{mood:?}");
    }
    assert_eq!(world.app.census(), before, "neither user nor inquiry, entry nor event");
    world.persona.is(Mood::Well);
    world.retail.start("user-1").await;
}

#[tokio::test]
async fn the_api_key_is_carried_nowhere_else() {
    let world = World::new().await;
    world.persona.is(Mood::Redirects);
    let answer = world.retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await;
    answer.refused(503, "unavailable");
    assert_eq!(world.persona.asked().len(), 1, "no redirect is followed");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_under_the_same_name() {
    let world = World::new().await;
    world.persona.is(Mood::Forgetful);
    let id = world.retail.start("user-1").await;
    let asked = world.persona.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].headers["idempotency-key"], asked[1].headers["idempotency-key"]);
    assert_eq!(world.persona.inquiries(), [id], "one was opened");
}

#[tokio::test]
async fn an_unreachable_provider_is_503() {
    let mut world = World::new().await;
    world.app.stop_service().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = world.app.settings().persona.as_mut().unwrap();
    settings.base_url = format!("http://{nobody}").parse().unwrap();
    world.app.start_service().await.unwrap();
    let retail = world.retail.at(&world.app.base());
    let answer = retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await;
    answer.refused(503, "unavailable");
}

#[tokio::test]
async fn without_its_enclave_nothing_is_asked_of_the_provider() {
    let mut world = World::new().await;
    world.app.enclave.kill();
    let answer = world.retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await;
    answer.refused(503, "unavailable");
    assert!(world.persona.asked().is_empty());
}

#[tokio::test]
async fn a_real_check_is_not_played() {
    let world = World::new().await;
    let id = world.retail.start("user-1").await;
    world.retail.simulate(&id, "approve_inquiry").await.refused(404, "no-such-path");
    let call = world.retail.call(&Method::POST, "/v1/verification/start");
    let call = call.header("x-override-status", "approve_inquiry").json(&json!({"user_identifier": "u"}));
    call.send().await.refused(400, "sandbox-only");
    assert_eq!(world.persona.asked().len(), 1);
    world.app.anonymous().get(&format!("/identity/{id}")).await.refused(404, "no-such-path");
    world.app.anonymous().get("/static/pages.css").await.refused(404, "no-such-path");
    // Neither is it in a sandbox that has a real provider.
    let persona = Persona::start().await;
    let sandbox = Plan::default().with_persona(&persona).start().await;
    let id = sandbox.retail().start("user-1").await;
    assert_eq!(persona.inquiries(), std::slice::from_ref(&id));
    sandbox.retail().simulate(&id, "approve_inquiry").await.refused(409, "inquiry-not-simulated");
    assert_eq!(sandbox.anonymous().get(&format!("/identity/{id}")).await.status, 404);
    assert_eq!(sandbox.retail().inquiry_status(&id).await, "CREATED");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_stops_the_start() {
    let persona = Persona::start().await;
    let mut app: App = Plan::default().production().with_persona(&persona).start().await;
    app.stop_service().await;
    let path = app.folder().join("persona.key");
    for (key, word) in [("persona_sandbox_1", "other environment"), (" \n", "one word"), ("a b", "one word")]
    {
        std::fs::write(&path, key).unwrap();
        let refused = app.start_service().await.unwrap_err().to_string();
        assert!(refused.contains(word) && !refused.contains("sandbox_1"), "{refused}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(app.start_service().await.unwrap_err().to_string().contains("API key"));
    assert_eq!(app.settings().environment, Env::Production);
}
