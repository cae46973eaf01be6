//! An answer in HTTP/1: its header with the framing that this connection gives it, and its body.
//!
//! What comes from a backend has lost its framing on the way here; this is where it gets ours
//! (RFC 9112 section 6). Nothing is written here: the session decides when.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora_core::Result;

use super::{super::answer_header::AnswerHeader, connection::Connection};
use crate::count::Protocol;
use crate::http1::{Known, rules::framing};

/// Bytes reserved at once: enough for an ordinary header and a small body.
const ORDINARY_ANSWER: usize = 1024;
/// Longest of the chunk size lines: 16 digits and a line end.
const SIZE_LINE: usize = 18;

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before its header.
    Header,
    /// In a body whose length was announced.
    Length(u64),
    /// In chunks.
    Chunks,
    /// In a body that ends with the connection.
    UntilClose,
    /// Both ends talk to each other.
    Tunnel,
    /// After the end of the answer.
    Ended,
}

/// What the request determines about the form of its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) protocol: Protocol,
    pub(super) is_head: bool,
    pub(super) wants_tunnel: bool,
    /// Whether the client is sent trailers.
    pub(super) takes_trailers: bool,
    /// Whether the client wants the connection kept open.
    pub(super) keeps_alive: bool,
}

/// The answer to one request.
#[derive(Debug)]
pub(super) struct Answer {
    form: Form,
    state: State,
    /// Of the final answer, once its header has been written.
    status: Option<StatusCode>,
    bytes: u64,
}

impl Answer {
    pub(super) fn new(form: Form) -> Self {
        Self { form, state: State::Header, status: None, bytes: 0 }
    }

    /// Bytes of the body that have been written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.status == Some(StatusCode::SWITCHING_PROTOCOLS)
    }

    /// Whether the whole answer has been written.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether the connection can carry another request when the answer is complete.
    pub(super) fn keeps_alive(&self) -> bool {
        self.form.keeps_alive
    }

    /// Writes the header of an answer; `closes` makes it the last one of the connection, and `end`
    /// says that no body follows. Returns whether it was that of the final answer.
    pub(super) fn write_header(
        &mut self,
        mut header: Box<AnswerHeader>,
        end: bool,
        closes: bool,
        output: &mut BytesMut,
    ) -> bool {
        if self.status.is_some() {
            return false;
        }
        output.reserve(ORDINARY_ANSWER);
        if header.is_interim() {
            // A client of HTTP/1.0 does not know 1xx answers (RFC 9110 section 15.2).
            if self.form.protocol != Protocol::Http10 {
                write_status(&header, output);
                header.fields.write(output);
                output.put_slice(b"\r\n");
            }
            return false;
        }
        self.status = Some(header.status);
        write_status(&header, output);
        if self.is_tunnel() && self.form.wants_tunnel {
            header.fields.write(output);
            (self.state, self.form.keeps_alive) = (State::Tunnel, false);
        } else {
            self.form.keeps_alive &= !closes;
            self.write_framed(&mut header, end, output);
        }
        output.put_slice(b"\r\n");
        true
    }

    fn write_framed(&mut self, header: &mut AnswerHeader, end: bool, output: &mut BytesMut) {
        let (status, fields) = (header.status, &mut header.fields);
        let length = fields.first(Known::ContentLength).and_then(framing::content_length);
        let is_bodiless = status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || self.form.is_head;
        fields.remove(Known::Connection);
        fields.remove(Known::TransferEncoding);
        if status == StatusCode::NO_CONTENT {
            fields.remove(Known::ContentLength);
        }
        fields.write(output);
        self.state = match length {
            _ if is_bodiless => State::Ended,
            Some(0) => State::Ended,
            Some(length) => State::Length(length),
            None if end => {
                output.put_slice(b"Content-Length: 0\r\n");
                State::Ended
            }
            None if self.form.protocol == Protocol::Http10 => State::UntilClose,
            None => {
                output.put_slice(b"Transfer-Encoding: chunked\r\n");
                State::Chunks
            }
        };
        self.form.keeps_alive &= self.state != State::UntilClose;
        match self.form.keeps_alive {
            false => output.put_slice(b"Connection: close\r\n"),
            true => output.put_slice(b"Connection: keep-alive\r\n"),
        }
    }

    /// Writes a piece of the body.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub(super) async fn write_piece(
        &mut self,
        mut piece: Bytes,
        connection: &mut Connection,
    ) -> Result<()> {
        match &mut self.state {
            // There is no body, even if the backend sends one.
            State::Header | State::Ended => return Ok(()),
            _ if piece.is_empty() => return Ok(()),
            State::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                piece.truncate(most);
                *left -= piece.len() as u64;
                if *left == 0 {
                    self.state = State::Ended;
                }
            }
            State::Chunks => {
                self.bytes += piece.len() as u64;
                write_size(piece.len(), &mut connection.output);
                connection.send(piece).await?;
                connection.output.put_slice(b"\r\n");
                return Ok(());
            }
            State::UntilClose | State::Tunnel => {}
        }
        self.bytes += piece.len() as u64;
        connection.send(piece).await
    }

    /// Writes the end of the body, with trailers if the client is sent any. A body that is shorter than
    /// announced gets no end.
    pub(super) fn write_end(&mut self, trailers: Option<&HeaderMap>, output: &mut BytesMut) {
        match self.state {
            State::Chunks => {
                output.put_slice(b"0\r\n");
                for (name, value) in
                    trailers.filter(|_| self.form.takes_trailers).into_iter().flatten()
                {
                    write_field(name.as_str().as_bytes(), value, output);
                }
                output.put_slice(b"\r\n");
                self.state = State::Ended;
            }
            State::UntilClose | State::Tunnel => self.state = State::Ended,
            State::Header | State::Length(_) | State::Ended => {}
        }
    }
}

/// Writes the status line, always in HTTP/1.1, regardless of the backend's version (RFC 9110
/// section 2.5).
fn write_status(header: &AnswerHeader, output: &mut BytesMut) {
    output.put_slice(b"HTTP/1.1 ");
    output.put_slice(header.status.as_str().as_bytes());
    output.put_u8(b' ');
    output.put_slice(header.reason());
    output.put_slice(b"\r\n");
}

fn write_field(name: &[u8], value: &HeaderValue, output: &mut BytesMut) {
    output.put_slice(name);
    output.put_slice(b": ");
    output.put_slice(value.as_bytes());
    output.put_slice(b"\r\n");
}

fn write_size(size: usize, output: &mut BytesMut) {
    let mut line = [0; SIZE_LINE];
    let mut rest = line.as_mut_slice();
    // It fits.
    let _ = write!(rest, "{size:x}\r\n");
    let left = rest.len();
    output.put_slice(&line[..SIZE_LINE - left]);
}
