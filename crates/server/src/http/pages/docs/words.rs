//! How a schema reads in words.

use maud::{Markup, html};
use serde_json::Value;

/// The name at the end of a reference.
pub fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// What a value is: its type, then its bounds.
pub fn kind(schema: &Value) -> Markup {
    if let Some(name) = name_of(schema) {
        return html! { a href={ "#type-" (name) } { (name) } };
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return html! {
            @for (at, choice) in choices.iter().enumerate() {
                @if at > 0 { " or " }
                (kind(choice))
            }
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return html! {
            @for (at, word) in words.iter().filter_map(Value::as_str).enumerate() {
                @if at > 0 { " | " }
                code { (word) }
            }
        };
    }
    html! {
        @for (at, word) in types(schema).enumerate() {
            @if at > 0 { " or " }
            @if word == "array" { "list of " (kind(&schema["items"])) } @else { (word) }
        }
        @if let Some(bounds) = bounds(schema) { ", " (bounds) }
        @if let Some(pattern) = schema["pattern"].as_str() { ", " code { (pattern) } }
    }
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let one = schema["type"].as_str();
    one.into_iter().chain(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn bounds(schema: &Value) -> Option<String> {
    let bounded = |least: &str, most: &str, unit: &str| match (schema[least].as_u64(), schema[most].as_u64())
    {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) if least > 0 => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        _ => None,
    };
    bounded("minLength", "maxLength", " characters")
        .or_else(|| bounded("minItems", "maxItems", ""))
        .or_else(|| bounded("minimum", "maximum", ""))
}

/// Prose in which what stands between backticks is code.
pub fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_reads_as_people_would_say_it() {
        for (schema, said) in [
            (json!({"type": "string"}), "string"),
            (json!({"type": ["string", "null"], "maxLength": 9}), "string or null, at most 9 characters"),
            (json!({"type": "integer", "minimum": 1, "maximum": 200}), "integer, 1 to 200"),
            (json!({"type": "integer", "minimum": 0}), "integer"),
            (json!({"type": "array", "items": {"type": "string"}}), "list of string"),
            (json!({"enum": ["HOT", "COLD"]}), "<code>HOT</code> | <code>COLD</code>"),
            (json!({"$ref": "#/components/schemas/Item"}), "<a href=\"#type-Item\">Item</a>"),
            (
                json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Item"}]}),
                "null or <a href=\"#type-Item\">Item</a>",
            ),
        ] {
            assert_eq!(kind(&schema).into_string(), said, "{schema}");
        }
    }

    #[test]
    fn what_a_text_holds_stays_text() {
        assert_eq!(prose("a `b<i>` <c>").into_string(), "a <code>b&lt;i&gt;</code> &lt;c&gt;");
    }
}
