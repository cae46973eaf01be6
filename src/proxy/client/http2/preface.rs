//! Which protocol a client speaks on a connection.
//!
//! With TLS the handshake has decided it. Without, the first bytes tell: a client with prior
//! knowledge of HTTP/2 begins with a preface of 24 bytes that is no request in HTTP/1. They are
//! compared as they come, since a request may be shorter than that.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::super::{accepted::ConnectionContext, connection::Connection};
use crate::config::{ListenerProtocol, Word};

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
    /// Whether the client speaks HTTP/2, if that is decided before its first byte. What is not
    /// HTTP/2 on a listener for nothing else fails as HTTP/2.
    pub(in super::super::super) fn agreed_on_http2(&self) -> Option<bool> {
        let ConnectionContext { settings, facts, .. } = self.link.connection();
        match (settings.speaks_http1, settings.speaks_http2) {
            (true, true) => {
                let tls = facts.as_ref()?.tls.as_ref()?;
                Some(tls.alpn.as_deref() == Some(ListenerProtocol::H2.word()))
            }
            (_, speaks_http2) => Some(speaks_http2),
        }
    }

    /// Whether what the client sends begins as HTTP/2 does. The bytes stay in the input. A client
    /// that sends too little for too long, or leaves, is treated as one of HTTP/1.
    pub(in super::super::super) async fn begins_http2(&mut self) -> bool {
        poll_fn(|cx| self.poll_begins_http2(cx)).await
    }

    fn poll_begins_http2(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
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
