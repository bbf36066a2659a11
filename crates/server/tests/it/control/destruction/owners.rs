//! One owner alone, who makes another of himself or takes the others out: in production, where nothing is rehearsed.

use domain::credential::{Scope, TenantKind};
use testkit::{Actor, link_of};

use super::super::PASSWORD;
use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const ALMOST_A_WEEK: Duration = Duration::from_millis(7 * 24 * 3_600_000 - 1);

/// What is done to somebody in the team, and by what form.
type Way = (&'static str, &'static [(&'static str, &'static str)]);

/// A partner's account in production, of these owners, with one key.
struct Account {
    app: App,
    owners: Vec<Person>,
    partner: Actor,
    key: String,
}

impl Account {
    /// Whose owners have been who they are for a week.
    async fn settled(names: &[&str]) -> Self {
        Box::pin(Self::settled_on(Plan::default(), names)).await
    }

    async fn settled_on(plan: Plan, names: &[&str]) -> Self {
        let account = Box::pin(Self::new(plan, names)).await;
        account.app.clock.advance(7 * DAY);
        account
    }

    async fn new(plan: Plan, names: &[&str]) -> Self {
        let app = Box::pin(plan.production().with_pool([0, 0, 1]).start()).await;
        let (admin, mut owners) = (app.admin().await, Vec::new());
        let partner = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
        let tenant = app.tenant_of(&partner).await;
        for name in names {
            let email = format!("{name}@alpine.example");
            let link = admin.invite_owner(tenant.as_str(), &email, name).await.unwrap().link;
            owners.push(joined(&app, &email, &link).await);
        }
        admin.close().await;
        let key = made(&partner).await;
        Self { app, owners, partner, key }
    }

    /// The first of the owners invites another one, who comes.
    async fn invite(&mut self, name: &str) -> Person {
        let email = format!("{name}@alpine.example");
        let fields = [("email", email.as_str()), ("name", name), ("role", "owner")];
        let page = self.by(0, "/control/team/invite", &fields).await;
        joined(&self.app, &email, &link_of(&page.text())).await
    }

    /// What the first owner does in the team to one of those addresses.
    async fn of(&mut self, name: &str, deed: &str, fields: &[(&str, &str)]) -> Answer {
        self.owners[0].sign_in().await;
        let path = path_of(&self.owners[0], &format!("{name}@")).await;
        self.owners[0].post(&format!("{path}/{deed}"), fields).await
    }

    /// What an owner sends, signed in just now.
    async fn by(&mut self, owner: usize, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.owners[owner].sign_in().await;
        self.owners[owner].post(path, fields).await
    }

    async fn ask(&mut self, owner: usize) -> Answer {
        self.owners[owner].sign_in().await;
        ask(&mut self.owners[owner], &self.key, "7").await
    }

    async fn confirm(&mut self, owner: usize) -> Answer {
        self.owners[owner].sign_in().await;
        confirm(&mut self.owners[owner], &self.key).await
    }

    async fn ask_and_confirm(&mut self, first: usize, second: usize) {
        let asked = self.ask(first).await;
        assert_eq!(asked.status, 303, "{}", asked.text());
        let confirmed = self.confirm(second).await;
        assert_eq!(confirmed.status, 303, "{}", confirmed.text());
        assert_eq!(self.status().await, "destroy-pending");
    }

    async fn status(&self) -> String {
        let key = self.partner.get(&format!("/v1/partner/keys/{}", self.key)).await.ok();
        key["status"].as_str().unwrap().to_owned()
    }

    async fn until(&self, wanted: &str) {
        for _ in 0..100 {
            if self.status().await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unreachable!("the key is {}", self.status().await);
    }

    /// The reason of the last entry of this name.
    async fn last(&self, action: &str) -> String {
        let entry = self.partner.audit(&format!("&action={action}")).await.pop();
        entry.map(|entry| entry["reason"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    async fn refused(&self, answer: &Answer, reason: &str) {
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert_eq!(self.last("key.destruction-refused").await, reason);
    }

    /// How often somebody was told that the owners changed.
    fn told(&self, name: &str) -> i64 {
        let of = format!("(SELECT id FROM people WHERE email LIKE '{name}@%')");
        self.app.place.rows(&format!("notices WHERE kind = 'owners-changed' AND person_id = {of}"))
    }
}

/// A key of the kind that is made fastest: in production nobody has put one by.
async fn made(partner: &Actor) -> String {
    let mut body = assign_body("user-1", "customer-1");
    body["key_type"] = json!("ed25519");
    for _ in 0..100 {
        let answer = partner.assign(&body).await;
        if answer.status == 200 {
            return Given::of(answer.ok()).key_id;
        }
        answer.refused(503, "pool-empty");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("no key is made");
}

async fn joined(app: &App, email: &str, link: &str) -> Person {
    let mut person = app.stranger();
    let page = person.join(link, PASSWORD).await;
    assert_eq!(page.status, 200, "{}", page.text());
    email.clone_into(&mut person.email);
    person
}

/// Eve is the first owner, and the last by an address of her own. Hanna is honest.
async fn one_owner_alone_has_no_key_destroyed(plan: Plan) {
    let mut account = Box::pin(Account::settled_on(plan, &["eve", "hanna"])).await;
    let before = account.told("hanna");
    let eve = account.invite("eva").await;
    account.owners.push(eve);
    assert_eq!(account.told("hanna"), before + 1);
    // At once, with whomever.
    for owner in [0, 2] {
        let refused = account.ask(owner).await;
        account.refused(&refused, "owners-changed").await;
        assert!(refused.text().contains("this waits until"), "{}", refused.text());
    }
    account.app.clock.advance(ALMOST_A_WEEK);
    let refused = account.ask(0).await;
    account.refused(&refused, "owners-changed").await;
    account.app.clock.advance(MILLISECOND);
    account.ask_and_confirm(0, 2).await;
    // Hanna, who could stop it, is taken out: that stops it.
    assert_eq!(account.of("hanna", "remove", &[]).await.status, 303);
    assert_eq!(account.told("hanna"), before + 2, "and is told");
    let page = account.owners[0].open(&page_of(&account.key)).await.text();
    assert!(page.contains("it will be stopped when the days are over"), "{page}");
    account.app.clock.advance(7 * DAY);
    account.until("active").await;
    assert_eq!(account.last("key.destruction-stopped").await, "owners-changed");
    // She was taken out a week ago by now: two accounts are left, and the rule says so much and no more.
    account.app.clock.advance(MILLISECOND);
    account.ask_and_confirm(0, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_alone_has_no_key_destroyed_on_sqlite() {
    Box::pin(one_owner_alone_has_no_key_destroyed(Plan::default().on_sqlite())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_alone_has_no_key_destroyed_on_postgres() {
    Box::pin(one_owner_alone_has_no_key_destroyed(Plan::default().on_postgres())).await;
}

/// Whatever makes an owner or takes one out, or has him begin anew, after it was confirmed or before it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_the_owners_stops_it_and_is_waited_for() {
    let ways: [Way; 4] = [
        ("role", &[("role", "member")]),
        ("role", &[("role", "owner")]),
        ("reonboard", &[]),
        ("remove", &[]),
    ];
    let mut account = Box::pin(Account::settled(&["eve", "eva", "hanna"])).await;
    for (deed, fields) in ways {
        account.ask_and_confirm(0, 1).await;
        assert!(account.of("hanna", deed, fields).await.status < 400, "{deed}");
        account.app.clock.advance(ALMOST_A_WEEK);
        assert_eq!(account.status().await, "destroy-pending", "{deed}");
        account.owners[0].sign_in().await;
        assert_eq!(stop(&mut account.owners[0], &account.key).await.status, 303, "{deed}");
        let refused = account.ask(0).await;
        account.refused(&refused, "owners-changed").await;
        account.app.clock.advance(MILLISECOND);
        account.ask_and_confirm(0, 1).await;
        account.owners[1].sign_in().await;
        assert_eq!(stop(&mut account.owners[1], &account.key).await.status, 303, "{deed}");
    }
}

/// The same at the end, where nobody stops it.
#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_ends_by_itself_when_an_owner_was_taken_out_or_begins_anew() {
    let mut account = Box::pin(Account::settled(&["eve", "eva", "hanna"])).await;
    for (deed, fields) in
        [("role", &[("role", "member")][..]), ("role", &[("role", "owner")]), ("reonboard", &[])]
    {
        account.ask_and_confirm(0, 1).await;
        assert!(account.of("hanna", deed, fields).await.status < 400, "{deed}");
        account.app.clock.advance(7 * DAY);
        account.until("active").await;
        assert_eq!(account.last("key.destruction-stopped").await, "owners-changed", "{deed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_not_confirmed_when_the_owners_changed_since() {
    let mut account = Box::pin(Account::settled(&["eve", "hanna"])).await;
    assert_eq!(account.ask(0).await.status, 303);
    account.invite("eva").await;
    let refused = account.confirm(1).await;
    account.refused(&refused, "owners-changed").await;
    assert_eq!(account.status().await, "active");
    // One who is no owner changes nothing of it.
    account.app.clock.advance(7 * DAY);
    account.until_lapsed().await;
    for name in ["max", "mia"] {
        let email = format!("{name}@alpine.example");
        let fields = [("email", email.as_str()), ("name", name), ("role", "member")];
        let page = account.by(0, "/control/team/invite", &fields).await;
        joined(&account.app, &email, &link_of(&page.text())).await;
    }
    account.ask_and_confirm(0, 1).await;
    assert_eq!(account.of("max", "role", &[("role", "officer")]).await.status, 303);
    assert_eq!(account.of("mia", "remove", &[]).await.status, 303);
    account.app.clock.advance(7 * DAY);
    account.until("destroyed").await;
}

/// Who is on the list of the key stops it, and is not taken away first.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_the_list_of_the_key_is_not_taken_out_meanwhile() {
    let ways: [Way; 3] = [("role", &[("role", "auditor")]), ("reonboard", &[]), ("remove", &[])];
    for (deed, fields) in ways {
        let mut stage = two_owners(App::start().await, &EVERYBODY).await;
        let key = stage.key.key_id.clone();
        ask_and_confirm(&mut stage, &key).await;
        stage.app.clock.advance(MILLISECOND);
        let path = path_of(&stage.owner, "member-1@").await;
        assert!(stage.owner.post(&format!("{path}/{deed}"), fields).await.status < 400, "{deed}");
        let told = "notices WHERE kind = 'owners-changed' \
                    AND person_id IN (SELECT id FROM people WHERE email LIKE 'member-1@%')";
        assert!(one(&stage.app, told), "{deed}: and is told");
        hasten(&mut stage, &key).await;
        until_status(&stage.app, &key, "active").await;
        stage.logged("key.destruction-stopped").await.pop().unwrap();
    }
}

impl Account {
    async fn until_lapsed(&self) {
        for _ in 0..100 {
            if one(&self.app, "key_destructions WHERE state = 'lapsed'") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unreachable!("it does not lapse");
    }

    /// An owner adds a passkey.
    async fn add_passkey(&mut self, owner: usize) {
        let person = &mut self.owners[owner];
        person.sign_in().await;
        let page = person.open("/control/account/factors").await;
        let id = format!("passkey of {}", self.app.clock.now().ms());
        let made = person.make_passkey(&page.text(), id.as_bytes());
        let added = person.post("/control/account/factors", &[("credential", &made)]).await;
        assert_eq!(added.status, 303, "{}", added.text());
    }
}

/// Somebody else may have been at his account.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_changed_what_he_signs_in_with_neither_asks_nor_confirms_for_a_week() {
    let mut account = Box::pin(Account::settled(&["eve", "hanna"])).await;
    account.add_passkey(0).await;
    let refused = account.ask(0).await;
    account.refused(&refused, "sign-in-changed").await;
    assert_eq!(account.ask(1).await.status, 303, "another one may");
    let refused = account.confirm(0).await;
    account.refused(&refused, "sign-in-changed").await;
    account.app.clock.advance(7 * DAY);
    account.until_lapsed().await;
    account.ask_and_confirm(0, 1).await;
    // Afterwards it changes nothing of the word that he gave.
    account.app.clock.advance(MILLISECOND);
    account.add_passkey(0).await;
    account.app.clock.advance(7 * DAY);
    account.until("destroyed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_one_owner_invites_a_second_and_a_week_later_they_can() {
    let mut account = Box::pin(Account::new(Plan::default(), &["ada"])).await;
    let second = account.invite("otto").await;
    account.owners.push(second);
    let refused = account.ask(0).await;
    account.refused(&refused, "owners-changed").await;
    account.app.clock.advance(7 * DAY);
    // Who was invited and never came was nobody.
    let fields = [("email", "ivy@alpine.example"), ("name", "ivy"), ("role", "member")];
    assert_eq!(account.by(0, "/control/team/invite", &fields).await.status, 200);
    for (deed, fields) in [("role", &[("role", "owner")][..]), ("remove", &[])] {
        assert_eq!(account.of("ivy", deed, fields).await.status, 303, "{deed}");
    }
    account.ask_and_confirm(0, 1).await;
    account.app.clock.advance(7 * DAY);
    account.until("destroyed").await;
}

/// Whoever writes to the database hides the change from where it is asked, and the log's chain tells at the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_somebody_took_out_of_the_log_is_missed_at_the_end() {
    let hidden = [
        "UPDATE audit_entries SET action = 'x' WHERE action = 'person.joined'",
        "UPDATE audit_entries SET time = 1 WHERE action = 'person.joined'",
        "UPDATE audit_entries SET reason = 'passkey member' WHERE action = 'person.joined'",
        "UPDATE audit_entries SET result = 'failed' WHERE action = 'person.joined'",
        "DELETE FROM audit_entries WHERE action = 'person.joined'",
    ];
    for hide in hidden {
        let mut account = Box::pin(Account::settled(&["eve", "hanna"])).await;
        let eve = account.invite("eva").await;
        account.owners.push(eve);
        placed(&account.app).await;
        let latest = "AND seq = (SELECT max(seq) FROM audit_entries WHERE action = 'person.joined')";
        account.app.place.run(&format!("{hide} {latest}"));
        let asked = account.ask(0).await;
        if hide.contains("reason") {
            assert_eq!(asked.status, 503, "an entry that is not as it was written: {}", asked.text());
            continue;
        }
        assert_eq!(asked.status, 303, "{hide}: {}", asked.text());
        assert_eq!(account.confirm(2).await.status, 303);
        account.app.clock.advance(7 * DAY);
        for _ in 0..100 {
            if one(&account.app, "key_destructions WHERE state = 'halted'") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(account.last("key.destruction-halted").await, "log-differs", "{hide}");
        assert_eq!(account.status().await, "destroy-pending", "{hide}");
    }
}
