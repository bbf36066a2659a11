//! HTTP in front, one flow per deed behind it, workers beside it.

pub mod config;
pub mod running;
