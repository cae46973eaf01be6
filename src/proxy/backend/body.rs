//! The body of an answer, taken out of the framing that the backend gives it.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_core::{Error, ErrorType, Result};

use super::super::reading;
use crate::http1::{AnswerBody, ChunkedBody, Refusal};

/// What is left of a body.
#[derive(Debug, Default)]
pub(super) enum AnswerReader {
    /// Nothing, or no answer has come.
    #[default]
    Ended,
    /// This many bytes.
    Length(u64),
    Chunked(Box<ChunkedBody>),
    /// All until the connection ends.
    UntilClose,
    /// The connection is a tunnel; what comes is not framed.
    Tunnel,
}

impl AnswerReader {
    pub(super) fn of(body: AnswerBody) -> Self {
        match body {
            AnswerBody::None | AnswerBody::Length(0) => Self::Ended,
            AnswerBody::Length(length) => Self::Length(length),
            AnswerBody::Chunked => Self::Chunked(Box::default()),
            AnswerBody::UntilClose => Self::UntilClose,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// The most bytes that a read can be good for.
    pub(super) fn wants(&self) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// Takes what is there of the body off what has come; nothing if more is needed. Returns the
    /// trailers with the end of the body, if there are any that may be passed on.
    ///
    /// # Errors
    ///
    /// When a chunk is malformed.
    pub(super) fn take(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<(Option<Bytes>, Option<HeaderMap>)> {
        let piece = match self {
            Self::Ended => None,
            _ if input.is_empty() => None,
            Self::UntilClose | Self::Tunnel => Some(std::mem::take(input).freeze()),
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= here as u64;
                if *left == 0 {
                    *self = Self::Ended;
                }
                Some(reading::take(input, here).freeze())
            }
            Self::Chunked(chunks) => {
                let piece = chunks.take(input).map_err(malformed)?;
                if chunks.has_ended() {
                    let trailers = trailers(chunks);
                    *self = Self::Ended;
                    return Ok((piece, trailers));
                }
                piece
            }
        };
        Ok((piece, None))
    }

    /// The connection has ended. Returns whether that is where the body ends.
    pub(super) fn close(&mut self) -> bool {
        let is_end = matches!(self, Self::Ended | Self::UntilClose | Self::Tunnel);
        if is_end {
            *self = Self::Ended;
        }
        is_end
    }
}

fn trailers(chunks: &ChunkedBody) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for field in chunks.trailers() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(field.name), HeaderValue::from_bytes(field.value))
        {
            trailers.append(name, value);
        }
    }
    (!trailers.is_empty()).then_some(trailers)
}

/// What exactly is wrong was found out for requests, and is said in their words.
fn malformed(_: Refusal) -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "its chunks are malformed").into_up()
}
