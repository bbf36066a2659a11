//! What a command ends with, for scripts.

use std::process::ExitCode;

/// Why a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// For a reason that has no number of its own.
    #[default]
    Other,
    /// The command line is wrong.
    Usage,
    /// The service refused.
    Refused,
    /// The service could not be reached or could not serve.
    Unavailable,
    /// Something did not prove to be what it should be.
    NotProven,
    /// A file of this machine could not be read or written.
    Local,
    /// The person was not approved.
    NotApproved,
}

impl Exit {
    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unavailable => 4,
            Self::NotProven => 5,
            Self::Local => 6,
            Self::NotApproved => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.number().into()
    }
}

/// The numbers and their meanings, as they are documented.
pub const CODES: [(u8, &str); 8] = [
    (0, "Done."),
    (Exit::Other.number(), "Failed, for a reason that the message names."),
    (Exit::Usage.number(), "The command line is wrong; nothing was done."),
    (
        Exit::Refused.number(),
        "The service refused the call. The same call is refused again; the message says what to change.",
    ),
    (
        Exit::Unavailable.number(),
        "The service could not be reached, or could not serve. What was asked may have been done: look before you \
         repeat it.",
    ),
    (
        Exit::NotProven.number(),
        "Something did not prove to be what it should be: a signature, a checksum, a recovered item. Nothing was \
         encrypted to it, and nothing should rely on it.",
    ),
    (
        Exit::Local.number(),
        "A file of this machine could not be read or written: a credential, a secret, a receipt.",
    ),
    (
        Exit::NotApproved.number(),
        "The identity check was declined, or did not end in time; nothing was recovered.",
    ),
];
