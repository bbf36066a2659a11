//! The online side of a ceremony: what the offline enclave must believe leaves under the receipt key. `Vouch` for a
//! recovery, `Dispatch` for a bundle.

use boundary::cold::{Bundle, Dispatch, Signed, Voucher, preimage};
use boundary::intent::Flow;
use boundary::message::{Package, Refusal};
use boundary::wire::Wire;

use crate::package::approved;
use crate::release::begin;
use crate::service::Enclave;
use crate::session::person_tag;

/// Says that session and checks of a recovery are ours, and that by our log too its list has approved it. The delay is
/// the offline enclave's to reckon.
pub fn vouch(enclave: &Enclave, request: &Package) -> Result<Signed, Refusal> {
    let proof = begin(enclave, &request.release, Flow::Control, person_tag)?;
    approved(enclave, request, &proof)?;
    let (intent_hash, ticket, admissions) = (proof.intent_hash, proof.ticket, proof.admissions);
    Ok(signed(enclave, "voucher", &Voucher { intent_hash, ticket, admissions }))
}

/// Signs a bundle: that it is ours, whole, and in this place. What is in it is not looked at.
pub fn dispatch(enclave: &Enclave, dispatch: Dispatch) -> Signed {
    let (env, online) = (enclave.keyring.env, enclave.receipt.public.point.clone());
    let (made_at_ms, log_sequence) = (enclave.ledger.now_ms(), enclave.ledger.end().1);
    signed(enclave, "bundle", &Bundle { env, online, made_at_ms, log_sequence, dispatch })
}

fn signed(enclave: &Enclave, what: &str, body: &impl Wire) -> Signed {
    let body = body.to_bytes();
    Signed { signature: enclave.receipt.sign(&preimage(what, &body)), body }
}
