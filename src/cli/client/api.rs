//! The requests that the commands send, and the types of their answers.

use std::net::IpAddr;

use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::request::{AdminClient, ApiRequest, ApiResponse, ClientError};
use crate::admin::view::{Backend, Refusal, Status};
use crate::cli::figures::visible;

const POOLS: &str = "/api/v1/pools";
const CERTIFICATES: &str = "/api/v1/certificates";
const EXPLAIN: &str = "/api/v1/explain";
/// The bytes that are encoded in a part of a path or a query.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');
/// The most names in a message; further ones are only counted.
const NAMED: usize = 8;

/// A request for the process to explain.
#[derive(Debug, Clone)]
pub(in crate::cli) struct SampleRequest {
    pub(in crate::cli) method: Method,
    /// `http` or `https`; `None` where the URL has none.
    pub(in crate::cli) scheme: Option<&'static str>,
    pub(in crate::cli) host: String,
    pub(in crate::cli) path: String,
    pub(in crate::cli) query: Option<String>,
    pub(in crate::cli) client: Option<IpAddr>,
}

/// An operator's change of one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Change {
    /// The name of its pool.
    pub(in crate::cli) pool: String,
    /// Its address, or its configured name.
    pub(in crate::cli) backend: String,
    /// The kind of change.
    pub(in crate::cli) kind: ChangeKind,
}

/// See [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum ChangeKind {
    /// Sends it no new requests.
    Drain,
    /// Reverses it.
    Undrain,
    /// Takes it out of service, for this long.
    Eject(Option<String>),
    /// Reverses it.
    Readmit,
    /// `None` is the configuration's.
    Weight(Option<u32>),
}

impl ChangeKind {
    /// As the command and the end of the path.
    pub(in crate::cli) fn word(&self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Undrain => "undrain",
            Self::Eject(_) => "eject",
            Self::Readmit => "readmit",
            Self::Weight(_) => "weight",
        }
    }

    fn body(&self) -> String {
        // Written out: a weight that is `null` must be there, and a time that is not must not.
        match self {
            Self::Weight(weight) => serde_json::json!({ "weight": weight }).to_string(),
            Self::Eject(Some(time)) => serde_json::json!({ "for": time }).to_string(),
            Self::Drain | Self::Undrain | Self::Eject(None) | Self::Readmit => String::new(),
        }
    }
}

impl Change {
    fn question(&self) -> ApiRequest {
        let method = match self.kind {
            ChangeKind::Weight(_) => Method::PUT,
            _ => Method::POST,
        };
        let path = format!("{}/{}", path_of(&self.pool, &self.backend), self.kind.word());
        ApiRequest { method, path, body: self.kind.body() }
    }
}

impl AdminClient {
    /// The status of the process.
    ///
    /// # Errors
    ///
    /// If the listener cannot be asked.
    pub(in crate::cli) async fn status(&self) -> Result<Status, ClientError> {
        self.read(self.status_as_sent().await?)
    }

    /// As [`AdminClient::status`], as it was sent.
    pub(in crate::cli) async fn status_as_sent(&self) -> Result<Value, ClientError> {
        self.value(&get(POOLS.to_owned())).await
    }

    /// One backend, by its address or its configured name, as it was sent.
    pub(in crate::cli) async fn backend(
        &self,
        pool: &str,
        backend: &str,
    ) -> Result<Value, ClientError> {
        self.value(&get(path_of(pool, backend))).await
    }

    /// The certificates of all listeners, as they were sent.
    pub(in crate::cli) async fn certificates(&self) -> Result<Value, ClientError> {
        self.value(&get(CERTIFICATES.to_owned())).await
    }

    /// The explanation of a request, as it was sent.
    pub(in crate::cli) async fn explain(
        &self,
        sample: &SampleRequest,
    ) -> Result<Value, ClientError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("method", sample.method.as_str());
        query.append_pair("host", &sample.host).append_pair("path", &sample.path);
        let parts = [("query", sample.query.as_deref()), ("scheme", sample.scheme)];
        for (name, value) in parts.into_iter().filter_map(|(name, it)| Some((name, it?))) {
            query.append_pair(name, value);
        }
        if let Some(client) = sample.client {
            query.append_pair("client", &client.to_string());
        }
        let query = query.finish();
        self.value(&get(format!("{EXPLAIN}?{query}"))).await
    }

    /// Makes the change.
    ///
    /// # Errors
    ///
    /// If the listener cannot be asked or refuses. If there is no such backend, the message names the
    /// backends that there are.
    pub(in crate::cli) async fn change(&self, change: &Change) -> Result<Backend, ClientError> {
        self.read(self.change_as_answered(change).await?)
    }

    /// As [`AdminClient::change`], as it was answered.
    pub(in crate::cli) async fn change_as_answered(
        &self,
        change: &Change,
    ) -> Result<Value, ClientError> {
        match self.value(&change.question()).await {
            Err(ClientError::Refused {
                status: StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST,
                reason,
            }) => {
                let status = self.status().await?;
                Err(ClientError::Unknown(missing(change, &status).unwrap_or(reason)))
            }
            answered => answered,
        }
    }

    /// An answer as its type, fit to be shown.
    pub(in crate::cli) fn read<T: DeserializeOwned>(
        &self,
        mut value: Value,
    ) -> Result<T, ClientError> {
        make_visible(&mut value);
        serde_json::from_value(value)
            .map_err(|error| self.not_lb(format!("its JSON has another shape: {error}")))
    }

    async fn value(&self, question: &ApiRequest) -> Result<Value, ClientError> {
        let ApiResponse { status, body } = self.ask(question).await?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, value) {
            (StatusCode::UNAUTHORIZED, _) => Err(self.wrong_token()),
            (status, Some(value)) if status.is_success() => Ok(value),
            (status, Some(value)) => match self.read(value) {
                Ok(Refusal { error }) => Err(ClientError::Refused { status, reason: error }),
                Err(_) => Err(self.unexpected(status, question)),
            },
            (StatusCode::BAD_REQUEST, None) if self.trust.is_none() && speaks_tls(&body) => {
                Err(self.not_lb("it speaks TLS: write https:// in the address"))
            }
            (status, None) => Err(self.unexpected(status, question)),
        }
    }

    fn unexpected(&self, status: StatusCode, question: &ApiRequest) -> ClientError {
        let ApiRequest { method, path, .. } = question;
        let path = path.split('?').next().unwrap_or_default();
        self.not_lb(format!("it answered {} to {method} {path}", status.as_u16()))
    }
}

/// Whether this is the answer of a listener with TLS to what is none.
fn speaks_tls(body: &[u8]) -> bool {
    body.starts_with(b"400 Bad Request: this port speaks TLS")
}

fn get(path: String) -> ApiRequest {
    ApiRequest { method: Method::GET, path, body: String::new() }
}

fn path_of(pool: &str, backend: &str) -> String {
    format!("{POOLS}/{}/backends/{}", encoded(pool), encoded(backend))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Escapes control characters in text from elsewhere, so that it cannot control the terminal.
fn make_visible(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains(char::is_control) {
                *text = visible(text);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_visible),
        Value::Object(fields) => fields.values_mut().for_each(make_visible),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Which of the two names of a backend is unknown, and the ones that are known.
fn missing(change: &Change, status: &Status) -> Option<String> {
    let Some(pool) = status.pools.iter().find(|pool| pool.name == change.pool) else {
        return Some(no_pool(&change.pool, status));
    };
    let is_known =
        |it: &Backend| it.name == change.backend || it.address.to_string() == change.backend;
    if pool.backends.iter().any(is_known) {
        return None;
    }
    let known = pool.backends.iter().map(Backend::label).collect();
    let (wrong, pool) = (visible(&change.backend), &pool.name);
    let known = listed(&wrong, known);
    Some(format!("pool {pool} has no backend {wrong} (its backends are {known})"))
}

/// What to say of a pool that is not there.
pub(in crate::cli) fn no_pool(name: &str, status: &Status) -> String {
    let name = visible(name);
    let known = listed(&name, status.pools.iter().map(|pool| pool.name.clone()).collect());
    format!("no pool is named \"{name}\" (the pools are {known})")
}

/// The nearest first; not all of them, where there are many.
fn listed(wrong: &str, mut known: Vec<String>) -> String {
    known.sort_by_key(|name| strsim::osa_distance(name, wrong));
    let more = known.len().saturating_sub(NAMED);
    known.truncate(NAMED);
    match (known.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => known.join(", "),
        (false, more) => format!("{} and {more} more", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::view::ChangeBody;

    fn question(kind: ChangeKind) -> ApiRequest {
        let (pool, backend) = ("a/b c".to_owned(), "[::1]:80".to_owned());
        Change { pool, backend, kind }.question()
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        let asked = question(ChangeKind::Drain);
        let path = "/api/v1/pools/a%2Fb%20c/backends/%5B::1%5D:80/drain";
        assert_eq!((asked.method, asked.path.as_str()), (Method::POST, path));
        assert_eq!(asked.body, "");
    }

    #[test]
    fn the_process_reads_the_body_of_every_change() {
        for (kind, method, body, wish) in [
            (ChangeKind::Eject(None), Method::POST, "", None),
            (
                ChangeKind::Eject(Some("30s".into())),
                Method::POST,
                r#"{"for":"30s"}"#,
                Some((None, "30s")),
            ),
            (ChangeKind::Weight(Some(3)), Method::PUT, r#"{"weight":3}"#, Some((Some(3), ""))),
            (ChangeKind::Weight(None), Method::PUT, r#"{"weight":null}"#, Some((None, ""))),
        ] {
            let asked = question(kind);
            assert_eq!((asked.method, asked.body.as_str()), (method, body));
            let read: Option<ChangeBody> = serde_json::from_str(body).ok();
            let expected = wish.map(|(weight, time)| ChangeBody {
                weight,
                duration: Some(time.to_owned()).filter(|time| !time.is_empty()),
            });
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn the_nearest_names_come_first_and_the_rest_is_counted() {
        let names = |count| (0..count).map(|port| format!("10.0.0.1:{}", 9000 + port)).collect();
        assert!(listed("10.0.0.1:9003", names(20)).starts_with("10.0.0.1:9003, "));
        assert!(listed("x", names(20)).ends_with(" and 12 more"));
        assert_eq!(listed("x", names(1)), "10.0.0.1:9000");
        assert_eq!(listed("x", vec![]), "none");
    }

    #[test]
    fn text_from_other_programs_does_not_move_the_cursor() {
        let mut value = serde_json::json!({ "a": ["\u{1b}[2J", "fine"], "n": 1 });
        make_visible(&mut value);
        assert_eq!(value, serde_json::json!({ "a": ["\\u{1b}[2J", "fine"], "n": 1 }));
    }
}
