//! The support of the tests. Every address is on port 0, every wait has a deadline, and everything
//! that is started ends when its value is dropped.

/// A scripted backend.
pub(crate) mod backend;
/// A browser that a test looks at and clicks in.
pub(crate) mod browser;
/// The calls that the clients of all protocols have in common.
pub(crate) mod calls;
/// Certificates for tests of TLS.
pub(crate) mod certificates;
/// A client that reports the exact bytes it sent and received.
pub(crate) mod client;
/// A collector of traces.
pub(crate) mod collector;
/// Waiting for a condition instead of for time.
pub(crate) mod eventually;
/// The first packets of clients of QUIC, by hand.
pub(crate) mod first_packets;
/// What the system says of a process.
pub(crate) mod footprint;
/// A client of HTTP/2 that sends any frames.
pub(crate) mod frames;
/// A backend to which no connection can be made.
pub(crate) mod full_listener;
/// The same client in HTTP/2.
pub(crate) mod http2_client;
/// That client over TLS.
pub(crate) mod http2_tls_client;
/// The same client in HTTP/3.
pub(crate) mod http3_client;
/// A client of HTTP/3 that sends any bytes.
pub(crate) mod http3_raw;
/// The real proxy in the test's own process.
pub(crate) mod lb;
/// Many clients at once, which record all failures.
pub(crate) mod load;
/// The answers of a process's admin listener.
pub(crate) mod metrics;
/// A real authority.
pub(crate) mod pebble;
/// The built binary.
pub(crate) mod process;
/// A backend that can be killed and stopped as only a process can.
pub(crate) mod process_backend;
/// A real Prometheus, and its tool.
pub(crate) mod prometheus;
/// Programs in Python.
pub(crate) mod python;
/// The replies of a scripted backend.
pub(crate) mod reply;
/// The requests to a scripted backend.
pub(crate) mod request;
/// The client over TLS.
pub(crate) mod tls_client;
/// A line for packets of UDP.
pub(crate) mod udp_relay;
/// Messages of WebSocket.
pub(crate) mod websocket;
/// The bytes of a client's connection.
pub(crate) mod wire;

use std::time::Duration;

/// How long a test waits for an immediate event: long enough for a busy machine, and used up only
/// by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
