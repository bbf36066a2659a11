//! `/control/notices` and `/control/outbox`.

use std::time::Duration;

use serde_json::json;
use testkit::App;

#[tokio::test]
async fn somebody_is_told_and_marks_what_he_has_read() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    assert!(owner.open("/control/notices").await.text().contains("No notice yet"));
    for name in ["one", "two"] {
        app.partner().post("/v1/credentials", &json!({"name": name, "scopes": ["audit"]})).await.ok();
    }
    let page = owner.open("/control/notices").await.text();
    assert!(page.contains("aria-label=\"2 unread notices\"") && page.contains("It is called one"), "{page}");
    let id = page.split("name=\"notice\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Neither another tenant's owner nor a colleague marks it.
    for (kind, word) in [
        (domain::credential::TenantKind::Retail, "owner"),
        (domain::credential::TenantKind::Partner, "member-1"),
    ] {
        let mut other = app.person_of(kind, word).await;
        assert!(other.open("/control/notices").await.text().contains("No notice yet"), "{word}");
        other.post("/control/notices/read", &[("notice", &id)]).await;
    }
    assert!(owner.open("/control/notices").await.text().contains("2 unread notices"));
    let marked = owner.post("/control/notices/read", &[("notice", &id)]).await;
    assert!(owner.follow(&marked).await.text().contains("aria-label=\"1 unread notice\""));
    let marked = owner.post("/control/notices/read", &[]).await;
    assert!(owner.follow(&marked).await.text().contains("aria-label=\"no unread notices\""));
    assert_eq!(owner.post("/control/notices/read", &[("notice", "none")]).await.status, 404);
}

#[tokio::test]
async fn who_has_not_come_yet_is_told_of_nothing_but_his_invitation() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let invited = [("email", "n@x.example"), ("name", "N"), ("role", "owner")];
    owner.post("/control/team/invite", &invited).await;
    let told =
        |who: &str| app.place.rows(&format!("notices WHERE person_id = (SELECT id FROM people WHERE {who})"));
    let before = told("email = 'n@x.example'");
    app.partner().post("/v1/credentials", &json!({"name": "one", "scopes": ["audit"]})).await.ok();
    app.partner().post("/v1/freeze", &json!({"hours": 24})).await.ok();
    assert_eq!(app.place.rows("notices WHERE kind = 'credential-made'"), 1, "the owner");
    assert_eq!((before, told("email = 'n@x.example'")), (1, 1));
}

#[tokio::test]
async fn a_sandbox_shows_its_mail_and_production_has_no_such_page() {
    let app = App::start().await;
    let empty = app.stranger().get("/control/outbox").await;
    assert_eq!(empty.status, 200);
    assert!(empty.text().contains("No mail yet"));
    app.partner().post("/v1/credentials", &json!({"name": "one", "scopes": ["audit"]})).await.ok();
    let page = app.stranger().get("/control/outbox").await.text();
    assert!(page.contains("An API credential was made") && page.contains("It is called one"), "{page}");
    assert!(page.contains("href=\"/control/settings/credentials\""));
    for number in 0..52 {
        app.clock.advance(Duration::from_millis(1));
        app.partner()
            .post("/v1/credentials", &json!({"name": format!("n{number}."), "scopes": ["audit"]}))
            .await
            .ok();
    }
    let page = app.stranger().get("/control/outbox").await.text();
    assert!(page.contains("It is called n51.") && !page.contains("It is called n0."));
    let (_, older) = page.split_once("/control/outbox?cursor=").expect("a way on");
    let older = older.split('"').next().unwrap();
    let page = app.stranger().get(&format!("/control/outbox?cursor={older}")).await.text();
    assert!(page.contains("It is called n0.") && page.contains("Newest") && !page.contains("Older"));
    let mut production = App::production().await;
    production.stop_service().await;
    production.settings().control_url = Some("https://control.example.org".parse().unwrap());
    production.start_service().await.expect("the service starts");
    assert_eq!(production.stranger().get("/control/outbox").await.status, 404);
    assert_eq!(production.stranger().get("/control/sign-in").await.status, 200, "there is Control");
}

#[tokio::test]
async fn instants_are_told_in_the_zone_that_was_chosen() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let page = owner.open("/control/zone").await.text();
    assert!(page.contains("Times are in UTC. "), "{page}");
    let csrf = owner.csrf.clone();
    let set = owner.post_with("/control/zone", &csrf, &[("zone", "+05:30")]).await;
    assert_eq!((set.status, set.header("location")), (303, "/control/zone"));
    let cookie = set.header("set-cookie").split(';').next().unwrap().to_owned();
    owner.cookie = format!("{}; {cookie}", owner.cookie);
    assert!(owner.get("/control/log").await.text().contains("UTC+05:30</time>"));
    assert_eq!(owner.post_with("/control/zone", &csrf, &[("zone", "Mars")]).await.status, 400);
}
