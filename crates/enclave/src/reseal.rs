//! `Reseal`: moves what was sealed under the root key of the epoch before to the one in force. Nothing is released
//! and nothing is decided: what comes back says what went in.

use boundary::ceremony::{RESEAL_ITEMS_MAX, Reseal, Resealed};
use boundary::message::Refusal;
use boundary::token::{Admission, Record, Ticket};

use crate::seal::{self, Home};
use crate::service::{Enclave, ensure};
use crate::session::Token;

/// Seals each item anew, if its own seal holds. Each kind has a key of its own, so that it is what it opens as. Offline it
/// is records alone, which release nothing: who writes a bundle may have the root key of before.
pub fn reseal(enclave: &Enclave, request: &Reseal) -> Result<Resealed, Refusal> {
    ensure(request.items.len() <= RESEAL_ITEMS_MAX, Refusal::Malformed)?;
    let kinds = [Record::issue_again, seal::reseal, Ticket::issue_again, Admission::issue_again];
    let known = if enclave.keyring.home == Home::Cold { 1 } else { kinds.len() };
    let anew = |item: &Vec<u8>| kinds[..known].iter().find_map(|kind| kind(&enclave.keyring, item).ok());
    Ok(Resealed { epochs: enclave.keyring.numbers(), items: request.items.iter().map(anew).collect() })
}
