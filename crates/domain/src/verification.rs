//! Inquiries: one identity check of one user, from creation to one of four ends (contract 4.6).

use crate::words::words;

words! {
    /// The eight states of an inquiry, in their order; the last four are final.
    InquiryState {
        /// Made; the person has not begun.
        Created = "CREATED",
        /// The person has begun.
        Pending = "PENDING",
        /// The person has finished; the provider decides.
        Completed = "COMPLETED",
        /// A compliance officer must decide.
        NeedsReview = "NEEDS_REVIEW",
        /// Final: the check failed.
        Failed = "FAILED",
        /// Final: the person is who he says he is.
        Approved = "APPROVED",
        /// Final: the provider or an officer said no.
        Declined = "DECLINED",
        /// Final: it was not finished in time.
        Expired = "EXPIRED",
    }
}
