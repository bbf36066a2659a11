//! Every operation that needs a credential.

use domain::credential::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, Answer};

/// An operation, with a body that is right in form.
pub struct Operation {
    /// GET, POST, PATCH or DELETE.
    pub method: Method,
    /// With its query.
    pub path: &'static str,
    /// Null: none.
    pub body: Value,
    /// What a credential needs for it.
    pub scope: Scope,
}

impl Operation {
    /// Calls it.
    pub async fn by(&self, actor: &Actor) -> Answer {
        let call = actor.call(&self.method, self.path);
        let call = if self.body.is_null() { call } else { call.json(&self.body) };
        call.send().await
    }
}

/// All of them.
pub fn operations() -> Vec<Operation> {
    let (user, verification, hex) =
        ("user-1", "inq_0000000000000000000000000000000000000000", "ab".repeat(32));
    let item = json!({"item_key": "seed", "item_value": "AAAA", "item_checksum": hex});
    let get = |path, scope| Operation { method: Method::GET, path, body: Value::Null, scope };
    let post = |path, body, scope| Operation { method: Method::POST, path, body, scope };
    vec![
        get("/v1/verification/status?verification_id=inq_0", Scope::Retail),
        get("/v1/audit", Scope::Audit),
        get("/v1/webhooks", Scope::Webhooks),
        get("/v1/webhooks/{id}", Scope::Webhooks),
        get("/v1/webhooks/{id}/deliveries", Scope::Webhooks),
        post("/v1/webhooks/{id}/rotate-secret", Value::Null, Scope::Webhooks),
        post("/v1/webhooks/{id}/test", Value::Null, Scope::Webhooks),
        post("/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver", Value::Null, Scope::Webhooks),
        Operation {
            method: Method::PATCH,
            path: "/v1/webhooks/{id}",
            body: json!({"enabled": true}),
            scope: Scope::Webhooks,
        },
        Operation {
            method: Method::DELETE,
            path: "/v1/webhooks/{id}",
            body: Value::Null,
            scope: Scope::Webhooks,
        },
        post("/v1/verification/start", json!({"user_identifier": user}), Scope::Retail),
        post(
            "/v1/verification/simulate",
            json!({"verification_id": verification, "action": "approve_inquiry"}),
            Scope::Retail,
        ),
        post(
            "/v1/key/generate",
            json!({"user_identifier": user, "verification_id": verification}),
            Scope::Retail,
        ),
        post(
            "/v1/backup/store",
            json!({"user_identifier": user, "verification_id": verification, "public_key": hex, "backup": [item]}),
            Scope::Retail,
        ),
        post(
            "/v1/backup/recover",
            json!({"user_identifier": user, "verification_id": verification, "gpg_public_key": "none"}),
            Scope::Retail,
        ),
        post("/v1/partner/keys", testkit::assign_body(user, "customer-1"), Scope::Partner),
        post(
            "/v1/partner/secure/data",
            json!({"public_key": hex, "data": "AAAA", "checksum": hex}),
            Scope::Partner,
        ),
        get("/v1/credentials", Scope::Credentials),
        post("/v1/credentials", json!({"name": "wallet", "scopes": ["credentials"]}), Scope::Credentials),
        Operation {
            method: Method::DELETE,
            path: "/v1/credentials/{id}",
            body: Value::Null,
            scope: Scope::Credentials,
        },
        get("/v1/partner/keys", Scope::Partner),
        get("/v1/partner/keys/{key_id}", Scope::Partner),
        get("/v1/partner/backups", Scope::Partner),
        get("/v1/partner/backups/{backup_id}", Scope::Partner),
        Operation { method: Method::DELETE, ..get("/v1/partner/backups/{backup_id}", Scope::Partner) },
        Operation { method: Method::POST, ..get("/v1/partner/backups/{backup_id}/restore", Scope::Partner) },
        get("/v1/keys", Scope::Keys),
        get("/v1/keys/{key_id}", Scope::Keys),
        get("/v1/keys/{key_id}/verify", Scope::Keys),
        get("/v1/backups", Scope::Keys),
        get("/v1/backups/{backup_id}", Scope::Keys),
        get("/v1/backups/{backup_id}/verify", Scope::Keys),
        Operation { method: Method::DELETE, ..get("/v1/backups/{backup_id}", Scope::Keys) },
        Operation { method: Method::POST, ..get("/v1/backups/{backup_id}/restore", Scope::Keys) },
        post("/v1/keys", json!({"user_identifier": user, "key_type": "ed25519"}), Scope::Keys),
        post("/v1/secure/data", json!({"public_key": hex, "data": "AAAA"}), Scope::Keys),
        post("/v1/sandbox/damage", json!({"backup_id": "0"}), Scope::Sandbox),
        // Last: what the others did would be sent to it meanwhile, and be counted with a later call.
        post("/v1/webhooks", json!({"url": "https://example.com/"}), Scope::Webhooks),
    ]
}
