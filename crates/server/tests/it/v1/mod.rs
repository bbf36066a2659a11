//! `/v1`.

mod audit;
mod backup;
mod key;
mod partner;
mod sandbox;
mod verification;
