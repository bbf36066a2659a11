//! `/identity/{verification_id}`: the sandbox's page, as a browser gets it.

use reqwest::Method;
use serde_json::json;
use testkit::{Actor, Answer, App};

/// What a form sends: the person, and the button.
fn form(first: &str, last: &str, birthdate: &str, action: &str) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |out, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out + &char::from(byte).to_string(),
            _ => format!("{out}%{byte:02X}"),
        })
    };
    let pairs = [("first_name", first), ("last_name", last), ("birthdate", birthdate), ("action", action)];
    pairs.map(|(name, value)| format!("{name}={}", encode(value))).join("&")
}

/// The value that a field of a page has.
fn value_of(page: &str, field: &str) -> String {
    let rest = page.split(&format!("name=\"{field}\"")).nth(1).unwrap();
    rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// The buttons of a page.
fn deeds(page: &str) -> Vec<String> {
    let buttons = page.split("name=\"action\" value=\"").skip(1);
    buttons.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

struct Browser {
    app: App,
    retail: Actor,
}

impl Browser {
    async fn new() -> Self {
        let app = App::start().await;
        Self { retail: app.retail(), app }
    }

    async fn open(&self, id: &str) -> String {
        let answer = self.app.anonymous().get(&format!("/identity/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    async fn submit(&self, id: &str, body: String, headers: &[(&str, &str)]) -> Answer {
        let call = self.app.anonymous().call(&Method::POST, &format!("/identity/{id}"));
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        call.raw("application/x-www-form-urlencoded", body).send().await
    }

    /// Presses a button of the page as it is.
    async fn press(&self, id: &str, action: &str) -> Answer {
        let page = self.open(id).await;
        let field = |name| value_of(&page, name);
        let body = form(&field("first_name"), &field("last_name"), &field("birthdate"), action);
        self.submit(id, body, &[("sec-fetch-site", "same-origin")]).await
    }

    async fn status(&self, id: &str) -> String {
        self.retail.inquiry_status(id).await
    }
}

#[tokio::test]
async fn each_button_does_what_it_says_and_the_page_tells() {
    let browser = Browser::new().await;
    for (action, state, told, shown) in [
        ("start_inquiry", "PENDING", "You began.", "In progress"),
        ("approve_inquiry", "APPROVED", "You passed.", "Approved"),
        ("mark_for_review_inquiry", "NEEDS_REVIEW", "You asked for a review.", "In review"),
        ("fail_inquiry", "FAILED", "You failed.", "Failed"),
        ("expire_inquiry", "EXPIRED", "You walked away", "Expired"),
    ] {
        let id = browser.retail.start("user-1").await;
        let page = browser.open(&id).await;
        assert!(page.contains("Not begun") && page.contains("CREATED") && page.contains("user-1"), "{page}");
        assert_eq!(deeds(&page).len(), 5, "{page}");
        // A browser follows the answer to the page.
        let answer = browser.press(&id, action).await;
        assert_eq!((answer.status, browser.status(&id).await.as_str()), (200, state));
        let page = answer.text();
        assert!(page.contains(told) && page.contains(shown) && page.contains(state), "{page}");
        assert!(!browser.open(&id).await.contains(told), "it is told once");
        assert_eq!(deeds(&page).len(), if state == "PENDING" { 4 } else { 0 }, "{page}");
    }
    let log = browser.retail.audit("&action=inquiry.approved").await;
    assert_eq!((log.len(), &log[0]["actor"]), (1, &json!("simulator")), "by the way of a provider's event");
}

#[tokio::test]
async fn another_person_is_sent_to_review() {
    let browser = Browser::new().await;
    let enrolment = browser.retail.approved("user-1").await;
    let same = browser.retail.start("user-1").await;
    browser.press(&same, "approve_inquiry").await;
    assert_eq!(browser.status(&same).await, "APPROVED", "the page plays the user himself by itself");
    let page = browser.open(&browser.retail.start("user-1").await).await;
    let (first, last, birthdate) =
        (value_of(&page, "first_name"), value_of(&page, "last_name"), value_of(&page, "birthdate"));
    for (first, last, birthdate) in
        [("Eve", &*last, &*birthdate), (&*first, "Mallory", &*birthdate), (&*first, &*last, "1901-01-01")]
    {
        let id = browser.retail.start("user-1").await;
        let body = form(first, last, birthdate, "approve_inquiry");
        let page = browser.submit(&id, body, &[]).await.text();
        assert_eq!(browser.status(&id).await, "NEEDS_REVIEW", "{first} {last} {birthdate}");
        assert!(page.contains("as somebody else"), "{page}");
    }
    assert_eq!(browser.status(&enrolment).await, "APPROVED");
}

#[tokio::test]
async fn a_page_loads_nothing_from_elsewhere_and_runs_nothing() {
    let browser = Browser::new().await;
    let id = browser.retail.start("user-1").await;
    let refused = browser.submit(&id, String::new(), &[]).await;
    let foreign = browser.submit(&id, String::new(), &[("sec-fetch-site", "cross-site")]).await;
    let get = async |path: &str| browser.app.anonymous().get(path).await;
    let pages = [get(&format!("/identity/{id}")).await, get("/identity/unknown").await, refused, foreign];
    assert_eq!(pages.each_ref().map(|page| page.status), [200, 404, 400, 403]);
    for page in &pages {
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        let policy: Vec<_> = page.header("content-security-policy").split("; ").collect();
        let expected = [
            "default-src 'none'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ];
        assert_eq!(policy, expected);
        let text = page.text();
        for word in ["<script", "<style", " style=", "javascript:", "http:", "https:", "src=", " on"] {
            let found = text.find(word).map(|at| &text[at..(at + 40).min(text.len())]);
            // Words of the text have no equals sign behind them.
            assert!(found.is_none_or(|found| word == " on" && !found[..12].contains('=')), "{found:?}");
        }
        assert!(text.contains("<meta name=\"viewport\" content=\"width=device-width"), "{text}");
        assert!(text.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{text}");
    }
    let style = get("/static/pages.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(!style.text().contains("url(") && !style.text().contains("@import"));
    assert!(style.text().contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn whatever_a_text_holds_is_shown_and_does_nothing() {
    let browser = Browser::new().await;
    let hostile = "\"><script>alert('x')</script>&amp;<img src=x onerror=y>";
    let id = browser.retail.start(hostile).await;
    let shown = "&quot;&gt;&lt;script&gt;alert('x')&lt;/script&gt;&amp;amp;&lt;img src=x onerror=y&gt;";
    let page = browser.open(&id).await;
    assert!(page.contains(shown) && !page.contains("<script") && !page.contains("<img"), "{page}");
    browser.press(&id, "fail_inquiry").await;
    // Refused, the page shows what was written into it.
    let id = browser.retail.start("user-1").await;
    let answer = browser.submit(&id, form(hostile, hostile, "2000-01-01", "decline_inquiry"), &[]).await;
    assert_eq!(answer.status, 409);
    let page = answer.text();
    assert!(page.contains(&format!("value=\"{shown}\"")) && !page.contains("<script"), "{page}");
    let done = browser.app.anonymous().get(&format!("/identity/{id}?done=%3Cscript%3Ex")).await;
    assert!(done.status == 200 && !done.text().contains("script"));
    let told = browser.app.anonymous().get(&format!("/identity/{id}?done=approve_inquiry")).await;
    assert!(!told.text().contains("You passed"), "nothing is told that did not happen");
}

#[tokio::test]
async fn an_unknown_check_is_a_page_of_its_own() {
    let browser = Browser::new().await;
    let face = |answer: &Answer| (answer.status, answer.text());
    let first = browser.app.anonymous().get("/identity/inq_unknown").await;
    assert_eq!(first.status, 404);
    assert!(first.text().contains("No such check"));
    for id in ["x", "inq%00", "%3Cscript%3E", &"a".repeat(65)] {
        assert_eq!(
            face(&browser.app.anonymous().get(&format!("/identity/{id}")).await),
            face(&first),
            "{id}"
        );
        let posted = browser.submit(id, form("A", "B", "2000-01-01", "approve_inquiry"), &[]).await;
        assert_eq!(face(&posted), face(&first), "{id}");
    }
    browser.app.anonymous().get("/identity/").await.refused(404, "no-such-path");
    let id = browser.retail.start("user-1").await;
    let delete = browser.app.anonymous().call(&Method::DELETE, &format!("/identity/{id}")).send().await;
    delete.refused(405, "method-not-allowed");
}

#[tokio::test]
async fn another_sites_page_cannot_play() {
    let browser = Browser::new().await;
    let host = browser.app.base();
    let id = browser.retail.start("user-1").await;
    let body = || form("A", "B", "2000-01-01", "start_inquiry");
    let foreign: [&[(&str, &str)]; 8] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "odd")],
        &[("sec-fetch-site", "cross-site"), ("origin", &host)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &format!("{host}.evil.example"))],
        &[("origin", "http://127.0.0.1")],
    ];
    for headers in foreign {
        let answer = browser.submit(&id, body(), headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.text().contains("another site"));
        assert_eq!(browser.status(&id).await, "CREATED", "{headers:?}");
    }
    let own: [&[(&str, &str)]; 3] =
        [&[], &[("origin", &host)], &[("sec-fetch-site", "same-origin"), ("origin", &host)]];
    for headers in own {
        let id = browser.retail.start("user-1").await;
        assert_eq!(browser.submit(&id, body(), headers).await.status, 200, "{headers:?}");
        assert_eq!(browser.status(&id).await, "PENDING", "{headers:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_changes_nothing() {
    let mut browser = Browser::new().await;
    let id = browser.retail.start("user-1").await;
    let before = browser.app.census();
    let (action, date) = ("approve_inquiry", "2000-01-01");
    for body in [
        String::new(),
        "action=approve_inquiry".to_owned(),
        form("", "B", date, action),
        form("A", "  ", date, action),
        form("A\u{7}", "B", date, action),
        form(&"a".repeat(256), "B", date, action),
        form("A", "B", "", action),
        form("A", "B", "01.02.2000", action),
        form("A", "B", "2000-13-01", action),
        form("A", "B", "2000-01-32", action),
        form("A", "B", "0000-01-01", action),
        form("A", "B", "2000-01-01-01", action),
        form("A", "B", date, "approve"),
        json!({"action": action}).to_string(),
    ] {
        let answer = browser.submit(&id, body.clone(), &[]).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().contains("Not done"), "{body}");
    }
    // Nothing of the provider's or an officer's, either.
    for action in ["decline_inquiry", "complete_inquiry", "close_window", "create_passed_verification"] {
        let answer = browser.submit(&id, form("A", "B", date, action), &[]).await;
        assert_eq!(answer.status, 409, "{action}");
        assert!(answer.text().contains("moved on"), "{action}");
    }
    assert_eq!(browser.app.census(), before);
    let ended = browser.retail.start_as("user-1", "mark_for_review_inquiry").await;
    let answer = browser.submit(&ended, form("A", "B", date, action), &[]).await;
    assert_eq!((answer.status, browser.status(&ended).await.as_str()), (409, "NEEDS_REVIEW"));
    browser.app.enclave.kill();
    let answer = browser.submit(&id, form("A", "B", date, action), &[]).await;
    assert_eq!((answer.status, browser.status(&id).await.as_str()), (503, "CREATED"));
    assert!(answer.text().contains("incomplete right now"), "{}", answer.text());
}

#[tokio::test]
async fn after_a_reset_a_user_may_be_another_person() {
    let browser = Browser::new().await;
    let retail = &browser.retail;
    retail.approved("user-1").await;
    retail.call(&Method::POST, "/v1/sandbox/reset").send().await.ok();
    let id = retail.start("user-1").await;
    let other = form("Eve", "Example", "1990-05-05", "approve_inquiry");
    browser.submit(&id, other, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(retail.inquiry_status(&id).await, "APPROVED", "the enclave remembers nobody");
}
