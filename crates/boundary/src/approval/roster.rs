//! A tenant's Owners and Officers, and what they sign with: the ones new lists and the attaching of keys, the others
//! what is decided of identity checks.

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
        /// Who decides reviews, likewise; nobody is both.
        pub officers: Vec<Owner>,
    }

    /// An Owner, or an Officer.
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
        let mut people: Vec<&Owner> = self.owners.iter().chain(&self.officers).collect();
        people.sort_by(|a, b| a.person_id.cmp(&b.person_id));
        let people = people.iter().map(|one| (&*one.person_id, &*one.name, &*one.keys));
        let is_sorted = |some: &[Owner]| some.is_sorted_by(|a, b| a.person_id < b.person_id);
        is_chained(self.version, self.prev_hash.as_deref())
            && is_name(&self.tenant_id)
            && !self.owners.is_empty()
            && is_sorted(&self.owners)
            && is_sorted(&self.officers)
            && are_people(people)
    }
}
