//! The calls that the clients of all protocols have in common, so that a test can be written once for all
//! of them.

use std::io;

use http::{HeaderMap, Request, Uri};

/// Functions for one request on a connection of its own, for the `Connection` in scope.
macro_rules! calls {
    () => {
        /// GET on a connection of its own; fails the test when there is no answer.
        #[track_caller]
        pub(crate) fn get(address: std::net::SocketAddr, path: &str) -> Response {
            Connection::open(address)
                .and_then(|mut connection| connection.get(path))
                .unwrap_or_else(|error| panic!("GET {path} from {address}: {error}"))
        }

        /// A GET that is under way, on a connection of its own.
        #[track_caller]
        pub(crate) fn ask(address: std::net::SocketAddr, path: &str) -> Connection {
            let mut connection = Connection::open(address).expect("a connection");
            connection.begin("GET", path, &[]).expect("it takes a header");
            connection
        }

        /// POST with a Content-Length, on a connection of its own.
        #[track_caller]
        pub(crate) fn post(address: std::net::SocketAddr, path: &str, body: &[u8]) -> Response {
            Connection::open(address)
                .and_then(|mut connection| connection.request("POST", path, &[], body))
                .unwrap_or_else(|error| panic!("POST {path} to {address}: {error}"))
        }
    };
}
pub(crate) use calls;

/// These fields, and Content-Length if there is a body, with the text of that length.
pub(crate) fn with_length<'a>(
    headers: &[(&'a str, &'a str)],
    body: &[u8],
    length: &'a mut String,
) -> Vec<(&'a str, &'a str)> {
    let mut headers = headers.to_vec();
    if !body.is_empty() {
        *length = body.len().to_string();
        headers.push(("Content-Length", length));
    }
    headers
}

/// The length of the body that these fields announce.
pub(crate) fn announced_length(headers: &[(&str, &str)]) -> Option<u64> {
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, length)| length.parse().ok())
}

/// The header of a request with pseudo-fields; its host is `authority` unless it is among the fields.
pub(crate) fn request_header(
    (scheme, authority): (&str, &str),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Request<()>> {
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let host = headers.iter().find(|(name, _)| is_host(name)).map_or(authority, |(_, host)| *host);
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
    let mut request = Request::builder().method(method).uri(uri.map_err(other)?);
    for (name, value) in headers.iter().filter(|(name, _)| !is_host(name)) {
        request = request.header(*name, *value);
    }
    request.body(()).map_err(other)
}

/// Fields as text.
pub(crate) fn lines(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    fields.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

/// An error of a library, as this client reports it.
pub(crate) fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
