//! Bodies as one likes to read them: set out, long values shortened, long lists cut.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A text longer than this is shortened.
const TEXT_CHARS_MAX: usize = 68;
/// Words are for reading and may be longer.
const WORDS_CHARS_MAX: usize = 240;
/// How much of its beginning is left.
const TEXT_CHARS_SHOWN: usize = 40;
/// A body longer than this is cut.
const LINES_MAX: usize = 40;
/// Of a longer list of objects only the first is shown.
const OBJECTS_MAX: usize = 3;
/// An object or list that fits into this stays on one line.
const ONE_LINE_CHARS_MAX: usize = 76;

/// The lines of a body; none for an empty one.
pub fn body_lines(body: &str) -> Vec<String> {
    if body.is_empty() {
        return Vec::new();
    }
    let written = serde_json::from_str(body).unwrap_or_else(|_| Written::Leaf(body.into()));
    let mut lines = Vec::new();
    set_out(&written, "", "", &mut lines);
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("... ({more} more lines)"));
    }
    lines
}

/// A body as a JSON value; as a text, when it is none.
pub fn parsed(body: &str) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(body).unwrap_or_else(|_| body.into())
}

/// The beginning of a long text, and how long it is.
pub fn shortened_text(text: &str) -> String {
    let length = text.chars().count();
    let are_words = text.contains(' ') && !text.contains('\n');
    if length <= if are_words { WORDS_CHARS_MAX } else { TEXT_CHARS_MAX } {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(TEXT_CHARS_SHOWN).collect();
    format!("{}... ({length} characters)", beginning.replace('\n', " "))
}

/// JSON with its members in the order they were written: it is read by people here.
enum Written {
    Leaf(Value),
    List(Vec<Written>),
    Object(Vec<(String, Written)>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
        Ok(Written::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
        Ok(Written::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
        Ok(Written::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
        Ok(Written::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Written, E> {
        Ok(Written::Leaf(shortened_text(value).into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Written, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Written::Object(object))
    }
}

fn set_out(written: &Written, indent: &str, before: &str, lines: &mut Vec<String>) {
    let one_line = format!("{indent}{before}{written}");
    if one_line.chars().count() <= ONE_LINE_CHARS_MAX {
        lines.push(one_line);
        return;
    }
    let deeper = format!("{indent}  ");
    let mut more = 0;
    let (open, close, inside): (_, _, Vec<(String, &Written)>) = match written {
        Written::Leaf(_) => return lines.push(one_line),
        Written::List(values) => {
            let is_long = values.len() > OBJECTS_MAX && matches!(values[0], Written::Object(_));
            let shown = if is_long { &values[..1] } else { values };
            more = values.len() - shown.len();
            ('[', ']', shown.iter().map(|value| (String::new(), value)).collect())
        }
        Written::Object(members) => {
            let named = members.iter().map(|(name, value)| (format!("{}: ", quoted(name)), value));
            ('{', '}', named.collect())
        }
    };
    lines.push(format!("{indent}{before}{open}"));
    let count = inside.len();
    for (at, (name, value)) in inside.into_iter().enumerate() {
        set_out(value, &deeper, &name, lines);
        if let (Some(last), true) = (lines.last_mut(), at + 1 < count) {
            last.push(',');
        }
    }
    if more > 0 {
        lines.push(format!("{deeper}... ({more} more like this one)"));
    }
    lines.push(format!("{indent}{close}"));
}

/// On one line, with a space after each colon and comma.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = |at: usize| if at == 0 { "" } else { ", " };
        match self {
            Self::Leaf(value) => write!(f, "{value}"),
            Self::List(values) => {
                f.write_str("[")?;
                values.iter().enumerate().try_for_each(|(at, value)| write!(f, "{}{value}", comma(at)))?;
                f.write_str("]")
            }
            Self::Object(members) if members.is_empty() => f.write_str("{}"),
            Self::Object(members) => {
                f.write_str("{ ")?;
                members.iter().enumerate().try_for_each(|(at, (name, value))| {
                    write!(f, "{}{}: {value}", comma(at), quoted(name))
                })?;
                f.write_str(" }")
            }
        }
    }
}

fn quoted(name: &str) -> Value {
    Value::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_set_out_and_shortened() {
        let body =
            format!(r#"{{"user":"ada","public_key":"{}","backup":[{{"a":1}},{{"a":2}}]}}"#, "ab".repeat(550));
        let key = "ab".repeat(20);
        assert_eq!(
            body_lines(&body).join("\n"),
            format!(
                "{{\n  \"user\": \"ada\",\n  \"public_key\": \"{key}... (1100 characters)\",\n  \"backup\": \
                 [{{ \"a\": 1 }}, {{ \"a\": 2 }}]\n}}"
            )
        );
        assert_eq!(body_lines(r#"{"a":[],"b":{}}"#), [r#"{ "a": [], "b": {} }"#]);
        assert_eq!(body_lines("").len(), 0);
        assert_eq!(body_lines("not json"), ["\"not json\""]);
    }

    #[test]
    fn a_long_list_is_cut() {
        let list: Vec<String> = (0..60).map(|at| format!("entry number {at} of the list")).collect();
        let lines = body_lines(&serde_json::to_string(&list).unwrap());
        assert_eq!((lines.len(), lines[LINES_MAX].as_str()), (LINES_MAX + 1, "... (22 more lines)"));

        let list: Vec<_> =
            (0..9).map(|at| serde_json::json!({ "entry": "e".repeat(60), "at": at })).collect();
        let lines = body_lines(&serde_json::to_string(&list).unwrap());
        assert_eq!((lines.len(), lines[5].as_str()), (7, "  ... (8 more like this one)"), "{lines:#?}");
    }
}
