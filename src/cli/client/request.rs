//! One question to the admin listener and its answer, over TCP, TLS or a Unix socket.
//!
//! Pingora writes and reads the HTTP. Each question has a connection of its own, because questions
//! are few, and nothing has to be cleaned up when the process at the other end is replaced. The
//! peer may be any program, so the answer has a limit in time and in size.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use http::{
    Method, StatusCode,
    header::{
        ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName,
        USER_AGENT,
    },
};
use pingora::http::RequestHeader;
use pingora_core::{
    ErrorType,
    protocols::{http::v1::client::HttpSession, l4::stream::Stream},
};
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{address::Address, trust::Trust};
use crate::tls::in_session;

/// The time within which the connection must be accepted.
const CONNECT: Duration = Duration::from_secs(2);
/// The time within which the whole answer must come.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest answer, in bytes: enough for tens of thousands of backends.
const LARGEST: usize = 64 * 1024 * 1024;
/// Shows that no form on a web page sent this request.
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// A client of one admin listener.
#[derive(Clone)]
pub(in crate::cli) struct AdminClient {
    /// The address of the listener.
    pub(in crate::cli) address: Address,
    /// The token, if there is one.
    pub(in crate::cli) token: Option<String>,
    /// The certificates that the listener may show; `None` for an address without TLS.
    pub(in crate::cli) trust: Option<Trust>,
    /// The configuration file that named the address.
    pub(in crate::cli) file: Option<PathBuf>,
}

impl fmt::Debug for AdminClient {
    /// Omits the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A request to the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct ApiRequest {
    /// GET changes nothing.
    pub(in crate::cli) method: Method,
    /// The path with the query, both encoded.
    pub(in crate::cli) path: String,
    /// The body: JSON, or empty.
    pub(in crate::cli) body: String,
}

/// A response of the admin API.
#[derive(Debug)]
pub(in crate::cli) struct ApiResponse {
    pub(in crate::cli) status: StatusCode,
    pub(in crate::cli) body: Vec<u8>,
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    /// The connection could not be made.
    #[error("no connection to {at}: {reason} ({hint})")]
    NoConnection { at: String, reason: String, hint: String },
    /// The answer did not come in time.
    #[error("{at} does not answer within {}s (is this the admin listener of lb?)", ANSWER.as_secs())]
    Timeout { at: String },
    /// The connection ended before the answer did.
    #[error(
        "{at} closed the connection before its answer was complete (was lb stopped just now? try again)"
    )]
    BrokenOff { at: String },
    /// The peer is not the admin listener.
    #[error(
        "what answers at {at} is not the admin listener of this lb: {found} (its address is the \
         key admin in the configuration)"
    )]
    NotLb { at: String, found: String },
    /// There is no session of TLS.
    #[error("no session of TLS with {at}: {reason} ({hint})")]
    NoSession { at: String, reason: String, hint: String },
    /// The listener answered 401.
    #[error("{at} {problem}")]
    Token { at: String, problem: &'static str },
    /// The listener refused the request and gave the reason.
    #[error("{reason}")]
    Refused { status: StatusCode, reason: String },
    /// The command names a pool or a backend that does not exist.
    #[error("{0}")]
    Unknown(String),
}

impl AdminClient {
    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// If no answer comes in time, or it is not HTTP.
    pub(in crate::cli) async fn ask(
        &self,
        question: &ApiRequest,
    ) -> Result<ApiResponse, ClientError> {
        let connected = timeout(CONNECT, self.connect()).await;
        let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(|error| self.failed(&error))?;
        let answered = timeout(ANSWER, self.converse(stream, question)).await;
        answered.unwrap_or_else(|_| Err(ClientError::Timeout { at: self.at() }))
    }

    /// The error for a peer that is not the admin listener.
    pub(in crate::cli) fn not_lb(&self, found: impl Into<String>) -> ClientError {
        ClientError::NotLb { at: self.at(), found: found.into() }
    }

    /// The error for a missing or a wrong token.
    pub(in crate::cli) fn wrong_token(&self) -> ClientError {
        let problem = match self.token {
            None => {
                "requires a token (name the file that the process runs from with -c, or a file with \
                 the token with --token-file, or put it into the environment as LB_ADMIN_TOKEN)"
            }
            Some(_) => {
                "rejects this token (the right one is the one in the configuration that the process has \
                 loaded: admin.token or admin.token_file)"
            }
        };
        ClientError::Token { at: self.at(), problem }
    }

    /// The address, for messages.
    pub(in crate::cli) fn at(&self) -> String {
        self.address.to_string()
    }

    async fn connect(&self) -> io::Result<Stream> {
        let stream = match &self.address {
            Address::Tcp(place) | Address::Tls(place) => TcpStream::connect(place).await?.into(),
            Address::Unix(path) => UnixStream::connect(path).await?.into(),
        };
        let Some(trust) = &self.trust else { return Ok(stream) };
        let connector = TlsConnector::from(Arc::clone(&trust.config));
        let session = connector.connect(trust.name.clone(), Box::new(stream)).await?;
        Ok(in_session(session.into()))
    }

    async fn converse(
        &self,
        stream: Stream,
        question: &ApiRequest,
    ) -> Result<ApiResponse, ClientError> {
        let broken = |error: Box<pingora_core::Error>| {
            let cause = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<io::Error>());
            match (error.etype(), cause.and_then(tls_error)) {
                (ErrorType::InvalidHTTPHeader, _) => self.not_lb("it does not speak HTTP"),
                // It comes when the client has already sent its request (RFC 8446 section 4.4.2.4).
                (_, Some(error)) => self.no_session(error),
                _ => ClientError::BrokenOff { at: self.at() },
            }
        };
        let header = self.header(question).map_err(broken)?;
        let mut session = HttpSession::new(Box::new(stream));
        session.write_request_header(Box::new(header)).await.map_err(broken)?;
        if !question.body.is_empty() {
            session.write_body(question.body.as_bytes()).await.map_err(broken)?;
        }
        session.finish_body().await.map_err(broken)?;
        session.read_response().await.map_err(broken)?;
        let status = session.get_status().unwrap_or_default();
        let mut body = Vec::new();
        while let Some(piece) = session.read_body_bytes().await.map_err(broken)? {
            if body.len() + piece.len() > LARGEST {
                return Err(self.not_lb("its answer has more than 64 MB"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(ApiResponse { status, body })
    }

    fn header(&self, question: &ApiRequest) -> pingora_core::Result<RequestHeader> {
        let host = match &self.address {
            Address::Tcp(place) | Address::Tls(place) => place,
            Address::Unix(_) => "localhost",
        };
        let path = question.path.as_bytes();
        let mut header = RequestHeader::build(question.method.clone(), path, Some(8))?;
        header.insert_header(HOST, host)?;
        header.insert_header(USER_AGENT, concat!("lb/", env!("CARGO_PKG_VERSION")))?;
        header.insert_header(ACCEPT, "application/json")?;
        header.insert_header(CONNECTION, "close")?;
        if let Some(token) = &self.token {
            header.insert_header(AUTHORIZATION, format!("Bearer {token}"))?;
        }
        if question.method != Method::GET {
            header.insert_header(REQUESTED_WITH, "lb")?;
            header.insert_header(CONTENT_LENGTH, question.body.len().to_string())?;
        }
        if !question.body.is_empty() {
            header.insert_header(CONTENT_TYPE, "application/json")?;
        }
        Ok(header)
    }

    fn failed(&self, error: &io::Error) -> ClientError {
        match tls_error(error) {
            Some(error) => self.no_session(error),
            None => self.no_connection(error),
        }
    }

    fn no_session(&self, error: &rustls::Error) -> ClientError {
        let trust = match &self.file {
            Some(file) => format!(
                "it is none of those that {} names: if they have changed since, lb reload -c {}; or name \
                 it, or the authority that signed it, with --cacert FILE",
                file.display(),
                file.display()
            ),
            None => "name it, or the authority that signed it, with --cacert FILE".to_owned(),
        };
        let (reason, hint) = match error {
            rustls::Error::InvalidCertificate(error) => {
                (format!("its certificate is not trusted: {error}"), trust)
            }
            rustls::Error::InvalidMessage(_) => {
                ("it does not speak TLS".to_owned(), "write http:// in the address".to_owned())
            }
            rustls::Error::AlertReceived(alert) => (
                format!("it ends the session with the alert {alert:?}"),
                "it may want a certificate of its clients: name yours with --cert FILE".to_owned(),
            ),
            error => (error.to_string(), "is this the admin listener of lb?".to_owned()),
        };
        ClientError::NoSession { at: self.at(), reason, hint }
    }

    fn no_connection(&self, error: &io::Error) -> ClientError {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::NotFound => "there is no such socket".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            io::ErrorKind::TimedOut => format!("not accepted within {}s", CONNECT.as_secs()),
            _ => error.to_string(),
        };
        let hint = match (&self.file, &self.address) {
            _ if error.kind() == io::ErrorKind::PermissionDenied => {
                "ask as the user that lb runs as, or as root".to_owned()
            }
            (Some(file), _) => format!("is lb running? start it with: lb -c {}", file.display()),
            (None, Address::Tcp(place) | Address::Tls(place)) => does_it_listen(place),
            (None, Address::Unix(path)) => does_it_listen(&format!("unix:{}", path.display())),
        };
        ClientError::NoConnection { at: self.at(), reason, hint }
    }
}

/// The question about a process that is known by this address of its admin listener alone. No flag makes such
/// a listener.
fn does_it_listen(address: &str) -> String {
    format!(
        "is lb running, and does its configuration have `admin: {{ address: {address} }}`? started from flags \
         alone, without -c FILE, it has no admin listener: write that line and what the flags say into a file"
    )
}

/// What `rustls` says, if this is an error of TLS.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let client = AdminClient {
            address: Address::Tcp("127.0.0.1:9900".to_owned()),
            token: Some("secret".to_owned()),
            trust: None,
            file: None,
        };
        assert!(!format!("{client:?} {}", client.wrong_token()).contains("secret"));
    }
}
