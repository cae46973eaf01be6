//! A response before it is written, and the responses of `/live` and `/ready`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use pingora::http::ResponseHeader;
use pingora_core::Result;
use serde::Serialize;

use crate::admin::{page, view};
use crate::readiness::Unready;
use crate::tls::UntrustedHosts;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A response, before it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    /// The headers beside those that every response has.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Response {
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

    /// A file of the status page.
    pub(super) fn page(file: &page::File) -> Self {
        Self::new(StatusCode::OK, file.content_type, file.content)
            .with(CONTENT_SECURITY_POLICY, page::POLICY)
            .with(X_FRAME_OPTIONS, "DENY")
    }

    /// A refusal with its reason: JSON for the API, text elsewhere.
    pub(super) fn refusal(path: &str, status: StatusCode, reason: &str) -> Self {
        if path == "/api" || path.starts_with("/api/") {
            let refusal = view::Refusal { error: reason.to_owned() };
            return Self { status, ..Self::json(&refusal) };
        }
        Self::text(status, format!("{reason}\n"))
    }

    /// The response with this header; a value that no header may have is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }
}

/// The response of `/live`: the process lives, since it responds.
pub(super) fn live() -> Response {
    Response::text(StatusCode::OK, "live\n")
}

/// The response of `/ready`. Hosts without a certificate that clients trust do not make a process
/// unready, because an authority would then not reach it.
pub(super) fn ready(
    readiness: std::result::Result<(), Unready>,
    untrusted: &UntrustedHosts,
) -> Response {
    let told = |what: &str, hosts: &[Box<str>]| match hosts {
        [] => String::new(),
        hosts => format!("{what}: {}\n", hosts.join(", ")),
    };
    match readiness {
        Ok(()) => {
            let self_signed = told("self-signed until the order is done", &untrusted.self_signed);
            let expired = told("expired, and kept until there is a better one", &untrusted.expired);
            Response::text(StatusCode::OK, format!("ready\n{self_signed}{expired}"))
        }
        Err(why) => Response::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

/// Adds the headers of every response: it must not be cached, its type must not be guessed, and its
/// links send no referrer.
pub(super) fn security_headers(header: &mut ResponseHeader) -> Result<()> {
    header.insert_header(CACHE_CONTROL, "no-store")?;
    header.insert_header(X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    header.insert_header(REFERRER_POLICY, "no-referrer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolName;

    #[test]
    fn a_ready_process_says_so_and_an_unready_one_says_why() {
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
            let response = ready(readiness, &UntrustedHosts::default());
            assert_eq!((response.status.as_u16(), &*response.body), (status, body.as_bytes()));
        }
    }

    #[test]
    fn a_ready_process_says_which_hosts_have_no_certificate_that_clients_trust() {
        let hosts = UntrustedHosts {
            self_signed: vec!["a.example".into(), "b.example".into()],
            expired: vec!["c.example".into()],
        };
        let body = |readiness| ready(readiness, &hosts).body;
        assert_eq!(
            &*body(Ok(())),
            b"ready\nself-signed until the order is done: a.example, b.example\n\
              expired, and kept until there is a better one: c.example\n"
        );
        assert_eq!(&*body(Err(Unready::Draining)), b"not ready: draining\n");
    }

    #[test]
    fn a_refusal_is_json_for_the_api_and_text_elsewhere() {
        let refusal = |path| Response::refusal(path, StatusCode::NOT_FOUND, "no \"x\"");
        let text = |response: Response| String::from_utf8(response.body.to_vec()).unwrap();
        assert_eq!(text(refusal("/api/v1/x")), r#"{"error":"no \"x\""}"#);
        assert_eq!(refusal("/api/v1/x").content_type, JSON);
        for path in ["/apix", "/", "/login"] {
            assert_eq!(text(refusal(path)), "no \"x\"\n", "{path}");
            assert_eq!(refusal(path).content_type, TEXT);
        }
    }
}
