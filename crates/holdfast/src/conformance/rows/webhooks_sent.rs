//! Webhooks that arrive, at a receiver of the runner's own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::webhooks::{make, path};
use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::crypto::{hex, hmac_sha256};
use crate::conformance::receiver::Delivery;
use crate::conformance::stage::START;
use crate::conformance::verdict::{Played, Stop, failed, must};
use crate::conformance::world::{Need, World};

const NEEDS: &[Need] = &[Need::Partner, Need::Receiver];

/// How long a first delivery may take.
const SOON: Duration = Duration::from_secs(20);
/// How long a second try may take: 5 s and 20 % of chance, and the time to send it.
const AFTER_A_RETRY: Duration = Duration::from_secs(30);
/// How often, and how many times, it is looked whether a delivery was written down.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS_MAX: usize = 50;

pub const ROWS: &[Row] = &[
    row("webhooks.test", "a test event arrives, whatever the filter, and is written down", NEEDS, test_event),
    row(
        "webhooks.signature",
        "Coincover-Signature is t=..,v1=..: HMAC-SHA256 of t.body, by the secret's text",
        NEEDS,
        signature,
    ),
    row(
        "webhooks.standard",
        "the three Standard Webhooks headers hold, by the secret's bytes",
        NEEDS,
        standard,
    ),
    row(
        "webhooks.body",
        "an event has id, type, created_at, environment and data, and no secret",
        NEEDS,
        body,
    ),
    row("webhooks.filter", "an endpoint gets the events that its filter names", NEEDS, filter),
    row(
        "webhooks.inquiry",
        "an inquiry's events carry check, user, both statuses and the time",
        &[Need::Retail, Need::Sandbox, Need::Receiver],
        inquiry,
    ),
    row("webhooks.retry", "after a 500 it is sent again: the same id, a fresh t, attempt 2", NEEDS, retry),
    row("webhooks.redirect", "a redirect is a failure and is not followed", NEEDS, redirect),
    row("webhooks.rotation", "after a rotation two signatures are sent, the newest first", NEEDS, rotation),
    row("webhooks.redeliver", "a redelivery is the same event again", NEEDS, redeliver),
    row("webhooks.gone", "a 410 switches the endpoint off", NEEDS, gone),
];

/// An endpoint at the receiver.
struct Hook<'w> {
    w: &'w World,
    name: String,
    path: String,
    made: Answer,
}

impl<'w> Hook<'w> {
    fn new(w: &'w World, word: &str, events: &[&str]) -> Result<Self, Stop> {
        let name = w.name(word);
        let made = make(w, &w.receiver()?.url(&name), events)?;
        Ok(Self { w, path: path(&made)?, name, made })
    }

    fn secret(&self) -> Result<String, Stop> {
        self.made.text("/secret")
    }

    fn answering(&self, statuses: &[u16]) -> Played {
        self.w.receiver()?.answer(&self.name, statuses);
        Ok(())
    }

    /// Sends a test event; its id.
    fn test(&self) -> Result<String, Stop> {
        let sent = self.w.partner().post(&format!("{}/test", self.path), &Value::Null).expect(200)?;
        sent.text("/delivery_id")
    }

    fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, Stop> {
        self.w.receiver()?.wait_for(&self.name, count, patience)
    }

    /// Sends a test event and takes it.
    fn tested(&self) -> Result<Delivery, Stop> {
        self.test()?;
        self.wait_for(1, SOON)?.pop().ok_or_else(|| failed("nothing came"))
    }

    /// Looks until this holds of the newest delivery that the server wrote down.
    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Played {
        for _ in 0..LOOKS_MAX {
            let list = self.w.partner().get(&format!("{}/deliveries", self.path)).expect(200)?;
            if holds(&list.json["data"][0]) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(failed(format!("expected the list of deliveries to show {what}")))
    }

    fn end(self) -> Played {
        self.w.partner().delete(&self.path).expect(204).map(drop)
    }
}

fn event(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.body).unwrap_or_default()
}

/// The time and the signatures of the published header.
fn published(delivery: &Delivery) -> Result<(String, Vec<String>), Stop> {
    let header = delivery.header("coincover-signature");
    let form = || failed(format!("expected t=<seconds>,v1=<hex> without a space, got {header:?}"));
    let (time, rest) = header.strip_prefix("t=").and_then(|rest| rest.split_once(',')).ok_or_else(form)?;
    let signatures = rest.split(',').map(|part| part.strip_prefix("v1=").map(str::to_owned));
    let signatures = signatures.collect::<Option<Vec<_>>>().ok_or_else(form)?;
    let is_time = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    if is_time && !header.contains(' ') { Ok((time.to_owned(), signatures)) } else { Err(form()) }
}

fn signed_by(secret: &str, time: &str, delivery: &Delivery) -> String {
    hex(&hmac_sha256(secret.as_bytes(), &format!("{time}.{}", delivery.body)))
}

fn test_event(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    let id = hook.test()?;
    let delivery = &hook.wait_for(1, SOON)?[0];
    must(event(delivery)["type"] == "webhook.test", || {
        format!("expected webhook.test, got {}", event(delivery))
    })?;
    must(event(delivery)["id"] == id, || format!("expected the id {id}, got {}", event(delivery)["id"]))?;
    must(delivery.header("content-type").starts_with("application/json"), || "expected JSON".to_owned())?;
    hook.until("the attempt with its answer code", |newest| {
        newest["state"] == "delivered" && newest["attempts"][0]["answer_code"] == 200
    })?;
    hook.end()
}

fn signature(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    let delivery = hook.tested()?;
    let (time, signatures) = published(&delivery)?;
    let expected = signed_by(&hook.secret()?, &time, &delivery);
    must(signatures == [expected.clone()], || {
        format!(
            "expected v1 to be the HMAC-SHA256 of t.body by the secret's text, {expected}, got {signatures:?}"
        )
    })?;
    hook.end()
}

fn standard(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    let delivery = hook.tested()?;
    let (id, time) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    must(event(&delivery)["id"] == id, || format!("expected webhook-id to be the event's, got {id:?}"))?;
    let secret = hook.secret()?;
    let bytes = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| failed("expected the secret to be whsec_ and base64"))?;
    let expected = STANDARD.encode(hmac_sha256(&bytes, &format!("{id}.{time}.{}", delivery.body)));
    let got = delivery.header("webhook-signature");
    must(got == format!("v1,{expected}"), || {
        format!("expected webhook-signature v1,{expected}, got {got:?}")
    })?;
    hook.end()
}

fn body(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["key.assigned"])?;
    let key = w.assigned(&w.name("user"), json!({}))?;
    let delivery = &hook.wait_for(1, SOON)?[0];
    let event = event(delivery);
    for member in ["id", "type", "created_at", "environment"] {
        must(event[member].is_string(), || {
            format!("expected the event's {member} to be a text, got {event}")
        })?;
    }
    let data = &event["data"];
    for (member, value) in [
        ("key_id", key.id.as_str()),
        ("user_identifier", key.user.as_str()),
        ("key_environment", "HOT"),
        ("package_id", "package-1"),
        ("customer_id", &w.name("org")),
    ] {
        must(data[member] == value, || {
            format!("expected data.{member} to be {value:?}, got {}", data[member])
        })?;
    }
    must(!delivery.body.contains(&hook.secret()?), || "expected no secret in an event".to_owned())?;
    hook.end()
}

fn filter(w: &World) -> Played {
    let (wants, other) =
        (Hook::new(w, "wants", &["key.rotated"])?, Hook::new(w, "other", &["backup.stored"])?);
    let key = w.assigned(&w.name("user"), json!({}))?;
    w.partner().post(&format!("/v1/partner/keys/{}/rotate", key.id), &json!({})).expect(200)?;
    let came = wants.wait_for(1, SOON)?;
    let told = event(&came[0]);
    must(told["type"] == "key.rotated" && told["data"]["supersedes"] == key.id, || {
        format!("expected key.rotated, got {told}")
    })?;
    // What is sent later arrives later: when the test event is there, nothing else came before it.
    other.test()?;
    let came = other.wait_for(1, SOON)?;
    let told = event(&came[0]);
    must(told["type"] == "webhook.test", || format!("expected nothing but the test, got {told}"))?;
    wants.end()?;
    other.end()
}

fn inquiry(w: &World) -> Played {
    let name = w.name("hook");
    let body = json!({"url": w.receiver()?.url(&name), "events": ["inquiry.approved"]});
    let made = w.retail().post(super::webhooks::WEBHOOKS, &body).expect(200)?;
    w.hide(&made.text("/secret")?);
    let user = w.name("user");
    let call = w.retail().post(START, &json!({ "user_identifier": user }));
    let check = call.header("x-override-status", "approve_inquiry").expect(200)?.text("/verification_id")?;
    let told = event(&w.receiver()?.wait_for(&name, 1, SOON)?[0]);
    for (member, value) in [
        ("verification_id", check.as_str()),
        ("user_identifier", &user),
        ("status", "approved"),
        ("inquiry_status", "APPROVED"),
    ] {
        let got = &told["data"][member];
        must(got == value, || format!("expected data.{member} to be {value:?}, got {got}"))?;
    }
    must(told["data"]["updated_at"].is_string(), || "expected data.updated_at".to_owned())?;
    w.retail().delete(&path(&made)?).expect(204).map(drop)
}

fn retry(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    hook.answering(&[500])?;
    hook.test()?;
    let tries = hook.wait_for(2, AFTER_A_RETRY)?;
    must(tries[0].body == tries[1].body, || "expected the same event at the second try".to_owned())?;
    let (first, second) = (tries[0].header("webhook-id"), tries[1].header("webhook-id"));
    must(first == second, || format!("expected the same id on every try, got {first:?} and {second:?}"))?;
    for (delivery, number) in tries.iter().zip(["1/", "2/"]) {
        let attempt = delivery.header("holdfast-attempt");
        must(attempt.starts_with(number), || {
            format!("expected Holdfast-Attempt {number}.., got {attempt:?}")
        })?;
        let (time, signatures) = published(delivery)?;
        let expected = signed_by(&hook.secret()?, &time, delivery);
        must(signatures == [expected], || "expected each try to be signed".to_owned())?;
    }
    must(published(&tries[0])?.0 != published(&tries[1])?.0, || {
        "expected a fresh t at the second try".to_owned()
    })?;
    hook.end()
}

fn redirect(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    hook.answering(&[302])?;
    hook.test()?;
    hook.wait_for(1, SOON)?;
    hook.until("a failed attempt with the code 302", |newest| {
        newest["state"] != "delivered" && newest["attempts"][0]["answer_code"] == 302
    })?;
    hook.end()
}

fn rotation(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    let rotated = w.partner().post(&format!("{}/rotate-secret", hook.path), &Value::Null).expect(200)?;
    let new = rotated.text("/secret")?;
    w.hide(&new);
    let delivery = hook.tested()?;
    let (time, signatures) = published(&delivery)?;
    let expected = [&new, &hook.secret()?].map(|secret| signed_by(secret, &time, &delivery));
    must(signatures == expected, || {
        format!("expected v1 of the new secret and then of the old, got {signatures:?}")
    })?;
    hook.end()
}

fn redeliver(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    let id = hook.test()?;
    hook.wait_for(1, SOON)?;
    hook.until("the delivery", |newest| newest["state"] == "delivered")?;
    w.partner().post(&format!("{}/deliveries/{id}/redeliver", hook.path), &Value::Null).expect(200)?;
    let came = hook.wait_for(2, SOON)?;
    must(came[0].body == came[1].body, || "expected the same event again".to_owned())?;
    hook.end()
}

fn gone(w: &World) -> Played {
    let hook = Hook::new(w, "hook", &["acl.changed"])?;
    hook.answering(&[410])?;
    hook.test()?;
    hook.wait_for(1, SOON)?;
    for _ in 0..LOOKS_MAX {
        let shown = w.partner().get(&hook.path).expect(200)?;
        if shown.json["enabled"] == false {
            shown.has(&["/disabled_reason"])?;
            return hook.end();
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(failed("expected the endpoint to be switched off after a 410"))
}
