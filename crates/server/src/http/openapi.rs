//! The contract as `OpenAPI`, derived from the handlers and the types they take.

mod exact;
mod examples;
mod statuses;

use std::sync::Arc;

use axum::Router;
use domain::access::Deed;
use domain::idempotency::Keeping;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{RefOr, Required};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::{
    audit, auth, credentials, files, freeze, health, identity, institution, jwks, partner, provider,
    retail_backups, retail_keys, sandbox, stored_backups, stored_keys, verification, webhooks,
};
use crate::app::App;

#[derive(OpenApi)]
#[openapi(info(
    title = "Holdfast",
    description = "Gives a wallet's key back, to the right person and to nobody else. Every `/v1` operation needs an API key."
))]
struct Head;

/// Routes, and what describes them.
type Routes = OpenApiRouter<Arc<App>>;

/// Every route, and the document that describes exactly these. What simulates exists in a sandbox only.
pub fn routes(is_sandbox: bool) -> (Router<Arc<App>>, Value) {
    let mut router = OpenApiRouter::with_openapi(Head::openapi())
        .merge(retail())
        .merge(partner())
        .merge(institution())
        .merge(account())
        .merge(public());
    if is_sandbox {
        router = router.merge(rehearsal());
    }
    let (router, mut document) = router.split_for_parts();
    let components = document.components.get_or_insert_default();
    let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
    components.add_security_scheme("api_key", header);
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let none: [&str; 0] = [];
    let either = [SecurityRequirement::new("api_key", none), SecurityRequirement::new("bearer", none)];
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        let operations = operations.into_iter().filter_map(Option::as_mut);
        // A provider's signature is its credential, and names the call.
        let takes_credential = path.starts_with("/v1/") && !path.starts_with("/v1/providers/");
        for operation in operations.filter(|_| takes_credential) {
            operation.security = Some(either.to_vec());
        }
        let deed = Deed::of_route("POST", path);
        let is_named = deed.is_some_and(|deed| deed.keeping() != Keeping::Nothing);
        if let Some(post) = item.post.as_mut().filter(|_| is_named) {
            post.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
        }
    }
    // A document built from types always has a JSON form.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    exact::apply(&mut document);
    statuses::apply(&mut document);
    examples::apply(&mut document);
    (router, document)
}

/// A consumer's own.
fn retail() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(verification::start))
        .routes(routes!(verification::status))
        .routes(routes!(retail_keys::generate))
        .routes(routes!(retail_backups::store))
        .routes(routes!(retail_backups::recover))
}

/// Wallet providers'.
fn partner() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(partner::assign_key))
        .routes(routes!(partner::store_data))
        .routes(routes!(files::store))
        .routes(routes!(stored_keys::list))
        .routes(routes!(stored_keys::read))
        .routes(routes!(stored_keys::rotate))
        .routes(routes!(stored_backups::list))
        .routes(routes!(stored_backups::read))
        .routes(routes!(stored_backups::delete))
        .routes(routes!(stored_backups::restore))
}

/// Institutions'.
fn institution() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(institution::assign_key))
        .routes(routes!(institution::list_keys))
        .routes(routes!(institution::read_key))
        .routes(routes!(institution::verify_key))
        .routes(routes!(institution::rotate_key))
        .routes(routes!(institution::store_data))
        .routes(routes!(files::store_own))
        .routes(routes!(institution::list_backups))
        .routes(routes!(institution::read_backup))
        .routes(routes!(institution::delete_backup))
        .routes(routes!(institution::restore_backup))
        .routes(routes!(institution::verify_backup))
}

/// What a tenant of any kind manages.
fn account() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(audit::checkpoint))
        .routes(routes!(freeze::freeze))
        .routes(routes!(freeze::read))
        .routes(routes!(auth::token))
        .routes(routes!(auth::set_issuer))
        .routes(routes!(auth::read_issuer))
        .routes(routes!(auth::delete_issuer))
        .routes(routes!(credentials::create))
        .routes(routes!(credentials::list))
        .routes(routes!(credentials::revoke))
        .routes(routes!(webhooks::create_webhook))
        .routes(routes!(webhooks::list_webhooks))
        .routes(routes!(webhooks::read_webhook))
        .routes(routes!(webhooks::update_webhook))
        .routes(routes!(webhooks::delete_webhook))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::redeliver))
}

/// What needs no credential of a tenant.
fn public() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(provider::persona_webhook))
        .routes(routes!(jwks::jwks))
        .routes(routes!(jwks::pem))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// What exists in a sandbox only.
fn rehearsal() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(verification::simulate))
        .routes(routes!(sandbox::damage))
        .routes(routes!(sandbox::ceremony))
        .routes(routes!(sandbox::reset))
        .routes(routes!(identity::show))
        .routes(routes!(identity::play))
}

/// The header that a POST takes, unless its deed has a rule of its own for repeats.
fn idempotency_key() -> Parameter {
    let text = Object::builder().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Names the call: a repeat within a day is answered as the first was"))
        .schema(Some(text))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_served_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
        let document = serde_json::to_string_pretty(&routes(true).1).unwrap() + "\n";
        if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            document,
            "set HOLDFAST_WRITE_REFERENCE=1 to renew"
        );
    }

    #[test]
    fn nothing_that_simulates_exists_in_production() {
        let (_, document) = routes(false);
        let simulating: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|path| ["simulate", "sandbox", "identity"].iter().any(|word| path.contains(word)))
            .collect();
        assert!(simulating.is_empty(), "{simulating:?}");
    }
}
