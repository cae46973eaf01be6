//! Where a connection is between the end of one request and the wait for the next.
//!
//! A client may still be sending when its answer is complete: the rest of a body, or the next request
//! although this was to be the last one of the connection. A little of that is read and thrown
//! away, so that the connection can go on. Otherwise the connection is closed in two steps, because
//! the system takes back an answer that the client has not read yet when bytes arrive that are
//! not read.

use std::time::Duration;

use parking_lot::Mutex;

use super::{body::BodyReader, connection::Connection};

/// The most of an unread body that is read and thrown away to keep a connection, in bytes.
const DISCARDED: u64 = 64 * 1024;
const REQUEST_TIMEOUT: u16 = 408;
/// How long a client may take to notice that nothing more will come.
const GOODBYE: Duration = Duration::from_secs(2);

/// The place where a session leaves its connection.
#[derive(Debug, Default)]
pub(in super::super) struct Home(Mutex<Option<Returned>>);

/// A connection whose request has ended, with an answer that is complete or broken off.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) connection: Box<Connection>,
    /// What the client may still send of the request's body.
    pub(super) body: BodyReader,
    pub(super) keeps_alive: bool,
    /// Whether the client may have sent another request before it read that this one was the last.
    pub(super) may_ask: bool,
}

impl Home {
    pub(super) fn put(&self, returned: Returned) {
        *self.0.lock() = Some(returned);
    }

    /// The connection after a request, if it can carry another one; otherwise it is closed.
    pub(in super::super) async fn take(&self) -> Option<Box<Connection>> {
        let returned = self.0.lock().take();
        let Returned { mut connection, mut body, keeps_alive, may_ask } = returned?;
        if keeps_alive && (body.is_done() || body.discard(&mut connection, DISCARDED).await) {
            return Some(connection);
        }
        let may_send = match connection.link.facts().refusal {
            // No more time is spent on a client that was too slow.
            Some(refusal) => refusal.status != REQUEST_TIMEOUT,
            None => may_ask || !body.is_done(),
        };
        connection.close_output().await;
        if may_send {
            let _ = tokio::time::timeout(GOODBYE, connection.ignore()).await;
        }
        None
    }
}
