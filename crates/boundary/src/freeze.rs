//! Freezing a tenant: for a time nothing leaves of it. Whoever asks is heard, since that turns a yes into a no; only an
//! Owner has it end before its time.

use crate::Env;
use crate::approval::{Document, is_name};
use crate::json::json_struct;
use crate::message::Ballot;
use crate::wire::wire_struct;

/// The longest that a tenant is frozen at a time, in hours: 30 days.
pub const FREEZE_HOURS_MAX: u32 = 720;

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// Let no item and no package of a tenant go out. Checks, stores and rotations go on.
    pub struct Freeze {
        /// The tenant.
        pub tenant_id: String,
        /// For so long from now, up to [`FREEZE_HOURS_MAX`], or for as long as it is frozen already if that is longer.
        /// With 0 one only asks.
        pub hours: u32,
    }

    /// Let it go on. What is signed is the [`Thawing`] of the latest freeze.
    pub struct Thaw {
        /// The roster in force.
        pub roster: Vec<u8>,
        /// Of one Owner.
        pub ballot: Ballot,
    }

    /// How the latest freeze stands.
    pub struct Frozen {
        /// Its number, which a thaw names; 0 before the first.
        pub number: i64,
        /// For how many milliseconds more nothing leaves; 0: it is over.
        pub left_ms: i64,
    }
}

json_struct! {
    /// The end of one freeze before its time.
    pub struct Thawing {
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// Which freeze: each one, and each that is made longer, has a number of its own.
        pub freeze: i64,
    }
}

impl Document for Thawing {
    const KIND: &'static str = "thaw";

    fn is_sound(&self) -> bool {
        is_name(&self.tenant_id) && self.freeze >= 1
    }
}
