//! Limits that a run may reach without harm; last, since others need what is left of them.

use serde_json::json;

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::stage::{DATA, with};
use crate::conformance::verdict::{Played, Stop, failed};
use crate::conformance::world::{Need, World};

use Need::{Institution, Partner, Sandbox};

/// More calls at once than a sandbox's bucket holds.
const AT_ONCE: usize = 12;
const ROUNDS: usize = 20;
/// More failures than a sandbox takes in a minute, of one address.
const FAILURES_MAX: usize = 90;
/// A key's failed checks in a day.
const CHECKS_MAX: usize = 20;

pub const ROWS: &[Row] = &[
    row(
        "limits.check-budget",
        "20 failed checks of one key in a day, then 429 check-budget-spent",
        &[Institution, Sandbox],
        check_budget,
    ),
    row(
        "limits.rate",
        "an empty bucket is 429 with Retry-After, and is this credential's alone",
        &[Partner, Institution, Sandbox],
        rate,
    ),
    row(
        "limits.failures",
        "too many failed authentications are 429; a valid credential is served still",
        &[Sandbox],
        failures,
    ),
];

fn check_budget(w: &World) -> Played {
    let key = w.institution_key_with(json!({"key_type": "rsa4096"}))?;
    let good = key.data("a")?;
    let wrong = with(&good, json!({"checksum": "0".repeat(64)}));
    for _ in 0..CHECKS_MAX {
        w.institution().post(DATA, &wrong).refused(400, "check-failed")?;
    }
    let spent = w.institution().post(DATA, &wrong).refused(429, "check-budget-spent")?;
    spent.header_counts("retry-after").map(drop)
}

fn at_once(call: impl Fn() -> Result<Answer, Stop> + Sync) -> Result<Vec<Answer>, Stop> {
    std::thread::scope(|scope| {
        let calls = [(); AT_ONCE].map(|()| scope.spawn(&call));
        calls.into_iter().filter_map(|call| call.join().ok()).collect()
    })
}

fn rate(w: &World) -> Played {
    // A credential of its own: nobody else's calls wait for it.
    let made = w.partner().post("/v1/credentials", &json!({"name": w.name("key"), "scopes": ["audit"]}));
    let made = made.expect(200)?;
    let key = made.text("/api_key")?;
    w.hide(&key);
    let mut refused = None;
    for _ in 0..ROUNDS {
        let call = || w.caller(&key).get("/v1/audit?limit=1").not_waiting_for("rate-limit").send();
        refused = at_once(call)?.into_iter().find(|answer| answer.status != 200);
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.ok_or_else(|| failed(format!("expected 429 within {} calls", AT_ONCE * ROUNDS)))?;
    refused.refused(429, "rate-limit")?.header_is("ratelimit-remaining", "0")?;
    refused.header_counts("retry-after")?;
    w.institution().get("/v1/audit?limit=1").expect(200)?;
    w.partner().delete(&format!("/v1/credentials/{}", made.text("/id")?)).expect(204).map(drop)
}

fn failures(w: &World) -> Played {
    for _ in 0..FAILURES_MAX {
        let call = w.caller("nonsense").get("/v1/audit").not_waiting_for("authentication-limit");
        let answer = call.send()?;
        if answer.status == 429 {
            answer.refused(429, "authentication-limit")?;
            answer.header_counts("retry-after")?;
            return w.anybody().get("/v1/audit?limit=1").expect(200).map(drop);
        }
        answer.refused(401, "unauthenticated")?;
    }
    Err(failed(format!("expected 429 within {FAILURES_MAX} failures")))
}
