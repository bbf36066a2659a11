//! Who calls: a tenant with one of its credentials, or nobody, and what such a caller mostly does.

use domain::ids::{CredentialId, TenantId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::device::{Device, Item};
use crate::form::Form;

/// A caller.
#[derive(Clone)]
pub struct Actor {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    /// The text of its API key; none for nobody.
    pub api_key: Option<String>,
    /// Whose credential it is.
    pub tenant: Option<TenantId>,
    /// The credential's id, where the test made it.
    pub credential: Option<CredentialId>,
}

/// A key that was given out.
#[derive(Clone, Debug)]
pub struct Given {
    /// The whole answer.
    pub answer: Value,
    /// Its id.
    pub key_id: String,
    /// Hexadecimal.
    pub public_key: String,
}

impl Given {
    /// The key of a service's answer.
    pub fn of(answer: Value) -> Self {
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        Self { key_id: text("key_id"), public_key: text("public_key"), answer }
    }

    /// A device that was given this key.
    pub fn device(&self) -> Device {
        Device::with(&self.public_key)
    }
}

impl Actor {
    /// A call with this caller's credential.
    pub fn call(&self, method: &Method, path: &str) -> Call {
        let call = Call::new(&self.http, method, &self.base, path);
        match &self.api_key {
            Some(key) => call.header("x-api-key", key),
            None => call,
        }
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(&Method::GET, path).send().await
    }

    /// A POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(&Method::POST, path).json(body).send().await
    }

    /// The same caller with another text for a credential.
    #[must_use]
    pub fn with_key(&self, api_key: Option<&str>) -> Self {
        Self { api_key: api_key.map(str::to_owned), ..self.clone() }
    }

    /// The same caller at another process of the service.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// Begins an identity check and returns its id.
    pub async fn start(&self, user: &str) -> String {
        let answer = self.post("/v1/verification/start", &json!({"user_identifier": user})).await;
        answer.ok()["verification_id"].as_str().expect("an id").to_owned()
    }

    /// Begins an identity check that ends at once as `action` says.
    pub async fn start_as(&self, user: &str, action: &str) -> String {
        let call = self.call(&Method::POST, "/v1/verification/start").header("x-override-status", action);
        let answer = call.json(&json!({"user_identifier": user})).send().await;
        answer.ok()["verification_id"].as_str().expect("an id").to_owned()
    }

    /// An identity check that the person has passed.
    pub async fn approved(&self, user: &str) -> String {
        self.start_as(user, "approve_inquiry").await
    }

    /// Plays the identity provider.
    pub async fn simulate(&self, id: &str, action: &str) -> Answer {
        let body = json!({"verification_id": id, "action": action});
        self.post("/v1/verification/simulate", &body).await
    }

    /// The eight-value state of an inquiry.
    pub async fn inquiry_status(&self, id: &str) -> String {
        let answer = self.get(&format!("/v1/verification/status?verification_id={id}")).await;
        answer.ok()["inquiry_status"].as_str().expect("a state").to_owned()
    }

    /// A new key of a retail user.
    pub async fn key(&self, user: &str, verification: &str) -> Given {
        let body = json!({"user_identifier": user, "verification_id": verification});
        Given::of(self.post("/v1/key/generate", &body).await.ok())
    }

    /// Tries to store items of a retail user.
    pub async fn try_store(&self, user: &str, verification: &str, key: &Given, items: &[Item]) -> Answer {
        self.post("/v1/backup/store", &store_body(user, verification, key, items)).await
    }

    /// Stores items of a retail user and returns their ids.
    pub async fn store(&self, user: &str, verification: &str, key: &Given, items: &[Item]) -> Vec<String> {
        let stored = self.try_store(user, verification, key, items).await.ok();
        let ids = stored["backup"].as_array().expect("a list").iter();
        ids.map(|item| item["backup_id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Asks for a retail user's recovery.
    pub async fn recover(&self, user: &str, verification: &str, certificate: &str) -> Answer {
        let body = json!({
            "user_identifier": user, "verification_id": verification, "gpg_public_key": certificate
        });
        self.post("/v1/backup/recover", &body).await
    }

    /// Asks for a key of a partner's user.
    pub async fn assign(&self, body: &Value) -> Answer {
        self.post("/v1/partner/keys", body).await
    }

    /// A HOT RSA key of a partner's user in an organisation.
    pub async fn assigned(&self, user: &str, customer: &str) -> Given {
        Given::of(self.assign(&assign_body(user, customer)).await.ok())
    }

    /// Tries to store an item under a partner's key.
    pub async fn try_store_data(&self, key: &Given, item: &Item) -> Answer {
        self.post("/v1/partner/secure/data", &data_body(key, item)).await
    }

    /// Sends a form.
    pub async fn send_form(&self, path: &str, form: &Form) -> Answer {
        self.call(&Method::POST, path).raw(&form.content_type(), form.whole()).send().await
    }

    /// Tries to store a file under a partner's key, with metadata unless it is null.
    pub async fn try_store_file(&self, key: &Given, file: &[u8], metadata: &Value) -> Answer {
        self.send_form("/v1/partner/secure/file", &Form::of(key, file, metadata)).await
    }

    /// The whole audit log, page after page; `query` begins with an ampersand or is empty.
    pub async fn audit(&self, query: &str) -> Vec<Value> {
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/audit?limit=200{query}{cursor}")).await.ok();
            entries.extend(page["data"].as_array().expect("a list").clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return entries,
            }
        }
    }
}

/// The body of a retail store.
pub fn store_body(user: &str, verification: &str, key: &Given, items: &[Item]) -> Value {
    json!({
        "user_identifier": user,
        "verification_id": verification,
        "public_key": key.public_key,
        "backup": items.iter().map(Item::json).collect::<Vec<_>>(),
    })
}

/// The body of an assignment of a HOT RSA key.
pub fn assign_body(user: &str, customer: &str) -> Value {
    json!({
        "user_identifier": user,
        "key_environment": "HOT",
        "organisation": {"customer_id": customer, "customer_name": "Exempel AB"},
        "package": {"package_id": "package-1", "package_name": "Basic"},
    })
}

/// The body of a partner's store.
pub fn data_body(key: &Given, item: &Item) -> Value {
    let item = item.json();
    json!({"public_key": key.public_key, "data": item["item_value"], "checksum": item["item_checksum"]})
}
