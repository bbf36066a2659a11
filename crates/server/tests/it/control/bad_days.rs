//! Days on which a recovery goes wrong by somebody's fault, or by nobody's.

use testkit::foreign::{CURVE25519, Gpg};
use testkit::{App, Person};

use super::acls::propose;
use super::approvals::{EVERYBODY, Stage, link, options_for, pairs, sign, vote};
use super::path_of;
use super::recoveries::wait_for;

/// Takes the second member out of the team.
async fn remove_second(stage: &mut Stage) {
    let path = path_of(&stage.owner, &stage.second.email).await;
    let removed = stage.owner.post(&format!("{path}/remove"), &[]).await;
    assert_eq!(removed.status, 303, "{}", removed.text());
}

#[tokio::test]
async fn an_openpgp_key_that_has_expired_is_refused_at_the_request() {
    let mut stage = Stage::new().await;
    let (gpg, past) = (Gpg::default(), ["--faked-system-time", "20200101T000000!"]);
    let expired = gpg.generate("expired", &format!("{CURVE25519}\nExpire-Date: 1d"), &past);
    let certificate = gpg.export(&expired);
    let backup = stage.backup.clone();
    let fields = [("backups", backup.as_str()), ("reason", "an heir"), ("certificate", &certificate)];
    let answer = stage.first.post("/control/recoveries", &fields).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("has expired"), "{}", answer.text());
    assert!(answer.text().contains("an heir"), "what was filled in stays: {}", answer.text());
    stage.refused("recovery.refused", "validation-failed").await;
    assert_eq!(stage.app.place.rows("control_recoveries"), 0);
    assert_eq!(stage.app.place.rows("verifications"), 0, "nobody is checked for nothing");
}

/// The first member with another passkey of his own, which counts as the one that he has does.
async fn with_another_passkey(app: &App) -> Person {
    let mut person = app.person("member-1").await;
    let page = person.open("/control/account/factors").await;
    let made = person.make_passkey(&page.text(), b"another passkey of the first");
    let added = person.post("/control/account/factors", &[("credential", &made), ("label", "blue")]).await;
    assert_eq!(added.status, 303, "{}", added.text());
    person
}

#[tokio::test]
async fn two_passkeys_of_one_person_are_one_vote() {
    let app = App::start().await;
    let other = with_another_passkey(&app).await;
    let mut stage = Stage::of(app, &EVERYBODY, &[]).await;
    let path = stage.ask_and_prove().await;
    let page = stage.first.open(&path).await.text();
    let yes = options_for(&page, "yes");
    let vote_path = format!("{path}/vote");
    let blue = sign(&other, &yes);
    let answer = stage.first.post(&vote_path, &[("approve", "yes"), ("credential", &blue)]).await;
    assert_eq!(answer.status, 303, "either of them signs: {}", answer.text());
    let second = sign(&stage.first, &yes);
    let answer = stage.first.post(&vote_path, &[("approve", "yes"), ("credential", &second)]).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("final"), "{}", answer.text());
    stage.refused("recovery.vote-refused", "already-voted").await;
    let page = stage.second.open(&path).await.text();
    assert!(page.contains("1 of the 2") && page.contains("Voted on"), "{page}");
    assert_eq!(stage.app.place.rows("control_votes"), 1);
}

#[tokio::test]
async fn whoever_is_removed_votes_no_more() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    let page = stage.second.open(&path).await.text();
    let credential = sign(&stage.second, &options_for(&page, "yes"));
    remove_second(&mut stage).await;
    let fields = [("approve", "yes"), ("credential", credential.as_str())];
    let answer = stage.second.post(&format!("{path}/vote"), &fields).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/control/sign-in"));
    // Nor does anybody else hand his signature in.
    let answer = stage.first.post(&format!("{path}/vote"), &fields).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(stage.app.place.rows("control_votes"), 0);
    assert!(stage.first.open(&path).await.text().contains("0 of the 2"));
}

#[tokio::test]
async fn the_yes_of_whoever_is_removed_counts_no_more() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    assert_eq!(vote(&mut stage.second, &path, "yes").await.status, 303);
    assert!(stage.first.open(&path).await.text().contains("1 of the 2"));
    remove_second(&mut stage).await;
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("0 of the 2") && page.contains("he was taken out of the team"), "{page}");
    assert_eq!(vote(&mut stage.first, &path, "yes").await.status, 303);
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("1 of the 2") && page.contains("Voted on"), "{page}");
    // Those who are left decide, and the enclave is shown their votes alone.
    assert_eq!(vote(&mut stage.owner, &path, "yes").await.status, 303);
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
}

#[tokio::test]
async fn the_no_of_whoever_is_removed_stays() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    assert_eq!(vote(&mut stage.second, &path, "no").await.status, 303);
    remove_second(&mut stage).await;
    assert_eq!(vote(&mut stage.owner, &path, "no").await.status, 303);
    let page = stage.first.open(&path).await.text();
    assert!(page.contains("Declined") && page.contains("voted down"), "{page}");
}

#[tokio::test]
async fn a_change_does_not_pass_on_the_yes_of_whoever_was_removed_since() {
    let mut stage = Stage::new().await;
    let proposed = propose(&mut stage, &EVERYBODY, &[("name", "Another name")]).await;
    let path = proposed.header("location").to_owned();
    assert_eq!(vote(&mut stage.second, &path, "yes").await.status, 303);
    remove_second(&mut stage).await;
    assert_eq!(vote(&mut stage.owner, &path, "yes").await.status, 303);
    let page = stage.first.open(&path).await.text();
    assert!(
        page.contains("It passes when 2 of 3") && page.contains("he was taken out of the team"),
        "{page}"
    );
    assert_eq!(vote(&mut stage.first, &path, "yes").await.status, 303);
    assert!(stage.first.open(&path).await.text().contains("The list is this now."));
}

/// Starts the enclave and the service anew.
async fn restart(stage: &mut Stage) {
    stage.app.stop_service().await;
    stage.app.enclave.restart();
    stage.app.start_service().await.unwrap();
    stage.first = stage.app.person("member-1").await;
}

#[tokio::test]
async fn what_has_passed_is_not_packed_on_the_yes_of_whoever_was_removed_since() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    stage.app.enclave.kill();
    vote(&mut stage.second, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("Preparing"));
    remove_second(&mut stage).await;
    restart(&mut stage).await;
    let page = wait_for(&stage, &path, "Expired").await;
    assert!(page.contains("does not accept what was to prove it"), "{page}");
    assert!(stage.logged("recovery.released").await.is_empty());
}

#[tokio::test]
async fn what_was_packed_and_not_written_down_is_packed_again_three_times_at_most() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
    // As it is when everything stops after the enclave has packed, and before that is written down.
    let forget = "UPDATE control_recoveries SET state = 'preparing', keep_until = NULL, \
                  package_sha256 = NULL, package_size = NULL";
    for _ in 0..2 {
        stage.app.stop_service().await;
        stage.app.place.run(forget);
        restart(&mut stage).await;
        wait_for(&stage, &path, "It is ready").await;
    }
    stage.first.open(&path).await;
    let package = link(&mut stage.first, &path).await;
    let got = stage.first.get(&package).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let tar = stage.app.fixture.recipient.gpg().decrypt(&got.body);
    assert!(tar.windows(stage.plaintext.len()).any(|window| window == stage.plaintext));
    stage.app.stop_service().await;
    stage.app.place.run(forget);
    restart(&mut stage).await;
    let page = wait_for(&stage, &path, "Expired").await;
    assert!(page.contains("does not accept what was to prove it"), "{page}");
    assert_eq!(stage.logged("recovery.expired").await, [("failed".to_owned(), "release-refused".to_owned())]);
}

#[tokio::test]
async fn a_check_that_another_person_stood_for_goes_nowhere() {
    let mut stage = Stage::new().await;
    let path = stage.ask().await;
    let page = stage.first.open(&path).await.text();
    stage.play_as(&page, "approve_inquiry", Some("Somebody")).await;
    assert!(stage.first.open(&path).await.text().contains("may not be who asked"));
    for person in [&mut stage.owner, &mut stage.second] {
        assert_eq!(vote(person, &path, "yes").await.status, 303);
        let page = person.open(&path).await.text();
        assert!(page.contains("2 of the 2") || page.contains("1 of the 2"), "{page}");
        assert!(page.contains("Voted on") && page.contains("may not be who asked"), "{page}");
    }
    assert_eq!(stage.first.post(&format!("{path}/link"), &[]).await.status, 409);
    stage.app.clock.advance(std::time::Duration::from_hours(24));
    stage.first.sign_in().await;
    let page = wait_for(&stage, &path, "Expired").await;
    assert!(page.contains("did not end within 24 hours"), "{page}");
    assert_eq!(stage.logged("recovery.expired").await, [("ok".to_owned(), "check-expired".to_owned())]);
    // It holds nothing up: he asks anew, and proves who he is.
    let asked: Vec<(String, String)> =
        stage.asked().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(stage.first.post("/control/recoveries", &pairs(&asked)).await.status, 303);
}
