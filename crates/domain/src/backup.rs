//! Backups: what one holds, and when it may be released.

use crate::words::words;

words! {
    /// What one backup holds.
    BackupKind {
        /// One ciphertext of at most an RSA block, in its row.
        Data = "data",
        /// One encrypted file, in the blob store.
        File = "file",
    }

    /// The life of a backup.
    BackupState {
        /// Stored under an inquiry that nobody has approved yet; never released.
        Unconfirmed = "unconfirmed",
        /// Recoverable.
        Confirmed = "confirmed",
        /// Will be deleted unless the tenant restores it.
        DeletePending = "delete-pending",
        /// Gone: the ciphertext is no longer kept.
        Deleted = "deleted",
    }

    /// What is known about a data backup's checksum.
    CheckState {
        /// The enclave opened it and the checksum was right.
        Verified = "verified",
        /// Its private key is offline; the next ceremony checks it.
        UnverifiedCold = "unverified-cold",
        /// The ceremony found the checksum wrong.
        Failed = "check-failed",
        /// Nothing to check: files stay closed to the service.
        NotChecked = "not-checked",
    }
}
