//! Which protocol a client speaks on a connection without TLS, told by its first bytes.
//!
//! A client with prior knowledge of HTTP/2 begins with a preface of 24 bytes that is no request in
//! HTTP/1. They are compared as they come, since a request may be shorter than that.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::super::connection::Connection;

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether these first bytes begin the preface of HTTP/2; `None` if more bytes are needed to tell.
fn is_http2(first: &[u8]) -> Option<bool> {
    let compared = first.len().min(PREFACE.len());
    match first[..compared] == PREFACE[..compared] {
        true if compared < PREFACE.len() => None,
        is_same => Some(is_same),
    }
}

impl Connection {
    /// Whether the client speaks HTTP/2. The bytes stay in the input. A client that sends too
    /// little for too long, or leaves, is treated as one of HTTP/1.
    pub(in super::super::super) async fn speaks_http2(&mut self) -> bool {
        poll_fn(|cx| self.poll_speaks_http2(cx)).await
    }

    fn poll_speaks_http2(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if let Some(is_http2) = is_http2(&self.input) {
                return Poll::Ready(is_http2);
            }
            let filled = self.poll_fill(cx, super::super::receive::PIECE);
            if filled.is_pending() {
                ready!(self.poll_deadline(cx));
            }
            if !matches!(filled, Poll::Ready(Ok(1..))) {
                return Poll::Ready(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_is_recognised_by_the_first_byte_that_differs() {
        for length in 0..PREFACE.len() {
            assert_eq!(is_http2(&PREFACE[..length]), None);
            let mut other = PREFACE[..=length].to_vec();
            other[length] ^= 1;
            assert_eq!(is_http2(&other), Some(false));
        }
        assert_eq!(is_http2(PREFACE), Some(true));
        assert_eq!(is_http2(&[PREFACE, b"more"].concat()), Some(true));
        assert_eq!(is_http2(b"GET / HTTP/1.1\r\n\r\n"), Some(false));
        assert_eq!(is_http2(b"PR / HTTP/1.1\r\n"), Some(false));
    }
}
