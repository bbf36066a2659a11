//! Recoveries that go well: what comes back, how often, and to whom.

use client::api::retail::RecoveredItem;
use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::stage::{Key, START, STORE};
use crate::conformance::verdict::{Played, Stop};
use crate::conformance::world::{Need, World};

const NEEDS: &[Need] = &[Need::Retail, Need::Sandbox];

pub const ROWS: &[Row] = &[
    row(
        "retail.recover",
        "what was stored comes back, encrypted to the customer's OpenPGP key",
        NEEDS,
        recover,
    ),
    row(
        "retail.recover.shape",
        "each item has both names, package, value, checksum and size as a text",
        NEEDS,
        shape,
    ),
    row(
        "retail.recover.newest-first",
        "all confirmed backups of the user come, newest first",
        NEEDS,
        newest_first,
    ),
    row("retail.recover.white-space", "white space around the OpenPGP key is trimmed", NEEDS, white_space),
    row(
        "retail.recover.three",
        "the same call is answered three times, with the same items, and then is 403",
        NEEDS,
        three,
    ),
    row(
        "retail.recover.later-store",
        "stores on the session stay possible, and do not change what is delivered",
        NEEDS,
        later_store,
    ),
    row(
        "retail.recover.damaged",
        "an item that failed has backup_id and error, and the call is 200",
        NEEDS,
        damaged,
    ),
    row(
        "retail.recover.bound",
        "a fingerprint given at the start binds the recovery to that OpenPGP key",
        NEEDS,
        bound,
    ),
    row("retail.recover.after-refusal", "a refused call uses nothing up", NEEDS, after_refusal),
];

/// A user with a backup of each of these, and a check of his own to recover by.
struct Owner {
    user: String,
    check: String,
    key: Key,
    ids: Vec<String>,
}

fn owner(w: &World, names: &[&str]) -> Result<Owner, Stop> {
    let user = w.name("user");
    let check = w.approved(&user)?;
    let key = w.retail_key(&user, &check)?;
    let mut ids = Vec::new();
    for name in names {
        let stored = w.store(&user, &check, &key, &[key.item(name, name)?]).expect(200)?;
        ids.push(stored.text("/backup/0/backup_id")?);
    }
    Ok(Owner { user, check, key, ids })
}

impl Owner {
    fn ask(&self, w: &World) -> Result<Answer, Stop> {
        w.recover(&self.user, &self.check, w.device()?.public_block()).expect(200)
    }
}

fn ids(answer: &Answer) -> Result<Vec<Value>, Stop> {
    Ok(answer.list("/backup")?.iter().map(|item| item["backup_id"].clone()).collect())
}

fn recover(w: &World) -> Played {
    let owner = owner(w, &["seed"])?;
    let answer = owner.ask(w)?;
    answer.is("/user_identifier", owner.user.as_str())?.is("/verification_id", owner.check.as_str())?;
    let item: RecoveredItem = serde_json::from_value(answer.json["backup"][0].clone())
        .map_err(|error| answer.fail(format!("expected an item: {error}")))?;
    let opened =
        w.device()?.open(&item).map_err(|fault| answer.fail(format!("the item does not open: {fault}")))?;
    answer.must(opened.expose() == b"seed", "expected the plaintext that was stored")
}

fn shape(w: &World) -> Played {
    let user = w.name("user");
    let check = w.approved(&user)?;
    let key = w.retail_key(&user, &check)?;
    let item = key.item("seed", "seven!!")?;
    let metadata = json!({"original_filename": "seed.txt", "content_type": "text/plain", "description": "d"});
    let body = json!({
        "user_identifier": user, "verification_id": check, "public_key": key.public, "backup": [item],
        "metadata": metadata,
    });
    let stored = w.retail().post(STORE, &body).expect(200)?;
    let answer = w.recover(&user, &check, w.device()?.public_block()).expect(200)?;
    answer.is("/backup/0/backup_id", stored.text("/backup/0/backup_id")?)?;
    answer.is("/backup/0/item_key", "seed")?.is("/backup/0/backup_item_key", "seed")?;
    answer.has(&["/backup/0/recovery_id", "/backup/0/metadata/recovered_at"])?;
    answer.is("/backup/0/recovery_package/algorithm", "gpg")?;
    answer.is("/backup/0/item_value", answer.text("/backup/0/recovery_package/data")?)?;
    answer.is("/backup/0/item_checksum", item["item_checksum"].clone())?;
    answer.is("/backup/0/original_filename", "seed.txt")?.is("/backup/0/content_type", "text/plain")?;
    answer.is("/backup/0/original_size", "7")?.is("/backup/0/metadata/description", "d")?;
    answer.lacks("/backup/0/error").map(drop)
}

fn newest_first(w: &World) -> Played {
    let mut owner = owner(w, &["a", "b", "c"])?;
    owner.ids.reverse();
    let answer = owner.ask(w)?;
    answer.must(ids(&answer)? == owner.ids, "expected all three, newest first")
}

fn white_space(w: &World) -> Played {
    let owner = owner(w, &["a"])?;
    let padded = format!("\n \t{}\r\n ", w.device()?.public_block());
    w.recover(&owner.user, &owner.check, &padded).expect(200).map(drop)
}

fn three(w: &World) -> Played {
    let owner = owner(w, &["a", "b"])?;
    let first = owner.ask(w)?;
    for _ in 0..2 {
        let again = owner.ask(w)?;
        again.must(ids(&again)? == ids(&first)?, "expected the items of the first delivery")?;
    }
    let certificate = w.device()?.public_block();
    w.recover(&owner.user, &owner.check, certificate).refused(403, "verification-used").map(drop)
}

fn later_store(w: &World) -> Played {
    let owner = owner(w, &["a"])?;
    let first = owner.ask(w)?;
    w.store(&owner.user, &owner.check, &owner.key, &[owner.key.item("b", "b")?]).expect(200)?;
    let again = owner.ask(w)?;
    again.must(ids(&again)? == ids(&first)?, "expected the items of the first delivery")?;
    let next = w.approved(&owner.user)?;
    let all = w.recover(&owner.user, &next, w.device()?.public_block()).expect(200)?;
    all.must(all.list("/backup")?.len() == 2, "expected a new check to release both")
}

fn damaged(w: &World) -> Played {
    let owner = owner(w, &["good", "bad"])?;
    w.retail()
        .post("/v1/sandbox/damage", &json!({"backup_id": owner.ids[1]}))
        .expect(200)?
        .is("/ok", true)?;
    let answer = owner.ask(w)?;
    answer.is("/backup/0/backup_id", owner.ids[1].as_str())?.has(&["/backup/0/error"])?;
    answer.lacks("/backup/0/recovery_package")?.lacks("/backup/0/recovery_id")?;
    answer.is("/backup/1/backup_id", owner.ids[0].as_str())?.has(&["/backup/1/recovery_package/data"])?;
    answer.lacks("/backup/1/error").map(drop)
}

fn bound(w: &World) -> Played {
    let owner = owner(w, &["a"])?;
    let body = json!({"user_identifier": owner.user, "gpg_fingerprint": w.device()?.fingerprint()});
    let check = w.retail().post(START, &body).expect(200)?.text("/verification_id")?;
    w.simulate(&check, "approve_inquiry").expect(200)?;
    let thief = super::recover_refused::another_device()?;
    w.recover(&owner.user, &check, thief.public_block()).faults(&["gpg_public_key"])?;
    w.recover(&owner.user, &check, w.device()?.public_block()).expect(200).map(drop)
}

fn after_refusal(w: &World) -> Played {
    let owner = owner(w, &["a"])?;
    for _ in 0..3 {
        w.recover(&owner.user, &owner.check, "no key").faults(&["gpg_public_key"])?;
    }
    owner.ask(w).map(drop)
}
