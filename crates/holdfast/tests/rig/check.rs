//! Reads back what was acknowledged, and repeats what was not answered.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::api::retail::{SimulateRequest, StartRequest};
use client::{Client, Error, RecipientKey, RecoverAllRequest, Recovered};

use crate::rig::audit_log::AuditLog;
use crate::rig::book::{Act, Assigned, Assignment, Book, Interrupted, Partner, User};
use crate::rig::hex::hex;
use crate::rig::rows::Rows;
use crate::rig::stock::in_stock;

/// Ends a recovery: everything that had been acknowledged before it must be in it, byte for byte.
pub async fn finish_recovery(client: &Client, user: &mut User) -> Result<Vec<Act>, Error> {
    let Some(Interrupted { verification, device, due }) = &user.interrupted else { return Ok(Vec::new()) };
    let request = RecoverAllRequest {
        user_identifier: &user.name,
        verification_id: verification,
        device,
        request_signature: None,
    };
    let recovered = client.recover(&request).await?;
    compare(user, &recovered, due);
    let acts =
        vec![("recovery.requested", verification.clone()), ("recovery.released", verification.clone())];
    user.interrupted = None;
    Ok(acts)
}

fn compare(user: &User, recovered: &Recovered, due: &[String]) {
    let name = &user.name;
    assert!(recovered.failed.is_empty(), "{name}: not recovered: {:?}", recovered.failed);
    let mut seen = HashSet::new();
    for found in &recovered.secrets {
        assert!(seen.insert(found.name.clone()), "{name}: {} was stored twice", found.name);
        let item = user.items.iter().find(|item| item.name == found.name);
        let item = item.unwrap_or_else(|| panic!("{name}: {} was never sent", found.name));
        assert!(item.secret == found.secret.expose(), "{name}: {} has changed", found.name);
        let id = item.backup_id.as_ref().unwrap_or(&found.backup_id);
        assert_eq!(*id, found.backup_id, "{name}: {} has another id", found.name);
    }
    let lost: Vec<_> = due.iter().filter(|name| !seen.contains(*name)).collect();
    assert!(lost.is_empty(), "{name}: acknowledged and lost: {lost:?}");
}

/// Repeats what a retail user got no answer to; now there must be one.
pub async fn settle_user(client: &Client, user: &mut User) -> Result<Vec<Act>, Error> {
    let mut acts = Vec::new();
    if let Some(verification_id) = user.verification.clone().filter(|_| !user.is_approved) {
        let request = SimulateRequest { verification_id, action: "approve_inquiry".to_owned() };
        match client.retail().simulate(&request).await {
            Err(error) if error.code() == "inquiry-state" => {}
            answer => drop(answer?),
        }
        user.is_approved = true;
        acts.push(("inquiry.approved", request.verification_id));
    }
    for request in std::mem::take(&mut user.unanswered) {
        let answer = client.retail().store_backup(&request).await?;
        acts.extend(user.acknowledge(&request, &answer));
    }
    // Every other interrupted recovery is never asked for again: the installation must close it by itself.
    let is_left = |left: &Interrupted| left.verification.bytes().last().is_some_and(|byte| byte % 2 == 0);
    if user.interrupted.as_ref().is_some_and(is_left) {
        user.interrupted = None;
    }
    acts.extend(finish_recovery(client, user).await?);
    Ok(acts)
}

/// A new check, a new device, everything back.
pub async fn recover_user(client: &Client, user: &mut User) -> Result<Vec<Act>, Error> {
    if user.acknowledged() == 0 {
        return Ok(Vec::new());
    }
    let request = StartRequest { user_identifier: user.name.clone(), gpg_fingerprint: None };
    let verification =
        client.retail().start_verification_with(&request, "approve_inquiry").await?.verification_id;
    let device = RecipientKey::generate()?;
    let mut acts = vec![("verification.started", verification.clone())];
    user.interrupted = Some(Interrupted { verification, device, due: user.names_acknowledged() });
    acts.extend(finish_recovery(client, user).await?);
    Ok(acts)
}

/// Repeats what a partner got no answer to; now there must be one.
pub async fn settle_partner(client: &Client, partner: &mut Partner) -> Result<Vec<Act>, Error> {
    let mut acts = Vec::new();
    for assignment in partner.assignments.iter_mut().filter(|one| matches!(one.state, Assigned::Unknown)) {
        match in_stock(|| client.partner().assign_key(&assignment.request)).await {
            Ok(answer) => {
                acts.push(("key.assigned", answer.key_id.clone()));
                assignment.state = Assigned::Answered(Box::new(answer));
            }
            Err(error) if error.code() == "key-already-assigned" => assignment.state = Assigned::Taken,
            Err(error) => return Err(error),
        }
    }
    for stored in partner.stored.iter_mut().filter(|stored| stored.backup_id.is_none()) {
        let answer = client.partner().store_data(&stored.request).await?;
        acts.push(("backup.stored", answer.backup_id.clone()));
        stored.backup_id = Some(answer.backup_id);
    }
    Ok(acts)
}

/// A key that was assigned is not assigned again.
pub async fn is_held(client: &Client, assignment: &Assignment) -> Result<(), Error> {
    match client.partner().assign_key(&assignment.request).await {
        Err(error) if error.code() == "key-already-assigned" => Ok(()),
        Err(error) => Err(error),
        Ok(second) => panic!("acknowledged and lost: {:?}, now {}", assignment.request, second.key_id),
    }
}

/// A store that was acknowledged answers its id again.
pub async fn is_stored(client: &Client, partner: &Partner, at: usize) -> Result<(), Error> {
    let stored = &partner.stored[at];
    let again = client.partner().store_data(&stored.request).await?;
    assert_eq!(stored.backup_id, Some(again.backup_id), "{}: item {at} has another id", partner.name);
    Ok(())
}

/// No key was given to two.
pub fn check_keys(book: &Book) {
    let answers =
        book.partners.iter().flat_map(|partner| &partner.assignments).filter_map(Assignment::answered);
    let assigned = answers.flat_map(|answer| [answer.public_key.as_str(), answer.key_id.as_str()]);
    let made = book.users.iter().filter_map(|user| user.key.as_ref()).map(client::AttestedKey::public_key);
    let mut seen = HashSet::new();
    for key in assigned.chain(made) {
        assert!(seen.insert(key), "{key} was given to two");
    }
}

/// What lies in the database is what the log says, and each key is in one place.
pub fn check_rows(rows: &Rows, logs: [&AuditLog; 2]) {
    rows.check_integrity();
    let count = |action| logs.iter().map(|log| log.count(action)).sum::<usize>();
    let number = |sql| rows.number(sql);
    assert_eq!(number("SELECT count(*) FROM customer_keys"), count("key.assigned"), "keys and their entries");
    assert_eq!(number("SELECT count(*) FROM backups"), count("backup.stored"), "backups and their entries");
    let keys =
        "(SELECT key_id, public_key FROM pool_keys UNION ALL SELECT id, public_key FROM customer_keys) AS k";
    let doubled = format!("SELECT count(*) - count(DISTINCT public_key) FROM {keys}");
    assert_eq!(number(&doubled), 0, "a public key is there twice");
    let doubled = format!("SELECT count(*) - count(DISTINCT key_id) FROM {keys}");
    assert_eq!(number(&doubled), 0, "a key is assigned and in the pool");
}

/// Every recovery has ended, and the log says how.
pub fn check_recoveries(rows: &Rows, log: &AuditLog) -> usize {
    let rows = rows.list("SELECT verification_id, state FROM recoveries");
    let ends = rows.into_iter().map(|row| {
        let [verification, state] = <[String; 2]>::try_from(row).expect("two columns");
        match state.as_str() {
            "released" => ("recovery.released", verification),
            "failed" => ("recovery.failed", verification),
            state => panic!("{verification} is still {state}"),
        }
    });
    let ends: Vec<Act> = ends.collect();
    log.check(&ends);
    ends.len()
}

/// Every ciphertext that a partner got an acknowledgement for lies in the database as it was sent.
pub fn check_ciphertexts(rows: &Rows, book: &Book) -> usize {
    let stored: HashSet<(String, String)> = rows
        .list("SELECT id, ciphertext FROM backups")
        .into_iter()
        .map(|row| <[String; 2]>::try_from(row).expect("two columns").into())
        .collect();
    let sent = book.partners.iter().flat_map(|partner| &partner.stored);
    let sent = sent.filter_map(|item| Some((item.backup_id.clone()?, item)));
    let mut checked = 0;
    for (id, item) in sent {
        let ciphertext = STANDARD.decode(&item.request.data).expect("base64");
        assert!(
            stored.contains(&(id.clone(), format!("\\x{}", hex(&ciphertext)))),
            "{id} is lost or changed"
        );
        checked += 1;
    }
    checked
}
