//! Work beside the calls: each job is small, repeats itself, and may be done by any process.

mod deliver_webhook;
mod fill_key_pool;
mod look_after_key_shares;
mod runner;
mod send_mail;
mod sweep_blobs;

pub use fill_key_pool::pool_key;
pub use runner::{Workers, start};
