//! Votes that are signed away from any network, with an OpenPGP key, and handed in on the page as a file.

use client::vote::{Ask, What, differences};
use testkit::foreign::{Gpg, pipe};
use testkit::{Answer, App, Person};

use super::acls::propose;
use super::approvals::{EVERYBODY, Stage, list_form, pairs, vote};

const SIGNS: &str = "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign";

/// The second member's place in the form of a list.
async fn offline_field(app: &App) -> String {
    let form = list_form(&app.person("owner").await, &EVERYBODY, &[]).await;
    let seat = form.iter().filter_map(|(name, _)| name.strip_prefix("seat-")).nth(2).unwrap();
    format!("offline-{seat}")
}

/// What is asked on a page, read from its file.
async fn read(person: &Person, path: &str) -> Ask {
    let file = person.get(&format!("{path}/request")).await;
    assert!(file.header("content-disposition").starts_with("attachment"), "{}", file.status);
    let ask = Ask::read(&file.body).unwrap();
    let page = person.get(path).await.text();
    assert!(page.contains(&ask.short_code()[..4]) && page.contains("/ballot\""), "{page}");
    ask
}

fn signed(gpg: &Gpg, key: &str, ask: &Ask, approve: bool) -> Vec<u8> {
    pipe(gpg.command().args(["--local-user", key, "--detach-sign"]), &ask.message(approve))
}

async fn hand_in(person: &mut Person, path: &str, ballot: &serde_json::Value) -> Answer {
    person.post(&format!("{path}/ballot"), &[("ballot", &ballot.to_string())]).await
}

#[tokio::test]
async fn an_openpgp_key_votes_on_a_recovery_and_on_a_change() {
    let (app, gpg) = (App::start().await, Gpg::default());
    let (mine, other) = (gpg.generate("Second", SIGNS, &[]), gpg.generate("Other", SIGNS, &[]));
    let field = offline_field(&app).await;
    let certificate = gpg.export(&mine);
    let mut stage = Stage::of(app, &EVERYBODY, &[(&field, &certificate)]).await;
    let path = stage.ask_and_prove().await;
    let ask = read(&stage.second, &path).await;
    assert!(ask.intent().is_some_and(|intent| intent.reason == "the phone is lost"));
    let ballot = ask.signed_by_openpgp(&signed(&gpg, &mine, &ask, true), true).unwrap();
    let ballot = serde_json::to_value(ballot).unwrap();
    let with = |name: &str, value: &str| {
        let mut bad = ballot.clone();
        bad[name] = serde_json::json!(value);
        bad
    };
    let forged = testkit::device::base64(&signed(&gpg, &other, &ask, true));
    let of_no = testkit::device::base64(&signed(&gpg, &mine, &ask, false));
    for (bad, status) in [
        (with("kind", "webauthn"), 400),
        (with("hash", &"ab".repeat(32)), 400),
        (with("kind", "ed25519"), 403),
        (with("signature", ""), 403),
        (with("signature", &of_no), 403),
        (with("signature", &forged), 403),
    ] {
        let answer = hand_in(&mut stage.second, &path, &bad).await;
        assert_eq!(answer.status, status, "{bad}: {}", answer.text());
    }
    stage.refused("recovery.vote-refused", "not-signed").await;
    assert_eq!(hand_in(&mut stage.first, &path, &ballot).await.status, 403, "another person's");
    assert_eq!(hand_in(&mut stage.second, &path, &ballot).await.status, 303);
    vote(&mut stage.first, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("It is ready"), "the enclave counts it");

    let path = propose(&mut stage, &EVERYBODY, &[("number", "1")]).await.header("location").to_owned();
    let ask = read(&stage.second, &path).await;
    let What::Change(next) = ask.what() else { unreachable!("a change") };
    let told: Vec<_> = differences(ask.list(), next).into_iter().map(|found| found.text).collect();
    assert!(told.iter().any(|text| text.contains("1 of 3 (exactly 1); before: 2 of 3")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("no longer signs with 1 of his keys")), "{told:?}");
    let ballot = ask.signed_by_openpgp(&signed(&gpg, &mine, &ask, true), true).unwrap();
    let ballot = serde_json::to_value(ballot).unwrap();
    let mut of_recovery = ballot.clone();
    of_recovery["hash"] = serde_json::json!("cd".repeat(32));
    assert_eq!(hand_in(&mut stage.second, &path, &of_recovery).await.status, 400);
    assert_eq!(hand_in(&mut stage.first, &path, &ballot).await.status, 403);
    stage.refused("acl.vote-refused", "not-signed").await;
    assert_eq!(hand_in(&mut stage.second, &path, &ballot).await.status, 303);
    assert_eq!(hand_in(&mut stage.second, &path, &ballot).await.status, 409, "a vote is final");
    vote(&mut stage.first, &path, "yes").await;
    assert!(stage.first.open(&path).await.text().contains("The list is this now."));
    let voted = stage.logged("acl.change-voted").await;
    assert!(voted.iter().all(|(_, reason)| reason.ends_with(" yes")), "{voted:?}");
}

#[tokio::test]
async fn only_a_public_certificate_is_taken_for_an_offline_key() {
    let (app, gpg) = (App::start().await, Gpg::default());
    let field = offline_field(&app).await;
    let key = gpg.generate("Second", SIGNS, &[]);
    let (public, secret) = (gpg.export(&key), gpg.export_secret(&key));
    let mut owner = app.person("owner").await;
    let both = format!("{public}{public}");
    for bad in [secret.as_str(), &both, "no key", &"ab".repeat(31), &"c5".repeat(100)] {
        let fields = list_form(&owner, &EVERYBODY, &[(&field, bad)]).await;
        let answer = owner.post("/control/acls/new", &pairs(&fields)).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
        assert!(answer.text().contains("one public OpenPGP certificate"), "{}", answer.text());
    }
    let fields = list_form(&owner, &EVERYBODY, &[(&field, &public)]).await;
    let answer = owner.post("/control/acls/new", &pairs(&fields)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(super::approvals::hidden(&answer.text(), "document").contains("\"kind\":\"openpgp\""));
}
