//! What people sign when they decide an identity check that was put up for review.

use super::{Document, is_hex, is_name};
use crate::json::json_struct;
use crate::{Env, words};

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 4_096;

words! {
    /// What they decide.
    pub enum Decision {
        /// The person is who he says he is.
        Approve = "approve",
        /// He is not, or nobody can tell.
        Decline = "decline",
    }
}

json_struct! {
    /// A decision on one identity session.
    pub struct Review {
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// The session: 32 lower-case hexadecimal digits.
        pub session_id: String,
        /// The provider's id of the inquiry.
        pub verification_id: String,
        /// What is decided.
        pub decision: Decision,
        /// Why.
        pub reason: String,
        /// The check shows another person than those of this user before, or names none.
        pub identity_mismatch: bool,
    }
}

impl Document for Review {
    const KIND: &'static str = "review";

    fn is_sound(&self) -> bool {
        [&self.tenant_id, &self.verification_id].into_iter().all(|name| is_name(name))
            && self.session_id.len() == 32
            && is_hex(&self.session_id)
            && (1..=REASON_BYTES_MAX).contains(&self.reason.len())
    }
}
