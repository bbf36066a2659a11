//! `/v1/sandbox/damage`.

use domain::credential::{Scope, TenantKind};
use serde_json::json;
use testkit::App;
use testkit::device::secret;

#[tokio::test]
async fn only_a_confirmed_backup_of_the_tenant_is_damaged() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.start("user-1").await;
    let key = retail.key("user-1", &id).await;
    let stored = retail.store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    let damage = |id: &str| json!({"backup_id": id});
    let before = app.census();
    retail.post("/v1/sandbox/damage", &damage(&stored[0])).await.refused(409, "backup-state");
    let stranger = app.new_tenant(TenantKind::Retail, &[Scope::Sandbox]).await;
    let unknown = "00000000-0000-7000-8000-000000000000".to_owned();
    let mut faces = vec![stranger.post("/v1/sandbox/damage", &damage(&stored[0])).await];
    for id in ["", "x", &unknown, &stored[0].to_uppercase()] {
        faces.push(retail.post("/v1/sandbox/damage", &damage(id)).await);
    }
    for answer in &faces {
        answer.refused(404, "not-found");
        assert_eq!(answer.face(), faces[0].face());
    }
    let mut after = app.census();
    // The stranger is a tenant with a credential.
    *after.get_mut("tenants").unwrap() -= 1;
    *after.get_mut("api_credentials").unwrap() -= 1;
    assert_eq!(after, before, "nothing was written");
    retail.simulate(&id, "approve_inquiry").await.ok();
    assert_eq!(
        retail.post("/v1/sandbox/damage", &damage(&stored[0])).await.ok(),
        json!({"ok": true, "backup_id": stored[0]})
    );
    assert_eq!(retail.audit("&action=backup.damaged").await.len(), 1);
}
