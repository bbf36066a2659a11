//! Somebody at Control, by the forms that his browser would send, with the passkey of a sandbox's credentials file.

use client::api::sandbox::Person as Kit;
use client::passkey::Passkey;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;

/// Somebody.
pub struct Person {
    http: Client,
    base: String,
    passkey: Passkey,
    cookie: String,
    csrf: String,
}

impl Person {
    /// Signed in, at the server of that address, which Control knows by that origin.
    pub async fn sign_in(base: &str, origin: &str, kit: &Kit) -> Self {
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        let passkey = Passkey::given(&kit.passkey, origin).expect("a passkey");
        let mut person =
            Self { http, base: base.to_owned(), passkey, cookie: String::new(), csrf: String::new() };
        let fields = [("email", kit.email.as_str()), ("password", kit.password.as_str())];
        let next = person.send("/control/sign-in", &fields).await;
        let page = person.open(&next).await;
        let options: Value = serde_json::from_str(&attribute(&page, "data-options=\"")).expect("options");
        let answer = person.passkey.get(&options).expect("an assertion").to_string();
        let next = person.send("/control/second-factor", &[("credential", &answer)]).await;
        person.open(&next).await;
        person
    }

    /// A page, whose forms' token is kept.
    pub async fn open(&mut self, path: &str) -> String {
        let call = self.http.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let page = call.send().await.expect("an answer").text().await.expect("text");
        if page.contains("name=\"csrf\"") {
            self.csrf = attribute(&page, "name=\"csrf\" value=\"");
        }
        page
    }

    /// A form, which leads on: where to.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let call = self.http.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let call = call.header("sec-fetch-site", "same-origin");
        let call = call.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
        let answer = call.send().await;
        let answer = answer.expect("an answer");
        self.keep(&answer);
        let status = answer.status();
        let next = answer.headers().get("location").map(|next| next.to_str().expect("text").to_owned());
        let text = answer.text().await.expect("text");
        assert_eq!(status, 303, "{path}: {text}");
        next.expect("a way on")
    }

    fn keep(&mut self, answer: &Response) {
        for line in answer.headers().get_all("set-cookie") {
            line.to_str().expect("text").split(';').next().expect("a pair").clone_into(&mut self.cookie);
        }
    }
}

fn digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).expect("less than 16")
}

fn escaped(value: &str) -> String {
    value.bytes().flat_map(|byte| ['%', digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The text of an attribute, from its name and quote on.
pub fn attribute(page: &str, begins: &str) -> String {
    let from = page.find(begins).unwrap_or_else(|| unreachable!("no {begins}: {page}")) + begins.len();
    let text = &page[from..from + page[from..].find('"').expect("its end")];
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
