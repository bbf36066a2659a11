//! Bodies of the public API, its errors and its events.
//!
//! The types say what travels; they hold no rule. The server reads requests field by field (so that one answer
//! names every mistake) and writes the responses from here; the client does the reverse; the `OpenAPI`
//! document is derived from the same types.

pub mod audit;
pub mod credential;
pub mod error;
pub mod event;
pub mod file;
pub mod freeze;
pub mod institution;
pub mod jwks;
pub mod operation;
pub mod partner;
pub mod provider;
pub mod retail;
pub mod sandbox;
pub mod stored;
pub mod vote;
pub mod webhook;
