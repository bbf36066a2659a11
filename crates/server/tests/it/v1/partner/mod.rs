//! `/v1/partner`.

mod bucket_memory;
mod file_repeats;
mod keys;
mod rotate;
mod secure_data;
pub mod secure_file;
mod signatures;
mod stored_backups;
mod stored_keys;
