//! What the stories in Control share: a sandbox, its partner's people each with a browser, and a key with a backup.

use std::path::PathBuf;

use client::api::partner::{AssignKeyRequest, Organisation, Package, StoreDataRequest};
use client::api::sandbox::{Person, Tenant};
use client::{Client, Secret};
use tempfile::TempDir;

use crate::rig::browser::{Browser, Driver};
use crate::rig::sandbox::Sandbox;
use crate::rig::stock::in_stock;

/// A sandbox, and browsers.
pub struct Stage {
    pub sandbox: Sandbox,
    pub folder: TempDir,
    driver: Driver,
}

/// A key that the API assigned, and the backup under it.
pub struct Stored {
    pub key: String,
    pub backup: String,
}

impl Stage {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { sandbox: Sandbox::start(folder.path()), driver: Driver::start(), folder }
    }

    /// An address of Control.
    pub fn at(&self, path: &str) -> String {
        let control = &self.sandbox.credentials.control_url;
        let (base, _) = control.split_once("/control").unwrap_or((control, ""));
        format!("{base}{path}")
    }

    fn tenant(&self, kind: &str) -> &Tenant {
        let mut tenants = self.sandbox.credentials.tenants.iter();
        tenants.find(|tenant| tenant.kind == kind).expect("a tenant")
    }

    fn partner(&self) -> &Tenant {
        self.tenant("partner")
    }

    /// One of the people of a kind of tenant, by how the address begins.
    fn person_of(&self, kind: &str, begins: &str) -> &Person {
        let mut people = self.tenant(kind).control.iter();
        people.find(|person| person.email.starts_with(begins)).expect("somebody")
    }

    /// A browser whose authenticator holds this person's passkey, and in which nobody is signed in.
    pub async fn browser_of(&self, person: &Person) -> Browser {
        let browser = self.driver.browser().await;
        browser.hold(&person.passkey).await;
        browser
    }

    /// The same, where the person has signed in with password and passkey.
    pub async fn signed_in(&self, begins: &str) -> Browser {
        self.signed_in_of("partner", begins).await
    }

    /// The same for the people of another kind of tenant.
    pub async fn signed_in_of(&self, kind: &str, begins: &str) -> Browser {
        let person = self.person_of(kind, begins);
        let browser = self.browser_of(person).await;
        self.sign_in(&browser, person).await;
        browser
    }

    /// A browser with an authenticator that holds nothing yet.
    pub async fn stranger(&self) -> Browser {
        let browser = self.driver.browser().await;
        browser.authenticator().await;
        browser
    }

    pub async fn sign_in(&self, browser: &Browser, person: &Person) {
        self.give_password(browser, &person.email, &person.password).await;
        browser.press("Sign in with a passkey").await;
        browser.wait_for("Recoveries").await;
    }

    /// As far as the page that asks for the second factor.
    pub async fn give_password(&self, browser: &Browser, email: &str, password: &str) {
        browser.go(&self.at("/control/sign-in")).await;
        browser.fill("#email", email).await;
        browser.fill("#password", password).await;
        browser.press("Go on").await;
    }

    /// A key of the partner's, and a backup of this secret under it.
    pub async fn store(&self, user: &str, environment: &str, secret: &[u8]) -> Stored {
        let base = &self.sandbox.credentials.base_url;
        let client = Client::new(base, &self.partner().api_keys.full).expect("a client");
        let request = AssignKeyRequest {
            user_identifier: user.to_owned(),
            key_type: None,
            key_environment: environment.to_owned(),
            organisation: Organisation { customer_id: "harbour-bank".to_owned(), customer_name: None },
            package: Package { package_id: "custody-basic".to_owned(), package_name: None },
            sign_with: None,
        };
        let answer = in_stock(|| client.partner().assign_key(&request)).await.expect("a key");
        let key = client.attest_assigned(&request, &answer).await.expect("the enclave's key");
        let sealed = client::encrypt::encrypt(&key, &Secret::from(secret.to_vec())).expect("encrypted");
        let request = StoreDataRequest {
            public_key: key.public_key().to_owned(),
            checksum: sealed.checksum,
            data: sealed.data,
            padding_type: None,
            metadata: None,
        };
        let stored = client.partner().store_data(&request).await.expect("stored");
        Stored { key: answer.key_id, backup: stored.backup_id }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Looks at the page in every way: its pictures are kept, nothing keeps anybody from using it, and the browser has
/// nothing to complain about.
pub async fn look_at(browser: &Browser, name: &str) {
    browser.picture(name).await;
    assert_eq!(browser.barriers().await, [""; 0], "{name}");
    assert_eq!(browser.complaints().await, [""; 0], "{name}");
}

/// The one text that the page shows at such a place.
pub async fn shown(browser: &Browser, css: &str) -> String {
    let text = browser.run(&format!("return document.querySelector('{css}').textContent")).await;
    text.as_str().expect("a text").trim().to_owned()
}
