//! Identity checks that people decide: why one came to them, and where it stands.

use crate::words::words;

words! {
    /// Why a check is reviewed.
    ReviewWhy {
        /// The provider leaves it to people.
        ProviderAsked = "provider-asked",
        /// Somebody passed who is not the person of the checks before, or nobody was named.
        IdentityDiffers = "identity-differs",
        /// Somebody passed after many were declined.
        DeclinedOften = "declined-often",
    }

    /// Where a review stands.
    ReviewState {
        /// Nobody has decided.
        Open = "open",
        /// An officer has; a second signature, or the enclave, is waited for.
        Signed = "signed",
        /// It ended with an approval.
        Approved = "approved",
        /// It ended without one.
        Declined = "declined",
    }
}

impl ReviewState {
    /// Whether it is still to be decided.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Signed)
    }
}
