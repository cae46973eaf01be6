//! Secrets: of the admin listener, and of an account at an authority. No message shows any of one.

use serde_json::json;

use super::kind::{Form, Kind};
use crate::config::{
    model::{AccountKey, Token},
    wording::quoted,
};

/// The shortest token: shorter ones can be guessed.
const TOKEN_MIN: usize = 16;
/// The longest token: longer ones do not fit into a header beside its other fields.
const TOKEN_MAX: usize = 512;

pub(in crate::config) const TOKEN: Kind<Token> = Kind {
    expected: "a token of 16 or more letters and digits",
    parse: token,
    show: |token| json!(token.secret()),
    shape: Form::TextOrNumber("^[!#-+\\--:<-\\[\\]-~]{16,512}$").alone(),
};

pub(in crate::config) fn token(text: &str) -> Result<Token, String> {
    let make = "(openssl rand -hex 32 makes one)";
    let is_allowed = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"' | '\\');
    match text.chars().count() {
        length @ ..TOKEN_MIN => {
            return Err(format!(
                "must have at least {TOKEN_MIN} characters, found {length} {make}"
            ));
        }
        ..=TOKEN_MAX => {}
        length => {
            return Err(format!("must have at most {TOKEN_MAX} characters, found {length} {make}"));
        }
    }
    match text.chars().all(is_allowed) {
        true => Ok(Token(text.into())),
        false => Err(format!(
            "must be of visible ASCII characters other than ; , \" and \\, as it goes into a cookie {make}"
        )),
    }
}

pub(in crate::config) const KEY_ID: Kind<Box<str>> = Kind {
    expected: "the name of an account",
    parse: |text| match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(format!("must be the name of an account, found {}", quoted(text))),
        false => Ok(text.into()),
    },
    show: |id| json!(id),
    shape: Form::TextOrNumber(".").alone(),
};

pub(in crate::config) const HMAC_KEY: Kind<AccountKey> = Kind {
    expected: "a key in base64url",
    parse: |text| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let key = text.trim_end_matches('=');
        match !key.is_empty() && key.chars().all(is_letter) && key.len() % 4 != 1 {
            true => Ok(AccountKey(key.into())),
            false => Err("must be a key in base64url, as the authority gives it".to_owned()),
        }
    },
    show: |key| json!(key.text()),
    shape: Form::Text("^[0-9A-Za-z_-]+=*$").alone(),
};
