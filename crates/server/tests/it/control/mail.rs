//! Notices by mail, to somebody else's mail server.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use server::config::{MailSecurity, MailSettings};
use testkit::{App, MailMode, MailSink};

/// A service that sends its mail there.
async fn app_with(settings: MailSettings) -> App {
    let mut app = App::start().await;
    app.stop_service().await;
    app.settings().mail = Some(settings);
    app.start_service().await.expect("the service starts");
    app
}

/// Makes a credential: the owners are told.
async fn make_credential(app: &App, name: &str) -> Value {
    let partner = app.partner();
    partner.post("/v1/credentials", &json!({"name": name, "scopes": ["audit"]})).await.ok()
}

/// Waits until so many tries ended so.
async fn tries(app: &App, outcome: &str, count: i64) {
    let label = format!("outcome=\"{outcome}\"");
    for _ in 0..300 {
        if app.scrape().await.sum("mails_total", &[&label]) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("{count} tries never ended as {outcome}");
}

fn header<'m>(mail: &'m Value, name: &str) -> Vec<&'m str> {
    let headers = mail["headers"].as_array().unwrap().iter();
    headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_has_both_parts_and_no_secret_and_nobody_adds_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = MailSink::start(MailMode::Plain, folder.path());
    let app = app_with(sink.settings(MailSecurity::None)).await;
    let made = make_credential(&app, "<b>evil</b> Bcc: eve@evil.example").await;
    let mail = sink.mail();
    let owner = app.kit(domain::credential::TenantKind::Partner, "owner");
    assert_eq!(mail["to"], json!([owner.email]));
    assert_eq!(mail["from"], "control@holdfast.example");
    assert_eq!(header(&mail, "Subject"), ["An API credential was made"]);
    assert_eq!(header(&mail, "Auto-Submitted"), ["auto-generated"]);
    assert!(header(&mail, "Bcc").is_empty());
    assert_eq!(mail["types"], json!(["multipart/alternative", "text/plain", "text/html"]));
    let (plain, html) = (mail["plain"].as_str().unwrap(), mail["html"].as_str().unwrap());
    let link = format!("{}/control/settings/credentials", app.control_url());
    assert!(plain.contains(&link) && html.contains(&format!("href=\"{link}\"")), "{plain}\n{html}");
    assert!(plain.contains("<b>evil</b>") && html.contains("&lt;b&gt;evil&lt;/b&gt;"));
    let secret = made["api_key"].as_str().unwrap();
    assert!(!mail.to_string().contains(secret), "no secret in a mail");
    tries(&app, "sent", 1).await;
    app.clock.advance(Duration::from_hours(24));
    assert!(sink.is_empty(), "what is sent is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_through_tls_of_either_kind_and_not_without() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, security) in [(MailMode::StartTls, MailSecurity::StartTls), (MailMode::Tls, MailSecurity::Tls)]
    {
        let mut sink = MailSink::start(mode, folder.path());
        let app = app_with(sink.settings(security)).await;
        make_credential(&app, "a").await;
        assert_eq!(sink.mail()["tls"], true, "{mode:?}");
    }
    // A certificate that nobody vouches for, and a server that has no TLS: nothing is told to either.
    for (mode, security) in [(MailMode::Tls, MailSecurity::Tls), (MailMode::Plain, MailSecurity::StartTls)] {
        let sink = MailSink::start(mode, folder.path());
        let app = app_with(MailSettings { ca_file: None, ..sink.settings(security) }).await;
        make_credential(&app, "b").await;
        tries(&app, "not-connected", 1).await;
        assert!(sink.is_empty(), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_for_a_server_that_is_away_and_comes_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = MailSink::start(MailMode::Plain, folder.path());
    let app = app_with(sink.settings(MailSecurity::None)).await;
    sink.end();
    make_credential(&app, "a").await;
    tries(&app, "not-connected", 1).await;
    let mut sink = sink.replaced_by(MailMode::Plain, folder.path());
    assert!(sink.is_empty(), "not before it is due again");
    app.clock.advance(Duration::from_secs(73));
    assert_eq!(header(&sink.mail(), "Subject"), ["An API credential was made"]);
    tries(&app, "sent", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_is_asked_six_times_and_then_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let sink = MailSink::start(MailMode::Refuse, folder.path());
    let app = app_with(sink.settings(MailSecurity::None)).await;
    make_credential(&app, "a").await;
    for count in 1..=6 {
        tries(&app, "refused", count).await;
        app.clock.advance(Duration::from_hours(10));
    }
    app.clock.advance(Duration::from_hours(100));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.scrape().await.sum("mails_total", &[]), 6);
    // The bell tells all the same.
    let owner = app.person("owner").await;
    assert!(owner.get("/control/notices").await.text().contains("An API credential was made"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let sink = MailSink::start(MailMode::Hang, folder.path());
    let mut settings = sink.settings(MailSecurity::None);
    settings.patience = Duration::from_millis(500);
    let mut app = app_with(settings).await;
    make_credential(&app, "a").await;
    tries(&app, "timed-out", 1).await;
    app.clock.advance(Duration::from_secs(73));
    // Another try hangs, and the service answers and stops as ever.
    assert_eq!(app.partner().call(&Method::GET, "/v1/credentials").send().await.status, 200);
    app.stop_service().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_when_the_service_stopped_is_sent_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let sink = MailSink::start(MailMode::Hang, folder.path());
    let mut app = app_with(sink.settings(MailSecurity::None)).await;
    make_credential(&app, "a").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    app.stop_service().await;
    let mut sink = sink.replaced_by(MailMode::Plain, folder.path());
    app.start_service().await.expect("the service starts");
    assert!(sink.is_empty(), "it is left to whoever took it up");
    app.clock.advance(Duration::from_mins(2));
    sink.mail();
}
