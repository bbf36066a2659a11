//! `Mark`: tells an old copy of the log from the log. A copy that somebody put back knows nothing of what was
//! released, counted and decided since, and would decide it all again.

use std::sync::atomic::Ordering;

use boundary::message::{Mark, Marked, Refusal};
use boundary::token::LogMark;

use crate::service::{Enclave, note};
use crate::session::Token;
use crate::state::{Life, Record};

/// Compares the log with what the caller remembers of it. A log that lacks a record that he remembers decides
/// nothing any more, unless the operator gave up that record by its number.
pub fn mark(enclave: &Enclave, request: &Mark) -> Result<Marked, Refusal> {
    if let Some(latest) = &request.latest {
        let LogMark { life: id, sequence, .. } = LogMark::believe(&enclave.keyring, latest)?;
        let gives_up = enclave.give_up_to == Some(sequence);
        let has = enclave.ledger.decide(|turn| {
            let has = turn.state().has(&id, sequence);
            if !has && gives_up {
                turn.record(Record::GivenUp(Life { id, sequence }))?;
            }
            Ok(has || gives_up)
        })?;
        if !has {
            let step = format!("the log ends before record {sequence}, which the caller remembers");
            return Err(refuse_all(enclave, "mark", &step));
        }
    }
    let env = enclave.keyring.env;
    let (life, sequence) = enclave.ledger.end();
    Ok(Marked { sequence, mark: LogMark { env, life, sequence }.issue(&enclave.keyring) })
}

/// From here on nothing is answered any more: this log is not the newest.
pub fn refuse_all(enclave: &Enclave, request: &str, step: &str) -> Refusal {
    note(request, step);
    enclave.is_old.store(true, Ordering::SeqCst);
    Refusal::RolledBack
}
