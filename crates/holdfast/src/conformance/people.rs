//! Three people who decide: an owner and two members of the institution, each with a browser and a passkey.

use std::sync::Arc;
use std::time::Duration;

use client::api::sandbox::Person;
use serde_json::json;

use super::exchange::Exchange;
use super::stage::{DATA, Key};
use super::verdict::{Played, Stop, failed, must, skipped};
use super::world::World;
use crate::failure::Failure;
use crate::tour::browser::{Addresses, Browser};
use crate::tour::html::Answer;

/// How often, and how many times, it is looked whether the enclave has packed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 200;

const OWNERS: &str = "/control/acls/owners";

/// The three, and what they decide on.
pub struct People<'w> {
    w: &'w World,
    /// Makes the list.
    pub owner: Browser<'w>,
    /// Asks.
    pub asking: Browser<'w>,
    /// Votes.
    pub voting: Browser<'w>,
    /// What the list guards.
    pub key: Key,
    /// What is stored under it.
    pub backup_id: String,
}

impl<'w> People<'w> {
    /// Signed in, with a list of these seats (a role each; empty is none) of whom two must agree, and a backup under it.
    pub fn with_list(w: &'w World, seats: [&str; 3]) -> Result<Self, Stop> {
        Self::guarding(w, seats, w.institution_key_with(json!({"key_type": "rsa4096"}))?)
    }

    /// The same, over this key.
    pub fn guarding(w: &'w World, seats: [&str; 3], key: Key) -> Result<Self, Stop> {
        let person = |role: &str, at: usize| -> Result<&Person, Stop> {
            let found = w.people("institution").iter().filter(|person| person.role == role).nth(at);
            found.ok_or_else(|| skipped("the institution has no owner and two members"))
        };
        let stored = w.institution().post(DATA, &key.data("the share")?).expect(200)?;
        let mut people = Self {
            w,
            owner: browser(w, person("owner", 0)?)?,
            asking: browser(w, person("member", 0)?)?,
            voting: browser(w, person("member", 1)?)?,
            backup_id: stored.text("/backup_id")?,
            key,
        };
        w.wait_for(people.sign_in())?;
        let key_id = people.key.id.clone();
        w.wait_for(people.make_list(&w.name("list"), seats, &key_id))?;
        Ok(people)
    }

    async fn sign_in(&mut self) -> Result<(), Failure> {
        for person in [&mut self.asking, &mut self.voting] {
            person.sign_in().await?;
        }
        sign_in_owner(&mut self.owner).await
    }

    async fn make_list(&mut self, name: &str, seats: [&str; 3], key_id: &str) -> Result<(), Failure> {
        let form = self.owner.open("/control/acls/new").await?;
        let emails = [self.owner.email(), self.asking.email(), self.voting.email()];
        let mut fields = vec![
            ("action".to_owned(), "go"),
            ("name".to_owned(), name),
            ("rule".to_owned(), "exact"),
            ("number".to_owned(), "2"),
            ("window_days".to_owned(), "7"),
            ("delay_hot_hours".to_owned(), "0"),
            ("delay_cold_hours".to_owned(), "0"),
            ("check_requester".to_owned(), "yes"),
        ];
        for (email, role) in emails.iter().zip(seats).filter(|(_, role)| !role.is_empty()) {
            fields.push((form.seat_of(email)?, role));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let page = self.owner.submit("/control/acls/new", &fields).await?;
        let made = self.owner.sign_page(&page, "/control/acls").await?;
        let list = made.location()?.to_owned();
        self.owner.follow(&made).await?;
        let page = self.owner.submit(&format!("{list}/attach"), &[("keys", key_id)]).await?;
        let attached = self.owner.sign_page(&page, &format!("{list}/attached")).await?;
        self.owner.follow(&attached).await.map(drop)
    }

    /// Somebody asks for the backup: what was answered.
    pub fn ask(&mut self, who: Who) -> Result<Answer, Stop> {
        let (w, backup_id) = (self.w, self.backup_id.clone());
        self.ask_for(who, ("backups", &backup_id), w.device()?.public_block())
    }

    /// Somebody asks for this, to this OpenPGP key: what was answered.
    pub fn ask_for(&mut self, who: Who, what: (&str, &str), certificate: &str) -> Result<Answer, Stop> {
        let w = self.w;
        let fields = [what, ("reason", "a conformance run"), ("certificate", certificate)];
        let person = self.person(who);
        w.wait_for(person.open("/control/recoveries/new"))?;
        Ok(w.wait_for(person.try_submit("/control/recoveries", &fields))?)
    }

    /// A member asks for the backup and proves who he is: where the recovery is.
    pub fn asked_and_proven(&mut self) -> Result<String, Stop> {
        let path = self.ask(Who::Asking)?.location()?.to_owned();
        self.prove(&path)?;
        Ok(path)
    }

    /// Whoever asked passes the identity check.
    pub fn prove(&mut self, path: &str) -> Played {
        Ok(self.w.wait_for(prove(&mut self.asking, path))?)
    }

    /// Somebody votes: `yes` or `no`.
    pub fn vote(&mut self, who: Who, path: &str, word: &str) -> Played {
        let w = self.w;
        let person = self.person(who);
        let vote = async {
            let page = person.open(path).await?;
            let credential = person.sign(&page.options_for(word)?)?;
            person.submit(&format!("{path}/vote"), &[("approve", word), ("credential", &credential)]).await
        };
        Ok(w.wait_for(vote).map(drop)?)
    }

    /// The page of a recovery must come to say this.
    pub fn until(&mut self, path: &str, says: &str) -> Played {
        for _ in 0..LOOKS_MAX {
            if self.w.wait_for(self.asking.open(path))?.text().contains(says) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(failed(format!("expected the page of the recovery to say {says:?}")))
    }

    /// The page of a recovery must say this at once.
    pub fn says(&mut self, path: &str, words: &str) -> Played {
        let page = self.w.wait_for(self.asking.open(path))?;
        must(page.text().contains(words), || format!("expected the page of the recovery to say {words:?}"))
    }

    /// A new link to the package.
    pub fn link(&mut self, path: &str) -> Result<String, Stop> {
        let page = self.w.wait_for(self.asking.submit(&format!("{path}/link"), &[]))?;
        let token = page.between(&format!("href=\"{path}/package?token="), "\"")?;
        Ok(format!("{path}/package?token={token}"))
    }

    /// What somebody gets from a link.
    pub fn get(&mut self, who: Who, link: &str) -> Result<Answer, Stop> {
        let w = self.w;
        Ok(w.wait_for(self.person(who).try_open(link))?)
    }

    /// The institution's log must have such an entry about this recovery, or of this reason.
    pub fn logged(&self, action: &str, of: &str) -> Played {
        let log = self.w.institution().get(&format!("/v1/audit/export?action={action}")).expect(200)?;
        let text = String::from_utf8_lossy(&log.body);
        log.must(text.lines().any(|line| line.contains(of)), format!("expected an entry {action} with {of}"))
    }

    /// The same of an entry that is still to come.
    pub fn until_logged(&self, action: &str, of: &str) -> Played {
        for _ in 0..LOOKS_MAX {
            if self.logged(action, of).is_ok() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.logged(action, of)
    }

    fn person(&mut self, who: Who) -> &mut Browser<'w> {
        match who {
            Who::Owner => &mut self.owner,
            Who::Asking => &mut self.asking,
            Who::Voting => &mut self.voting,
        }
    }
}

/// One of the three.
#[derive(Clone, Copy)]
pub enum Who {
    /// The owner.
    Owner,
    /// The first member.
    Asking,
    /// The second.
    Voting,
}

/// Signs an owner in, and the list of owners where that is still to be done.
pub async fn sign_in_owner(owner: &mut Browser<'_>) -> Result<(), Failure> {
    owner.sign_in().await?;
    let page = owner.open(OWNERS).await?;
    if page.hidden("document").is_ok() {
        let signed = owner.sign_page(&page, OWNERS).await?;
        owner.follow(&signed).await?;
    }
    Ok(())
}

/// Somebody's browser, whose pages are remembered with the row's calls.
pub fn browser<'w>(w: &'w World, person: &'w Person) -> Result<Browser<'w>, Stop> {
    for secret in [&person.password, &person.totp_secret, &person.passkey.private_key_pkcs8] {
        w.hide(secret);
    }
    let watch = move |exchange: &client::Exchange<'_>| {
        let headers = exchange.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        w.remember(&Arc::new(Exchange {
            method: exchange.method.to_owned(),
            path: exchange.path.to_owned(),
            headers: headers.collect(),
            body: super::exchange::shown(exchange.request_body.as_bytes(), &w.secrets()),
            status: exchange.status,
            answer_headers: Vec::new(),
            answer_body: exchange.response_body.to_owned(),
        }));
    };
    let service = Addresses { base_url: w.base_url(), control_url: w.control_url() };
    Ok(Browser::of(Box::new(watch), service, person)?)
}

/// Passes the check on the sandbox's page, as the person whom it proposes.
async fn prove(asking: &mut Browser<'_>, path: &str) -> Result<(), Failure> {
    let page = asking.open(path).await?;
    let check = format!("/identity/{}", page.between("href=\"/control/identity/", "\"")?);
    let form = asking.open(&check).await?;
    let mut values = Vec::new();
    for name in ["first_name", "last_name", "birthdate"] {
        let input = form.between(&format!("name=\"{name}\""), ">")?;
        let (_, value) = input.split_once("value=\"").unwrap_or_default();
        values.push((name, value.split('"').next().unwrap_or_default().to_owned()));
    }
    let mut fields: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("action", "approve_inquiry"));
    asking.submit(&check, &fields).await.map(drop)
}
