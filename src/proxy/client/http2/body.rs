//! The body of a request, as the frames of its stream bring it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use pingora_core::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::{
    super::{
        super::watch::Timer,
        body::{left, sent_too_slowly},
        link::ClientLink,
        pace::{Blocked, Pace},
        streams::{Ahead, TINY_WINDOW, trailer_lines},
    },
    wire::{GOODBYE, Signals},
};
use crate::clock;
use crate::config::PaceLimits;

/// The most frames that are joined at a time, so that tiny ones do not hold up others.
const FRAMES: usize = 64;

/// A request's body as it comes.
#[derive(Debug)]
pub(super) struct StreamBody {
    stream: RecvStream,
    ahead: Ahead,
    /// What comes behind that, if it is known: the end of the data, or an error.
    behind: Option<Result<(), h2::Error>>,
    is_empty: bool,
    has_ended: bool,
    is_tunnel: bool,
    pace: Pace,
    /// How much of a frame that is not complete the pace knows of.
    counted: u64,
    bytes: u64,
}

impl StreamBody {
    pub(super) fn new(stream: RecvStream, limits: PaceLimits) -> Self {
        let is_empty = stream.is_end_stream();
        let (has_ended, pace) = (is_empty, Pace::new(limits));
        Self {
            stream,
            ahead: Ahead::default(),
            behind: None,
            is_empty,
            has_ended,
            is_tunnel: false,
            pace,
            counted: 0,
            bytes: 0,
        }
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
        signals: &Signals,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        self.fill(cx);
        if !self.ahead.is_empty() || self.behind.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.poll_too_slow(requests, signals, timer, cx).map(Err)
    }

    /// Takes frames that have come, until there is enough for a piece.
    fn fill(&mut self, cx: &mut Context<'_>) {
        let mut frames = 0;
        while !self.ahead.is_enough() && (frames < FRAMES || self.ahead.is_empty()) {
            if !self.take_frame(cx) {
                break;
            }
            frames += 1;
        }
    }

    /// Takes all frames that have come. The `h2` crate closes a connection for some thousand small frames that nobody
    /// takes, long before they fill the window, which is opened by what is asked for alone.
    pub(super) fn gather(&mut self, cx: &mut Context<'_>) {
        while !self.has_ended && self.take_frame(cx) {}
    }

    /// Takes a frame. Returns whether one had come.
    fn take_frame(&mut self, cx: &mut Context<'_>) -> bool {
        if self.behind.is_some() {
            return false;
        }
        match self.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => self.ahead.push(data),
            Poll::Ready(Some(Err(error))) => self.behind = Some(Err(error)),
            Poll::Ready(None) => self.behind = Some(Ok(())),
            Poll::Pending => return false,
        }
        true
    }

    /// No frame has come. Ready if the client, which has this number of `requests` under way, is too slow.
    fn poll_too_slow(
        &mut self,
        requests: usize,
        signals: &Signals,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Box<Error>> {
        let came = signals.came_of_frame(self.stream.stream_id().as_u32());
        if came > self.counted {
            self.came(came - self.counted, signals);
            self.counted = came;
        }
        let late = self.pace.poll_too_slow(requests, blocked(signals), timer, cx);
        late.map(|()| sent_too_slowly())
    }

    /// Bytes of a frame have come.
    fn came(&mut self, bytes: u64, signals: &Signals) {
        self.pace.came_beside(bytes, clock::now, || blocked(signals));
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
    /// # Errors
    ///
    /// If the client leaves before the end, is too slow, or sends a body of another length than
    /// announced.
    pub(super) fn poll_piece(
        &mut self,
        link: &ClientLink,
        signals: &Signals,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>>> {
        self.fill(cx);
        if let Some(piece) = self.ahead.pop() {
            self.took(&piece, signals);
            link.moved();
            return Poll::Ready(Ok(Some(piece)));
        }
        match &self.behind {
            None if self.is_tunnel => Poll::Pending,
            None => {
                let requests = link.requests_under_way();
                self.poll_too_slow(requests, signals, timer, cx).map(Err)
            }
            Some(Ok(())) => {
                if let Some(trailers) = ready!(self.stream.poll_trailers(cx)).map_err(broken)? {
                    link.transit().set_trailers(trailer_lines(&trailers));
                }
                self.has_ended = true;
                Poll::Ready(Ok(None))
            }
            Some(Err(_)) => {
                let error = self.behind.take().and_then(Result::err);
                Poll::Ready(Err(error.map_or_else(left, broken)))
            }
        }
    }

    /// A piece was asked for.
    fn took(&mut self, piece: &Bytes, signals: &Signals) {
        // The end of a tunnel is an event of its own.
        self.has_ended = !self.is_tunnel && self.ahead.is_empty() && self.stream.is_end_stream();
        self.bytes += piece.len() as u64;
        let counted = std::mem::take(&mut self.counted);
        self.came((piece.len() as u64).saturating_sub(counted), signals);
        // It fails only where the stream has ended, and then there is nothing to release.
        let _ = self.stream.flow_control().release_capacity(piece.len());
    }
}

/// For how long there was no room for a body beside others.
fn blocked(signals: &Signals) -> Blocked {
    // Requests that wait because the client's own windows are tiny keep their bodies.
    if signals.first_window() < TINY_WINDOW {
        return Blocked::NEVER;
    }
    let (total, is_now) = signals.room().blocked(clock::now);
    Blocked { total, is_now }
}

/// The stream was reset, by the client or for what it has sent; or the connection has ended.
fn broken(error: h2::Error) -> Box<Error> {
    if error.is_library() && error.is_reset() {
        let why = "the body is not what its header has announced, or its trailers are malformed";
        return Error::explain(ErrorType::HTTPStatus(400), why).into_down();
    }
    left()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::{Method, Request};

    use super::{super::super::streams::PIECE, *};

    const LIMITS: PaceLimits = PaceLimits { idle: None, min_rate: None };

    /// The lengths of the pieces that frames of these lengths become if all of them have come.
    async fn pieces(frames: &[usize], gathered: bool) -> Vec<usize> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let opened = tokio::join!(h2::client::handshake(ours), h2::server::handshake(theirs));
        let ((mut requests, connection), mut server) = (opened.0.unwrap(), opened.1.unwrap());
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(Method::POST).uri("http://a/").body(()).unwrap();
        let (_answer, mut sent) = requests.send_request(request, false).unwrap();
        for length in frames {
            sent.send_data(vec![b'x'; *length].into(), false).unwrap();
        }
        let (request, _respond) = server.accept().await.unwrap().unwrap();
        let mut body = StreamBody::new(request.into_body(), LIMITS);
        let all: usize = frames.iter().sum();
        poll_fn(|cx| {
            assert!(server.poll_accept(cx).is_pending());
            let have_come = body.stream.flow_control().used_capacity() == all;
            if have_come { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let pieces = poll_fn(|cx| {
            if gathered {
                body.gather(cx);
            }
            let pieces = std::iter::from_fn(|| {
                body.fill(cx);
                body.ahead.pop()
            });
            Poll::Ready(pieces.map(|piece| piece.len()).collect())
        });
        let pieces = pieces.await;
        connection.abort();
        pieces
    }

    #[tokio::test]
    async fn small_frames_are_joined_and_large_ones_are_not() {
        let frames = [PIECE, PIECE, 10, PIECE - 11, 5, 1, 2, 1, PIECE];
        for gathered in [false, true] {
            assert_eq!(
                pieces(&frames, gathered).await,
                [PIECE, PIECE, PIECE - 1 + 5, 4, PIECE],
                "{gathered}"
            );
        }
        assert_eq!(pieces(&[1; FRAMES + 3], false).await, [FRAMES, 3]);
        assert_eq!(pieces(&[1; FRAMES + 3], true).await, [FRAMES + 3]);
    }
}
