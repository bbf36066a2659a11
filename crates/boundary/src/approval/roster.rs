//! A tenant's Owners and what they sign with: new lists, and the attaching of keys.

use super::{Document, SigningKey, are_people, is_chained, is_name};
use crate::Env;
use crate::json::json_struct;

json_struct! {
    /// One version of a tenant's roster.
    pub struct Roster {
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// Counted from one.
        pub version: i64,
        /// Lower-case hexadecimal of the hash of the version before; none for the first.
        pub prev_hash: Option<String>,
        /// One or more, sorted by `person_id`.
        pub owners: Vec<Owner>,
    }

    /// An Owner.
    pub struct Owner {
        /// The person.
        pub person_id: String,
        /// What people call him.
        pub name: String,
        /// What he signs with.
        pub keys: Vec<SigningKey>,
    }
}

impl Document for Roster {
    const KIND: &'static str = "roster";

    fn is_sound(&self) -> bool {
        let people = self.owners.iter().map(|owner| (&*owner.person_id, &*owner.name, &*owner.keys));
        is_chained(self.version, self.prev_hash.as_deref())
            && is_name(&self.tenant_id)
            && !self.owners.is_empty()
            && are_people(people)
    }
}
