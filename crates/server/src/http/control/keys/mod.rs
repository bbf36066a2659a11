//! `/control/keys`: what backups are encrypted to.

pub mod view;
