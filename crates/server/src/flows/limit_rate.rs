//! Refuses who calls too often, and who fails too often to say who it is.

use std::net::IpAddr;

use domain::access::Principal;
use domain::credential::guessed_prefix;
use domain::rate::Standing;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;

use super::Error;
use crate::app::App;
use crate::edge::jwt::{is_token, read_unverified};
use crate::rates::Guessed;

/// Counts a call of this credential; what it says of the rate goes into the answer, also of a refused call.
pub fn count_call(app: &App, principal: &Principal, now: Timestamp) -> (Standing, Result<(), Refusal>) {
    let standing = app.rates.call(&principal.credential, now);
    if !standing.is_admitted {
        app.metrics.http.rate_limited.inc();
    }
    let refusal = || {
        Refusal::new(Kind::TooMany, "rate-limit", "this credential calls too often")
            .retry_after(standing.retry_after_s)
    };
    (standing, if standing.is_admitted { Ok(()) } else { Err(refusal()) })
}

/// What is answered to a call from this address that did not authenticate with any of these credentials. Only
/// failures count, by address and by the beginning of each credential, and only they are refused, so that nobody
/// locks out those who share an address, or the owner of a key that others guess at.
pub fn count_failure(app: &App, error: Error, address: IpAddr, given: &[&str], now: Timestamp) -> Error {
    match error {
        Error::Refused(refusal) if refusal.kind == Kind::Unauthenticated => {
            app.metrics.http.unauthenticated.inc();
            let mut standings = vec![app.rates.failure(address, now)];
            let guessed = given.iter().filter(|text| !text.is_empty()).map(|text| guessed(app, text));
            standings.extend(guessed.map(|guessed| app.rates.guess(&guessed, now)));
            let spent = standings.iter().filter(|standing| !standing.is_admitted);
            let Some(retry_after_s) = spent.map(|standing| standing.retry_after_s).max() else {
                return refusal.into();
            };
            let text =
                "too many calls without a valid credential came from this address or with such a credential";
            Refusal::new(Kind::TooMany, "authentication-limit", text).retry_after(retry_after_s).into()
        }
        error => error,
    }
}

/// What guesses at one key have in common: its beginning, and for a token the issuer that it names.
fn guessed(app: &App, text: &str) -> Guessed {
    let token = is_token(text).then(|| read_unverified(text)).flatten();
    let issuer = token.as_ref().and_then(|token| token.claims.get("iss")?.as_text());
    app.sha256(issuer.unwrap_or_else(|| guessed_prefix(text)).as_bytes())
}
