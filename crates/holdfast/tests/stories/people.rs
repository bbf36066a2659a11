//! How somebody comes in, loses the device, and comes back.

use super::stage::{Stage, look_at, shown};
use crate::rig::browser::Browser;

const PASSWORD: &str = "a ferry, four cranes and a lamp";
const EMAIL: &str = "nora@harbour.example";

/// Takes up an invitation in a browser that knows nobody, up to the recovery codes.
async fn join(stage: &Stage, link: &str) -> Browser {
    let browser = stage.stranger().await;
    browser.go(link).await;
    look_at(&browser, "invitation").await;
    browser.fill("#new_password", PASSWORD).await;
    browser.fill("#repeated_password", PASSWORD).await;
    browser.send("form[action='/control/invitation']").await;
    browser.wait_for("Make a passkey").await;
    look_at(&browser, "onboarding").await;
    browser.fill("#label", "laptop").await;
    browser.press("Make a passkey").await;
    browser.wait_for("You are in").await;
    look_at(&browser, "recovery-codes").await;
    browser.press("I have kept them: prove who I am").await;
    browser.wait_for_exit("/control/onboarding").await;
    // Once: whoever comes back has passed it.
    if browser.url().await.contains("/identity/") {
        browser.press("Pass").await;
        browser.wait_for("Approved").await;
    }
    browser.go(&stage.at("/control")).await;
    browser.wait_for("Nora Quay").await;
    browser
}

async fn sign_in(stage: &Stage, browser: &Browser) {
    stage.give_password(browser, EMAIL, PASSWORD).await;
    look_at(browser, "second-factor").await;
    browser.press("Sign in with a passkey").await;
    browser.wait_for("Nora Quay").await;
}

#[tokio::test]
async fn somebody_is_invited_loses_the_device_and_comes_back() {
    let stage = Stage::new();
    let owner = stage.signed_in("owner@").await;
    owner.go(&stage.at("/control/team/invite")).await;
    look_at(&owner, "invite").await;
    owner.fill("#name", "Nora Quay").await;
    owner.fill("#email", EMAIL).await;
    owner.send("form[action='/control/team/invite']").await;
    owner.wait_for("can begin with this link").await;
    look_at(&owner, "invited").await;
    let link = shown(&owner, ".once output").await;
    let nora = join(&stage, &link).await;

    // Signed out, and in again by the passkey that the browser made.
    nora.run("document.querySelector('.menu').open = true").await;
    nora.press("Sign out").await;
    nora.wait_for("Password").await;
    look_at(&nora, "sign-in").await;
    sign_in(&stage, &nora).await;
    nora.go(&stage.at("/control/account")).await;
    nora.wait_for("laptop").await;
    look_at(&nora, "account-of-a-member").await;

    owner.go(&stage.at("/control/team")).await;
    look_at(&owner, "team").await;
    owner.press("Nora Quay").await;
    look_at(&owner, "person").await;
    owner.press("Let this person begin anew").await;
    owner.wait_for("can begin with this link").await;
    let again = shown(&owner, ".once output").await;
    assert_ne!(again, link);
    nora.go(&stage.at("/control/team")).await;
    nora.wait_for("Password").await;
    stage.give_password(&nora, EMAIL, PASSWORD).await;
    assert!(!nora.text().await.contains("passkey"), "neither the password nor the passkey holds");
    let nora = join(&stage, &again).await;
    sign_in(&stage, &nora).await;
}
