//! The pages that need nobody to sign in.

use serde_json::json;

use crate::rig::browser::Driver;
use crate::rig::sandbox::Sandbox;

#[tokio::test]
async fn everybody_can_read_the_document_and_play_the_customer() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::start(folder.path());
    let driver = Driver::start();
    let browser = driver.browser().await;
    let start = json!({ "user_identifier": "ada" });
    let started = sandbox.post("retail", "/v1/verification/start", &start).await;
    let check = format!("/identity/{}", started["verification_id"].as_str().expect("an inquiry"));
    for (name, path) in [("docs", "/docs"), ("identity", &check), ("identity-unknown", "/identity/none")] {
        browser.go(&format!("{}{path}", sandbox.credentials.base_url)).await;
        browser.picture(name).await;
        assert_eq!(browser.barriers().await, [""; 0], "{name}");
    }
    browser.go(&format!("{}{check}", sandbox.credentials.base_url)).await;
    browser.press("Pass").await;
    browser.wait_for("Approved").await;
}
