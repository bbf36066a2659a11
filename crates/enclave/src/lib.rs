//! The trusted process: makes, seals and uses customers' private keys, and releases only on proof.
