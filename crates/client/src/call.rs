//! One HTTP exchange.

use std::time::Duration;

use api::error::ErrorBody;
use bytes::Bytes;
use reqwest::header::{self, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::{Error, SetupFault};
use crate::observe::Exchange;
use crate::retry::Repeatable;
use crate::upload::Upload;

/// No answer of this API is larger.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a slow uplink carries in a millisecond; a large body is given so much longer.
const UPLOAD_BYTES_PER_MS: u64 = 50;

/// A call, before it is made.
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: String,
    file: Option<(HeaderValue, Bytes)>,
    /// Whether the service reads an `Idempotency-Key` and does the act once however often the call comes.
    is_named: bool,
    repeatable: Repeatable,
    /// How long it may take, where that is not the client's usual time.
    usual: Option<Duration>,
}

impl Call {
    /// A read; may be repeated.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: String::new(),
            file: None,
            is_named: false,
            repeatable: Repeatable::Yes,
            usual: None,
        }
    }

    /// An act, with a JSON body. Under an idempotency key a repeat does nothing twice.
    pub(crate) fn post(path: impl Into<String>, body: &impl Serialize) -> Self {
        // The bodies of the API are structs of texts: they always have a JSON form.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self { body, ..Self::act(path) }
    }

    /// An act without a body.
    pub(crate) fn act(path: impl Into<String>) -> Self {
        Self { method: Method::POST, is_named: true, ..Self::get(path) }
    }

    /// The sending of a form that is no JSON.
    pub(crate) fn post_form(path: impl Into<String>, content_type: HeaderValue, form: Bytes) -> Self {
        Self { file: Some((content_type, form)), ..Self::act(path) }
    }

    /// A change to what is there already; the same change twice is the same.
    pub(crate) fn patch(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self { method: Method::PATCH, is_named: false, ..Self::post(path, body) }
    }

    /// Something put in the place of what may be there; the same once more is the same.
    pub(crate) fn put(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self { method: Method::PUT, ..Self::patch(path, body) }
    }

    /// A removal; made once, since a second one does not find what the first one removed.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, repeatable: Repeatable::No, ..Self::get(path) }
    }

    /// The same call, made once.
    pub(crate) fn once(self) -> Self {
        Self { repeatable: Repeatable::No, ..self.unnamed() }
    }

    /// The same call without an idempotency key, where a second one does no harm.
    pub(crate) fn unnamed(self) -> Self {
        Self { is_named: false, ..self }
    }

    /// The same call, which may take so long where its caller says nothing.
    pub(crate) fn within(self, usual: Duration) -> Self {
        Self { usual: Some(usual), ..self }
    }

    /// With a query parameter, where there is a value.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An id as one part of a path. Nothing but dots, or nothing at all, would be another path.
pub(crate) fn part(id: &str) -> Result<String, SetupFault> {
    if id.bytes().all(|byte| byte == b'.') {
        return Err(SetupFault::Id(id.to_owned()));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    Ok(id
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect())
}

impl Client {
    /// Makes the call, again where it may be, and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let (method, path) = (method_of(&call), call.path.clone());
        let text = self.call_for_text(call).await?;
        serde_json::from_str(&text).map_err(|error| other_shape(method, path, &error.to_string()))
    }

    /// Makes the call and gives its answer as text.
    pub(crate) async fn call_for_text(&self, call: Call) -> Result<String, Error> {
        let name = if call.is_named { self.options.name_of_act()? } else { None };
        // An act that could not be named would be done twice.
        let repeatable = if call.is_named && name.is_none() { Repeatable::No } else { call.repeatable };
        self.inner.budget.run(repeatable, || self.exchange(&call, name.as_ref())).await
    }

    /// Makes the call and drops its answer.
    pub(crate) async fn call_for_status(&self, call: Call) -> Result<(), Error> {
        self.call_for_text(call).await.map(drop)
    }

    fn request_of(&self, call: &Call, name: Option<&HeaderValue>, url: Url) -> Result<RequestBuilder, Error> {
        let mut timeout = self.inner.timeout.max(call.usual.unwrap_or_default());
        let mut request = self.inner.http.request(call.method.clone(), url);
        request = request.header(header::AUTHORIZATION, self.inner.credential.clone());
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        if let Some(request_id) = self.options.request_id()? {
            request = request.header("x-request-id", request_id);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some((content_type, form)) = &call.file {
            timeout += Duration::from_millis(form.len() as u64 / UPLOAD_BYTES_PER_MS);
            let body = Upload::new(form.clone(), self.inner.upload_observer.clone());
            request =
                request.header(header::CONTENT_TYPE, content_type.clone()).body(reqwest::Body::wrap(body));
        } else if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json").body(call.body.clone());
        }
        Ok(request.timeout(self.options.timeout.unwrap_or(timeout)))
    }

    async fn exchange(&self, call: &Call, name: Option<&HeaderValue>) -> Result<String, Error> {
        let url = self.url_of(call)?;
        let shown = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let broken = |source: reqwest::Error| Error::Transport {
            method: method_of(call),
            path: shown.clone(),
            source: source.without_url(),
        };
        let response = self.request_of(call, name, url)?.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let retry_after = retry_after_of(&response);
        let unreadable = |what: &str| Error::Unreadable {
            method: method_of(call),
            path: shown.clone(),
            status,
            what: what.to_owned(),
            retry_after,
        };
        if response.status().is_redirection() {
            return Err(unreadable("a redirect, which is never followed"));
        }
        let text = read_answer(response)
            .await
            .map_err(broken)?
            .ok_or_else(|| unreadable("a body that is too large or no text"))?;
        if let Some(observer) = &self.inner.observer {
            observer(&Exchange {
                method: call.method.as_str(),
                path: &shown,
                headers: &call.headers,
                request_body: &call.body,
                status,
                response_body: &text,
            });
        }
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let body = serde_json::from_str::<ErrorBody>(&text)
            .map_err(|_| unreadable("a body that is not this API's error"))?;
        Err(Error::Api { status, body: Box::new(body), retry_after })
    }

    fn url_of(&self, call: &Call) -> Result<Url, Error> {
        let base = &self.inner.base;
        let mut url = base.join(&call.path).map_err(|_| SetupFault::BaseUrl(base.to_string()))?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }
}

/// What the answer to a call that succeeded is, where it is not this API's.
pub(crate) fn other_shape(method: &'static str, path: String, why: &str) -> Error {
    let what = format!("a body of another shape ({why})");
    Error::Unreadable { method, path, status: 200, what, retry_after: None }
}

fn method_of(call: &Call) -> &'static str {
    match call.method {
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        _ => "GET",
    }
}

/// The wait that the answer asks for, in seconds; the other form of the header is not used by this API.
fn retry_after_of(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The body; nothing when it is larger than any answer of this API, or no text. Counted while reading.
async fn read_answer(mut response: Response) -> Result<Option<String>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(bytes).ok())
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
