//! An answer before it is written, and what is said of life and readiness.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::{readiness::Unready, view};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// An answer, before it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    /// Beside those that every answer has.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// Text, which should end its last line.
    pub(super) fn text(status: StatusCode, body: impl Into<Cow<'static, str>>) -> Self {
        let body = match body.into() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        Self::new(status, TEXT, body)
    }

    /// A value as JSON.
    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(StatusCode::OK, JSON, body),
            Err(error) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    /// Why something was not done: JSON for the API, text elsewhere.
    pub(super) fn refusal(path: &str, status: StatusCode, reason: &str) -> Self {
        if path == "/api" || path.starts_with("/api/") {
            let refusal = view::Refusal { error: reason.to_owned() };
            return Self { status, ..Self::json(&refusal) };
        }
        Self::text(status, format!("{reason}\n"))
    }

    /// With this header as well; a value that no header may have is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

/// It lives: it answers.
pub(super) fn live() -> Answer {
    Answer::text(StatusCode::OK, "live\n")
}

/// Whether it should be sent requests.
pub(super) fn ready(readiness: Result<(), Unready>) -> Answer {
    match readiness {
        Ok(()) => Answer::text(StatusCode::OK, "ready\n"),
        Err(why) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolName;

    #[test]
    fn who_is_ready_says_so_and_who_is_not_says_why() {
        let pools = |names: &[&str]| {
            Err(Unready::Pools(names.iter().map(|name| PoolName::new(*name)).collect()))
        };
        let cases = [
            (Ok(()), 200, "ready\n"),
            (Err(Unready::Starting), 503, "not ready: starting\n"),
            (Err(Unready::Draining), 503, "not ready: draining\n"),
            (pools(&["web"]), 503, "not ready: no eligible backend in pool web\n"),
            (pools(&["api", "web"]), 503, "not ready: no eligible backend in pool api, web\n"),
        ];
        for (readiness, status, body) in cases {
            let answer = ready(readiness);
            assert_eq!((answer.status.as_u16(), &*answer.body), (status, body.as_bytes()));
        }
    }

    #[test]
    fn a_refusal_is_json_for_the_api_and_text_elsewhere() {
        let refusal = |path| Answer::refusal(path, StatusCode::NOT_FOUND, "no \"x\"");
        let text = |answer: Answer| String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(text(refusal("/api/v1/x")), r#"{"error":"no \"x\""}"#);
        assert_eq!(refusal("/api/v1/x").content_type, JSON);
        for path in ["/apix", "/", "/login"] {
            assert_eq!(text(refusal(path)), "no \"x\"\n", "{path}");
            assert_eq!(refusal(path).content_type, TEXT);
        }
    }
}
