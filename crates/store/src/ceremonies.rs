//! Half-done ceremonies of a session: what the server must remember between asking for a proof and judging it.
//! They end with their session.

use domain::person::Purpose;
use domain::time::Timestamp;

use crate::sessions::TokenHash;
use crate::sql::Sql;
use crate::{StoreError, Tx};

row! {
    struct Kept {
        sealed: Vec<u8>,
        expires_at: Timestamp,
    }
}

static INSERT: Sql = sql!(
    "ceremonies.insert",
    "INSERT INTO ceremonies (token_hash, purpose, sealed, expires_at) VALUES ($1, $2, $3, $4) ",
    "ON CONFLICT (token_hash, purpose) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at"
);
static CLAIM: Sql = sql!(
    "ceremonies.claim",
    "DELETE FROM ceremonies WHERE token_hash = $1 AND purpose = $2 RETURNING sealed, expires_at"
);

/// Keeps the sealed state of one, in the place of the last of this purpose.
pub fn insert_or_replace(
    tx: &mut Tx<'_>,
    session: &TokenHash,
    purpose: Purpose,
    sealed: &[u8],
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.exec_one(&INSERT, &[session, &purpose, &sealed, &expires_at])
}

/// Takes the sealed state out, whatever then comes of it; none when there is none or it is too old. Of two at once
/// one gets it.
pub fn claim(
    tx: &mut Tx<'_>,
    session: &TokenHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, StoreError> {
    let kept: Option<Kept> = tx.find(&CLAIM, &[session, &purpose])?;
    Ok(kept.filter(|kept| now < kept.expires_at).map(|kept| kept.sealed))
}
