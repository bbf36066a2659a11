//! Persona, by its published API: an inquiry is opened here, and what became of it comes by signed webhook.
//!
//! This process knows the API key, which opens inquiries. It never knows the webhook's secret, which proves how
//! they ended: that is the enclave's.

use std::error::Error as StdError;
use std::time::Duration;

use boundary::Env;
use boundary::json::{self, Value, canonical};
use domain::ids::VerificationId;
use domain::limits::{PROVIDER_ANSWER_BYTES_MAX, PROVIDER_DEADLINE, PROVIDER_RETRY_AFTER_S, PROVIDER_TRIES};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::NotCreated;
use crate::config::PersonaSettings;

/// The provider's name, in its inquiries and in the enclave's configuration.
pub const NAME: &str = "persona";

/// The header that holds the signatures of an event.
pub const SIGNATURE: &str = "persona-signature";

const VERSION: HeaderName = HeaderName::from_static("persona-version");
const INFLECTION: HeaderName = HeaderName::from_static("key-inflection");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Beginnings of API keys that name an environment.
const PREFIXES: [(&str, Env); 2] =
    [("persona_sandbox_", Env::Sandbox), ("persona_production_", Env::Production)];

/// The way to Persona.
pub struct Persona {
    http: Client,
    inquiries: Url,
    hosted: Url,
    template: String,
    deadline: Duration,
}

impl Persona {
    /// Speaks as these settings say. Refuses an API key that cannot be one, or that names the other environment.
    pub fn new(
        settings: &PersonaSettings,
        api_key: &str,
        env: Env,
    ) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let api_key = api_key.trim();
        if PREFIXES.iter().any(|(prefix, its)| api_key.starts_with(prefix) && *its != env) {
            return Err("the API key belongs to Persona's other environment".into());
        }
        if api_key.is_empty() || !api_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the API key must be one word".into());
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {api_key}"))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (VERSION, HeaderValue::from_str(&settings.version)?),
            (INFLECTION, HeaderValue::from_static("kebab")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ]);
        let http = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("Holdfast/", env!("CARGO_PKG_VERSION")))
            // The key goes where the settings say, and nowhere that an answer or the environment names.
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let base = settings.base_url.as_str().trim_end_matches('/');
        let inquiries = Url::parse(&format!("{base}/api/v1/inquiries"))?;
        let hosted = settings.hosted_url.as_str().trim_end_matches('/');
        let hosted = Url::parse(&format!("{hosted}/verify"))?;
        let template = settings.template.clone();
        Ok(Self { http, inquiries, hosted, template, deadline: PROVIDER_DEADLINE })
    }

    /// Opens an inquiry under the enclave's session. Asked again under the same name when no answer comes back, so
    /// that it is opened once; an answer that is not the inquiry is final, since Persona gives it again.
    pub async fn create_inquiry(&self, session_id: &str) -> Result<VerificationId, NotCreated> {
        let attributes = Value::object([
            ("inquiry-template-id", Value::text(self.template.as_str())),
            ("reference-id", Value::text(session_id)),
        ]);
        let document = Value::object([("data", Value::object([("attributes", attributes)]))]);
        // Texts always have a JSON form.
        let body = canonical(&document).unwrap_or_default();
        let ask = async {
            let mut tries = 1;
            loop {
                match self.post(self.inquiries.clone(), Some(session_id), &body).await {
                    Err(error) if tries < PROVIDER_TRIES => {
                        tracing::debug!(%error, "Persona did not answer; asked again");
                        tries += 1;
                    }
                    Err(error) => return Err(NotCreated::new(chain(&error))),
                    Ok((status, headers, answer)) => return read(status, &headers, &answer, session_id),
                }
            }
        };
        let in_time = tokio::time::timeout(self.deadline, ask).await;
        in_time.unwrap_or_else(|_| Err(NotCreated::new("no answer in time")))
    }

    /// The page of an inquiry in the hosted flow. What its person has begun holds what he showed: it opens with the
    /// token of a session only, which is asked for here (API reference, "Resume an Inquiry").
    pub async fn page(
        &self,
        inquiry: &VerificationId,
        is_begun: bool,
        back_to: &str,
    ) -> Result<Url, NotCreated> {
        let token = if is_begun { Some(self.resume(inquiry).await?) } else { None };
        let mut page = self.hosted.clone();
        page.query_pairs_mut()
            .append_pair("inquiry-id", inquiry.as_str())
            .append_pair("redirect-uri", back_to)
            .extend_pairs(token.map(|token| ("session-token", token)));
        Ok(page)
    }

    async fn resume(&self, inquiry: &VerificationId) -> Result<String, NotCreated> {
        let mut address = self.inquiries.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.extend([inquiry.as_str(), "resume"]);
        }
        let asked = tokio::time::timeout(self.deadline, self.post(address, None, "{}")).await;
        let asked = asked.map_err(|_| NotCreated::new("no answer in time"))?;
        let (status, headers, answer) = asked.map_err(|error| NotCreated::new(chain(&error)))?;
        judge(status, &headers)?;
        session_token(&answer).ok_or_else(|| NotCreated::new("Persona answered without a session's token"))
    }

    async fn post(
        &self,
        address: Url,
        name: Option<&str>,
        body: &str,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), reqwest::Error> {
        let mut request = self.http.post(address);
        if let Some(name) = name {
            request = request.header(IDEMPOTENCY_KEY, name);
        }
        let mut response: Response = request.body(body.to_owned()).send().await?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
            if answer.len() > PROVIDER_ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok((response.status(), response.headers().clone(), answer))
    }
}

/// The inquiry of an answer, if it is about this session.
fn read(
    status: StatusCode,
    headers: &HeaderMap,
    answer: &[u8],
    session_id: &str,
) -> Result<VerificationId, NotCreated> {
    judge(status, headers)?;
    inquiry(answer, session_id)
        .ok_or_else(|| NotCreated::new("Persona answered something else than an inquiry"))
}

/// Goes on only if Persona did what it was asked.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), NotCreated> {
    if matches!(status, StatusCode::OK | StatusCode::CREATED) {
        return Ok(());
    }
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        tracing::error!(status = status.as_u16(), "Persona refuses what it is asked for: see its settings");
    }
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let (least, most) = PROVIDER_RETRY_AFTER_S.into_inner();
    let retry_after_s = asked.unwrap_or(least).clamp(least, most);
    Err(NotCreated { cause: format!("Persona answered {status}"), retry_after_s })
}

fn session_token(answer: &[u8]) -> Option<String> {
    let document = json::parse(str::from_utf8(answer).ok()?).ok()?;
    let token = document.at(&["meta", "session-token"])?.as_text()?;
    (!token.is_empty()).then(|| token.to_owned())
}

fn inquiry(answer: &[u8], session_id: &str) -> Option<VerificationId> {
    let document = json::parse(str::from_utf8(answer).ok()?).ok()?;
    let data = document.get("data")?;
    let is_inquiry = data.get("type")?.as_text()? == "inquiry";
    // An account may be set to leave attributes out.
    let reference = data.at(&["attributes", "reference-id"]).and_then(Value::as_text);
    let is_ours = reference.is_none_or(|reference| reference == session_id);
    if is_inquiry && is_ours { data.get("id")?.as_text()?.parse().ok() } else { None }
}

/// An error with its causes. None of them holds a header.
fn chain(error: &reqwest::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        parts.push(cause.to_string());
        next = cause.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn an_answer_is_an_inquiry_of_this_session_or_nothing() {
        let read = |text: &str| inquiry(text.as_bytes(), "00ff").map(|id| id.to_string());
        let answer = |kind: &str, id: &str, more: &str| {
            read(&format!(r#"{{"data": {{"type": "{kind}", "id": "{id}", "attributes": {{{more}}}}}}}"#))
        };
        assert_eq!(answer("inquiry", "inq_1", r#""reference-id": "00ff", "x": 1.5"#).unwrap(), "inq_1");
        assert_eq!(answer("inquiry", "inq_1", "").unwrap(), "inq_1");
        assert_eq!(answer("inquiry", "inq_1", r#""reference-id": "ff00""#), None);
        assert_eq!(answer("account", "act_1", ""), None);
        assert_eq!(answer("inquiry", "inq 1", ""), None);
        assert_eq!(answer("inquiry", "", ""), None);
        for text in ["", "{}", "[]", r#"{"data": null}"#, r#"{"data": {"type": "inquiry"}}"#, "<html>"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn patience_is_bounded() {
        let wait = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            read(StatusCode::TOO_MANY_REQUESTS, &headers, b"", "").unwrap_err().retry_after_s
        };
        assert_eq!(["0", "7", "86400", "soon", "-1"].map(wait), [2, 7, 120, 2, 2]);
    }

    #[test]
    fn an_api_key_is_of_this_environment() {
        let settings = PersonaSettings {
            base_url: Url::parse("https://persona.example/").unwrap(),
            hosted_url: Url::parse("https://hosted.example/").unwrap(),
            api_key_file: PathBuf::new(),
            template: "itmpl_1".to_owned(),
            version: "2023-01-05".to_owned(),
        };
        let of = |key: &str, env| Persona::new(&settings, key, env).is_ok();
        assert!(of("persona_production_abc\n", Env::Production) && of("persona_sandbox_abc", Env::Sandbox));
        assert!(of("key-of-another-form", Env::Production));
        assert!(!of("persona_sandbox_abc", Env::Production) && !of("persona_production_abc", Env::Sandbox));
        assert!(!of("", Env::Production) && !of("two words", Env::Production) && !of("kéy", Env::Production));
        let persona = Persona::new(&settings, "key", Env::Production).unwrap();
        assert_eq!(persona.inquiries.as_str(), "https://persona.example/api/v1/inquiries");
    }
}
