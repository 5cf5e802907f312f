//! What of JSON Schema the API's description uses: enough to hold answers against it.

use serde_json::Value;

/// Where a value differs from its schema; empty when it fits.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(document, schema, value, "", &mut found);
    found
}

fn walk(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(link) = schema["$ref"].as_str() {
        let target = document.pointer(link.trim_start_matches('#'));
        return walk(document, target.unwrap_or_else(|| panic!("{link} leads nowhere")), value, at, found);
    }
    if let Some(all) = schema["allOf"].as_array() {
        for one in all {
            walk(document, one, value, at, found);
        }
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(any) = schema[word].as_array()
            && !any.iter().any(|one| faults(document, one, value).is_empty())
        {
            found.push(format!("{at}: fits none of {word}"));
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        found.push(format!("{at}: {value} is no {kinds:?}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        list.iter().enumerate().for_each(|(n, item)| walk(document, items, item, &format!("{at}/{n}"), found));
    }
    if let Some(members) = value.as_object() {
        object(document, schema, members, at, found);
    }
}

fn object(
    document: &Value,
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    at: &str,
    found: &mut Vec<String>,
) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            found.push(format!("{at}: `{name}` is missing"));
        }
    }
    let Some(known) = schema["properties"].as_object() else { return };
    for (name, value) in members {
        match known.get(name) {
            Some(own) => walk(document, own, value, &format!("{at}/{name}"), found),
            // Members of the other parts of an allOf are described there.
            None if schema.get("additionalProperties").is_some_and(|more| *more == false) => {
                found.push(format!("{at}: `{name}` is not described"));
            }
            None => {}
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("no type {other}"),
    }
}
