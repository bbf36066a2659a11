//! Sweeps the files now and then.

use std::sync::Mutex;

use domain::limits::ORPHAN_SWEEP_EVERY;
use domain::time::Timestamp;

use crate::app::App;
use crate::flows::{self, Error};

/// When the files were last swept to the end.
#[derive(Default)]
pub struct Sweep(Mutex<Option<Timestamp>>);

impl Sweep {
    /// Sweeps if it is time.
    pub async fn round(&self, app: &App, now: Timestamp) -> Result<(), Error> {
        let last = *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_some_and(|last| now < last + ORPHAN_SWEEP_EVERY) {
            return Ok(());
        }
        flows::sweep_files(app, now).await?;
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(now);
        Ok(())
    }
}
