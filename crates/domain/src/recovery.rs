//! Recoveries: the release of backups to one OpenPGP key.

use crate::words::words;

words! {
    /// How a recovery was decided.
    RecoveryFlow {
        /// A consumer proved who he is.
        Retail = "retail",
        /// People voted in Control.
        Control = "control",
    }

    /// Where a recovery stands.
    RecoveryState {
        /// The enclave was asked; its answer is not recorded yet.
        Releasing = "releasing",
        /// At least one item went out.
        Released = "released",
        /// Nothing went out.
        Failed = "failed",
    }
}
