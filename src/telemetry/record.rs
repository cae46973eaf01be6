//! What the access log knows about one request. How its line looks is decided in [`super::line`].
//!
//! An [`AccessRecord`] borrows everything, so that a request pays for no copy of what is known
//! elsewhere.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::connection_record::ConnectionRecord;
use crate::http1::Fields;

/// One request, when it has ended.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// When it ended.
    pub time: SystemTime,
    /// The other end of the connection.
    pub client: Option<SocketAddr>,
    /// The first address that is not a trusted proxy.
    pub real_ip: Option<IpAddr>,
    /// As received.
    pub method: &'a str,
    /// As received, with the query; need not be UTF-8.
    pub path: &'a [u8],
    /// URL of the backend of the last attempt, by its configured name; `None` when there was no attempt.
    pub backend: Option<&'a str>,
    /// As received, such as `HTTP/1.1`.
    pub protocol: &'static str,
    /// The address of the listener, as configured; `None` for a request that was refused at once.
    pub listener: Option<&'a str>,
    /// The headers of the request, without those of its connection.
    pub request: Option<&'a Fields>,
    /// The headers of the answer, without those of its connection, if the log asks for any of them.
    pub answer: Option<&'a Fields>,
    /// The status that the client received.
    pub status: u16,
    /// From the end of the request's header to the last byte of the answer.
    pub latency: Duration,
    /// The client's own id or ours, as `X-Request-Id` tells the backend.
    pub request_id: &'a str,
    /// The id of the trace that the request is a part of, if any.
    pub trace_id: Option<&'a str>,
    /// The number of tries that were made.
    pub attempts: u32,
    /// The tries, in order.
    pub tries: &'a [Try],
    /// If no backend could take the request: the number of backends for each reason.
    pub no_backend: Option<&'a [(&'static str, usize)]>,
    /// Bytes of the response body that were sent.
    pub bytes: u64,
    /// Bytes of the request body that were received.
    pub request_bytes: u64,
    /// As received; need not be UTF-8.
    pub host: Option<&'a [u8]>,
    /// Where the route led; `None` when there was no route.
    pub pool: Option<&'a str>,
    /// Of the client's connection.
    pub connection: ConnectionRecord<'a>,
    /// Why the request did not come to a good end; `None` when it did.
    pub error: Option<&'a str>,
}

/// One try of a request.
#[derive(Debug, Clone)]
pub struct Try {
    /// The backend, by the name that it is configured by.
    pub backend: Arc<str>,
    /// The address behind that name.
    pub address: Arc<str>,
    /// How long the connection took; `None` when none came about.
    pub connect: Option<Duration>,
    /// From the end of the request to the beginning of an answer; `None` when none began.
    pub first_byte: Option<Duration>,
    /// Whether the connection had served another request.
    pub reused: bool,
    /// How the try ended, in one word.
    pub outcome: Cow<'static, str>,
    /// Why another try followed, in a word of `retry.on`; `None` when none did.
    pub retried: Option<Cow<'static, str>>,
}

impl AccessRecord<'_> {
    /// An IPv4 client of a listener on `[::]` looks as it does anywhere else.
    pub(super) fn client(&self) -> Option<SocketAddr> {
        self.client.map(|client| SocketAddr::new(client.ip().to_canonical(), client.port()))
    }

    pub(super) fn real_ip(&self) -> Option<IpAddr> {
        self.real_ip.map(|address| address.to_canonical())
    }
}
