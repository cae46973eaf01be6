//! Names of users, groups and pools.

use serde_json::json;

use super::kind::{Form, Kind};
use crate::config::{model::PoolName, wording::quoted};

/// The pattern of a user's or a group's name: letters of any language, digits, and other characters
/// that Linux allows.
const USER_PATTERN: &str = "^[^-:/ ][^:/ ]*$";
/// The pattern of a pool's name.
pub(in crate::config) const POOL_PATTERN: &str = "^[A-Za-z0-9._-]+$";

pub(in crate::config) const USER: Kind<Box<str>> = Kind {
    expected: "the name of a user",
    parse: |text| name(text, "user"),
    show: |name| json!(name),
    shape: Form::TextOrNumber(USER_PATTERN).alone(),
};

pub(in crate::config) const GROUP: Kind<Box<str>> =
    Kind { expected: "the name of a group", parse: |text| name(text, "group"), ..USER };

pub(in crate::config) const POOL_NAME: Kind<PoolName> = Kind {
    expected: "the name of a pool",
    parse: pool_name,
    show: |name| json!(name.as_str()),
    shape: Form::TextOrNumber(POOL_PATTERN).alone(),
};

/// The longest name of a program in syslog (RFC 5424 section 6.2.5).
const APP_NAME_MAX: usize = 48;

pub(in crate::config) const APP_NAME: Kind<Box<str>> = Kind {
    expected: "a name such as lb",
    parse: |text| match text.len() {
        1..=APP_NAME_MAX if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.into()),
        _ => Err(format!(
            "must be 1 to {APP_NAME_MAX} characters of ASCII without blanks, found {}",
            quoted(text)
        )),
    },
    show: |name| json!(name),
    shape: Form::TextOrNumber("^[!-~]{1,48}$").alone(),
};

fn name(text: &str, what: &str) -> Result<Box<str>, String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '$');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_part) {
        return Ok(text.into());
    }
    let hint = match text.split_once(':') {
        Some((user, group)) if !user.is_empty() && !group.is_empty() => {
            " (user and group are two keys)"
        }
        _ => "",
    };
    Err(format!("must be the name of a {what}, found {}{hint}", quoted(text)))
}

fn pool_name(text: &str) -> Result<PoolName, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() || !text.chars().all(is_allowed) {
        let found = quoted(text);
        return Err(format!("must consist of letters, digits, '-', '.' and '_', found {found}"));
    }
    Ok(PoolName::new(text))
}
