//! What is expected of an answer. Each expectation says, where it is not met, what should have been and what was.

use std::sync::Arc;

use serde_json::Value;

use super::exchange::Exchange;
use super::verdict::{Played, Stop};

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// The body as JSON; null where it is none.
    pub json: Value,
    /// The call and this, as they are shown.
    pub exchange: Arc<Exchange>,
}

impl Answer {
    /// Fails the row with this answer as its proof.
    pub fn fail(&self, what: impl Into<String>) -> Stop {
        Stop::Failed { what: what.into(), exchange: Some(Arc::clone(&self.exchange)) }
    }

    /// Fails the row unless this holds.
    pub fn must(&self, holds: bool, what: impl Into<String>) -> Played {
        if holds { Ok(()) } else { Err(self.fail(what)) }
    }

    /// The status must be this.
    pub fn status_is(&self, status: u16) -> Result<&Self, Stop> {
        let what = || format!("expected status {status}, got {}{}", self.status, self.code_in_brackets());
        if self.status == status { Ok(self) } else { Err(self.fail(what())) }
    }

    fn code_in_brackets(&self) -> String {
        self.json["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default()
    }

    /// The member at this JSON pointer must be this.
    pub fn is(&self, pointer: &str, value: impl Into<Value>) -> Result<&Self, Stop> {
        let (expected, found) = (value.into(), self.json.pointer(pointer).unwrap_or(&Value::Null));
        if *found == expected {
            return Ok(self);
        }
        Err(self.fail(format!("expected {} to be {expected}, got {found}", plain(pointer))))
    }

    /// Each of these members must be there.
    pub fn has(&self, pointers: &[&str]) -> Result<&Self, Stop> {
        for pointer in pointers {
            if self.json.pointer(pointer).is_none_or(Value::is_null) {
                return Err(self.fail(format!("expected {} to be there", plain(pointer))));
            }
        }
        Ok(self)
    }

    /// This member must not be there.
    pub fn lacks(&self, pointer: &str) -> Result<&Self, Stop> {
        if self.json.pointer(pointer).is_none_or(Value::is_null) {
            return Ok(self);
        }
        Err(self.fail(format!("expected {} not to be there", plain(pointer))))
    }

    /// The text at this JSON pointer.
    pub fn text(&self, pointer: &str) -> Result<String, Stop> {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| self.fail(format!("expected {} to be a text", plain(pointer))))
    }

    /// The list at this JSON pointer.
    pub fn list(&self, pointer: &str) -> Result<&[Value], Stop> {
        let found = self.json.pointer(pointer).and_then(Value::as_array);
        found.map(Vec::as_slice).ok_or_else(|| self.fail(format!("expected {} to be a list", plain(pointer))))
    }

    /// A header; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// A header must be this.
    pub fn header_is(&self, name: &str, value: &str) -> Result<&Self, Stop> {
        let found = self.header(name);
        if found == value {
            return Ok(self);
        }
        Err(self.fail(format!("expected the header {name} to be {value:?}, got {found:?}")))
    }

    /// A header must be a whole number.
    pub fn header_counts(&self, name: &str) -> Result<u64, Stop> {
        let found = self.header(name);
        found
            .parse()
            .map_err(|_| self.fail(format!("expected the header {name} to be a number, got {found:?}")))
    }

    /// A refusal with this status and code.
    pub fn refused(&self, status: u16, code: &str) -> Result<&Self, Stop> {
        self.status_is(status)?.is("/code", code)
    }

    /// A 400 that names these fields and no others.
    pub fn faults(&self, fields: &[&str]) -> Result<&Self, Stop> {
        self.refused(400, "validation-failed")?;
        let named: Vec<&str> =
            self.json["errors"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        if named == fields {
            return Ok(self);
        }
        Err(self.fail(format!("expected errors of {}, got {}", fields.join(", "), named.join(", "))))
    }

    /// Status and body without what differs between two equal calls: the request id.
    pub fn face(&self) -> (u16, String) {
        let id = self.header("x-request-id");
        let body = String::from_utf8_lossy(&self.body);
        (self.status, if id.is_empty() { body.into_owned() } else { body.replace(id, "") })
    }
}

/// A JSON pointer as people write paths: `backup[0].item_key`.
fn plain(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{path}[{part}]")
        } else if path.is_empty() {
            part.to_owned()
        } else {
            format!("{path}.{part}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_told_as_a_path() {
        assert_eq!(plain("/backup/0/item_key"), "backup[0].item_key");
        assert_eq!(plain("/0"), "[0]");
    }
}
