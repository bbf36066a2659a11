//! What lies in the store of files for whoever asked for a recovery.

use std::fs;
use std::time::Duration;

use domain::ids::{RecoveryId, TenantId};
use store::blob::FilesAt;
use store::{StoreError, control_recoveries};

use super::approvals::{Stage, link, vote};
use super::policy;
use super::recoveries::wait_for;
use crate::examination::failures;

/// A package that was approved and made: where the recovery is seen.
async fn made(stage: &mut Stage) -> String {
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    path
}

/// Whose the recovery that is seen there is, and its id.
async fn recovery_at(stage: &Stage, path: &str) -> (TenantId, RecoveryId) {
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    (stage.app.tenant_of(&stage.app.partner()).await, id)
}

/// All packages of a tenant.
fn packages(stage: &mut Stage, tenant: &TenantId) -> Vec<Vec<u8>> {
    let FilesAt::Folder(files) = &stage.app.settings().files else { unreachable!("files in a folder") };
    let folder = fs::read_dir(files.join(tenant.as_str()).join("recoveries")).unwrap();
    folder.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

#[tokio::test]
async fn what_lies_in_a_packages_place_is_not_handed_over_and_costs_nobody_his_link() {
    let mut stage = Stage::new().await;
    let path = made(&mut stage).await;
    let package = link(&mut stage.first, &path).await;
    let (tenant, id) = recovery_at(&stage, &path).await;
    let [kept] = packages(&mut stage, &tenant).try_into().unwrap();
    let (owner, recovery) = (tenant.clone(), id.clone());
    let found = stage.app.db.read("find", move |rx| control_recoveries::of(&owner).find(rx, &recovery)).await;
    let found: Result<_, StoreError> = found;
    let (blobs, sha256) = (stage.app.blobs(), found.unwrap().unwrap().package_sha256.unwrap());
    let mut rotten = kept.clone();
    rotten[kept.len() / 2] ^= 1;
    let anothers = b"a message that anybody may encrypt to him".to_vec();
    for other in [rotten, anothers, Vec::new()] {
        blobs.put_package(&tenant, &id, &sha256, other).await.unwrap();
        assert_eq!(stage.first.get(&package).await.status, 500);
        let told = failures(&stage.app).await;
        assert_eq!(told, [format!("control_recoveries {id} does not hold")]);
    }
    blobs.put_package(&tenant, &id, &sha256, kept.clone()).await.unwrap();
    assert_eq!(stage.first.get(&package).await.body, kept);
}

#[tokio::test]
async fn what_a_list_approves_is_packed_under_the_tenants_policy_too() {
    let mut stage = Stage::new().await;
    policy::put(&mut stage.owner, &policy::form("0", "optional", "60", "")).await;
    let path = made(&mut stage).await;
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
    // While another waits, that one goes along.
    policy::put(&mut stage.owner, &policy::form("0", "optional", "0", "")).await;
    let path = made(&mut stage).await;
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
}

#[tokio::test]
async fn of_two_who_pack_at_once_one_packs_in_vain() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    let (tenant, _) = recovery_at(&stage, &path).await;
    // The enclave is slow: the handler of the vote waits for it, and so does the job that comes back to recoveries.
    let later = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stage.app.enclave.resume();
    };
    stage.app.enclave.pause();
    let (voted, ()) = tokio::join!(vote(&mut stage.second, &path, "yes"), later);
    assert_eq!(voted.status, 303, "{}", voted.text());
    wait_for(&stage, &path, "It is ready").await;
    let package = link(&mut stage.first, &path).await;
    let got = stage.first.get(&package).await;
    assert_eq!(got.status, 200, "{}", got.text());
    // Whoever lost cleans up behind himself in a moment.
    for _ in 0..100 {
        if packages(&mut stage, &tenant) == [got.body.clone()] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("another package than the one that was downloaded lies there still");
}
