//! `/control/backups`.

use std::time::Duration;

use testkit::device::secret;
use testkit::{Actor, App, Given};

async fn store(actor: &Actor, key: &Given, name: &str) -> String {
    let stored = actor.try_store_data(key, &key.device().item("", &secret(name))).await.ok();
    stored["backup_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn backups_are_searched_by_address_and_paged() {
    let app = App::start().await;
    let (partner, owner) = (app.partner(), app.person("auditor").await);
    let empty = owner.get("/control/backups").await;
    assert!(empty.text().contains("No backup yet"));
    let mut ids = Vec::new();
    for customer in ["acme", "umbra"] {
        let key = partner.assigned("user-1", customer).await;
        for name in ["a", "b"] {
            ids.push((customer, store(&partner, &key, name).await));
        }
    }
    let shown = |page: String| {
        ids.iter().filter(|(_, id)| page.contains(&format!("/control/backups/{id}\""))).count()
    };
    assert_eq!(shown(owner.get("/control/backups").await.text()), 4);
    let acme = owner.get("/control/backups?customer_id=acme&package_id=&status=confirmed").await;
    assert_eq!((acme.status, shown(acme.text())), (200, 2));
    assert!(acme.text().contains("value=\"acme\""), "what narrows stands in the form");
    assert_eq!(shown(owner.get("/control/backups?key_environment=COLD").await.text()), 0);
    assert_eq!(
        shown(owner.get("/control/backups?key_environment=HOT&user_identifier=user-1").await.text()),
        4
    );
    assert!(owner.get("/control/backups?customer_id=nobody").await.text().contains("No backup matches"));
    let first = owner.get("/control/backups?customer_id=acme&limit=1").await.text();
    assert_eq!(shown(first.clone()), 1);
    let older = first.split("href=\"").find(|rest| rest.contains("cursor=")).expect("a way on");
    let older = older.split('"').next().unwrap().replace("&amp;", "&");
    assert!(older.contains("customer_id=acme"), "{older}");
    let second = owner.get(&older).await.text();
    assert!(shown(second.clone()) == 1 && second != first);
    assert_eq!(owner.get("/control/backups?cursor=forged").await.status, 400);
    // Another tenant's people see none of it, listed or by its address.
    let stranger = app.person_of(domain::credential::TenantKind::Retail, "owner").await;
    assert_eq!(shown(stranger.get("/control/backups").await.text()), 0);
    for path in [format!("/control/backups/{}", ids[0].1), "/control/backups/none".to_owned()] {
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn both_lists_are_narrowed_to_what_an_access_list_guards() {
    let mut stage = super::approvals::Stage::new().await;
    let partner = stage.app.partner();
    let free = partner.assigned("user-2", "customer-2").await;
    let other = store(&partner, &free, "other").await;
    // The newest of them all.
    stage.app.clock.advance(Duration::from_millis(1));
    let more = store(&partner, &stage.key, "more").await;
    let narrowed = format!("acl_id={}", stage.acl);
    let page = stage.owner.open(&format!("/control/backups?{narrowed}&limit=1")).await.text();
    assert!(page.contains("Treasury") && page.contains(&more) && !page.contains(&stage.backup), "{page}");
    let older = page.split("href=\"").find(|rest| rest.contains("cursor=")).expect("a way on");
    let older = older.split('"').next().unwrap().replace("&amp;", "&");
    assert!(older.contains(&narrowed), "paging keeps it: {older}");
    let page = stage.owner.get(&older).await.text();
    assert!(page.contains(&stage.backup) && !page.contains(&more) && !page.contains(&other), "{page}");
    let page = stage.owner.get(&format!("/control/keys?{narrowed}")).await.text();
    assert!(page.contains(&stage.key.key_id) && !page.contains(&free.key_id), "{page}");
    assert!(stage.owner.get("/control/keys").await.text().contains(&free.key_id));
    for path in ["backups", "keys"] {
        assert_eq!(stage.owner.get(&format!("/control/{path}?acl_id=none")).await.status, 400);
        // Another tenant's list, or none that there is, guards nothing here.
        let stranger = stage.app.person_of(domain::credential::TenantKind::Retail, "owner").await;
        let page = stranger.get(&format!("/control/{path}?{narrowed}")).await.text();
        assert!(page.contains("matches") && !page.contains("Treasury"), "{page}");
    }
}

#[tokio::test]
async fn a_backup_is_checked_deleted_and_kept_by_who_may() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "acme").await;
    let id = store(&partner, &key, "a").await;
    let path = format!("/control/backups/{id}");
    let mut owner = app.person("owner").await;
    let page = owner.open(&path).await;
    assert!(
        page.text().contains("Backup stored") && page.text().contains("What happened"),
        "{}",
        page.text()
    );
    let checked = owner.post(&format!("{path}/check"), &[]).await;
    assert!(checked.text().contains("Checked just now: it is whole."), "{}", checked.text());
    let deleted = owner.post(&format!("{path}/delete"), &[]).await;
    let page = owner.follow(&deleted).await;
    assert!(
        page.text().contains("will be deleted in thirty days") && page.text().contains("Keep it after all")
    );
    let kept = owner.post(&format!("{path}/restore"), &[]).await;
    assert!(owner.follow(&kept).await.text().contains("It is kept."));
    // Who reads may nothing of it, whatever he sends; nor may a form without its token.
    let mut auditor = app.person("auditor").await;
    let page = auditor.open(&path).await;
    assert!(!page.text().contains("/check\"") && !page.text().contains("/delete\""));
    for deed in ["check", "delete", "restore"] {
        assert_eq!(auditor.post(&format!("{path}/{deed}"), &[]).await.status, 403, "{deed}");
        assert_eq!(owner.post_with(&format!("{path}/{deed}"), "", &[]).await.status, 403, "{deed}");
    }
    // Long after his last proof the owner must prove anew who he is, and nothing is deleted before.
    app.clock.advance(Duration::from_mins(11));
    let answer = owner.post(&format!("{path}/delete"), &[]).await;
    assert!(answer.header("location").starts_with("/control/prove"), "{}", answer.status);
    assert_eq!(partner.get(&format!("/v1/partner/backups/{id}")).await.ok()["status"], "confirmed");
}
