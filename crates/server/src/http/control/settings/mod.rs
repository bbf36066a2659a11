//! `/control/settings`: credentials, webhooks, signing keys, limits, and beginning anew.

pub mod credentials_view;
pub mod view;
pub mod webhooks_view;
