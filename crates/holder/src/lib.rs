//! The tool of whoever holds a share of a root key: what is on his paper, who asks for it, and how it goes to nobody
//! else.
//!
//! - [`door`]: the enclave's socket; what comes through it is believed only as far as the share vouches for it.
//! - [`paper`]: a share as text, printed and typed.
//! - [`transcript`]: what people read of a ceremony of the offline enclave.

pub mod door;
pub mod paper;
pub mod transcript;

pub use boundary::Env;
pub use boundary::ceremony::*;
pub use boundary::cold::{ANSWER_FILE, REQUEST_FILE};
pub use boundary::message::KeyType;
pub use boundary::wire::Wire;

/// Why something was not done, for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    /// A fault in these words.
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What was being done, and what went wrong.
    fn of<E: std::fmt::Display>(doing: &str) -> impl Fn(E) -> Self {
        move |cause| Self(format!("{doing}: {cause}"))
    }
}
