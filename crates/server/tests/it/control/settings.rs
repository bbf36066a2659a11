//! `/control/settings`.

use std::time::Duration;

use domain::credential::TenantKind;
use reqwest::Method;
use testkit::{App, Person};

/// The text in the first element of this kind.
fn between<'p>(page: &'p str, begins: &str, ends: &str) -> &'p str {
    page.split(begins)
        .nth(1)
        .and_then(|rest| rest.split(ends).next())
        .unwrap_or_else(|| unreachable!("{page}"))
}

async fn make(owner: &mut Person, fields: &[(&str, &str)]) -> testkit::Answer {
    owner.post("/control/settings/credentials", fields).await
}

#[tokio::test]
async fn a_credential_is_made_shown_once_and_revoked() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    owner.open("/control/settings/credentials/new").await;
    let made = make(&mut owner, &[("name", "<i>ci"), ("scope-audit", "yes"), ("expires", "")]).await;
    assert_eq!((made.status, made.header("cache-control")), (200, "no-store"));
    let key = between(&made.text(), "<output>", "</output>").to_owned();
    let program = app.anonymous().with_key(Some(&key));
    assert_eq!(program.get("/v1/audit").await.status, 200);
    assert_eq!(program.get("/v1/partner/keys").await.status, 403, "no more than was chosen");
    let list = owner.open("/control/settings/credentials").await.text();
    assert!(list.contains("&lt;i&gt;ci") && !list.contains(&key), "never again");
    let newest = between(&list, "&lt;i&gt;ci", "/revoke\"").rsplit('/').next().unwrap();
    let revoke = format!("/control/settings/credentials/{newest}/revoke");
    assert!(owner.open(&revoke).await.text().contains("Revoke &lt;i&gt;ci?"));
    assert_eq!(owner.post(&revoke, &[]).await.status, 303);
    assert_eq!(program.get("/v1/audit").await.status, 401);

    for (fields, fault) in [
        (&[("name", ""), ("scope-audit", "yes")][..], "must have 1 to 255 characters"),
        (&[("name", "a")][..], "must name at least one"),
        (&[("name", "a"), ("scope-audit", "yes"), ("expires", "soon")][..], "must be a day such as"),
        (&[("name", "a"), ("scope-audit", "yes"), ("expires", "2001-01-01")][..], "must be in the future"),
        (&[("name", "a"), ("scope-retail", "yes")][..], "must name at least one"),
    ] {
        let answer = make(&mut owner, fields).await;
        assert_eq!(answer.status, 400, "{fields:?}");
        assert!(answer.text().contains(fault), "{fields:?}: {}", answer.text());
    }
    for word in ["member-1", "officer", "auditor"] {
        let mut other = app.person(word).await;
        let list = other.open("/control/settings/credentials").await;
        assert!(list.status == 200 && !list.text().contains("/revoke\""), "{word}");
        assert_eq!(other.get("/control/settings/credentials/new").await.status, 403, "{word}");
        assert_eq!(make(&mut other, &[("name", "a"), ("scope-audit", "yes")]).await.status, 403, "{word}");
        assert_eq!(other.post(&revoke, &[]).await.status, 403, "{word}");
    }
    app.clock.advance(Duration::from_mins(11));
    let answer = make(&mut owner, &[("name", "a"), ("scope-audit", "yes")]).await;
    assert!(answer.header("location").starts_with("/control/prove"), "a fresh proof is needed");
}

#[tokio::test]
async fn a_webhook_is_made_changed_tested_and_deleted() {
    const PATH: &str = "/control/settings/webhooks";
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    owner.open(&format!("{PATH}/new")).await;
    let bad = owner.post(PATH, &[("url", "ftp://x"), ("description", "d")]).await;
    assert!(bad.status == 400 && bad.text().contains("aria-invalid=\"true\""), "{}", bad.text());
    let asked =
        [("url", "http://127.0.0.1:65534/hook"), ("description", "mine"), ("event-backup.stored", "yes")];
    let made = owner.post(PATH, &asked).await.text();
    let secret = between(&made, "<output>", "</output>").to_owned();
    let one = format!("{PATH}/{}", between(&made, "href=\"/control/settings/webhooks/", "\""));
    let page = owner.open(&one).await.text();
    assert!(
        page.contains("http://127.0.0.1:65534/hook")
            && page.contains("backup.stored")
            && !page.contains(&secret)
    );

    let changed = owner.post(&one, &[("url", "http://127.0.0.1:65534/other"), ("description", "")]).await;
    let page = owner.follow(&changed).await.text();
    assert!(page.contains("The webhook was changed") && page.contains("/other"));
    let rotated = owner.post(&format!("{one}/rotate-secret"), &[]).await.text();
    assert_ne!(between(&rotated, "<output>", "</output>"), secret);
    let tested = owner.post(&format!("{one}/test"), &[]).await;
    assert!(owner.follow(&tested).await.text().contains("webhook.test"));
    let mut page = String::new();
    for _ in 0..100 {
        page = owner.open(&one).await.text();
        if page.contains("No connection") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(page.contains("No connection"), "each try is shown: {page}");
    let again = format!("{one}/deliveries/{}", between(&page, &format!("{one}/deliveries/"), "\""));
    assert_eq!(owner.post(&again, &[]).await.status, 303);
    let off = owner.post(&format!("{one}/switch-off"), &[]).await;
    assert!(owner.follow(&off).await.text().contains("Switch on"));

    let mut auditor = app.person("auditor").await;
    let read = auditor.open(&one).await.text();
    assert!(!read.contains("/delete\"") && !read.contains("/switch-on\""));
    for deed in ["", "/test", "/switch-on", "/rotate-secret", "/delete"] {
        let answer = auditor.post(&format!("{one}{deed}"), &asked).await;
        assert_eq!(answer.status, 403, "{deed:?}");
    }
    let stranger = app.person_of(TenantKind::Retail, "owner").await;
    assert_eq!(stranger.get(&one).await.status, 404);
    assert_eq!(owner.post(&format!("{one}/delete"), &[]).await.status, 303);
    assert!(owner.open(PATH).await.text().contains("No webhook yet"));
}

#[tokio::test]
async fn a_sandbox_begins_anew_when_the_words_are_typed() {
    let app = App::start().await;
    app.partner().assigned("user-1", "acme").await;
    let mut owner = app.person("owner").await;
    owner.open("/control/settings/reset").await;
    let wrong = owner.post("/control/settings/reset", &[("confirmation", "yes")]).await;
    assert!(wrong.status == 400 && wrong.text().contains("These are not the words"));
    assert!(owner.get("/control/keys").await.text().contains("user-1"));
    assert_eq!(owner.post("/control/settings/reset", &[("confirmation", "Begin anew")]).await.status, 303);
    assert!(owner.get("/control/keys").await.text().contains("No key yet"));
    let mut member = app.person("member-1").await;
    member.open("/control/settings").await;
    assert_eq!(member.post("/control/settings/reset", &[("confirmation", "begin anew")]).await.status, 403);
}

#[tokio::test]
async fn what_everybody_may_know_is_shown_and_files_are_kept() {
    let app = App::start().await;
    let auditor = app.person("auditor").await;
    let kid = app.anonymous().get("/.well-known/jwks.json").await.json()["keys"][0]["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(auditor.get("/control/settings/signing-keys").await.text().contains(&kid));
    assert!(auditor.get("/control/settings/limits").await.text().contains("10.0 MiB"));
    let page = auditor.get("/control/settings").await;
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    for begins in
        ["href=\"/control/static/control-", "src=\"/control/static/passkey-", "src=\"/control/static/file-"]
    {
        let path = format!("{}{}", &begins[begins.find('/').unwrap()..], between(&page.text(), begins, "\""));
        let file = app.stranger().get(&path).await;
        assert_eq!((file.status, file.header("x-content-type-options")), (200, "nosniff"), "{path}");
        assert!(file.header("cache-control").contains("immutable"), "{path}");
        let other = path.replace('-', "-0");
        assert_eq!(app.stranger().get(&other).await.status, 404, "{other}");
    }
    assert_eq!(app.stranger().call(&Method::GET, "/control/settings").send().await.status, 303);
}
