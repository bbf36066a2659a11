//! Keys may be out of stock for a moment.

use std::time::Duration;

use client::Error;

/// How long a dry pool is waited for.
const STOCK_TRIES: u32 = 600;
const STOCK_PAUSE: Duration = Duration::from_millis(100);

/// Makes a call that takes a key from the pool, and waits when the pool is dry.
pub async fn in_stock<T, F>(call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 0..STOCK_TRIES {
        match call().await {
            Err(error) if error.code() == "pool-empty" => tokio::time::sleep(STOCK_PAUSE).await,
            answer => return answer,
        }
    }
    call().await
}
