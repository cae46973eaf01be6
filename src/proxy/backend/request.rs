//! A request as a backend gets it: its head, and the framing of its body.

use std::{io::Write, sync::Arc};

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use pingora::http::RequestHeader;
use pingora_core::{Result, protocols::http::custom::BodyWrite};

use super::super::client::ClientLink;
use crate::http1::{Fields, Known, rules::framing};

/// Bytes that are made room for at once: enough for an ordinary head and a small body.
const ORDINARY_REQUEST: usize = 1024;

/// What the session of an attempt finds among the extensions of the header that Pingora gives it.
#[derive(Debug, Clone)]
pub(in super::super) struct OutgoingRequest {
    pub(in super::super) link: Arc<ClientLink>,
    /// All fields but those that delimit the body.
    pub(in super::super) fields: Fields,
}

/// How the body of a request is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes are left.
    Length(u64),
    Chunked,
    /// The connection is a tunnel.
    Tunnel,
}

/// The head of a request on the wire, in HTTP/1.1 whatever the client speaks, and how its body goes.
pub(super) fn head(
    request: &RequestHeader,
    fields: &Fields,
    has_body: bool,
    asks_for_trailers: bool,
) -> (BytesMut, Framing) {
    let mut head = BytesMut::with_capacity(ORDINARY_REQUEST);
    head.put_slice(request.method.as_str().as_bytes());
    head.put_u8(b' ');
    head.put_slice(request.raw_path());
    head.put_slice(b" HTTP/1.1\r\n");
    fields.write(&mut head);
    if asks_for_trailers {
        head.put_slice(b"TE: trailers\r\nConnection: TE\r\n");
    }
    let length = fields.first(Known::ContentLength).and_then(framing::content_length);
    let framing = match length {
        _ if !has_body => Framing::Length(0),
        Some(length) => Framing::Length(length),
        None => {
            head.put_slice(b"Transfer-Encoding: chunked\r\n");
            Framing::Chunked
        }
    };
    head.put_slice(b"\r\n");
    (head, framing)
}

/// Puts the body of a request down for the backend's session to write.
pub(super) struct BodyWriter {
    link: Arc<ClientLink>,
    framing: Framing,
}

impl BodyWriter {
    pub(super) fn new(link: Arc<ClientLink>, framing: Framing) -> Self {
        Self { link, framing }
    }
}

#[async_trait]
impl BodyWrite for BodyWriter {
    async fn write_all_buf(&mut self, data: &mut Bytes) -> Result<()> {
        let mut piece = std::mem::take(data);
        if piece.is_empty() {
            return Ok(());
        }
        let transit = self.link.transit();
        match &mut self.framing {
            Framing::Length(left) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                transit.put(b"", piece, b"");
            }
            Framing::Chunked => {
                let mut line = [0; 18];
                let mut rest = line.as_mut_slice();
                // It fits: 16 digits and a line end.
                let _ = write!(rest, "{:x}\r\n", piece.len());
                let left = rest.len();
                transit.put(&line[..line.len() - left], piece, b"\r\n");
            }
            Framing::Tunnel => transit.put(b"", piece, b""),
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        match self.framing {
            Framing::Length(0) | Framing::Tunnel => self.link.transit().end(false),
            Framing::Chunked => self.link.transit().end(true),
            // The client keeps the rest to itself.
            Framing::Length(_) => self.link.transit().break_off(),
        }
        Ok(())
    }

    async fn cleanup(&mut self) -> Result<()> {
        Ok(())
    }

    fn upgrade_body_writer(&mut self) {
        self.framing = Framing::Tunnel;
    }
}
