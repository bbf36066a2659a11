//! `Freeze` and `Thaw`: whoever asks has nothing leave of a tenant for a time; only an Owner lets it go on before.

use std::slice;

use boundary::approval::{Document as _, Roster};
use boundary::freeze::{FREEZE_HOURS_MAX, Freeze, Frozen, Thaw, Thawing};
use boundary::message::Refusal;

use crate::amend::{approve, in_force};
use crate::counter::settle;
use crate::digest::sha256;
use crate::log::Turn;
use crate::release::must;
use crate::service::Enclave;
use crate::session::check_names;
use crate::state::{self, HOUR_MS, Record};

/// Freezes a tenant for longer than it is by now, or says how it stands.
pub fn freeze(enclave: &Enclave, request: &Freeze) -> Result<Frozen, Refusal> {
    check_names(&[&request.tenant_id])?;
    let span_ms = i64::from(request.hours.min(FREEZE_HOURS_MAX)) * HOUR_MS;
    let frozen = enclave.ledger.decide(|turn| {
        let frozen = turn.state().frozen(&request.tenant_id, turn.now_ms);
        if span_ms > frozen.left_ms { set(turn, &request.tenant_id, span_ms) } else { Ok(frozen) }
    });
    // Where the counter is away, the next release counts it.
    let _ = (span_ms > 0).then(|| settle(enclave, true));
    frozen
}

/// Ends the latest freeze, on an Owner's word about that one.
pub fn thaw(enclave: &Enclave, request: &Thaw) -> Result<Frozen, Refusal> {
    let (roster, _) = in_force::<Roster>(enclave, &request.roster)?;
    let tenant_id = &roster.tenant_id;
    let number = |turn: &Turn<'_>| turn.state().frozen(tenant_id, turn.now_ms).number;
    let freeze = enclave.ledger.decide(|turn| Ok(number(turn)))?;
    let thawing = Thawing { env: roster.env, tenant_id: tenant_id.clone(), freeze };
    approve(enclave, &roster, slice::from_ref(&request.ballot), &sha256(&thawing.preimage()))?;
    enclave.ledger.decide(|turn| {
        must(number(turn) == freeze, "6 it was frozen anew")?;
        set(turn, tenant_id, 0)
    })
}

fn set(turn: &mut Turn<'_>, tenant_id: &str, span_ms: i64) -> Result<Frozen, Refusal> {
    let number = turn.state().frozen(tenant_id, turn.now_ms).number + 1;
    turn.record(Record::Freeze(state::Freeze { tenant_id: tenant_id.to_owned(), number, span_ms }))?;
    Ok(turn.state().frozen(tenant_id, turn.now_ms))
}
