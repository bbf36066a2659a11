//! Looks after the shares of sealed private keys now and then.

use std::sync::{Mutex, PoisonError};

use domain::limits::SHARES_LOOK_EVERY;
use domain::time::Timestamp;

use crate::app::App;
use crate::flows::{self, Error};

/// When all shares were last looked at.
#[derive(Default)]
pub struct Look(Mutex<Option<Timestamp>>);

impl Look {
    /// Looks if it is time.
    pub async fn round(&self, app: &App, now: Timestamp) -> Result<(), Error> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now < last + SHARES_LOOK_EVERY) {
            return Ok(());
        }
        flows::key_shares::look_after_key_shares(app, now).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }
}
