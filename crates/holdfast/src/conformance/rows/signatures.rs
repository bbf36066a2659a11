//! The enclave's signatures, and the keys that prove them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::crypto::{is_signed, point_of, sha256_hex, unhex};
use crate::conformance::stage::PARTNER_KEYS;
use crate::conformance::verdict::{Played, Stop, failed};
use crate::conformance::world::{Need, World};

use Need::{Partner, Retail, Sandbox};

pub const ROWS: &[Row] = &[
    row(
        "signatures.jwks",
        "the JWKS lists ES256 keys with kid, coordinates, purposes and validFrom",
        &[],
        jwks,
    ),
    row(
        "signatures.jwks.cache",
        "the JWKS may be kept for ten minutes: max-age=600, must-revalidate",
        &[],
        cache,
    ),
    row("signatures.pem", "the PEM file holds an assignment key of the JWKS", &[], pem),
    row("signatures.key", "without sign_with the text of public_key is signed", &[Partner], plain),
    row("signatures.empty", "an empty sign_with is as none", &[Partner], empty),
    row(
        "signatures.payload",
        "with sign_with the exact bytes of signed_payload are signed, in RFC 8785 form",
        &[Partner],
        payload,
    ),
    row("signatures.order", "signed_fields repeats the request's order", &[Partner], order),
    row("signatures.values", "each signed field says what it is about", &[Partner], values),
    row(
        "signatures.user-id",
        "user_id is the service's own UUID, the same for each key of a user",
        &[Partner],
        user_id,
    ),
    row("signatures.retail", "a retail key is signed the same way", &[Retail, Sandbox], retail),
    row("signatures.sign-with.public-key", "sign_with that lists public_key is 400", &[Partner], |w| {
        refused(w, &json!(["public_key"]))
    }),
    row("signatures.sign-with.unknown", "sign_with of an unknown field is 400", &[Partner], |w| {
        refused(w, &json!(["key_id", "colour"]))
    }),
    row("signatures.sign-with.repeated", "sign_with of a field twice is 400", &[Partner], |w| {
        refused(w, &json!(["key_id", "key_id"]))
    }),
    row(
        "signatures.sign-with.nothing",
        "sign_with of a field that resolves to nothing is 400",
        &[Retail, Sandbox],
        nothing,
    ),
];

const ALL: [&str; 7] = [
    "key_fingerprint",
    "key_id",
    "user_id",
    "pulled_by_type",
    "pulled_by_id",
    "external_package_id",
    "external_customer_id",
];

fn listed(w: &World) -> Result<Answer, Stop> {
    w.nobody().get("/.well-known/jwks.json").expect(200)
}

/// An assignment's signature must be the enclave's, over this text, and over no other.
pub fn verify(w: &World, answer: &Answer, signed: &str) -> Played {
    let (jwks, signature) = (listed(w)?.json, answer.text("/signature")?);
    let kid = answer.json["kid"].as_str();
    let holds = |text: &str| is_signed(&jwks, kid, "assignment-sig", text, &signature);
    answer.must(holds(signed), "expected the signature to be that of a listed assignment key")?;
    answer.must(!holds(&format!("{signed} ")), "expected the signature not to hold for another text")
}

fn jwks(w: &World) -> Played {
    let answer = listed(w)?;
    let keys = answer.list("/keys")?;
    for (at, key) in keys.iter().enumerate() {
        for (member, value) in [("kty", "EC"), ("crv", "P-256"), ("alg", "ES256"), ("use", "sig")] {
            answer.is(&format!("/keys/{at}/{member}"), value)?;
        }
        answer.has(&[&format!("/keys/{at}/kid"), &format!("/keys/{at}/coincover:validFrom")])?;
        answer.must(point_of(key).is_some(), "expected x and y of 32 bytes in base64url")?;
        answer.lacks(&format!("/keys/{at}/d"))?;
    }
    let kids: BTreeSet<_> = keys.iter().map(|key| key["kid"].to_string()).collect();
    answer.must(kids.len() == keys.len(), "expected each kid once")?;
    let with = |purpose: Value| keys.iter().any(|key| key["coincover:purposes"] == json!([purpose]));
    answer.must(with(json!("assignment-sig")), "expected a key for assignment-sig")
}

fn cache(w: &World) -> Played {
    listed(w)?.header_is("cache-control", "max-age=600, must-revalidate").map(drop)
}

fn pem(w: &World) -> Played {
    let answer = w.nobody().get("/.well-known/verification-key.pem").expect(200)?;
    let text = String::from_utf8_lossy(&answer.body);
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap_or_default();
    let jwks = listed(w)?;
    let is_listed = jwks.list("/keys")?.iter().any(|key| {
        key["coincover:purposes"] == json!(["assignment-sig"])
            && point_of(key).is_some_and(|point| der.ends_with(&point))
    });
    answer
        .must(text.contains("BEGIN PUBLIC KEY") && is_listed, "expected an assignment key of the JWKS in PEM")
}

fn signed(w: &World, fields: &Value) -> Result<Answer, Stop> {
    let body = w.assignment(&w.name("user"), json!({ "sign_with": fields }));
    w.partner().post(PARTNER_KEYS, &body).expect(200)
}

fn plain(w: &World) -> Played {
    let answer = signed(w, &Value::Null)?;
    answer.lacks("/signed_payload")?.lacks("/signed_fields")?;
    verify(w, &answer, &answer.text("/public_key")?)
}

fn empty(w: &World) -> Played {
    let answer = signed(w, &json!([]))?;
    answer.lacks("/signed_payload")?.lacks("/signed_fields")?;
    verify(w, &answer, &answer.text("/public_key")?)
}

fn payload(w: &World) -> Played {
    let answer = signed(w, &json!(ALL))?;
    let payload = answer.text("/signed_payload")?;
    verify(w, &answer, &payload)?;
    let object: Value =
        serde_json::from_str(&payload).map_err(|_| answer.fail("expected JSON in signed_payload"))?;
    let mut members: Vec<_> = object.as_object().into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| *name);
    let member = |(name, value): (&String, &Value)| format!("{}:{value}", json!(name));
    let canonical: Vec<_> = members.into_iter().map(member).collect();
    let canonical = format!("{{{}}}", canonical.join(","));
    answer.must(payload == canonical, format!("expected the RFC 8785 form {canonical}"))
}

fn order(w: &World) -> Played {
    let fields = json!(["user_id", "key_fingerprint", "key_id"]);
    signed(w, &fields)?.is("/signed_fields", fields).map(drop)
}

fn values(w: &World) -> Played {
    let answer = signed(w, &json!(ALL))?;
    let said: Value = serde_json::from_str(&answer.text("/signed_payload")?).unwrap_or_default();
    let public_key = answer.text("/public_key")?;
    let fingerprint =
        sha256_hex(&unhex(&public_key).ok_or_else(|| failed("the public key is no hexadecimal"))?);
    let log = w.partner().get(&format!("/v1/audit?key_id={}&action=key.assigned", answer.text("/key_id")?));
    let actor = log.expect(200)?.json["data"][0]["actor"].clone();
    for (name, value) in [
        ("public_key", json!(public_key)),
        ("key_id", answer.json["key_id"].clone()),
        ("key_fingerprint", json!(fingerprint)),
        ("external_customer_id", answer.json["customer_id"].clone()),
        ("external_package_id", answer.json["package_id"].clone()),
        ("pulled_by_type", json!("api_key")),
        ("pulled_by_id", actor),
    ] {
        let what = format!("expected the signed {name} to be {value}, got {}", said[name]);
        answer.must(said[name] == value, what)?;
    }
    Ok(())
}

fn user_id(w: &World) -> Played {
    let user = w.name("user");
    let mut seen = BTreeSet::new();
    for organisation in ["a", "b"] {
        let change = json!({"sign_with": ["user_id"], "organisation": {"customer_id": w.name(organisation)}});
        let answer = w.partner().post(PARTNER_KEYS, &w.assignment(&user, change)).expect(200)?;
        let said: Value = serde_json::from_str(&answer.text("/signed_payload")?).unwrap_or_default();
        let id = said["user_id"].as_str().unwrap_or_default().to_owned();
        answer.must(id.len() == 36 && id != user, "expected a UUID of the service's own")?;
        seen.insert(id);
        answer.must(seen.len() == 1, "expected the same user_id for each key of a user")?;
    }
    Ok(())
}

fn retail(w: &World) -> Played {
    let one = w.enrolled()?;
    let body = json!({
        "user_identifier": one.user, "verification_id": one.check, "sign_with": ["key_id", "key_fingerprint"]
    });
    let answer = w.retail().post("/v1/key/generate", &body).expect(200)?;
    answer.is("/signed_fields", json!(["key_id", "key_fingerprint"]))?;
    verify(w, &answer, &answer.text("/signed_payload")?)
}

fn refused(w: &World, fields: &Value) -> Played {
    let body = w.assignment(&w.name("user"), json!({ "sign_with": fields }));
    w.partner().post(PARTNER_KEYS, &body).faults(&["sign_with"]).map(drop)
}

fn nothing(w: &World) -> Played {
    let one = w.enrolled()?;
    let body = json!({
        "user_identifier": one.user, "verification_id": one.check, "sign_with": ["external_customer_id"]
    });
    w.retail().post("/v1/key/generate", &body).faults(&["sign_with"]).map(drop)
}
