//! The connection to a backend for a request that asks to become a tunnel (WebSocket).

use std::time::Duration;

use pingora_core::{protocols::TcpKeepalive, upstreams::peer::HttpPeer};

/// Keeps these connections apart from pooled ones, which have no keepalive.
const TUNNELS: u64 = 1;
/// How long a tunnel may be silent before the system asks whether the other end is still there, and
/// how long until it asks again.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Questions without a reply that end a tunnel, as many as the system asks by default.
const QUESTIONS: usize = 9;

/// Makes the connection for this peer one that can be a tunnel. A pause of any length in either
/// direction is the two ends' business, so that only the system notices a backend that vanished.
pub(super) fn prepare(peer: &mut HttpPeer) {
    peer.group_key = TUNNELS;
    // One that did not become a tunnel is closed: the next tunnel is seldom soon.
    peer.options.idle_timeout = Some(Duration::ZERO);
    peer.options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEPALIVE,
        interval: KEEPALIVE,
        count: QUESTIONS,
        user_timeout: Duration::ZERO,
    });
}
