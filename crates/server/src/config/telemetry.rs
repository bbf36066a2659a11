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

/// Whither traces are sent, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct TracingSettings {
    /// The whole URL that spans are posted to.
    pub endpoint: String,
    /// What the service is called in its traces.
    pub service_name: String,
    /// Of how many calls, from 0 to 1.
    pub sampling_ratio: f64,
}

/// The form of `[tracing]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTracing {
    otlp_endpoint: String,
    service_name: String,
    sampling_ratio: f64,
}

impl TracingSettings {
    /// All calls, under the usual name, to the collector with this base address; says why not.
    pub fn to(endpoint: &str) -> Result<Self, &'static str> {
        const FAULT: &str = "must be the address of a collector, such as http://127.0.0.1:4318";
        let base = reqwest::Url::parse(endpoint).map_err(|_| FAULT)?;
        if !["http", "https"].contains(&base.scheme()) || base.query().is_some() || base.fragment().is_some()
        {
            return Err(FAULT);
        }
        let endpoint = format!("{}/v1/traces", base.as_str().trim_end_matches('/'));
        Ok(Self { endpoint, service_name: "holdfast".to_owned(), sampling_ratio: 1.0 })
    }
}

impl WrittenTracing {
    /// Whither traces are sent; none: nowhere.
    pub fn check(self) -> Result<Option<TracingSettings>, SettingsError> {
        if !(0.0..=1.0).contains(&self.sampling_ratio) {
            return Err(SettingsError::new("tracing.sampling_ratio", "must be from 0.0 to 1.0"));
        }
        if self.service_name.is_empty() {
            return Err(SettingsError::new("tracing.service_name", "must not be empty"));
        }
        if self.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let to = TracingSettings::to(&self.otlp_endpoint);
        let to = to.map_err(|fault| SettingsError::new("tracing.otlp_endpoint", fault))?;
        let (service_name, sampling_ratio) = (self.service_name, self.sampling_ratio);
        Ok(Some(TracingSettings { service_name, sampling_ratio, ..to }))
    }
}
