//! The load of clients, and the incidents of backends meanwhile.

use std::fmt::Write as _;

use crate::incident::Incident;

/// Load of one kind; each proxy gets the same.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    /// Whether the short mode has it too.
    pub(crate) is_short: bool,
    /// The number of clients at once.
    pub(crate) clients: usize,
    /// Bytes in the body of each request.
    pub(crate) sends: usize,
    /// Bytes of each answer.
    pub(crate) gets: usize,
    /// Whether a client makes a new connection for each request.
    pub(crate) is_fresh: bool,
    /// TLS between clients and proxies; `None` without it.
    pub(crate) tls: Option<Tls>,
    /// The streams of HTTP/2 or 3 at once of each client; 0 for HTTP/1.1.
    pub(crate) streams: usize,
    /// Whether these are of HTTP/3.
    pub(crate) is_http3: bool,
    /// The number of idle keep-alive connections, beside those of the clients.
    pub(crate) idle: usize,
    /// Whether those have sent half of their handshake's first message, and no request.
    pub(crate) is_half: bool,
    /// The delay of each backend, in milliseconds.
    pub(crate) delays: [u64; 3],
    /// The most cores of a proxy.
    pub(crate) cores: usize,
    /// The incident in the middle of a turn.
    pub(crate) incident: Option<Incident>,
}

/// TLS, always of version 1.3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tls {
    /// The key of the proxies' certificate.
    pub(crate) key: KeyKind,
    /// Whether each connection but a client's first goes on with an earlier session.
    pub(crate) resumes: bool,
}

/// What signs handshakes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyKind {
    P256,
    Rsa2048,
}

impl Workload {
    const fn new(name: &'static str, says: &'static str) -> Self {
        Self {
            name,
            says,
            is_short: false,
            clients: 64,
            sends: 0,
            gets: SMALL,
            is_fresh: false,
            tls: None,
            streams: 0,
            is_http3: false,
            idle: 0,
            is_half: false,
            delays: [0; 3],
            cores: 1,
            incident: None,
        }
    }

    /// The bytes of one request.
    pub(crate) fn request(&self) -> Vec<u8> {
        let method = if self.sends > 0 { "POST" } else { "GET" };
        let mut header = format!(
            "{method} /{} HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n",
            self.gets,
        );
        if self.is_fresh {
            header.push_str("Connection: close\r\n");
        }
        if self.sends > 0 {
            let _ = write!(header, "Content-Length: {}\r\n", self.sends);
        }
        header.push_str("\r\n");
        let mut request = header.into_bytes();
        request.resize(request.len() + self.sends, b'x');
        request
    }
}

const SMALL: usize = 100;
const LARGE: usize = 64 << 10;
const HUGE: usize = 1 << 20;

const TLS: Option<Tls> = Some(Tls { key: KeyKind::P256, resumes: false });

/// All workloads, in the order in which they are measured.
pub(crate) fn all() -> Vec<Workload> {
    [over_http1(), over_tls(), over_http2(), over_http3()].concat()
}

fn over_http1() -> Vec<Workload> {
    let new = Workload::new;
    vec![
        Workload { is_short: true, ..new("small", "64 keep-alive clients, answers of 100 bytes") },
        Workload {
            is_short: true,
            is_fresh: true,
            ..new("connections", "64 clients, a new connection for each request")
        },
        Workload {
            clients: 128,
            cores: 2,
            ..new("cores", "128 keep-alive clients, answers of 100 bytes, one core and two")
        },
        Workload { clients: 16, gets: LARGE, ..new("64k-down", "16 clients, answers of 64 KiB") },
        Workload { clients: 16, sends: LARGE, ..new("64k-up", "16 clients, requests of 64 KiB") },
        Workload { clients: 16, gets: HUGE, ..new("1m-down", "16 clients, answers of 1 MiB") },
        Workload { clients: 16, sends: HUGE, ..new("1m-up", "16 clients, requests of 1 MiB") },
        Workload {
            idle: 5000,
            ..new("idle", "5,000 connections that have had one answer each, and wait")
        },
        Workload {
            clients: 16,
            delays: [2, 2, 100],
            ..new("slow", "16 clients, backends that take 2, 2 and 100 ms")
        },
        Workload {
            clients: 16,
            delays: [2; 3],
            incident: Some(Incident::Kill),
            ..new("killed", "16 clients, backends that take 2 ms, one of three killed half-way")
        },
        Workload {
            clients: 16,
            delays: [2; 3],
            incident: Some(Incident::Stop),
            ..new("stopped", "16 clients, backends that take 2 ms, one of three stopped half-way")
        },
        Workload {
            incident: Some(Incident::Reload),
            ..new("reload", "64 keep-alive clients, the same configuration loaded anew half-way")
        },
    ]
}

fn over_tls() -> Vec<Workload> {
    let new = |name, says| Workload { tls: TLS, ..Workload::new(name, says) };
    let fresh = |name, says| Workload { is_fresh: true, ..new(name, says) };
    vec![
        new("tls-small", "64 keep-alive clients over TLS, answers of 100 bytes"),
        fresh("tls-full", "64 clients, a full handshake (P-256) for each request"),
        Workload {
            tls: Some(Tls { key: KeyKind::P256, resumes: true }),
            ..fresh("tls-resumed", "64 clients, a resumed session for each request")
        },
        Workload {
            tls: Some(Tls { key: KeyKind::Rsa2048, resumes: false }),
            ..fresh("tls-rsa", "64 clients, a full handshake (RSA-2048) for each request")
        },
        Workload {
            clients: 16,
            gets: HUGE,
            ..new("tls-1m-down", "16 clients over TLS, answers of 1 MiB")
        },
        Workload {
            clients: 16,
            sends: HUGE,
            ..new("tls-1m-up", "16 clients over TLS, requests of 1 MiB")
        },
        Workload {
            idle: 2000,
            ..new("tls-idle", "2,000 connections over TLS that have had one answer each, and wait")
        },
        Workload {
            idle: 2000,
            is_half: true,
            ..new("tls-half", "2,000 connections that have sent half of a ClientHello")
        },
    ]
}

fn over_http2() -> Vec<Workload> {
    let new = |name, says, clients, streams| Workload {
        tls: TLS,
        clients,
        streams,
        ..Workload::new(name, says)
    };
    vec![
        new("h2-small", "HTTP/2, 16 connections of 10 streams, answers of 100 bytes", 16, 10),
        new("h2-single", "HTTP/2, 64 connections of one stream, answers of 100 bytes", 64, 1),
        Workload {
            gets: HUGE,
            ..new("h2-1m-down", "HTTP/2, 16 connections, answers of 1 MiB", 16, 1)
        },
        Workload {
            sends: HUGE,
            ..new("h2-1m-up", "HTTP/2, 16 connections, requests of 1 MiB", 16, 1)
        },
        Workload {
            idle: 2000,
            ..new("h2-idle", "2,000 connections of HTTP/2 that have had one answer each", 1, 1)
        },
    ]
}

fn over_http3() -> Vec<Workload> {
    let new = |name, says, clients, streams| Workload {
        tls: TLS,
        clients,
        streams,
        is_http3: true,
        ..Workload::new(name, says)
    };
    vec![
        new("h3-small", "HTTP/3, 16 connections of 10 streams, answers of 100 bytes", 16, 10),
        new("h3-single", "HTTP/3, 64 connections of one stream, answers of 100 bytes", 64, 1),
        Workload {
            gets: HUGE,
            ..new("h3-1m-down", "HTTP/3, 16 connections, answers of 1 MiB", 16, 1)
        },
        Workload {
            idle: 2000,
            ..new("h3-idle", "2,000 connections of HTTP/3 that have had one answer each", 1, 1)
        },
    ]
}
