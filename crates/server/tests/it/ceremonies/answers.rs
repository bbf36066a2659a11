//! What comes back from a ceremony is believed to the letter: here the test is the offline enclave, and answers as that
//! one never does.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use boundary::Env;
use boundary::cold::{Answers, File, Signed, preimage};
use boundary::message::{Checked, KeyType, MovedItem, Refusal, Reply, Rewrapped, Verified};
use boundary::wire::Wire as _;
use serde_json::json;
use server::admin::{Exported, Order};
use testkit::{App, Given};

use super::moves::{key_of, rotated, state, store};
use super::{answer, check_of, cold_key, export, hold, import};
use crate::control::approvals::{EVERYBODY, Stage, attach, make_list, vote};

/// The offline enclave, as far as the server can tell.
pub struct Played(Ed25519KeyPair);

impl Played {
    pub fn of(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub async fn export(&self, app: &App, keys: &[KeyType]) -> Exported {
        self.export_order(app, keys, false).await
    }

    /// With all records of checks.
    pub async fn export_with_records(&self, app: &App) -> Exported {
        self.export_order(app, &[], true).await
    }

    async fn export_order(&self, app: &App, keys: &[KeyType], reseal: bool) -> Exported {
        let offline = self.0.public_key().as_ref().try_into().unwrap();
        let admin = app.admin().await;
        let exported =
            admin.export_bundle(&Order { offline, keys: keys.to_vec(), reseal, after: None }).await.unwrap();
        admin.close().await;
        exported
    }

    /// These answers, under its signature.
    pub fn answers(&self, to: &Exported, env: Env, replies: &[Reply]) -> Vec<u8> {
        let parts: Vec<_> = replies.iter().map(Reply::to_bytes).collect();
        let sha256 = |part: &Vec<u8>| digest(&SHA256, part).as_ref().try_into().unwrap();
        let (sequence, hashes) = (to.sequence.unsigned_abs(), parts.iter().map(sha256).collect());
        let body = Answers { env, sequence, bundle: to.hash, log_sequence: 1, parts: hashes }.to_bytes();
        let signature = self.0.sign(&preimage("answers", &body)).as_ref().to_vec();
        File { head: Signed { body, signature }, parts }.to_bytes()
    }

    async fn answer(&self, app: &App, to: &Exported, replies: &[Reply]) -> Result<Vec<String>, String> {
        import(app, &self.answers(to, Env::Sandbox, replies)).await.map(|imported| imported.lines)
    }
}

pub fn taken() -> Reply {
    Reply::Verified(Verified { at_ms: 1 })
}

fn moved(items: Vec<Option<MovedItem>>) -> Reply {
    Reply::Rewrapped(Rewrapped { items })
}

/// A key with one item that waits for its check.
async fn unchecked(app: &App) -> Given {
    let key = cold_key(app, "user-1").await;
    let item = key.device().item("seed", b"abandon ability able");
    assert_eq!(check_of(app, &key, &item).await, "unverified-cold");
    key
}

#[tokio::test]
async fn answers_are_whole_signed_and_taken_in_turn() {
    let app = App::start().await;
    unchecked(&app).await;
    let (offline, other) = (Played::of(7), Played::of(8));
    let first = offline.export(&app, &[]).await;
    assert_eq!(first.entries, 2, "whose key it is, and the check");
    let replies = [taken(), Reply::Refused(Refusal::CheckFailed)];
    let good = offline.answers(&first, Env::Sandbox, &replies);
    let with_parts = |of: &[Reply]| {
        let parts = of.iter().map(Reply::to_bytes).collect();
        File { parts, ..File::from_bytes(&good).unwrap() }.to_bytes()
    };
    let before = app.census();
    for (file, why) in [
        (offline.answers(&first, Env::Sandbox, &replies[..1]), "one answer for each"),
        (offline.answers(&first, Env::Sandbox, &[&replies[..], &[taken()]].concat()), "one answer for each"),
        (offline.answers(&first, Env::Production, &replies), "another environment"),
        (other.answers(&first, Env::Sandbox, &replies), "altered"),
        (with_parts(&[taken(), taken()]), "altered"),
        (with_parts(&replies[..1]), "altered"),
    ] {
        let error = import(&app, &file).await.unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    assert_eq!(app.census(), before);
    // Another bundle of this number was answered: this one's answers come too late, and all of them.
    let second = offline.export(&app, &[KeyType::Ed25519]).await;
    assert_eq!((first.sequence, second.sequence), (1, 1));
    let lack = Reply::Refused(Refusal::Malformed);
    let lines = offline.answer(&app, &second, &[lack.clone(), lack.clone(), lack]).await.unwrap();
    assert!(lines[0].ends_with("no keys were made"), "{lines:?}");
    let before = app.census();
    let error = import(&app, &good).await.unwrap_err();
    assert!(error.contains("were imported"), "{error}");
    assert_eq!(app.census(), before);
}

#[tokio::test]
async fn what_is_no_answer_to_its_question_changes_nothing() {
    let app = App::start().await;
    let key = unchecked(&app).await;
    let offline = Played::of(7);
    let waits = || {
        (app.place.rows("backups WHERE check_state = 'unverified-cold'"), app.place.rows("offline_requests"))
    };
    let exported = offline.export(&app, &[]).await;
    assert_eq!(waits(), (1, 1));
    for records in [vec![], vec![vec![1], vec![2]]] {
        let answers = [Reply::Refused(Refusal::SealBroken), Reply::Checked(Checked { records })];
        offline.answer(&app, &exported, &answers).await.unwrap_err();
        assert_eq!(waits(), (1, 1), "of one item there is one record");
    }
    for refusal in [Refusal::SealBroken, Refusal::Crashed] {
        let answers = [Reply::Refused(refusal.clone()), Reply::Refused(refusal)];
        let lines = offline.answer(&app, &exported, &answers).await.unwrap();
        assert!(lines.iter().all(|line| line.ends_with("next ceremony")), "{lines:?}");
        assert_eq!(waits(), (1, 1), "it is told again, and checked later");
    }
    assert_eq!(offline.export(&app, &[]).await.entries, 2);

    // What was not checked does not move: no record says what it is.
    let new = rotated(&app, &key).await;
    let exported = offline.export(&app, &[]).await;
    assert_eq!(exported.entries, 3, "whose the keys are, and the check");
    assert_eq!(state(&app, &key).await, ("superseding".to_owned(), 1));
    let answers = [taken(), taken(), Reply::Checked(Checked { records: vec![vec![9]] })];
    offline.answer(&app, &exported, &answers).await.unwrap();
    let backup = app.partner().get(&format!("/v1/partner/backups?key_id={}", key.key_id)).await.ok();
    let backup = backup["data"][0]["backup_id"].as_str().unwrap().to_owned();
    let exported = offline.export(&app, &[]).await;
    assert_eq!(exported.entries, 1, "the backup");
    let item = MovedItem { ciphertext: vec![1; 512], record: vec![2] };
    for items in [vec![], vec![Some(item.clone()), None], vec![None, None]] {
        offline.answer(&app, &exported, &[moved(items)]).await.unwrap_err();
        assert_eq!(key_of(&app, &backup).await, key.key_id, "of one item there is one answer");
    }
    let set = |state: &str| {
        app.place.run(&format!("UPDATE customer_keys SET state = '{state}' WHERE id = '{}'", key.key_id));
    };
    set("superseded");
    let lines = offline.answer(&app, &exported, &[moved(vec![Some(item.clone())])]).await.unwrap();
    assert!(lines[0].contains("not being replaced any more") && lines.len() == 1, "{lines:?}");
    assert_eq!(key_of(&app, &backup).await, key.key_id);
    set("superseding");
    let lines = offline.answer(&app, &exported, &[moved(vec![Some(item)])]).await.unwrap();
    assert!(lines[0].contains("moved to the key"), "{lines:?}");
    assert_eq!(key_of(&app, &backup).await, new.key_id);
}

/// An institution may store without a checksum: then it only has to open.
#[tokio::test]
async fn what_has_no_checksum_is_checked_for_whether_it_opens() {
    let app = App::start().await;
    let body = json!({"user_identifier": "user-1", "key_type": "rsa4096", "key_environment": "COLD"});
    let key = Given::of(app.institution().post("/v1/keys", &body).await.ok());
    let other = Given::of(app.institution().post("/v1/keys", &body).await.ok());
    for of in [&key, &other] {
        let mut body = testkit::data_body(&key, &of.device().item("", b"abandon ability able"));
        body.as_object_mut().unwrap().remove("checksum");
        app.institution().post("/v1/secure/data", &body).await.ok();
    }
    hold(&app, &[]).await;
    let of_state = |state: &str| app.place.rows(&format!("backups WHERE check_state = '{state}'"));
    assert_eq!(
        (of_state("verified"), of_state("check-failed")),
        (1, 1),
        "the other is encrypted to another key"
    );
}

/// A chain of three keys: the second guards nothing, and goes on as long as the first may still give it something.
#[tokio::test]
async fn a_key_is_not_done_before_the_one_that_it_replaced() {
    let app = App::start().await;
    let old = cold_key(&app, "user-1").await;
    store(&app.partner(), &old, b"abandon ability able").await;
    hold(&app, &[]).await;
    app.clock.advance(std::time::Duration::from_millis(1));
    let new = rotated(&app, &old).await;
    rotated(&app, &new).await;
    let offline = Played::of(7);
    let exported = offline.export(&app, &[]).await;
    assert_eq!(exported.entries, 3, "whose the new keys are, and the backup");
    let lines = offline.answer(&app, &exported, &[taken(), taken(), moved(vec![None])]).await.unwrap();
    assert_eq!(lines.len(), 3, "no rotation has ended: {lines:?}");
    for (key, backups) in [(&old, 1), (&new, 0)] {
        assert_eq!(state(&app, key).await, ("superseding".to_owned(), backups));
    }
}

/// A partner's COLD key under a list, told and checked offline, and a recovery of its backup that was approved.
async fn approved() -> (Stage, String) {
    let app = App::start().await;
    let key = cold_key(&app, "user-1").await;
    let plaintext = testkit::device::secret("wallet");
    let backup = store(&app.partner(), &key, &plaintext).await;
    let mut owner = app.person("owner").await;
    let (first, second) = (app.person("member-1").await, app.person("member-2").await);
    let acl = make_list(&mut owner, &EVERYBODY, &[]).await;
    attach(&mut owner, &acl, &key.key_id).await;
    let mut stage = Stage { app, owner, first, second, key, backup, plaintext, acl };
    hold(&stage.app, &[]).await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    (stage, path)
}

#[tokio::test]
async fn what_was_stopped_while_it_was_away_stays_stopped() {
    let (mut stage, path) = Box::pin(approved()).await;
    let exported = export(&stage.app, &[]).await;
    assert_eq!(exported.entries, 1);
    let answers = answer(&stage.app, &exported.file);
    let id = path.rsplit('/').next().unwrap();
    stage.app.place.run(&format!("UPDATE control_recoveries SET state = 'declined' WHERE id = '{id}'"));
    let lines = import(&stage.app, &answers).await.unwrap().lines;
    assert!(lines[0].ends_with("nothing was changed: it is declined"), "{lines:?}");
    assert!(!stage.first.open(&path).await.text().contains("It is ready"));
    assert!(stage.logged("recovery.released").await.is_empty());
    // Nor does it wait any more.
    stage.app.place.run("UPDATE control_recoveries SET state = 'preparing', release_at = 7");
    let offline = Played::of(7);
    let exported = offline.export(&stage.app, &[]).await;
    assert_eq!(exported.entries, 1);
    stage.app.place.run("UPDATE control_recoveries SET state = 'declined'");
    let lines = offline.answer(&stage.app, &exported, &[Reply::Waiting(3_600)]).await.unwrap();
    assert!(lines[0].ends_with("nothing was changed: it is declined"), "{lines:?}");
    assert_eq!(stage.app.place.rows("control_recoveries WHERE release_at = 7"), 1);
}

#[tokio::test]
async fn a_recovery_that_the_online_enclave_does_not_vouch_for_does_not_leave() {
    let (stage, _) = Box::pin(approved()).await;
    // The votes are gone: a row alone says that its list approved it.
    stage.app.place.run("UPDATE control_recoveries SET state = 'preparing'; DELETE FROM control_votes");
    let exported = export(&stage.app, &[KeyType::Ed25519]).await;
    assert_eq!(exported.entries, 1, "the order for a key leaves, and nothing else");
}

/// What can be released here does not leave for the ceremony.
#[tokio::test]
async fn only_recoveries_of_cold_keys_leave() {
    let mut stage = Stage::with(&EVERYBODY, &[("delay_hot_hours", "1")]).await;
    cold_key(&stage.app, "user-2").await;
    let offline = Played::of(7);
    let before = offline.export(&stage.app, &[]).await.entries;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    assert_eq!(stage.logged("recovery.approved").await.len(), 1);
    assert_eq!(
        offline.export(&stage.app, &[KeyType::Ed25519]).await.entries,
        before + 1,
        "the order for a key"
    );
}
