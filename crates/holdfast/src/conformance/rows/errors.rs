//! How a server refuses: one shape, by path, method, type, size and field.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::stage::{NO_ID, START, STORE, with};
use crate::conformance::verdict::Played;
use crate::conformance::world::{Need, World};

pub const ROWS: &[Row] = &[
    row("errors.shape", "an error has message, error (the reason phrase), code and request_id", &[], shape),
    row("errors.no-such-path", "an unknown path is 404, with or without a credential", &[], no_such_path),
    row("errors.method", "an unknown method is 405 with Allow", &[], method),
    row("errors.not-json", "a body that is not JSON is 400", &[Need::Retail], not_json),
    row("errors.not-an-object", "a body that is no JSON object is 400", &[Need::Retail], not_an_object),
    row("errors.content-type", "a body without the JSON content type is 415", &[Need::Retail], content_type),
    row("errors.too-large", "JSON over 256 KiB is 413", &[Need::Retail], too_large),
    row("errors.unknown-members", "unknown members of a body are ignored", &[Need::Partner], unknown_members),
    row(
        "errors.fields",
        "every field at fault is named in one answer, by its JSON path",
        &[Need::Retail],
        fields,
    ),
    row("errors.field-types", "a member of the wrong type is named", &[Need::Partner], field_types),
    row(
        "errors.identifier",
        "an identifier has 1 to 255 characters and no control characters",
        &[Need::Partner],
        identifier,
    ),
    row(
        "errors.unknown-ids",
        "unknown, malformed and foreign ids are answered alike, but for the request id",
        &[Need::Partner],
        unknown_ids,
    ),
    row(
        "errors.foreign-ids",
        "another tenant's key and backup are answered as unknown ones",
        &[Need::Partner, Need::Institution],
        foreign_ids,
    ),
];

fn shape(w: &World) -> Played {
    let answer = w.nobody().get("/v1/nothing").expect(404)?;
    answer.has(&["/message", "/code"])?.is("/error", "Not Found")?;
    answer.is("/request_id", answer.header("x-request-id"))?.lacks("/errors")?;
    let refused = w.nobody().get("/v1/audit").expect(401)?;
    refused.has(&["/message", "/code"])?.is("/error", "Unauthorized").map(drop)
}

fn no_such_path(w: &World) -> Played {
    w.nobody().get("/v1/nothing").refused(404, "no-such-path")?;
    w.anybody().post("/v1/nothing", &json!({})).refused(404, "no-such-path").map(drop)
}

fn method(w: &World) -> Played {
    for (method, path, allowed) in [
        (Method::GET, START, "POST"),
        (Method::PUT, "/v1/partner/keys", "GET"),
        (Method::POST, "/v1/audit", "GET"),
    ] {
        let answer = w.anybody().call(method, path).refused(405, "method-not-allowed")?;
        let allow = answer.header("allow");
        answer.must(allow.contains(allowed), format!("expected Allow to name {allowed}, got {allow:?}"))?;
    }
    Ok(())
}

fn raw(w: &World, content_type: &str, body: &str) -> Result<u16, crate::conformance::verdict::Stop> {
    Ok(w.retail().call(Method::POST, START).raw(content_type, body).send()?.status)
}

fn not_json(w: &World) -> Played {
    for body in ["", "{", "nothing", "{\"user_identifier\":\"a\",}", "{} {}"] {
        let call = w.retail().call(Method::POST, START).raw("application/json", body);
        call.refused(400, "malformed-json")?;
    }
    Ok(())
}

fn not_an_object(w: &World) -> Played {
    for body in ["[]", "\"text\"", "null", "7"] {
        let call = w.retail().call(Method::POST, START).raw("application/json", body);
        call.refused(400, "malformed-json")?;
    }
    Ok(())
}

fn content_type(w: &World) -> Played {
    for kind in ["", "text/plain", "application/x-www-form-urlencoded"] {
        w.retail().call(Method::POST, START).raw(kind, "{}").refused(415, "content-type")?;
    }
    // What it is called by is not case-sensitive, and may have parameters.
    let status = raw(w, "Application/JSON; charset=utf-8", "{}")?;
    crate::conformance::verdict::must(status == 400, || {
        format!("expected application/json with a charset to pass, got {status}")
    })
}

fn too_large(w: &World) -> Played {
    let mut body = json!({"user_identifier": ""}).to_string();
    body.push_str(&" ".repeat(256 * 1024 - body.len()));
    w.retail()
        .call(Method::POST, START)
        .raw("application/json", body.clone())
        .faults(&["user_identifier"])?;
    body.push(' ');
    w.retail()
        .call(Method::POST, START)
        .raw("application/json", body)
        .refused(413, "body-too-large")
        .map(drop)
}

fn unknown_members(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({"more": {"of": ["it"]}}));
    w.partner().post("/v1/partner/keys", &body).expect(200).map(drop)
}

fn fields(w: &World) -> Played {
    w.retail().post(STORE, &json!({})).faults(&[
        "user_identifier",
        "verification_id",
        "public_key",
        "backup",
    ])?;
    let item = json!({"item_key": "a", "item_value": "AAAA", "item_checksum": "none"});
    let body = json!({
        "user_identifier": "u", "verification_id": "v", "public_key": "short",
        "backup": [item, {"item_key": "", "item_value": "*", "item_checksum": "0".repeat(64)}],
    });
    let expected = ["public_key", "backup[0].item_checksum", "backup[1].item_key", "backup[1].item_value"];
    let answer = w.retail().post(STORE, &body).faults(&expected)?;
    let told = answer.list("/errors/public_key")?;
    answer.must(
        told.iter().all(Value::is_string) && !told.is_empty(),
        "expected a list of texts for each field",
    )
}

fn field_types(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({}));
    for (name, wrong) in
        [("user_identifier", json!(7)), ("key_environment", json!(["HOT"])), ("organisation", json!("x"))]
    {
        w.partner().post("/v1/partner/keys", &with(&body, json!({ name: wrong }))).faults(&[name])?;
    }
    Ok(())
}

fn identifier(w: &World) -> Played {
    let body = w.assignment("", json!({}));
    for odd in ["", &"u".repeat(256), "a\nb", "\u{7f}"] {
        let body = with(&body, json!({"user_identifier": odd}));
        w.partner().post("/v1/partner/keys", &body).faults(&["user_identifier"])?;
    }
    let name = w.name("é");
    let longest = format!("{name}{}", "é".repeat(255 - name.chars().count()));
    w.partner()
        .post("/v1/partner/keys", &with(&body, json!({"user_identifier": longest})))
        .expect(200)
        .map(drop)
}

fn unknown_ids(w: &World) -> Played {
    for path in ["/v1/partner/keys/", "/v1/partner/backups/"] {
        let unknown = w.partner().get(&format!("{path}{NO_ID}")).refused(404, "not-found")?;
        for malformed in ["x", "00000000", "%20"] {
            let answer = w.partner().get(&format!("{path}{malformed}")).send()?;
            answer.must(answer.face() == unknown.face(), "expected the answer to an unknown id")?;
        }
    }
    Ok(())
}

fn foreign_ids(w: &World) -> Played {
    let key = w.assigned(&w.name("user"), json!({}))?;
    let unknown = w.institution().get(&format!("/v1/keys/{NO_ID}")).refused(404, "not-found")?;
    let foreign = w.institution().get(&format!("/v1/keys/{}", key.id)).send()?;
    foreign.must(foreign.face() == unknown.face(), "expected the answer to an unknown id")?;
    let verify = w.institution().get(&format!("/v1/keys/{}/verify", key.id)).send()?;
    verify.must(verify.face() == unknown.face(), "expected the answer to an unknown id")
}
