//! The way in: what is refused at each step.

use testkit::{App, code_of, link_of};

use super::{PASSWORD, now_ms};

async fn invited(app: &App, role: &str) -> String {
    let mut owner = app.person("owner").await;
    let fields = [("email", "nora@x.example"), ("name", "Nora"), ("role", role)];
    link_of(&owner.post("/control/team/invite", &fields).await.text())
}

fn token(link: &str) -> &str {
    link.split_once("?token=").unwrap().1
}

#[tokio::test]
async fn a_weak_password_is_refused_with_the_reason_and_not_shown_again() {
    let app = App::start().await;
    let link = invited(&app, "member").await;
    let mut nora = app.stranger();
    for (password, repeated, said) in [
        ("short", "short", "at least 12"),
        ("Password12345!", "Password12345!", "too easily guessed"),
        ("nora@x.example", "nora@x.example", "own address"),
        (PASSWORD, "nine brown teapots sang", "not the same"),
        ("", "", "at least 12"),
    ] {
        let fields = [("token", token(&link)), ("new_password", password), ("repeated_password", repeated)];
        let answer = nora.post("/control/invitation", &fields).await;
        assert!(answer.status == 400 && answer.text().contains(said), "{said}: {}", answer.text());
        assert!(
            password.is_empty() || password == "nora@x.example" || !answer.text().contains(password),
            "{said}"
        );
    }
    assert_eq!(nora.cookie, "");
    assert_eq!(nora.join(&link, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_link_is_used_once_and_no_other_opens() {
    let app = App::start().await;
    let link = invited(&app, "member").await;
    for odd in [
        "/control/invitation",
        "/control/invitation?token=",
        "/control/invitation?token=x",
        &link[..link.len() - 1],
    ] {
        assert_eq!(app.stranger().get(odd).await.status, 409, "{odd}");
    }
    let fields = [("token", "x"), ("new_password", PASSWORD), ("repeated_password", PASSWORD)];
    assert_eq!(app.stranger().post("/control/invitation", &fields).await.status, 409);
    let page = app.stranger().get(&link).await;
    assert!(
        page.status == 200 && page.text().contains("Nora") && page.text().contains("a member"),
        "{}",
        page.text()
    );
    app.stranger().accept(&link, "another password of nine").await;
    assert_eq!(
        app.stranger().join(&link, PASSWORD).await.status,
        200,
        "until it is finished it can be begun again"
    );
    assert_eq!(app.stranger().get(&link).await.status, 409, "used");
}

#[tokio::test]
async fn whoever_signs_must_make_a_passkey_and_others_may_choose() {
    let app = App::start().await;
    let link = invited(&app, "owner").await;
    let mut nora = app.stranger();
    let page = nora.accept(&link, PASSWORD).await.text();
    assert!(
        page.contains("data-passkey=\"create\"")
            && !page.contains("otpauth")
            && !page.contains("name=\"code\"")
    );
    assert_eq!(nora.post("/control/onboarding", &[("code", "123456")]).await.status, 403);
    assert_eq!(nora.post("/control/onboarding", &[("credential", "{}")]).await.status, 400);
    let other = app.stranger();
    assert_eq!(other.get("/control/onboarding").await.status, 303, "nobody's");
    let page = nora.open("/control/onboarding").await;
    let made = nora.make_passkey(&page.text(), b"a passkey of nora's");
    let csrf = nora.csrf.clone();
    assert_eq!(
        nora.post_with("/control/onboarding", "", &[("credential", &made)]).await.status,
        403,
        "no token"
    );
    nora.csrf = csrf;
    assert_eq!(nora.post("/control/onboarding", &[("credential", &made)]).await.status, 200);
    assert_eq!(nora.post("/control/onboarding", &[("credential", &made)]).await.status, 303, "done");
}

#[tokio::test]
async fn a_mistyped_first_code_may_be_typed_again_for_the_same_secret() {
    let app = App::start().await;
    let link = invited(&app, "auditor").await;
    let mut nora = app.stranger();
    let page = nora.accept(&link, PASSWORD).await.text();
    let secret =
        |page: &str| page.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
    assert!(page.contains("<svg") && page.contains("QR code"), "{page}");
    let wrong = nora.post("/control/onboarding", &[("code", "000000")]).await;
    assert!(wrong.status == 400 && wrong.text().contains("six digits"), "{}", wrong.text());
    assert_eq!(secret(&wrong.text()), secret(&page), "what was scanned still fits");
    let code = code_of(&secret(&page), now_ms(&app));
    let joined = nora.post("/control/onboarding", &[("code", &code)]).await;
    assert_eq!(joined.status, 200);
    let codes: Vec<_> = joined.text().split("<li><code>").skip(1).map(|part| part[..19].to_owned()).collect();
    assert_eq!(codes.len(), 10, "{}", joined.text());
    assert_eq!(nora.get("/control").await.status, 200);
    nora.email = "nora@x.example".to_owned();
    nora.give_password().await;
    assert_eq!(
        nora.post("/control/second-factor", &[("code", &code)]).await.status,
        401,
        "that code has counted"
    );
    let typed = codes[0].to_lowercase().replace('-', " ");
    assert_eq!(nora.post("/control/second-factor", &[("recovery_code", &typed)]).await.status, 303);
    nora.give_password().await;
    assert_eq!(
        nora.post("/control/second-factor", &[("recovery_code", &codes[0])]).await.status,
        401,
        "each once"
    );
    assert_eq!(nora.post("/control/second-factor", &[("recovery_code", &codes[1])]).await.status, 303);
}

#[tokio::test]
async fn anothers_passkey_is_not_taken_again() {
    let app = App::start().await;
    let link = invited(&app, "member").await;
    let mut nora = app.stranger();
    let page = nora.accept(&link, PASSWORD).await;
    let known = super::out(&app, "owner").passkey().credential_id.clone();
    let made = nora.make_passkey(&page.text(), &known);
    let refused = nora.post("/control/onboarding", &[("credential", &made)]).await;
    assert!(refused.status == 409 && refused.text().contains("known already"), "{}", refused.text());
}
