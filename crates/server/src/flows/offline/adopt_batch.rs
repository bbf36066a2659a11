//! Takes a batch of keys made offline into the pool.

use boundary::message::Adopt;
use domain::key::KeyEnvironment;
use domain::time::Timestamp;
use store::StoreError;

use crate::app::App;
use crate::flows::Error;
use crate::work::pool_key;

/// Says how many keys were new: the same batch taken again adds nothing, whatever became of its keys.
pub async fn adopt_batch(app: &App, now: Timestamp, batch: Adopt) -> Result<usize, Error> {
    let adopted = app.enclave.adopt(batch).await?;
    let keys = adopted.keys.into_iter().map(|key| pool_key(key, KeyEnvironment::Cold, now));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let written = app.db.write("adopt_batch", move |tx| {
        let mut count = 0;
        for key in &keys {
            count += usize::from(store::pool::adopt(tx, key)?);
        }
        Ok(count)
    });
    written.await.map_err(|error: StoreError| error.into())
}
