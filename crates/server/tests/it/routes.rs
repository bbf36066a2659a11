//! Every operation that needs a credential.

use domain::credential::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, Answer, Form};

/// An operation, with a body that is right in form.
pub struct Operation {
    /// GET, POST, PATCH or DELETE.
    pub method: Method,
    /// With its query.
    pub path: &'static str,
    /// Null: none. Empty: it may be left out.
    pub body: Value,
    /// What a credential needs for it.
    pub scope: Scope,
    /// Whether the body is sent as a form, whose `file` is a file.
    pub is_form: bool,
}

impl Operation {
    /// Whether it needs a body.
    pub fn needs_body(&self) -> bool {
        self.body.as_object().is_some_and(|members| !members.is_empty())
    }

    /// Calls it.
    pub async fn by(&self, actor: &Actor) -> Answer {
        let call = actor.call(&self.method, self.path);
        let call = match &self.body {
            Value::Null => call,
            body if self.is_form => {
                let text = |name: &str| body[name].as_str().expect("a text");
                let form = Form::new("boundary").text("public_key", text("public_key"));
                let form = form.file(text("file").as_bytes());
                call.raw(&form.content_type(), form.whole())
            }
            body => call.json(body),
        };
        call.send().await
    }
}

/// All of them.
pub fn operations() -> Vec<Operation> {
    let mut all = retail();
    all.extend(partner());
    all.extend(institution());
    all.extend(tenant());
    all
}

fn get(path: &'static str, scope: Scope) -> Operation {
    Operation { method: Method::GET, path, body: Value::Null, scope, is_form: false }
}

fn post(path: &'static str, body: Value, scope: Scope) -> Operation {
    Operation { method: Method::POST, path, body, scope, is_form: false }
}

/// A POST of a form with a file.
fn post_file(path: &'static str, scope: Scope) -> Operation {
    let body = json!({"public_key": "ab".repeat(32), "file": "encrypted"});
    Operation { is_form: true, ..post(path, body, scope) }
}

fn delete(path: &'static str, scope: Scope) -> Operation {
    Operation { method: Method::DELETE, ..get(path, scope) }
}

const USER: &str = "user-1";

fn retail() -> Vec<Operation> {
    let (user, verification, hex) = (USER, "inq_0000000000000000000000000000000000000000", "ab".repeat(32));
    let item = json!({"item_key": "seed", "item_value": "AAAA", "item_checksum": hex});
    let started = json!({"user_identifier": user});
    let simulated = json!({"verification_id": verification, "action": "approve_inquiry"});
    let generated = json!({"user_identifier": user, "verification_id": verification});
    let stored = json!({"user_identifier": user, "verification_id": verification, "public_key": hex, "backup": [item]});
    let recovered =
        json!({"user_identifier": user, "verification_id": verification, "gpg_public_key": "none"});
    vec![
        get("/v1/verification/status?verification_id=inq_0", Scope::Retail),
        post("/v1/verification/start", started, Scope::Retail),
        post("/v1/verification/simulate", simulated, Scope::Retail),
        post("/v1/key/generate", generated, Scope::Retail),
        post("/v1/backup/store", stored, Scope::Retail),
        post("/v1/backup/recover", recovered, Scope::Retail),
    ]
}

fn partner() -> Vec<Operation> {
    let hex = "ab".repeat(32);
    let stored = json!({"public_key": hex, "data": "AAAA", "checksum": hex});
    vec![
        post("/v1/partner/keys", testkit::assign_body(USER, "customer-1"), Scope::Partner),
        get("/v1/partner/keys", Scope::Partner),
        get("/v1/partner/keys/{key_id}", Scope::Partner),
        post("/v1/partner/keys/{key_id}/rotate", json!({}), Scope::Partner),
        post("/v1/partner/secure/data", stored, Scope::Partner),
        post_file("/v1/partner/secure/file", Scope::Partner),
        get("/v1/partner/backups", Scope::Partner),
        get("/v1/partner/backups/{backup_id}", Scope::Partner),
        delete("/v1/partner/backups/{backup_id}", Scope::Partner),
        post("/v1/partner/backups/{backup_id}/restore", Value::Null, Scope::Partner),
    ]
}

fn institution() -> Vec<Operation> {
    let assigned = json!({"user_identifier": USER, "key_type": "ed25519"});
    let stored = json!({"public_key": "ab".repeat(32), "data": "AAAA"});
    vec![
        post("/v1/keys", assigned, Scope::Keys),
        get("/v1/keys", Scope::Keys),
        get("/v1/keys/{key_id}", Scope::Keys),
        get("/v1/keys/{key_id}/verify", Scope::Keys),
        post("/v1/keys/{key_id}/rotate", json!({}), Scope::Keys),
        post("/v1/secure/data", stored, Scope::Keys),
        post_file("/v1/secure/file", Scope::Keys),
        get("/v1/backups", Scope::Keys),
        get("/v1/backups/{backup_id}", Scope::Keys),
        get("/v1/backups/{backup_id}/verify", Scope::Keys),
        delete("/v1/backups/{backup_id}", Scope::Keys),
        post("/v1/backups/{backup_id}/restore", Value::Null, Scope::Keys),
    ]
}

/// What a tenant of any kind manages.
fn tenant() -> Vec<Operation> {
    let credential = json!({"name": "wallet", "scopes": ["credentials"]});
    let changed = json!({"enabled": true});
    let issuer =
        json!({"issuer": "https://idp.example", "jwks_uri": "http://127.0.0.1:1024/jwks", "audience": "us"});
    vec![
        get("/v1/audit", Scope::Audit),
        get("/v1/audit/export", Scope::Audit),
        get("/v1/audit/checkpoint", Scope::Audit),
        post("/v1/credentials", credential, Scope::Credentials),
        get("/v1/credentials", Scope::Credentials),
        delete("/v1/credentials/{id}", Scope::Credentials),
        get("/v1/webhooks", Scope::Webhooks),
        get("/v1/webhooks/{id}", Scope::Webhooks),
        Operation { method: Method::PATCH, ..post("/v1/webhooks/{id}", changed, Scope::Webhooks) },
        delete("/v1/webhooks/{id}", Scope::Webhooks),
        post("/v1/webhooks/{id}/rotate-secret", Value::Null, Scope::Webhooks),
        post("/v1/webhooks/{id}/test", Value::Null, Scope::Webhooks),
        get("/v1/webhooks/{id}/deliveries", Scope::Webhooks),
        post("/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver", Value::Null, Scope::Webhooks),
        get("/v1/auth/issuer", Scope::Credentials),
        Operation { method: Method::PUT, ..post("/v1/auth/issuer", issuer, Scope::Credentials) },
        delete("/v1/auth/issuer", Scope::Credentials),
        post("/v1/sandbox/ceremony", Value::Null, Scope::Sandbox),
        post("/v1/sandbox/reset", Value::Null, Scope::Sandbox),
        post("/v1/sandbox/damage", json!({"backup_id": "0"}), Scope::Sandbox),
        // Last: what the others did would be sent to it meanwhile, and be counted with a later call.
        post("/v1/webhooks", json!({"url": "https://example.com/"}), Scope::Webhooks),
    ]
}
