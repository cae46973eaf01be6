//! A connection that is closed before its first request is counted, and logged once a second at most.

use pingora_core::protocols::{GetSocketDigest, l4::stream::Stream};

use crate::clock;
pub(super) use crate::count::ConnectionRefusal as Refusal;
use crate::count::ListenerCounts;

/// Counts and logs that the connection is closed.
pub(super) fn note(why: Refusal, stream: &Stream, counts: &ListenerCounts) {
    counts.refused(why);
    let Some(not_logged) = counts.refusals_log.lets_through(clock::now()) else { return };
    let peer = stream.get_socket_digest().and_then(|digest| Some(digest.peer_addr()?.to_string()));
    log::warn!(
        listener:% = counts.address(),
        peer = peer.as_deref().unwrap_or("-"),
        reason = why.word(),
        not_logged;
        "connection refused"
    );
}
