//! Waiting on behalf of a client that may leave: in the queue, or before a retry.
//!
//! Pingora does not read from a client between attempts, so it would not see it leave. Here the
//! client's session is read while `lb` waits, and keeps what comes until the wait has ended.

use pingora_core::Result;
use pingora_proxy::Session;

use super::super::{client::ClientLink, watch::AttemptWatch};

/// Waits for `work` as long as the client stays.
///
/// # Errors
///
/// If the client leaves; the work is then dropped.
pub(super) async fn while_client_stays<T>(
    session: &mut Session,
    link: &ClientLink,
    work: impl Future<Output = T>,
) -> Result<T> {
    link.expect(AttemptWatch::Nothing);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            // This read reports only that the client has left; bytes that come are kept.
            left = session.as_downstream_mut().read_body_or_idle(true) => left.map(|_| ())?,
        }
    }
}
