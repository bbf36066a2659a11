//! Control: its pages, by the forms that people send.

mod access;
mod account;
mod acls;
pub mod approvals;
mod backups;
mod bad_days;
mod destruction;
mod freeze;
mod guards;
mod invitation;
mod joining_check;
mod keys;
mod log;
mod mail;
mod notices;
mod offline_votes;
mod packages;
mod passkeys;
mod policy;
mod records;
pub mod recoveries;
mod reviews;
mod settings;
mod sign_in;
mod team;
mod told;

use domain::credential::TenantKind;
use server::edge::clock::Clock as _;
use testkit::{App, Person};

/// A password that nobody guesses.
const PASSWORD: &str = "nine brown teapots sing";

/// The instant of the service, milliseconds since 1970.
fn now_ms(app: &App) -> i64 {
    app.clock.now().ms()
}

/// Somebody of the partner's who is not signed in.
fn out(app: &App, word: &str) -> Person {
    app.signed_out(&app.kit(TenantKind::Partner, word))
}

/// The path of the page in the team of somebody whose address begins so, as an owner sees it.
pub async fn path_of(owner: &Person, email: &str) -> String {
    let page = owner.get("/control/team").await.text();
    for part in page.split("href=\"/control/team/").skip(1) {
        let id = part.split('"').next().unwrap();
        let path = format!("/control/team/{id}");
        if id != "invite" && owner.get(&path).await.text().contains(&format!("<dd>{email}")) {
            return path;
        }
    }
    unreachable!("{email} is not in the team")
}

/// The actions in the partner's log, and how each ended.
async fn actions(app: &App) -> Vec<String> {
    let entries = app.partner().audit("").await;
    entries
        .iter()
        .map(|entry| format!("{} {}", entry["action"].as_str().unwrap(), entry["result"].as_str().unwrap()))
        .collect()
}
