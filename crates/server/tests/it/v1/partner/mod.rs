//! `/v1/partner`.

mod keys;
mod secure_data;
mod signatures;
