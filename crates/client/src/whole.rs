//! Whole deeds of retail: a backup from the secret to the stored item, a recovery from the check to the secret.

use api::retail::{
    GenerateKeyRequest, ItemToStore, RecoverRequest, RecoverResponse, StoreRequest, StoredItem,
};
use boundary::statement::Field;
use serde_json::{Map, Value};

use crate::attest::{Asked, AttestedKey, Claim};
use crate::client::Client;
use crate::encrypt::{check_size, encrypt};
use crate::error::{Error, SetupFault};
use crate::openpgp::{OpenPgpFault, RecipientKey};
use crate::secret::Secret;

/// One call stores at most this many items.
const ITEMS_PER_CALL_MAX: usize = 3;
/// What the enclave is asked to sign beside a new key.
const SIGN_WITH: [Field; 3] = [Field::KeyId, Field::UserId, Field::KeyFingerprint];

/// What a wallet backs up.
#[derive(Clone, Debug, Default)]
pub struct BackupRequest<'a> {
    /// The tenant's name for the user.
    pub user_identifier: &'a str,
    /// From `start_verification`. The approval need not have come yet.
    pub verification_id: &'a str,
    /// Names of 1 to 128 characters, each once, and secrets of up to 446 bytes.
    pub items: &'a [(&'a str, &'a Secret)],
    /// Free members, 16 KiB in all.
    pub metadata: Option<Map<String, Value>>,
    /// The service's own id of the user, from an earlier backup's `key.signed(Field::UserId)`: another user's key is
    /// refused.
    pub user_id: Option<&'a str>,
}

/// Whose secrets are to come back, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct RecoverAllRequest<'a> {
    /// The tenant's name for the user.
    pub user_identifier: &'a str,
    /// An approved verification, inside its window.
    pub verification_id: &'a str,
    /// Keep it until all is well: the same recovery may be asked for twice more, with the same key only.
    pub device: &'a RecipientKey,
    /// Your own signature, which a policy may ask for: see [`RecoverRequest::request_signature`]. It is made where its
    /// key is, and not on the device.
    pub request_signature: Option<&'a str>,
}

/// What a backup left behind.
#[derive(Debug)]
pub struct BackedUp {
    /// The id of the key that guards it.
    pub key_id: String,
    /// The key that guards it, as the enclave vouched for it.
    pub key: AttestedKey,
    /// One for each secret, in the order given.
    pub items: Vec<StoredItem>,
}

/// What a recovery brought back.
#[derive(Debug)]
pub struct Recovered {
    /// Opened, and equal to what was stored.
    pub secrets: Vec<RecoveredSecret>,
    /// Not recovered; the others are none the worse for it.
    pub failed: Vec<FailedItem>,
}

/// One secret that came back.
#[derive(Debug)]
pub struct RecoveredSecret {
    /// Its name.
    pub name: String,
    /// Its id at the service.
    pub backup_id: String,
    /// The secret.
    pub secret: Secret,
}

/// One item that did not come back.
#[derive(Debug)]
pub struct FailedItem {
    /// Its name.
    pub name: String,
    /// Its id at the service.
    pub backup_id: String,
    /// Why not.
    pub fault: OpenPgpFault,
}

impl Client {
    /// Backs a wallet's secrets up under a new key, in one call: has the key made, checks the enclave's word for it,
    /// encrypts on this device, stores. Partners and institutions: `partner().backup`, `institution().backup`.
    pub async fn backup(&self, request: &BackupRequest<'_>) -> Result<BackedUp, Error> {
        let BackupRequest { user_identifier, verification_id, items, .. } = *request;
        check_items(items)?;
        let asked = GenerateKeyRequest {
            user_identifier: user_identifier.to_owned(),
            verification_id: verification_id.to_owned(),
            sign_with: Some(SIGN_WITH.map(|field| field.as_str().to_owned()).to_vec()),
        };
        let deed = self.for_deed();
        let answer = deed.retail().generate_key(&asked).await?;
        let mut facts = Asked::of_generated(&asked, &answer);
        facts.facts.user_id = request.user_id;
        let key = deed.attest(&Claim::of_generated(&answer), &facts).await?;
        let mut stored = Vec::with_capacity(items.len());
        for group in items.chunks(ITEMS_PER_CALL_MAX) {
            let mut body = store_request(user_identifier, verification_id, &key, group)?;
            body.metadata.clone_from(&request.metadata);
            let answered = deed.retail().store_backup(&body).await?.backup;
            let sent = body.backup.iter().map(|item| &item.item_key);
            if !sent.eq(answered.iter().map(|item| &item.item_key)) {
                return Err(Error::NotAsSent);
            }
            stored.extend(answered);
        }
        Ok(BackedUp { key_id: answer.key_id, key, items: stored })
    }

    /// Recovers everything that a wallet's user stored, to this device, in one call.
    pub async fn recover(&self, request: &RecoverAllRequest<'_>) -> Result<Recovered, Error> {
        let body = RecoverRequest {
            user_identifier: request.user_identifier.to_owned(),
            verification_id: request.verification_id.to_owned(),
            gpg_public_key: request.device.public_block().to_owned(),
            request_signature: request.request_signature.map(str::to_owned),
        };
        Ok(open_all(&self.retail().recover(&body).await?, request.device))
    }
}

/// The body that stores these secrets under that key.
pub fn store_request(
    user_identifier: &str,
    verification_id: &str,
    key: &AttestedKey,
    items: &[(&str, &Secret)],
) -> Result<StoreRequest, Error> {
    let seal = |&(name, secret): &(&str, &Secret)| -> Result<ItemToStore, Error> {
        let sealed = encrypt(key, secret)?;
        Ok(ItemToStore { item_key: name.to_owned(), item_value: sealed.data, item_checksum: sealed.checksum })
    };
    Ok(StoreRequest {
        user_identifier: user_identifier.to_owned(),
        verification_id: verification_id.to_owned(),
        public_key: key.public_key().to_owned(),
        backup: items.iter().map(seal).collect::<Result<_, _>>()?,
        metadata: None,
    })
}

/// Opens every item of an answer.
pub fn open_all(answer: &RecoverResponse, device: &RecipientKey) -> Recovered {
    let mut recovered = Recovered { secrets: Vec::new(), failed: Vec::new() };
    for item in &answer.backup {
        let (name, backup_id) = (item.item_key.clone(), item.backup_id.clone());
        match device.open(item) {
            Ok(secret) => recovered.secrets.push(RecoveredSecret { name, backup_id, secret }),
            Err(fault) => recovered.failed.push(FailedItem { name, backup_id, fault }),
        }
    }
    recovered
}

/// What would be refused is refused before a key is made for it.
fn check_items(items: &[(&str, &Secret)]) -> Result<(), Error> {
    if items.is_empty() {
        return Err(SetupFault::Items("there is nothing to back up; give at least one secret".into()).into());
    }
    for (at, (name, secret)) in items.iter().enumerate() {
        check_size(secret)?;
        if items[..at].iter().any(|(earlier, _)| earlier == name) {
            let text = format!("two secrets are called {name:?}; give each its own name");
            return Err(SetupFault::Items(text).into());
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "whole_tests.rs"]
mod deed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_refused_makes_no_key() {
        let (short, long) = (Secret::from("a"), Secret::from(vec![0; 447]));
        assert!(check_items(&[("a", &short), ("b", &short)]).is_ok());
        assert!(matches!(check_items(&[]), Err(Error::Setup(SetupFault::Items(_)))));
        assert!(matches!(check_items(&[("a", &short), ("a", &short)]), Err(Error::Setup(_))));
        assert!(matches!(check_items(&[("a", &short), ("b", &long)]), Err(Error::Encrypt(_))));
    }

    #[test]
    fn a_deed_can_run_on_any_thread() {
        fn check<T: Send>(_: T) {}
        let client = Client::new("http://localhost:1", "k").unwrap();
        check(client.backup(&BackupRequest::default()));
        check(client.partner().read_key("k"));
    }
}
