//! Who is told of what: each deed that makes a release likelier, nearer or impossible is told to all whom it concerns, in
//! the bell, by mail, and by webhook.

use std::time::Duration;

use server::edge::clock::Clock as _;
use store::freezes::{self, TenantFreeze};
use testkit::{App, Person};

use super::acls::propose;
use super::approvals::{EVERYBODY, Stage, make_list, sign, sign_page, vote};
use super::policy;
use super::recoveries::wait_for;

/// Whom a row of the table is about.
#[derive(Clone, Copy, PartialEq)]
enum Whom {
    /// Who is on the list: the owner and both members.
    Members,
    /// Whoever asked: the first member.
    Requester,
    /// The members who did not ask.
    OtherMembers,
    /// Everybody of the tenant.
    Everybody,
}

/// The people of a tenant, in this order.
const PEOPLE: [&str; 5] = ["owner", "member-1", "member-2", "officer", "auditor"];

impl Whom {
    fn is(self, person: &str) -> bool {
        match self {
            Self::Members => ["owner", "member-1", "member-2"].contains(&person),
            Self::Requester => person == "member-1",
            Self::OtherMembers => ["owner", "member-2"].contains(&person),
            Self::Everybody => true,
        }
    }
}

/// What is told, how often, to whom, and by which event.
const TOLD: [(&str, usize, Whom, &str); 13] = [
    ("You are on the list Slow", 1, Whom::Members, "acl.changed"),
    ("Your vote on a recovery under Treasury", 2, Whom::Members, "recovery.requested"),
    ("A recovery was vetoed", 1, Whom::Members, "recovery.declined"),
    ("A recovery was approved", 1, Whom::Members, "recovery.approved"),
    ("Your recovery is ready", 1, Whom::Requester, "recovery.released"),
    ("A recovery was released", 1, Whom::OtherMembers, "recovery.released"),
    ("Vote on a change of Slow", 2, Whom::Members, ""),
    ("Slow: a change has passed and takes effect later", 1, Whom::Members, "acl.change-waiting"),
    ("Slow: a change was stopped by a veto", 1, Whom::Members, "acl.change-stopped"),
    ("Slow: the list has changed", 1, Whom::Members, "acl.changed"),
    ("An owner has signed another policy", 1, Whom::Everybody, "policy.changed"),
    ("The account was frozen until", 2, Whom::Everybody, "tenant.frozen"),
    ("The account is frozen no more", 1, Whom::Everybody, "tenant.thawed"),
];

/// The stories of lists and recoveries.
async fn decide(stage: &mut Stage) {
    let path = stage.ask_and_prove().await;
    vote(&mut stage.owner, &path, "no").await;
    wait_for(stage, &path, "A member with a veto stopped it").await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    wait_for(stage, &path, "It is ready").await;
    let seats = [("(owner@", "veto"), EVERYBODY[1], EVERYBODY[2]];
    let slow = [("delay_hot_hours", "1"), ("name", "Slow")];
    stage.acl = make_list(&mut stage.owner, &seats, &slow).await;
    let path = propose(stage, &EVERYBODY, &slow).await.header("location").to_owned();
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    let page = stage.owner.open(&path).await.text();
    let no = sign(&stage.owner, &testkit::options_of(&page));
    assert_eq!(stage.owner.post(&format!("{path}/stop"), &[("credential", &no)]).await.status, 303);
    let stricter = [slow[0], slow[1], ("number", "3")];
    let path = propose(stage, &seats, &stricter).await.header("location").to_owned();
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    wait_for(stage, &path, "The list is this now").await;
}

/// The stories of what is the whole account's.
async fn rule(owner: &mut Person) {
    let policy = policy::form("1", "optional", "0", "");
    let page = owner.post("/control/settings/recovery", &policy).await;
    assert_eq!(sign_page(owner, &page, "/control/settings/recovery/sign").await.status, 303);
    for hours in ["24", "48"] {
        assert_eq!(owner.post("/control/freeze", &[("hours", hours)]).await.status, 303);
    }
    let page = owner.post("/control/freeze/end", &[]).await;
    assert_eq!(sign_page(owner, &page, "/control/freeze/end/sign").await.status, 303);
}

#[tokio::test]
async fn each_deed_is_told_to_all_whom_it_concerns() {
    let seats = [("(owner@", "veto"), EVERYBODY[1], EVERYBODY[2]];
    let mut stage = Stage::with(&seats, &[]).await;
    decide(&mut stage).await;
    stage.app.clock.advance(Duration::from_millis(1));
    rule(&mut stage.owner).await;
    let events = stage.app.events(&stage.app.partner()).await;
    for (title, _, _, event) in TOLD {
        let is_told = event.is_empty() || events.iter().any(|told| told["type"] == event);
        assert!(is_told, "{title}: no webhook hears of it");
    }
    for word in PEOPLE {
        let bell = stage.app.person(word).await.open("/control/notices").await.text();
        for (title, times, whom, _) in TOLD {
            let expected = if whom.is(word) { times } else { 0 };
            let shown = bell.matches(&format!(">{title}")).count();
            assert_eq!(shown, expected, "{word}: {title}: {bell}");
        }
    }
    // The mails are those of the bell; the page shows the newest.
    let mails = stage.app.stranger().get("/control/outbox").await.text();
    assert_eq!(mails.matches("The account is frozen no more").count(), PEOPLE.len());
}

/// A freeze of that number whose time was over an hour ago, as far as the database knows.
async fn over(app: &App, number: i64) {
    let (tenant, now) = (app.tenant_of(&app.partner()).await, app.clock.now());
    let until = Some(domain::time::Timestamp::from_ms(now.ms() - 3_600_000));
    let row = TenantFreeze { number, frozen_until: until, changed_by: "somebody".into(), changed_at: now };
    assert!(app.db.write("freeze", move |tx| freezes::of(&tenant).set(tx, &row)).await.unwrap());
}

#[tokio::test]
async fn the_end_of_a_freeze_is_told_once_and_only_when_the_enclave_says_so() {
    let app = App::start().await;
    app.partner().post("/v1/freeze", &serde_json::json!({"hours": 24})).await.ok();
    over(&app, 50).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        app.partner().audit("&action=tenant.freeze-ended").await.is_empty(),
        "the enclave holds it still"
    );
    let app = App::start().await;
    over(&app, 50).await;
    for _ in 0..100 {
        if !app.partner().audit("&action=tenant.freeze-ended").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.partner().audit("&action=tenant.freeze-ended").await.len(), 1, "once");
    let events = app.events(&app.partner()).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "tenant.thawed").count(), 1);
    for word in PEOPLE {
        let bell = app.person(word).await.open("/control/notices").await.text();
        assert!(bell.contains("The time for which it was frozen is over"), "{word}: {bell}");
    }
}
