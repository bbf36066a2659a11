//! `/v1/partner`.
