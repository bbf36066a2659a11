//! The service, called over HTTP as its users call it. The modules mirror the tree of its URLs; beside them
//! stands what is true of every call.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod access_matrix;
mod bit_rot;
mod bodies;
mod ceremonies;
mod control;
mod credentials;
mod docs;
mod events;
mod examination;
mod examples;
mod files;
mod floods;
mod foreign_entries;
mod identity;
mod key_shares;
mod metrics;
mod odd_inputs;
mod openapi;
mod outages;
mod paths;
mod production;
mod rates;
mod repeats;
mod rollback;
mod root_log;
mod routes;
mod row_edits;
mod schemathesis;
mod stage;
mod story;
mod unlogged;
mod v1;
mod well_known;
