//! `/v1/backup`.
