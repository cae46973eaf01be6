//! The JSON Schema against the golden files: it accepts what the reader accepts, and refuses what
//! the reader refuses, unless that needs more than one key or a file.
//!
//! The validator knows the keywords that the schema uses, and stops at any other.

use std::fs;

use lb::config;
use regex::Regex;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value, json};

use super::yaml_files;

/// Mistakes that are not of a single value: two keys that do not go together, a name that is not
/// there, a file that cannot be read, a second document.
const BEYOND: &[&str] = &[
    "admin_address",
    "admin_open",
    "admin_token_file",
    "admin_two_tokens",
    "backend_twice",
    "listen_twice",
    "mapped_addresses",
    "same_route",
    "second_document",
    "shutdown_units",
    "unknown_pool",
];

/// The value that an editor makes of a node of YAML 1.2.
fn json(yaml: &Yaml<'_>) -> Value {
    if let Some(mapping) = yaml.as_mapping() {
        let mut object = Map::new();
        for (key, value) in mapping {
            match (key.as_str().unwrap_or("no word"), json(value)) {
                ("<<", Value::Object(merged)) => object.extend(merged),
                (key, value) => drop(object.insert(key.to_owned(), value)),
            }
        }
        return Value::Object(object);
    }
    if let Some(items) = yaml.as_sequence() {
        return items.iter().map(json).collect();
    }
    match (yaml.as_bool(), yaml.as_integer(), yaml.as_str()) {
        (Some(truth), _, _) => json!(truth),
        (_, Some(number), _) => json!(number),
        (_, _, Some(text)) => json!(text),
        _ => yaml.as_floating_point().map_or(Value::Null, |number| json!(number)),
    }
}

/// The places where the value violates the schema; empty if it is valid.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let keywords = schema.as_object().expect("a schema is a mapping").iter();
    keywords.flat_map(|(keyword, wanted)| fault(schema, (keyword, wanted), value, at)).collect()
}

fn fault(
    schema: &Value,
    (keyword, wanted): (&str, &Value),
    value: &Value,
    at: &str,
) -> Vec<String> {
    let or_fault = |is_right: bool| match is_right {
        true => Vec::new(),
        false => vec![format!("{at}: {value} is not {keyword}: {wanted}")],
    };
    let count = |length: Option<usize>| {
        let least = wanted.as_u64().expect("a number");
        or_fault(length.is_none_or(|length| length as u64 >= least))
    };
    match keyword {
        // What an author writes under such a name has no rules.
        "patternProperties" => {
            assert_eq!(wanted, &json!({ "^x-": {} }));
            Vec::new()
        }
        "$schema" | "title" | "description" | "default" | "examples" => Vec::new(),
        "type" => or_fault(match wanted {
            Value::Array(types) => types.iter().any(|one| is_of(one, value)),
            one => is_of(one, value),
        }),
        "enum" => or_fault(wanted.as_array().expect("a list").contains(value)),
        "pattern" => {
            let pattern = Regex::new(wanted.as_str().expect("a text")).expect("an expression");
            or_fault(value.as_str().is_none_or(|text| pattern.is_match(text)))
        }
        // Of no meaning for what is no number.
        "minimum" => or_fault(value.as_i64().is_none_or(|it| Some(it) >= wanted.as_i64())),
        "maximum" => or_fault(value.as_i64().is_none_or(|it| Some(it) <= wanted.as_i64())),
        "minItems" => count(value.as_array().map(Vec::len)),
        "minProperties" => count(value.as_object().map(Map::len)),
        "anyOf" => {
            let mut branches = wanted.as_array().expect("a list").iter();
            or_fault(branches.any(|branch| faults(branch, value, at).is_empty()))
        }
        "required" => {
            let mut names = wanted.as_array().expect("a list").iter().filter_map(Value::as_str);
            or_fault(value.as_object().is_none_or(|object| names.all(|it| object.contains_key(it))))
        }
        "items" => inner(value.as_array(), |item| faults(wanted, item, at)),
        "properties" | "additionalProperties" | "propertyNames" => {
            let entries = value.as_object().into_iter().flatten();
            let known = |name: &str| schema.get("properties").and_then(|all| all.get(name));
            let entry = |(name, value): (&String, &Value)| {
                let at = format!("{at}.{name}");
                match (keyword, known(name)) {
                    ("propertyNames", _) => faults(wanted, &json!(name), &at),
                    ("properties", Some(schema)) => faults(schema, value, &at),
                    ("additionalProperties", None) if wanted.is_object() => {
                        faults(wanted, value, &at)
                    }
                    ("additionalProperties", None) if name.starts_with("x-") => Vec::new(),
                    ("additionalProperties", None) => vec![format!("{at} is not known")],
                    _ => Vec::new(),
                }
            };
            entries.flat_map(entry).collect()
        }
        _ => panic!("this validator does not know {keyword}"),
    }
}

fn inner(items: Option<&Vec<Value>>, check: impl Fn(&Value) -> Vec<String>) -> Vec<String> {
    items.into_iter().flatten().flat_map(check).collect()
}

fn is_of(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().expect("the name of a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("this validator does not know the type {other}"),
    }
}

/// The violations of the schema in a file; `None` for a file that is not YAML at all.
fn faults_of(path: &std::path::Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).expect("readable");
    let documents = Yaml::load_from_str(&text).ok()?;
    let document = documents.first()?;
    Some(faults(&config::reference::schema(), &json(document), ""))
}

#[test]
fn every_valid_file_is_valid_to_an_editor() {
    for path in ["tests/golden/valid", "conf"].iter().flat_map(|folder| yaml_files(folder)) {
        assert_eq!(faults_of(&path), Some(vec![]), "{}", path.display());
    }
}

#[test]
fn a_mistake_in_a_value_or_a_key_is_one_to_an_editor() {
    let accepted: Vec<String> = yaml_files("tests/golden/invalid")
        .iter()
        .filter(|path| faults_of(path).is_some_and(|faults| faults.is_empty()))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(accepted, BEYOND);
}

/// Calls `check` with each schema in this one, and where it is.
fn each_schema(schema: &Value, at: &str, check: &mut impl FnMut(&Value, &str)) {
    if let Value::Object(entries) = schema {
        check(schema, at);
        for (key, inner) in entries.iter().filter(|(key, _)| *key != "default") {
            each_schema(inner, &format!("{at}.{key}"), check);
        }
    }
    for inner in schema.as_array().into_iter().flatten() {
        each_schema(inner, at, check);
    }
}

#[test]
fn each_default_and_each_example_is_valid_where_it_stands() {
    each_schema(&config::reference::schema(), "", &mut |schema, at| {
        let examples = schema.get("examples").and_then(Value::as_array);
        for value in schema.get("default").into_iter().chain(examples.into_iter().flatten()) {
            assert_eq!(faults(schema, value, at), Vec::<String>::new());
        }
    });
}
