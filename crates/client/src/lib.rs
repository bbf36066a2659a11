//! The Rust SDK: calls, attestation check, encryption on the device.
