//! What every answer of Control tells the browser, and which forms are taken.

use std::collections::BTreeSet;
use std::path::Path;

use domain::credential::TenantKind;
use reqwest::Method;
use testkit::{Answer, App, Person, csrf_of};

use super::access::ROUTES;
use super::{PASSWORD, out};

/// What stands in each answer, by its header.
const GUARDS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
];

fn assert_guarded(answer: &Answer, what: &str) {
    for (name, value) in GUARDS {
        assert_eq!(answer.header(name), value, "{what}: {name}");
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{what}: {name} once");
    }
}

#[tokio::test]
async fn every_answer_is_guarded_errors_included() {
    let app = App::start().await;
    let (owner, stranger) = (app.person("owner").await, app.stranger());
    for (method, path, _) in ROUTES {
        let path = path.replace(['{', '}'], "");
        for (who, person) in [("owner", &owner), ("nobody", &stranger)] {
            for method in [method.parse().unwrap(), Method::PUT] {
                let answer = person.call(&method, &path).send().await;
                assert_guarded(&answer, &format!("{method} {path} by {who}: {}", answer.status));
                assert!(answer.status != 500, "{method} {path}");
            }
        }
    }
    for path in
        ["/control/nothing", "/control/", "/control/static/none.css", "/control/team/x/y/z", "/control/%FF"]
    {
        let answer = owner.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_guarded(&answer, path);
        assert!(answer.text().contains("<h1>"), "a page: {}", answer.text());
    }
    let refused = owner.call(&Method::DELETE, "/control/team").send().await;
    assert_eq!((refused.status, refused.header("allow").is_empty()), (405, false));
}

#[tokio::test]
async fn style_and_scripts_are_ours_and_kept() {
    let app = App::start().await;
    let page = app.stranger().get("/control/sign-in").await.text();
    let paths: Vec<_> =
        page.split("\"/control/static/").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    assert_eq!(paths.len(), 3, "{page}");
    for path in paths {
        let file = app.stranger().get(&format!("/control/static/{path}")).await;
        assert_eq!((file.status, file.header("x-content-type-options")), (200, "nosniff"));
        assert!(file.header("cache-control").contains("immutable"), "{file:?}");
    }
}

#[tokio::test]
async fn a_form_is_taken_from_a_page_of_ours_and_of_this_session_alone() {
    let app = App::start().await;
    let (mut owner, member) = (app.person("owner").await, app.person("member-1").await);
    let csrf = owner.csrf.clone();
    let fields = [("email", "new@x.example"), ("name", "New"), ("role", "auditor")];
    let body = |csrf: &str| format!("csrf={csrf}&email=new%40x.example&name=New&role=auditor");
    let form = "application/x-www-form-urlencoded";
    for wrong in ["", "x", &csrf[1..], &format!("{csrf}x"), &member.csrf] {
        let answer = owner.post_with("/control/team/invite", wrong, &fields).await;
        assert_eq!(answer.status, 403, "{wrong}");
        assert!(answer.text().contains("Load the page anew"), "{}", answer.text());
    }
    let missing =
        owner.call(&Method::POST, "/control/team/invite").raw(form, "email=new%40x.example").send().await;
    assert_eq!(missing.status, 403);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let call = owner.call(&Method::POST, "/control/team/invite").header(name, value);
        let answer = call.raw(form, body(&csrf)).send().await;
        assert_eq!(answer.status, 403, "{name}: {value}");
        assert!(answer.text().contains("another site"), "{}", answer.text());
    }
    let json = owner.call(&Method::POST, "/control/team/invite").raw("text/plain", body(&csrf)).send().await;
    assert_eq!(json.status, 415, "no form");
    let large = format!("{}&pad={}", body(&csrf), "x".repeat(256 * 1024));
    let large = owner.call(&Method::POST, "/control/team/invite").raw(form, large).send().await;
    assert_eq!(large.status, 413);
    assert!(!owner.get("/control/team").await.text().contains("new@x.example"), "nobody was invited");
    assert_eq!(owner.post("/control/team/invite", &fields).await.status, 200, "and so it is taken");
    // Nor is anybody signed in by another site's form.
    let call = owner.call(&Method::POST, "/control/sign-in").header("sec-fetch-site", "cross-site");
    assert_eq!(call.raw(form, "email=a&password=b").send().await.status, 403);
}

#[tokio::test]
async fn the_token_of_each_form_ends_with_the_session_that_it_is_of() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let old = owner.csrf.clone();
    let mut again = out(&app, "owner");
    again.sign_in().await;
    assert_ne!(old, again.csrf);
    assert_eq!(
        again.post_with("/control/sign-out", &old, &[]).await.status,
        403,
        "of the same person's other session"
    );
    owner.post("/control/sign-out", &[]).await;
    assert_eq!(again.get("/control").await.status, 200, "one session ends, the other does not");
}

#[tokio::test]
async fn a_sandboxs_cookie_is_plain_and_productions_is_bound_to_the_host() {
    let app = App::start().await;
    let mut owner = out(&app, "owner");
    let (email, password) = (owner.email.clone(), owner.password.clone());
    let answer = owner.post("/control/sign-in", &[("email", &email), ("password", &password)]).await;
    assert!(answer.header("set-cookie").starts_with("holdfast="), "{answer:?}");
    assert!(answer.header("set-cookie").ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{answer:?}");
    let app = App::production().await;
    let mut owner = first_owner(&app).await;
    let answer = owner.1.post("/control/sign-out", &[]).await;
    assert_eq!(
        answer.header("set-cookie"),
        "__Host-holdfast=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
    );
    assert!(owner.0.starts_with("__Host-holdfast="), "{}", owner.0);
    assert!(owner.1.get("/control/sign-in").await.status == 200);
}

/// The first owner of a production tenant, invited by who runs the installation, and the cookie he got.
async fn first_owner(app: &App) -> (String, Person) {
    let admin = app.admin().await;
    let tenant = admin.create_tenant("Alpine", "institution").await.unwrap();
    let invitation = admin.invite_owner(&tenant.id, " Ada@Alpine.example", "Ada").await.unwrap();
    assert!(invitation.link.starts_with("https://control.example/control/invitation?token="));
    assert_eq!(invitation.email, "ada@alpine.example");
    assert!(admin.invite_owner(&tenant.id, "ada@alpine.example", "Ada").await.is_err(), "once");
    assert!(admin.invite_owner(&tenant.id, "ada", "Ada").await.is_err(), "no address");
    admin.close().await;
    let mut owner = app.stranger();
    let joined = owner.join(&invitation.link, PASSWORD).await;
    assert_eq!(joined.status, 200, "{}", joined.text());
    (owner.cookie.clone(), owner)
}

#[tokio::test]
async fn two_cookies_of_one_name_are_none() {
    let app = App::start().await;
    let owner = app.person("owner").await;
    let double = format!("{}; holdfast=x", owner.cookie);
    let call = app.stranger().call(&Method::GET, "/control").header("cookie", &double);
    assert_eq!(call.send().await.status, 303);
    let other = format!("zone=+02:00; {}", owner.cookie);
    let call = app.stranger().call(&Method::GET, "/control").header("cookie", &other);
    assert_eq!(call.send().await.status, 200);
}

#[tokio::test]
async fn no_page_holds_anothers_token_and_each_form_has_ones_own() {
    let app = App::start().await;
    let owner = app.person_of(TenantKind::Retail, "owner").await;
    for path in ["/control", "/control/team", "/control/account", "/control/team/invite"] {
        let page = owner.get(path).await.text();
        let forms = page.matches("method=\"post\"").count();
        assert!(forms > 0 && page.matches("name=\"csrf\"").count() == forms, "{path}");
        assert_eq!(csrf_of(&page).as_deref(), Some(owner.csrf.as_str()), "{path}");
    }
}

/// Every path that the source registers is in the table that the walks go through.
#[test]
fn the_walks_know_every_route() {
    let mut found = BTreeSet::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/control")), &mut found);
    let known: BTreeSet<_> = ROUTES.iter().map(|(_, path, _)| (*path).to_owned()).collect();
    let apart = ["/control/", "/control/{*rest}", "/control/static/{name}"];
    found.retain(|path| !apart.contains(&path.as_str()));
    assert_eq!(found, known);
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        found.extend(text.split(".route(\"").skip(1).map(|part| part.split('"').next().unwrap().to_owned()));
        let plain = text
            .split(".route(")
            .skip(1)
            .all(|part| part.starts_with('"') || part.trim_start().starts_with('"'));
        assert!(plain, "{}: a route's path is written out", path.display());
    }
}
