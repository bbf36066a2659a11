//! Somebody with a browser, as far as forms go: he keeps a cookie, sends what a form holds, follows where he is led,
//! and has a software passkey.

use api::sandbox::Person as Kit;
use client::passkey::Passkey;
use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::Value;
use totp_rs::{Builder, Secret};

use crate::call::{Answer, Call};

/// Somebody.
pub struct Person {
    http: reqwest::Client,
    base: String,
    origin: String,
    /// The cookie of his session, `name=value`; empty: none.
    pub cookie: String,
    /// What each of his forms brings back.
    pub csrf: String,
    /// His address.
    pub email: String,
    /// His password.
    pub password: String,
    /// Base32 secret of his app.
    pub totp_secret: String,
    /// His passkey.
    pub passkey: Option<Passkey>,
}

impl Person {
    pub(crate) fn stranger(base: &str, origin: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        Self {
            http,
            base: base.to_owned(),
            origin: origin.to_owned(),
            cookie: String::new(),
            csrf: String::new(),
            email: String::new(),
            password: String::new(),
            totp_secret: String::new(),
            passkey: None,
        }
    }

    pub(crate) fn new(base: &str, origin: &str, kit: &Kit) -> Self {
        Self {
            email: kit.email.clone(),
            password: kit.password.clone(),
            totp_secret: kit.totp_secret.clone(),
            passkey: Some(Passkey::given(&kit.passkey, origin).expect("a passkey")),
            ..Self::stranger(base, origin)
        }
    }

    /// A call with his cookie, and nothing else that a browser adds.
    pub fn call(&self, method: &Method, path: &str) -> Call {
        let call = Call::new(&self.http, method, &self.base, path);
        if self.cookie.is_empty() { call } else { call.header("cookie", &self.cookie) }
    }

    /// A page.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(&Method::GET, path).send().await
    }

    /// A form, with what shows that it is ours; what it answers in cookies is kept.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let answer = self.post_with(path, &csrf, fields).await;
        self.keep(&answer);
        answer
    }

    /// The same with another token, and without keeping anything.
    pub async fn post_with(&self, path: &str, csrf: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", csrf).extend_pairs(fields);
        let call = self.call(&Method::POST, path).header("sec-fetch-site", "same-origin");
        call.raw("application/x-www-form-urlencoded", form.finish()).send().await
    }

    /// Where an answer leads; the token of the forms there is kept.
    pub async fn follow(&mut self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, 303, "{}", answer.text());
        self.open(answer.header("location")).await
    }

    /// A page, whose forms' token is kept.
    pub async fn open(&mut self, path: &str) -> Answer {
        let page = self.get(path).await;
        if let Some(csrf) = csrf_of(&page.text()) {
            self.csrf = csrf;
        }
        page
    }

    /// Signs in by password and passkey.
    pub async fn sign_in(&mut self) {
        let page = self.give_password().await;
        let answer = self.passkey().get(&options_of(&page.text())).expect("an assertion").to_string();
        let done = self.post("/control/second-factor", &[("credential", &answer)]).await;
        let page = self.follow(&done).await;
        assert_eq!(page.status, 200, "{}", page.text());
    }

    /// Gives the password, which is right: the page that asks for the second factor.
    pub async fn give_password(&mut self) -> Answer {
        let (email, password) = (self.email.clone(), self.password.clone());
        let answer = self.post("/control/sign-in", &[("email", &email), ("password", &password)]).await;
        self.follow(&answer).await
    }

    /// Proves anew who he is, by his passkey.
    pub async fn prove(&mut self) {
        let page = self.open("/control/prove").await;
        let answer = self.passkey().get(&options_of(&page.text())).expect("an assertion").to_string();
        assert_eq!(self.post("/control/prove", &[("credential", &answer)]).await.status, 303);
    }

    /// Takes up an invitation by its link, with a new password and a new passkey: the page that he then sees.
    pub async fn join(&mut self, link: &str, password: &str) -> Answer {
        let page = self.accept(link, password).await;
        let (_, token) = link.split_once("?token=").expect("a link");
        let made = self.make_passkey(&page.text(), &token.as_bytes()[..32]);
        let joined = self.post("/control/onboarding", &[("credential", &made), ("label", "key")]).await;
        self.open("/control").await;
        joined
    }

    /// Takes up an invitation with a new password: the page that asks for a factor.
    pub async fn accept(&mut self, link: &str, password: &str) -> Answer {
        let (_, token) = link.split_once("?token=").expect("a link");
        let fields = [("token", token), ("new_password", password), ("repeated_password", password)];
        let answer = self.post("/control/invitation", &fields).await;
        password.clone_into(&mut self.password);
        self.follow(&answer).await
    }

    /// His passkey.
    pub fn passkey(&self) -> &Passkey {
        self.passkey.as_ref().expect("a passkey")
    }

    /// Makes a new passkey, as a page asks for it: what the browser sends. It is his from now on.
    pub fn make_passkey(&mut self, page: &str, credential_id: &[u8]) -> String {
        let made = Passkey::create(&options_of(page), credential_id, &self.origin);
        let (passkey, answer) = made.expect("a passkey");
        self.passkey = Some(passkey);
        answer.to_string()
    }

    /// The code that his app shows at an instant, milliseconds since 1970.
    pub fn code(&self, now_ms: i64) -> String {
        code_of(&self.totp_secret, now_ms)
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().expect("text").split(';').next().expect("a pair");
            self.cookie = if pair.ends_with('=') { String::new() } else { pair.to_owned() };
        }
    }
}

/// The code of a base32 secret at an instant.
pub fn code_of(secret: &str, now_ms: i64) -> String {
    let bytes: [u8; 20] = decode_base32(secret).try_into().expect("20 bytes");
    let totp = Builder::new().with_secret(Secret::new_stack(bytes)).build().expect("a secret");
    totp.generate(u64::try_from(now_ms / 1_000).expect("after 1970")).to_string()
}

fn decode_base32(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        _ => byte - b'2' + 26,
    });
    let bits: Vec<u8> = digits.flat_map(|digit| (0..5).rev().map(move |bit| digit >> bit & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
}

/// What the forms of a page bring back.
pub fn csrf_of(page: &str) -> Option<String> {
    attribute(page, "name=\"csrf\" value=\"")
}

/// What a page asks the browser's passkey for.
pub fn options_of(page: &str) -> Value {
    let options =
        attribute(page, "data-options=\"").unwrap_or_else(|| unreachable!("no passkey form: {page}"));
    serde_json::from_str(&options).expect("options")
}

/// The link of an invitation that a page shows.
pub fn link_of(page: &str) -> String {
    let from = page.find("/control/invitation?token=").unwrap_or_else(|| unreachable!("no link: {page}"));
    page[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/?=-_".contains(*c)).collect()
}

/// The text of an attribute, from its name and quote on.
fn attribute(page: &str, begins: &str) -> Option<String> {
    let from = page.find(begins)? + begins.len();
    let text = &page[from..from + page[from..].find('"')?];
    Some(text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}
