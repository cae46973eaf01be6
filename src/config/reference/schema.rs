//! A JSON Schema of the file, draft 2020-12.
//!
//! It is for editors: it has every key, its default, its words and the form of its value. It
//! accepts every usual spelling that the reader accepts, and leaves to the reader all rules that
//! need more than one key, or a parser.

use serde_json::{Map, Value, json};

use crate::config::{
    keys::{Absent, Content, Instead, Presence, Row, below, keys_of, process::INCLUDE},
    values::{Form, POOL_PATTERN, Shape},
};

/// Returns the schema.
#[must_use]
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lb",
        "description": "Configuration of the HTTP load balancer lb",
    });
    extend(&mut schema, object(&below("")));
    // What a file lacks may be in one that it includes.
    if let Some(required) = schema.as_object_mut().and_then(|schema| schema.remove("required")) {
        let including = json!([INCLUDE.name()]);
        schema["anyOf"] = json!([{ "required": required }, { "required": including }]);
    }
    schema
}

/// A mapping with these keys and no others.
fn object(rows: &[&'static dyn Row]) -> Value {
    let properties: Map<String, Value> =
        rows.iter().map(|row| (row.name().to_owned(), key(*row))).collect();
    let required = rows.iter().filter(|row| row.about().absent == Absent::Refused);
    let required: Vec<&str> = required.map(|row| row.name()).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// One key: its description and its possible values.
fn key(row: &'static dyn Row) -> Value {
    let about = row.about();
    let mut schema = json!({});
    let description = match about.absent {
        Absent::Means(meaning) => format!("{} (left out: {meaning})", about.doc),
        _ => about.doc.to_owned(),
    };
    if !description.is_empty() {
        schema["description"] = json!(description);
    }
    if let Some(default) = row.default() {
        schema["default"] = default;
    }
    if !about.example.is_empty() && matches!(row.content(), Content::Value(_)) {
        schema["examples"] = json!([example(row)]);
    }
    extend(&mut schema, content(row));
    schema
}

fn content(row: &'static dyn Row) -> Value {
    let object = || object(&keys_of(row));
    match row.content() {
        Content::Value(shape) => scalar(shape),
        Content::List(shape, instead) => {
            let list = json!({ "type": "array", "items": scalar(shape) });
            match instead {
                Instead::Nothing => list,
                Instead::OffOrItem => json!({ "anyOf": [off(), scalar(shape), list] }),
                Instead::OneItem => json!({ "anyOf": [
                    scalar(shape),
                    { "type": "array", "minItems": 1, "items": scalar(shape) },
                ] }),
            }
        }
        Content::Group(Presence::Always) => object(),
        Content::Group(Presence::UnlessOff | Presence::IfGiven) => {
            json!({ "anyOf": [object(), off()] })
        }
        Content::Shared(path) => {
            let mut rows = below(path);
            rows.retain(|row| row.about().absent != Absent::Refused);
            self::object(&rows)
        }
        Content::Pairs(shape) => {
            json!({ "type": "object", "additionalProperties": scalar(shape) })
        }
        Content::Items => json!({ "type": "array", "minItems": 1, "items": object() }),
        Content::Names => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": POOL_PATTERN },
            "additionalProperties": object(),
        }),
    }
}

/// The word `off`, or `false`, which is how YAML 1.1 reads it.
fn off() -> Value {
    json!({ "enum": ["off", false] })
}

/// The pattern of a text with a reference, whose value an editor does not know.
const REFERENCE: &str = "\\$\\{";

fn scalar(shape: Shape) -> Value {
    let or_reference = |form: Value| json!([form, { "type": "string", "pattern": REFERENCE }]);
    let mut forms = match shape.form {
        Form::Choice(words) => or_reference(json!({ "enum": words() })),
        Form::Truth => or_reference(json!({ "type": "boolean" })),
        Form::TruthOrNumber(low, high) => {
            or_reference(json!({ "type": ["boolean", "integer"], "minimum": low, "maximum": high }))
        }
        Form::Number(low, high) => {
            or_reference(json!({ "type": "integer", "minimum": low, "maximum": high }))
        }
        Form::Text(pattern) => json!([{ "type": "string", "pattern": or_pattern(pattern) }]),
        Form::TextOrNumber(pattern) => {
            json!([{ "type": ["string", "integer"], "pattern": or_pattern(pattern) }])
        }
    };
    let words = match shape.words {
        [] => None,
        ["off"] => Some(off()),
        words => Some(json!({ "enum": words })),
    };
    if let Some(forms) = forms.as_array_mut() {
        forms.extend(words);
        if let [form] = forms.as_mut_slice() {
            return form.take();
        }
    }
    json!({ "anyOf": forms })
}

fn or_pattern(pattern: &str) -> String {
    format!("{REFERENCE}|{pattern}")
}

/// An example as a YAML value.
fn example(row: &dyn Row) -> Value {
    let text = row.about().example;
    match (row.content(), text.parse::<u64>()) {
        (Content::Value(Shape { form: Form::Number(..), .. }), Ok(number)) => json!(number),
        _ => json!(text),
    }
}

fn extend(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
