//! `Cosign`: a second signature under a checkpoint of an audit log, by a process that the log's owner cannot talk into
//! two histories. The log is known by its origin, and each checkpoint must go on from the last that was signed so.

use std::slice::Iter;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::checkpoint::{Cosign, Cosigned, TreeHead};
use boundary::message::Refusal;

use crate::digest::sha256;
use crate::service::{Enclave, ensure, note};
use crate::session::check_names;
use crate::state::Record;
use crate::vault::public_half;

type Hash = [u8; 32];

/// Signs what is the last one again or goes on from it, as C2SP tlog-cosignature has it (`cosignature/v1`); of an origin
/// that was never shown, whatever is shown first.
pub fn cosign(enclave: &Enclave, request: &Cosign) -> Result<Cosigned, Refusal> {
    let TreeHead { origin, size, root } = &request.head;
    check_names(&[origin])?;
    ensure(*size > 0 && !origin.contains('\n'), Refusal::Malformed)?;
    let now_ms = enclave.ledger.decide(|turn| match turn.state().cosigned.get(origin) {
        Some(last) if *last == request.head => Ok(turn.now_ms),
        Some(last) if !goes_on(last, request) => {
            note("cosign", "a log has another history than the one that was signed");
            Err(Refusal::Forked(last.size))
        }
        _ => turn.record(Record::Cosigned(request.head.clone())).map(|()| turn.now_ms),
    })?;
    let seconds = now_ms.unsigned_abs() / 1000;
    let text = format!("cosignature/v1\ntime {seconds}\n{origin}\n{size}\n{}\n", STANDARD.encode(root));
    let seed = enclave.keyring.cosignature.expose();
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Refusal::Crashed)?;
    let signature = [&seconds.to_be_bytes(), pair.sign(text.as_bytes()).as_ref()].concat();
    Ok(Cosigned { key: public_half(&pair), signature })
}

/// Whether a proof shows that one tree begins with the other (RFC 9162 §2.1.4).
fn goes_on(last: &TreeHead, Cosign { head, proof }: &Cosign) -> bool {
    let mut path = proof.iter();
    last.size <= head.size
        && roots(last.size, head.size, Some(last.root), &mut path) == Some((last.root, head.root))
        && path.next().is_none()
}

/// The roots of the first `old` leaves and of all `new`, from the path that SUBPROOF of RFC 9162 §2.1.4.1 makes of them,
/// read from its end. The root of the old tree is `known` as long as all of it is looked at.
fn roots(old: u64, new: u64, known: Option<Hash>, path: &mut Iter<'_, Hash>) -> Option<(Hash, Hash)> {
    if old == new {
        let whole = known.or_else(|| path.next_back().copied())?;
        return Some((whole, whole));
    }
    let (split, beside) = (new.checked_next_power_of_two()? / 2, path.next_back()?);
    if old <= split {
        let (before, after) = roots(old, split, known, path)?;
        return Some((before, node(&after, beside)));
    }
    let (before, after) = roots(old - split, new - split, None, path)?;
    Some((node(beside, &before), node(beside, &after)))
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left.as_slice(), right].concat())
}
