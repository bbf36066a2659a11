//! What tests of lists and recoveries begin with: people, a list, a key under it, and the forms in between.

use reqwest::Method;
use serde_json::Value;
use testkit::{Answer, App, Given, Person, options_of};

/// A partner whose owner and two members are on a list of two votes, which guards one key.
pub struct Stage {
    pub app: App,
    pub owner: Person,
    pub first: Person,
    pub second: Person,
    pub key: Given,
    pub backup: String,
    pub plaintext: Vec<u8>,
    pub acl: String,
}

/// The value of a hidden field.
pub fn hidden(page: &str, name: &str) -> String {
    let begins = format!("name=\"{name}\" value=\"");
    let from = page.find(&begins).unwrap_or_else(|| unreachable!("no field {name}: {page}")) + begins.len();
    let text = &page[from..from + page[from..].find('"').unwrap()];
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The options of the passkey form that says yes, or no.
pub fn options_for(page: &str, word: &str) -> Value {
    let at =
        page.find(&format!("name=\"approve\" value=\"{word}\"")).unwrap_or_else(|| unreachable!("{page}"));
    let form = page[..at].rfind("<form").unwrap();
    options_of(&page[form..])
}

/// An assertion by somebody's passkey.
pub fn sign(person: &Person, options: &Value) -> String {
    person.passkey().get(options).expect("an assertion").to_string()
}

/// Signs what a page asks for and sends it with the document.
pub async fn sign_page(person: &mut Person, page: &Answer, action: &str) -> Answer {
    assert_eq!(page.status, 200, "{}", page.text());
    let (document, credential) = (hidden(&page.text(), "document"), sign(person, &options_of(&page.text())));
    person.post(action, &[("document", &document), ("credential", &credential)]).await
}

/// The person's id on a page that has a seat for each.
fn seat_of(page: &str, name: &str) -> String {
    let at = page.find(name).unwrap_or_else(|| unreachable!("{name}: {page}"));
    let label = page[..at].rfind("for=\"seat-").unwrap() + 10;
    page[label..label + 36].to_owned()
}

/// What the form of a list is sent with: these seats, and what is different from a plain one.
pub async fn list_form(
    person: &Person,
    seats: &[(&str, &str)],
    more: &[(&str, &str)],
) -> Vec<(String, String)> {
    let page = person.get("/control/acls/new").await.text();
    let mut fields: Vec<(String, String)> = [
        ("action", "go"),
        ("name", "Treasury"),
        ("rule", "exact"),
        ("number", "2"),
        ("window_days", "7"),
        ("delay_hot_hours", "0"),
        ("delay_cold_hours", "0"),
        ("check_requester", "yes"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, seat) in seats {
        fields.push((format!("seat-{}", seat_of(&page, name)), (*seat).to_owned()));
    }
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    fields
}

pub fn pairs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Everybody on the list, by name.
pub const EVERYBODY: [(&str, &str); 3] =
    [("(owner@", "normal"), ("(member-1@", "normal"), ("(member-2@", "normal")];

impl Stage {
    pub async fn new() -> Self {
        Self::with(&EVERYBODY, &[]).await
    }

    /// With these seats, and with what is different from a plain list.
    pub async fn with(seats: &[(&str, &str)], more: &[(&str, &str)]) -> Self {
        Self::of(App::start().await, seats, more).await
    }

    pub async fn of(app: App, seats: &[(&str, &str)], more: &[(&str, &str)]) -> Self {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let plaintext = testkit::device::secret("wallet");
        let stored = partner.try_store_data(&key, &key.device().item("seed", &plaintext)).await.ok();
        let backup = stored["backup_id"].as_str().unwrap().to_owned();
        let mut owner = app.person("owner").await;
        let (first, second) = (app.person("member-1").await, app.person("member-2").await);
        let acl = make_list(&mut owner, seats, more).await;
        attach(&mut owner, &acl, &key.key_id).await;
        Self { app, owner, first, second, key, backup, plaintext, acl }
    }

    /// The fields of a request for the backup.
    pub fn asked(&self) -> Vec<(&str, &str)> {
        let certificate = self.app.fixture.recipient.certificate.as_str();
        vec![("backups", self.backup.as_str()), ("reason", "the phone is lost"), ("certificate", certificate)]
    }

    /// The first member asks for the backup: where the recovery is.
    pub async fn ask(&mut self) -> String {
        let asked: Vec<(String, String)> =
            self.asked().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let answer = self.first.post("/control/recoveries", &pairs(&asked)).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").to_owned()
    }

    /// The first member asks and proves who he is.
    pub async fn ask_and_prove(&mut self) -> String {
        let path = self.ask().await;
        let page = self.first.open(&path).await.text();
        self.play(&page, "approve_inquiry").await;
        path
    }

    /// Plays the check that a page leads to.
    pub async fn play(&self, page: &str, action: &str) {
        self.play_as(page, action, None).await;
    }

    /// The same, by somebody of another first name.
    pub async fn play_as(&self, page: &str, action: &str, first_name: Option<&str>) {
        let at = page.find("/identity/").unwrap_or_else(|| unreachable!("no check: {page}"));
        play_at(&self.app, page[at..].split('"').next().unwrap(), action, first_name).await;
    }

    /// The entries of the partner's log of this action: result and reason.
    pub async fn logged(&self, action: &str) -> Vec<(String, String)> {
        let entries = self.app.partner().audit(&format!("&action={action}")).await;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        entries.iter().map(|entry| (text(entry, "result"), text(entry, "reason"))).collect()
    }

    /// Asserts that the last such entry says that it was refused so.
    pub async fn refused(&self, action: &str, reason: &str) {
        let last = self.logged(action).await.pop();
        assert_eq!(last, Some(("refused".to_owned(), reason.to_owned())), "{action}");
    }
}

/// Plays the check at this path, as somebody of this first name or as whom the page proposes.
pub async fn play_at(app: &App, path: &str, action: &str, first_name: Option<&str>) {
    let form = app.anonymous().get(path).await.text();
    let mut fields = form_urlencoded::Serializer::new(String::new());
    for name in ["first_name", "last_name", "birthdate"] {
        let other = first_name.filter(|_| name == "first_name").map(str::to_owned);
        fields.append_pair(name, &other.unwrap_or_else(|| value_of(&form, name)));
    }
    let body = fields.append_pair("action", action).finish();
    let call = app.anonymous().call(&Method::POST, path).header("sec-fetch-site", "same-origin");
    let answer = call.raw("application/x-www-form-urlencoded", body).send().await;
    assert!([200, 303].contains(&answer.status), "{}", answer.text());
}

fn value_of(page: &str, field: &str) -> String {
    let rest = page.split(&format!("name=\"{field}\"")).nth(1).unwrap();
    rest.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Makes a list, and gives its id.
pub async fn make_list(owner: &mut Person, seats: &[(&str, &str)], more: &[(&str, &str)]) -> String {
    let fields = list_form(&*owner, seats, more).await;
    let page = owner.post("/control/acls/new", &pairs(&fields)).await;
    let made = sign_page(owner, &page, "/control/acls").await;
    assert_eq!(made.status, 303, "{}", made.text());
    made.header("location").rsplit('/').next().unwrap().to_owned()
}

/// Puts a key under a list.
pub async fn attach(owner: &mut Person, acl: &str, key: &str) {
    let page = owner.post(&format!("/control/acls/{acl}/attach"), &[("keys", key)]).await;
    let done = sign_page(owner, &page, &format!("/control/acls/{acl}/attached")).await;
    assert_eq!(done.status, 303, "{}", done.text());
}

/// Votes on the page of a recovery, or of a change.
pub async fn vote(person: &mut Person, path: &str, word: &str) -> Answer {
    let page = person.open(path).await.text();
    let credential = sign(person, &options_for(&page, word));
    let action = if path.contains("/changes/") { path.to_owned() } else { format!("{path}/vote") };
    person.post(&action, &[("approve", word), ("credential", &credential)]).await
}

/// Makes a link, and gives where it leads.
pub async fn link(person: &mut Person, path: &str) -> String {
    let page = person.post(&format!("{path}/link"), &[]).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let at = text.find(&format!("{path}/package?token=")).unwrap();
    text[at..].split('"').next().unwrap().to_owned()
}
