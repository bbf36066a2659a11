//! `/control/log`: the audit log.

pub mod view;
