//! What the service tells its operator about itself: numbers at an address of their own, and traces.

use std::net::SocketAddr;

use serde::Deserialize;

use super::SettingsError;

/// The form of `[metrics]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenMetrics {
    listen: String,
}

impl WrittenMetrics {
    /// Where `/metrics` listens; none: nowhere.
    pub fn check(&self, api: SocketAddr) -> Result<Option<SocketAddr>, SettingsError> {
        const SETTING: &str = "metrics.listen";
        if self.listen.is_empty() {
            return Ok(None);
        }
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            SettingsError::new(SETTING, "must be an address and a port, or empty: no metrics")
        })?;
        if listen == api && listen.port() != 0 {
            return Err(SettingsError::new(SETTING, "must be another address than `listen`"));
        }
        Ok(Some(listen))
    }
}
