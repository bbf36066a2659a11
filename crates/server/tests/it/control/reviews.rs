//! `/control/reviews`: what officers decide of identity checks, and each way in which they may not.

use std::time::Duration;

use domain::credential::TenantKind;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, Answer, App, Person, options_of};

use super::approvals::{hidden, play_at, sign, sign_page};

/// A retail tenant with its officer and owner.
struct Desk {
    app: App,
    retail: Actor,
    officer: Person,
    owner: Person,
}

impl Desk {
    async fn new() -> Self {
        Self::of(App::start().await).await
    }

    async fn of(app: App) -> Self {
        let officer = app.person_of(TenantKind::Retail, "officer").await;
        let owner = app.person_of(TenantKind::Retail, "owner").await;
        Self { retail: app.retail(), officer, owner, app }
    }

    /// A check of a user that the provider leaves to people.
    async fn marked(&self, user: &str) -> String {
        // So that none came at the instant of another.
        self.app.clock.advance(Duration::from_secs(1));
        self.retail.start_as(user, "mark_for_review_inquiry").await
    }

    /// A check of a user who was approved before, that somebody else passes.
    async fn passed_by_another(&self, user: &str) -> String {
        self.app.clock.advance(Duration::from_secs(1));
        self.retail.approved(user).await;
        let id = self.retail.start(user).await;
        play_at(&self.app, &format!("/identity/{id}"), "approve_inquiry", Some("Eve")).await;
        assert_eq!(self.retail.inquiry_status(&id).await, "NEEDS_REVIEW");
        id
    }

    async fn draft(&mut self, id: &str, decision: &str, reason: &str) -> Answer {
        draft(&mut self.officer, id, decision, reason).await
    }

    /// The officer decides.
    async fn decide(&mut self, id: &str, decision: &str) -> Answer {
        let page = self.draft(id, decision, "called the number on file").await;
        sign_page(&mut self.officer, &page, &format!("/control/reviews/{id}/decide")).await
    }

    async fn page(&mut self, id: &str) -> String {
        self.officer.open(&format!("/control/reviews/{id}")).await.text()
    }

    async fn status(&self, id: &str) -> String {
        self.retail.inquiry_status(id).await
    }

    async fn told(&self) -> Vec<String> {
        let events = self.app.events(&self.retail).await;
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    async fn logged(&self, action: &str) -> Vec<Value> {
        self.retail.audit(&format!("&action={action}")).await
    }
}

async fn draft(person: &mut Person, id: &str, decision: &str, reason: &str) -> Answer {
    let path = format!("/control/reviews/{id}");
    person.open(&path).await;
    person.post(&format!("{path}/sign"), &[("decision", decision), ("reason", reason)]).await
}

/// Signs beside the officer, as the page asks for it.
async fn second(person: &mut Person, id: &str) -> Answer {
    let page = person.open(&format!("/control/reviews/{id}")).await.text();
    let at = page.find("/second\"").unwrap_or_else(|| unreachable!("no second signature is wanted: {page}"));
    let form = page[..at].rfind("<form").unwrap();
    let credential = sign(person, &options_of(&page[form..]));
    person.post(&format!("/control/reviews/{id}/second"), &[("credential", &credential)]).await
}

async fn an_officer_approves_what_the_provider_left_to_people(app: App) {
    let mut desk = Desk::of(app).await;
    let certificate = desk.app.fixture.recipient.certificate.clone();
    let id = desk.retail.start("user-1").await;
    let key = desk.retail.key("user-1", &id).await;
    let items = [key.device().item("seed", &secret("seed"))];
    let stored = desk.retail.store("user-1", &id, &key, &items).await;
    desk.retail.simulate(&id, "mark_for_review_inquiry").await.ok();
    desk.retail.recover("user-1", &id, &certificate).await.refused(403, "verification-not-approved");
    let notices = desk.officer.open("/control/notices").await.text();
    assert!(notices.contains("An identity check waits for a decision"), "{notices}");
    assert!(desk.owner.open("/control/notices").await.text().contains("No notice yet"), "an officer is told");
    let list = desk.officer.open("/control/reviews").await.text();
    for told in
        [format!("/control/reviews/{id}"), "user-1".into(), "Provider asked".into(), "To be decided".into()]
    {
        assert!(list.contains(&told), "{told}: {list}");
    }
    let page = desk.page(&id).await;
    for told in ["leaves it to you", "one officer decides", "1 backup", "Go on to sign"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let faulty = desk.draft(&id, "approve", " ").await;
    assert!(faulty.status == 422 || faulty.status == 400, "{}", faulty.text());
    let faulty = desk.draft(&id, "perhaps", "why not").await;
    assert!(faulty.text().contains("why not") && faulty.text().contains("must be one of the two"));
    let page = desk.draft(&id, "approve", "called the number on file").await;
    for told in
        ["Short code of this decision", "&quot;decision&quot;:&quot;approve&quot;", "called the number"]
    {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    let before = desk.told().await.len();
    let done = sign_page(&mut desk.officer, &page, &format!("/control/reviews/{id}/decide")).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let page = desk.officer.follow(&done).await.text();
    assert!(page.contains("So it was approved.") && page.contains("Oskar Weiss"), "{page}");
    assert_eq!(desk.status(&id).await, "APPROVED");
    assert_eq!(desk.told().await[before..], ["inquiry.approved", "backup.confirmed"]);
    let recovered = desk.retail.recover("user-1", &id, &certificate).await.ok();
    assert_eq!(recovered["backup"][0]["backup_id"], stored[0]);
    let message = crate::story::message(&recovered["backup"][0]);
    assert_eq!(desk.app.fixture.recipient.gpg().decrypt(&message), secret("seed"));
    let signed = desk.logged("review.signed").await;
    assert_eq!(signed.len(), 1);
    assert_eq!(signed[0]["reason"], "approve: called the number on file");
    let approved = desk.logged("inquiry.approved").await.pop().unwrap();
    assert_eq!((&approved["actor_type"], &approved["verification_id"]), (&json!("person"), &json!(id)));
    assert_eq!(approved["actor"], signed[0]["actor"]);
    assert_eq!(approved["reason"], "called the number on file");
    // A first approval by people is the user's baseline as one of the provider's is.
    let next = desk.retail.approved("user-1").await;
    assert_eq!(desk.status(&next).await, "APPROVED");
    let other = desk.passed_by_another("user-1").await;
    assert_ne!(other, next);
}

#[tokio::test]
async fn an_officer_approves_what_the_provider_left_to_people_on_sqlite() {
    Box::pin(an_officer_approves_what_the_provider_left_to_people(App::start().await)).await;
}

#[tokio::test]
async fn an_officer_approves_what_the_provider_left_to_people_on_postgres() {
    Box::pin(an_officer_approves_what_the_provider_left_to_people(App::on_postgres().await)).await;
}

#[tokio::test]
async fn a_decline_deletes_what_waited_and_is_final() {
    let mut desk = Desk::new().await;
    let id = desk.retail.start("user-1").await;
    let key = desk.retail.key("user-1", &id).await;
    desk.retail.store("user-1", &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    desk.retail.simulate(&id, "mark_for_review_inquiry").await.ok();
    let before = desk.told().await.len();
    assert_eq!(desk.decide(&id, "decline").await.status, 303);
    assert_eq!(desk.status(&id).await, "DECLINED");
    assert_eq!(desk.told().await[before..], ["inquiry.declined", "backup.deleted"]);
    let page = desk.page(&id).await;
    assert!(page.contains("So it was declined.") && !page.contains("Go on to sign"), "{page}");
    desk.retail.simulate(&id, "approve_inquiry").await.refused(409, "inquiry-state");
    assert_eq!(desk.decide_again(&id).await, 409, "judged twice");
    assert_eq!(desk.status(&id).await, "DECLINED");
}

impl Desk {
    /// The status of another decision on what is decided.
    async fn decide_again(&mut self, id: &str) -> u16 {
        let answer = self.draft(id, "approve", "I changed my mind").await;
        answer.status
    }
}

#[tokio::test]
async fn another_person_is_let_in_by_two_and_never_becomes_the_user() {
    let mut desk = Desk::new().await;
    let id = desk.passed_by_another("user-1").await;
    let page = desk.page(&id).await;
    assert!(page.contains("not the person of this user") && page.contains("needs two people"), "{page}");
    assert_eq!(desk.decide(&id, "approve").await.status, 303);
    assert_eq!(desk.status(&id).await, "NEEDS_REVIEW");
    let page = desk.page(&id).await;
    assert!(page.contains("waits for a second signature") && !page.contains("/second\""), "{page}");
    let credential = {
        let options =
            json!({"publicKey": {"challenge": "AAAA", "rpId": "localhost", "allowCredentials": []}});
        desk.officer.passkey().get(&options).map(|answer| answer.to_string()).unwrap_or_default()
    };
    let path = format!("/control/reviews/{id}/second");
    let again = desk.officer.post(&path, &[("credential", &credential)]).await;
    assert_eq!(again.status, 409, "the same person twice: {}", again.text());
    assert!(desk.owner.open("/control/notices").await.text().contains("A second signature is wanted"));
    for (word, status) in [("auditor", 403), ("member-1", 403)] {
        let mut person = desk.app.person_of(TenantKind::Retail, word).await;
        let page = person.open(&format!("/control/reviews/{id}")).await.text();
        assert!(
            page.contains("waits for a second signature")
                && !page.contains("<form method=\"post\" action=\"/control/reviews")
        );
        assert_eq!(person.post(&path, &[("credential", "{}")]).await.status, status, "{word}");
    }
    let unsigned = desk.owner.post(&path, &[("credential", "{}")]).await;
    assert_eq!(unsigned.status, 403, "{}", unsigned.text());
    assert_eq!(desk.status(&id).await, "NEEDS_REVIEW");
    let done = second(&mut desk.owner, &id).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(desk.status(&id).await, "APPROVED");
    assert!(desk.page(&id).await.contains("Oskar Weiss and Olivia Owens"));
    assert_eq!(desk.logged("review.seconded").await.len(), 1);
    // Whoever it was, the user is who he was.
    let own = desk.retail.approved("user-1").await;
    assert_eq!(desk.status(&own).await, "APPROVED");
    desk.passed_by_another("user-1").await;
}

#[tokio::test]
async fn another_officers_approval_is_declined_by_one() {
    let mut desk = Desk::new().await;
    let id = desk.passed_by_another("user-1").await;
    assert_eq!(desk.decide(&id, "approve").await.status, 303);
    assert_eq!(desk.draft(&id, "approve", "again").await.status, 409, "he has said so");
    let page = desk.page(&id).await;
    assert!(page.contains("Or decline it") && !page.contains("value=\"approve\""), "{page}");
    assert_eq!(desk.decide(&id, "decline").await.status, 303);
    assert_eq!(desk.status(&id).await, "DECLINED");
}

#[tokio::test]
async fn nobody_decides_but_an_officer_of_this_tenant() {
    let mut desk = Desk::new().await;
    let id = desk.marked("user-1").await;
    let page = desk.draft(&id, "approve", "called").await;
    let (document, options) = (hidden(&page.text(), "document"), options_of(&page.text()));
    let path = format!("/control/reviews/{id}");
    for word in ["owner", "member-1", "auditor"] {
        let mut person = desk.app.person_of(TenantKind::Retail, word).await;
        assert!(!person.open(&path).await.text().contains("Go on to sign"), "{word}");
        assert_eq!(draft(&mut person, &id, "approve", "called").await.status, 403, "{word}");
        let credential = sign(&person, &options);
        let fields = [("document", document.as_str()), ("credential", credential.as_str())];
        assert_eq!(person.post(&format!("{path}/decide"), &fields).await.status, 403, "{word}");
        // In the officer's session, by another's passkey.
        let stolen = desk.officer.post(&format!("{path}/decide"), &fields).await;
        assert_eq!(stolen.status, 403, "{word}: {}", stolen.text());
    }
    let mut abroad = desk.app.person_of(TenantKind::Partner, "officer").await;
    assert_eq!(abroad.open(&path).await.status, 404);
    assert_eq!(draft(&mut abroad, &id, "approve", "called").await.status, 404);
    let credential = sign(&abroad, &options);
    let fields = [("document", document.as_str()), ("credential", credential.as_str())];
    assert_eq!(abroad.post(&format!("{path}/decide"), &fields).await.status, 404);
    assert!(!abroad.open("/control/reviews").await.text().contains(&id), "nor is it listed");
    assert_eq!(desk.status(&id).await, "NEEDS_REVIEW");
    assert_eq!(
        desk.logged("review.refused").await.len(),
        3,
        "who tried in the officer's session is remembered"
    );
}

#[tokio::test]
async fn what_was_signed_decides_that_and_nothing_else() {
    let mut desk = Desk::new().await;
    let (one, other) = (desk.marked("user-1").await, desk.marked("user-2").await);
    let page = desk.draft(&one, "decline", "called").await.text();
    let (document, options) = (hidden(&page, "document"), options_of(&page));
    let credential = sign(&desk.officer, &options);
    for (why, id, document, status) in [
        ("another session", &other, document.clone(), 409),
        ("the reason altered", &one, document.replace("called", "culled"), 403),
        ("the decision flipped", &one, document.replace("\"decline\"", "\"approve\""), 403),
        ("no document", &one, String::new(), 409),
        ("the identity said to differ", &one, document.replace("mismatch\":false", "mismatch\":true"), 409),
    ] {
        let fields = [("document", document.as_str()), ("credential", credential.as_str())];
        let answer = desk.officer.post(&format!("/control/reviews/{id}/decide"), &fields).await;
        assert_eq!(answer.status, status, "{why}: {}", answer.text());
    }
    for id in [&one, &other] {
        assert_eq!(desk.status(id).await, "NEEDS_REVIEW");
    }
    let fields = [("document", document.as_str()), ("credential", credential.as_str())];
    let done = desk.officer.post(&format!("/control/reviews/{one}/decide"), &fields).await;
    assert_eq!((done.status, desk.status(&one).await.as_str()), (303, "DECLINED"));
    let again = desk.officer.post(&format!("/control/reviews/{one}/decide"), &fields).await;
    assert_eq!(again.status, 409, "{}", again.text());
}

#[tokio::test]
async fn a_signature_that_comes_after_the_providers_last_word_is_late() {
    let mut desk = Desk::new().await;
    let id = desk.passed_by_another("user-1").await;
    assert_eq!(desk.decide(&id, "approve").await.status, 303);
    let page = desk.owner.open(&format!("/control/reviews/{id}")).await.text();
    let credential = sign(&desk.owner, &options_of(&page));
    desk.retail.simulate(&id, "decline_inquiry").await.ok();
    let late =
        desk.owner.post(&format!("/control/reviews/{id}/second"), &[("credential", &credential)]).await;
    assert_eq!((late.status, desk.status(&id).await.as_str()), (409, "DECLINED"));
    assert!(desk.page(&id).await.contains("last word was another"));
}

#[tokio::test]
async fn an_officer_who_is_taken_out_decides_nothing_more() {
    let mut desk = Desk::new().await;
    let id = desk.passed_by_another("user-1").await;
    let page = desk.draft(&id, "approve", "called").await;
    let (document, options) = (hidden(&page.text(), "document"), options_of(&page.text()));
    let team = super::path_of(&desk.owner, "officer@").await;
    desk.owner.prove().await;
    let removed = desk.owner.post(&format!("{team}/remove"), &[("confirmed", "yes")]).await;
    assert_eq!(removed.status, 303, "{}", removed.text());
    let credential = sign(&desk.officer, &options);
    let fields = [("document", document.as_str()), ("credential", credential.as_str())];
    let answer = desk.officer.post(&format!("/control/reviews/{id}/decide"), &fields).await;
    assert!(answer.status != 303 || answer.header("location").contains("sign-in"), "{}", answer.text());
    assert_eq!(desk.status(&id).await, "NEEDS_REVIEW");
    // Until an owner signs for who is left, the page says who is on record.
    let owners = desk.owner.open("/control/acls/owners").await;
    assert!(owners.text().contains("Sign for owners and officers"), "{}", owners.text());
    let signed = sign_page(&mut desk.owner, &owners, "/control/acls/owners").await;
    assert_eq!(signed.status, 303, "{}", signed.text());
    assert!(desk.owner.follow(&signed).await.text().contains("Nobody."), "no officer is left");
}

#[tokio::test]
async fn what_is_signed_while_the_enclave_is_away_takes_effect_when_it_is_back() {
    let mut desk = Desk::new().await;
    let id = desk.passed_by_another("user-1").await;
    assert_eq!(desk.decide(&id, "approve").await.status, 303);
    let page = desk.owner.open(&format!("/control/reviews/{id}")).await.text();
    let credential = sign(&desk.owner, &options_of(&page));
    desk.app.enclave.kill();
    let path = format!("/control/reviews/{id}");
    let signed = desk.owner.post(&format!("{path}/second"), &[("credential", &credential)]).await;
    assert_eq!(signed.status, 303, "{}", signed.text());
    let page = desk.page(&id).await;
    assert!(
        page.contains("as soon as the enclave answers") && page.contains("does not answer just now"),
        "{page}"
    );
    assert_eq!(desk.status(&id).await, "NEEDS_REVIEW");
    desk.app.enclave.restart();
    while desk.status(&id).await == "NEEDS_REVIEW" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(desk.status(&id).await, "APPROVED");
}

#[tokio::test]
async fn reviews_are_narrowed_and_paged() {
    let mut desk = Desk::new().await;
    let mut ids = Vec::new();
    for user in ["user-1", "user-2", "user-3"] {
        ids.push(desk.marked(user).await);
    }
    assert_eq!(desk.decide(&ids[0], "decline").await.status, 303);
    let other = desk.passed_by_another("user-4").await;
    let list = async |desk: &mut Desk, query: &str| {
        let page = desk.officer.open(&format!("/control/reviews{query}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        page.text()
    };
    for (query, shown, hidden) in [
        ("?status=open", &ids[1], &ids[0]),
        ("?status=declined", &ids[0], &ids[1]),
        ("?why=identity-differs", &other, &ids[1]),
        ("?user_identifier=user-3", &ids[2], &ids[1]),
        ("?limit=1", &other, &ids[2]),
    ] {
        let page = list(&mut desk, query).await;
        assert!(page.contains(shown.as_str()) && !page.contains(hidden.as_str()), "{query}: {page}");
    }
    assert!(list(&mut desk, "?user_identifier=nobody").await.contains("No review matches"));
    let page = list(&mut desk, "?limit=2").await;
    let older = page.split("href=\"/control/reviews?cursor=").nth(1).unwrap().split('"').next().unwrap();
    let older = format!("?cursor={}", older.replace("&amp;", "&"));
    let page = list(&mut desk, &older).await;
    assert!(page.contains(&ids[1]) && page.contains(&ids[0]) && !page.contains(&ids[2]), "{page}");
    assert_eq!(desk.officer.get("/control/reviews?status=x").await.status, 400);
}

#[tokio::test]
async fn a_reset_forgets_what_was_up_for_review() {
    let mut desk = Desk::new().await;
    let id = desk.marked("user-1").await;
    assert!(desk.page(&id).await.contains("Go on to sign"));
    desk.retail.call(&reqwest::Method::POST, "/v1/sandbox/reset").send().await.ok();
    assert_eq!(desk.officer.open(&format!("/control/reviews/{id}")).await.status, 404);
    let id = desk.marked("user-1").await;
    assert_eq!(desk.decide(&id, "approve").await.status, 303);
    assert_eq!(desk.status(&id).await, "APPROVED", "by a roster of its own");
}
