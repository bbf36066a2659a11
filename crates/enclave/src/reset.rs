//! `Reset`: a tenant of a sandbox begins anew. Whatever was sealed for it before stays closed for good: its keys,
//! sessions, admissions and records are of another generation, and so are the persons its users were.

use boundary::Env;
use boundary::message::{HasReset, Refusal, Reset};

use crate::release::demand;
use crate::service::Enclave;
use crate::session::check_names;
use crate::state::{Generation, Record};

/// Begins the tenant's next generation. In production there is no such thing.
pub fn reset(enclave: &Enclave, request: &Reset) -> Result<HasReset, Refusal> {
    check_names(&[&request.tenant_id])?;
    demand(enclave.keyring.env == Env::Sandbox, "2 this is no sandbox", Refusal::Malformed)?;
    enclave.ledger.decide(|turn| {
        let (tenant_id, generation) =
            (request.tenant_id.clone(), enclave.keyring.generation(&request.tenant_id) + 1);
        turn.record(Record::Generation(Generation { tenant_id, generation }))?;
        enclave.keyring.set_generation(&request.tenant_id, generation);
        Ok(HasReset { generation })
    })
}
