//! What the request path knows of a request that has ended, as values that outlive it.
//!
//! Instants stay instants, names stay where they are, and nothing is put into words: all that is the
//! exporting thread's work.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Instant, SystemTime},
};

use http::Method;

use crate::backend::{Address, BackendNames};
use crate::config::{Config, Route};
use crate::count::Protocol;
use crate::headers::TraceContext;

/// The most bytes of each text of a client. What waits for the collector is bounded by that.
const LONGEST: usize = 1024;

/// A request that has ended.
#[derive(Debug)]
pub struct RequestRecord {
    /// Its trace.
    pub trace: TraceContext,
    /// Its span in that trace.
    pub span: u64,
    /// When its header was complete.
    pub started: Instant,
    /// When it ended.
    pub ended: Instant,
    /// The same by the clock on the wall.
    pub ended_at: SystemTime,
    /// The configuration that it was served by.
    pub config: Arc<Config>,
    /// The place of its route there; `None` if it had none.
    pub route: Option<usize>,
    /// The address of the listener, as configured.
    pub listener: Box<str>,
    /// As received.
    pub method: Method,
    /// As received, with the query if that is wanted; need not be UTF-8.
    pub target: Box<[u8]>,
    /// As received.
    pub host: Option<Box<[u8]>>,
    /// As received.
    pub user_agent: Option<Box<[u8]>>,
    /// Whether the client spoke TLS.
    pub is_tls: bool,
    /// The client's protocol.
    pub protocol: Protocol,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The first address that is not a trusted proxy.
    pub client: Option<IpAddr>,
    /// The client's own id or ours.
    pub request_id: Box<str>,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// The status that the client received; 499 if it left before that.
    pub status: u16,
    /// Whether the answer broke off by no fault of the client.
    pub broke_off: bool,
    /// Why the request did not come to a good end; `None` when it did.
    pub error: Option<Box<str>>,
    /// If no backend could take the request: the number of backends for each reason.
    pub no_backend: Vec<(&'static str, usize)>,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRecord>,
}

/// An attempt that has ended.
#[derive(Debug)]
pub struct AttemptRecord {
    /// Which attempt of the request it is, counted from 1.
    pub number: u32,
    /// The names of the backend.
    pub names: Arc<BackendNames>,
    /// Where the backend listens.
    pub address: Address,
    /// When it began.
    pub began: Instant,
    /// When the connection was there.
    pub connected: Option<Instant>,
    /// When the last of the request was sent.
    pub request_sent: Option<Instant>,
    /// When the header of an answer had come.
    pub answered: Option<Instant>,
    /// When it ended.
    pub ended: Instant,
    /// Whether the connection had served another request.
    pub reused: bool,
    /// The status of the answer.
    pub status: Option<u16>,
    /// How it ended, in one word.
    pub outcome: Cow<'static, str>,
    /// Whether it went as it should, as far as the backend is concerned.
    pub is_ok: bool,
    /// Why another attempt followed, in a word of `retry.on`; `None` when none did.
    pub retried: Option<Cow<'static, str>>,
}

impl RequestRecord {
    /// Its route, if it had one.
    pub(super) fn route(&self) -> Option<&Route> {
        self.config.routes.get(self.route?)
    }

    /// The number of its spans.
    pub(super) fn spans(&self) -> u64 {
        1 + self.attempts.len() as u64
    }
}

/// The beginning of a text of a client, as much as a record takes.
#[must_use]
pub fn shortened(text: &[u8]) -> Box<[u8]> {
    text[..text.len().min(LONGEST)].into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock;
    use crate::config::{Flags, parse};

    /// A request for `/a` on the only route, which is for `/`, with one attempt that went well.
    pub(in super::super) fn record() -> RequestRecord {
        let yaml = "listeners: [{ address: 127.0.0.1:1 }]\nroutes: [{ pool: web }]\n\
                    pools: { web: { backends: [{ address: 127.0.0.1:9 }] } }\n";
        let config = parse("lb.yaml", yaml, &Flags::default()).unwrap().config;
        let trace = TraceContext::start().recorded();
        let now = clock::now();
        let address: Address = "127.0.0.1:9".parse().unwrap();
        let attempt = AttemptRecord {
            number: 1,
            names: Arc::new(BackendNames::new("localhost:9".into(), &address)),
            address,
            began: now,
            connected: Some(now),
            request_sent: Some(now),
            answered: Some(now),
            ended: now,
            reused: false,
            status: Some(200),
            outcome: "ok".into(),
            is_ok: true,
            retried: None,
        };
        RequestRecord {
            span: trace.span().unwrap(),
            trace,
            started: now,
            ended: now,
            ended_at: clock::wall(),
            config: Arc::new(config),
            route: Some(0),
            listener: "127.0.0.1:1".into(),
            method: Method::GET,
            target: b"/a"[..].into(),
            host: Some(b"a.example"[..].into()),
            user_agent: None,
            is_tls: false,
            protocol: Protocol::Http11,
            peer: None,
            client: None,
            request_id: "id".into(),
            received: 0,
            sent: 0,
            status: 200,
            broke_off: false,
            error: None,
            no_backend: Vec::new(),
            attempts: vec![attempt],
        }
    }

    #[test]
    fn a_long_text_is_cut_off() {
        assert_eq!(&*shortened(b"abc"), b"abc");
        assert_eq!(shortened(&[b'x'; 2 * LONGEST]).len(), LONGEST);
    }
}
