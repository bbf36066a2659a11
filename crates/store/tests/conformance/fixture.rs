//! Rows to begin with, and short ways to write and read.

use std::fmt::Debug;
use std::str::FromStr;

use domain::backup::{BackupKind, BackupState, CheckState};
use domain::credential::TenantKind;
use domain::ids::{TenantId, UserId, VerificationId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::recovery::{RecoveryFlow, RecoveryState};
use domain::time::Timestamp;
use domain::verification::InquiryState;
use store::audit::AuditEntry;
use store::backups::Backup;
use store::held_keys::Kept;
use store::keys::CustomerKey;
use store::pool::PoolKey;
use store::recoveries::Recovery;
use store::tenants::Tenant;
use store::users::User;
use store::verifications::Verification;
use store::{Db, Rx, StoreError, Tx};
use tokio::task::JoinSet;

/// An instant, `ms` after the day of these tests.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_763_700_000_000 + ms)
}

/// The id of this number; higher numbers are younger.
pub fn id<T: FromStr<Err: Debug>>(number: u64) -> T {
    format!("00000000-0000-7000-8000-{number:012x}").parse().expect("an id")
}

/// An approval of that instant.
pub fn approval(approved_at: Timestamp, admission: &[u8]) -> store::verifications::Approval {
    store::verifications::Approval { approved_at, admission: admission.to_vec() }
}

pub fn inquiry(name: &str) -> VerificationId {
    name.parse().expect("an inquiry's id")
}

pub fn tenant(number: u64) -> Tenant {
    let name = format!("tenant {number}");
    Tenant { id: id(number), name, kind: TenantKind::Partner, created_at: at(0) }
}

pub fn user(number: u64, name: &str) -> User {
    User { id: id(number), user_identifier: name.to_owned(), created_at: at(1) }
}

pub fn pool_key(number: u64) -> PoolKey {
    PoolKey {
        key_id: id(number),
        key_environment: KeyEnvironment::Hot,
        key_type: KeyType::Rsa4096,
        public_key: vec![number.to_le_bytes()[0]; 550],
        sealed: vec![7; 2400],
        created_at: at(2),
    }
}

pub fn key(number: u64, slot: Option<&str>) -> CustomerKey {
    let mut public_key_sha256 = [0; 32];
    public_key_sha256[..8].copy_from_slice(&number.to_be_bytes());
    CustomerKey {
        id: id(number),
        user_id: id(1),
        key_type: KeyType::Rsa4096,
        key_environment: KeyEnvironment::Hot,
        state: KeyState::Active,
        public_key: vec![1; 550],
        public_key_sha256,
        sealed: Kept::new(vec![2; 2400]),
        split_id: None,
        binding: Some(vec![3]),
        signature: "MEUC".to_owned(),
        signed_payload: Some("{\"a\":\"é\"}".to_owned()),
        signed_fields: Some("[\"a\"]".to_owned()),
        kid: Some("kid-1".to_owned()),
        assignment_slot: slot.map(str::to_owned),
        customer_id: Some("customer".to_owned()),
        customer_name: Some("Customer".to_owned()),
        package_id: Some("package".to_owned()),
        package_name: None,
        verification_id: None,
        supersedes: None,
        assigned_at: at(3),
        acl_id: None,
    }
}

pub fn verification(name: &str) -> Verification {
    Verification {
        id: inquiry(name),
        user_id: id(1),
        provider: "simulated".to_owned(),
        session_id: format!("session of {name}"),
        ticket: vec![0, 1, 2, 255],
        state: InquiryState::Created,
        gpg_fingerprint: Some("ABCD".to_owned()),
        admission: None,
        created_at: at(4),
        updated_at: at(4),
        approved_at: None,
        window_closed_at: None,
    }
}

pub fn backup(number: u64) -> Backup {
    let mut repeat_tag = [0; 32];
    repeat_tag[..8].copy_from_slice(&number.to_be_bytes());
    Backup {
        id: id(number),
        user_id: id(1),
        key_id: id(1),
        kind: BackupKind::Data,
        state: BackupState::Confirmed,
        check_state: CheckState::Verified,
        verification_id: None,
        session_id: Some("session".to_owned()),
        item_key: Some(format!("item {number}")),
        ciphertext: Some(vec![number.to_le_bytes()[0]; 512]),
        checksum_sealed: Some(vec![9; 61]),
        record: Some(vec![8; 300]),
        metadata: "{}".to_owned(),
        data_size: 512,
        stored_sha256: Some([6; 32]),
        repeat_tag: Some(repeat_tag),
        stored_at: at(5),
        updated_at: at(5),
    }
}

pub fn recovery(number: u64, name: &str) -> Recovery {
    Recovery {
        id: id(number),
        user_id: id(1),
        verification_id: Some(inquiry(name)),
        flow: RecoveryFlow::Retail,
        state: RecoveryState::Releasing,
        gpg_fingerprint: "ABCD".to_owned(),
        subkey_fingerprint: "EF01".to_owned(),
        intent: vec![1, 0, 1],
        items: "[]".to_owned(),
        deliveries: 0,
        created_at: at(6),
        updated_at: at(6),
    }
}

pub fn entry(number: u64) -> AuditEntry {
    AuditEntry {
        id: id(number),
        time: at(7),
        actor: "credential 1".to_owned(),
        actor_type: "api_key".to_owned(),
        action: "key.assigned".to_owned(),
        key_id: None,
        backup_id: None,
        recovery_id: None,
        verification_id: None,
        customer_id: None,
        package_id: None,
        result: "ok".to_owned(),
        reason: None,
        request_id: "request".to_owned(),
    }
}

/// Two tenants, the first with user 1.
pub async fn seed(db: &Db) -> (TenantId, UserId) {
    write(db, |tx| {
        store::tenants::insert(tx, &tenant(1))?;
        store::tenants::insert(tx, &tenant(2))?;
        let user = store::users::of(&id(1)).ensure(tx, &user(1, "anna"))?;
        Ok((id(1), user.id))
    })
    .await
}

/// Writes, and expects to succeed.
pub async fn write<T, F>(db: &Db, work: F) -> T
where
    F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    db.write("test", work).await.expect("writes")
}

/// Reads, and expects to succeed.
pub async fn read<T, F>(db: &Db, look: F) -> T
where
    F: Fn(&mut Rx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    db.read("test", look).await.expect("reads")
}

/// Runs `work` `times` over at once, half of it on each handle, as two processes would; all must succeed.
pub async fn race<T, W, F>(dbs: [&Db; 2], times: u64, work: W) -> Vec<T>
where
    W: Fn(u64) -> F,
    F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    T: Send + 'static,
{
    let mut running = JoinSet::new();
    for number in 0..times {
        let (db, work) = (dbs[usize::from(number % 2 == 1)].clone(), work(number));
        running.spawn(async move { db.write("race", work).await.expect("writes") });
    }
    running.join_all().await
}

/// How many of them are true.
pub fn wins(results: &[bool]) -> usize {
    results.iter().filter(|won| **won).count()
}
