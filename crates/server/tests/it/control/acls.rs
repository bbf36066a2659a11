//! `/control/acls`: lists are made by an owner's signature and changed by their members' votes.

use super::approvals::{
    EVERYBODY, Stage, attach, hidden, list_form, make_list, options_for, pairs, sign, sign_page, vote,
};
use super::recoveries::{recover_key, unpack};
use crate::ceremonies::moves::rotated;
use testkit::{App, Person};

#[tokio::test]
async fn a_list_that_cannot_pass_is_not_made() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    for (seats, more, told) in [
        (&EVERYBODY[..], &[("number", "4")][..], "that can never pass"),
        (&EVERYBODY[..1], &[("number", "1")][..], "nobody releases to himself alone"),
        (&EVERYBODY[..0], &[][..], "nobody releases to himself alone"),
        (&EVERYBODY[..], &[("rule", "percentage"), ("number", "101")][..], "or 1 to 100 in a hundred"),
        (&EVERYBODY[..], &[("number", "0")][..], "must be a number of members"),
        (&EVERYBODY[..], &[("number", "")][..], "must be a number of members"),
        (&EVERYBODY[..], &[("name", "")][..], "must be 1 to 127 characters"),
        (&EVERYBODY[..], &[("window_days", "31")][..], "must be 1 to 30 days"),
        (&EVERYBODY[..], &[("delay_hot_hours", "721")][..], "must be 0 to 720 hours"),
    ] {
        let fields = list_form(&owner, seats, more).await;
        let answer = owner.post("/control/acls/new", &pairs(&fields)).await;
        assert_eq!(answer.status, 400, "{told}: {}", answer.text());
        assert!(answer.text().contains(told), "{told}: {}", answer.text());
    }
    let entries = app.partner().audit("&action=acl.refused").await;
    assert_eq!(entries.len(), 9, "each is in the log");
    assert!(owner.open("/control/acls").await.text().contains("No list yet"));
}

#[tokio::test]
async fn only_owners_make_lists_and_only_over_what_they_signed() {
    let app = App::start().await;
    let (mut owner, mut member) = (app.person("owner").await, app.person("member-1").await);
    assert_eq!(member.get("/control/acls/new").await.status, 403);
    let fields = list_form(&owner, &EVERYBODY, &[]).await;
    let page = owner.post("/control/acls/new", &pairs(&fields)).await.text();
    let document = hidden(&page, "document");
    let credential = sign(&owner, &testkit::options_of(&page));
    for (document, credential) in [
        (document.replace("\"value\":2", "\"value\":1"), credential.clone()),
        (document.clone(), sign(&member, &testkit::options_of(&page))),
        (document.clone(), String::new()),
    ] {
        let answer =
            owner.post("/control/acls", &[("document", &document), ("credential", &credential)]).await;
        assert!([403, 409].contains(&answer.status), "{}", answer.text());
    }
    let by_member =
        member.post("/control/acls", &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(by_member.status, 403);
    let made = owner.post("/control/acls", &[("document", &document), ("credential", &credential)]).await;
    assert_eq!(made.status, 303, "{}", made.text());
}

#[tokio::test]
async fn the_form_says_which_votes_would_pass() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let seats = [EVERYBODY[0], ("(member-1@", "must"), ("(member-2@", "veto")];
    let fields = list_form(&owner, &seats, &[("action", "try")]).await;
    let people: Vec<String> =
        fields.iter().filter_map(|(name, _)| name.strip_prefix("seat-").map(str::to_owned)).collect();
    for (votes, told) in [
        (["yes", "yes", "none"], "it passes"),
        (["yes", "none", "yes"], "it is still open"),
        (["yes", "yes", "no"], "it is declined"),
        (["none", "none", "none"], "it is still open"),
    ] {
        let mut fields = fields.clone();
        for (person, vote) in people.iter().zip(votes) {
            fields.push((format!("vote-{person}"), vote.to_owned()));
        }
        let page = owner.post("/control/acls/new", &pairs(&fields)).await.text();
        assert!(page.contains(told), "{votes:?}: {told}: {page}");
    }
    assert!(app.partner().audit("&action=acl.made").await.is_empty(), "nothing was saved");
}

/// Proposes the list with these seats: where the change is.
pub(super) async fn propose(
    stage: &mut Stage,
    seats: &[(&str, &str)],
    more: &[(&str, &str)],
) -> testkit::Answer {
    let fields = list_form(&stage.owner, seats, more).await;
    let path = format!("/control/acls/{}/change", stage.acl);
    stage.first.open(&path).await;
    stage.first.post(&path, &pairs(&fields)).await
}

#[tokio::test]
async fn a_change_is_voted_on_by_all_and_whoever_is_taken_off_votes_no_more() {
    let mut stage = Stage::new().await;
    let proposed = propose(&mut stage, &EVERYBODY[..2], &[]).await;
    assert_eq!(proposed.status, 303, "{}", proposed.text());
    let path = proposed.header("location").to_owned();
    // One at a time, and no recovery meanwhile.
    assert_eq!(propose(&mut stage, &EVERYBODY[..2], &[("name", "Other")]).await.status, 409);
    stage.refused("acl.change-refused", "change-open").await;
    let fields: Vec<(String, String)> =
        stage.asked().iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let answer = stage.first.post("/control/recoveries", &pairs(&fields)).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    stage.refused("recovery.refused", "change-open").await;
    // Whoever is to be taken off votes too; and each once.
    let page = stage.second.open(&path).await.text();
    let yes = options_for(&page, "yes");
    assert_eq!(vote(&mut stage.second, &path, "no").await.status, 303);
    let again = sign(&stage.second, &yes);
    assert_eq!(stage.second.post(&path, &[("approve", "yes"), ("credential", &again)]).await.status, 409);
    stage.refused("acl.vote-refused", "already-voted").await;
    assert_eq!(vote(&mut stage.owner, &path, "yes").await.status, 303);
    assert_eq!(vote(&mut stage.first, &path, "yes").await.status, 303);
    assert!(stage.first.open(&path).await.text().contains("The list is this now."));
    assert_eq!(stage.logged("acl.changed").await.len(), 1);
    // He is off: he neither asks nor votes, in the same second.
    let answer = stage.second.post("/control/recoveries", &pairs(&fields)).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    stage.refused("recovery.refused", "removed-from-acl").await;
    let running = stage.ask_and_prove().await;
    let page = stage.first.open(&running).await.text();
    let credential = sign(&stage.second, &options_for(&page, "yes"));
    let fields = [("approve", "yes"), ("credential", credential.as_str())];
    assert_eq!(stage.second.post(&format!("{running}/vote"), &fields).await.status, 403);
    stage.refused("recovery.vote-refused", "not-on-acl").await;
    // And while it runs, the list stays as it is.
    assert_eq!(propose(&mut stage, &EVERYBODY, &[]).await.status, 409);
    stage.refused("acl.change-refused", "recovery-running").await;
    vote(&mut stage.owner, &running, "yes").await;
    vote(&mut stage.first, &running, "yes").await;
    assert!(stage.first.open(&running).await.text().contains("It is ready"), "under the list as it is now");
}

#[tokio::test]
async fn a_change_that_too_few_want_does_not_become_the_list() {
    let mut stage = Stage::new().await;
    let path = propose(&mut stage, &EVERYBODY, &[("number", "3")]).await.header("location").to_owned();
    vote(&mut stage.owner, &path, "no").await;
    vote(&mut stage.second, &path, "no").await;
    assert!(stage.first.open(&path).await.text().contains("Declined"));
    let path = propose(&mut stage, &EVERYBODY, &[("number", "3")]).await.header("location").to_owned();
    stage.app.clock.advance(std::time::Duration::from_hours(7 * 24));
    stage.first.sign_in().await;
    let mut page = String::new();
    for _ in 0..100 {
        page = stage.first.open(&path).await.text();
        if page.contains("Expired") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(page.contains("Not enough said yes in time"), "{page}");
    assert!(stage.logged("acl.changed").await.is_empty());
}

#[tokio::test]
async fn a_weaker_list_waits_its_delay_and_a_stricter_one_does_not() {
    let mut stage = Stage::with(&EVERYBODY, &[("delay_hot_hours", "1")]).await;
    let stricter = [("number", "3"), ("delay_hot_hours", "1")];
    let path = propose(&mut stage, &EVERYBODY, &stricter).await.header("location").to_owned();
    vote(&mut stage.owner, &path, "yes").await;
    vote(&mut stage.first, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("The list is this now."));
    let weaker = [("number", "2"), ("delay_hot_hours", "1")];
    let path = propose(&mut stage, &EVERYBODY, &weaker).await.header("location").to_owned();
    for person in [&mut stage.owner, &mut stage.first, &mut stage.second] {
        vote(person, &path, "yes").await;
    }
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("Passed, takes effect later"), "{page}");
}

#[tokio::test]
async fn a_key_goes_under_one_list_by_an_owners_signature() {
    let mut stage = Stage::new().await;
    let other = make_list(&mut stage.owner, &EVERYBODY, &[("name", "Other")]).await;
    let path = format!("/control/acls/{other}/attach");
    let answer = stage.owner.post(&path, &[("keys", &stage.key.key_id)]).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    stage.refused("acl.attachment-refused", "key-guarded").await;
    let answer = stage.owner.post(&path, &[("keys", "no id")]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let second: &mut Person = &mut stage.second;
    assert_eq!(second.post(&path, &[("keys", &stage.key.key_id)]).await.status, 403);
    // Signed for one key, sent for another list.
    let key = stage.app.partner().assigned("user-2", "customer-2").await;
    let page = stage.owner.post(&path, &[("keys", &key.key_id)]).await;
    let elsewhere = format!("/control/acls/{}/attached", stage.acl);
    assert_eq!(sign_page(&mut stage.owner, &page, &elsewhere).await.status, 409);
    attach(&mut stage.owner, &other, &key.key_id).await;
    attach(&mut stage.owner, &other, &key.key_id).await;
    assert_eq!(stage.logged("key.attached").await.len(), 2, "each key once");
}

async fn a_rotated_key_goes_under_a_list_with_those_that_it_replaced(app: App) {
    let mut stage = Stage::of(app, &EVERYBODY, &[]).await;
    let partner = stage.app.partner();
    let first = partner.assigned("user-2", "customer-2").await;
    let file = first.device().encrypt(b"what the file holds");
    let stored = partner.try_store_file(&first, &file, &serde_json::Value::Null).await.ok();
    let second = rotated(&stage.app, &first).await;
    let third = rotated(&stage.app, &second).await;
    let path = format!("/control/acls/{}/attach", stage.acl);
    let page = stage.owner.post(&path, &[("keys", &third.key_id)]).await;
    let mut all = [first, second, third].map(|key| key.key_id);
    let [first, second, third] = all.clone();
    // A key that was replaced goes where the one goes that replaced it, and nowhere by itself: not even if that is what
    // is sent.
    let alone = format!("The key {second} is superseded: put the key that replaced it under the list");
    let refused = stage.owner.post(&path, &[("keys", &format!("{first} {second}"))]).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains(&alone), "{}", refused.text());
    let document = hidden(&page.text(), "document");
    let mut sent: serde_json::Value = serde_json::from_str(&document).unwrap();
    sent["key_ids"].as_array_mut().unwrap().retain(|id| *id != third);
    let credential = sign(&stage.owner, &testkit::options_of(&page.text()));
    let attached = format!("/control/acls/{}/attached", stage.acl);
    let fields = [("document", sent.to_string()), ("credential", credential)];
    let refused =
        stage.owner.post(&attached, &fields.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    stage.refused("acl.attachment-refused", "key-superseded").await;

    let done = sign_page(&mut stage.owner, &page, &attached).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let guarded = |id: &String| format!("customer_keys WHERE id = '{id}' AND acl_id = '{}'", stage.acl);
    assert!(all.iter().all(|id| stage.app.place.rows(&guarded(id)) == 1));
    let mut logged: Vec<_> = partner.audit("&action=key.attached").await;
    logged.retain(|entry| entry["key_id"] != stage.key.key_id);
    let mut logged: Vec<_> = logged.iter().map(|entry| entry["key_id"].as_str().unwrap()).collect();
    logged.sort_unstable();
    all.sort_unstable();
    assert_eq!(logged, all);
    // The enclave has them under it as well: the file comes back, with all that may open it.
    let package = recover_key(&mut stage, &third).await;
    let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
    let backup = stored["backup_id"].as_str().unwrap();
    assert_eq!(std::fs::read(folder.join("files").join(backup)).unwrap(), file);
    assert!(all.iter().all(|id| folder.join("keys").join(format!("{id}.pem")).exists()));
    // None of them goes elsewhere.
    let other = make_list(&mut stage.owner, &EVERYBODY, &[("name", "Other")]).await;
    let elsewhere = stage.owner.post(&format!("/control/acls/{other}/attach"), &[("keys", &third)]).await;
    assert_eq!(elsewhere.status, 409, "{}", elsewhere.text());
    stage.refused("acl.attachment-refused", "key-guarded").await;
}

#[tokio::test]
async fn a_rotated_key_goes_under_a_list_with_those_that_it_replaced_on_sqlite() {
    Box::pin(a_rotated_key_goes_under_a_list_with_those_that_it_replaced(App::start().await)).await;
}

#[tokio::test]
async fn a_rotated_key_goes_under_a_list_with_those_that_it_replaced_on_postgres() {
    Box::pin(a_rotated_key_goes_under_a_list_with_those_that_it_replaced(App::on_postgres().await)).await;
}

/// Whoever holds one of them could open what the others guard: what a key replaced is under no other list than it.
#[tokio::test]
async fn a_key_goes_under_no_other_list_than_one_that_it_replaced() {
    let mut stage = Stage::new().await;
    let old = stage.app.partner().assigned("user-2", "customer-2").await;
    let new = rotated(&stage.app, &old).await;
    let other = make_list(&mut stage.owner, &EVERYBODY, &[("name", "Other")]).await;
    stage.app.place.run(&format!("UPDATE customer_keys SET acl_id = '{other}' WHERE id = '{}'", old.key_id));
    let path = format!("/control/acls/{}/attach", stage.acl);
    let refused = stage.owner.post(&path, &[("keys", &new.key_id)]).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(
        refused.text().contains(&format!("The key {} is under another list", old.key_id)),
        "{}",
        refused.text()
    );
    stage.refused("acl.attachment-refused", "key-guarded").await;
}

#[tokio::test]
async fn a_new_owner_signs_once_an_owner_on_record_has_signed_for_him() {
    let app = App::start().await;
    let mut owner = app.person("owner").await;
    let page = owner.open("/control/acls/owners").await.text();
    assert!(page.contains("This is version 1."), "ready-made: {page}");
    app.place.run("UPDATE people SET role = 'owner' WHERE email LIKE 'member-1@%'");
    let mut other = app.person("member-1").await;
    // He is not on record, and cannot put himself there.
    let fields = list_form(&other, &EVERYBODY, &[]).await;
    let answer = other.post("/control/acls/new", &pairs(&fields)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/control/acls/owners"));
    let page = other.open("/control/acls/owners").await;
    assert_eq!(sign_page(&mut other, &page, "/control/acls/owners").await.status, 403);
    let entries = app.partner().audit("&action=roster.refused").await;
    assert_eq!(entries[0]["reason"], "not-on-roster");
    let page = owner.open("/control/acls/owners").await;
    assert_eq!(sign_page(&mut owner, &page, "/control/acls/owners").await.status, 303);
    assert!(other.open("/control/acls/owners").await.text().contains("This is version 2."));
    make_list(&mut other, &EVERYBODY, &[]).await;
}

/// A list with a veto of the owner's, and a weaker version of it that has passed and waits: where.
async fn waiting() -> (Stage, String) {
    let seats = [("(owner@", "veto"), EVERYBODY[1], EVERYBODY[2]];
    let mut stage = Stage::with(&seats, &[("delay_hot_hours", "1")]).await;
    let path = weaker(&mut stage, "Treasury").await;
    for person in [&mut stage.first, &mut stage.second] {
        vote(person, &path, "yes").await;
    }
    assert!(stage.second.open(&path).await.text().contains("Passed, takes effect later"));
    (stage, path)
}

/// Proposes that the owner has a veto no more: where.
async fn weaker(stage: &mut Stage, name: &str) -> String {
    let more = [("delay_hot_hours", "1"), ("name", name)];
    let proposed = propose(stage, &EVERYBODY, &more).await;
    assert_eq!(proposed.status, 303, "{}", proposed.text());
    proposed.header("location").to_owned()
}

#[tokio::test]
async fn a_member_with_a_veto_stops_what_waits_and_nobody_else_does() {
    let (mut stage, path) = waiting().await;
    let stop = format!("{path}/stop");
    let page = stage.owner.open(&path).await.text();
    assert!(page.contains("Stop it") && page.contains("holdfast vote sign --reject"), "{page}");
    let asked = testkit::options_of(&page);
    assert!(!stage.first.open(&path).await.text().contains("Stop it"), "he has no veto");
    // Neither a normal member, nor anybody with the signature of the one who has the veto.
    for (credential, told) in
        [(sign(&stage.first, &asked), "no-veto"), (sign(&stage.owner, &asked), "no-veto")]
    {
        assert_eq!(stage.first.post(&stop, &[("credential", &credential)]).await.status, 403);
        stage.refused("acl.veto-refused", told).await;
    }
    let by_another = sign(&stage.first, &asked);
    let over_else = sign(&stage.owner, &altered(&asked));
    for credential in [by_another.as_str(), over_else.as_str(), ""] {
        assert_eq!(stage.owner.post(&stop, &[("credential", credential)]).await.status, 403, "{credential}");
        stage.refused("acl.veto-refused", "not-signed").await;
    }
    let good = sign(&stage.owner, &asked);
    assert_eq!(stage.owner.post(&stop, &[("credential", &good)]).await.status, 303);
    let page = stage.second.open(&path).await.text();
    assert!(page.contains("A member with a veto stopped it before it took effect"), "{page}");
    assert_eq!(stage.owner.post(&stop, &[("credential", &good)]).await.status, 409, "it is over");
    stage.refused("acl.veto-refused", "change-state").await;
    assert_eq!(stage.logged("acl.change-stopped").await.len(), 1);
    assert_eq!(stage.logged("acl.change-vetoed").await.len(), 1);
    for person in [&mut stage.owner, &mut stage.first, &mut stage.second] {
        assert!(person.open("/control/notices").await.text().contains("stopped by a veto"));
    }
    // The very same is not voted on again, another wish is; and the veto of before is none over it.
    let more = [("delay_hot_hours", "1"), ("name", "Treasury")];
    assert_eq!(propose(&mut stage, &EVERYBODY, &more).await.status, 409);
    stage.refused("acl.change-refused", "change-stopped").await;
    let next = weaker(&mut stage, "Treasury II").await;
    for person in [&mut stage.first, &mut stage.second] {
        vote(person, &next, "yes").await;
    }
    let replayed = stage.owner.post(&format!("{next}/stop"), &[("credential", &good)]).await;
    assert_eq!(replayed.status, 403, "{}", replayed.text());
    stage.refused("acl.veto-refused", "not-signed").await;
    assert!(stage.first.open(&next).await.text().contains("Passed, takes effect later"));
    // The delay goes by: what nobody stopped takes effect, and nothing else does.
    stage.app.clock.advance(std::time::Duration::from_hours(2));
    stage.first.sign_in().await;
    super::recoveries::wait_for(&stage, &next, "The list is this now").await;
    assert_eq!(stage.logged("acl.changed").await.len(), 1);
    assert!(stage.first.open(&path).await.text().contains("A member with a veto stopped it"));
}

/// The same options with another challenge.
fn altered(options: &serde_json::Value) -> serde_json::Value {
    let mut other = options.clone();
    other["publicKey"]["challenge"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into();
    other
}

#[tokio::test]
async fn webhooks_hear_of_what_waits_and_of_what_was_stopped() {
    let (mut stage, path) = waiting().await;
    let page = stage.owner.open(&path).await.text();
    let good = sign(&stage.owner, &testkit::options_of(&page));
    // Where the enclave is away, the veto is kept, and stops the change once it is back.
    stage.app.enclave.kill();
    let away = stage.owner.post(&format!("{path}/stop"), &[("credential", &good)]).await;
    assert_eq!(away.status, 503, "{}", away.text());
    stage.app.enclave.restart();
    let mut told = Vec::new();
    for _ in 0..100 {
        told = stage.app.events(&stage.app.partner()).await;
        told.retain(|event| event["type"].as_str().is_some_and(|name| name.starts_with("acl.change-")));
        if told.len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let types: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["acl.change-waiting", "acl.change-stopped"]);
    assert!(told.iter().all(|event| event["data"]["acl_id"] == stage.acl && event["data"]["version"] == 2));
    assert!(told[0]["data"]["effective_at"].is_string(), "{told:?}");
}
