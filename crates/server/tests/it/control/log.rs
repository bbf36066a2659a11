//! `/control/log`.

use store::StoreError;
use testkit::App;

#[tokio::test]
async fn the_log_is_read_filtered_exported_and_verified() {
    let app = App::start().await;
    let partner = app.partner();
    for customer in ["acme", "umbra"] {
        partner.assigned("user-1", customer).await;
    }
    let auditor = app.person("auditor").await;
    let page = auditor.get("/control/log?action=key.assigned&customer_id=acme").await.text();
    assert_eq!(page.matches("<code>key.assigned</code>").count(), 1, "{page}");
    assert!(page.contains("/control/log/export?action=key.assigned&amp;customer_id=acme"));
    assert!(
        auditor.get("/control/log?from=2001-01-01&to=2001-01-02").await.text().contains("No entry matches")
    );
    assert_eq!(auditor.get("/control/log?from=yesterday").await.status, 400);
    let export = auditor.get("/control/log/export?action=key.assigned").await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    assert!(export.header("content-disposition").contains("holdfast-log.jsonl"));
    assert_eq!(export.text().lines().count(), 2);
    let verified = auditor.get("/control/log/verify").await.text();
    assert!(verified.contains("The chain is whole"), "{verified}");
    // Somebody past the service changes what was done.
    let tampered = app.db.write("tamper", |tx| {
        const TEXT: &str =
            "UPDATE audit_entries SET reason = 'x' WHERE action = 'key.assigned' AND customer_id = 'umbra'";
        static TAMPER: store::Sql = store::Sql::new("tamper", TEXT, TEXT);
        tx.exec(&TAMPER, &[])
    });
    let changed: Result<u64, StoreError> = tampered.await;
    assert_eq!(changed.unwrap(), 1);
    let verified = auditor.get("/control/log/verify").await.text();
    assert!(verified.contains("The chain is broken at entry"), "{verified}");
}
