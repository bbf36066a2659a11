//! `/v1/webhooks`.

mod deliver;
mod manage;
mod retry;
pub mod sink;
