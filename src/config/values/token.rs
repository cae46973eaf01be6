//! The secret of the admin listener. No message shows any of it.

use serde_json::json;

use super::kind::{Form, Kind};
use crate::config::model::Token;

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
