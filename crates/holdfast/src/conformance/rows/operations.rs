//! What whoever runs and calls a server relies on.

use serde_json::json;

use super::{Row, row};
use crate::conformance::verdict::Played;
use crate::conformance::world::{Need, World};

pub const ROWS: &[Row] = &[
    row("operations.healthz", "GET /healthz answers 200 without a credential", &[], healthz),
    row("operations.readyz", "GET /readyz answers 200 while database and enclave answer", &[], readyz),
    row("operations.openapi", "GET /openapi.json is the contract as OpenAPI 3.1", &[], openapi),
    row(
        "operations.request-id",
        "every answer has X-Request-Id: the caller's, if it sent a sane one",
        &[],
        request_id,
    ),
    row("operations.request-id.odd", "an X-Request-Id that is not sane is replaced", &[], odd_request_id),
    row(
        "operations.rate-headers",
        "every answer to a credential has RateLimit-Limit, -Remaining, -Reset",
        &[],
        rate_headers,
    ),
    row(
        "operations.sandbox.simulates",
        "a sandbox has the routes that simulate",
        &[Need::Sandbox, Need::Retail],
        simulates,
    ),
    row(
        "operations.production.does-not-simulate",
        "in production what simulates is no path: 404",
        &[Need::Production],
        does_not_simulate,
    ),
    row(
        "operations.production.override",
        "in production x-override-status answers 400",
        &[Need::Production, Need::Retail],
        no_override,
    ),
];

fn healthz(w: &World) -> Played {
    w.nobody().get("/healthz").expect(200).map(drop)
}

fn readyz(w: &World) -> Played {
    w.nobody().get("/readyz").expect(200).map(drop)
}

fn openapi(w: &World) -> Played {
    let document = w.nobody().get("/openapi.json").expect(200)?;
    document.must(document.text("/openapi")?.starts_with("3.1"), "expected OpenAPI 3.1")?;
    document.has(&["/paths/~1v1~1verification~1start/post", "/paths/~1v1~1partner~1keys/post"]).map(drop)
}

fn request_id(w: &World) -> Played {
    let id = format!("Conformance.{}_1", w.name("id").replace('.', "-"));
    let answer = w.anybody().get("/v1/audit?limit=1").header("x-request-id", &id).expect(200)?;
    answer.header_is("x-request-id", &id)?;
    let refused = w.nobody().get("/v1/nothing").header("x-request-id", &id).expect(404)?;
    refused.header_is("x-request-id", &id)?.is("/request_id", id).map(drop)
}

fn odd_request_id(w: &World) -> Played {
    for odd in ["a b", &"x".repeat(129), "é"] {
        let answer = w.nobody().get("/healthz").header("x-request-id", odd).expect(200)?;
        let id = answer.header("x-request-id");
        answer.must(!id.is_empty() && id != odd, "expected an X-Request-Id of the server's own")?;
    }
    Ok(())
}

fn rate_headers(w: &World) -> Played {
    for call in [w.anybody().get("/v1/audit?limit=1"), w.anybody().get("/v1/audit?limit=x")] {
        let answer = call.send()?;
        let limit = answer.header_counts("ratelimit-limit")?;
        let remaining = answer.header_counts("ratelimit-remaining")?;
        answer.header_counts("ratelimit-reset")?;
        answer.must(remaining < limit, "expected fewer calls to remain than a full bucket holds")?;
    }
    Ok(())
}

fn simulates(w: &World) -> Played {
    w.retail().post("/v1/verification/simulate", &json!({})).faults(&["action", "verification_id"])?;
    w.retail().post("/v1/sandbox/damage", &json!({})).faults(&["backup_id"]).map(drop)
}

fn does_not_simulate(w: &World) -> Played {
    let unknown = w.anybody().post("/v1/nothing", &json!({})).expect(404)?;
    for path in
        ["/v1/verification/simulate", "/v1/sandbox/damage", "/v1/sandbox/reset", "/v1/sandbox/ceremony"]
    {
        let answer = w.anybody().post(path, &json!({})).refused(404, "no-such-path")?;
        answer.must(answer.face() == unknown.face(), "expected the answer of any path that is none")?;
    }
    w.nobody().get("/identity/inq_1").expect(404).map(drop)
}

fn no_override(w: &World) -> Played {
    let call = w.retail().post("/v1/verification/start", &json!({"user_identifier": w.name("user")}));
    call.header("x-override-status", "approve_inquiry").refused(400, "sandbox-only").map(drop)
}
