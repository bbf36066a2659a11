//! The rule book: states and their transitions, who may do what, limits, refusals.
//!
//! Nothing here reads a clock, draws chance or touches the outside world: the instant is an argument
//! ([`time::Timestamp`]) and chance is an [`entropy::Entropy`]. A rule can therefore be read, and tested,
//! as a plain function.

mod words;

pub mod access;
pub mod approval;
pub mod audit;
pub mod backup;
pub mod control;
pub mod credential;
pub mod destruction;
pub mod entropy;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod jwks;
pub mod key;
pub mod limits;
pub mod notice;
pub mod owners;
pub mod password;
pub mod person;
pub mod rate;
pub mod recovery;
pub mod refusal;
pub mod review;
pub mod time;
pub mod token;
pub mod verification;
pub mod webhook;
