//! Hashes a tenant's log anew, compares it with every checkpoint that was made of it, and the rows with what it says.

use std::collections::BTreeMap;

use domain::audit::Outcome;
use domain::audit::checkpoint::{Checkpoint as Told, VerifierKey};
use domain::audit::cosignature::Cosigner;
use domain::audit::tree::{Hash, Tree};
use domain::backup::BackupState;
use domain::ids::{BackupId, CredentialId, KeyId, PersonId, TenantId, VerificationId, WebhookId};
use domain::key::KeyState;
use domain::owners::INVITED;
use domain::person::PersonState;
use store::audit::{self, AuditEntry, Filter, Head, Sequenced};
use store::checkpoints::{self, Checkpoint};
use store::inventory::{self, Crown};
use store::seal::RowKey;
use store::{Rx, StoreError, backups, credentials, keys, people, verifications, webhooks};

use super::Line;
use super::root::Named;
use crate::app::App;
use crate::flows::{self, Error};

/// How many checkpoints or entries are read at once.
const PAGE_ROWS: i64 = 500;

const REWRITTEN: &str = "compare with a checkpoint or an export that was taken away; find out who writes to the \
                         database past the service";

/// Everything about one tenant's log. Nothing of it is written meanwhile, not even places for new entries: that could
/// mend what is to be found. `root` is what the root log says, and was read before.
pub(super) async fn check(app: &App, tenant: &TenantId, root: &Named) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    let mut tell = |text: String| lines.push(Line::failure("audit", text, REWRITTEN));
    let of = tenant.clone();
    let found = app.db.read("find_crown", move |rx| inventory::find_crown(rx, &of)).await;
    let (crown, has_more): (Crown, bool) = found.map_err(|error: StoreError| Error::from(error))?;
    let mut checks = Checkpoints::read(app, tenant, crown.checkpoint_size.unwrap_or(0)).await?;
    if checks.is_forged {
        tell(format!("the log of {tenant}: a checkpoint is not signed by this installation"));
    }
    // A log without a head would be the tenant's first.
    let log = crown.log.max(1);
    let (mut said, mut tree, mut named) = (Said::default(), Tree::default(), root.heads(tenant, log));
    checks.compare(&tree);
    named.meet(&tree);
    let head = Head { seq: crown.seq, entry_hash: crown.entry_hash };
    let mut see = |entry: &Sequenced| {
        tree.push(entry.entry_hash);
        checks.compare(&tree);
        named.meet(&tree);
        said.note(&entry.entry);
    };
    let chain = flows::follow_audit(app, tenant, (&flows::START, &head), &mut see).await?;
    if let Some(seq) = chain.broken_at {
        tell(format!("the log of {tenant}: entry {seq} is not as it was written, or not there"));
    }
    // Of a log without entries there are none; else they are under the head's tag.
    let fits = crown.peaks.unwrap_or_default() == tree.peaks();
    if has_more || !fits || crown.checkpoint_size.unwrap_or(0) != checks.last {
        tell(format!("the log of {tenant}: its head is not what its entries and checkpoints make"));
    }
    if !checks.left.is_empty() {
        tell(format!(
            "the log of {tenant} is not the one that was signed: checkpoints of it say another root, or more entries"
        ));
    }
    if let Err(found) = named.judge(head.seq) {
        tell(format!("the log of {tenant} is not the one that the root log names: {found}"));
    }
    if crown.forked_at.is_some() {
        tell(format!("the log of {tenant} is not the one that the enclave signed before"));
    }
    let (of, key) = (tenant.clone(), app.keys.row_key().clone());
    let wrong = app.db.read("compare_rows", move |rx| {
        let mut said = said.clone();
        each_since(rx, &key, &of, head.seq, &mut |entry| said.note(entry))?;
        Ok((said.compare(rx, &of)?, said.resets))
    });
    let (wrong, resets): (Vec<String>, Vec<(i64, Hash)>) =
        wrong.await.map_err(|error: StoreError| Error::from(error))?;
    for text in wrong {
        tell(format!("the log of {tenant} says that {text}"));
    }
    if let Some(text) = root.contradict(tenant, log, &resets) {
        tell(text);
    }
    Ok(lines)
}

/// Shows what a log has after the entry of this place, and what the service wrote that has no place in it yet: the rows
/// say all of it already.
pub(super) fn each_since(
    rx: &mut Rx<'_>,
    key: &RowKey,
    tenant: &TenantId,
    mut seq: i64,
    see: &mut dyn FnMut(&AuditEntry),
) -> Result<(), StoreError> {
    let log = audit::of(tenant);
    loop {
        let page = log.list(rx, &Filter::default(), (seq, i64::MAX), PAGE_ROWS)?;
        for row in &page {
            see(&row.entry);
        }
        let Some(last) = page.last() else { break };
        seq = last.seq;
    }
    let mut after: Option<String> = None;
    loop {
        let page = log.list_pending(rx, key, after.as_deref(), PAGE_ROWS)?;
        for entry in page.iter().filter_map(|waiting| waiting.entry.as_ref()) {
            see(entry);
        }
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
    }
}

/// The checkpoints that no tree has met yet.
#[derive(Default)]
struct Checkpoints {
    left: BTreeMap<u64, Hash>,
    /// The size of the last.
    last: i64,
    /// One has a signature that does not hold, or does not say what stands beside it.
    is_forged: bool,
}

impl Checkpoints {
    /// Those of a tenant up to this size.
    async fn read(app: &App, tenant: &TenantId, to: i64) -> Result<Self, Error> {
        let key = VerifierKey::parse(&app.log_key.vkey(tenant.as_str()));
        let key = key.ok_or_else(|| Error::fault("reading the key of checkpoints"))?;
        // None is of a size below 0, unless somebody made it.
        let (mut found, mut after, mut is_last) = (Self::default(), i64::MIN, false);
        while !is_last {
            let of = tenant.clone();
            let page =
                app.db.read("list_checkpoints", move |rx| checkpoints::of(&of).list(rx, after, PAGE_ROWS));
            let page: Vec<Checkpoint> = page.await.map_err(|error: StoreError| Error::from(error))?;
            is_last = page.len() as u64 != PAGE_ROWS.unsigned_abs();
            for made in page {
                after = made.size;
                if made.size > to {
                    return Ok(found);
                }
                found.is_forged |= !is_signed(&key, &made);
                found.last = made.size;
                found.left.insert(made.size.unsigned_abs(), made.root);
            }
        }
        Ok(found)
    }

    fn compare(&mut self, tree: &Tree) {
        if self.left.get(&tree.size()).is_some_and(|root| *root == tree.root()) {
            self.left.remove(&tree.size());
        }
    }
}

/// Whether both signatures hold that a checkpoint is kept with; the enclave's may be missing.
fn is_signed(key: &VerifierKey, made: &Checkpoint) -> bool {
    let is_ours = key.open(&made.note).is_ok_and(|said| (said.size, said.root) == (made.size, made.root));
    let cosigned = made.cosigner.as_deref().map(Cosigner::parse);
    is_ours && cosigned.is_none_or(|cosigner| cosigner.is_some_and(|key| key.check(&made.note).is_ok()))
}

/// What a log says last about each thing.
#[derive(Clone, Default)]
struct Said {
    keys: BTreeMap<KeyId, bool>,
    destroyed: Vec<KeyId>,
    lists: BTreeMap<KeyId, String>,
    backups: BTreeMap<BackupId, String>,
    checks: Vec<VerificationId>,
    credentials: BTreeMap<CredentialId, bool>,
    people: BTreeMap<PersonId, (Option<String>, bool)>,
    webhooks: BTreeMap<WebhookId, bool>,
    /// The ends of logs that a reset put this one in the place of.
    resets: Vec<(i64, Hash)>,
}

impl Said {
    fn note(&mut self, entry: &AuditEntry) {
        if entry.result != Outcome::Ok.to_string() {
            return;
        }
        let reason = entry.reason.as_deref().unwrap_or_default();
        let mut words = reason.split(' ');
        let (first, second, third) = (words.next(), words.next(), words.next());
        match (entry.action.as_str(), &entry.key_id, &entry.backup_id) {
            ("key.assigned" | "key.rotated", Some(key), _) => drop(self.keys.insert(key.clone(), true)),
            ("key.superseded" | "key.released", Some(key), _) => drop(self.keys.insert(key.clone(), false)),
            ("key.destroyed", Some(key), _) => self.destroyed.push(key.clone()),
            ("key.attached", Some(key), _) => {
                self.lists.insert(key.clone(), second.unwrap_or_default().to_owned());
            }
            (action, _, Some(backup)) if action.starts_with("backup.") => {
                self.backups.insert(backup.clone(), action.to_owned());
            }
            ("verification.started" | "person-check.started", ..) => {
                self.checks.extend(entry.verification_id.clone());
            }
            ("credential.created" | "credential.revoked", ..) => {
                if let Some(id) = first.and_then(|id| id.parse().ok()) {
                    self.credentials.insert(id, entry.action == "credential.created");
                }
            }
            ("person.invited" | "person.role_changed" | "person.removed", ..) => {
                let Some(id) = first.and_then(|id| id.parse().ok()) else { return };
                let role = if entry.action == "person.invited" { second } else { third };
                let is_there = entry.action != "person.removed";
                let role = role.map(|role| role.strip_prefix(INVITED).unwrap_or(role).to_owned());
                self.people.insert(id, (role, is_there));
            }
            ("webhook.created" | "webhook.deleted", ..) => {
                if let Some(id) = second.and_then(|id| id.parse().ok()) {
                    self.webhooks.insert(id, entry.action == "webhook.created");
                }
            }
            ("sandbox.reset", ..) => self.resets.extend(Told::read_line(reason)),
            _ => {}
        }
    }

    /// What the rows contradict.
    fn compare(&self, rx: &mut Rx<'_>, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        let mut wrong = Vec::new();
        for (id, is_current) in &self.keys {
            let key = keys::of(tenant).find(rx, id)?;
            let is_as_said = key.is_some_and(|key| *is_current || key.state != KeyState::Active);
            wrong.extend((!is_as_said).then(|| {
                format!("key {id} is {}", if *is_current { "there" } else { "closed to new backups" })
            }));
        }
        for id in &self.destroyed {
            let key = keys::of(tenant).find(rx, id)?;
            let is_gone = key.is_some_and(|key| key.state == KeyState::Destroyed && key.sealed.is_nothing());
            wrong.extend((!is_gone).then(|| format!("key {id} was destroyed, and nothing is left of it")));
        }
        for (id, list) in &self.lists {
            let acl = keys::of(tenant).find(rx, id)?.and_then(|key| key.acl_id);
            let is_under = acl.is_some_and(|acl| acl.as_str() == list);
            wrong.extend((!is_under).then(|| format!("key {id} is under list {list}")));
        }
        for (id, last) in &self.backups {
            let found = backups::of(tenant).find(rx, id)?;
            let is_deleted = found.as_ref().map(|backup| backup.state == BackupState::Deleted);
            let is_as_said = is_deleted.is_some_and(|is_deleted| last != "backup.deleted" || is_deleted);
            wrong.extend((!is_as_said).then(|| format!("{last} was the last of backup {id}")));
        }
        for id in &self.checks {
            let is_there = verifications::of(tenant).find(rx, id)?.is_some();
            wrong.extend((!is_there).then(|| format!("check {id} was started")));
        }
        for (id, is_alive) in &self.credentials {
            let found = credentials::of(tenant).find(rx, id)?;
            let is_as_said = found.is_some_and(|found| found.revoked_at.is_none() == *is_alive);
            let state = if *is_alive { "was made" } else { "is revoked" };
            wrong.extend((!is_as_said).then(|| format!("credential {id} {state}")));
        }
        for (id, (role, is_there)) in &self.people {
            let found = people::of(tenant).find(rx, id)?;
            let fits = |found: &people::Person| {
                let has_role = role.as_deref().is_none_or(|role| role == found.role.to_string());
                if *is_there { has_role } else { found.state == PersonState::Removed }
            };
            let state = role.as_deref().filter(|_| *is_there).unwrap_or("removed");
            wrong.extend((!found.as_ref().is_some_and(fits)).then(|| format!("person {id} is {state}")));
        }
        for (id, is_there) in &self.webhooks {
            let found = webhooks::of(tenant).find(rx, id)?.is_some();
            wrong.extend((found != *is_there).then(|| format!("webhook {id} was made or deleted otherwise")));
        }
        Ok(wrong)
    }
}
