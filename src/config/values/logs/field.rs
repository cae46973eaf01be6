//! Fields of the access log, by the names that they have in its lines.

use serde_json::json;

use super::super::kind::{Form, Kind};
use crate::config::{
    model::{FieldItem, LogField, StandardField},
    word::Word,
    wording::{quoted, with_nearest},
};

pub(in crate::config) const FIELD_ITEM: Kind<FieldItem> = Kind {
    expected: "a field such as user_agent or request_header.accept, or default",
    parse: |text| match (text, text.strip_prefix('-')) {
        ("default", _) => Ok(FieldItem::Default),
        (_, Some(out)) => match field(out)? {
            LogField::Standard(field) => Ok(FieldItem::Without(field)),
            _ => Err(format!(
                "takes out a field that is not there by default, found {}",
                quoted(text)
            )),
        },
        _ => field(text).map(FieldItem::With),
    },
    show: |item| json!(item.to_string()),
    shape: Form::Text("^(-?[a-z_]+|(request|response)_header\\.[^ ]+|cookie\\.[^ ]+)$").alone(),
};

pub(in crate::config) const FIELD: Kind<LogField> = Kind {
    expected: "a field such as cookie.theme or request_header.authorization",
    parse: |text| match field(text)? {
        it if it.is_secret() => Ok(it),
        _ => Err(format!("is never masked: remove it from this list, found {}", quoted(text))),
    },
    show: |field| json!(field.to_string()),
    shape: Form::Text("^((request|response)_header\\.[^ ]+|cookie\\.[^ ]+)$").alone(),
};

/// Other names of fields, and ours.
const OTHER_NAMES: [(&[&str], &str); 9] = [
    (&["ua", "agent", "useragent", "http_user_agent"], "user_agent"),
    (&["referrer", "http_referer", "referer_header"], "referer"),
    (&["uri", "url", "request_uri"], "path"),
    (&["duration", "latency", "request_time", "response_time"], "latency_ms"),
    (&["upstream", "upstream_addr", "server"], "backend"),
    (&["remote_addr", "client", "ip"], "real_ip"),
    (&["bytes_sent", "body_bytes_sent", "response_bytes"], "bytes"),
    (&["bytes_received", "request_length", "received_bytes"], "request_bytes"),
    (&["timestamp", "@timestamp", "date"], "time"),
];

fn field(text: &str) -> Result<LogField, String> {
    if let Some(field) = StandardField::ALL.iter().find(|field| field.word() == text) {
        return Ok(LogField::Standard(*field));
    }
    let found = quoted(text);
    if let Some((kind, name)) = text.split_once('.') {
        let header = name.to_ascii_lowercase().into_boxed_str();
        match kind {
            "request_header" if is_token(name) => return Ok(LogField::RequestHeader(header)),
            "response_header" if is_token(name) => return Ok(LogField::ResponseHeader(header)),
            "cookie" if is_token(name) => return Ok(LogField::Cookie(name.into())),
            "request_header" | "response_header" | "cookie" => {
                return Err(format!(
                    "needs the name of a header or cookie behind the dot, found {found}"
                ));
            }
            _ => {}
        }
    }
    let plain = text.trim_start_matches('$').to_ascii_lowercase().replace('-', "_");
    let other = OTHER_NAMES.iter().find(|(names, _)| names.contains(&plain.as_str()));
    let must = format!(
        "must be a field such as user_agent, request_header.NAME, response_header.NAME or cookie.NAME, \
         found {found}"
    );
    match other {
        Some((_, ours)) => Err(format!("{must} (write {ours})")),
        None => Err(with_nearest(must, &plain, StandardField::ALL.iter().map(|it| it.word()))),
    }
}

/// Whether a text is a token (RFC 9110 section 5.6.2), as names of headers and cookies are.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}
