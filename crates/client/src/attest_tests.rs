//! One good key, and every way of passing off a bad one.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _,
};
use boundary::statement;

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;
const KEY_ID: &str = "0197-key";

/// A signing key of a service.
pub(crate) struct Signer {
    kid: String,
    pkcs8: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { kid: kid.into(), pkcs8: pair.to_pkcs8v1().unwrap().as_ref().to_vec() }
    }

    #[expect(clippy::disallowed_methods, reason = "a signature of a test may be any")]
    fn sign_as(&self, algorithm: &'static EcdsaSigningAlgorithm, message: &[u8]) -> String {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8).unwrap();
        STANDARD.encode(pair.sign(&SystemRandom::new(), message).unwrap())
    }

    /// As a JWS has it: r and s, base64url.
    pub(crate) fn sign_fixed(&self, message: &[u8]) -> String {
        let signature = STANDARD.decode(self.sign_as(&ECDSA_P256_SHA256_FIXED_SIGNING, message));
        URL_SAFE_NO_PAD.encode(signature.unwrap())
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        self.sign_as(&ECDSA_P256_SHA256_ASN1_SIGNING, message.as_bytes())
    }

    fn point(&self) -> Vec<u8> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8).unwrap();
        pair.public_key().as_ref().to_vec()
    }

    pub(crate) fn jwk(&self) -> Jwk {
        let point = self.point();
        Jwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            alg: "ES256".into(),
            use_: "sig".into(),
            kid: self.kid.clone(),
            x: URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: URL_SAFE_NO_PAD.encode(&point[33..]),
            purposes: vec![PURPOSE.into()],
            valid_from: "2026-01-01T00:00:00.000Z".into(),
        }
    }

    pub(crate) fn pin(&self) -> SigningKeyPin {
        let der = [P256_SPKI_PREFIX.as_slice(), &self.point()].concat();
        let body = STANDARD.encode(der);
        let (first, second) = body.split_at(64);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n");
        SigningKeyPin::from_pem(&pem).unwrap()
    }

    /// Attests a real key.
    pub(crate) fn attest(&self, pair: &PrivateDecryptingKey) -> AttestedKey {
        self.attest_bytes(&spki(pair), "rsa4096")
    }

    /// Attests any bytes.
    pub(crate) fn attest_bytes(&self, bytes: &[u8], key_type: &str) -> AttestedKey {
        let public_key = hex::encode(bytes);
        let signature = self.sign(&public_key);
        let claim = bare(&public_key, &signature);
        let asked = Asked { key_type: Some(key_type), ..Asked::default() };
        check(&claim, &asked, Anchor::Jwks(&Jwks { keys: vec![self.jwk()] }), NOW_MS).unwrap()
    }
}

/// A claim of the key's text alone, by no signing key that is named.
pub(crate) fn bare<'a>(public_key: &'a str, signature: &'a str) -> Claim<'a> {
    Claim {
        public_key,
        signature,
        signed_payload: None,
        signed_fields: None,
        kid: None,
        key_environment: None,
    }
}

/// One pair for all tests: making one takes a second.
pub(crate) fn rsa_pair() -> PrivateDecryptingKey {
    static PAIR: OnceLock<PrivateDecryptingKey> = OnceLock::new();
    PAIR.get_or_init(|| PrivateDecryptingKey::generate(KeySize::Rsa4096).unwrap()).clone()
}

pub(crate) fn spki(pair: &PrivateDecryptingKey) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    der.as_ref().to_vec()
}

/// A claim that passes, and everything one may change about it.
struct Case {
    signer: Signer,
    public_key: String,
    signature: String,
    payload: Option<String>,
    fields: Option<Vec<String>>,
    kid: Option<String>,
    sign_with: Vec<String>,
    customer_id: Option<String>,
    jwks: Jwks,
    pins: Vec<SigningKeyPin>,
}

impl Case {
    fn plain() -> Self {
        let signer = Signer::new("kid-1");
        let public_key = hex::encode(&[0x7a; 32]);
        Self {
            signature: signer.sign(&public_key),
            jwks: Jwks { keys: vec![signer.jwk()] },
            signer,
            public_key,
            payload: None,
            fields: None,
            kid: None,
            sign_with: Vec::new(),
            customer_id: None,
            pins: Vec::new(),
        }
    }

    fn with_fields() -> Self {
        let mut case = Self::plain();
        case.sign_with =
            ["user_id", "key_id", "external_customer_id", "key_fingerprint"].map(Into::into).into();
        case.fields = Some(case.sign_with.clone());
        case.customer_id = Some("customer-1".into());
        case.payload = Some(case.payload_of(&case.public_key));
        case.sign_payload();
        case
    }

    fn payload_of(&self, public_key: &str) -> String {
        let bytes = hex::decode_lower(public_key).unwrap();
        let fingerprint = hex::encode(digest::digest(&digest::SHA256, &bytes).as_ref());
        let facts = Facts {
            user_id: Some("0197-user"),
            key_id: Some(KEY_ID),
            external_customer_id: Some("customer-1"),
            key_fingerprint: Some(&fingerprint),
            ..Facts::default()
        };
        statement::payload(public_key, &parse_fields(&self.sign_with).unwrap(), &facts).unwrap()
    }

    fn sign_payload(&mut self) {
        self.signature = self.signer.sign(self.payload.as_deref().unwrap());
    }

    fn change_payload(&mut self, from: &str, to: &str) {
        let payload = self.payload.as_deref().unwrap();
        assert!(payload.contains(from), "{payload}");
        self.payload = Some(payload.replace(from, to));
    }

    fn check(&self) -> Result<AttestedKey, AttestationFault> {
        let claim = Claim {
            public_key: &self.public_key,
            signature: &self.signature,
            signed_payload: self.payload.as_deref(),
            signed_fields: self.fields.as_deref(),
            kid: self.kid.as_deref(),
            key_environment: None,
        };
        let facts = Facts {
            key_id: Some(KEY_ID),
            external_customer_id: self.customer_id.as_deref(),
            ..Facts::default()
        };
        let asked =
            Asked { sign_with: &self.sign_with, key_type: Some("ed25519"), facts, ..Asked::default() };
        let anchor = if self.pins.is_empty() { Anchor::Jwks(&self.jwks) } else { Anchor::Pins(&self.pins) };
        check(&claim, &asked, anchor, NOW_MS)
    }

    fn fault(&self) -> AttestationFault {
        self.check().expect_err("a bad claim was attested")
    }
}

#[test]
fn a_good_claim_passes() {
    let key = Case::plain().check().unwrap();
    assert_eq!((key.public_key(), key.kid()), (hex::encode(&[0x7a; 32]).as_str(), Some("kid-1")));
    assert_eq!(key.signed(Field::KeyId), None);

    let mut case = Case::with_fields();
    case.kid = Some("kid-1".into());
    case.jwks.keys.insert(0, Signer::new("kid-0").jwk());
    let key = case.check().unwrap();
    assert_eq!(key.signed(Field::KeyId), Some(KEY_ID));
    assert_eq!(key.signed(Field::UserId), Some("0197-user"));
}

#[test]
fn a_real_key_passes() {
    let pair = rsa_pair();
    let key = Signer::new("k").attest(&pair);
    assert_eq!((key.key_type(), key.public_key().len()), (KeyType::Rsa4096, 1_100));
}

#[test]
fn bad_signatures_are_refused() {
    let raw = |case: &mut Case| {
        let message = case.public_key.clone().into_bytes();
        case.signature = case.signer.sign_as(&ECDSA_P256_SHA256_FIXED_SIGNING, &message);
    };
    let decoded_hex = |case: &mut Case| {
        case.signature = case.signer.sign_as(&ECDSA_P256_SHA256_ASN1_SIGNING, &[0x7a; 32]);
    };
    let upper_hex = |case: &mut Case| case.signature = case.signer.sign(&case.public_key.to_uppercase());
    let other_signer = |case: &mut Case| case.signature = Signer::new("kid-1").sign(&case.public_key);
    let other_key = |case: &mut Case| case.public_key = hex::encode(&[8; 32]);
    let hashed_first = |case: &mut Case| {
        let hash = digest::digest(&digest::SHA256, case.public_key.as_bytes());
        case.signature = case.signer.sign_as(&ECDSA_P256_SHA256_ASN1_SIGNING, hash.as_ref());
    };
    let flipped = |case: &mut Case| {
        let mut bytes = STANDARD.decode(&case.signature).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        case.signature = STANDARD.encode(bytes);
    };
    let appended = |case: &mut Case| {
        let mut bytes = STANDARD.decode(&case.signature).unwrap();
        bytes.push(0);
        case.signature = STANDARD.encode(bytes);
    };
    let empty = |case: &mut Case| case.signature = String::new();
    let zeros = |case: &mut Case| case.signature = STANDARD.encode([0x30, 6, 2, 1, 0, 2, 1, 0]);
    let coordinates = |case: &mut Case| {
        let jwk = &mut case.jwks.keys[0];
        std::mem::swap(&mut jwk.x, &mut jwk.y);
    };
    let changes: [fn(&mut Case); 11] = [
        raw,
        decoded_hex,
        upper_hex,
        other_signer,
        other_key,
        hashed_first,
        flipped,
        appended,
        empty,
        zeros,
        coordinates,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut case = Case::plain();
        change(&mut case);
        assert_eq!(case.fault(), AttestationFault::Signature, "change {at}");
    }
    for (from, to) in [("", "\n"), ("M", "-"), ("M", "_"), ("", "=")] {
        // A DER sequence of this size begins with 0x30, which is `M` in base64.
        let mut case = Case::plain();
        case.signature = case.signature.replacen(from, to, 1);
        assert_eq!(case.fault(), AttestationFault::SignatureEncoding, "{to:?}");
    }
}

#[test]
fn a_signing_key_that_may_not_vouch_is_not_used() {
    let changes: [fn(&mut Jwk); 9] = [
        |jwk| jwk.purposes = vec!["receipt-sig".into()],
        |jwk| jwk.purposes.clear(),
        |jwk| jwk.alg = "ES384".into(),
        |jwk| jwk.kty = "OKP".into(),
        |jwk| jwk.crv = "P-384".into(),
        |jwk| jwk.use_ = "enc".into(),
        |jwk| jwk.valid_from = "2027-01-15T08:05:01Z".into(),
        |jwk| jwk.valid_from = "yesterday".into(),
        |jwk| jwk.x = "AAAA".into(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut case = Case::plain();
        change(&mut case.jwks.keys[0]);
        assert_eq!(case.fault(), AttestationFault::NoSigningKey, "change {at}");
    }
    let mut case = Case::plain();
    case.jwks.keys[0].valid_from = "2027-01-15T08:05:00Z".into();
    case.check().expect("five minutes of skew are allowed");
    case.jwks.keys.clear();
    assert_eq!(case.fault(), AttestationFault::NoSigningKey);

    let mut case = Case::plain();
    case.kid = Some("kid-of-another-environment".into());
    assert_eq!(case.fault(), AttestationFault::UnknownSigningKey("kid-of-another-environment".into()));
}

#[test]
fn a_pin_stands_in_the_place_of_the_jwks() {
    let mut case = Case::plain();
    case.pins = vec![Signer::new("other").pin()];
    assert_eq!(case.fault(), AttestationFault::Signature);
    case.jwks.keys.clear();
    case.pins.push(case.signer.pin());
    case.check().expect("the signing key is pinned");
    for bad in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        assert_eq!(SigningKeyPin::from_pem(bad), Err(crate::SetupFault::Pin));
    }
    let pem = |point: &[u8]| {
        let der = STANDARD.encode([&P256_SPKI_PREFIX, point].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----")
    };
    let mut point = case.signer.point();
    assert_eq!(SigningKeyPin::from_pem(&pem(&point)), Ok(case.signer.pin()));
    point[0] = 6;
    assert_eq!(
        SigningKeyPin::from_pem(&pem(&point)),
        Err(crate::SetupFault::Pin),
        "not an uncompressed point"
    );
}

#[test]
fn the_payload_is_the_text_that_was_signed() {
    // The same object in another text, under the signature of the first.
    let mut case = Case::with_fields();
    case.change_payload(",", ", ");
    assert_eq!(case.fault(), AttestationFault::Signature);
    // The same, signed: another text than the one that the object has.
    case.sign_payload();
    assert_eq!(case.fault(), AttestationFault::PayloadForm);

    for (from, to) in [("\"0197-key\"", "7"), ("{", "["), ("0197-key", "0197-\\u006bey")] {
        let mut case = Case::with_fields();
        case.change_payload(from, to);
        case.sign_payload();
        assert_eq!(case.fault(), AttestationFault::PayloadForm, "{to}");
    }

    // The statement of another key; the bare key where a payload was asked for, and the other way round.
    let mut case = Case::with_fields();
    case.payload = Some(case.payload_of(&hex::encode(&[8; 32])));
    assert_eq!(case.fault(), AttestationFault::Signature);
    let mut case = Case::with_fields();
    case.payload = None;
    case.signature = case.signer.sign(&case.public_key);
    assert_eq!(case.fault(), AttestationFault::PayloadPresence("missing and was asked for"));
    let mut case = Case::with_fields();
    case.sign_with.clear();
    assert_eq!(case.fault(), AttestationFault::PayloadPresence("there and was not asked for"));
}

#[test]
fn the_signed_members_say_what_was_asked() {
    let member_of = |fault| match fault {
        AttestationFault::Member { member, .. } => member,
        other => panic!("{other:?}"),
    };
    for (from, to, member) in [
        ("0197-key", "0197-other", "key_id"),
        ("customer-1", "customer-2", "external_customer_id"),
        ("0197-user", "", "user_id"),
        ("7a7a", "7a7b", "public_key"),
    ] {
        let mut case = Case::with_fields();
        case.change_payload(from, to);
        case.sign_payload();
        assert_eq!(member_of(case.fault()), member);
    }
    let mut case = Case::with_fields();
    let fingerprint = case.check().unwrap().signed(Field::KeyFingerprint).unwrap().to_owned();
    case.change_payload(&fingerprint, &"0".repeat(64));
    case.sign_payload();
    assert_eq!(member_of(case.fault()), "key_fingerprint");
}

#[test]
fn the_fields_are_those_asked_for_no_more_and_no_less() {
    let less = |case: &mut Case| case.change_payload("\"user_id\"", "\"user_ix\"");
    let more = |case: &mut Case| case.change_payload("{", "{\"a\":\"b\",");
    let answered_less = |case: &mut Case| drop(case.fields.as_mut().unwrap().pop());
    let answered_in_another_order = |case: &mut Case| case.fields.as_mut().unwrap().reverse();
    let unanswered = |case: &mut Case| case.fields = None;
    let changes: [fn(&mut Case); 5] = [less, more, answered_less, answered_in_another_order, unanswered];
    for (at, change) in changes.into_iter().enumerate() {
        let mut case = Case::with_fields();
        change(&mut case);
        case.sign_payload();
        assert!(matches!(case.fault(), AttestationFault::Fields { .. }), "change {at}");
    }
    // One that nobody knows, though asked for, answered and signed.
    let mut case = Case::with_fields();
    case.sign_with.push("zodiac".into());
    case.fields = Some(case.sign_with.clone());
    case.change_payload("\"}", "\",\"zodiac\":\"crab\"}");
    case.sign_payload();
    assert!(matches!(case.fault(), AttestationFault::Fields { .. }));
}

#[test]
fn a_key_is_of_the_kind_asked_for() {
    let mut case = Case::plain();
    case.public_key = hex::encode(&[2; 33]);
    case.signature = case.signer.sign(&case.public_key);
    assert_eq!(case.fault(), AttestationFault::KeyType { asked: "ed25519".into(), answered: "secp256k1" });
    for bytes in [vec![], vec![7; 31], vec![9; 33], vec![0; 550], vec![7; 549]] {
        let mut case = Case::plain();
        case.public_key = hex::encode(&bytes);
        assert_eq!(case.fault(), AttestationFault::PublicKey);
    }
    let mut case = Case::plain();
    case.public_key = case.public_key.replace('a', "A");
    assert_eq!(case.fault(), AttestationFault::PublicKey);
}
