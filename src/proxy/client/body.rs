//! The body of a request, read as its header frames it.

use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use pingora_core::{Error, ErrorType, Result};

use super::{
    connection::Connection,
    pace::{Blocked, Pace},
};
use crate::clock;
use crate::config::PaceLimits;
use crate::http1::{Body, ChunkedBody, Refusal};

/// The most of a body that is read at once.
const PIECE: usize = 64 * 1024;

/// What is left of a body.
#[derive(Debug)]
pub(super) enum Framing {
    /// Nothing is left.
    Ended,
    /// This number of bytes is left.
    Length(u64),
    /// The rest of a body in chunks.
    Chunked(Box<ChunkedBody>),
    /// The connection is a tunnel; what comes is not framed.
    Tunnel,
}

/// A request's body as it comes.
#[derive(Debug)]
pub(super) struct BodyReader {
    framing: Framing,
    is_empty: bool,
    /// It is malformed, came too slowly, or broke off.
    has_failed: bool,
    pace: Pace,
    bytes: u64,
    /// The trailers that are passed on, as lines, from the end of the body until they are.
    trailers: Bytes,
}

impl BodyReader {
    pub(super) fn new(body: Body, limits: PaceLimits) -> Self {
        let framing = match body {
            Body::None | Body::Length(0) => Framing::Ended,
            Body::Length(length) => Framing::Length(length),
            Body::Chunked => Framing::Chunked(Box::default()),
        };
        let is_empty = matches!(framing, Framing::Ended);
        let pace = Pace::new(limits);
        Self { framing, is_empty, has_failed: false, pace, bytes: 0, trailers: Bytes::new() }
    }

    /// Checks the part of the body that has come with the header, so that a malformed body is
    /// refused before it costs a connection to a backend.
    pub(super) fn check(&self, input: &[u8]) -> Result<(), Refusal> {
        match &self.framing {
            Framing::Chunked(chunks) if !input.is_empty() => {
                let mut chunks = ChunkedBody::clone(chunks);
                let mut input = BytesMut::from(input);
                while chunks.take(&mut input)?.is_some() {}
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the header says that there is no body.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether the whole body has been read.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.framing, Framing::Ended)
    }

    /// Whether nothing that follows on the connection can be trusted to be a request.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Bytes of the body that have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Stops reading the body: nothing more of it will come.
    pub(super) fn give_up(&mut self) {
        self.framing = Framing::Ended;
    }

    /// Treats all further bytes as the tunnel's.
    pub(super) fn become_tunnel(&mut self) {
        self.framing = Framing::Tunnel;
    }

    /// The next piece; `None` at the end of the body.
    ///
    /// # Errors
    ///
    /// If the client leaves before the end, is too slow, or sends malformed chunks.
    pub(super) fn poll_piece(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        let piece = ready!(self.poll_unless_failed(connection, cx));
        self.has_failed = piece.is_err();
        Poll::Ready(piece)
    }

    fn poll_unless_failed(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        loop {
            let taken = self.take(&mut connection.input);
            if !self.trailers.is_empty() {
                connection.link.transit().set_trailers(std::mem::take(&mut self.trailers));
            }
            match taken.map_err(|Refusal { status, why }| {
                Error::explain(ErrorType::HTTPStatus(status), why).into_down()
            })? {
                Taken::Piece(piece) => {
                    self.bytes += piece.len() as u64;
                    self.pace.came(piece.len() as u64, clock::now);
                    connection.link.moved();
                    return Poll::Ready(Ok(Some(piece)));
                }
                Taken::End => {
                    self.framing = Framing::Ended;
                    return Poll::Ready(Ok(None));
                }
                Taken::Nothing => {}
            }
            match connection.poll_fill(cx, self.room()) {
                Poll::Ready(Ok(0)) if matches!(self.framing, Framing::Tunnel) => {
                    self.framing = Framing::Ended;
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(left())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    let why = "while the request's body was read";
                    return Poll::Ready(Err(
                        Error::because(ErrorType::ReadError, why, error).into_down()
                    ));
                }
                Poll::Pending => {
                    // A tunnel may pause for as long as it likes.
                    if matches!(self.framing, Framing::Tunnel) {
                        return Poll::Pending;
                    }
                    let late =
                        self.pace.poll_too_slow(1, Blocked::NEVER, &mut connection.read_timer, cx);
                    return late.map(|()| Err(sent_too_slowly()));
                }
            }
        }
    }

    /// Reads and discards the rest of the body, up to `most` bytes; `false` if the body goes on
    /// after that.
    pub(super) async fn discard(&mut self, connection: &mut Connection, most: u64) -> bool {
        let most = self.bytes.saturating_add(most);
        loop {
            match std::future::poll_fn(|cx| self.poll_piece(connection, cx)).await {
                Ok(None) => return true,
                Ok(Some(_)) if self.bytes <= most => {}
                Ok(Some(_)) | Err(_) => return false,
            }
        }
    }

    fn take(&mut self, input: &mut BytesMut) -> Result<Taken, Refusal> {
        match &mut self.framing {
            Framing::Ended => Ok(Taken::End),
            Framing::Tunnel if input.is_empty() => Ok(Taken::Nothing),
            Framing::Tunnel => Ok(Taken::Piece(input.split().freeze())),
            Framing::Length(0) => Ok(Taken::End),
            Framing::Length(_) if input.is_empty() => Ok(Taken::Nothing),
            Framing::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= most as u64;
                let piece = input.split_to(most).freeze();
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
                Ok(Taken::Piece(piece))
            }
            Framing::Chunked(chunks) => Ok(match chunks.take(input)? {
                piece if chunks.has_ended() => {
                    self.trailers = lines(chunks);
                    self.framing = Framing::Ended;
                    piece.map_or(Taken::End, Taken::Piece)
                }
                piece => piece.map_or(Taken::Nothing, Taken::Piece),
            }),
        }
    }

    fn room(&self) -> usize {
        match &self.framing {
            Framing::Length(left) => usize::try_from(*left).unwrap_or(PIECE).min(PIECE),
            _ => PIECE,
        }
    }
}

/// The trailers of a body that go on, each with its line end.
fn lines(chunks: &ChunkedBody) -> Bytes {
    let mut lines = BytesMut::new();
    for field in chunks.trailers() {
        for part in [field.name, b": ", field.value, b"\r\n"] {
            lines.put_slice(part);
        }
    }
    lines.freeze()
}

/// The result of taking a piece out of the input.
enum Taken {
    Piece(Bytes),
    Nothing,
    End,
}

/// The client has sent a body more slowly than it may.
pub(super) fn sent_too_slowly() -> Box<Error> {
    let why = "the client sends the request's body too slowly";
    Error::explain(ErrorType::ReadTimedout, why).into_down()
}

/// The client has closed its connection, or it broke.
pub(super) fn left() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "the client left").into_down()
}
