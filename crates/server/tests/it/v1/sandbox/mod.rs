//! `/v1/sandbox`.
