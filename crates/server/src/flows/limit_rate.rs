//! Refuses who calls too often, and who fails too often to say who it is.

use std::net::IpAddr;

use domain::access::Principal;
use domain::rate::Standing;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;

use super::Error;
use crate::app::App;

/// Counts a call of this credential; what it says of the rate goes into the answer, also of a refused call.
pub fn count_call(app: &App, principal: &Principal, now: Timestamp) -> (Standing, Result<(), Refusal>) {
    let standing = app.rates.call(&principal.credential, now);
    let refusal = || {
        Refusal::new(Kind::TooMany, "rate-limit", "this credential calls too often")
            .retry_after(standing.retry_after_s)
    };
    (standing, if standing.is_admitted { Ok(()) } else { Err(refusal()) })
}

/// What an address is answered that did not authenticate. Only failures count, and only they are refused, so that
/// nobody locks out those who share an address.
pub fn count_failure(app: &App, error: Error, address: IpAddr, now: Timestamp) -> Error {
    match error {
        Error::Refused(refusal) if refusal.kind == Kind::Unauthenticated => {
            let standing = app.rates.failure(address, now);
            if standing.is_admitted {
                return refusal.into();
            }
            let text = "too many calls without a valid credential came from this address";
            Refusal::new(Kind::TooMany, "authentication-limit", text)
                .retry_after(standing.retry_after_s)
                .into()
        }
        error => error,
    }
}
