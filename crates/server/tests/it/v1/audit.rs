//! `/v1/audit`.
