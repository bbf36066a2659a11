//! `/control/backups`: what is stored.

pub mod view;
