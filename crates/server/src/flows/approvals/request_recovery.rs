//! Asks for a recovery: what is to be given out, to which OpenPGP key, and why. What is refused here is refused
//! early and politely; the enclave decides again, on what people sign.

use boundary::approval::AclDocument;
use boundary::message::Recipient;
use boundary::wire::Wire as _;
use domain::approval::ControlState;
use domain::backup::BackupState;
use domain::control::Act;
use domain::ids::{BackupId, KeyId, PersonId, RecoveryId, TenantId};
use domain::key::{KeyEnvironment, KeyState};
use domain::limits::{
    CERTIFICATE_BYTES_MAX, CONTROL_BACKUPS_MAX, CONTROL_BYTES_MAX, CONTROL_KEYS_MAX, REASON_CHARS_MAX,
};
use domain::notice::NoticeKind;
use domain::refusal::{Kind, Refusal};
use store::acls::{self, Acl};
use store::audit::AuditEntry;
use store::backups::{self, BackupWithKey};
use store::control_recoveries::{self, ControlRecovery};
use store::keys::{self, CustomerKey};
use store::{Rx, StoreError, acl_changes, users};

use super::super::recover_retail::inspect_certificate;
use super::super::{Ctx, Error, event, tell};
use super::build_intent::{Asked, build_intent};
use super::change_acl::change_open;
use super::read_recoveries::control_data;
use super::start_person_check::{Begun, begin_check, ends_at, open_session, play_baseline};
use super::{document_of, hash_of, news, people_of, permitted};
use crate::app::App;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct RequestRecovery {
    /// Backups, by id.
    pub backups: Vec<String>,
    /// Keys, by id: each with all of its backups.
    pub keys: Vec<String>,
    /// Why, in his words.
    pub reason: String,
    /// To whom: an ASCII-armoured OpenPGP certificate.
    pub certificate: String,
}

/// What is to be given out, under one list.
#[derive(Clone)]
pub(super) struct Wanted {
    /// The list.
    pub acl: Acl,
    /// The keys, oldest first.
    pub keys: Vec<CustomerKey>,
    /// The backups with their keys, by id.
    pub backups: Vec<BackupWithKey>,
    /// Whose each of them is, by the tenant's name.
    pub users: Vec<String>,
    /// The keys whose private half goes out, oldest first: each before the one that replaced it.
    pub private: Vec<KeyId>,
}

/// Asks; returns the recovery. Every refusal is recorded.
pub async fn request_recovery(app: &App, ctx: &Ctx, command: RequestRecovery) -> Result<RecoveryId, Error> {
    let wanted = match permitted(ctx, Act::RequestRecovery) {
        Ok(person) => look(app, ctx, &command).await.map(|wanted| (person, wanted)),
        Err(error) => Err(error),
    };
    let about = AuditEntry {
        key_id: command.keys.first().and_then(|id| id.parse().ok()),
        backup_id: command.backups.first().and_then(|id| id.parse().ok()),
        ..ctx.entry(app, "recovery.refused")
    };
    let asked = match wanted {
        Ok((person, wanted)) => ask(app, ctx, &person, wanted, &command).await,
        Err(error) => Err(error),
    };
    super::recorded(app, ctx, about, asked).await
}

async fn ask(
    app: &App,
    ctx: &Ctx,
    person: &PersonId,
    wanted: Wanted,
    command: &RequestRecovery,
) -> Result<RecoveryId, Error> {
    let list = document_of(&wanted.acl)?;
    may_ask(app, ctx, person, &wanted.acl, &list).await?;
    let reason = command.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let text = format!("must say in 1 to {REASON_CHARS_MAX} characters why");
        return Err(Refusal::field("reason", text).into());
    }
    let certificate = command.certificate.trim().as_bytes().to_vec();
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        let text = format!("is larger than a certificate is: {CERTIFICATE_BYTES_MAX} bytes at most");
        return Err(Refusal::field("certificate", text).into());
    }
    let recipient = inspect_certificate(app, &certificate, "certificate").await?;
    if list.check_requester {
        play_baseline(app, ctx, person).await?;
    }
    let opened = open_session(app, &ctx.principal.tenant, person).await?;
    let ticket = opened.ticket.clone();
    let check = if list.check_requester { Some(begin_check(app, ctx, person, opened).await?) } else { None };
    let recovery = assemble(
        app,
        ctx,
        person,
        &wanted,
        &list,
        (reason, certificate, &recipient, ticket, check.as_ref()),
    )?;
    write(app, ctx, wanted, &list, recovery, check).await
}

type Given<'a> = (&'a str, Vec<u8>, &'a Recipient, Vec<u8>, Option<&'a Begun>);

/// The recovery as it is kept, with the intent that people sign.
fn assemble(
    app: &App,
    ctx: &Ctx,
    person: &PersonId,
    wanted: &Wanted,
    list: &AclDocument,
    (reason, certificate, recipient, ticket, check): Given<'_>,
) -> Result<ControlRecovery, Error> {
    let is_cold = wanted.keys.iter().any(|key| key.key_environment == KeyEnvironment::Cold);
    let asked = Asked {
        person,
        wanted,
        list,
        list_hash: wanted.acl.hash,
        recipient,
        reason,
        ticket: boundary::token::Ticket::take(&mut ticket.as_slice())
            .map_err(|_| Error::fault("reading a ticket"))?,
        verification: check.map(Begun::id),
        is_cold,
    };
    let intent = build_intent(app, ctx, &asked)?.to_canonical().into_bytes();
    let window = std::time::Duration::from_secs(list.vote_window_s.unsigned_abs());
    let ids: serde_json::Value = wanted.backups.iter().map(|found| found.backup.id.as_str()).collect();
    Ok(ControlRecovery {
        id: RecoveryId::new(ctx.now, &mut app.chance()),
        acl_id: wanted.acl.id.clone(),
        acl_version: wanted.acl.version,
        asked_by: person.clone(),
        reason: reason.to_owned(),
        key_environment: if is_cold { KeyEnvironment::Cold } else { KeyEnvironment::Hot },
        state: ControlState::Requested,
        why: None,
        backups: ids.to_string(),
        verification_id: check.map(|check| check.id().clone()),
        ticket,
        certificate,
        gpg_fingerprint: recipient.openpgp_fpr.clone(),
        subkey_fingerprint: recipient.enc_subkey_fpr.clone(),
        intent_hash: app.sha256(&boundary::intent::preimage(&intent)),
        intent,
        window_ends_at: ctx.now + window,
        check_ends_at: check.map(|_| ends_at(ctx.now)),
        release_at: None,
        keep_until: None,
        package_sha256: None,
        package_size: None,
        created_at: ctx.now,
        updated_at: ctx.now,
    })
}

async fn write(
    app: &App,
    ctx: &Ctx,
    wanted: Wanted,
    list: &AclDocument,
    recovery: ControlRecovery,
    check: Option<Begun>,
) -> Result<RecoveryId, Error> {
    let id = recovery.id.clone();
    let entry = AuditEntry {
        recovery_id: Some(id.clone()),
        verification_id: recovery.verification_id.clone(),
        ..ctx.entry(app, "recovery.requested")
    };
    let event = event(&app.minter, ctx.now, "recovery.requested", control_data(&recovery, "requested"));
    let text = format!(
        "To the OpenPGP key {}. Look at what is asked for, compare the short code, and vote.",
        recovery.gpg_fingerprint
    );
    let title = format!("Your vote on a recovery under {}", list.name);
    let notices = news(
        app,
        ctx.now,
        &people_of(list),
        (NoticeKind::VoteWanted, &title, &text, &format!("/control/recoveries/{id}")),
    )?;
    let (tenant, env, named) = (ctx.principal.tenant.clone(), app.env, hash_of(app, list));
    app.db
        .write("request_recovery", move |tx| {
            // Neither a change of the list nor another recovery begins beside this one.
            let acl = acls::of(&tenant).find_locked(tx, &wanted.acl.id)?;
            if acl.is_none_or(|acl| acl.hash != named) {
                return Err(Error::from(change_open()));
            }
            if acl_changes::of(&tenant).find_open(tx, &wanted.acl.id)?.is_some() {
                return Err(change_open().into());
            }
            // In the order in which whoever destroys one of them locks them.
            for key in &wanted.private {
                let found = keys::of(&tenant).find_locked(tx, key)?;
                if found.is_none_or(|found| found.state == KeyState::Destroyed) {
                    return Err(destroyed(key).into());
                }
            }
            for key in &wanted.keys {
                let key = keys::of(&tenant).find_locked(tx, &key.id)?.ok_or_else(Refusal::not_found)?;
                may_be_recovered(tx, &tenant, &key)?;
            }
            if let Some(check) = &check {
                check.write(tx, &tenant)?;
            }
            let ids: Vec<_> = wanted.keys.iter().map(|key| key.id.clone()).collect();
            if let Some(held) = control_recoveries::of(&tenant).insert(tx, &recovery, &ids)? {
                return Err(running(&held).into());
            }
            store::audit::of(&tenant).append(tx, &entry)?;
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            Ok(tell(tx, &tenant, env, &event)?)
        })
        .await?;
    Ok(id)
}

/// Whoever is on the list may ask, or, where it says so, any of the tenant's owners and members.
async fn may_ask(
    app: &App,
    ctx: &Ctx,
    person: &PersonId,
    acl: &Acl,
    list: &AclDocument,
) -> Result<(), Error> {
    if list.any_member_may_ask || list.place(person.as_str()).is_some() {
        return Ok(());
    }
    let (tenant, id) = (ctx.principal.tenant.clone(), acl.id.clone());
    let versions = app.db.read("list_versions", move |rx| acls::of(&tenant).list_versions(rx, &id));
    let versions: Vec<acls::Version> = versions.await.map_err(|error: StoreError| Error::from(error))?;
    let was_on = versions.iter().any(|version| {
        let document: Option<AclDocument> =
            boundary::approval::Document::from_canonical(version.document.as_bytes());
        document.is_some_and(|document| document.place(person.as_str()).is_some())
    });
    let (code, text) = if was_on {
        ("removed-from-acl", "you were taken off the list that guards this, so you cannot ask for it")
    } else {
        ("not-on-acl", "you are not on the list that guards this, so you cannot ask for it")
    };
    Err(Refusal::new(Kind::Forbidden, code, text).into())
}

/// What is asked for, if all of it may be and is under one list.
pub(super) async fn look(app: &App, ctx: &Ctx, command: &RequestRecovery) -> Result<Wanted, Error> {
    let parse = |_| Refusal::not_found();
    let given: Vec<BackupId> =
        command.backups.iter().map(|id| id.parse().map_err(parse)).collect::<Result<_, _>>()?;
    let named: Vec<KeyId> =
        command.keys.iter().map(|id| id.parse().map_err(parse)).collect::<Result<_, _>>()?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_wanted", move |rx| {
        let mut backups = given.clone();
        for key in &named {
            backups.extend(backups::of(&tenant).list_confirmed_of_key(rx, key)?);
        }
        backups.sort();
        backups.dedup();
        let found = backups::of(&tenant).list_by_ids(rx, &backups)?;
        let is_there = |found: &BackupWithKey| found.backup.state == BackupState::Confirmed;
        if found.len() != backups.len() || !found.iter().all(is_there) {
            return Err(Error::from(Refusal::not_found()));
        }
        let mut ids: Vec<_> = found.iter().map(|found| found.backup.key_id.clone()).collect();
        ids.extend(named.iter().cloned());
        ids.sort();
        ids.dedup();
        let mut keys = Vec::new();
        for id in &ids {
            let key = keys::of(&tenant).find(rx, id)?.ok_or_else(Refusal::not_found)?;
            may_be_recovered(rx, &tenant, &key)?;
            keys.push(key);
        }
        keys.sort_by(by_age);
        let acl = one_list(rx, &tenant, &keys)?;
        if acl_changes::of(&tenant).find_open(rx, &acl.id)?.is_some() {
            return Err(change_open().into());
        }
        for key in &keys {
            if control_recoveries::of(&tenant).find_running_of_key(rx, &key.id)?.is_some() {
                return Err(running(&key.id).into());
            }
        }
        let private = private_keys(rx, &tenant, &keys, &found)?;
        let mut users_named = Vec::new();
        for BackupWithKey { backup, .. } in &found {
            let user = users::of(&tenant).find(rx, &backup.user_id)?;
            users_named
                .push(user.ok_or_else(|| Error::fault("finding the user of a backup"))?.user_identifier);
        }
        Ok(Wanted { acl, keys, backups: found, users: users_named, private })
    });
    let wanted = found.await?;
    let bytes: i64 = wanted.backups.iter().map(|found| found.backup.data_size).sum();
    let is_large = bytes > CONTROL_BYTES_MAX;
    if is_large || wanted.backups.len() > CONTROL_BACKUPS_MAX || wanted.keys.len() > CONTROL_KEYS_MAX {
        let text = format!(
            "a recovery holds {CONTROL_BACKUPS_MAX} backups of {CONTROL_BYTES_MAX} bytes, and {CONTROL_KEYS_MAX} keys, at \
             most: ask in parts"
        );
        return Err(Refusal::new(Kind::TooLarge, "recovery-too-large", text).into());
    }
    Ok(wanted)
}

/// The one list that guards all of them.
fn one_list(rx: &mut Rx<'_>, tenant: &TenantId, keys: &[CustomerKey]) -> Result<Acl, Error> {
    let Some(first) = keys.first() else {
        return Err(Refusal::field("backups", "must name something to recover").into());
    };
    let Some(list) = &first.acl_id else { return Err(unguarded(first).into()) };
    if let Some(other) = keys.iter().find(|key| key.acl_id.as_ref() != Some(list)) {
        if other.acl_id.is_none() {
            return Err(unguarded(other).into());
        }
        let text = "what is asked for is under several lists: ask for what each of them guards by itself";
        return Err(Refusal::new(Kind::Conflict, "several-lists", text).into());
    }
    let acl = acls::of(tenant).find(rx, list)?;
    acl.ok_or_else(|| Error::fault("finding the list of a key"))
}

/// The private halves that go out: of each key that guards a file, that is no RSA key, or that guards nothing else;
/// and with it those of the keys that it replaced, to which its older files are encrypted.
fn private_keys(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    keys: &[CustomerKey],
    backups: &[BackupWithKey],
) -> Result<Vec<KeyId>, StoreError> {
    let goes_out = |key: &&CustomerKey| {
        let mut its = backups.iter().filter(|found| found.backup.key_id == key.id).peekable();
        key.key_type != domain::key::KeyType::Rsa4096
            || its.peek().is_none()
            || its.any(|found| found.backup.kind == domain::backup::BackupKind::File)
    };
    let mut out = Vec::new();
    for key in keys.iter().filter(goes_out) {
        out.extend(predecessors(rx, tenant, key)?);
        out.push(key.clone());
    }
    out.sort_by(by_age);
    out.dedup_by(|a, b| a.id == b.id);
    Ok(out.into_iter().map(|key| key.id).collect())
}

/// A key before the one that replaced it.
fn by_age(a: &CustomerKey, b: &CustomerKey) -> std::cmp::Ordering {
    (a.assigned_at, &a.id).cmp(&(b.assigned_at, &b.id))
}

/// The keys that this one replaced, one after the other, but for those that are destroyed.
pub(in crate::flows) fn predecessors(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    key: &CustomerKey,
) -> Result<Vec<CustomerKey>, StoreError> {
    let mut found = replaced(rx, tenant, key)?;
    found.retain(|key| key.state != KeyState::Destroyed);
    Ok(found)
}

/// The keys that this one replaced, one after the other. Rows that name one another in a circle are gone through once.
pub(in crate::flows) fn replaced(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    key: &CustomerKey,
) -> Result<Vec<CustomerKey>, StoreError> {
    let (mut found, mut seen, mut before) = (Vec::new(), vec![key.id.clone()], key.supersedes.clone());
    while let Some(id) = before.take().filter(|id| !seen.contains(id)) {
        let Some(key) = keys::of(tenant).find(rx, &id)? else { break };
        before.clone_from(&key.supersedes);
        seen.push(id);
        found.push(key);
    }
    Ok(found)
}

/// Refuses a key that is not to be recovered any more.
fn may_be_recovered(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<(), Error> {
    if matches!(key.state, KeyState::Active | KeyState::Superseding | KeyState::Released) {
        return Ok(());
    }
    let successor = keys::of(tenant).find_successor(rx, &key.user_id, &key.id)?;
    // Until it is destroyed, what it guards is as recoverable as before.
    if key.state == KeyState::DestroyPending && successor.is_none() {
        return Ok(());
    }
    let text = match successor {
        Some(successor) => format!("the key {} was superseded by {}: recover that one", key.id, successor.id),
        None => format!("the key {} is {}: nothing is recovered under it", key.id, key.state),
    };
    Err(Refusal::new(Kind::Conflict, "key-superseded", text).into())
}

fn unguarded(key: &CustomerKey) -> Refusal {
    let text =
        format!("the key {} is under no list: there is nobody to ask. An Owner puts it under one", key.id);
    Refusal::new(Kind::Conflict, "key-unguarded", text)
}

fn destroyed(key: &KeyId) -> Refusal {
    let text = format!("the key {key} was destroyed while you asked: ask again, and it is left out");
    Refusal::new(Kind::Conflict, "key-destroyed", text)
}

fn running(key: &KeyId) -> Refusal {
    let text = format!("another recovery is running on the key {key}: wait for its end");
    Refusal::new(Kind::Conflict, "recovery-running", text)
}
