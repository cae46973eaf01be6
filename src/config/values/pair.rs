//! Names and values that the author chooses: fields for a collector, and attributes.

use serde_json::json;

use super::kind::{Form, Kind};
use crate::config::{model::HeaderText, wording::quoted};

/// Fields of an export that are not the author's.
const OURS: [&str; 6] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// A text for people, on one line.
pub(in crate::config) const TEXT: Kind<Box<str>> = Kind {
    expected: "a text",
    parse: |text| match text.is_empty() || text.contains(char::is_control) {
        true => Err(format!("must be a text on one line, found {}", quoted(text))),
        false => Ok(text.into()),
    },
    show: |text| json!(text),
    shape: Form::TextOrNumber(".").alone(),
};

/// The value of an attribute.
pub(in crate::config) const ATTRIBUTE: Kind<Box<str>> =
    Kind { expected: "a text such as production", ..TEXT };

/// The value of a field. No message shows it.
pub(in crate::config) const HEADER_TEXT: Kind<HeaderText> = Kind {
    expected: "a text of visible ASCII characters",
    parse: |text| {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        match is_visible && !text.is_empty() && text.trim() == text {
            true => Ok(HeaderText(text.into())),
            false => Err("must be a text of visible ASCII characters".to_owned()),
        }
    },
    show: |text| json!(text.text()),
    shape: Form::TextOrNumber("^[!-~]([ -~]*[!-~])?$").alone(),
};

/// Reads the name of a field; in lower case.
pub(in crate::config) fn header_name(text: &str) -> Result<Box<str>, String> {
    let name = http::HeaderName::from_bytes(text.as_bytes());
    let name = name.map_err(|_| format!("is no name of a header, found {}", quoted(text)))?;
    match name.as_str() {
        own if OURS.contains(&own) => {
            Err(format!("cannot be set: {own} is a part of the protocol"))
        }
        binary if binary.ends_with("-bin") => Err(format!(
            "must be the name of a text, found {} (-bin is of bytes in gRPC)",
            quoted(text)
        )),
        name => Ok(name.into()),
    }
}

/// Reads the name of an attribute.
pub(in crate::config) fn attribute_name(text: &str) -> Result<Box<str>, String> {
    match text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        true => Err(format!(
            "must be a name such as deployment.environment.name, found {}",
            quoted(text)
        )),
        false => Ok(text.into()),
    }
}

/// Reads `name=value,name=value`, as variables of OpenTelemetry have it: values are percent-encoded.
///
/// # Errors
///
/// The end of a message, which shows no value.
pub(in crate::config) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').ok_or("must be name=value,name=value")?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8();
        let value = value.map_err(|_| "has a value that is not UTF-8 text")?;
        Ok((name.trim().to_owned(), value.into_owned()))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(pair).collect::<Result<_, &str>>().map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_that_may_be_set_and_its_value_is_never_told() {
        assert_eq!(header_name("X-Api-Key"), Ok("x-api-key".into()));
        for name in ["", "a b", "a:b", "Content-Type", "content-length", "trace-bin", "\u{e4}"] {
            assert!(header_name(name).is_err(), "{name}");
        }
        assert!((HEADER_TEXT.parse)("Bearer a=b,c").is_ok());
        for value in ["", " a", "a\n", "s3cr\u{e4}t"] {
            let message = (HEADER_TEXT.parse)(value).unwrap_err();
            assert!(!message.contains("s3cr"), "{message}");
        }
    }

    #[test]
    fn pairs_are_read_as_opentelemetry_writes_them() {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(pairs("a=1, b = two%20words ,"), Ok(own(&[("a", "1"), ("b", "two words")])));
        assert_eq!(pairs("a=b=c"), Ok(own(&[("a", "b=c")])));
        assert_eq!(pairs(""), Ok(Vec::new()));
        assert!(pairs("a").is_err());
        assert!(pairs("a=%ff").is_err());
    }
}
