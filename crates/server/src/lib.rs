//! HTTP in front, one flow per deed behind it, workers beside it.
//!
//! - [`http`]: takes a call apart, calls one flow, writes the answer.
//! - [`flows`]: one function per deed, from top to bottom.
//! - [`work`]: what happens without a call.
//! - [`edge`]: the enclave, the identity provider, clock and chance.
//! - [`running`]: all of it, started and stopped as one.

pub mod admin;
mod app;
pub mod audit;
pub mod config;
mod control;
pub mod doctor;
pub mod edge;
pub mod files;
mod flows;
mod http;
pub mod key_shares;
pub mod metrics;
mod pool;
mod rates;
pub mod running;
mod sandbox_people;
mod sandbox_tenants;

pub mod schema;
mod turns;
pub mod witness;
mod work;
