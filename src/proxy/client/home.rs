//! Where a connection is between the end of one request and the wait for the next.
//!
//! A client may still be sending when its answer is complete: the rest of a body, or the next request
//! although this was to be the last one of the connection. A little of that is read and thrown
//! away, so that the connection can go on. Otherwise the connection is closed in two steps, because
//! the system takes back what the client has not read yet when bytes arrive that are not read
//! (RFC 9112 section 9.6). A client that sends several requests at once loses answers before the last
//! one in this way, so that no end of a request, however bad, closes the connection in one step.

use std::time::Duration;

use parking_lot::Mutex;

use super::{body::BodyReader, connection::Connection};

/// The most of an unread body that is read and thrown away to keep a connection, in bytes.
const DISCARDED: u64 = 64 * 1024;
/// How long a client may take to notice that nothing more will come, from when it last read something.
const GOODBYE: Duration = Duration::from_secs(2);

/// The place where a session leaves its connection.
#[derive(Debug, Default)]
pub(in super::super) struct Home(Mutex<Option<Returned>>);

/// A connection whose request has ended.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) connection: Box<Connection>,
    /// What the client may still send of the request's body.
    pub(super) body: BodyReader,
    pub(super) end: AnswerEnd,
}

/// What the end of an answer means for its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerEnd {
    /// It can carry another request.
    KeepsAlive,
    /// It ends, as the answer said, which is complete.
    Last {
        /// Whether the client may have sent another request before it read that this was the last one.
        may_ask: bool,
    },
    /// It ends, because the answer is not complete.
    BrokenOff,
}

impl Home {
    pub(super) fn put(&self, returned: Returned) {
        *self.0.lock() = Some(returned);
    }

    /// The connection after a request, if it can carry another one; otherwise it is closed.
    pub(in super::super) async fn take(&self) -> Option<Box<Connection>> {
        let returned = self.0.lock().take();
        let Returned { mut connection, mut body, end } = returned?;
        let may_send = match end {
            AnswerEnd::KeepsAlive => {
                if body.is_done() || body.discard(&mut connection, DISCARDED).await {
                    return Some(connection);
                }
                true
            }
            AnswerEnd::Last { may_ask } => may_ask || !body.is_done() || !connection.is_idle(),
            AnswerEnd::BrokenOff => true,
        };
        match end {
            AnswerEnd::BrokenOff => connection.cut_output().await,
            _ => connection.close_output().await,
        }
        if may_send {
            connection.wait_for_close().await;
        }
        None
    }
}

impl Connection {
    /// Closes a connection that waited for a request in vain: the client may be sending one, and may not
    /// have read all answers yet.
    pub(in super::super) async fn close(mut self: Box<Self>) {
        if !self.has_left && self.acknowledged_part().is_some() {
            self.close_output().await;
            self.wait_for_close().await;
        }
    }

    /// Waits for the client to close, and goes on as long as it reads what was sent.
    async fn wait_for_close(&mut self) {
        loop {
            let before = self.acknowledged_part();
            let has_closed = tokio::time::timeout(GOODBYE, self.ignore()).await.is_ok();
            if has_closed || self.acknowledged_part() <= before {
                return;
            }
        }
    }

    /// The number of bytes that the client's system has acknowledged, while there are others that it has
    /// not; `None` if it has acknowledged all, or if that is not known.
    fn acknowledged_part(&self) -> Option<u64> {
        let info = self.digest.socket_digest.as_ref()?.tcp_info()?;
        let is_all = info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0;
        (!is_all).then_some(info.tcpi_bytes_acked)
    }
}
