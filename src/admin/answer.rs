//! What is answered to which request: values in, values out.

use std::borrow::Cow;

use http::{Method, StatusCode};

use super::readiness::Unready;

/// What every resource can be asked for with.
const METHODS: &str = "GET, HEAD";

/// An answer, before it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The methods that would have done, where this one does not.
    pub(super) allow: Option<&'static str>,
    /// Text.
    pub(super) body: Cow<'static, str>,
}

impl Answer {
    fn new(status: StatusCode, body: impl Into<Cow<'static, str>>) -> Self {
        Self { status, allow: None, body: body.into() }
    }
}

/// The answer to a request for this path, which is without its query.
pub(super) fn answer(
    method: &Method,
    path: &str,
    readiness: impl FnOnce() -> Result<(), Unready>,
) -> Answer {
    let is_read = [Method::GET, Method::HEAD].contains(method);
    match path {
        "/live" | "/ready" if !is_read => {
            let refusal = Answer::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            Answer { allow: Some(METHODS), ..refusal }
        }
        "/live" => Answer::new(StatusCode::OK, "live\n"),
        "/ready" => match readiness() {
            Ok(()) => Answer::new(StatusCode::OK, "ready\n"),
            Err(why) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        _ => Answer::new(StatusCode::NOT_FOUND, "not found\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolName;

    fn status_and_body(method: &Method, path: &str, unready: Option<Unready>) -> (u16, String) {
        let answer = answer(method, path, || unready.map_or(Ok(()), Err));
        (answer.status.as_u16(), answer.body.into_owned())
    }

    #[test]
    fn who_is_ready_says_so_and_who_is_not_says_why() {
        let pools = |names: &[&str]| {
            Some(Unready::Pools(names.iter().map(|name| PoolName::new(*name)).collect()))
        };
        let cases = [
            (None, 200, "ready\n"),
            (Some(Unready::Starting), 503, "not ready: starting\n"),
            (Some(Unready::Draining), 503, "not ready: draining\n"),
            (pools(&["web"]), 503, "not ready: no eligible backend in pool web\n"),
            (pools(&["api", "web"]), 503, "not ready: no eligible backend in pool api, web\n"),
        ];
        for (unready, status, body) in cases {
            for method in [Method::GET, Method::HEAD] {
                let got = status_and_body(&method, "/ready", unready.clone());
                assert_eq!(got, (status, body.to_owned()), "{method} {unready:?}");
            }
        }
    }

    #[test]
    fn it_is_live_whether_it_is_ready_or_not() {
        for unready in [None, Some(Unready::Starting), Some(Unready::Draining)] {
            let got = status_and_body(&Method::GET, "/live", unready);
            assert_eq!(got, (200, "live\n".to_owned()));
        }
    }

    #[test]
    fn nothing_is_elsewhere() {
        for path in ["/", "", "*", "/ready/", "/livez", "/LIVE", "//ready", "/live/ready"] {
            for method in [Method::GET, Method::POST] {
                let got = answer(&method, path, || Ok(()));
                assert_eq!((got.status.as_u16(), got.allow), (404, None), "{method} {path}");
            }
        }
    }

    #[test]
    fn another_method_is_told_which_ones_would_do() {
        for path in ["/live", "/ready"] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                let got = answer(&method, path, || Ok(()));
                let allowed = (got.status.as_u16(), got.allow);
                assert_eq!(allowed, (405, Some("GET, HEAD")), "{method} {path}");
            }
        }
    }
}
