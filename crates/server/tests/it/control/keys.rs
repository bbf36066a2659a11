//! `/control/keys`.

use testkit::App;
use testkit::device::secret;

#[tokio::test]
async fn a_key_is_shown_given_out_and_replaced_once_it_is_meant() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "acme").await;
    partner.try_store_data(&key, &key.device().item("", &secret("a"))).await.ok();
    let path = format!("/control/keys/{}", key.key_id);
    let mut owner = app.person("owner").await;
    assert!(owner.open("/control/keys?customer_id=acme").await.text().contains(&path));
    let page = owner.open(&path).await.text();
    assert!(page.contains("Key of user-1") && page.contains("Key assigned"), "{page}");
    let public = owner.get(&format!("{path}/public-key.txt")).await;
    assert_eq!(public.text().trim_end(), key.public_key);
    assert!(public.header("content-disposition").starts_with("attachment"));

    let unmeant = owner.post(&format!("{path}/rotate"), &[]).await;
    assert!(owner.follow(&unmeant).await.text().contains("Nothing was done"));
    let mut auditor = app.person("auditor").await;
    let refused = auditor.open(&path).await;
    assert!(!refused.text().contains("/rotate\""));
    assert_eq!(auditor.post(&format!("{path}/rotate"), &[("confirmed", "yes")]).await.status, 403);
    assert_eq!(partner.get(&format!("/v1/partner/keys/{}", key.key_id)).await.ok()["status"], "active");

    let rotated = owner.post(&format!("{path}/rotate"), &[("confirmed", "yes")]).await;
    let page = owner.follow(&rotated).await.text();
    assert!(page.contains("This is the new one") && page.contains(&path), "it names the one before");
    let old = owner.get(&path).await.text();
    assert!(old.contains("Replaced by") && !old.contains("/rotate\"") && !old.contains("recoveries/new"));
    let stranger = app.person_of(domain::credential::TenantKind::Retail, "owner").await;
    for path in [path.clone(), format!("{path}/public-key.txt")] {
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
    }
}
