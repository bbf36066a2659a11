//! Identity checks: begun, asked about, overridden.

use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::{START, STATUS};
use crate::conformance::verdict::Played;
use crate::conformance::world::{Need, World};

use Need::{Retail, Sandbox};

pub const ROWS: &[Row] = &[
    row("retail.start", "start answers verification_id, and the check is pending", &[Retail, Sandbox], start),
    row("retail.start.again", "each start is another check", &[Retail, Sandbox], another),
    row("retail.start.fields", "start without user_identifier is 400", &[Retail], start_fields),
    row("retail.start.fingerprint", "a gpg_fingerprint that is none is 400", &[Retail], odd_fingerprint),
    row(
        "retail.start.override",
        "x-override-status plays an action on the new check",
        &[Retail, Sandbox],
        overridden,
    ),
    row(
        "retail.start.override.unknown",
        "an x-override-status that is none of the nine is 400",
        &[Retail, Sandbox],
        odd_override,
    ),
    row(
        "retail.status",
        "status answers verification_id, status, updated_at and inquiry_status",
        &[Retail, Sandbox],
        status,
    ),
    row("retail.status.unknown", "the status of an unknown or malformed check is 404", &[Retail], unknown),
    row("retail.status.fields", "status without verification_id is 400", &[Retail], status_fields),
    row(
        "retail.identity-page",
        "/identity/{verification_id} is a page in a sandbox",
        &[Retail, Sandbox],
        identity_page,
    ),
];

fn start(w: &World) -> Played {
    let check = w.check(&w.name("user"))?;
    let now = w.retail().get(&format!("{STATUS}{check}")).expect(200)?;
    now.is("/status", "pending")?.is("/inquiry_status", "CREATED").map(drop)
}

fn another(w: &World) -> Played {
    let (first, second) = (w.check(&w.name("user"))?, w.check(&w.name("user"))?);
    crate::conformance::verdict::must(first != second, || format!("expected two checks, got {first} twice"))
}

fn start_fields(w: &World) -> Played {
    w.retail().post(START, &json!({})).faults(&["user_identifier"]).map(drop)
}

fn odd_fingerprint(w: &World) -> Played {
    let body = json!({"user_identifier": w.name("user"), "gpg_fingerprint": "nobody's"});
    w.retail().post(START, &body).faults(&["gpg_fingerprint"]).map(drop)
}

fn overridden(w: &World) -> Played {
    let check = w.check_as(&w.name("user"), "mark_for_review_inquiry")?;
    w.retail().get(&format!("{STATUS}{check}")).expect(200)?.is("/inquiry_status", "NEEDS_REVIEW").map(drop)
}

fn odd_override(w: &World) -> Played {
    let call = w.retail().post(START, &json!({"user_identifier": w.name("user")}));
    call.header("x-override-status", "approved").refused(400, "override-unknown").map(drop)
}

fn status(w: &World) -> Played {
    let check = w.approved(&w.name("user"))?;
    let answer = w.retail().get(&format!("{STATUS}{check}")).expect(200)?;
    answer.is("/verification_id", check)?.is("/status", "approved")?.is("/inquiry_status", "APPROVED")?;
    let time = answer.text("/updated_at")?;
    let is_utc = time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z');
    answer.must(is_utc, "expected updated_at in RFC 3339 with milliseconds and Z")
}

fn unknown(w: &World) -> Played {
    for id in ["inq_unknown", "%20", "x"] {
        w.retail().get(&format!("{STATUS}{id}")).refused(404, "not-found")?;
    }
    Ok(())
}

fn status_fields(w: &World) -> Played {
    w.retail().get("/v1/verification/status").faults(&["verification_id"]).map(drop)
}

fn identity_page(w: &World) -> Played {
    let check = w.check(&w.name("user"))?;
    let page = w.nobody().get(&format!("/identity/{check}")).expect(200)?;
    page.must(page.header("content-type").starts_with("text/html"), "expected a page")?;
    w.nobody().get("/identity/inq_unknown").expect(404).map(drop)
}
