//! Tenants, credentials, users, facts.

use domain::credential::{Scope, TenantKind};
use store::credentials::{ApiCredential, Scopes};
use store::{credentials, meta, tenants, users};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_tenant_is_found_as_it_was_inserted,
    a_credential_is_found_by_its_hash_alone,
    a_credential_is_revoked_once_and_only_by_its_tenant,
    credentials_are_paged_from_the_newest,
    a_user_is_made_once,
    sixty_four_at_once_make_one_user,
    a_fact_does_not_change,
}

fn credential() -> ApiCredential {
    ApiCredential {
        id: id(10),
        name: "wallet".to_owned(),
        hint: "hf_test_ab".to_owned(),
        scopes: Scopes::new(&[Scope::Partner, Scope::Audit]),
        expires_at: Some(at(1000)),
        revoked_at: None,
        created_at: at(2),
    }
}

async fn a_tenant_is_found_as_it_was_inserted(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(read(&db, |rx| tenants::find(rx, &id(2))).await, Some(tenant(2)));
    assert_eq!(read(&db, |rx| tenants::find(rx, &id(3))).await, None);
    assert_eq!(read(&db, tenants::list_all).await, [tenant(1), tenant(2)]);
}

async fn a_credential_is_found_by_its_hash_alone(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| credentials::of(&id(1)).insert(tx, &credential(), &[5; 32])).await;
    let bearer = read(&db, |rx| credentials::find_by_hash(rx, &[5; 32])).await.expect("found");
    assert_eq!(bearer.credential, credential());
    assert_eq!((bearer.tenant_id, bearer.tenant_kind), (id(1), TenantKind::Partner));
    assert_eq!(bearer.tenant_name, "tenant 1");
    assert!(bearer.credential.scopes.has(Scope::Audit) && !bearer.credential.scopes.has(Scope::Keys));
    assert_eq!(read(&db, |rx| credentials::find_by_hash(rx, &[6; 32])).await, None);
    let by_id = read(&db, |rx| credentials::find_by_id(rx, &id(10))).await.expect("found");
    assert_eq!((&by_id.tenant_id, &by_id.credential), (&id(1), &credential()));
    assert!(by_id.is_alive(at(999)) && !by_id.is_alive(at(1000)));
    assert_eq!(read(&db, |rx| credentials::find_by_id(rx, &id(11))).await, None);
    assert_eq!(read(&db, |rx| credentials::of(&id(1)).list(rx)).await, [credential()]);
    assert_eq!(read(&db, |rx| credentials::of(&id(2)).list(rx)).await, []);
}

async fn a_credential_is_revoked_once_and_only_by_its_tenant(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| credentials::of(&id(1)).insert(tx, &credential(), &[5; 32])).await;
    let revoke = |tenant: u64| {
        move |tx: &mut store::Tx<'_>| credentials::of(&id(tenant)).set_revoked(tx, &id(10), at(50))
    };
    assert!(!write(&db, revoke(2)).await, "another tenant's");
    assert!(write(&db, revoke(1)).await);
    assert!(!write(&db, revoke(1)).await, "revoked before");
    let bearer = read(&db, |rx| credentials::find_by_hash(rx, &[5; 32])).await.expect("found");
    assert_eq!(bearer.credential.revoked_at, Some(at(50)));
}

async fn credentials_are_paged_from_the_newest(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        for number in 10..15_u8 {
            let one = ApiCredential { id: id(number.into()), ..credential() };
            credentials::of(&id(1)).insert(tx, &one, &[number; 32])?;
        }
        credentials::of(&id(2)).insert(tx, &ApiCredential { id: id(20), ..credential() }, &[20; 32])
    })
    .await;
    let page = |before: Option<u64>, limit: i64| {
        let db = &db;
        async move {
            let page =
                read(db, move |rx| credentials::of(&id(1)).list_before(rx, before.map(id).as_ref(), limit));
            page.await.into_iter().map(|credential| credential.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None, 2).await, [id(14), id(13)]);
    assert_eq!(page(Some(13), 2).await, [id(12), id(11)]);
    assert_eq!(page(Some(11), 2).await, [id(10)]);
    assert_eq!(read(&db, |rx| credentials::of(&id(1)).find(rx, &id(12))).await.map(|c| c.id), Some(id(12)));
    assert_eq!(read(&db, |rx| credentials::of(&id(1)).find(rx, &id(20))).await, None, "another tenant's");
}

async fn a_user_is_made_once(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let again = write(&db, |tx| users::of(&id(1)).ensure(tx, &user(2, "anna"))).await;
    assert_eq!(again, user(1, "anna"), "the first one stays");
    let other = write(&db, |tx| users::of(&id(2)).ensure(tx, &user(3, "anna"))).await;
    assert_eq!(other, user(3, "anna"), "the same name at another tenant is another person");
    assert_eq!(read(&db, |rx| users::of(&id(1)).find_by_identifier(rx, "anna")).await, Some(user(1, "anna")));
    assert_eq!(read(&db, |rx| users::of(&id(1)).find_by_identifier(rx, "Anna")).await, None);
    assert_eq!(read(&db, |rx| users::of(&id(1)).find(rx, &id(1))).await, Some(user(1, "anna")));
    assert_eq!(read(&db, |rx| users::of(&id(2)).find(rx, &id(1))).await, None, "another tenant's");
}

async fn sixty_four_at_once_make_one_user(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let users =
        race([&db, &other], 64, |n| move |tx| users::of(&id(1)).ensure(tx, &user(100 + n, "bert"))).await;
    assert!(users.iter().all(|user| user.id == users[0].id));
}

async fn a_fact_does_not_change(bench: &Bench) {
    let db = bench.open().await;
    assert_eq!(read(&db, |rx| meta::find(rx, "environment")).await, None);
    assert_eq!(write(&db, |tx| meta::ensure(tx, "environment", "sandbox")).await, "sandbox");
    assert_eq!(write(&db, |tx| meta::ensure(tx, "environment", "production")).await, "sandbox");
    assert_eq!(read(&db, |rx| meta::find(rx, "environment")).await.as_deref(), Some("sandbox"));
}
