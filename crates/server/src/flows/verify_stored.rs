//! Has the enclave prove that a key, or a backup, is still whole.

use aws_lc_rs::digest::{Context, SHA256};
use boundary::message::{CheckItem, Prove, ProveItem, Proven};
use domain::access::Deed;
use domain::backup::{BackupKind, BackupState};
use domain::ids::{BackupId, KeyId};
use domain::key::{KeyEnvironment, KeyState};
use domain::refusal::{Kind, Refusal};
use store::StoreError;
use store::backups::{self, Backup, BackupWithKey};
use store::keys;
use store::users;

use super::keep_record::keep_record;
use super::key_shares::{Rebuilt, open_sealed, rebuild};
use super::release_proof::open_checksum;
use super::{Ctx, Error};
use crate::app::App;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is whole.
    pub holds: bool,
    /// What the enclave signed of it. A file has none: the enclave does not look into it.
    pub record: Option<String>,
    /// From which shares a key was rebuilt, where it is split.
    pub shares: Option<Rebuilt>,
}

impl Verdict {
    /// That something of which there is no record holds, or does not.
    pub fn bare(holds: bool) -> Self {
        Self { holds, record: None, shares: None }
    }

    fn of(proven: Proven) -> Self {
        Self { holds: proven.record.is_some(), record: proven.record, shares: None }
    }
}

/// As [`verify_key`]; what the enclave signed is kept.
pub async fn check_key(app: &App, ctx: &Ctx, id: &str) -> Result<Verdict, Error> {
    let verdict = verify_key(app, ctx, id).await?;
    keep(app, ctx, id, verdict).await
}

/// As [`verify_backup`]; what the enclave signed is kept.
pub async fn check_backup(app: &App, ctx: &Ctx, id: &str) -> Result<Verdict, Error> {
    let verdict = verify_backup(app, ctx, id).await?;
    keep(app, ctx, id, verdict).await
}

async fn keep(app: &App, ctx: &Ctx, id: &str, verdict: Verdict) -> Result<Verdict, Error> {
    if let Some(record) = &verdict.record {
        keep_record(app, &ctx.principal.tenant, id, record.clone(), ctx.now).await?;
    }
    Ok(verdict)
}

/// Whether the enclave can rebuild the key, and its halves fit.
pub async fn verify_key(app: &App, ctx: &Ctx, id: &str) -> Result<Verdict, Error> {
    ctx.permit_one_of(&[Deed::VerifyKey])?;
    let id: KeyId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_key", move |rx| {
        let Some(key) = keys::of(&tenant).find(rx, &id)? else { return Ok(None) };
        let user = users::of(&tenant).find(rx, &key.user_id)?;
        Ok::<_, StoreError>(user.map(|user| (key, user)))
    });
    let (key, user) = found.await?.ok_or_else(Refusal::not_found)?;
    if key.state == KeyState::Destroyed {
        return Err(Refusal::not_found().into());
    }
    here(key.key_environment)?;
    let (sealed, shares) = rebuild(app, (&ctx.principal.tenant, &key.id), &key.held()).await?;
    let asked = Prove {
        tenant_id: ctx.principal.tenant.to_string(),
        user_identifier: user.user_identifier,
        key: sealed,
        public_key: key.public_key,
        item: None,
    };
    Ok(Verdict { shares, ..Verdict::of(app.enclave.prove(asked).await?) })
}

/// Whether the backup is what was stored: data opens to a plaintext of its checksum, a file has its digest.
pub async fn verify_backup(app: &App, ctx: &Ctx, id: &str) -> Result<Verdict, Error> {
    ctx.permit_one_of(&[Deed::VerifyBackup])?;
    let id: BackupId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_backup", move |rx| {
        let Some(found) = backups::of(&tenant).find_with_key(rx, &id)? else { return Ok(None) };
        let user = users::of(&tenant).find(rx, &found.backup.user_id)?;
        Ok::<_, StoreError>(user.map(|user| (found, user)))
    });
    let (BackupWithKey { backup, key }, user) = found.await?.ok_or_else(Refusal::not_found)?;
    if backup.state == BackupState::Deleted {
        let text = "this backup is deleted: nothing is left to verify";
        return Err(Refusal::new(Kind::Conflict, "backup-state", text).into());
    }
    here(key.key_environment)?;
    if backup.kind == BackupKind::File {
        return Ok(Verdict::bare(is_as_stored(app, ctx, &backup).await?));
    }
    let item = CheckItem {
        backup_id: backup.id.to_string(),
        item_key: backup.item_key.clone().unwrap_or_default(),
        checksum: open_checksum(app, &backup)?,
        ciphertext: backup.ciphertext.clone().unwrap_or_default(),
    };
    let asked = Prove {
        tenant_id: ctx.principal.tenant.to_string(),
        user_identifier: user.user_identifier,
        key: open_sealed(app, (&ctx.principal.tenant, &backup.key_id), &key.held()).await?,
        public_key: key.key_public_key,
        item: Some(ProveItem { item, record: backup.record.unwrap_or_default() }),
    };
    Ok(Verdict::of(app.enclave.prove(asked).await?))
}

/// Whether a file is there, and of the size and the digest that it had when it was stored.
async fn is_as_stored(app: &App, ctx: &Ctx, backup: &Backup) -> Result<bool, Error> {
    let (mut size, mut digest) = (0, Context::new(&SHA256));
    let found = app.files.blobs.read(&ctx.principal.tenant, &backup.id, |piece| {
        size += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        digest.update(piece);
    });
    let is_there = found.await.map_err(Error::files_away)?;
    let is_same = backup.stored_sha256.is_some_and(|stored| digest.finish().as_ref() == stored);
    Ok(is_there && is_same && size == backup.data_size)
}

/// What is offline cannot be proven from here, and is not lost for that.
fn here(environment: KeyEnvironment) -> Result<(), Refusal> {
    match environment {
        KeyEnvironment::Hot => Ok(()),
        KeyEnvironment::Cold => Err(Refusal::new(
            Kind::Conflict,
            "held-offline",
            "its private key is held offline, where only a ceremony can verify it; that says nothing against it",
        )),
    }
}
