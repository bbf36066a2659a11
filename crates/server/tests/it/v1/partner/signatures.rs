//! What the enclave signs about a key, checked by other people's programs.

use std::fs;

use serde_json::{Value, json};
use testkit::device::{checksum, unbase64, unhex};
use testkit::foreign::{openssl_agrees, python};
use testkit::{Actor, App};

const FIELDS: [&str; 7] = [
    "external_customer_id",
    "external_package_id",
    "pulled_by_id",
    "pulled_by_type",
    "user_id",
    "key_id",
    "key_fingerprint",
];

/// Verifies by OpenSSL, with the key that partners may pin.
async fn openssl_verifies(app: &App, signed: &str, signature: &str) -> bool {
    let pem = app.anonymous().get("/.well-known/verification-key.pem").await;
    let write = |name: &str, bytes: &[u8]| fs::write(app.folder().join(name), bytes).unwrap();
    write("pinned.pem", &pem.body);
    write("signed", signed.as_bytes());
    write("signature", &unbase64(signature));
    let args = ["dgst", "-sha256", "-verify", "pinned.pem", "-signature", "signature", "signed"];
    openssl_agrees(app.folder(), &args)
}

/// Verifies as a JOSE library does, with the key of the set that has the key's `kid`.
async fn jose_verifies(app: &App, key: &Value, signed: &str) {
    let set = app.anonymous().get("/.well-known/jwks.json").await.text();
    let script = "import sys, json\n\
        from jwcrypto import jwk\n\
        from cryptography.hazmat.primitives import hashes\n\
        from cryptography.hazmat.primitives.asymmetric import ec, utils\n\
        from jwcrypto import jws\n\
        from jwcrypto.common import base64url_encode\n\
        ask = json.load(sys.stdin)\n\
        found = jwk.JWKSet.from_json(ask['set']).get_key(ask['kid'])\n\
        assert found.thumbprint() == ask['kid'], 'RFC 7638'\n\
        r, s = utils.decode_dss_signature(bytes.fromhex(ask['signature']))\n\
        raw = r.to_bytes(32, 'big') + s.to_bytes(32, 'big')\n\
        core = jws.JWSCore('ES256', found, '{\"alg\":\"ES256\"}', ask['signed'].encode(), algs=['ES256'])\n\
        engine = core.engine\n\
        engine.verify(found, ask['signed'].encode(), raw)\n\
        try:\n    engine.verify(found, ask['signed'].encode() + b' ', raw)\n\
        except Exception: print('good')\n";
    let signature = domain::audit::hex(&unbase64(key["signature"].as_str().unwrap()));
    let ask = json!({"set": set, "kid": key["kid"], "signature": signature, "signed": signed});
    assert_eq!(python(script, &[], ask.to_string().as_bytes()), b"good\n");
}

/// The canonical form of a JSON text, by another implementation.
fn canonical(value: &Value) -> String {
    // RFC 8785 sorts names by their UTF-16 units, Python by code points; the two differ beyond the first plane.
    let script = "import sys, json\n\
        v = json.load(sys.stdin)\n\
        v = dict(sorted(v.items(), key=lambda kv: kv[0].encode('utf-16-be')))\n\
        sys.stdout.buffer.write(json.dumps(v, separators=(',', ':'), ensure_ascii=False).encode())";
    String::from_utf8(python(script, &[], value.to_string().as_bytes())).unwrap()
}

async fn assign_with(partner: &Actor, user: &str, customer: &str, fields: &Value) -> Value {
    let mut body = testkit::assign_body(user, customer);
    body["sign_with"] = fields.clone();
    partner.assign(&body).await.ok()
}

#[tokio::test]
async fn without_fields_the_public_keys_text_is_signed() {
    let app = App::start().await;
    let partner = app.partner();
    for fields in [json!(null), json!([])] {
        let key = assign_with(&partner, &fields.to_string(), "customer-1", &fields).await;
        assert!(key.get("signed_payload").is_none() && key.get("signed_fields").is_none(), "{key}");
        let text = key["public_key"].as_str().unwrap();
        assert!(openssl_verifies(&app, text, key["signature"].as_str().unwrap()).await);
        assert!(!openssl_verifies(&app, &text.to_uppercase(), key["signature"].as_str().unwrap()).await);
        jose_verifies(&app, &key, text).await;
    }
}

#[tokio::test]
async fn with_fields_their_canonical_form_is_signed() {
    let app = App::start().await;
    let partner = app.partner();
    let mut asked = FIELDS.map(Value::from).to_vec();
    asked.reverse();
    let customer = "Ørsted & Söhne \"<é>\" 日本 \u{1d54c}\u{e000} / \\";
    let key = assign_with(&partner, "user-1", customer, &json!(asked)).await;
    assert_eq!(key["signed_fields"], json!(asked), "in the request's order");
    let payload = key["signed_payload"].as_str().unwrap();
    let signed: Value = serde_json::from_str(payload).unwrap();
    assert_eq!(payload, canonical(&signed), "RFC 8785");
    let signed = signed.as_object().unwrap();
    assert_eq!(signed.len(), 8, "the fields and the public key");
    for (name, value) in [
        ("public_key", &key["public_key"]),
        ("key_id", &key["key_id"]),
        ("external_customer_id", &json!(customer)),
        ("external_package_id", &json!("package-1")),
        ("pulled_by_type", &json!("api_key")),
    ] {
        assert_eq!(&signed[name], value);
    }
    let fingerprint = checksum(&unhex(key["public_key"].as_str().unwrap()));
    assert_eq!(signed["key_fingerprint"], fingerprint);
    assert_eq!(signed["user_id"].as_str().unwrap().len(), 36);
    let log = partner.audit("&action=key.assigned").await;
    assert_eq!(signed["pulled_by_id"], log[0]["actor"], "the credential's id");
    assert!(openssl_verifies(&app, payload, key["signature"].as_str().unwrap()).await);
    jose_verifies(&app, &key, payload).await;
}

#[tokio::test]
async fn the_same_user_has_the_same_id_and_each_field_can_stand_alone() {
    let app = App::start().await;
    let partner = app.partner();
    let mut ids = Vec::new();
    for (at, field) in FIELDS.iter().enumerate() {
        let fields = if *field == "user_id" { json!([field]) } else { json!([field, "user_id"]) };
        let key = assign_with(&partner, "user-1", &format!("c-{at}"), &fields).await;
        let signed: Value = serde_json::from_str(key["signed_payload"].as_str().unwrap()).unwrap();
        assert_eq!(signed.as_object().unwrap().len(), fields.as_array().unwrap().len() + 1, "{field}");
        ids.push(signed["user_id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}
