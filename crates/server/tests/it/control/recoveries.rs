//! `/control/recoveries`: from the request to the opened package, and each day on which it goes wrong.

use std::process::Command;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use testkit::App;
use testkit::foreign::pipe;

use super::approvals::{EVERYBODY, Stage, attach, link, make_list, options_for, sign, vote};

/// Opens a package with stock tools: `gpg -d X | tar x`.
pub fn unpack(app: &App, message: &[u8]) -> std::path::PathBuf {
    let tar = app.fixture.recipient.gpg().decrypt(message);
    let folder = app.folder().join("unpacked");
    std::fs::create_dir_all(&folder).unwrap();
    pipe(Command::new("tar").arg("x").arg("-C").arg(&folder), &tar);
    folder
}

async fn three_people_give_a_backup_back(app: App) {
    let mut stage = Stage::of(app, &EVERYBODY, &[]).await;
    let path = stage.ask_and_prove().await;
    let page = stage.second.open(&path).await.text();
    for told in ["Short code of this recovery", "the phone is lost", "0 of the 2 that are needed", "Vote yes"]
    {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert_eq!(vote(&mut stage.first, &path, "yes").await.status, 303);
    assert!(
        stage.first.open(&path).await.text().contains("1 of the 2"),
        "the requester's own, and not alone"
    );
    let done = vote(&mut stage.second, &path, "yes").await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert!(
        stage.first.open(&path).await.text().contains("It is ready"),
        "{}",
        stage.first.get(&path).await.text()
    );
    let package = link(&mut stage.first, &path).await;
    let got = stage.first.get(&package).await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/octet-stream"));
    let folder = unpack(&stage.app, &got.body);
    assert_eq!(std::fs::read(folder.join("data").join(&stage.backup)).unwrap(), stage.plaintext);
    assert!(!folder.join("keys").exists(), "an RSA key that guards data alone stays where it is");
    assert!(stage.first.open(&path).await.text().contains("It was downloaded"));
    for (action, count) in [
        ("recovery.requested", 1),
        ("recovery.voted", 2),
        ("recovery.approved", 1),
        ("recovery.released", 1),
        ("recovery.link-made", 1),
        ("recovery.downloaded", 1),
        ("key.attached", 1),
        ("acl.made", 1),
        ("roster.signed", 1),
    ] {
        assert_eq!(stage.logged(action).await.len(), count, "{action}");
    }
}

#[tokio::test]
async fn three_people_give_a_backup_back_on_sqlite() {
    Box::pin(three_people_give_a_backup_back(App::start().await)).await;
}

#[tokio::test]
async fn three_people_give_a_backup_back_on_postgres() {
    Box::pin(three_people_give_a_backup_back(App::on_postgres().await)).await;
}

#[tokio::test]
async fn a_file_comes_as_it_was_uploaded_and_with_the_key_that_opens_it() {
    let mut stage = Stage::new().await;
    let partner = stage.app.partner();
    let secret = b"what the file holds".to_vec();
    let file = stage.key.device().encrypt(&secret);
    let stored = partner.try_store_file(&stage.key, &file, &serde_json::Value::Null).await.ok();
    let id = stored["backup_id"].as_str().unwrap().to_owned();
    // Rotated since: the file is encrypted to the key before.
    let rotated =
        partner.post(&format!("/v1/partner/keys/{}/rotate", stage.key.key_id), &serde_json::json!({})).await;
    let successor = rotated.ok()["key_id"].as_str().unwrap().to_owned();
    let package = recover_key(&mut stage, &successor).await;
    let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
    assert_eq!(std::fs::read(folder.join("files").join(&id)).unwrap(), file);
    assert_eq!(std::fs::read(folder.join("data").join(&stage.backup)).unwrap(), stage.plaintext);
    assert!(folder.join("keys").join(format!("{successor}.pem")).exists());
    let pem = folder.join("keys").join(format!("{}.pem", stage.key.key_id));
    let args = ["pkeyutl", "-decrypt", "-inkey", pem.to_str().unwrap(), "-pkeyopt", "rsa_padding_mode:oaep"];
    let more = ["-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"];
    let opened = testkit::foreign::openssl(&folder, &[&args[..], &more[..]].concat(), &file);
    assert_eq!(opened, secret, "the key before opens the file from before");
}

/// Asks for all that a key guards, and has it packed.
pub async fn recover_key(stage: &mut Stage, key: &str) -> String {
    let certificate = stage.app.fixture.recipient.certificate.clone();
    let asked = [("keys", key), ("reason", "an heir"), ("certificate", &certificate)];
    let answer = stage.first.post("/control/recoveries", &asked).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let path = answer.header("location").to_owned();
    let page = stage.first.open(&path).await.text();
    stage.play(&page, "approve_inquiry").await;
    vote(&mut stage.owner, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    link(&mut stage.first, &path).await
}

#[tokio::test]
async fn a_key_whose_private_half_went_out_takes_nothing_more_and_still_gives_back() {
    let mut stage = Stage::new().await;
    let (partner, key) = (stage.app.partner(), stage.key.key_id.clone());
    let file = stage.key.device().encrypt(b"what the file holds");
    partner.try_store_file(&stage.key, &file, &serde_json::Value::Null).await.ok();
    for times in 1..=2 {
        let package = recover_key(&mut stage, &key).await;
        let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
        assert!(folder.join("keys").join(format!("{key}.pem")).exists(), "{times}");
    }
    assert_eq!(stage.logged("key.released").await.len(), 1);
    let item = stage.key.device().item("more", b"letters");
    partner.try_store_data(&stage.key, &item).await.refused(409, "key-released");
    partner.try_store_file(&stage.key, &file, &serde_json::Value::Null).await.refused(409, "key-released");
    let rotated = partner.post(&format!("/v1/partner/keys/{key}/rotate"), &serde_json::json!({})).await;
    rotated.refused(409, "key-released");
    let details = partner.get(&format!("/v1/partner/keys/{key}")).await.ok();
    assert_eq!(details["status"], "released", "{details}");
    assert!(stage.owner.open(&format!("/control/keys/{key}")).await.text().contains("Given out"));
}

#[tokio::test]
async fn no_vote_takes_effect_before_the_check_and_a_check_that_does_not_come_lets_it_expire() {
    let mut stage = Stage::new().await;
    let path = stage.ask().await;
    for person in [&mut stage.first, &mut stage.second] {
        assert_eq!(vote(person, &path, "yes").await.status, 303);
    }
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("has still to prove who he is") && page.contains("Voted on"), "{page}");
    stage.app.clock.advance(std::time::Duration::from_hours(25));
    stage.first.sign_in().await;
    let page = wait_for(&stage, &path, "Expired").await;
    assert!(page.contains("did not end within 24 hours"), "{page}");
    assert_eq!(stage.logged("recovery.expired").await, [("ok".to_owned(), "check-expired".to_owned())]);
    let path = stage.ask().await;
    assert!(!path.is_empty(), "its key is free again");
}

/// Looks at a page until the jobs have come by.
pub async fn wait_for(stage: &Stage, path: &str, word: &str) -> String {
    for _ in 0..100 {
        let page = stage.first.get(path).await.text();
        if page.contains(word) {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    unreachable!("{word} never came: {}", stage.first.get(path).await.text())
}

#[tokio::test]
async fn a_vote_is_one_of_a_member_final_and_in_time() {
    let mut stage = Stage::with(&EVERYBODY[1..], &[]).await;
    let path = stage.ask_and_prove().await;
    // The owner is not on this list.
    let page = stage.owner.open(&path).await.text();
    assert!(!page.contains("Vote yes"), "{page}");
    let page = stage.second.open(&path).await.text();
    let (yes, no) = (options_for(&page, "yes"), options_for(&page, "no"));
    let forged = sign(&stage.owner, &yes);
    let answer =
        stage.owner.post(&format!("{path}/vote"), &[("approve", "yes"), ("credential", &forged)]).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("not on the list"), "{}", answer.text());
    stage.refused("recovery.vote-refused", "not-on-acl").await;
    // A no that was signed is no yes, and another's passkey is not his.
    let vote_path = format!("{path}/vote");
    for credential in [sign(&stage.second, &no), sign(&stage.first, &yes), "{}".to_owned()] {
        let answer = stage.second.post(&vote_path, &[("approve", "yes"), ("credential", &credential)]).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        stage.refused("recovery.vote-refused", "not-signed").await;
    }
    assert_eq!(vote(&mut stage.first, &path, "yes").await.status, 303);
    let again = sign(&stage.first, &yes);
    let answer = stage.first.post(&vote_path, &[("approve", "yes"), ("credential", &again)]).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("final"), "{}", answer.text());
    stage.refused("recovery.vote-refused", "already-voted").await;
    stage.app.clock.advance(std::time::Duration::from_hours(7 * 24));
    stage.second.sign_in().await;
    let late = sign(&stage.second, &yes);
    let answer = stage.second.post(&vote_path, &[("approve", "yes"), ("credential", &late)]).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    stage.refused("recovery.vote-refused", "vote-closed").await;
    stage.first.sign_in().await;
    assert!(wait_for(&stage, &path, "Expired").await.contains("before the vote closed"));
}

#[tokio::test]
async fn enough_who_say_no_end_it() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    assert_eq!(vote(&mut stage.owner, &path, "no").await.status, 303);
    assert_eq!(vote(&mut stage.second, &path, "no").await.status, 303);
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("Declined") && page.contains("voted down"), "{page}");
    assert_eq!(stage.first.post(&format!("{path}/link"), &[]).await.status, 409);
    stage.refused("recovery.link-refused", "no-package").await;
}

#[tokio::test]
async fn a_veto_stops_what_has_passed_and_waits() {
    let seats = [("(owner@", "veto"), EVERYBODY[1], EVERYBODY[2]];
    let mut stage = Stage::with(&seats, &[("delay_hot_hours", "1")]).await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    let page = stage.owner.open(&path).await.text();
    assert!(page.contains("Approved, waits") && page.contains("Its delay ends"), "{page}");
    let options = testkit::options_of(&page);
    // One without a veto stops nothing.
    let other = sign(&stage.second, &options);
    let answer = stage.second.post(&format!("{path}/stop"), &[("credential", &other)]).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    stage.refused("recovery.veto-refused", "no-veto").await;
    let credential = sign(&stage.owner, &options);
    let answer = stage.owner.post(&format!("{path}/stop"), &[("credential", &credential)]).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("A member with a veto stopped it"), "{page}");
}

#[tokio::test]
async fn who_asks_and_for_what_is_looked_at_first() {
    let mut stage = Stage::with(&EVERYBODY[..2], &[]).await;
    // Not on the list.
    let fields = stage.asked();
    let fields: Vec<(String, String)> =
        fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let fields = super::approvals::pairs(&fields);
    let answer = stage.second.post("/control/recoveries", &fields).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("not on the list"), "{}", answer.text());
    stage.refused("recovery.refused", "not-on-acl").await;
    // An OpenPGP key that cannot receive.
    let gpg = testkit::foreign::Gpg::default();
    let sign_only = gpg.generate("Signs", "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign", &[]);
    let sign_only = gpg.export(&sign_only);
    for (certificate, told) in
        [("no key", "not a readable"), ("", "not a readable"), (&sign_only, "no key that may encrypt")]
    {
        let mut fields = fields.clone();
        fields[2].1 = certificate;
        let answer = stage.first.post("/control/recoveries", &fields).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(told), "{told}: {}", answer.text());
        stage.refused("recovery.refused", "validation-failed").await;
    }
    // A key under no list.
    let bare = stage.app.partner().assigned("user-2", "customer-2").await;
    let of_key = [("keys", bare.key_id.as_str()), fields[1], fields[2]];
    let answer = stage.first.post("/control/recoveries", &of_key).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    stage.refused("recovery.refused", "key-unguarded").await;
    // One runs.
    assert_eq!(stage.first.post("/control/recoveries", &fields).await.status, 303);
    let answer = stage.first.post("/control/recoveries", &fields).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    stage.refused("recovery.refused", "recovery-running").await;
    // And while it runs, its key stays as it is.
    let partner = stage.app.partner();
    let rotate = format!("/v1/partner/keys/{}/rotate", stage.key.key_id);
    let answer = partner.post(&rotate, &serde_json::json!({})).await;
    assert_eq!((answer.status, &answer.json()["code"]), (409, &serde_json::json!("recovery-running")));
}

#[tokio::test]
async fn a_superseded_key_names_the_one_that_replaced_it() {
    let mut stage = Stage::new().await;
    let partner = stage.app.partner();
    let rotated =
        partner.post(&format!("/v1/partner/keys/{}/rotate", stage.key.key_id), &serde_json::json!({})).await;
    let successor = rotated.ok()["key_id"].as_str().unwrap().to_owned();
    let certificate = stage.app.fixture.recipient.certificate.clone();
    let asked = [("keys", stage.key.key_id.as_str()), ("reason", "x"), ("certificate", &certificate)];
    let answer = stage.first.post("/control/recoveries", &asked).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains(&successor), "{}", answer.text());
    stage.refused("recovery.refused", "key-superseded").await;
}

#[tokio::test]
async fn a_link_opens_once_in_time_and_for_whoever_asked() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    let once = link(&mut stage.first, &path).await;
    let answer = stage.second.get(&once).await;
    assert_eq!(answer.status, 403, "another person: {}", answer.text());
    stage.refused("recovery.download-refused", "not-the-requester").await;
    assert_eq!(stage.second.post(&format!("{path}/link"), &[]).await.status, 403);
    assert_eq!(stage.first.get(&once).await.status, 200);
    let answer = stage.first.get(&once).await;
    assert_eq!(answer.status, 403, "twice");
    assert!(answer.text().contains("opens once"), "{}", answer.text());
    stage.refused("recovery.download-refused", "link-spent").await;
    let late = link(&mut stage.first, &path).await;
    stage.app.clock.advance(std::time::Duration::from_mins(15));
    let answer = stage.first.get(&late).await;
    assert!(answer.status == 403 && answer.text().contains("too old"), "{}", answer.text());
    let answer = stage.first.get(&format!("{path}/package?token=x")).await;
    assert_eq!(answer.status, 403, "made up");
    // After its days the package is gone.
    stage.app.clock.advance(std::time::Duration::from_hours(7 * 24));
    stage.first.sign_in().await;
    assert_eq!(stage.first.post(&format!("{path}/link"), &[]).await.status, 409);
    stage.refused("recovery.link-refused", "no-package").await;
}

#[tokio::test]
async fn a_row_that_says_approved_gives_nothing() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let sql = format!("UPDATE control_recoveries SET state = 'preparing', release_at = 0 WHERE id = '{id}'");
    stage.app.place.run(&sql);
    let page = wait_for(&stage, &path, "Expired").await;
    assert!(page.contains("does not accept what was to prove it"), "{page}");
    assert_eq!(stage.logged("recovery.expired").await, [("failed".to_owned(), "release-refused".to_owned())]);
    assert!(stage.logged("recovery.released").await.is_empty());
}

#[tokio::test]
async fn an_enclave_that_is_away_is_asked_again() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    stage.app.enclave.kill();
    vote(&mut stage.second, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("Preparing"));
    stage.app.stop_service().await;
    stage.app.enclave.restart();
    stage.app.start_service().await.unwrap();
    stage.first = stage.app.person("member-1").await;
    wait_for(&stage, &path, "It is ready").await;
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing_and_neither_does_one_of_50_megabytes() {
    let mut stage = Stage::new().await;
    let fields: Vec<(String, String)> =
        stage.asked().iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let answer =
        stage.first.post_with("/control/recoveries", "another", &super::approvals::pairs(&fields)).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    let huge = "x".repeat(50 * 1024 * 1024);
    let mut fields = super::approvals::pairs(&fields);
    fields[2].1 = &huge;
    let answer = stage.first.post("/control/recoveries", &fields).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("too large"), "{}", answer.text());
    assert!(stage.logged("recovery.requested").await.is_empty());
}

#[tokio::test]
async fn where_the_list_says_so_a_vote_counts_once_its_voter_was_checked() {
    let mut stage = Stage::with(&EVERYBODY, &[("check_voters", "yes")]).await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.owner, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    let page = stage.owner.open(&path).await.text();
    assert!(page.contains("0 of the 2") && page.contains("counts once the check has passed"), "{page}");
    stage.play(&page, "approve_inquiry").await;
    assert!(stage.first.open(&path).await.text().contains("1 of the 2"));
    let page = stage.second.open(&path).await.text();
    stage.play(&page, "approve_inquiry").await;
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
}

#[tokio::test]
async fn a_reset_ends_lists_and_recoveries_and_people_stay() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    assert_eq!(stage.app.partner().post("/v1/sandbox/reset", &serde_json::json!({})).await.status, 200);
    assert_eq!(stage.first.get(&path).await.status, 404);
    assert_eq!(stage.first.get(&format!("/control/acls/{}", stage.acl)).await.status, 404);
    let acl = make_list(&mut stage.owner, &EVERYBODY, &[]).await;
    let key = stage.app.partner().assigned("user-1", "customer-1").await;
    attach(&mut stage.owner, &acl, &key.key_id).await;
}

#[tokio::test]
async fn another_tenants_recovery_is_none() {
    let mut stage = Stage::new().await;
    let path = stage.ask().await;
    let other = stage.app.person_of(domain::credential::TenantKind::Institution, "owner").await;
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.get(&format!("/control/acls/{}", stage.acl)).await.status, 404);
}

#[tokio::test]
async fn a_vote_is_signed_away_from_any_network_and_handed_in_as_a_file() {
    let key = Ed25519KeyPair::generate().unwrap();
    let public_key = domain::audit::hex(key.public_key().as_ref());
    let app = App::start().await;
    let owner = app.person("owner").await;
    let form = super::approvals::list_form(&owner, &EVERYBODY, &[]).await;
    let seat = form.iter().filter_map(|(name, _)| name.strip_prefix("seat-")).nth(2).unwrap();
    let offline = format!("offline-{seat}");
    let mut stage = Stage::of(app, &EVERYBODY, &[(&offline, &public_key)]).await;
    let path = stage.ask_and_prove().await;
    let request = stage.second.get(&format!("{path}/request")).await.ok();
    let intent = request["intent"].as_str().unwrap().as_bytes();
    let hash: [u8; 32] =
        digest::digest(&digest::SHA256, &boundary::intent::preimage(intent)).as_ref().try_into().unwrap();
    let code = boundary::approval::short_code(&hash);
    assert!(stage.second.open(&path).await.text().contains(&code[..4]), "the same code on the page");
    let signature = key.sign(&boundary::approval::vote_message(&hash));
    let ballot = serde_json::json!({
        "version": 1, "person_id": seat, "approve": true, "hash": domain::audit::hex(&hash),
        "short_code": code, "kind": "ed25519",
        "signature": testkit::device::base64(signature.as_ref()),
    });
    let ballot = ballot.to_string();
    let action = format!("{path}/ballot");
    let answer = stage.first.post(&action, &[("ballot", &ballot)]).await;
    assert_eq!(answer.status, 403, "another person's: {}", answer.text());
    stage.refused("recovery.vote-refused", "not-signed").await;
    let no = ballot.replace("\"approve\":true", "\"approve\":false");
    assert_eq!(stage.second.post(&action, &[("ballot", &no)]).await.status, 403, "a yes is no no");
    assert_eq!(stage.second.post(&action, &[("ballot", "{}")]).await.status, 400);
    assert_eq!(stage.second.post(&action, &[("ballot", &ballot)]).await.status, 303);
    vote(&mut stage.first, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
}

#[tokio::test]
async fn a_persons_check_is_no_event_of_the_tenants_and_the_recovery_is() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    let told = |of: &str| stage.app.place.rows(&format!("events WHERE type LIKE '{of}'"));
    assert_eq!(told("inquiry.%"), 0, "he is no customer");
    for event in ["recovery.requested", "recovery.approved", "recovery.released", "acl.changed"] {
        assert_eq!(told(event), 1, "{event}");
    }
}
