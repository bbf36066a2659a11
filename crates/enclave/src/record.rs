//! Signed records: what the enclave saw, in its own words, for whoever keeps them. A compact JWS (RFC 7515 §7.1, ES256)
//! by the receipt key over an RFC 8785 text. Only a yes is signed, and nothing that the server merely says: a no would
//! prove no more than that somebody showed the enclave something else.

use boundary::json::{Value, canonical};
use boundary::message::CheckItem;
use boundary::record::{CHECK, RELEASE, TYPE, VERSION};
use boundary::token::{NO_CHECKSUM, Record as RecordToken};

use crate::digest::{base64url, hex, sha256};
use crate::release::Proof;
use crate::seal::KeyFacts;
use crate::service::Enclave;

/// Of a key that is whole, and of the item under it that opened, where there was one.
pub fn of_check(enclave: &Enclave, facts: &KeyFacts, item: Option<(&RecordToken, &CheckItem)>) -> String {
    let mut seen = vec![
        ("tenant_id", Value::text(&facts.tenant_id)),
        ("key_id", Value::text(&facts.key_id)),
        ("public_key_sha256", Value::text(hex(&sha256(&facts.public_key)))),
        ("result", Value::text("whole")),
        ("checked_at", Value::Integer(enclave.ledger.now_ms())),
    ];
    if let Some((record, item)) = item {
        let checksum = Some(hex(&item.checksum)).filter(|_| item.checksum != NO_CHECKSUM);
        seen.extend([
            ("backup_id", Value::text(&record.backup_id)),
            ("item_key", Value::text(&item.item_key)),
            ("ciphertext_sha256", Value::text(hex(&sha256(&item.ciphertext)))),
            ("checksum", Value::text_or_null(checksum.as_deref())),
            ("first_checked_at", Value::Integer(record.checked_at_ms)),
        ]);
    }
    signed(enclave, CHECK, seen)
}

/// Of what went out: so many parts, in this delivery.
pub fn of_release(enclave: &Enclave, proof: &Proof, output: [u8; 32], parts: usize, delivery: u32) -> String {
    let intent = &proof.intent;
    let seen = vec![
        ("tenant_id", Value::text(&intent.tenant_id)),
        ("flow", Value::text(intent.flow.as_str())),
        ("intent_hash", Value::text(hex(&proof.intent_hash))),
        ("openpgp_fpr", Value::text(&intent.recipient.openpgp_fpr)),
        ("output_sha256", Value::text(hex(&output))),
        ("parts", Value::Integer(i64::try_from(parts).unwrap_or(i64::MAX))),
        ("delivery", Value::Integer(i64::from(delivery))),
        ("released_at", Value::Integer(enclave.ledger.now_ms())),
    ];
    signed(enclave, RELEASE, seen)
}

fn signed(enclave: &Enclave, kind: &str, seen: Vec<(&str, Value)>) -> String {
    let env = enclave.keyring.env.as_str();
    let common = [("v", Value::Integer(VERSION)), ("kind", Value::text(kind)), ("env", Value::text(env))];
    let payload = common.into_iter().chain(seen).map(|(name, value)| (name.to_owned(), value)).collect();
    let header = Value::object([
        ("alg", Value::text("ES256")),
        ("kid", Value::text(&enclave.receipt.public.kid)),
        ("typ", Value::text(TYPE)),
    ]);
    // Canonical form refuses only instants beyond 2^53 ms; an empty part is refused by every reader.
    let part = |value| base64url(canonical(&value).unwrap_or_default().as_bytes());
    let input = format!("{}.{}", part(header), part(Value::Object(payload)));
    format!("{input}.{}", base64url(&enclave.receipt.sign_fixed(input.as_bytes())))
}
