//! Sealed private keys in shares over several stores: split when a key is assigned, put together when the enclave needs
//! it, looked after, and made anew. What is split is sealed already, and the enclave judges what is put together.

mod erase;
mod gather;
mod hold;
mod look_after;
mod remake;

pub(super) use erase::erase_shares;
pub use gather::Rebuilt;
pub(super) use gather::{open_each, open_sealed, rebuild};
pub(super) use hold::{hold_sealed, must_be_there, replace_sealed};
pub use look_after::look_after_key_shares;
pub use remake::{Remade, Wish, remake_key_shares};

use domain::ids::{KeyId, TenantId};
use domain::limits::UNAVAILABLE_RETRY_AFTER_S;
use domain::refusal::{Kind, Refusal};
use store::share_store::SharesOf;

use super::Error;

/// A key, and whose it is.
type KeyOf<'a> = (&'a TenantId, &'a KeyId);

fn shares_of((tenant, key): KeyOf<'_>, split: &domain::ids::SplitId) -> SharesOf {
    SharesOf { tenant: tenant.clone(), key: key.clone(), split: split.clone() }
}

/// What a caller is told while a key cannot be put together. That says nothing against the key.
fn lacking(key: &KeyId) -> Error {
    tracing::error!(key_id = %key, "too few shares of a key can be read");
    let text = "too few shares of this key can be read now: its operator must bring a lost store back; nothing was changed";
    let refusal = Refusal::new(Kind::Unavailable, "key-shares-lacking", text);
    refusal.retry_after(UNAVAILABLE_RETRY_AFTER_S).into()
}
