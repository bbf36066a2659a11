//! Customer keys: kinds, environments, and the states of their life.

use std::collections::BTreeMap;

use crate::ids::KeyId;
use crate::refusal::{Kind, Refusal};
use crate::words::words;

words! {
    /// What pair a customer key is.
    KeyType {
        /// RSA, 4,096 bits, e = 65537.
        Rsa4096 = "rsa4096",
        /// ECDSA on secp256k1.
        Secp256k1 = "secp256k1",
        /// Ed25519.
        Ed25519 = "ed25519",
    }

    /// Where the private half is made and held; fixed for the life of the key.
    KeyEnvironment {
        /// Made and held online.
        Hot = "HOT",
        /// Made and held offline.
        Cold = "COLD",
    }

    /// The life of a customer key.
    KeyState {
        /// Takes stores and recovers.
        Active = "active",
        /// COLD only: its successor waits for the offline side; still recoverable.
        Superseding = "superseding",
        /// Replaced: kept for audit, takes nothing, releases nothing.
        Superseded = "superseded",
        /// Its private half went out in a recovery: no new stores, still recoverable.
        Released = "released",
        /// Will be destroyed unless somebody objects.
        DestroyPending = "destroy-pending",
        /// Gone for good.
        Destroyed = "destroyed",
    }
}

impl KeyState {
    /// May a key in this state take new backups, and be replaced? `successor` is the key that replaced it; a
    /// refusal names it in its text and under `superseded_by`.
    pub fn must_be_active(self, successor: Option<&KeyId>) -> Result<(), Refusal> {
        let refuse = |code, text: &str| Err(Refusal::new(Kind::Conflict, code, text));
        match self {
            Self::Active => Ok(()),
            Self::Superseding | Self::Superseded => {
                let Some(successor) = successor else {
                    return refuse("key-superseded", "this key was replaced: use its successor");
                };
                let text = format!("this key was replaced: use its successor, {successor}");
                let fields = BTreeMap::from([("superseded_by".to_owned(), vec![successor.to_string()])]);
                Err(Refusal { fields, ..Refusal::new(Kind::Conflict, "key-superseded", text) })
            }
            Self::Released => {
                refuse("key-released", "this key's private half was given out: it takes no new backups")
            }
            Self::DestroyPending | Self::Destroyed => Err(Refusal::not_found()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_replaced_a_key_is_named() {
        let successor: KeyId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        for state in [KeyState::Superseding, KeyState::Superseded] {
            let refusal = state.must_be_active(Some(&successor)).unwrap_err();
            assert_eq!(refusal.code, "key-superseded");
            assert!(refusal.text.contains(successor.as_str()));
            assert_eq!(refusal.fields["superseded_by"], [successor.as_str()]);
            assert!(state.must_be_active(None).unwrap_err().fields.is_empty());
        }
    }

    #[test]
    fn only_an_active_key_takes_anything() {
        for (state, code) in [
            (KeyState::Superseded, "key-superseded"),
            (KeyState::Released, "key-released"),
            (KeyState::DestroyPending, "not-found"),
            (KeyState::Destroyed, "not-found"),
        ] {
            assert_eq!(state.must_be_active(None).unwrap_err().code, code);
        }
        assert!(KeyState::Active.must_be_active(None).is_ok());
    }
}
