//! The whole system in one process, for tests.
//!
//! [`App`] is a running service: the real router behind a real port, a real enclave process, a database of its
//! own. [`Actor`] calls it as one of its tenants. [`device`] does what a user's device does, [`foreign`] asks
//! other people's programs.
//!
//! ```no_run
//! # async fn example() {
//! let app = testkit::App::start().await;
//! let verification = app.retail().approved("user-1").await;
//! let key = app.retail().key("user-1", &verification).await;
//! # }
//! ```

mod actor;
mod app;
mod call;
mod clock;
mod database;
pub mod device;
mod enclave;
mod fixture;
pub mod foreign;
mod form;
mod mail;
mod mirror;
mod person;
pub mod persona;
pub mod rot;
mod s3;
mod scrape;
mod vandal;

pub use actor::{Actor, Given, assign_body, data_body, store_body};
pub use app::{App, KeyRole, Plan};
pub use call::{Answer, Call};
pub use clock::MockClock;
pub use cluster::{Cluster, Stop};
pub use database::{Census, Lock, Place};
pub use enclave::{Enclave, Recipe, program};
pub use fixture::Fixture;
pub use form::Form;
pub use mail::{MailMode, MailSink};
pub use person::{Person, code_of, csrf_of, link_of, options_of};
pub use s3::S3;
pub use scrape::Scrape;
pub use vandal::{Deed, Edit, Vandal};
