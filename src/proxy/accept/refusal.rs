//! A connection that is closed before its first request is counted, and logged once a second at most.

use pingora_core::protocols::{GetSocketDigest, l4::stream::Stream};

use super::tls::Failure;
use crate::clock;
pub(super) use crate::count::ConnectionRefusal as Refusal;
use crate::count::{Handshake, ListenerCounts};

/// Counts and logs that the connection is closed.
pub(super) fn note(why: Refusal, stream: &Stream, counts: &ListenerCounts) {
    counts.refused(why);
    let Some(not_logged) = counts.refusals_log.lets_through(clock::now()) else { return };
    log::warn!(
        listener:% = counts.address(),
        peer = peer(stream),
        reason = why.word(),
        not_logged;
        "connection refused"
    );
}

/// Logs that the handshake has not led to a session, which has been counted.
pub(super) fn note_handshake(failure: &Failure, peer: &str, counts: &ListenerCounts) {
    if failure.how == Handshake::Challenge {
        log::info!(listener:% = counts.address(), peer; "{}", failure.error);
        return;
    }
    let Some(not_logged) = counts.handshakes_log.lets_through(clock::now()) else { return };
    log::warn!(
        listener:% = counts.address(),
        peer,
        reason = failure.how.word(),
        error = failure.error.as_str(),
        not_logged;
        "TLS handshake failed"
    );
}

/// The client, for the log.
pub(super) fn peer(stream: &Stream) -> String {
    let digest = stream.get_socket_digest();
    let address = digest.as_ref().and_then(|digest| digest.peer_addr());
    address.map_or("-".to_owned(), ToString::to_string)
}
