//! A tenant with a policy of its own: its Owner, and what it signs recoveries with.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use boundary::approval::{Demand, RequestKey, Roster, TenantPolicy, request_payload};

use super::control::*;
use super::*;
use crate::expect;

pub fn request_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

pub fn named(kid: &str, key: &EcdsaKeyPair) -> RequestKey {
    RequestKey { kid: kid.into(), public_key: hex(key.public_key().as_ref()) }
}

/// A compact JWS of ES256 under that header.
pub fn jws(key: &EcdsaKeyPair, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url(signature.as_ref()))
}

/// Its signature over that in the form of X9.62, which no JWS has.
pub fn der(key: &EcdsaKeyPair, signed: &str) -> Vec<u8> {
    let pkcs8 = key.to_pkcs8v1().unwrap();
    let same = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    same.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
}

pub struct House {
    pub tenant: String,
    pub owner: Person,
    pub roster: Roster,
    pub policy: TenantPolicy,
    pub signer: EcdsaKeyPair,
}

impl House {
    /// One whose first policy demands a signature, and lets a weaker one wait for an hour; altered.
    pub fn new(client: &mut Client, tenant: &str, alter: impl FnOnce(&mut TenantPolicy)) -> Self {
        let (owner, signer) = (Person::new("olga"), request_key());
        let roster = roster(Env::Production, tenant, &[&owner]);
        expect!(amend(client, &roster, None, None, vec![owner.yes(&hash_of(&roster))]), Amended);
        let mut policy = TenantPolicy {
            partner_signature: Demand::Required,
            request_keys: vec![named("first", &signer)],
            change_delay_s: 3_600,
            version: 1,
            ..policy::built_in(Env::Production, tenant)
        };
        alter(&mut policy);
        let house = Self { tenant: tenant.into(), owner, roster, policy, signer };
        let reply = house.amend(client, &house.policy, None);
        assert!(expect!(reply, Amended).effective_at_ms <= now_ms());
        house
    }

    /// A version, on the Owner's word.
    pub fn amend(&self, client: &mut Client, next: &TenantPolicy, current: Option<&TenantPolicy>) -> Reply {
        let ballots = vec![self.owner.yes(&hash_of(next))];
        amend(client, next, current.map(bytes_of).as_deref(), Some(&self.roster), ballots)
    }

    /// What comes after a version.
    pub fn next(before: &TenantPolicy, alter: impl FnOnce(&mut TenantPolicy)) -> TenantPolicy {
        let (version, prev_hash) = (before.version + 1, Some(hex(&hash_of(before))));
        let mut next = TenantPolicy { version, prev_hash, ..before.clone() };
        alter(&mut next);
        next
    }

    pub fn payload(bundle: &Bundle) -> String {
        let intent = &bundle.intent;
        request_payload(&bundle.user, &intent.verification_id, &intent.recipient.openpgp_fpr)
    }

    /// What an honest server sends for a session that was opened under the policy.
    pub fn bring(&self, bundle: &mut Bundle) {
        bundle.policies = vec![bytes_of(&self.policy)];
        bundle.intent.policy_version = self.policy.version;
        bundle.request_signature = Some(jws(&self.signer, r#"{"alg":"ES256"}"#, &Self::payload(bundle)));
    }
}
