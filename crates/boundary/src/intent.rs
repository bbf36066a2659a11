//! The one object that names a release: who asks, for what, to whom, under which rule, until when.
//!
//! Its RFC 8785 form is what the enclave evaluates and what people sign; its hash is
//! SHA-256 over [`preimage`].

use crate::Env;
use crate::json::{Value, canonical, parse};

/// A release, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Which way the release was decided.
    pub flow: Flow,
    /// The installation.
    pub env: Env,
    /// The tenant.
    pub tenant_id: String,
    /// Lower-case hexadecimal of the user's tag.
    pub user_tag: String,
    /// The provider's id of the inquiry.
    pub verification_id: String,
    /// What is released; sorted by `backup_id`, without repeats.
    pub items: Vec<Item>,
    /// To whom.
    pub recipient: Recipient,
    /// Lower-case hexadecimal of the policy's hash.
    pub policy_hash: String,
    /// The policy's version.
    pub policy_version: i64,
    /// Who asked: a credential's id.
    pub requested_by: String,
    /// Lower-case hexadecimal of the session's nonce.
    pub session_nonce: String,
    /// Not earlier than, milliseconds since the epoch.
    pub not_before_ms: i64,
    /// Not later than, milliseconds since the epoch.
    pub expires_at_ms: i64,
}

/// How a release was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// A consumer proved who he is.
    Retail,
}

/// One item of a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Its id.
    pub backup_id: String,
    /// The key that guards it.
    pub key_id: String,
    /// Lower-case hexadecimal of its record's digest.
    pub record_digest: String,
}

/// The recipient of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Primary fingerprint, upper-case hexadecimal.
    pub openpgp_fpr: String,
    /// Fingerprint of the key that is encrypted to.
    pub enc_subkey_fpr: String,
    /// Lower-case hexadecimal SHA-256 of the certificate as handed over.
    pub cert_sha256: String,
}

/// The bytes that are hashed into an intent's hash.
pub fn preimage(canonical_intent: &[u8]) -> Vec<u8> {
    [b"release-intent/v1\0", canonical_intent].concat()
}

impl Intent {
    /// The RFC 8785 form.
    pub fn to_canonical(&self) -> String {
        let items = self.items.iter().map(|item| {
            Value::object([
                ("backup_id", Value::text(&item.backup_id)),
                ("key_id", Value::text(&item.key_id)),
                ("record_digest", Value::text(&item.record_digest)),
            ])
        });
        let recipient = Value::object([
            ("openpgp_fpr", Value::text(&self.recipient.openpgp_fpr)),
            ("enc_subkey_fpr", Value::text(&self.recipient.enc_subkey_fpr)),
            ("cert_sha256", Value::text(&self.recipient.cert_sha256)),
        ]);
        let document = Value::object([
            ("v", Value::Integer(1)),
            ("kind", Value::text("plaintext")),
            (
                "flow",
                Value::text(match self.flow {
                    Flow::Retail => "retail",
                }),
            ),
            ("env", Value::text(self.env.as_str())),
            ("tenant_id", Value::text(&self.tenant_id)),
            ("user_tag", Value::text(&self.user_tag)),
            ("verification_id", Value::text(&self.verification_id)),
            ("items", Value::List(items.collect())),
            ("recipient", recipient),
            ("policy_hash", Value::text(&self.policy_hash)),
            ("policy_version", Value::Integer(self.policy_version)),
            ("requested_by", Value::text(&self.requested_by)),
            ("session_nonce", Value::text(&self.session_nonce)),
            ("not_before", Value::Integer(self.not_before_ms)),
            ("expires_at", Value::Integer(self.expires_at_ms)),
        ]);
        // Instants beyond 2^53 ms have no canonical form; an empty text is refused by every reader.
        canonical(&document).unwrap_or_default()
    }

    /// Reads an intent, and only from its canonical form: what re-encodes to other bytes is refused.
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let document = parse(str::from_utf8(bytes).ok()?).ok()?;
        let intent = read(&document)?;
        let sorted = intent.items.windows(2).all(|pair| pair[0].backup_id < pair[1].backup_id);
        (sorted && intent.to_canonical().as_bytes() == bytes).then_some(intent)
    }
}

fn read(document: &Value) -> Option<Intent> {
    let text = |path: &[&str]| document.at(path).and_then(Value::as_text).map(str::to_owned);
    let integer = |name: &str| document.get(name).and_then(Value::as_integer);
    let read_item = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_text).map(str::to_owned);
        Some(Item {
            backup_id: text("backup_id")?,
            key_id: text("key_id")?,
            record_digest: text("record_digest")?,
        })
    };
    Some(Intent {
        flow: match document.get("flow")?.as_text()? {
            "retail" => Flow::Retail,
            _ => return None,
        },
        env: Env::parse(document.get("env")?.as_text()?)?,
        tenant_id: text(&["tenant_id"])?,
        user_tag: text(&["user_tag"])?,
        verification_id: text(&["verification_id"])?,
        items: document.get("items")?.as_list()?.iter().map(read_item).collect::<Option<_>>()?,
        recipient: Recipient {
            openpgp_fpr: text(&["recipient", "openpgp_fpr"])?,
            enc_subkey_fpr: text(&["recipient", "enc_subkey_fpr"])?,
            cert_sha256: text(&["recipient", "cert_sha256"])?,
        },
        policy_hash: text(&["policy_hash"])?,
        policy_version: integer("policy_version")?,
        requested_by: text(&["requested_by"])?,
        session_nonce: text(&["session_nonce"])?,
        not_before_ms: integer("not_before")?,
        expires_at_ms: integer("expires_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Intent {
        let item = |id: &str| Item { backup_id: id.into(), key_id: "k".into(), record_digest: "00".into() };
        Intent {
            flow: Flow::Retail,
            env: Env::Sandbox,
            tenant_id: "t".into(),
            user_tag: "aa".into(),
            verification_id: "inq_1".into(),
            items: vec![item("a"), item("b")],
            recipient: Recipient {
                openpgp_fpr: "F".into(),
                enc_subkey_fpr: "E".into(),
                cert_sha256: "cc".into(),
            },
            policy_hash: "bb".into(),
            policy_version: 0,
            requested_by: "c".into(),
            session_nonce: "dd".into(),
            not_before_ms: 1,
            expires_at_ms: 2,
        }
    }

    #[test]
    fn the_bytes_are_pinned() {
        let golden = include_str!("../testdata/intent.json");
        assert_eq!(sample().to_canonical(), golden.trim_end());
        assert_eq!(Intent::from_canonical(golden.trim_end().as_bytes()), Some(sample()));
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let good = sample().to_canonical();
        let mut unsorted = sample();
        unsorted.items.reverse();
        let mut repeated = sample();
        repeated.items[1] = repeated.items[0].clone();
        for bad in [
            format!(" {good}"),
            good.replace("\"v\":1", "\"v\":2"),
            good.replace("\"kind\":\"plaintext\"", "\"kind\":\"private_key\""),
            good.replacen('{', "{\"extra\":1,", 1),
            good.replace("\"not_before\":1", "\"not_before\":1.0"),
            unsorted.to_canonical(),
            repeated.to_canonical(),
        ] {
            assert_ne!(bad, good);
            assert_eq!(Intent::from_canonical(bad.as_bytes()), None, "{bad}");
        }
    }
}
