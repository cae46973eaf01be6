//! A connection between two requests.
//!
//! Pingora waits for a request with everything at hand that it takes to serve one, some 18 KB. Most
//! connections wait most of the time, so the wait is here, with nothing but the stream, and Pingora
//! gets the connection when there is something to read.
//!
//! Not always: Pingora may have read a part of the next request already, which it does not tell. As
//! long as every request of a connection has a known length, that can be counted; after one that has
//! not (a chunked body, a target that Pingora has escaped), Pingora gets the connection at once and
//! waits itself.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::client_stream::ClientStream;

impl ClientStream {
    /// Waits until Pingora is to have the connection; `false` when it is over: the client has closed
    /// it, or was silent for too long.
    pub(super) async fn next_request(&mut self) -> bool {
        !self.is_drained() || poll_fn(|cx| self.poll_next_request(cx)).await
    }

    fn poll_next_request(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self.early.poll_something(&mut self.inner, cx) {
            Poll::Pending => self.poll_expired(cx).map(|_| false),
            ready => ready,
        }
    }
}
