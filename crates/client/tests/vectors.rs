//! The vectors of `testdata`, which foreign implementations made: the same ones that the TypeScript client runs.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::api::jwks::{Jwk, Jwks};
use client::attest::{Anchor, Asked, Claim, check};
use client::encrypt::{checksum, encrypt};
use client::{
    AttestationFault, AttestedKey, Facts, Field, Secret, SetupFault, SigningKeyPin, WebhookInput,
    encrypt_file, open_jwe, verify_webhook,
};
use serde::Deserialize;
use serde_json::Value;

/// Of an RSA-4096 ciphertext.
const CIPHERTEXT_BYTES: usize = 512;

fn vectors<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name);
    let text = std::fs::read(&path).expect("testdata is there");
    serde_json::from_slice(&text).expect("vectors")
}

#[derive(Deserialize)]
struct Keys {
    rsa4096: Forms,
    signing_key: SigningKey,
}

#[derive(Deserialize)]
struct Forms {
    public_key: String,
    public_key_pem: String,
    public_key_base64: String,
    key_fingerprint: String,
    private_key_pkcs8: String,
}

#[derive(Deserialize)]
struct SigningKey {
    pem: String,
}

#[derive(Deserialize)]
struct Attestations {
    now_ms: i64,
    jwks: Value,
    cases: Vec<AttestationCase>,
}

#[derive(Deserialize)]
struct AttestationCase {
    name: String,
    accepted: bool,
    reason: Option<String>,
    claim: ClaimText,
    asked: AskedText,
    kid: Option<String>,
    jwks: Option<Value>,
    pins: Option<Vec<String>>,
    now_ms: Option<i64>,
}

#[derive(Deserialize)]
struct ClaimText {
    public_key: String,
    signature: String,
    signed_payload: Option<String>,
    signed_fields: Option<Vec<String>>,
    kid: Option<String>,
    key_environment: Option<String>,
}

#[derive(Deserialize)]
struct AskedText {
    sign_with: Vec<String>,
    key_type: String,
    key_environment: Option<String>,
    facts: std::collections::BTreeMap<String, String>,
}

/// As the client reads a JWKS: what is not one of ours is left out.
fn usable(jwks: &Value) -> Jwks {
    let keys = jwks["keys"].as_array().expect("keys");
    Jwks { keys: keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok()).collect() }
}

fn judge(all: &Attestations, one: &AttestationCase) -> Result<AttestedKey, AttestationFault> {
    let (claim, asked) = (&one.claim, &one.asked);
    let pins: Option<Vec<SigningKeyPin>> = one
        .pins
        .as_ref()
        .map(|pins| pins.iter().map(|pem| SigningKeyPin::from_pem(pem).expect("a pin")).collect());
    let jwks = usable(one.jwks.as_ref().unwrap_or(&all.jwks));
    let claim = Claim {
        public_key: &claim.public_key,
        signature: &claim.signature,
        signed_payload: claim.signed_payload.as_deref(),
        signed_fields: claim.signed_fields.as_deref(),
        kid: claim.kid.as_deref(),
        key_environment: claim.key_environment.as_deref(),
    };
    let fact = |name: &str| asked.facts.get(name).map(String::as_str);
    let asked = Asked {
        sign_with: &asked.sign_with,
        key_type: Some(&asked.key_type),
        key_environment: asked.key_environment.as_deref(),
        facts: Facts {
            key_id: fact("key_id"),
            user_id: fact("user_id"),
            external_customer_id: fact("external_customer_id"),
            external_package_id: fact("external_package_id"),
            ..Facts::default()
        },
    };
    let anchor = pins.as_ref().map_or(Anchor::Jwks(&jwks), |pins| Anchor::Pins(pins));
    check(&claim, &asked, anchor, one.now_ms.unwrap_or(all.now_ms))
}

/// The key of `keys.json`, as the enclave of `attestation.json` vouches for it.
fn attested() -> AttestedKey {
    let all: Attestations = vectors("attestation.json");
    let one =
        all.cases.iter().find(|one| one.accepted && !one.asked.sign_with.is_empty()).expect("a good one");
    judge(&all, one).expect("a good one")
}

fn private_key() -> OaepPrivateDecryptingKey {
    let keys: Keys = vectors("keys.json");
    let body: String =
        keys.rsa4096.private_key_pkcs8.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).expect("base64");
    OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&der).expect("a key")).expect("a key")
}

fn open_oaep(ciphertext: &str) -> Option<Vec<u8>> {
    let data = STANDARD.decode(ciphertext).expect("base64");
    let mut out = [0; CIPHERTEXT_BYTES];
    private_key().decrypt(&OAEP_SHA256_MGF1SHA256, &data, &mut out, None).ok().map(|opened| opened.to_vec())
}

#[test]
fn attestations_are_taken_and_refused_for_their_reason() {
    let all: Attestations = vectors("attestation.json");
    for one in &all.cases {
        let judged = judge(&all, one);
        match (&judged, one.accepted) {
            (Ok(key), true) => {
                assert_eq!(key.public_key(), one.claim.public_key, "{}", one.name);
                if let Some(kid) = &one.kid {
                    assert_eq!(key.kid(), Some(kid.as_str()), "{}", one.name);
                }
                let signed = |name: &String| key.signed(Field::parse(name).expect("a field")).is_some();
                assert!(one.asked.sign_with.iter().all(signed), "{}", one.name);
            }
            (Err(fault), false) => {
                let expected = format!("attestation-{}", one.reason.as_deref().expect("a reason"));
                assert_eq!(fault.code(), expected, "{}: {fault}", one.name);
            }
            _ => panic!("{}: {judged:?}", one.name),
        }
    }
    let mut reasons: Vec<_> = all.cases.iter().filter_map(|one| one.reason.as_deref()).collect();
    assert!(reasons.len() >= 20);
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), 11, "each reason is there");
}

#[test]
fn hexadecimal_pem_and_base64_of_one_key_are_the_same_bytes() {
    let Keys { rsa4096, signing_key } = vectors("keys.json");
    let key = attested();
    assert_eq!(key.public_key(), rsa4096.public_key);
    assert_eq!(STANDARD.encode(key.as_bytes()), rsa4096.public_key_base64);
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(hex(digest(&SHA256, key.as_bytes()).as_ref()), rsa4096.key_fingerprint);
    assert!(SigningKeyPin::from_pem(&signing_key.pem).is_ok());
    for pem in [&rsa4096.public_key_pem, "", "-----BEGIN PUBLIC KEY-----", &rsa4096.public_key] {
        assert_eq!(SigningKeyPin::from_pem(pem), Err(SetupFault::Pin), "a pin is a P-256 key in PEM");
    }
}

#[derive(Deserialize)]
struct Oaep {
    cases: Vec<OaepCase>,
}

#[derive(Deserialize)]
struct OaepCase {
    name: String,
    opens: bool,
    ciphertext: String,
    plaintext: Option<String>,
}

#[test]
fn oaep_opens_as_theirs_and_theirs_as_ours() {
    for one in vectors::<Oaep>("oaep.json").cases {
        let opened = open_oaep(&one.ciphertext).map(|bytes| STANDARD.encode(bytes));
        assert_eq!(opened, one.plaintext.filter(|_| one.opens), "{}", one.name);
    }
    let key = attested();
    for size in [0, 1, 445, 446] {
        let secret = Secret::from(vec![7; size]);
        let sealed = encrypt(&key, &secret).expect("encrypted");
        assert_eq!(open_oaep(&sealed.data), Some(vec![7; size]));
        assert_ne!(encrypt(&key, &secret).expect("encrypted").data, sealed.data, "each is another");
    }
    assert_eq!(encrypt(&key, &Secret::from(vec![7; 447])).map_err(|fault| fault.code()), Err("too-long"));
}

#[derive(Deserialize)]
struct Jwe {
    header: String,
    cases: Vec<JweCase>,
}

#[derive(Deserialize)]
struct JweCase {
    name: String,
    opens: bool,
    reason: Option<String>,
    compact: String,
    plaintext: Option<String>,
}

#[test]
fn jwes_open_or_are_refused_for_their_reason() {
    let keys: Keys = vectors("keys.json");
    let jwes: Jwe = vectors("jwe.json");
    for one in &jwes.cases {
        let opened = open_jwe(one.compact.as_bytes(), keys.rsa4096.private_key_pkcs8.as_bytes());
        match (opened, one.opens) {
            (Ok(secret), true) => {
                assert_eq!(Some(STANDARD.encode(secret.expose())), one.plaintext, "{}", one.name);
            }
            (Err(fault), false) => {
                // The vectors tell form from opening; a JWE without a reason of its own is one that does not open.
                let expected = format!("jwe-{}", one.reason.as_deref().unwrap_or("open"));
                assert_eq!(fault.code(), expected, "{}: {fault}", one.name);
            }
            (other, _) => panic!("{}: {other:?}", one.name),
        }
    }

    let secret = Secret::from(vec![3; 100_000]);
    let file = encrypt_file(&attested(), &secret).expect("encrypted");
    let header = file.split(|byte| *byte == b'.').next().expect("a header");
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).expect("base64url");
    assert_eq!(header, jwes.header.as_bytes());
    let pem = keys.rsa4096.private_key_pkcs8;
    assert_eq!(open_jwe(&file, pem.as_bytes()).as_ref(), Ok(&secret));
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    assert_eq!(open_jwe(&file, &STANDARD.decode(body).expect("base64")), Ok(secret), "from DER");
    let fault = open_jwe(&file, keys.rsa4096.public_key_pem.as_bytes()).expect_err("no private key");
    assert_eq!(fault.code(), "private-key");
}

#[derive(Deserialize)]
struct Checksums {
    cases: Vec<ChecksumCase>,
}

#[derive(Deserialize)]
struct ChecksumCase {
    name: String,
    plaintext: String,
    checksum: String,
}

#[test]
fn a_checksum_is_the_plaintexts() {
    for one in vectors::<Checksums>("checksums.json").cases {
        let plaintext = STANDARD.decode(&one.plaintext).expect("base64");
        assert_eq!(checksum(&Secret::from(plaintext)), one.checksum, "{}", one.name);
    }
}

#[derive(Deserialize)]
struct Webhooks {
    now_s: i64,
    tolerance_s: u64,
    cases: Vec<WebhookCase>,
}

#[derive(Deserialize)]
struct WebhookCase {
    name: String,
    accepted: bool,
    reason: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
    secrets: Vec<String>,
    now_s: Option<i64>,
}

#[test]
fn webhooks_are_taken_and_refused_for_their_reason() {
    let all: Webhooks = vectors("webhooks.json");
    for one in &all.cases {
        let mut headers: Vec<(&str, &str)> =
            one.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let secrets: Vec<&str> = one.secrets.iter().map(String::as_str).collect();
        let judge = |headers: &[(&str, &str)]| {
            verify_webhook(&WebhookInput {
                body: one.body.as_bytes(),
                headers,
                secrets: &secrets,
                tolerance_s: all.tolerance_s,
                now_s: Some(one.now_s.unwrap_or(all.now_s)),
            })
        };
        match (judge(&headers), one.accepted) {
            (Ok(event), true) => assert_eq!(event.event_type, "inquiry.approved", "{}", one.name),
            (Err(fault), false) => {
                let expected = format!("webhook-{}", one.reason.as_deref().expect("a reason"));
                assert_eq!(fault.code(), expected, "{}: {fault}", one.name);
                continue;
            }
            (other, _) => panic!("{}: {other:?}", one.name),
        }
        let (name, value) = headers[0];
        let other_case = name.to_uppercase();
        headers.push((&other_case, value));
        let fault = judge(&headers).expect_err("which of two would count?");
        assert_eq!(fault.code(), "webhook-headers-form", "{}", one.name);
    }
}
