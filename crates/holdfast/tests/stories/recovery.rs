//! From nothing to a backup in one's hands, as three people with a browser each do it.

use std::process::Command;

use super::book::in_book;
use super::stage::{Stage, Stored, look_at, shown};
use crate::rig::browser::Browser;
use crate::rig::gpg::Gpg;

/// The owner signs for the owners, makes a list of three, and puts the key under it: where the list is.
async fn make_list(stage: &Stage, owner: &Browser, name: &str, stored: &[&Stored]) -> String {
    owner.go(&stage.at("/control/acls/new")).await;
    owner.fill("#name", name).await;
    for member in ["(owner@", "(member-1@", "(member-2@"] {
        owner.choose(member, "normal").await;
    }
    owner.press("Try these votes").await;
    owner.wait_for("With these votes it is still open").await;
    look_at(owner, "list-form").await;
    owner.press("Go on to sign").await;
    look_at(owner, "list-sign").await;
    owner.press("Sign with your passkey").await;
    owner.wait_for("Keys under it").await;
    let list = owner.url().await;
    let keys: Vec<_> = stored.iter().map(|stored| stored.key.as_str()).collect();
    owner.fill("#keys", &keys.join("\n")).await;
    owner.press("Go on to sign").await;
    look_at(owner, "list-attach").await;
    owner.press("Sign with your passkey").await;
    owner.wait_for("Ask for what it opens").await;
    list
}

/// Somebody asks for a backup, and proves who he is: where the recovery is.
async fn ask(stage: &Stage, browser: &Browser, stored: &Stored, gpg: &Gpg) -> String {
    fill_in_form(stage, browser, stored, gpg).await;
    send_form(browser).await
}

async fn fill_in_form(stage: &Stage, browser: &Browser, stored: &Stored, gpg: &Gpg) {
    browser.go(&stage.at("/control/recoveries/new")).await;
    browser.fill("#backups", &stored.backup).await;
    browser.fill("#reason", "The phone fell into the harbour.").await;
    browser.fill("#certificate", &gpg.certificate()).await;
    look_at(browser, "recovery-form").await;
}

async fn send_form(browser: &Browser) -> String {
    browser.press("Ask").await;
    browser.wait_for("Short code").await;
    let recovery = browser.url().await;
    browser.press("Prove who you are").await;
    browser.press("Pass").await;
    browser.wait_for("Approved").await;
    browser.go(&recovery).await;
    recovery
}

async fn vote(browser: &Browser, recovery: &str, button: &str) {
    browser.go(recovery).await;
    browser.press(button).await;
}

#[tokio::test]
async fn three_people_give_a_backup_back() {
    let stage = Stage::new();
    let secret = b"abandon ability able about above absent absorb abstract";
    let stored = stage.store("captain", "HOT", secret).await;
    let gpg = Gpg::new();
    let owner = stage.signed_in("owner@").await;
    owner.go(&stage.at("/control/acls/owners")).await;
    owner.wait_for("Owners and officers on record").await;
    look_at(&owner, "owners").await;
    let list = make_list(&stage, &owner, "Treasury", &[&stored]).await;
    look_at(&owner, "list").await;

    let first = stage.signed_in("member-1@").await;
    fill_in_form(&stage, &first, &stored, &gpg).await;
    in_book(&first, "recovery-form").await;
    let recovery = send_form(&first).await;
    first.wait_for("0 of the 2").await;
    vote(&first, &recovery, "Vote yes").await;
    first.wait_for("1 of the 2").await;
    look_at(&first, "recovery-voted").await;

    let second = stage.signed_in("member-2@").await;
    second.go(&stage.at("/control/notices")).await;
    look_at(&second, "notices").await;
    in_book(&second, "notices").await;
    second.go(&recovery).await;
    look_at(&second, "recovery-to-vote").await;
    in_book(&second, "recovery-to-vote").await;
    assert_eq!(
        code_away_from_the_network(&second, &recovery).await,
        shown(&second, ".short-code output").await
    );
    second.press("Vote yes").await;
    second.reload_for("It is ready").await;
    look_at(&second, "recovery-ready-of-another").await;

    first.go(&recovery).await;
    look_at(&first, "recovery-ready").await;
    in_book(&first, "recovery-ready").await;
    first.press("Make a link").await;
    look_at(&first, "recovery-link").await;
    first.press("Download the package").await;
    let id = recovery.rsplit('/').next().expect("an id");
    let message = first.downloaded(&format!("recovery-{id}.tar.gpg")).await;
    let folder = stage.path("unpacked");
    std::fs::create_dir(&folder).expect("a folder");
    gpg.unpack(&message, &folder);
    assert_eq!(std::fs::read(folder.join("data").join(&stored.backup)).expect("the backup"), secret);
    first.go(&recovery).await;
    first.reload_for("It was downloaded").await;
    owner.go(&list).await;
    owner.press("Propose a change").await;
    look_at(&owner, "list-change-form").await;
    owner.choose("(member-2@", "veto").await;
    owner.press("Propose this").await;
    owner.wait_for("It passes when").await;
    look_at(&owner, "list-change").await;
    let change = owner.url().await;
    vote(&owner, &change, "Vote yes").await;
    owner.wait_for("Olivia Owens: yes").await;
    vote(&first, &change, "Vote yes").await;
    first.reload_for("In force").await;
    first.go(&list).await;
    first.wait_for("whose no ends it").await;
}

#[tokio::test]
async fn what_runs_out_waits_or_loses_a_voter_is_told() {
    let stage = Stage::new();
    let hot = stage.store("captain", "HOT", b"abandon ability able about above absent").await;
    let cold = stage.store("mate", "COLD", b"abstract absurd abuse access accident").await;
    let gpg = Gpg::new();
    let owner = stage.signed_in("owner@").await;
    make_list(&stage, &owner, "Vault", &[&hot, &cold]).await;
    let first = stage.signed_in("member-1@").await;
    let second = stage.signed_in("member-2@").await;

    let offline = ask(&stage, &first, &cold, &gpg).await;
    vote(&first, &offline, "Vote yes").await;
    first.wait_for("1 of the 2").await;
    vote(&second, &offline, "Vote yes").await;
    second.reload_for("waits for the next ceremony").await;
    look_at(&second, "recovery-cold").await;

    let open = ask(&stage, &first, &hot, &gpg).await;
    owner.go(&stage.at("/control/team")).await;
    owner.press("Milo Brandt").await;
    owner.press("Remove this person").await;
    owner.wait_for("Invite somebody").await;
    assert!(!owner.text().await.contains("Milo Brandt"), "he is out of the team");
    second.go(&open).await;
    second.wait_for("Password").await;
    vote(&first, &open, "Vote yes").await;
    first.wait_for("1 of the 2").await;

    let id = open.rsplit('/').next().expect("an id");
    stage.sandbox.alter(&format!("UPDATE control_recoveries SET window_ends_at = 1 WHERE id = '{id}'"));
    first.reload_for("before the vote closed").await;
    look_at(&first, "recovery-expired").await;
    first.go(&stage.at("/control/recoveries")).await;
    look_at(&first, "recoveries").await;
}

/// The code that the program shows of the request that the page gives out.
async fn code_away_from_the_network(browser: &Browser, recovery: &str) -> String {
    browser.press("Take the request").await;
    let id = recovery.rsplit('/').next().expect("an id");
    let request = browser.downloaded(&format!("recovery-{id}.json")).await;
    let mut vote = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = vote.args(["vote", "show", "--json"]).arg(request).output().expect("the program runs");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    said["short_code"].as_str().expect("a code").to_owned()
}
