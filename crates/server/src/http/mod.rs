//! HTTP: takes a call apart, hands it to one flow, puts the answer together. No rule lives here.

pub mod body;
pub mod caller;
pub mod control;
pub mod error;
mod file_form;
pub mod form;
pub mod measure;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod pages;
pub mod path_id;
mod patient;
pub mod rate_limit;
pub mod repeat;
pub mod request_id;
mod rest_of_body;
pub mod router;
mod routes;
mod same_origin;
pub mod serve;
pub mod stream;
mod trace;

pub(crate) use routes::audit::lines as audit_lines;
pub use routes::audit::write_export;
pub use routes::credentials::credential;
