//! Keys on their way to a user: `Generate` for the pool, `Adopt` for keys made offline, `Bind` to give one to
//! somebody for good, `Succeed` to give one in the place of another.

use std::collections::HashSet;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use boundary::batch::{BATCH_KEYS_MAX, Batch, BatchKey, Binding, SignedBinding, binding_preimage, preimage};
use boundary::message::{Adopt, Adopted, Bind, Bound, KeyType, PoolKey, Refusal, Succeed};
use boundary::statement::{Facts, parse_fields, payload};
use boundary::wire::Wire;

use crate::digest::{hex, sha256, uuid_v7};
use crate::generate::{check_public_half, public_half};
use crate::log::Turn;
use crate::release::demand;
use crate::seal::{Home, KeyFacts, open, seal, seal_heir};
use crate::service::{Enclave, ensure};
use crate::session::{check_names, user_tag};
use crate::state::{Adoption, Guarded, Record};

/// Makes a pair and seals it to nobody.
pub fn generate(enclave: &Enclave, key_type: KeyType) -> Result<PoolKey, Refusal> {
    let pair = enclave.generator.make(key_type)?;
    let (serial, created_at_ms) = enclave.ledger.decide(|turn| Ok((turn.serials(1)?, turn.now_ms)))?;
    let key = BatchKey { key_id: uuid_v7(created_at_ms), key_type, public_key: pair.public_key };
    let home = enclave.keyring.home;
    Ok(pool_key(enclave, key, home, (created_at_ms, serial), &pair.private_half))
}

/// A key of nobody's, made at that instant, with that serial.
fn pool_key(
    enclave: &Enclave,
    BatchKey { key_id, key_type, public_key }: BatchKey,
    home: Home,
    (created_at_ms, serial): (i64, u64),
    private_half: &[u8],
) -> PoolKey {
    let facts = KeyFacts {
        tenant_id: String::new(),
        user_tag: None,
        key_id: key_id.clone(),
        key_type,
        home,
        public_key: public_key.clone(),
        created_at_ms,
        serial,
    };
    PoolKey { key_id, key_type, public_key, sealed: seal(&enclave.keyring, facts, private_half) }
}

/// Takes in a batch that the offline enclave signed. The same batch again answers the same keys, so that a lost
/// answer costs nothing; they have the serials of the first time.
pub fn adopt(enclave: &Enclave, request: &Adopt) -> Result<Adopted, Refusal> {
    let message = preimage(&request.batch);
    let signed = |key| UnparsedPublicKey::new(&ED25519, key).verify(&message, &request.signature).is_ok();
    let is_signed = enclave.offline_keys.iter().any(signed);
    demand(is_signed, "2 batch is not of a known offline enclave", Refusal::SealBroken)?;
    let batch = Batch::from_bytes(&request.batch).map_err(|_| Refusal::Malformed)?;
    demand(batch.env == enclave.keyring.env, "2 batch is of another environment", Refusal::SealBroken)?;
    let mut ids = HashSet::new();
    let mut halves = HashSet::new();
    let good = (1..=BATCH_KEYS_MAX).contains(&batch.keys.len())
        && batch.keys.iter().all(|key| {
            check_names(&[&key.key_id]).is_ok()
                && ids.insert(&key.key_id)
                && halves.insert(&key.public_key)
                && check_public_half(key.key_type, &key.public_key).is_ok()
        });
    ensure(good, Refusal::Malformed)?;
    let digest = sha256(&request.batch);
    let keys = batch.keys.len() as u64;
    let first_serial = enclave.ledger.decide(|turn| match turn.state().batches.get(&batch.batch_id) {
        Some(known) if known.digest == digest => Ok(known.first_serial),
        Some(_) => Err(Refusal::Malformed),
        None => {
            let first_serial = turn.serials(keys)?;
            turn.record(Record::Adopted(Adoption { name: batch.batch_id, digest, first_serial, keys }))?;
            Ok(first_serial)
        }
    })?;
    let keys = batch.keys.into_iter().zip(first_serial..);
    let keys = keys.map(|(key, serial)| pool_key(enclave, key, Home::Cold, (batch.made_at_ms, serial), &[]));
    Ok(Adopted { keys: keys.collect() })
}

/// Gives a pool key to one user and signs its statement. The register of bound serials is on the disk before
/// anyone is answered: whoever holds the pool key's seal cannot have it bound a second time.
pub fn bind(enclave: &Enclave, request: &Bind) -> Result<Bound, Refusal> {
    give(enclave, request, |_| Ok(None))
}

/// Gives a pool key to a user in the place of one that he has: the new seal names the old key, and `Rewrap`
/// goes by that.
pub fn succeed(enclave: &Enclave, request: &Succeed) -> Result<Bound, Refusal> {
    give(enclave, &request.bind, |new| {
        let (old, _) = open(&enclave.keyring, &request.predecessor)?;
        let bind = &request.bind;
        let is_theirs = old.tenant_id == bind.tenant_id
            && old.user_tag == Some(user_tag(&bind.tenant_id, &bind.user_identifier));
        demand(is_theirs, "8 key to be replaced is another user's", Refusal::SealBroken)?;
        ensure((old.key_type, old.home) == (new.key_type, new.home), Refusal::WrongKeyType)?;
        Ok(Some(old))
    })
}

fn give(
    enclave: &Enclave,
    request: &Bind,
    replaced: impl FnOnce(&KeyFacts) -> Result<Option<KeyFacts>, Refusal>,
) -> Result<Bound, Refusal> {
    check_names(&[&request.tenant_id, &request.user_identifier])?;
    let (facts, private_half) = open(&enclave.keyring, &request.sealed)?;
    let is_free = facts.user_tag.is_none() && facts.tenant_id.is_empty();
    demand(is_free, "8 key is somebody's", Refusal::AlreadyBound)?;
    if facts.home == Home::Hot {
        let public = public_half(facts.key_type, &private_half).map_err(|_| Refusal::SealBroken)?;
        ensure(public == facts.public_key, Refusal::SealBroken)?;
    }
    let old = replaced(&facts)?;
    let predecessor = old.as_ref().map(KeyFacts::as_predecessor);
    let (statement, signed_payload) = statement(request, &facts)?;
    let bound_at_ms = enclave.ledger.decide(|turn| {
        demand(!turn.state().is_bound(facts.serial), "8 key was given out", Refusal::AlreadyBound)?;
        turn.record(Record::Bound(facts.serial))?;
        inherit(turn, facts.serial, old.as_ref())?;
        Ok(turn.now_ms)
    })?;
    let tag = user_tag(&request.tenant_id, &request.user_identifier);
    let binding = (facts.home == Home::Cold).then(|| {
        let binding = Binding {
            env: enclave.keyring.env,
            key_id: facts.key_id.clone(),
            public_key_sha256: sha256(&facts.public_key),
            tenant_id: request.tenant_id.clone(),
            user_tag: tag,
            bound_at_ms,
            predecessor: predecessor.clone(),
        };
        let binding = binding.to_bytes();
        SignedBinding { signature: enclave.receipt.sign(&binding_preimage(&binding)), binding }.to_bytes()
    });
    let signature = enclave.assignment.sign(statement.as_bytes());
    let owned = KeyFacts { tenant_id: request.tenant_id.clone(), user_tag: Some(tag), ..facts };
    Ok(Bound {
        sealed: seal_heir(&enclave.keyring, owned, predecessor.as_ref(), &private_half),
        binding,
        signature,
        signed_payload,
        kid: enclave.assignment.public.kid.clone(),
    })
}

/// Puts a key under the list of the one that it replaces.
pub fn inherit(turn: &mut Turn<'_>, serial: u64, old: Option<&KeyFacts>) -> Result<(), Refusal> {
    let under = old.and_then(|old| turn.state().guarded.get(&old.serial)).cloned();
    under.map_or(Ok(()), |under| turn.record(Record::Guarded(Guarded { serial, ..under })))
}

/// What is signed about the key, and whether that is a payload of its own.
fn statement(request: &Bind, facts: &KeyFacts) -> Result<(String, Option<String>), Refusal> {
    let public_key = hex(&facts.public_key);
    let fields = parse_fields(&request.sign_with).map_err(|_| Refusal::Malformed)?;
    if fields.is_empty() {
        return Ok((public_key, None));
    }
    let fingerprint = hex(&sha256(&facts.public_key));
    let values = Facts {
        external_customer_id: request.external_customer_id.as_deref(),
        external_package_id: request.external_package_id.as_deref(),
        pulled_by_id: Some(&request.pulled_by_id),
        pulled_by_type: Some(&request.pulled_by_type),
        user_id: Some(&request.user_id),
        key_id: Some(&facts.key_id),
        key_fingerprint: Some(&fingerprint),
    };
    let payload = payload(&public_key, &fields, &values).map_err(|_| Refusal::Malformed)?;
    Ok((payload.clone(), Some(payload)))
}
