//! A tenant that has one of everything, and what calls of it put into their members: for tests that make every
//! call there is.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::device::{Device, secret};
use testkit::{Actor, Answer, App, Call, Form};

use crate::v1::issuer::idp::{Idp, Key};
use crate::v1::webhooks::sink::{OK, Sink};

/// A tenant with its things.
pub struct Stage {
    /// The tenant.
    pub actor: Actor,
    things: BTreeMap<String, Value>,
}

impl Stage {
    /// A tenant that has nothing yet, but for what others have for it.
    pub async fn empty(app: &App, actor: Actor) -> Self {
        let certificate = app.fixture.recipient.certificate.clone();
        let (sink, issuer) = (Sink::new(OK).await, Idp::with(&[&Key::new("1")]).await);
        let things = [("gpg_public_key", certificate), ("url", sink.url), ("jwks_uri", issuer.uri)];
        Self { actor, things: things.map(|(name, value)| (name.to_owned(), value.into())).into() }
    }

    /// Sets the stage for a tenant with every scope. `user` is in each name that the tenant chooses.
    pub async fn set(app: &App, actor: Actor, user: &str) -> Self {
        let mut stage = Self::empty(app, actor).await;
        let (customer, package) = (format!("organisation of {user}"), format!("package of {user}"));
        let mut assign = testkit::assign_body(user, &customer);
        assign["package"]["package_id"] = package.clone().into();
        let own_key = json!({"user_identifier": user, "key_type": "ed25519"});
        let webhook = json!({"url": stage.things["url"]});
        let credential = json!({"name": "another", "scopes": ["audit"]});
        // Two of each, so that there is a cursor in every list; the last counts.
        for (path, body) in [
            ("/v1/keys", &own_key),
            ("/v1/partner/keys", &assign),
            ("/v1/webhooks", &webhook),
            ("/v1/webhooks", &webhook),
            ("/v1/webhooks/{id}/test", &Value::Null),
            ("/v1/credentials", &credential),
        ] {
            let answer = stage.actor.post(&stage.path(path, None).await, body).await.ok();
            stage.learn(path, &answer);
        }
        for (name, value) in [
            ("user_identifier", user),
            ("customer_id", &customer),
            ("package_id", &package),
            ("verification_id", &stage.actor.approved(user).await),
        ] {
            stage.things.insert(name.to_owned(), value.into());
        }
        let data = json!({"public_key": "", "data": "", "checksum": ""});
        let items = json!({"user_identifier": "", "verification_id": "", "public_key": "", "backup": []});
        for (path, body) in [("/v1/partner/secure/data", data), ("/v1/backup/store", items)] {
            let body = stage.body(path, &body).await;
            let answer = stage.actor.post(path, &body).await.ok();
            stage.learn(path, &answer);
        }
        stage
    }

    /// Remembers what an answer to a call of this path gives to call by.
    pub fn learn(&mut self, path: &str, answer: &Value) {
        for source in [answer, &answer["backup"][0]] {
            for name in ["key_id", "public_key", "backup_id", "verification_id", "delivery_id", "id"] {
                if let Some(value) = source[name].as_str() {
                    let whose = path.split('/').nth(2).unwrap_or_default();
                    let name = if name == "id" { whose } else { name };
                    // What stands below a thing has an id of another kind.
                    if name == whose && path.contains('{') {
                        continue;
                    }
                    self.things.insert(name.to_owned(), value.into());
                }
            }
        }
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
            "backup" | "data" | "checksum" => self.item(name),
            _ => self.things.get(name).cloned(),
        }
    }

    /// What a store takes, encrypted to the last key that was given out.
    fn item(&self, name: &str) -> Option<Value> {
        let device = Device::with(self.things.get("public_key")?.as_str()?);
        let item = device.item("mnemonic", &secret("mnemonic")).json();
        match name {
            "backup" => Some(json!([item])),
            "data" => Some(item["item_value"].clone()),
            _ => Some(item["item_checksum"].clone()),
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

    /// Makes a call of this path as its operation's example does, or with a form that holds a file; one member
    /// otherwise than with what the tenant has.
    pub async fn send(&self, call: Call, path: &str, asked: &Value, other: Option<(&str, &str)>) -> Answer {
        let content = &asked["content"];
        if content["multipart/form-data"].is_object() {
            let key = match other {
                Some((_, value)) => Some(value.into()),
                None => self.value(path, "public_key").await,
            };
            let key = key.as_ref().and_then(Value::as_str).unwrap_or_else(|| unreachable!("{path}: no key"));
            let form = Form::new("----holdfast").text("public_key", key).file(b"encrypted elsewhere");
            return call.raw(&form.content_type(), form.whole()).send().await;
        }
        let example = &content["application/json"]["example"];
        if example.is_null() {
            return call.send().await;
        }
        let mut body = self.body(path, example).await;
        if let Some((member, value)) = other {
            body[member] = value.into();
        }
        call.json(&body).send().await
    }

    /// What the tenant would not want others to read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let shared = ["gpg_public_key", "url", "jwks_uri"];
        let own = self.things.iter().filter(move |(name, _)| !shared.contains(&name.as_str()));
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
