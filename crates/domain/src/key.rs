//! Customer keys: kinds, environments, and the states of their life.

use crate::words::words;

words! {
    /// What pair a customer key is.
    KeyType {
        /// RSA, 4,096 bits, e = 65537.
        Rsa4096 = "rsa4096",
        /// ECDSA on secp256k1.
        Secp256k1 = "secp256k1",
        /// Ed25519.
        Ed25519 = "ed25519",
    }

    /// Where the private half is made and held; fixed for the life of the key.
    KeyEnvironment {
        /// Made and held online.
        Hot = "HOT",
        /// Made and held offline.
        Cold = "COLD",
    }

    /// The life of a customer key.
    KeyState {
        /// Takes stores and recovers.
        Active = "active",
        /// COLD only: its successor waits for the offline side; still recoverable.
        Superseding = "superseding",
        /// Replaced: kept for audit, takes nothing, releases nothing.
        Superseded = "superseded",
        /// Its private half went out in a recovery: no new stores, still recoverable.
        Released = "released",
        /// Will be destroyed unless somebody objects.
        DestroyPending = "destroy-pending",
        /// Gone for good.
        Destroyed = "destroyed",
    }
}
