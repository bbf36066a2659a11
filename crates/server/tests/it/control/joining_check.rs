//! The identity check with which whoever may ask and vote ends his invitation.

use testkit::persona::{Mood, Persona};
use testkit::{App, Person, Plan, link_of};

use super::PASSWORD;
use super::approvals::play_at;

const CHECK: &str = "/control/account/check";

/// Somebody who has just joined in this role, and the page that he then saw.
async fn join(app: &App, role: &str) -> (Person, String) {
    let mut owner = app.person("owner").await;
    let fields = [("email", "nora@x.example"), ("name", "Nora"), ("role", role)];
    let link = link_of(&owner.post("/control/team/invite", &fields).await.text());
    let mut nora = app.stranger();
    "nora@x.example".clone_into(&mut nora.email);
    let joined = nora.join(&link, PASSWORD).await;
    assert_eq!(joined.status, 200, "{}", joined.text());
    (nora, joined.text())
}

/// Begins, or goes on with, the check: the page that it leads to.
async fn begin(person: &mut Person) -> String {
    let begun = person.post(CHECK, &[]).await;
    assert_eq!(begun.status, 303, "{}", begun.text());
    begun.header("location").to_owned()
}

#[tokio::test]
async fn the_last_step_of_joining_leads_to_the_check_and_the_account_says_where_it_stands() {
    let app = App::start().await;
    let (mut nora, page) = join(&app, "member").await;
    assert!(page.contains(&format!("action=\"{CHECK}\"")), "{page}");
    let csrf = testkit::csrf_of(&page).unwrap();
    assert!(nora.open("/control/account").await.text().contains("You have not proved it yet"));
    let begun = nora.post_with(CHECK, &csrf, &[]).await;
    assert_eq!(begun.status, 303, "the form of that page is good: {}", begun.text());
    let check = begun.header("location").to_owned();
    assert!(check.starts_with("/identity/"), "{check}");
    assert!(nora.open("/control/account").await.text().contains("begun, and not finished"));
    assert_eq!(begin(&mut nora).await, check, "one check, however often he asks");
    play_at(&app, &check, "approve_inquiry", None).await;
    let page = nora.open("/control/account").await.text();
    assert!(page.contains("You proved it") && !page.contains(CHECK), "{page}");
    assert_eq!(begin(&mut nora).await, "/control/account", "there is nothing left to do");
    assert_eq!(app.place.rows("verifications"), 1);
    assert_eq!(app.partner().audit("&action=person-check.started").await.len(), 1);
}

#[tokio::test]
async fn a_check_that_fails_is_started_again_and_keeps_nobody_out() {
    let app = App::start().await;
    let (mut nora, _) = join(&app, "owner").await;
    nora.sign_in().await;
    let first = begin(&mut nora).await;
    play_at(&app, &first, "fail_inquiry", None).await;
    nora.sign_in().await;
    let page = nora.open("/control/account").await.text();
    assert!(page.contains("did not show it") && page.contains("Start it again"), "{page}");
    let second = begin(&mut nora).await;
    assert_ne!(second, first);
    play_at(&app, &second, "approve_inquiry", None).await;
    assert!(nora.open("/control/account").await.text().contains("You proved it"));
}

#[tokio::test]
async fn whoever_neither_asks_nor_votes_is_not_checked() {
    let app = App::start().await;
    let (mut nora, page) = join(&app, "auditor").await;
    assert!(!page.contains(CHECK) && page.contains("One thing is left"), "{page}");
    assert!(!nora.open("/control/account").await.text().contains("Who you are"));
    assert_eq!(nora.post(CHECK, &[]).await.status, 403);
    assert_eq!(app.place.rows("verifications"), 0);
}

#[tokio::test]
async fn joining_does_not_wait_for_the_enclave() {
    let mut app = App::start().await;
    app.enclave.kill();
    let (mut nora, _) = join(&app, "member").await;
    assert_eq!(nora.post(CHECK, &[]).await.status, 503);
    nora.sign_in().await;
    assert!(nora.open("/control/account").await.text().contains("You have not proved it yet"));
}

/// Where a link of a page leads.
async fn led_to(person: &Person, path: &str) -> String {
    let answer = person.get(path).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").to_owned()
}

#[tokio::test]
async fn a_providers_own_page_is_led_to_and_one_that_was_begun_with_a_token() {
    let persona = Persona::start().await;
    let app = Plan::default().with_persona(&persona).start().await;
    let (mut nora, _) = join(&app, "member").await;
    assert_eq!(begin(&mut nora).await, "/control/account", "no form leads off the site");
    let page = nora.open("/control/account").await.text();
    let id = persona.inquiries().pop().expect("an inquiry");
    let path = format!("/control/identity/{id}");
    assert!(page.contains(&format!("href=\"{path}\"")) && page.contains("Go on with it"), "{page}");
    let origin = app.control_url().replace(':', "%3A").replace('/', "%2F");
    let hosted = format!("https://hosted.example/verify?inquiry-id={id}&redirect-uri={origin}%2Fcontrol");
    assert_eq!(led_to(&nora, &path).await, hosted);
    assert_eq!(persona.asked().len(), 1, "what is new opens to its link");
    // Another person's check is none, whoever he is.
    let mut other = app.person("member-1").await;
    begin(&mut other).await;
    assert_eq!(other.get(&path).await.status, 404);
    let stranger = app.person_of(domain::credential::TenantKind::Retail, "owner").await;
    assert_eq!(stranger.get(&path).await.status, 404);
    assert_eq!(app.person("auditor").await.get(&path).await.status, 403);
    app.place.run(&format!("UPDATE verifications SET state = 'PENDING' WHERE id = '{id}'"));
    assert_eq!(led_to(&nora, &path).await, format!("{hosted}&session-token=a%2Btoken"));
    persona.is(Mood::Says("500 Internal Server Error"));
    assert_eq!(nora.get(&path).await.status, 503);
    app.place.run(&format!("UPDATE verifications SET state = 'COMPLETED' WHERE id = '{id}'"));
    assert_eq!(nora.get(&path).await.status, 409);
}
