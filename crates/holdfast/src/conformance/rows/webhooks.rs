//! Webhook endpoints: made, changed, listed, deleted.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::stage::NO_ID;
use crate::conformance::verdict::{Played, Stop};
use crate::conformance::world::{Need, World};

use Need::Partner;

pub const WEBHOOKS: &str = "/v1/webhooks";
/// An address of documentation (RFC 2606): nothing is sent there, for no event has this filter's type meanwhile.
const NOWHERE: &str = "https://webhooks.example.com/holdfast";

pub const ROWS: &[Row] = &[
    row(
        "webhooks.life",
        "an endpoint is made, shown, changed, listed and deleted; its secret is shown once",
        &[Partner],
        life,
    ),
    row("webhooks.fields", "a URL, event or description that will not do is 400", &[Partner], fields),
    row(
        "webhooks.https",
        "in production targets are https, and not private addresses",
        &[Partner, Need::Production],
        https_only,
    ),
    row(
        "webhooks.rotate-secret",
        "a rotation gives another secret, and says until when the old one signs",
        &[Partner],
        rotate_secret,
    ),
    row("webhooks.off", "an endpoint that is switched off takes no test: 409", &[Partner], off),
    row(
        "webhooks.secret-repeat",
        "a repeat of what showed a secret is 409 with the id",
        &[Partner],
        secret_repeat,
    ),
    row("webhooks.unknown", "an unknown endpoint is 404 on every path", &[Partner], unknown),
];

/// An endpoint there, with this filter.
pub fn make(w: &World, url: &str, events: &[&str]) -> Result<Answer, Stop> {
    let body = json!({"url": url, "events": events, "description": "conformance"});
    let made = w.partner().post(WEBHOOKS, &body).expect(200)?;
    w.hide(&made.text("/secret")?);
    Ok(made)
}

/// The path of an endpoint.
pub fn path(made: &Answer) -> Result<String, Stop> {
    Ok(format!("{WEBHOOKS}/{}", made.text("/id")?))
}

fn life(w: &World) -> Played {
    let made = make(w, NOWHERE, &["acl.changed"])?;
    let (path, secret) = (path(&made)?, made.text("/secret")?);
    made.is("/url", NOWHERE)?.is("/enabled", true)?.is("/events", json!(["acl.changed"]))?;
    let shown = w.partner().get(&path).expect(200)?;
    shown.lacks("/secret")?.is("/description", "conformance")?;
    let list = w.partner().get(WEBHOOKS).expect(200)?;
    list.must(
        !String::from_utf8_lossy(&list.body).contains(&secret),
        "expected the secret to be shown once",
    )?;
    list.must(list.list("/data")?.iter().any(|one| one["id"] == made.json["id"]), "expected it in the list")?;
    let change = json!({"description": "changed", "enabled": false});
    let changed = w.partner().call(Method::PATCH, &path).json(&change).expect(200)?;
    changed.is("/description", "changed")?.is("/enabled", false)?.is("/url", NOWHERE)?;
    let gone = w.partner().delete(&path).expect(204)?;
    gone.must(gone.body.is_empty(), "expected no body")?;
    w.partner().get(&path).refused(404, "not-found").map(drop)
}

fn fields(w: &World) -> Played {
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "nowhere"}), "url"),
        (json!({"url": "https://user:pass@example.com/"}), "url"),
        (json!({"url": "https://10.0.0.1/"}), "url"),
        (json!({"url": "https://169.254.169.254/"}), "url"),
        (json!({"url": NOWHERE, "events": ["key.melted"]}), "events"),
        (json!({"url": NOWHERE, "description": "d".repeat(256)}), "description"),
    ] {
        w.partner().post(WEBHOOKS, &body).faults(&[field])?;
    }
    Ok(())
}

fn https_only(w: &World) -> Played {
    for url in ["http://webhooks.example.com/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/"]
    {
        w.partner().post(WEBHOOKS, &json!({ "url": url })).faults(&["url"])?;
    }
    Ok(())
}

fn rotate_secret(w: &World) -> Played {
    let made = make(w, NOWHERE, &["acl.changed"])?;
    let rotated = w.partner().post(&format!("{}/rotate-secret", path(&made)?), &Value::Null).expect(200)?;
    let secret = rotated.text("/secret")?;
    w.hide(&secret);
    rotated.must(secret != made.text("/secret")?, "expected another secret")?;
    rotated.has(&["/previous_secret_until"])?;
    w.partner().delete(&path(&made)?).expect(204).map(drop)
}

fn off(w: &World) -> Played {
    let made = make(w, NOWHERE, &["acl.changed"])?;
    let path = path(&made)?;
    w.partner().call(Method::PATCH, &path).json(&json!({"enabled": false})).expect(200)?;
    w.partner().post(&format!("{path}/test"), &Value::Null).refused(409, "webhook-disabled")?;
    w.partner().delete(&path).expect(204).map(drop)
}

fn secret_repeat(w: &World) -> Played {
    let (body, name) = (json!({"url": NOWHERE, "events": ["acl.changed"]}), w.name("name"));
    let made = w.partner().post(WEBHOOKS, &body).named(&name).expect(200)?;
    w.hide(&made.text("/secret")?);
    let again = w.partner().post(WEBHOOKS, &body).named(&name).refused(409, "idempotency-secret-shown")?;
    again
        .must(again.text("/message")?.contains(&made.text("/id")?), "expected the message to name the id")?;
    w.partner().delete(&path(&made)?).expect(204).map(drop)
}

fn unknown(w: &World) -> Played {
    let partner = w.partner();
    for id in [NO_ID, "x"] {
        let path = format!("{WEBHOOKS}/{id}");
        partner.get(&path).refused(404, "not-found")?;
        partner.delete(&path).refused(404, "not-found")?;
        partner.call(Method::PATCH, &path).json(&json!({})).refused(404, "not-found")?;
        partner.get(&format!("{path}/deliveries")).refused(404, "not-found")?;
        for deed in ["test", "rotate-secret", &format!("deliveries/{NO_ID}/redeliver")] {
            partner.post(&format!("{path}/{deed}"), &Value::Null).refused(404, "not-found")?;
        }
    }
    Ok(())
}
