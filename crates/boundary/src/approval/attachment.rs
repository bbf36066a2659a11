//! What an Owner signs when he puts keys, and with them their backups, under a list.

use super::{Document, is_hex, is_name};
use crate::Env;
use crate::json::json_struct;

json_struct! {
    /// Keys that are put under a list, for good.
    pub struct Attachment {
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// The list.
        pub acl_id: String,
        /// Lower-case hexadecimal of the hash of the list's first version.
        pub genesis_hash: String,
        /// One or more, sorted.
        pub key_ids: Vec<String>,
    }
}

impl Document for Attachment {
    const KIND: &'static str = "attachment";

    fn is_sound(&self) -> bool {
        let names = [&self.tenant_id, &self.acl_id].into_iter().chain(&self.key_ids);
        names.into_iter().all(|name| is_name(name))
            && self.genesis_hash.len() == 64
            && is_hex(&self.genesis_hash)
            && !self.key_ids.is_empty()
            && self.key_ids.windows(2).all(|pair| pair[0] < pair[1])
    }
}
