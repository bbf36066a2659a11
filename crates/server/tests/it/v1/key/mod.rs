//! `/v1/key`.

mod generate;
