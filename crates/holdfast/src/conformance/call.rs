//! A call, and the patience with which it is made.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

use super::answer::Answer;
use super::exchange::{Exchange, is_telling, masked, shown};
use super::verdict::{Stop, failed};
use super::world::World;

/// How long a call waits for its turn, in all, where the server says "later".
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it waits where it is not told.
const STEP: Duration = Duration::from_secs(1);
/// The refusals after which the same call may be made again, since nothing was done.
const LATER: [&str; 3] = ["rate-limit", "authentication-limit", "pool-empty"];

/// Somebody who calls: a credential, or none.
#[derive(Clone)]
pub struct Caller<'w> {
    pub(super) world: &'w World,
    pub(super) credential: String,
}

impl<'w> Caller<'w> {
    /// A call.
    pub fn call(&self, method: Method, path: &str) -> Call<'w> {
        let call = Call {
            world: self.world,
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            later: LATER.to_vec(),
        };
        if self.credential.is_empty() { call } else { call.header("x-api-key", &self.credential) }
    }

    /// A read.
    pub fn get(&self, path: &str) -> Call<'w> {
        self.call(Method::GET, path)
    }

    /// An act with a JSON body; null is none.
    pub fn post(&self, path: &str, body: &Value) -> Call<'w> {
        self.call(Method::POST, path).json(body)
    }

    /// A removal.
    pub fn delete(&self, path: &str) -> Call<'w> {
        self.call(Method::DELETE, path)
    }
}

/// A call before it is made.
#[derive(Clone)]
pub struct Call<'w> {
    world: &'w World,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    later: Vec<&'static str>,
}

impl Call<'_> {
    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a name under which it may be repeated.
    pub fn named(self, name: &str) -> Self {
        self.header("idempotency-key", name)
    }

    /// With a JSON body; null is none.
    pub fn json(self, body: &Value) -> Self {
        if body.is_null() { self } else { self.raw("application/json", body.to_string()) }
    }

    /// With any body; an empty content type is none.
    pub fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        if content_type.is_empty() { self } else { self.header(CONTENT_TYPE.as_str(), content_type) }
    }

    /// Takes this refusal for an answer, instead of calling again later.
    pub fn not_waiting_for(mut self, code: &str) -> Self {
        self.later.retain(|known| *known != code);
        self
    }

    /// Makes the call; the status must be this.
    pub fn expect(self, status: u16) -> Result<Answer, Stop> {
        let answer = self.send()?;
        answer.status_is(status)?;
        Ok(answer)
    }

    /// Makes the call; it must be refused with this status and code.
    pub fn refused(self, status: u16, code: &str) -> Result<Answer, Stop> {
        let answer = self.send()?;
        answer.refused(status, code)?;
        Ok(answer)
    }

    /// Makes the call; it must be refused for these fields.
    pub fn faults(self, fields: &[&str]) -> Result<Answer, Stop> {
        let answer = self.send()?;
        answer.faults(fields)?;
        Ok(answer)
    }

    /// Makes the call, and again while the server says "later".
    pub fn send(self) -> Result<Answer, Stop> {
        let mut waited = Duration::ZERO;
        loop {
            let answer = self.world.wait_for(self.exchange())?;
            let is_later = self.later.iter().any(|code| answer.json["code"] == *code);
            if !is_later || waited >= PATIENCE {
                return Ok(answer);
            }
            let told = answer.header("retry-after").parse().map_or(STEP, Duration::from_secs);
            let pause = told.clamp(STEP, PATIENCE);
            sleep(pause);
            waited += pause;
        }
    }

    async fn exchange(&self) -> Result<Answer, Stop> {
        let broken =
            |error: &dyn std::fmt::Display| failed(format!("{} {}: {error}", self.method, self.path));
        let url = format!("{}{}", self.world.base_url(), self.path);
        let mut request = self.world.http().request(self.method.clone(), url);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| broken(&error))?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| broken(&error))?;
            request = request.header(name, value);
        }
        let sent = request.body(self.body.clone()).send().await;
        let response = sent.map_err(|error| broken(&super::why(&error.without_url())))?;
        let status = response.status().as_u16();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let body =
            response.bytes().await.map_err(|error| broken(&super::why(&error.without_url())))?.to_vec();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        let exchange = Arc::new(self.told(status, &headers, &body));
        self.world.remember(&exchange);
        Ok(Answer { status, headers, body, json, exchange })
    }

    /// The call and its answer, as they are shown.
    fn told(&self, status: u16, headers: &[(String, String)], body: &[u8]) -> Exchange {
        let secrets = self.world.secrets();
        let hide = |(name, value): &(String, String)| (name.clone(), masked(value, &secrets));
        Exchange {
            method: self.method.to_string(),
            path: masked(&self.path, &secrets),
            headers: self.headers.iter().map(hide).collect(),
            body: shown(&self.body, &secrets),
            status,
            answer_headers: headers.iter().filter(|(name, _)| is_telling(name)).map(hide).collect(),
            answer_body: shown(body, &secrets),
        }
    }
}
