//! Keys of checked users.

use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::GENERATE;
use crate::conformance::verdict::{Played, must};
use crate::conformance::world::{Need, World};

use Need::{Retail, Sandbox};

pub const ROWS: &[Row] = &[
    row(
        "retail.key",
        "generate answers key_id, public_key (RSA-4096 in hexadecimal) and signature",
        &[Retail, Sandbox],
        generate,
    ),
    row(
        "retail.key.before-approval",
        "a key may be made before the approval, and each call makes another",
        &[Retail, Sandbox],
        before_approval,
    ),
    row("retail.key.fields", "generate without user_identifier or verification_id is 400", &[Retail], fields),
    row("retail.key.unknown-check", "an unknown check is 404", &[Retail], unknown_check),
    row("retail.key.wrong-user", "another user's check is 404", &[Retail, Sandbox], wrong_user),
    row("retail.key.declined", "a declined, failed or expired check is 403", &[Retail, Sandbox], declined),
    row("retail.key.window", "after the window it is 403", &[Retail, Sandbox], window),
];

fn generate(w: &World) -> Played {
    let shared = w.enrolled()?;
    let check = w.approved(&shared.user)?;
    let body = json!({"user_identifier": shared.user, "verification_id": check});
    let answer = w.retail().post(GENERATE, &body).expect(200)?;
    answer.has(&["/key_id", "/signature"])?.lacks("/signed_payload")?.lacks("/signed_fields")?;
    let key = answer.text("/public_key")?;
    answer.must(key.len() == 1100, format!("expected 1,100 characters of hexadecimal, got {}", key.len()))?;
    answer.must(
        key == key.to_lowercase() && key.starts_with("30820222"),
        "expected lower-case hexadecimal of the DER",
    )
}

fn before_approval(w: &World) -> Played {
    let user = w.name("user");
    let check = w.check(&user)?;
    let (first, second) = (w.retail_key(&user, &check)?, w.retail_key(&user, &check)?);
    must(first.id != second.id, || "expected two keys, got one twice".to_owned())
}

fn fields(w: &World) -> Played {
    w.retail().post(GENERATE, &json!({})).faults(&["user_identifier", "verification_id"]).map(drop)
}

fn unknown_check(w: &World) -> Played {
    let body = json!({"user_identifier": w.name("user"), "verification_id": "inq_unknown"});
    w.retail().post(GENERATE, &body).refused(404, "not-found").map(drop)
}

fn wrong_user(w: &World) -> Played {
    let check = w.approved(&w.name("user"))?;
    let body = json!({"user_identifier": w.name("other"), "verification_id": check});
    w.retail().post(GENERATE, &body).refused(404, "not-found").map(drop)
}

fn declined(w: &World) -> Played {
    for action in ["decline_inquiry", "fail_inquiry", "expire_inquiry"] {
        let user = w.name("user");
        let body = json!({"user_identifier": user, "verification_id": w.check_as(&user, action)?});
        w.retail().post(GENERATE, &body).refused(403, "verification-not-approved")?;
    }
    Ok(())
}

fn window(w: &World) -> Played {
    let user = w.name("user");
    let check = w.approved(&user)?;
    w.simulate(&check, "close_window").expect(200)?;
    let body = json!({"user_identifier": user, "verification_id": check});
    w.retail().post(GENERATE, &body).refused(403, "verification-window-closed").map(drop)
}
