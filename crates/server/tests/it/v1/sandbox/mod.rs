//! `/v1/sandbox`.

mod damage;
