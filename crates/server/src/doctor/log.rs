//! Hashes a tenant's log anew, compares it with every checkpoint that was made of it, and the rows with what it says.

use std::collections::BTreeMap;

use domain::audit::Outcome;
use domain::audit::checkpoint::VerifierKey;
use domain::audit::tree::{Hash, Tree};
use domain::backup::BackupState;
use domain::ids::{BackupId, CredentialId, KeyId, PersonId, TenantId, VerificationId, WebhookId};
use domain::key::KeyState;
use domain::person::PersonState;
use store::audit::{self, AuditEntry, Crown, Filter};
use store::checkpoints::{self, Checkpoint};
use store::{Rx, StoreError, backups, credentials, keys, people, verifications, webhooks};

use super::Line;
use crate::app::App;
use crate::flows::{self, Ctx, Error};

/// How many checkpoints are read at once.
const PAGE_CHECKPOINTS: i64 = 500;

/// Of so many first entries one is looked for where a log has no head.
const FIRST_ENTRIES: i64 = 100;

const REWRITTEN: &str = "compare with a checkpoint or an export that was taken away; find out who writes to the \
                         database past the service";

/// Everything about one tenant's log.
pub(super) async fn check(app: &App, ctx: &Ctx) -> Result<Vec<Line>, Error> {
    let tenant = &ctx.principal.tenant;
    let mut lines = Vec::new();
    let chain = flows::verify_audit(app, ctx).await?;
    if let Some(seq) = chain.broken_at {
        let text = format!("the log of {tenant}: entry {seq} is not as it was written, or not there");
        lines.push(Line::failure("audit", text, REWRITTEN));
    }
    let Some(mut checks) = Checkpoints::read(app, tenant).await? else {
        let text = format!("the log of {tenant}: a checkpoint is not signed by this installation");
        lines.push(Line::failure("audit", text, REWRITTEN));
        return Ok(lines);
    };
    let mut said = Said::default();
    let mut export = flows::export_audit(app, ctx, Filter::default()).await?;
    let mut tree = Tree::default();
    while let Some(page) = export.next_page(app).await? {
        for entry in page {
            tree.push(entry.entry_hash);
            checks.compare(&tree);
            said.note(&entry.entry);
        }
    }
    let of = tenant.clone();
    let found = app.db.read("find_crown", move |rx| {
        let log = audit::of(&of);
        Ok::<_, StoreError>((log.find_crown(rx)?, log.list_leaves(rx, 0, FIRST_ENTRIES)?))
    });
    let (crown, first): (Option<Crown>, _) = found.await?;
    // Without a head there would seem to be no entries.
    let is_kept = crown.map_or(first.is_empty(), |crown| {
        let grows = crown.seq.unsigned_abs() == tree.size();
        let fits = crown.peaks.is_none_or(|peaks| peaks == tree.peaks());
        grows && fits && crown.checkpoint_size.unwrap_or(0) == checks.last
    });
    if !is_kept {
        let text = format!("the log of {tenant}: its head is not what its entries and checkpoints make");
        lines.push(Line::failure("audit", text, REWRITTEN));
    }
    if !checks.left.is_empty() {
        let text = format!(
            "the log of {tenant} is not the one that was signed: checkpoints of it say another root, or more entries"
        );
        lines.push(Line::failure("audit", text, REWRITTEN));
    }
    let of = tenant.clone();
    let wrong = app.db.read("compare_rows", move |rx| said.compare(rx, &of)).await;
    let wrong: Vec<String> = wrong.map_err(|error: StoreError| Error::from(error))?;
    let contradicted =
        |text: String| Line::failure("audit", format!("the log of {tenant} says that {text}"), REWRITTEN);
    lines.extend(wrong.into_iter().map(contradicted));
    Ok(lines)
}

/// The checkpoints that no tree has met yet.
struct Checkpoints {
    left: BTreeMap<u64, Hash>,
    /// The size of the last.
    last: i64,
}

impl Checkpoints {
    /// All of a tenant; none if the signature of one does not hold, or does not say what stands beside it.
    async fn read(app: &App, tenant: &TenantId) -> Result<Option<Self>, Error> {
        let key = VerifierKey::parse(&app.log_key.vkey(tenant.as_str()));
        let key = key.ok_or_else(|| Error::fault("reading the key of checkpoints"))?;
        // None is of size 0, unless somebody made it.
        let (mut left, mut after) = (BTreeMap::new(), -1);
        loop {
            let of = tenant.clone();
            let page = app
                .db
                .read("list_checkpoints", move |rx| checkpoints::of(&of).list(rx, after, PAGE_CHECKPOINTS));
            let page: Vec<Checkpoint> = page.await.map_err(|error: StoreError| Error::from(error))?;
            let is_last = page.len() as u64 != PAGE_CHECKPOINTS.unsigned_abs();
            for made in page {
                let is_signed =
                    key.open(&made.note).is_ok_and(|said| (said.size, said.root) == (made.size, made.root));
                if !is_signed {
                    return Ok(None);
                }
                after = made.size;
                left.insert(made.size.unsigned_abs(), made.root);
            }
            if is_last {
                return Ok(Some(Self { left, last: after.max(0) }));
            }
        }
    }

    fn compare(&mut self, tree: &Tree) {
        if self.left.get(&tree.size()).is_some_and(|root| *root == tree.root()) {
            self.left.remove(&tree.size());
        }
    }
}

/// What a log says last about each thing.
#[derive(Clone, Default)]
struct Said {
    keys: BTreeMap<KeyId, bool>,
    lists: BTreeMap<KeyId, String>,
    backups: BTreeMap<BackupId, String>,
    checks: Vec<VerificationId>,
    credentials: BTreeMap<CredentialId, bool>,
    people: BTreeMap<PersonId, (Option<String>, bool)>,
    webhooks: BTreeMap<WebhookId, bool>,
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
            ("key.superseded", Some(key), _) => drop(self.keys.insert(key.clone(), false)),
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
                self.people.insert(id, (role.map(str::to_owned), is_there));
            }
            ("webhook.created" | "webhook.deleted", ..) => {
                if let Some(id) = second.and_then(|id| id.parse().ok()) {
                    self.webhooks.insert(id, entry.action == "webhook.created");
                }
            }
            _ => {}
        }
    }

    /// What the rows contradict.
    fn compare(&self, rx: &mut Rx<'_>, tenant: &TenantId) -> Result<Vec<String>, StoreError> {
        let mut wrong = Vec::new();
        for (id, is_current) in &self.keys {
            let key = keys::of(tenant).find(rx, id)?;
            let is_as_said = key.is_some_and(|key| *is_current || key.state != KeyState::Active);
            wrong.extend(
                (!is_as_said)
                    .then(|| format!("key {id} is {}", if *is_current { "there" } else { "superseded" })),
            );
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
