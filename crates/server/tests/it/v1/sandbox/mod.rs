//! `/v1/sandbox`.

mod ceremony;
mod damage;
mod reset;
