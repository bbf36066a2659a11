//! A browser, as far as the pages of Control need one: it keeps a cookie, sends what a form holds, goes where it is
//! led, and has a passkey of software. Every request and answer is shown, without what only its person may know.

use std::time::Duration;

use client::Exchange;
use client::api::sandbox::Person;
use client::passkey::Passkey;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde_json::Value;

use super::html::{self, Answer};
use crate::failure::{Doing as _, Failure};

/// What is not shown of a form, and what stands there.
const HIDDEN: [(&str, &str); 3] =
    [("csrf", "(hidden)"), ("password", "(hidden)"), ("credential", "(signed by the passkey)")];

/// How long it waits when it is told that it calls too often, and how many times.
const TOO_OFTEN_PAUSE: Duration = Duration::from_secs(1);
const TRIES_MAX: usize = 10;

/// Is shown every exchange.
pub type Watch<'a> = Box<dyn Fn(&Exchange<'_>) + 'a>;

/// Where a service is.
#[derive(Clone, Copy)]
pub struct Addresses<'a> {
    /// The API.
    pub base_url: &'a str,
    /// The pages; by name, since passkeys need one.
    pub control_url: &'a str,
}

/// Somebody's browser.
pub struct Browser<'a> {
    watch: Watch<'a>,
    http: reqwest::Client,
    base: &'a str,
    person: &'a Person,
    passkey: Passkey,
    /// `name=value`; empty: none.
    cookie: String,
    /// What the forms of the last page bring back; empty: nothing.
    csrf: String,
}

impl<'a> Browser<'a> {
    /// Of a person who is not signed in.
    pub fn of(watch: Watch<'a>, service: Addresses<'a>, person: &'a Person) -> Result<Self, Failure> {
        let doing = || format!("no browser for {}", person.email);
        let mut http = reqwest::Client::builder().no_proxy().redirect(Policy::none());
        // The name that passkeys are bound to, wherever this sandbox listens.
        let address = service.base_url.strip_prefix("http://").and_then(|address| address.parse().ok());
        if let Some(address) = address {
            http = http.resolve("localhost", address);
        }
        Ok(Self {
            watch,
            http: http.build().doing(doing)?,
            base: service.control_url,
            person,
            passkey: Passkey::given(&person.passkey, service.control_url).doing(doing)?,
            cookie: String::new(),
            csrf: String::new(),
        })
    }

    /// Whose it is.
    pub fn email(&self) -> &str {
        &self.person.email
    }

    /// Signs in by password and passkey.
    pub async fn sign_in(&mut self) -> Result<(), Failure> {
        self.open("/control/sign-in").await?;
        let fields = [("email", self.person.email.as_str()), ("password", self.person.password.as_str())];
        let page = self.submit("/control/sign-in", &fields).await?;
        let page = self.follow(&page).await?;
        let credential = self.sign(&page.options()?)?;
        let page = self.submit("/control/second-factor", &[("credential", &credential)]).await?;
        self.follow(&page).await.map(drop)
    }

    /// A page, which must be there.
    pub async fn open(&mut self, path: &str) -> Result<Answer, Failure> {
        let answer = self.try_open(path).await?;
        answer.must_be(200, path)
    }

    /// A page or a refusal.
    pub async fn try_open(&mut self, path: &str) -> Result<Answer, Failure> {
        self.send(&Method::GET, path, &[]).await
    }

    /// Sends the form that the last page has; what it answers must be no refusal.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, Failure> {
        let answer = self.try_submit(path, fields).await?;
        if answer.status < 400 { Ok(answer) } else { answer.must_be(200, path) }
    }

    /// Sends the form that the last page has; it may be refused.
    pub async fn try_submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, Failure> {
        let csrf = self.csrf.clone();
        let ours = Some(("csrf", csrf.as_str())).filter(|_| !csrf.is_empty());
        let fields: Vec<(&str, &str)> = ours.into_iter().chain(fields.iter().copied()).collect();
        self.send(&Method::POST, path, &fields).await
    }

    /// Where an answer leads.
    pub async fn follow(&mut self, answer: &Answer) -> Result<Answer, Failure> {
        let path = answer.location()?.to_owned();
        self.open(&path).await
    }

    /// Signs what a page asks for, and sends it with the document that is signed.
    pub async fn sign_page(&mut self, page: &Answer, action: &str) -> Result<Answer, Failure> {
        let (document, credential) = (page.hidden("document")?, self.sign(&page.options()?)?);
        self.submit(action, &[("document", &document), ("credential", &credential)]).await
    }

    /// What the passkey answers to the options of a page.
    pub fn sign(&self, options: &Value) -> Result<String, Failure> {
        let answer = self.passkey.get(options).doing(|| "the passkey did not sign")?;
        Ok(answer.to_string())
    }

    /// Sends it, and again while the service says that this comes too often: then nothing was done.
    async fn send(
        &mut self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        for _ in 0..TRIES_MAX {
            let answer = self.send_once(method, path, fields).await?;
            if answer.status != 429 {
                return Ok(answer);
            }
            tokio::time::sleep(TOO_OFTEN_PAUSE).await;
        }
        self.send_once(method, path, fields).await
    }

    async fn send_once(
        &mut self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let doing = || format!("{method} {} was not answered", html::without_token(path));
        let mut url = Url::parse(self.base).and_then(|base| base.join(path)).doing(doing)?;
        let mut request = self.http.request(method.clone(), url.clone());
        let mut headers = Vec::new();
        if let Some((name, _)) = self.cookie.split_once('=') {
            request = request.header(COOKIE, &self.cookie);
            headers.push(("cookie", format!("{name}=(hidden)")));
        }
        if *method == Method::POST {
            url.query_pairs_mut().clear().extend_pairs(fields);
            request = request.header("sec-fetch-site", "same-origin");
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            request = request.body(url.query().unwrap_or_default().to_owned());
        }
        let response = request.send().await.map_err(reqwest::Error::without_url).doing(doing)?;
        for line in response.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            self.cookie = if pair.ends_with('=') { String::new() } else { pair.to_owned() };
        }
        let text = |name| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (status, kind, location) = (response.status().as_u16(), text(CONTENT_TYPE), text(LOCATION));
        let body = response.bytes().await.map_err(reqwest::Error::without_url).doing(doing)?;
        let answer = Answer { status, kind, location, body: body.to_vec() };
        if answer.is_page() {
            self.csrf = answer.hidden("csrf").unwrap_or_default();
        }
        (self.watch)(&Exchange {
            method: method.as_str(),
            path: &html::without_token(path),
            headers: &headers,
            request_body: &shown(fields),
            status,
            response_body: &answer.outline(),
        });
        Ok(answer)
    }
}

/// A form's fields as they are shown; nothing for none.
fn shown(fields: &[(&str, &str)]) -> String {
    let masked = |(name, value): &(&str, &str)| {
        let hidden = HIDDEN.iter().find(|(hidden, _)| hidden == name);
        html::member(name, hidden.map_or(*value, |(_, stands)| stands))
    };
    let members: Vec<String> = fields.iter().map(masked).collect();
    if members.is_empty() { String::new() } else { format!("{{{}}}", members.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_person_may_know_is_not_shown() {
        let fields = [("csrf", "c1"), ("email", "a@b"), ("password", "p1"), ("credential", "{\"id\":1}")];
        let text = shown(&fields);
        assert_eq!(
            text,
            r#"{"csrf":"(hidden)","email":"a@b","password":"(hidden)","credential":"(signed by the passkey)"}"#
        );
        assert_eq!(shown(&[]), "");
    }
}
