//! What a browser gets, read as far as the tour needs it. The pages are our own: a few marks in them suffice.

use serde_json::Value;

use crate::failure::{Doing as _, Failure};

/// What was answered to a browser.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The content type.
    pub kind: String,
    /// Where it leads; empty: nowhere.
    pub location: String,
    /// What came.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it is a page.
    pub fn is_page(&self) -> bool {
        self.kind.starts_with("text/html")
    }

    /// The same, where it has this status.
    pub fn must_be(self, status: u16, path: &str) -> Result<Self, Failure> {
        if self.status == status {
            return Ok(self);
        }
        let path = without_token(path);
        Err(Failure::new(format!("{path} answered {}, not {status}: {}", self.status, self.outline())))
    }

    /// Where it leads.
    pub fn location(&self) -> Result<&str, Failure> {
        let found = Some(self.location.as_str()).filter(|location| !location.is_empty());
        found.ok_or_else(|| Failure::new(format!("it leads nowhere: {}", self.outline())))
    }

    /// The text of the page.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What stands between two marks, of which the first is the first such one.
    pub fn between(&self, begins: &str, ends: &str) -> Result<String, Failure> {
        let found = between(&self.text(), begins, ends);
        found.ok_or_else(|| Failure::new(format!("the page has no {begins}: {}", self.outline())))
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> Result<String, Failure> {
        self.between(&format!("name=\"{name}\" value=\""), "\"")
    }

    /// What the first passkey form of the page asks for.
    pub fn options(&self) -> Result<Value, Failure> {
        read_options(&self.between("data-options=\"", "\"")?)
    }

    /// What the passkey form asks for that says yes.
    pub fn options_for_yes(&self) -> Result<Value, Failure> {
        self.options_for("yes")
    }

    /// What the passkey form asks for that says this: `yes` or `no`.
    pub fn options_for(&self, word: &str) -> Result<Value, Failure> {
        let text = self.text();
        let found = text.find(&format!("name=\"approve\" value=\"{word}\"")).and_then(|at| {
            let form = text[..at].rfind("<form")?;
            between(&text[form..], "data-options=\"", "\"")
        });
        read_options(&found.ok_or_else(|| Failure::new(format!("the page has no form for a {word}")))?)
    }

    /// The field of a person's seat, on a page that has a seat for each.
    pub fn seat_of(&self, email: &str) -> Result<String, Failure> {
        let text = self.text();
        let label = text
            .find(&format!("({email})"))
            .and_then(|at| text[..at].rfind("for=\"seat-").map(|from| (from, at)));
        let seat = label.and_then(|(from, at)| text[from..at].split('"').nth(1));
        seat.map(str::to_owned).ok_or_else(|| Failure::new(format!("the form has no seat for {email}")))
    }

    /// The short code that the page shows: `ABCD-EFGH`.
    pub fn short_code(&self) -> Result<String, Failure> {
        code(&self.text()).ok_or_else(|| Failure::new(format!("the page shows no code: {}", self.outline())))
    }

    /// The answer in short, as JSON text: what kind of thing it is, and what it says.
    pub fn outline(&self) -> String {
        if !self.location.is_empty() {
            return format!("{{{}}}", member("goes on at", &without_token(&self.location)));
        }
        if !self.is_page() {
            let is_json = self.kind.starts_with("application/json");
            let size = format!("({} bytes of {})", self.body.len(), self.kind);
            return if is_json { self.text() } else { Value::from(size).to_string() };
        }
        let text = self.text();
        let told = [
            ("page", between(&text, "<h1>", "</h1>")),
            ("says", between(&text, "<p id=\"next\">", "</p>").or_else(|| self.refusal())),
            ("short code", code(&text)),
        ];
        let members = told.into_iter().filter_map(|(name, value)| Some(member(name, &value?)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    fn refusal(&self) -> Option<String> {
        let said = between(&self.text(), "</h1><p>", "</p>");
        said.filter(|_| self.status >= 400)
    }
}

/// A path without the token in it.
pub fn without_token(path: &str) -> String {
    match path.split_once("token=") {
        Some((before, _)) => format!("{before}token=(hidden)"),
        None => path.to_owned(),
    }
}

/// A member of a JSON object.
pub fn member(name: &str, value: &str) -> String {
    format!("{}:{}", Value::from(name), Value::from(value))
}

fn read_options(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).doing(|| "the passkey's options cannot be read")
}

fn code(text: &str) -> Option<String> {
    between(text, "<output aria-label=\"", "\"").map(|code| code.replace(' ', ""))
}

fn between(text: &str, begins: &str, ends: &str) -> Option<String> {
    let (_, after) = text.split_once(begins)?;
    let (inside, _) = after.split_once(ends)?;
    Some(inside.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: u16, body: &str) -> Answer {
        let kind = "text/html; charset=utf-8".to_owned();
        Answer { status, kind, location: String::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_page_is_told_in_short() {
        let body = "<h1>A &amp; B</h1><p>It opens once.</p><p id=\"next\">1 of 2</p>\
            <output aria-label=\"A B - C D\"></output>";
        assert_eq!(page(200, body).outline(), r#"{"page":"A & B","says":"1 of 2","short code":"AB-CD"}"#);
        let refused = "<h1>Not allowed</h1><p>It opens once.</p>";
        assert_eq!(page(403, refused).outline(), r#"{"page":"Not allowed","says":"It opens once."}"#);
        assert_eq!(page(200, refused).outline(), r#"{"page":"Not allowed"}"#);
        let away = Answer { location: "/a?token=abc".into(), ..page(303, "") };
        assert_eq!(away.outline(), r#"{"goes on at":"/a?token=(hidden)"}"#);
        let file = Answer { kind: "application/octet-stream".into(), ..page(200, "abc") };
        assert_eq!(file.outline(), "\"(3 bytes of application/octet-stream)\"");
    }

    #[test]
    fn the_form_for_a_yes_is_not_the_one_for_a_no() {
        let form = |options: &str, word: &str| {
            format!("<form data-options=\"{options}\"><input name=\"approve\" value=\"{word}\"></form>")
        };
        let both = format!("{}{}", form("1", "no"), form("{&quot;a&quot;:2}", "yes"));
        assert_eq!(page(200, &both).options_for_yes().unwrap(), serde_json::json!({"a": 2}));
        assert_eq!(page(200, &both).options().unwrap(), 1);
        assert!(page(200, &form("1", "no")).options_for_yes().is_err());
    }
}
