//! An example of what each operation takes and answers: written down once, and played by a test against the service.

use serde_json::{Value, json};

/// By `operationId`: what is sent, where there is a body, and what is answered, with long texts cut short.
pub const EXAMPLES: &str = include_str!("examples.json");

/// Puts each example where it belongs.
pub fn apply(document: &mut Value) {
    // That it is JSON is tested with every example in it.
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let items = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        let example = &examples[operation["operationId"].as_str().unwrap_or_default()];
        for (place, example) in [
            ("/requestBody/content/application~1json", &example["request"]),
            ("/responses/200/content/application~1json", &example["answer"]),
        ] {
            if let Some(content) = operation.pointer_mut(place).filter(|_| !example.is_null()) {
                content["example"] = json!(example);
            }
        }
    }
}
