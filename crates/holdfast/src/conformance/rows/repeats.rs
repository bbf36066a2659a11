//! Calls made twice, under a name of the caller's.

use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::{KEYS, PARTNER_KEYS, RECOVER, START};
use crate::conformance::verdict::{Played, Stop};
use crate::conformance::world::{Need, World};

use Need::{Institution, Partner, Retail, Sandbox};

pub const ROWS: &[Row] = &[
    row(
        "repeats.replay",
        "a named POST repeated gets the first answer again, with Idempotent-Replay",
        &[Institution],
        replay,
    ),
    row("repeats.unnamed", "without a name a second call is a second key", &[Institution], unnamed),
    row("repeats.other-body", "another body under the same name is 422", &[Institution], other_body),
    row("repeats.other-path", "another path under the same name is 422", &[Partner], other_path),
    row("repeats.refusal", "a refusal is kept too", &[Partner], refusal),
    row(
        "repeats.not-kept",
        "401, 403 and 429 are not kept, and nobody else is given what is",
        &[Institution, Need::ReducedKeys],
        not_kept,
    ),
    row("repeats.name", "a name has 1 to 255 characters", &[Institution], odd_name),
    row(
        "repeats.at-once",
        "while the first call runs, a second is 409, or gets its answer",
        &[Institution],
        at_once,
    ),
    row("repeats.secret", "what shows a secret is not kept: a repeat is 409 with the id", &[Partner], secret),
    row("repeats.start", "verification/start repeats like any POST", &[Retail, Sandbox], start),
    row("repeats.recover", "recover has its own rule and is never kept", &[Retail, Sandbox], recover),
    row("repeats.token", "a token is never kept: each call gives another", &[], token),
];

fn body(w: &World, user: &str) -> serde_json::Value {
    json!({"user_identifier": w.name(user), "key_type": "ed25519"})
}

fn replay(w: &World) -> Played {
    let (body, name) = (body(w, "user"), w.name("name"));
    let first = w.institution().post(KEYS, &body).named(&name).expect(200)?;
    first.must(
        first.header("idempotent-replay").is_empty(),
        "expected no Idempotent-Replay on the first answer",
    )?;
    let again = w.institution().post(KEYS, &body).named(&name).expect(200)?;
    again.header_is("idempotent-replay", "true")?;
    again.must(again.body == first.body, "expected the first answer's body, to the letter")?;
    let (one, two) = (first.header("x-request-id"), again.header("x-request-id"));
    again.must(one != two, "expected a request id of its own")
}

fn unnamed(w: &World) -> Played {
    let body = body(w, "user");
    let first = w.institution().post(KEYS, &body).expect(200)?.text("/key_id")?;
    let again = w.institution().post(KEYS, &body).expect(200)?;
    again.must(again.text("/key_id")? != first, "expected another key")
}

fn other_body(w: &World) -> Played {
    let name = w.name("name");
    w.institution().post(KEYS, &body(w, "user")).named(&name).expect(200)?;
    let call = w.institution().post(KEYS, &body(w, "other")).named(&name);
    call.refused(422, "idempotency-mismatch").map(drop)
}

fn other_path(w: &World) -> Played {
    let (name, body) = (w.name("name"), w.assignment(&w.name("user"), json!({})));
    let key = w.partner().post(PARTNER_KEYS, &body).named(&name).expect(200)?.text("/key_id")?;
    let call = w.partner().post(&format!("{PARTNER_KEYS}/{key}/rotate"), &body).named(&name);
    call.refused(422, "idempotency-mismatch").map(drop)
}

fn refusal(w: &World) -> Played {
    let name = w.name("name");
    let first = w.partner().post(PARTNER_KEYS, &json!({})).named(&name).expect(400)?;
    let again = w.partner().post(PARTNER_KEYS, &json!({})).named(&name).expect(400)?;
    again.header_is("idempotent-replay", "true")?;
    again.must(again.body == first.body, "expected the first answer's body, to the letter")
}

fn not_kept(w: &World) -> Played {
    let (body, name) = (body(w, "user"), w.name("name"));
    let reduced = w.caller(&w.keys("institution").no_partner_scope);
    for _ in 0..2 {
        let answer = reduced.post(KEYS, &body).named(&name).refused(403, "scope-missing")?;
        answer.must(answer.header("idempotent-replay").is_empty(), "expected a 403 not to be kept")?;
    }
    w.institution().post(KEYS, &body).named(&name).expect(200)?;
    reduced.post(KEYS, &body).named(&name).refused(403, "scope-missing")?;
    w.nobody().post(KEYS, &body).named(&name).refused(401, "unauthenticated").map(drop)
}

fn odd_name(w: &World) -> Played {
    for name in [String::new(), "n".repeat(256)] {
        w.institution().post(KEYS, &body(w, "user")).named(&name).faults(&["Idempotency-Key"])?;
    }
    let longest = format!("{:n<255}", w.name("name"));
    w.institution().post(KEYS, &body(w, "user")).named(&longest).expect(200).map(drop)
}

fn at_once(w: &World) -> Played {
    let (body, name) = (body(w, "user"), w.name("name"));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls = [(); 6].map(|()| scope.spawn(|| w.institution().post(KEYS, &body).named(&name).send()));
        calls.into_iter().filter_map(|call| call.join().ok()).collect::<Result<_, Stop>>()
    })?;
    let mut keys = Vec::new();
    for answer in &answers {
        if answer.status == 200 {
            keys.push(answer.text("/key_id")?);
            answer
                .must(keys[0] == keys[keys.len() - 1], "expected one key, however often it was asked for")?;
        } else {
            answer.refused(409, "idempotency-in-progress")?;
        }
    }
    crate::conformance::verdict::must(!keys.is_empty(), || "expected one of the calls to run".to_owned())
}

fn secret(w: &World) -> Played {
    let body = json!({"name": w.name("key"), "scopes": ["audit"]});
    let name = w.name("name");
    let made = w.partner().post("/v1/credentials", &body).named(&name).expect(200)?;
    let (key, id) = (made.text("/api_key")?, made.text("/id")?);
    w.hide(&key);
    let again =
        w.partner().post("/v1/credentials", &body).named(&name).refused(409, "idempotency-secret-shown")?;
    again.must(again.text("/message")?.contains(&id), "expected the message to name the id")?;
    again.must(
        !String::from_utf8_lossy(&again.body).contains(&key),
        "expected the secret not to be shown again",
    )?;
    w.partner().delete(&format!("/v1/credentials/{id}")).expect(204).map(drop)
}

fn start(w: &World) -> Played {
    let (body, name) = (json!({"user_identifier": w.name("user")}), w.name("name"));
    let first = w.retail().post(START, &body).named(&name).expect(200)?.text("/verification_id")?;
    let again = w.retail().post(START, &body).named(&name).expect(200)?;
    again.is("/verification_id", first)?.header_is("idempotent-replay", "true").map(drop)
}

fn recover(w: &World) -> Played {
    let user = w.name("user");
    let body = json!({
        "user_identifier": user, "verification_id": w.approved(&user)?, "gpg_public_key": w.device()?.public_block()
    });
    for _ in 0..2 {
        let answer = w.retail().post(RECOVER, &body).named(&w.name("name")).refused(404, "no-backup")?;
        answer.must(answer.header("idempotent-replay").is_empty(), "expected recover not to be kept")?;
    }
    Ok(())
}

fn token(w: &World) -> Played {
    let name = w.name("name");
    for _ in 0..2 {
        let answer = w.anybody().post("/v1/auth/token", &json!({})).named(&name).expect(200)?;
        w.hide(&answer.text("/token")?);
        answer.must(answer.header("idempotent-replay").is_empty(), "expected a token not to be kept")?;
    }
    Ok(())
}
