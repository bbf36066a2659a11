//! What a release is judged by: the tenant's own policy, and the signature that it may ask for.

use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
use boundary::approval::{Demand, Document as _, TenantPolicy, request_payload};
use boundary::intent::Intent;
use boundary::json::parse;
use boundary::message::{Refusal, Release};
use boundary::policy::{built_in, preimage};
use boundary::token::{Admission, Ticket};

use crate::amend::POLICY;
use crate::ballot::verifies;
use crate::digest::{base64url, hex, sha256, unbase64url, unhex};
use crate::release::{Proof, demand, failed, must, named};
use crate::service::Enclave;
use crate::state::Moment;

/// The largest signature that is looked at, in bytes.
const SIGNATURE_BYTES_MAX: usize = 16 * 1024;
/// How many policies are looked through: that of its session's opening, the one in force, and one that waits, which a
/// server whose clock is behind may not know to be in force.
const POLICIES_MAX: usize = 3;

fn built_in_hash(enclave: &Enclave, tenant_id: &str) -> [u8; 32] {
    sha256(&preimage(enclave.keyring.env, tenant_id, enclave.retail_window_s))
}

/// The hash of the policy that applies to a tenant: its own, or the built-in one.
pub fn in_force(enclave: &Enclave, tenant_id: &str) -> Result<[u8; 32], Refusal> {
    enclave.ledger.decide(|turn| {
        let own = turn.state().in_force(tenant_id, POLICY, turn.now_ms).map(|head| head.hash);
        Ok(own.unwrap_or_else(|| built_in_hash(enclave, tenant_id)))
    })
}

/// What this release is judged by: the policy of its session's opening and the one in force, each by its hash, which
/// only the enclave itself has named.
pub fn judging(enclave: &Enclave, request: &Release, proof: &Proof) -> Result<TenantPolicy, Refusal> {
    let Proof { intent, ticket, .. } = proof;
    let opened_under = find(enclave, request, &ticket.tenant_id, ticket.policy_hash)?;
    must(intent.policy_hash == hex(&ticket.policy_hash), "3 policy is not the session's")?;
    must(intent.policy_version == opened_under.version, "3 policy version")?;
    Ok(opened_under.judged_with(&standing(enclave, request, &ticket.tenant_id)?))
}

/// The policy in force.
pub fn standing(enclave: &Enclave, request: &Release, tenant: &str) -> Result<TenantPolicy, Refusal> {
    find(enclave, request, tenant, in_force(enclave, tenant)?)
}

fn find(enclave: &Enclave, request: &Release, tenant: &str, hash: [u8; 32]) -> Result<TenantPolicy, Refusal> {
    if hash == built_in_hash(enclave, tenant) {
        return Ok(built_in(enclave.keyring.env, tenant));
    }
    let given = request.policies.iter().take(POLICIES_MAX);
    let mut given = given.filter_map(|bytes| TenantPolicy::from_canonical(bytes));
    let is_it = |policy: &TenantPolicy| sha256(&policy.preimage()) == hash;
    given.find(|it| named(is_it(it), "3 policy has another hash").is_ok()).ok_or_else(|| failed("3 policy"))
}

/// How many milliseconds an approval still waits, by the provider's clock and by both of our own since we believed it:
/// whoever keeps an approval to himself until the first is over has still to wait in our sight.
pub fn wait_ms(enclave: &Enclave, delay_s: i64, ticket: &Ticket, own: &Admission) -> Result<i64, Refusal> {
    if delay_s == 0 {
        return Ok(0);
    }
    enclave.ledger.decide(|turn| {
        let session = turn.state().sessions.get(&ticket.session_id);
        let admitted = session.ok_or_else(|| failed("7 approval is forgotten"))?.admitted;
        let since = Moment { at_ms: admitted.at_ms.max(own.event_at_ms), ..admitted };
        Ok(turn.state().wait_ms(since, delay_s * 1_000, turn.now_ms))
    })
}

/// The tenant's signature, where its policy demands one, or where there is one and a key to verify it.
pub fn signed(policy: &TenantPolicy, request: &Release, intent: &Intent) -> Result<(), Refusal> {
    let required = policy.partner_signature == Demand::Required;
    let Some(jws) = &request.request_signature else {
        return demand(!required, "6 tenant's signature is missing", Refusal::SignatureRequired);
    };
    if policy.request_keys.is_empty() && !required {
        return Ok(());
    }
    let payload =
        request_payload(&request.user_identifier, &intent.verification_id, &intent.recipient.openpgp_fpr);
    demand(holds(policy, jws, &payload).is_some(), "6 tenant's signature", Refusal::SignatureInvalid)
}

/// RFC 7515 §5.2, of ES256 (RFC 7518 §3.4) and nothing else: what the header asks for is never done.
fn holds(policy: &TenantPolicy, jws: &str, payload: &str) -> Option<()> {
    let mut parts = jws.split('.');
    let (header, body, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = jws.len() <= SIGNATURE_BYTES_MAX && parts.next().is_none();
    let claims = parse(&String::from_utf8(unbase64url(header).filter(|_| whole)?).ok()?).ok()?;
    let is_es256 = claims.get("alg")?.as_text() == Some("ES256") && claims.get("crit").is_none();
    let kid = claims.get("kid");
    let signature = unbase64url(signature).filter(|_| is_es256 && body == base64url(payload.as_bytes()))?;
    let is_named = |name: &str| kid.is_none_or(|kid| kid.as_text() == Some(name));
    let mut keys = policy.request_keys.iter().filter(|key| is_named(&key.kid));
    let text = format!("{header}.{body}");
    let signs = |point: Vec<u8>| verifies(&ECDSA_P256_SHA256_FIXED, &point, text.as_bytes(), &signature);
    keys.any(|key| unhex(&key.public_key).is_some_and(signs)).then_some(())
}
