//! The network is cut at every stage of every deed: what was asked is done once, or can be asked again.

use std::time::Duration;

use client::api::partner::{Organisation, Package};
use client::api::retail::StartRequest;
use client::api::stored::{BackupList, KeyList};
use client::{
    BackupRequest, Client, Error, KeptBackup, PartnerBackupRequest, RecipientKey, RecoverAllRequest, Secret,
};

use crate::rig::cutter::{Cutter, Stage};
use crate::rig::group::Group;
use crate::rig::served::start;

mod rig {
    pub mod cutter;
    pub mod group;
    pub mod served;
}

/// A deed of partners and wallets: a key is made, the signing keys are asked for, the secret is stored.
const EXCHANGES: usize = 3;
/// How long a key of the stock takes to be made.
const STOCK_PAUSE: Duration = Duration::from_secs(1);
const KEY: [u8; 12] = *b"twelve bytes";

#[tokio::test(flavor = "multi_thread")]
async fn a_deed_that_is_cut_off_is_done_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new();
    let (mut server, credentials) = start(&group, folder.path());
    let key_of = |kind: &str| {
        let tenant = credentials.tenants.iter().find(|tenant| tenant.kind == kind);
        tenant.expect("a tenant").api_keys.full.clone()
    };
    let cutter = Cutter::to(&credentials.base_url);
    for after in 0..EXCHANGES {
        for stage in Stage::ALL {
            partner_backs_up(&cutter, &key_of("partner"), after, stage, &KEY).await;
        }
    }
    // A file is sent in another way than a ciphertext.
    for stage in Stage::ALL {
        partner_backs_up(&cutter, &key_of("partner"), EXCHANGES - 1, stage, &vec![7; 100_000]).await;
        wallet_recovers(&cutter, &key_of("retail"), stage).await;
    }
    server.kill().expect("an end");
    server.wait().expect("an end");
}

async fn partner_backs_up(cutter: &Cutter, api_key: &str, after: usize, stage: Stage, secret: &[u8]) {
    let user = format!("user-{after}-{stage:?}-{}", secret.len());
    let secret = Secret::from(secret);
    let kept: KeptBackup = loop {
        // A new client has no signing keys yet, and its whole budget of repeats.
        let client = Client::new(&cutter.base, api_key).expect("a client");
        let request = PartnerBackupRequest {
            user_identifier: &user,
            secret: &secret,
            organisation: Organisation { customer_id: "customer-1".into(), customer_name: None },
            package: Package { package_id: "package-1".into(), package_name: None },
            key_environment: "HOT",
            metadata: None,
            user_id: None,
        };
        cutter.cut(after, stage);
        match client.partner().backup(&request).await {
            Ok(kept) => break kept,
            Err(error) if error.code() == "pool-empty" => tokio::time::sleep(STOCK_PAUSE).await,
            Err(error) => unreachable!("{user}: {error}"),
        }
    };
    assert!(cutter.has_cut(), "{user}");
    let client = Client::new(&cutter.base, api_key).expect("a client");
    let filter = KeyList { user_identifier: Some(user.clone()), ..KeyList::default() };
    let keys = client.partner().list_keys(&filter).await.expect("keys").data;
    assert_eq!(keys.iter().map(|key| &key.key_id).collect::<Vec<_>>(), [&kept.key_id], "{user}: one key");
    let filter = BackupList { user_identifier: Some(user.clone()), ..BackupList::default() };
    let backups = client.partner().list_backups(&filter).await.expect("backups").data;
    assert_eq!(
        backups.iter().map(|one| &one.backup_id).collect::<Vec<_>>(),
        [&kept.backup_id],
        "{user}: once"
    );
}

/// Each answer of a recovery counts, so none is repeated by itself; there are three for one key.
async fn wallet_recovers(cutter: &Cutter, api_key: &str, stage: Stage) {
    let user = format!("user-{stage:?}");
    let client = Client::new(&cutter.base, api_key).expect("a client");
    let approved = async || {
        let request = StartRequest { user_identifier: user.clone(), gpg_fingerprint: None };
        let begun = client.retail().start_verification_with(&request, "approve_inquiry").await;
        begun.expect("a check").verification_id
    };
    let secret = Secret::from(KEY.as_slice());
    let (enrolment, items) = (approved().await, [("words", &secret)]);
    let request = BackupRequest {
        user_identifier: &user,
        verification_id: &enrolment,
        items: &items,
        ..BackupRequest::default()
    };
    while let Err(error) = client.backup(&request).await {
        assert_eq!(error.code(), "pool-empty", "{error}");
        tokio::time::sleep(STOCK_PAUSE).await;
    }
    let (verification, device) = (approved().await, RecipientKey::generate().expect("a key"));
    let request = RecoverAllRequest {
        user_identifier: &user,
        verification_id: &verification,
        device: &device,
        request_signature: None,
    };
    cutter.cut(0, stage);
    let error = client.recover(&request).await.expect_err("the line was cut");
    assert!(matches!(error, Error::Transport { .. }), "{error}");
    let mut deliveries = 0;
    let refused = loop {
        match client.recover(&request).await {
            Ok(recovered) => {
                assert_eq!(recovered.secrets.len(), 1, "{:?}", recovered.failed);
                assert_eq!(recovered.secrets[0].secret, secret);
                deliveries += 1;
            }
            Err(error) => break error,
        }
    };
    // What never reached the service did not count.
    assert_eq!(deliveries, if stage == Stage::Request { 3 } else { 2 });
    assert_eq!(refused.code(), "verification-used");
}
