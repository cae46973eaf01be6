//! Waiting on behalf of a client that may leave: in the queue, or before a retry.
//!
//! Pingora does not read from a client between attempts, so it would not see it leave. Here the
//! client's stream is read while we wait, and holds what comes; nobody else sees those bytes until
//! the wait is over.

use pingora_core::{Error, ErrorType, Result, protocols::http::ServerSession as HttpSession};
use pingora_proxy::Session;

use super::client_stream::ClientStream;

/// Does some waiting as long as the client stays.
///
/// # Errors
///
/// When it leaves; the work is dropped.
pub(super) async fn while_client_stays<T>(
    session: &mut Session,
    work: impl Future<Output = T>,
) -> Result<T> {
    let is_whole = session.as_downstream_mut().is_body_done();
    let Some(client) = ClientStream::of(session) else { return Ok(work.await) };
    client.hold(is_whole);
    let outcome = match session.as_downstream_mut() {
        HttpSession::H1(connection) => tokio::select! {
            biased;
            done = work => Ok(done),
            _ = connection.idle() => {
                Err(Error::explain(ErrorType::ConnectionClosed, "the client left").into_down())
            }
        },
        _ => Ok(work.await),
    };
    if let Some(client) = ClientStream::of(session) {
        client.release();
    }
    outcome
}
