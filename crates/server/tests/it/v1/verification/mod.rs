//! `/v1/verification`.

mod ids;
mod simulate;
mod start;
