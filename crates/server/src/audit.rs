//! Checking an exported audit log, with no service and no network. The rules are those that the service signs by.

pub use domain::audit::checkpoint::VerifierKey;
pub use domain::audit::cosignature::Cosigner;
pub use domain::audit::root::RootLog;
pub use domain::audit::verify::{Fault, Finding, Verification, Verified};
pub use domain::time::Timestamp;
