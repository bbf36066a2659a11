//! The one object that names a release: who asks, for what, to whom, under which rule, until when.
//!
//! Its RFC 8785 form is what the enclave evaluates and what people sign; its hash is
//! SHA-256 over [`preimage`].

use crate::json::{Json as _, Value, canonical, json_struct, parse};
use crate::{Env, words};

json_struct! {
    /// A release, whole.
    pub struct Intent {
        /// Which way the release was decided.
        pub flow: Flow,
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// Lower-case hexadecimal of the user's tag; in Control, of the tag of the person who asks.
        pub user_tag: String,
        /// The provider's id of the inquiry; in Control, empty where the list demands none.
        pub verification_id: String,
        /// What is released; sorted by `backup_id`, without repeats.
        pub items: Vec<Item>,
        /// In Control: the private keys that are released, by id; sorted, without repeats. Otherwise empty.
        pub keys: Vec<String>,
        /// In Control: the list that decides. Otherwise empty.
        pub acl_id: String,
        /// In Control: why, in the words of whoever asks. Otherwise empty.
        pub reason: String,
        /// To whom.
        pub recipient: Recipient,
        /// Lower-case hexadecimal of the hash of the policy; in Control, of the list's document.
        pub policy_hash: String,
        /// The policy's version, or the document's.
        pub policy_version: i64,
        /// Who asked: a credential's id; in Control, the person's.
        pub requested_by: String,
        /// Lower-case hexadecimal of the session's nonce.
        pub session_nonce: String,
        /// Not earlier than, milliseconds since the epoch.
        pub not_before_ms as "not_before": i64,
        /// Not later than, milliseconds since the epoch.
        pub expires_at_ms as "expires_at": i64,
    }
}

words! {
    /// How a release was decided.
    pub enum Flow {
        /// A consumer proved who he is.
        Retail = "retail",
        /// The people of an access list voted.
        Control = "control",
    }
}

json_struct! {
    /// One item of a release.
    #[derive(PartialOrd, Ord)]
    pub struct Item {
        /// Its id.
        pub backup_id: String,
        /// The key that guards it.
        pub key_id: String,
        /// Lower-case hexadecimal of its record's digest; of a file's SHA-256.
        pub record_digest: String,
    }

    /// The recipient of a release.
    pub struct Recipient {
        /// Primary fingerprint, upper-case hexadecimal.
        pub openpgp_fpr: String,
        /// Fingerprint of the key that is encrypted to.
        pub enc_subkey_fpr: String,
        /// Lower-case hexadecimal SHA-256 of the certificate as handed over.
        pub cert_sha256: String,
    }
}

/// The bytes that are hashed into an intent's hash.
pub fn preimage(canonical_intent: &[u8]) -> Vec<u8> {
    [b"release-intent/v1\0", canonical_intent].concat()
}

impl Intent {
    /// The RFC 8785 form.
    pub fn to_canonical(&self) -> String {
        let mut document = self.write();
        if let Value::Object(members) = &mut document {
            members.retain(|(name, _)| self.flow == Flow::Control || !of_control(name));
            let kind = if self.keys.is_empty() { "plaintext" } else { "private_key" };
            members.extend([("v".into(), Value::Integer(1)), ("kind".into(), Value::text(kind))]);
        }
        // Instants beyond 2^53 ms have no canonical form; an empty text is refused by every reader.
        canonical(&document).unwrap_or_default()
    }

    /// Reads an intent, and only from its canonical form: what re-encodes to other bytes is refused.
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let mut document = parse(str::from_utf8(bytes).ok()?).ok()?;
        if let Value::Object(members) = &mut document {
            // What retail has not; where they stand already, they come first and count.
            members.push(("keys".into(), Value::List(Vec::new())));
            members.extend(["acl_id", "reason"].map(|name| (name.into(), Value::text(""))));
        }
        let intent = Self::read(&document)?;
        let sorted = intent.items.windows(2).all(|pair| pair[0].backup_id < pair[1].backup_id)
            && intent.keys.windows(2).all(|pair| pair[0] < pair[1]);
        (sorted && intent.to_canonical().as_bytes() == bytes).then_some(intent)
    }
}

/// Whether only an intent of Control has that member.
fn of_control(name: &str) -> bool {
    matches!(name, "keys" | "acl_id" | "reason")
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
            keys: Vec::new(),
            acl_id: String::new(),
            reason: String::new(),
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
        assert_eq!(preimage(b"{}"), b"release-intent/v1\0{}");
    }

    #[test]
    fn the_bytes_of_control_are_pinned() {
        let golden = include_str!("../testdata/control_intent.json");
        let mut intent = Intent {
            flow: Flow::Control,
            keys: vec!["j".into(), "k".into()],
            acl_id: "l".into(),
            reason: "lost é\n".into(),
            ..sample()
        };
        assert_eq!(intent.to_canonical(), golden.trim_end());
        assert_eq!(Intent::from_canonical(golden.trim_end().as_bytes()), Some(intent.clone()));
        for bad in [
            golden.replace("private_key", "plaintext"),
            golden.replace("\"control\"", "\"retail\""),
            golden.replace("[\"j\",\"k\"]", "[\"k\",\"j\"]"),
            golden.replace("[\"j\",\"k\"]", "[\"k\",\"k\"]"),
        ] {
            assert_ne!(bad, golden);
            assert_eq!(Intent::from_canonical(bad.trim_end().as_bytes()), None, "{bad}");
        }
        intent.keys.clear();
        assert!(intent.to_canonical().contains(r#""kind":"plaintext""#));
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
