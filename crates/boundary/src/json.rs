//! Strict JSON in, RFC 8785 canonical JSON out.
//!
//! What is signed or hashed as JSON has one form to the byte. The reader refuses what could be read two ways:
//! duplicate names, lone surrogates, numbers with leading zeros, anything after the value.

use std::fmt::Write as _;

/// How deep objects and lists may nest.
const DEPTH_MAX: u32 = 64;

/// The largest integer that every JSON reader holds exactly (RFC 8785 §3.2.2.3, RFC 7493 §2.2): 2^53 - 1.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number without fraction or exponent, within ±[`INTEGER_MAX`].
    Integer(i64),
    /// Any other number, as it was written; never part of a signed object.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, in the order it was written; names are unique.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A string, or `null`.
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The member of that name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The member at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The text, if this is a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What stands in a document that is signed.
pub trait Json: Sized {
    /// As it stands there.
    fn write(&self) -> Value;
    /// What stands there, if it is one.
    fn read(value: &Value) -> Option<Self>;
}

/// Reads a member of an object.
pub fn member<T: Json>(object: &Value, name: &str) -> Option<T> {
    T::read(object.get(name)?)
}

macro_rules! json_values {
    ($($type:ty: $value:ident => $write:expr, $pattern:pat => $read:expr;)*) => {$(
        impl Json for $type {
            fn write(&self) -> Value {
                let $value = self;
                $write
            }
            fn read(value: &Value) -> Option<Self> {
                if let $pattern = value { $read } else { None }
            }
        }
    )*};
}
json_values! {
    String: text => Value::text(text), Value::Text(text) => Some(text.clone());
    i64: integer => Value::Integer(*integer), Value::Integer(integer) => Some(*integer);
    u16: integer => Value::Integer((*integer).into()), Value::Integer(integer) => (*integer).try_into().ok();
    bool: truth => Value::Bool(*truth), Value::Bool(truth) => Some(*truth);
}

impl<T: Json> Json for Option<T> {
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::Null = value { Some(None) } else { T::read(value).map(Some) }
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self) -> Value {
        Value::List(self.iter().map(T::write).collect())
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::List(values) = value { values.iter().map(T::read).collect() } else { None }
    }
}

/// Declares structs that stand in a document as objects of their fields, by their names or by others.
#[macro_export]
macro_rules! json_struct {
    ($($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$fdoc:meta])* pub $field:ident $(as $other:literal)?: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }

        impl $crate::json::Json for $name {
            fn write(&self) -> $crate::json::Value {
                $crate::json::Value::object([
                    $(($crate::json_struct!(@name $field $($other)?), $crate::json::Json::write(&self.$field)),)*
                ])
            }
            fn read(value: &$crate::json::Value) -> Option<Self> {
                Some(Self { $($field: $crate::json::member(value, $crate::json_struct!(@name $field $($other)?))?,)* })
            }
        }
    )*};
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $other:literal) => { $other };
}

pub use json_struct;

/// A text is not the JSON it should be, or a value has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// The RFC 8785 form: members sorted by the UTF-16 code units of their names, no white space, shortest escapes.
/// Numbers other than integers within ±[`INTEGER_MAX`] are refused rather than formatted.
pub fn canonical(value: &Value) -> Result<String, NotJson> {
    let mut out = String::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut String) -> Result<(), NotJson> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Integer(integer) if integer.abs() <= INTEGER_MAX => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{integer}");
        }
        Value::Integer(_) | Value::Number(_) => return Err(NotJson),
        Value::Text(text) => write_text(text, out),
        Value::List(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(value, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(NotJson);
            }
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads one JSON text (RFC 8259).
pub fn parse(text: &str) -> Result<Value, NotJson> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == reader.bytes.len() { Ok(value) } else { Err(NotJson) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, literal: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(literal.as_bytes());
        if found {
            self.at += literal.len();
        }
        found
    }

    fn expect(&mut self, literal: &str) -> Result<(), NotJson> {
        if self.eat(literal) { Ok(()) } else { Err(NotJson) }
    }

    fn value(&mut self, depth: u32) -> Result<Value, NotJson> {
        if depth > DEPTH_MAX {
            return Err(NotJson);
        }
        self.space();
        match self.peek().ok_or(NotJson)? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.text().map(Value::Text),
            b'-' | b'0'..=b'9' => self.number(),
            _ if self.eat("null") => Ok(Value::Null),
            _ if self.eat("true") => Ok(Value::Bool(true)),
            _ if self.eat("false") => Ok(Value::Bool(false)),
            _ => Err(NotJson),
        }
    }

    /// What stands between brackets, separated by commas.
    fn all(
        &mut self,
        close: &str,
        mut one: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.at += 1;
        self.space();
        if self.eat(close) {
            return Ok(());
        }
        loop {
            one(self)?;
            self.space();
            if self.eat(close) {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value, NotJson> {
        let (mut members, mut names) = (Vec::new(), std::collections::BTreeSet::new());
        self.all("}", |reader| {
            reader.space();
            let name = reader.text()?;
            reader.space();
            reader.expect(":")?;
            members.push((name.clone(), reader.value(depth + 1)?));
            if names.insert(name) { Ok(()) } else { Err(NotJson) }
        })?;
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: u32) -> Result<Value, NotJson> {
        let mut values = Vec::new();
        self.all("]", |reader| reader.value(depth + 1).map(|value| values.push(value)))?;
        Ok(Value::List(values))
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(NotJson) }
    }

    fn number(&mut self) -> Result<Value, NotJson> {
        let start = self.at;
        self.eat("-");
        if !self.eat("0") {
            self.digits()?;
        }
        let whole_end = self.at;
        if self.eat(".") {
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            self.digits()?;
        }
        // The bytes between are ASCII by construction.
        let literal = str::from_utf8(&self.bytes[start..self.at]).map_err(|_| NotJson)?;
        match literal.parse::<i64>() {
            Ok(integer) if self.at == whole_end && integer.abs() <= INTEGER_MAX && literal != "-0" => {
                Ok(Value::Integer(integer))
            }
            _ => Ok(Value::Number(literal.to_owned())),
        }
    }

    fn text(&mut self) -> Result<String, NotJson> {
        self.expect("\"")?;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek().ok_or(NotJson)?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            // Cut at ASCII bytes only, so the run between is whole characters of the input text.
            out.push_str(str::from_utf8(&self.bytes[start..self.at]).map_err(|_| NotJson)?);
            match self.bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\\' => out.push(self.escape()?),
                _ => return Err(NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<char, NotJson> {
        self.at += 1;
        let letter = self.peek().ok_or(NotJson)?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                let code = match unit {
                    0xd800..=0xdbff => {
                        self.expect("\\u")?;
                        let low = self.unit()?;
                        if !(0xdc00..=0xdfff).contains(&low) {
                            return Err(NotJson);
                        }
                        0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    other => other,
                };
                char::from_u32(code).ok_or(NotJson)?
            }
            _ => return Err(NotJson),
        })
    }

    fn unit(&mut self) -> Result<u32, NotJson> {
        let hex = self.bytes.get(self.at..self.at + 4).ok_or(NotJson)?;
        self.at += 4;
        hex.iter().try_fold(0, |unit, &digit| {
            char::from(digit).to_digit(16).map(|value| unit << 4 | value).ok_or(NotJson)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Result<String, NotJson> {
        canonical(&parse(text)?)
    }

    #[test]
    fn the_rfc_8785_sorting_and_string_samples() {
        let sample = "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\
            \"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\",\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}";
        assert_eq!(
            again(sample).unwrap(),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\
             \"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        );
        assert_eq!(
            again(
                r#"{"literals": [null, true, false], "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"}"#
            ),
            Ok("{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}".to_owned())
        );
    }

    #[test]
    fn integers_only_have_a_canonical_form() {
        assert_eq!(again("[0,-1,9007199254740991]").unwrap(), "[0,-1,9007199254740991]");
        for text in ["[1.5]", "[1e3]", "[9007199254740992]", "[-0]"] {
            assert_eq!(again(text), Err(NotJson), "{text}");
        }
        assert_eq!(parse("1.50"), Ok(Value::Number("1.50".into())));
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "01",
            "+1",
            "1.",
            ".5",
            "nul",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\u12\"",
            "1 2",
            "{'a':1}",
            "[1 2]",
            "\u{feff}1",
        ] {
            assert_eq!(parse(text), Err(NotJson), "{text}");
        }
        assert!(parse(&format!("{}1{}", "[".repeat(65), "]".repeat(65))).is_err());
        assert!(parse(&format!("{}1{}", "[".repeat(64), "]".repeat(64))).is_ok());
    }

    #[test]
    fn an_object_built_with_a_name_twice_has_no_form() {
        let twice = Value::Object(vec![("a".into(), Value::Null), ("a".into(), Value::Null)]);
        assert_eq!(canonical(&twice), Err(NotJson));
    }
}
