//! `/v1/partner`.

mod keys;
mod rotate;
mod secure_data;
mod signatures;
mod stored_backups;
mod stored_keys;
