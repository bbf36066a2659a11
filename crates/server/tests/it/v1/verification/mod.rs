//! `/v1/verification`.

mod declines;
mod ids;
mod simulate;
mod start;
