//! Reads a JSON body field by field and remembers every mistake, so that one answer names them all.
//!
//! Each reader returns a value even when the field is at fault; [`Form::finish`] gives the result only when
//! none was. Parsing is the whole of validation: what comes out is what the flows work with.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::limits::{IDENTIFIER_CHARS_MAX, METADATA_BYTES_MAX, PUBLIC_KEY_HEX_CHARS};
use domain::refusal::Refusal;
use serde_json::{Map, Value};

type Faults = Rc<RefCell<BTreeMap<String, Vec<String>>>>;

/// One object of a request, and the faults of the whole request.
pub struct Form<'v> {
    object: Option<&'v Map<String, Value>>,
    path: String,
    faults: Faults,
}

impl<'v> Form<'v> {
    /// The outermost object.
    pub fn of(body: &'v Map<String, Value>) -> Self {
        Self { object: Some(body), path: String::new(), faults: Faults::default() }
    }

    /// The result, if no field was at fault.
    pub fn finish<T>(self, result: T) -> Result<T, Refusal> {
        let faults = self.faults.take();
        if faults.is_empty() { Ok(result) } else { Err(Refusal::invalid(faults)) }
    }

    /// Notes a fault of a field.
    pub fn fault(&self, name: &str, fault: impl Into<String>) {
        self.faults.borrow_mut().entry(self.path_of(name)).or_default().push(fault.into());
    }

    /// The field, if it is there and not null.
    pub fn value(&self, name: &str) -> Option<&'v Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub fn text(&self, name: &str) -> String {
        self.required(name);
        self.optional_text(name).unwrap_or_default()
    }

    /// A text that may be there.
    pub fn optional_text(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            self.fault(name, "must be a string");
        }
        text.map(str::to_owned)
    }

    /// An identifier of the tenant's choice, which must be there: 1 to 255 characters, no control characters.
    pub fn identifier(&self, name: &str) -> String {
        self.required(name);
        self.optional_name(name, IDENTIFIER_CHARS_MAX).unwrap_or_default()
    }

    /// A text of the tenant's choice, which may be there: 1 to `chars_max` characters, no control characters.
    pub fn optional_name(&self, name: &str, chars_max: usize) -> Option<String> {
        let text = self.optional_text(name)?;
        if !(1..=chars_max).contains(&text.chars().count()) {
            self.fault(name, format!("must have 1 to {chars_max} characters"));
        } else if text.chars().any(char::is_control) {
            self.fault(name, "must not contain control characters");
        }
        Some(text)
    }

    /// A text that must be one of a few words.
    pub fn word<T>(
        &self,
        name: &str,
        text: &str,
        parse: impl Fn(&str) -> Option<T>,
        words: &[&str],
    ) -> Option<T> {
        let word = parse(text);
        if word.is_none() && !text.is_empty() {
            self.fault(name, format!("must be one of {}", words.join(", ")));
        }
        word
    }

    /// Standard base64 with padding, which must be there.
    pub fn base64(&self, name: &str) -> Vec<u8> {
        let text = self.text(name);
        STANDARD.decode(&text).unwrap_or_else(|_| {
            self.fault(name, "must be base64 of the standard alphabet, with padding");
            Vec::new()
        })
    }

    /// SHA-256 as 64 hexadecimal digits of any case, which must be there: as sent, and decoded.
    pub fn checksum(&self, name: &str) -> (String, [u8; 32]) {
        let text = self.text(name);
        let bytes = decode_hex(&text).and_then(|bytes| bytes.try_into().ok());
        if bytes.is_none() && self.value(name).is_some_and(Value::is_string) {
            self.fault(name, "must be SHA-256 of the plaintext: 64 hexadecimal digits");
        }
        (text, bytes.unwrap_or_default())
    }

    /// A public key as hexadecimal digits of any case, which must be there.
    pub fn public_key(&self, name: &str) -> Vec<u8> {
        let text = self.text(name);
        let bytes = decode_hex(&text).filter(|_| PUBLIC_KEY_HEX_CHARS.contains(&text.len()));
        if bytes.is_none() && self.value(name).is_some_and(Value::is_string) {
            self.fault(name, "must be the key as it was given: 32 to 4096 hexadecimal digits");
        }
        bytes.unwrap_or_default()
    }

    /// An object that must be there.
    pub fn object(&self, name: &str) -> Form<'v> {
        self.required(name);
        self.optional_object(name).unwrap_or_else(|| self.child(name, None))
    }

    /// An object that may be there.
    pub fn optional_object(&self, name: &str) -> Option<Form<'v>> {
        let value = self.value(name)?;
        if !value.is_object() {
            self.fault(name, "must be an object");
        }
        Some(self.child(&self.path_of(name), value.as_object()))
    }

    /// A list of objects that must be there.
    pub fn objects(&self, name: &str, count: std::ops::RangeInclusive<usize>) -> Vec<Form<'v>> {
        self.required(name);
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(list) = value.as_array() else {
            self.fault(name, "must be a list");
            return Vec::new();
        };
        if !count.contains(&list.len()) {
            self.fault(name, format!("must have {} to {} items", count.start(), count.end()));
            return Vec::new();
        }
        let forms = list.iter().enumerate().map(|(at, value)| {
            let name = format!("{name}[{at}]");
            if !value.is_object() {
                self.fault(&name, "must be an object");
            }
            self.child(&self.path_of(&name), value.as_object())
        });
        forms.collect()
    }

    /// A list of texts that may be there.
    pub fn optional_texts(&self, name: &str) -> Vec<String> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let texts =
            value.as_array().and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        texts.unwrap_or_else(|| {
            self.fault(name, "must be a list of strings");
            Vec::new()
        })
    }

    /// A backup's metadata: an object whose three known members are texts, 16 KiB in all.
    pub fn metadata(&self, name: &str) -> Map<String, Value> {
        let Some(form) = self.optional_object(name) else { return Map::new() };
        for known in ["description", "content_type", "original_filename"] {
            form.optional_text(known);
        }
        let object = form.object.cloned().unwrap_or_default();
        // Writing a value that was read as JSON cannot fail.
        if serde_json::to_string(&object).map_or(0, |text| text.len()) > METADATA_BYTES_MAX {
            self.fault(name, format!("must not be larger than {METADATA_BYTES_MAX} bytes"));
        }
        object
    }

    fn required(&self, name: &str) {
        // Inside an object that is itself at fault, only that one is named.
        if self.object.is_some() && self.value(name).is_none() {
            self.fault(name, "is required");
        }
    }

    fn child(&self, path: &str, object: Option<&'v Map<String, Value>>) -> Form<'v> {
        Form { object, path: path.to_owned(), faults: Rc::clone(&self.faults) }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// Bytes of hexadecimal digits of any case.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults_of(body: &Value, read: impl Fn(&Form<'_>)) -> Vec<(String, Vec<String>)> {
        let form = Form::of(body.as_object().unwrap());
        read(&form);
        form.finish(()).err().map(|refusal| refusal.fields.into_iter().collect()).unwrap_or_default()
    }

    #[test]
    fn every_mistake_is_named_by_its_path() {
        let body = json!({"a": 1, "list": [{"sum": "xyz"}, 7], "object": {"inner": "\u{7}"}});
        let found = faults_of(&body, |form| {
            form.text("a");
            form.text("missing");
            for item in form.objects("list", 1..=3) {
                item.checksum("sum");
            }
            form.object("object").identifier("inner");
            form.object("absent").identifier("inner");
        });
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a", "absent", "list[0].sum", "list[1]", "missing", "object.inner"]);
    }

    #[test]
    fn counts_sizes_and_encodings() {
        let body = json!({"none": [], "four": [{}, {}, {}, {}], "b64": "YQ", "odd": "a".repeat(33), "short": "ab",
            "long": "é".repeat(256), "fits": "é".repeat(255), "meta": {"x": "y".repeat(METADATA_BYTES_MAX)}, "kind": {"description": 1}});
        let found = faults_of(&body, |form| {
            form.objects("none", 1..=3);
            form.objects("four", 1..=3);
            form.base64("b64");
            form.public_key("odd");
            form.public_key("short");
            form.identifier("long");
            form.identifier("fits");
            form.metadata("meta");
            form.metadata("kind");
        });
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["b64", "four", "kind.description", "long", "meta", "none", "odd", "short"]);
    }
}
