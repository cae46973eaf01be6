//! The body of a request, as the frames of its stream bring it.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use pingora_core::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::{
    super::{
        super::watch::Timer,
        body::{left, sent_too_slowly},
        link::ClientLink,
        pace::Pace,
        streams::trailer_lines,
    },
    wire::GOODBYE,
};
use crate::clock;
use crate::config::PaceLimits;
use crate::copies::short_slices;

/// A piece to which no further frame is joined has this length or more.
const PIECE: usize = 48 << 10;
/// The most frames that are joined to a first one, so that tiny ones do not hold up others.
const FRAMES: usize = 64;

/// A request's body as it comes.
#[derive(Debug)]
pub(super) struct StreamBody {
    stream: RecvStream,
    /// What the first frame has brought, if it was awaited before the request began.
    ahead: Option<std::result::Result<Bytes, h2::Error>>,
    is_empty: bool,
    has_ended: bool,
    is_tunnel: bool,
    pace: Pace,
    bytes: u64,
}

impl StreamBody {
    pub(super) fn new(stream: RecvStream, limits: PaceLimits) -> Self {
        let is_empty = stream.is_end_stream();
        let (has_ended, pace) = (is_empty, Pace::new(limits));
        Self { stream, ahead: None, is_empty, has_ended, is_tunnel: false, pace, bytes: 0 }
    }

    /// How much of the body has come so far, in bytes; `None` if there is none.
    pub(super) fn received(&mut self) -> Option<u64> {
        (!self.is_empty).then(|| self.stream.flow_control().used_capacity() as u64)
    }

    /// Ready when the first frame of the body has come, or will not come.
    ///
    /// # Errors
    ///
    /// If the client, which has this number of `requests` under way, is too slow.
    pub(super) fn poll_begun(
        &mut self,
        requests: usize,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        if let Poll::Ready(first) = self.stream.poll_data(cx) {
            // The end is told by the next call again.
            self.ahead = first;
            return Poll::Ready(Ok(()));
        }
        let late = self.pace.poll_too_slow(requests, timer, cx);
        late.map(|()| Err(sent_too_slowly()))
    }

    /// Treats the request as one without a body: what comes on the stream belongs to a tunnel that
    /// may be made.
    pub(super) fn hold_back(&mut self) {
        (self.is_empty, self.has_ended) = (true, true);
    }

    /// Treats all that comes as the tunnel's.
    pub(super) fn become_tunnel(&mut self) {
        (self.is_tunnel, self.has_ended) = (true, false);
    }

    /// Stops reading the body: nothing more of it will come.
    pub(super) fn give_up(&mut self) {
        self.has_ended = true;
    }

    /// Reads and discards what the client sends until it has ended the stream, or has had the time for it.
    ///
    /// The client of a tunnel whose backend has closed may have something to say still, an acknowledgement
    /// at least. The `h2` crate resets a stream that is dropped before, and a reset means a connection that
    /// broke (RFC 8441 section 5): clients then take what they have not read yet for lost.
    pub(super) async fn linger(mut self) {
        let end = async {
            while let Some(Ok(piece)) = self.stream.data().await {
                // It fails only where the stream has ended.
                let _ = self.stream.flow_control().release_capacity(piece.len());
            }
        };
        // Then it is reset.
        let _ = timeout(GOODBYE, end).await;
    }

    /// Whether there is no body.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether the whole body has been read.
    pub(super) fn is_done(&self) -> bool {
        self.has_ended
    }

    /// Bytes of the body that have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece; `None` at the end of the body. The client's window is opened by as much as
    /// was read.
    ///
    /// What several frames have brought already is one piece, because a write to the backend costs more
    /// than a copy.
    ///
    /// # Errors
    ///
    /// If the client leaves before the end, is too slow, or sends a body of another length than
    /// announced.
    pub(super) fn poll_piece(
        &mut self,
        link: &ClientLink,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        let Some(first) = ready!(self.poll_frame(link, timer, cx))? else {
            return Poll::Ready(Ok(None));
        };
        let (mut more, mut length) = (Vec::new(), first.len());
        while !self.has_ended && length < PIECE && more.len() < FRAMES {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.took(&data);
                    length += data.len();
                    more.push(data);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken(error))),
                // The end is told by the next call again.
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        link.moved();
        Poll::Ready(Ok(Some(joined(first, &more, length))))
    }

    /// The data of the next frame that has some; `None` at the end of the body.
    fn poll_frame(
        &mut self,
        link: &ClientLink,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        loop {
            let frame = match self.ahead.take() {
                Some(first) => Poll::Ready(Some(first)),
                None => self.stream.poll_data(cx),
            };
            if frame.is_pending() {
                // A tunnel may pause for as long as it likes.
                if self.is_tunnel {
                    return Poll::Pending;
                }
                let late = self.pace.poll_too_slow(link.requests_under_way(), timer, cx);
                return late.map(|()| Err(sent_too_slowly()));
            }
            let Some(piece) = ready!(frame).transpose().map_err(broken)? else {
                if let Some(trailers) = ready!(self.stream.poll_trailers(cx)).map_err(broken)? {
                    link.transit().set_trailers(trailer_lines(&trailers));
                }
                self.has_ended = true;
                return Poll::Ready(Ok(None));
            };
            self.took(&piece);
            if !piece.is_empty() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
    }

    /// The data of a frame was read.
    fn took(&mut self, data: &Bytes) {
        // The end of a tunnel is an event of its own.
        self.has_ended = !self.is_tunnel && self.stream.is_end_stream();
        self.bytes += data.len() as u64;
        self.pace.came(data.len() as u64, clock::now);
        // It fails only where the stream has ended, and then there is nothing to release.
        let _ = self.stream.flow_control().release_capacity(data.len());
    }
}

/// The data of frames, of this length together. That of one alone is not copied.
fn joined(first: Bytes, more: &[Bytes], length: usize) -> Bytes {
    if more.is_empty() {
        return first;
    }
    let mut all = BytesMut::with_capacity(length);
    for data in std::iter::once(&first).chain(more) {
        short_slices(data).for_each(|slice| all.extend_from_slice(slice));
    }
    all.freeze()
}

/// The stream was reset, by the client or for what it has sent; or the connection has ended.
fn broken(error: h2::Error) -> Box<Error> {
    if error.is_library() && error.is_reset() {
        let why = "the request's body is not what its header has announced";
        return Error::explain(ErrorType::HTTPStatus(400), why).into_down();
    }
    left()
}
