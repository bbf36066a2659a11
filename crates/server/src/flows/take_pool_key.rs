//! Takes a key from the pool and has the enclave tie it to a user.

use boundary::message::{Bind, Bound, Refusal as EnclaveRefusal, Succeed};
use domain::ids::KeyId;
use domain::key::{KeyEnvironment, KeyType};
use store::StoreError;
use store::pool::PoolKey;

use super::{Ctx, Error};
use crate::app::App;
use crate::edge::enclave::CallError;

/// How many burnt keys in a row are passed over before somebody must look.
const TRIES: u32 = 32;

/// A key of this kind, bound by the enclave; in the place of `predecessor`, a sealed key, if there is one. `bind` is
/// the request, less the sealed key.
///
/// A key that the enclave has bound before (its assignment was never committed) leaves the pool.
pub(super) async fn take_pool_key(
    app: &App,
    ctx: &Ctx,
    (environment, key_type): (KeyEnvironment, KeyType),
    bind: &Bind,
    predecessor: Option<&[u8]>,
) -> Result<(PoolKey, Bound), Error> {
    for _ in 0..TRIES {
        let key = app.pool.take(&app.db, environment, key_type, ctx.now).await?;
        let bind = Bind { sealed: key.sealed.clone(), ..bind.clone() };
        let bound = match predecessor {
            None => app.enclave.bind(bind).await,
            Some(sealed) => app.enclave.succeed(Succeed { bind, predecessor: sealed.to_vec() }).await,
        };
        match bound {
            Ok(bound) => return Ok((key, bound)),
            Err(CallError::Refused(EnclaveRefusal::AlreadyBound)) => {
                tracing::warn!(key_id = %key.key_id, "a pool key was bound before and never assigned; dropped");
                drop_burnt_key(app, key.key_id).await?;
            }
            Err(error) => {
                // Back for the next caller: if it was bound after all, the enclave will say so then.
                app.pool.put_back(key, ctx.now);
                return Err(error.into());
            }
        }
    }
    Err(Error::fault("finding a pool key that is not burnt"))
}

/// Takes a key out of the pool that was bound and will not be assigned.
pub(super) async fn drop_burnt_key(app: &App, key_id: KeyId) -> Result<(), Error> {
    let owner = app.instance.clone();
    let dropped = app.db.write("drop_burnt_key", move |tx| store::pool::take(tx, &key_id, &owner));
    dropped.await.map(|_| ()).map_err(|error: StoreError| error.into())
}
