//! A tenant that has one of everything, and what calls of it put into their members: for tests that make every
//! call there is.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{Actor, App};

use crate::v1::webhooks::sink::{OK, Sink};

/// A tenant with its things.
pub struct Stage {
    /// The tenant.
    pub actor: Actor,
    things: BTreeMap<&'static str, Value>,
    /// Ends with the stage: where the tenant is told of events.
    _sink: Sink,
}

impl Stage {
    /// Sets the stage for a tenant with every scope. `user` is in each name that the tenant chooses.
    pub async fn set(app: &App, actor: Actor, user: &str) -> Self {
        let customer = format!("organisation of {user}");
        let sink = Sink::new(OK).await;
        let webhook = actor.post("/v1/webhooks", &json!({"url": sink.url, "events": []})).await.ok();
        actor.post("/v1/webhooks", &json!({"url": sink.url, "events": ["acl.changed"]})).await.ok();
        let webhook_path = format!("/v1/webhooks/{}", webhook["id"].as_str().unwrap());
        let tested = actor.post(&format!("{webhook_path}/test"), &Value::Null).await.ok();
        let credential =
            actor.post("/v1/credentials", &json!({"name": "another", "scopes": ["audit"]})).await.ok();
        let mut body = testkit::assign_body(user, &customer);
        body["package"]["package_id"] = format!("package of {user}").into();
        let assigned = actor.assign(&body).await.ok();
        let key = testkit::Given::of(assigned);
        actor.post("/v1/keys", &json!({"user_identifier": user, "key_type": "ed25519"})).await.ok();
        let verification = actor.approved(user).await;
        let (device, certificate) = (key.device(), &app.fixture.recipient.certificate);
        let (item, data) = (device.item("seed", &secret("seed")), device.item("", b"data"));
        let backup = actor.store(user, &verification, &key, std::slice::from_ref(&item)).await.remove(0);
        actor.try_store_data(&key, &data).await.ok();
        let body = testkit::data_body(&key, &data);
        let things = BTreeMap::from([
            ("user_identifier", user.into()),
            ("customer_id", customer.into()),
            ("package_id", format!("package of {user}").into()),
            ("verification_id", verification.into()),
            ("key_id", key.key_id.clone().into()),
            ("public_key", key.public_key.clone().into()),
            ("backup_id", backup.into()),
            ("backup", json!([item.json()])),
            ("data", body["data"].clone()),
            ("checksum", body["checksum"].clone()),
            ("gpg_public_key", certificate.clone().into()),
            ("webhooks", webhook["id"].clone()),
            ("delivery_id", tested["delivery_id"].clone()),
            ("credentials", credential["id"].clone()),
        ]);
        Self { actor, things, _sink: sink }
    }

    /// What a member or parameter of this name holds in a call of this path. None: whatever an example has.
    pub async fn value(&self, path: &str, name: &str) -> Option<Value> {
        match name {
            // The path says whose id it is.
            "id" => self.things.get(path.split('/').nth(2)?).cloned(),
            "cursor" => {
                let list = self.path(path, None).await;
                Some(self.actor.get(&format!("{list}?limit=1")).await.ok()["next_cursor"].clone())
            }
            _ => self.things.get(name).cloned(),
        }
    }

    /// A path with its parameters filled in; one of them otherwise than with what the tenant has.
    pub async fn path(&self, path: &str, other: Option<(&str, &str)>) -> String {
        let mut filled = Vec::new();
        for part in path.split('/') {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            filled.push(match (name, other) {
                (None, _) => part.to_owned(),
                (Some(name), Some((other, value))) if name == other => value.to_owned(),
                (Some(name), _) => {
                    let value = Box::pin(self.value(path, name)).await;
                    value
                        .and_then(|value| value.as_str().map(str::to_owned))
                        .unwrap_or_else(|| unreachable!("{path}: the stage has no {name}: give it one"))
                }
            });
        }
        filled.join("/")
    }

    /// A body, with what the tenant has in the place of what the example has.
    pub async fn body(&self, path: &str, example: &Value) -> Value {
        let Some(members) = example.as_object() else { return example.clone() };
        let mut body = example.clone();
        for (name, member) in members {
            body[name] = match self.value(path, name).await {
                Some(value) => value,
                None => Box::pin(self.body(path, member)).await,
            };
        }
        body
    }

    /// What the tenant would not want others to read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let shared = ["gpg_public_key"];
        let own = self.things.iter().filter(move |(name, _)| !shared.contains(name));
        own.filter_map(|(_, value)| value.as_str())
    }

    /// All that the service says of the tenant's things.
    pub async fn shown(&self) -> Vec<Value> {
        let mut shown = Vec::new();
        for path in [
            "/v1/partner/keys/{key_id}",
            "/v1/partner/backups/{backup_id}",
            "/v1/verification/status?verification_id={verification_id}",
            "/v1/webhooks",
            "/v1/credentials",
        ] {
            let verification = self.things["verification_id"].as_str().unwrap();
            let path = self.path(path, None).await.replace("{verification_id}", verification);
            shown.push(self.actor.get(&path).await.ok());
        }
        shown
    }
}
