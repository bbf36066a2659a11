//! The whole deed for partners and institutions: from the secret to the stored backup, whatever its size.

use api::institution::{NewKeyRequest, StoreOwnRequest};
use api::partner::{AssignKeyRequest, Organisation, Package, StoreDataRequest};
use api::stored::{KeyList, KeyShown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::RSA_CIPHERTEXT_BYTES;
use boundary::statement::{Facts, Field};
use serde_json::{Map, Value};

use crate::attest::{Asked, AttestationFault, AttestedKey, Claim, KeyType};
use crate::encrypt::{Form, encrypt, form_of};
use crate::error::Error;
use crate::hex::sha256;
use crate::institution::{DEFAULT_ENVIRONMENT, Institution};
use crate::jwe::encrypt_file;
use crate::partner::Partner;
use crate::secret::Secret;

/// What the enclave is asked to sign beside a new key.
const SIGN_WITH: [Field; 3] = [Field::KeyId, Field::UserId, Field::KeyFingerprint];
/// What a file that is a JWE says of itself: whoever recovers it sees by this how to open it.
const JWE_CONTENT_TYPE: &str = "application/jose";

/// What a partner backs up.
#[derive(Debug)]
pub struct PartnerBackupRequest<'a> {
    /// The tenant's name for the user.
    pub user_identifier: &'a str,
    /// 0 bytes to about 7.5 MiB.
    pub secret: &'a Secret,
    /// The tenant's own customer.
    pub organisation: Organisation,
    /// The product package the key is filed under.
    pub package: Package,
    /// `HOT` or `COLD`. No default: a COLD key's private half is offline.
    pub key_environment: &'a str,
    /// Free members, 16 KiB in all.
    pub metadata: Option<Map<String, Value>>,
    /// The service's own id of the user, from an earlier backup's `key.signed(Field::UserId)`: another user's key is
    /// refused.
    pub user_id: Option<&'a str>,
}

/// What an institution backs up.
#[derive(Debug)]
pub struct InstitutionBackupRequest<'a> {
    /// The tenant's name for the user.
    pub user_identifier: &'a str,
    /// 0 bytes to about 7.5 MiB.
    pub secret: &'a Secret,
    /// What the key is filed under.
    pub organisation: Option<Organisation>,
    /// What the key is filed under.
    pub package: Option<Package>,
    /// `HOT` when left out.
    pub key_environment: Option<&'a str>,
    /// Free members, 16 KiB in all.
    pub metadata: Option<Map<String, Value>>,
    /// As a partner's.
    pub user_id: Option<&'a str>,
}

/// What such a backup left behind.
#[derive(Clone, Debug)]
pub struct KeptBackup {
    /// The id of the key that guards it.
    pub key_id: String,
    /// That key, as the enclave vouched for it.
    pub key: AttestedKey,
    /// The id of the backup.
    pub backup_id: String,
    /// How it is stored.
    pub form: Form,
    /// SHA-256 of what was sent: the ciphertext's bytes, or the file's; lower-case hexadecimal.
    pub sha256: String,
    /// As the service answered them, with `stored_at`.
    pub metadata: Map<String, Value>,
}

fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.as_str().to_owned()).collect()
}

pub(crate) async fn back_up_for_partner(
    partner: Partner<'_>,
    request: &PartnerBackupRequest<'_>,
) -> Result<KeptBackup, Error> {
    form_of(request.secret.expose().len())?;
    let sign_with = [&SIGN_WITH[..], &[Field::ExternalCustomerId, Field::ExternalPackageId]].concat();
    let body = AssignKeyRequest {
        user_identifier: request.user_identifier.to_owned(),
        key_type: Some(KeyType::Rsa4096.as_str().to_owned()),
        key_environment: request.key_environment.to_owned(),
        organisation: request.organisation.clone(),
        package: request.package.clone(),
        sign_with: Some(names(&sign_with)),
    };
    let (key, key_id) = match partner.assign_key(&body).await {
        Ok(answer) => {
            let mut asked = Asked::of_assigned(&body, &answer);
            asked.facts.user_id = request.user_id;
            (partner.client.attest(&Claim::of_assigned(&answer), &asked).await?, answer.key_id)
        }
        Err(error) if error.code() == "key-already-assigned" => {
            let Some(found) = find_key(partner, request).await? else { return Err(error) };
            (attest_found(partner, request, &found).await?, found.key_id)
        }
        Err(error) => return Err(error),
    };
    partner.backup_under(&key, &key_id, request.secret, request.metadata.as_ref()).await
}

/// The key that the user has already, with what its assignment answered; none where it was rotated just now.
async fn find_key(
    partner: Partner<'_>,
    request: &PartnerBackupRequest<'_>,
) -> Result<Option<KeyShown>, Error> {
    let filter = KeyList {
        user_identifier: Some(request.user_identifier.to_owned()),
        customer_id: Some(request.organisation.customer_id.clone()),
        status: Some("active".to_owned()),
        ..KeyList::default()
    };
    Ok(partner.list_keys(&filter).await?.data.into_iter().next())
}

/// What the enclave said when the key was assigned must say whose it is; more fields, and another order, do no harm.
async fn attest_found(
    partner: Partner<'_>,
    request: &PartnerBackupRequest<'_>,
    found: &KeyShown,
) -> Result<AttestedKey, Error> {
    let mut wanted = vec![Field::KeyId, Field::ExternalCustomerId];
    wanted.extend(request.user_id.map(|_| Field::UserId));
    let signed = found.signed_fields.as_deref().unwrap_or_default();
    if !wanted.iter().all(|field| signed.iter().any(|name| name == field.as_str())) {
        let what = "without the key's id and organisation, so it does not say whose the key is (rotate it with these \
                    in sign_with)";
        return Err(AttestationFault::PayloadPresence(what).into());
    }
    let asked = Asked {
        sign_with: signed,
        key_type: Some(KeyType::Rsa4096.as_str()),
        key_environment: Some(request.key_environment),
        facts: Facts {
            key_id: Some(&found.key_id),
            user_id: request.user_id,
            external_customer_id: Some(&request.organisation.customer_id),
            external_package_id: Some(&request.package.package_id),
            ..Facts::default()
        },
    };
    partner.client.attest(&Claim::of_shown(found), &asked).await
}

pub(crate) async fn back_up_for_institution(
    institution: Institution<'_>,
    request: &InstitutionBackupRequest<'_>,
) -> Result<KeptBackup, Error> {
    form_of(request.secret.expose().len())?;
    let mut sign_with = SIGN_WITH.to_vec();
    sign_with.extend(request.organisation.as_ref().map(|_| Field::ExternalCustomerId));
    sign_with.extend(request.package.as_ref().map(|_| Field::ExternalPackageId));
    let body = NewKeyRequest {
        user_identifier: request.user_identifier.to_owned(),
        key_type: KeyType::Rsa4096.as_str().to_owned(),
        key_environment: Some(request.key_environment.unwrap_or(DEFAULT_ENVIRONMENT).to_owned()),
        organisation: request.organisation.clone(),
        package: request.package.clone(),
        sign_with: Some(names(&sign_with)),
    };
    let answer = institution.new_key(&body).await?;
    let mut asked = Asked::of_new(&body, &answer);
    asked.facts.user_id = request.user_id;
    let key = institution.client.attest(&Claim::of_new(&answer), &asked).await?;
    institution.backup_under(&key, &answer.key_id, request.secret, request.metadata.as_ref()).await
}

/// A file's own members; those of the caller win.
fn described(metadata: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut described = Map::from_iter([("content_type".to_owned(), Value::from(JWE_CONTENT_TYPE))]);
    described.extend(metadata.cloned().unwrap_or_default());
    described
}

/// Writes the storing of one secret, which differs in the types of its calls only.
macro_rules! deposit {
    ($group:ident, $request:ident, $checksum:expr) => {
        impl $group<'_> {
            /// Backs one secret up under a key that was attested before.
            pub async fn backup_under(
                self,
                key: &AttestedKey,
                key_id: &str,
                secret: &Secret,
                metadata: Option<&Map<String, Value>>,
            ) -> Result<KeptBackup, Error> {
                let form = form_of(secret.expose().len())?;
                let kept = |backup_id, sha256, metadata| KeptBackup {
                    key_id: key_id.to_owned(),
                    key: key.clone(),
                    backup_id,
                    form,
                    sha256,
                    metadata,
                };
                if form == Form::Oaep {
                    let sealed = encrypt(key, secret)?;
                    // What we encoded ourselves is base64.
                    let bytes = STANDARD.decode(&sealed.data).unwrap_or_default();
                    let sha256 = sha256(&bytes);
                    let request = $request {
                        public_key: key.public_key().to_owned(),
                        checksum: $checksum(sealed.checksum),
                        data: sealed.data,
                        padding_type: None,
                        metadata: metadata.cloned(),
                    };
                    let stored = self.store_data(&request).await?;
                    let is_whole = usize::try_from(stored.data_size) == Ok(RSA_CIPHERTEXT_BYTES);
                    return if is_whole {
                        Ok(kept(stored.backup_id, sha256, stored.metadata))
                    } else {
                        Err(Error::NotAsSent)
                    };
                }
                let file = encrypt_file(key, secret)?;
                let stored = self.store_file(key.public_key(), file, Some(&described(metadata))).await?;
                Ok(kept(stored.backup_id, stored.sha256, stored.metadata))
            }
        }
    };
}

deposit!(Partner, StoreDataRequest, std::convert::identity);
deposit!(Institution, StoreOwnRequest, Some);

#[cfg(test)]
#[path = "deposit_tests.rs"]
mod tests;
