//! One call and its answer, as they are shown: long values shortened, secrets masked.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A text longer than this is shortened.
const TEXT_CHARS_MAX: usize = 100;
/// How much of its beginning is left.
const TEXT_CHARS_SHOWN: usize = 48;
/// A body that is no JSON is shown up to here.
const BODY_CHARS_MAX: usize = 600;
/// Members that hold a secret, whatever it is.
const SECRET_MEMBERS: [&str; 6] = ["secret", "api_key", "token", "password", "csrf", "credential"];
/// Headers of an answer that say nothing about the contract.
const DULL_HEADERS: [&str; 4] = ["date", "server", "connection", "content-length"];

/// A call and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// What was sent beside the body, credentials masked.
    pub headers: Vec<(String, String)>,
    /// What was sent, as it is shown.
    pub body: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's headers.
    pub answer_headers: Vec<(String, String)>,
    /// The answer's body, as it is shown.
    pub answer_body: String,
}

impl Exchange {
    /// In one line.
    pub fn line(&self) -> String {
        format!("{} {} -> {}", self.method, self.path, self.status)
    }

    /// Set out for people, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut text = format!("> {} {}\n", self.method, self.path);
        set_out(&mut text, '>', &self.headers, &self.body);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "< {}", self.status);
        set_out(&mut text, '<', &self.answer_headers, &self.answer_body);
        text.lines().map(str::to_owned).collect()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let headers = |list: &[(String, String)]| {
            Value::Object(list.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect())
        };
        json!({
            "request": {
                "method": self.method, "path": self.path, "headers": headers(&self.headers), "body": self.body
            },
            "answer": {
                "status": self.status, "headers": headers(&self.answer_headers), "body": self.answer_body
            },
        })
    }
}

fn set_out(text: &mut String, mark: char, headers: &[(String, String)], body: &str) {
    for (name, value) in headers {
        let _ = writeln!(text, "{mark} {name}: {value}");
    }
    for line in body.lines() {
        let _ = writeln!(text, "{mark} {line}");
    }
}

/// Whether a header of an answer is shown.
pub fn is_telling(name: &str) -> bool {
    !DULL_HEADERS.contains(&name)
}

/// A body as it is shown, without these secrets.
pub fn shown(body: &[u8], secrets: &[String]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            shorten(&mut value);
            value.to_string()
        }
        Err(_) => match std::str::from_utf8(body) {
            Ok(text) => cut(text, BODY_CHARS_MAX),
            Err(_) => format!("({} bytes)", body.len()),
        },
    };
    masked(&text, secrets)
}

/// A text without these secrets.
pub fn masked(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "(hidden)"))
}

fn cut(text: &str, chars_max: usize) -> String {
    let length = text.chars().count();
    if length <= chars_max {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(chars_max.min(TEXT_CHARS_SHOWN)).collect();
    format!("{beginning}... ({length} characters)")
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = cut(text, TEXT_CHARS_MAX),
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                if SECRET_MEMBERS.contains(&name.as_str()) && value.is_string() {
                    *value = "(hidden)".into();
                } else {
                    shorten(value);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_wherever_it_stands() {
        let secrets = ["hf_sandbox_abc".to_owned()];
        let body = br#"{"secret":"whsec_1","data":{"token":"t"},"note":"by hf_sandbox_abc"}"#;
        assert_eq!(
            shown(body, &secrets),
            r#"{"data":{"token":"(hidden)"},"note":"by (hidden)","secret":"(hidden)"}"#
        );
        assert_eq!(shown(b"hf_sandbox_abc", &secrets), "(hidden)");
    }

    #[test]
    fn what_is_long_is_shortened_and_what_is_no_text_is_counted() {
        let long = format!("{{\"data\":\"{}\"}}", "A".repeat(500));
        assert_eq!(
            shown(long.as_bytes(), &[]),
            format!("{{\"data\":\"{}... (500 characters)\"}}", "A".repeat(48))
        );
        assert_eq!(shown(&[0xff, 0xfe], &[]), "(2 bytes)");
    }
}
