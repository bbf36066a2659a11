//! Tenants' own issuers of tokens.

use domain::credential::{Scope, TenantKind};
use store::credentials::Scopes;
use store::issuers::{self, Issuer};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    an_issuer_is_found_by_its_name_and_audience,
    a_name_with_an_audience_leads_to_one_tenant,
    sixty_four_at_once_set_one_issuer,
}

fn issuer(number: u64, name: &str, audience: &str) -> Issuer {
    Issuer {
        id: id(number),
        issuer: name.to_owned(),
        audience: audience.to_owned(),
        jwks_uri: "https://idp.example/jwks".to_owned(),
        scopes: Scopes::new(&[Scope::Partner, Scope::Audit]),
        created_at: at(1),
        updated_at: at(1),
    }
}

async fn an_issuer_is_found_by_its_name_and_audience(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let first = issuer(10, "https://idp.example", "us");
    let row = first.clone();
    assert!(write(&db, move |tx| issuers::of(&id(1)).insert_or_replace(tx, &row)).await.is_some());
    assert_eq!(read(&db, |rx| issuers::of(&id(1)).find(rx)).await, Some(first.clone()));
    assert_eq!(read(&db, |rx| issuers::of(&id(2)).find(rx)).await, None, "another tenant's");
    let found = read(&db, |rx| issuers::find_by_name(rx, "https://idp.example", "us")).await.expect("found");
    assert_eq!((found.tenant_id, found.tenant_kind, found.issuer), (id(1), TenantKind::Partner, first));
    for (name, audience) in [("https://idp.example", "US"), ("https://idp.example/", "us"), ("us", "us")] {
        assert_eq!(read(&db, move |rx| issuers::find_by_name(rx, name, audience)).await, None);
    }
    let second = Issuer { updated_at: at(9), created_at: at(9), ..issuer(11, "https://new.example", "us") };
    let row = second.clone();
    let written = write(&db, move |tx| issuers::of(&id(1)).insert_or_replace(tx, &row)).await.expect("free");
    assert_eq!((&written.id, written.created_at, written.updated_at), (&id(10), at(1), at(9)));
    assert_eq!(read(&db, |rx| issuers::of(&id(1)).find(rx)).await, Some(written));
    assert_eq!(read(&db, |rx| issuers::find_by_name(rx, "https://idp.example", "us")).await, None);
    assert!(!write(&db, |tx| issuers::of(&id(2)).delete(tx)).await);
    assert!(write(&db, |tx| issuers::of(&id(1)).delete(tx)).await);
    assert!(!write(&db, |tx| issuers::of(&id(1)).delete(tx)).await);
    assert_eq!(read(&db, |rx| issuers::find_by_name(rx, "https://new.example", "us")).await, None);
}

async fn a_name_with_an_audience_leads_to_one_tenant(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let set = async |tenant: u64, audience: &'static str| {
        let row = issuer(10 + tenant, "https://idp.example", audience);
        write(&db, move |tx| issuers::of(&id(tenant)).insert_or_replace(tx, &row)).await.is_some()
    };
    assert!(set(1, "us").await);
    assert!(!set(2, "us").await, "taken");
    assert!(set(1, "us").await, "one's own is no obstacle");
    assert!(set(2, "them").await, "the same issuer for another audience");
    let found = read(&db, |rx| issuers::find_by_name(rx, "https://idp.example", "us")).await;
    assert_eq!(found.map(|found| found.tenant_id), Some(id(1)));
}

async fn sixty_four_at_once_set_one_issuer(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let work = |n: u64| {
        let row = issuer(100 + n, &format!("https://{n}.example"), "us");
        move |tx: &mut store::Tx<'_>| Ok(issuers::of(&id(1)).insert_or_replace(tx, &row)?.is_some())
    };
    assert_eq!(wins(&race([&db, &other], 64, work).await), 64, "each in its turn");
    let rival = |n: u64| {
        let row = issuer(200 + n, "https://rival.example", "us");
        move |tx: &mut store::Tx<'_>| {
            Ok(issuers::of(&id(1 + n % 2)).insert_or_replace(tx, &row)?.map(|_| n % 2))
        }
    };
    // What a loser's closure did would be rolled back by its caller; here the one before is gone.
    let winners: std::collections::BTreeSet<_> =
        race([&db, &other], 64, rival).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "two tenants never have the same");
}
