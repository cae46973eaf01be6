//! A request as the frames of its stream bring it: its head, then its body.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use pingora_core::{Error, ErrorType, Result};
use quinn::RecvStream;

use super::{
    super::{
        super::watch::Timer,
        body::{left, sent_too_slowly},
        link::ClientLink,
        pace::{Blocked, Pace},
        replay::REPLAYED,
        streams::{Ahead, trailer_lines},
    },
    budget::Cost,
    shared::{Shared, number},
    unfinished::Share,
    windows::BodyHold,
};
use crate::clock;
use crate::field_lists::HEADER_LIST;
use crate::http1::rules::framing;
use crate::http3::{Code, Fault, FieldLine, Part, RequestFrames, qpack, request_head, trailers};

/// The most that is read from a stream at once.
const PIECE: usize = 64 * 1024;
/// So many bytes of a body pay for a frame without any: some clients send one behind each flush.
const PER_EMPTY: u64 = 1024;

const NOT_AS_ANNOUNCED: &str = "the body is not as long as its header has announced";

/// Why no more comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The client breaks the rules.
    Fault(Fault),
    /// Its fields do not fit beside those of other requests whose end has not come.
    NoRoom,
    /// The client has cancelled the request, or is gone.
    Left,
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A request as it comes.
#[derive(Debug)]
pub(super) struct StreamBody {
    stream: RecvStream,
    shared: Arc<Shared>,
    frames: RequestFrames,
    /// What `frames` holds.
    unfinished: Share,
    /// The fields of the head, until they have been judged.
    list: Option<Bytes>,
    /// What has come and was not looked at.
    input: Bytes,
    ahead: Ahead,
    /// What comes behind that, if it is known: the end, or why no more comes.
    behind: Option<Result<(), Broken>>,
    /// What is left of the length that the head has announced.
    left: Option<u64>,
    is_empty: bool,
    has_ended: bool,
    /// The fields behind the body, once they have come.
    trailers: Option<HeaderMap>,
    pace: Pace,
    hold: BodyHold,
    bytes: u64,
    /// Bytes that have come and have not paid for frames without any.
    unspent: u64,
}

impl StreamBody {
    pub(super) fn new(stream: RecvStream, shared: &Arc<Shared>) -> Self {
        Self {
            stream,
            shared: Arc::clone(shared),
            frames: RequestFrames::default(),
            unfinished: shared.unfinished.share(),
            list: None,
            input: Bytes::new(),
            ahead: Ahead::default(),
            behind: None,
            left: None,
            is_empty: false,
            has_ended: false,
            trailers: None,
            pace: Pace::new(shared.limits.body),
            hold: shared.windows.hold(),
            bytes: 0,
            unspent: 0,
        }
    }

    /// Reads the head, and of the body what has come with it.
    pub(super) async fn read_head(&mut self) -> Result<Parts, Broken> {
        let part = poll_fn(|cx| self.poll_part(cx)).await?;
        // The frames say that a stream begins with it.
        let Some(Part::Head(list)) = part else { return Err(Broken::Left) };
        self.list = Some(list.clone());
        let head = request_head(decode(list)?).map_err(Fault::Malformed)?;
        let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
        let length = lengths.next();
        // More than one are refused for that.
        if lengths.next().is_none() {
            self.left = length.and_then(|length| framing::content_length(length.as_bytes()));
        }
        // A client need not send the end with the head; only with a body would it wait for an answer.
        let has_none = head.method.is_safe() || head.method == http::Method::DELETE;
        let waits = self.left == Some(0) || length.is_none() && has_none;
        self.read_ahead(waits).await?;
        let is_at_end = self.behind.is_some();
        if !self.is_as_announced(self.ahead.len() as u64, is_at_end) {
            return Err(Fault::Malformed(NOT_AS_ANNOUNCED).into());
        }
        self.list = None;
        self.is_empty = is_at_end && self.ahead.is_empty();
        self.has_ended = self.is_empty;
        Ok(head)
    }

    /// The request begins: what comes of its body waits for a backend from now on.
    pub(super) fn begins(&mut self) {
        self.hold.set(self.behind.is_none());
    }

    /// Takes the fields of a head that could not be read to its end, as far as they have come; `None` if
    /// nothing has come of them.
    pub(super) fn take_unread(&mut self) -> Option<Bytes> {
        self.list.take().or_else(|| self.frames.unfinished_head())
    }

    /// Reads no more of a request that is refused, and tells its client so.
    pub(super) fn refuse(&mut self, code: Code) {
        self.ahead.clear();
        (self.behind, self.is_empty, self.has_ended) = (Some(Ok(())), true, true);
        self.hold.set(false);
        self.stop(code);
    }

    /// Reads what is there; `waits` for something at least.
    async fn read_ahead(&mut self, mut waits: bool) -> Result<(), Broken> {
        while self.behind.is_none() && self.ahead.len() <= REPLAYED {
            let has_come = poll_fn(|cx| match self.poll_more(cx) {
                Poll::Pending if !waits => Poll::Ready(false),
                came => came.map(|()| true),
            });
            if !has_come.await {
                break;
            }
            waits = false;
        }
        match self.behind {
            Some(Err(broken)) => Err(broken),
            _ => Ok(()),
        }
    }

    /// Ready when the first part of the body has come, or will not come.
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
        match self.poll_more(cx) {
            Poll::Pending => self.poll_too_slow(requests, timer, cx).map(Err),
            Poll::Ready(()) => Poll::Ready(Ok(())),
        }
    }

    /// Nothing has come. Ready if the client, which has this number of `requests` under way, is too slow.
    fn poll_too_slow(
        &mut self,
        requests: usize,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Box<Error>> {
        let late = self.pace.poll_too_slow(requests, blocked(&self.shared), timer, cx);
        late.map(|()| sent_too_slowly())
    }

    /// Whether the client has cancelled the request before its body began.
    pub(super) fn has_been_cancelled(&self) -> bool {
        self.behind == Some(Err(Broken::Left))
    }

    /// How much of the body has come; `None` if there is none.
    pub(super) fn received(&self) -> Option<u64> {
        (!self.is_empty).then_some(self.ahead.len() as u64)
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

    /// Tells the client that no more of the request is wanted.
    pub(super) fn stop(&mut self, code: Code) {
        // An error means that nothing more would come anyway.
        let _ = self.stream.stop(number(code));
    }

    /// The next piece; `None` at the end of the body. The client's window is opened by as much as was
    /// read.
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
        while self.behind.is_none() && !self.ahead.is_enough() && self.poll_more(cx).is_ready() {}
        let piece = self.ahead.pop();
        if piece.is_none() {
            match self.behind {
                None => {
                    self.hold.set(false);
                    let requests = link.requests_under_way();
                    return self.poll_too_slow(requests, timer, cx).map(Err);
                }
                Some(Err(broken)) => return Poll::Ready(Err(self.error(broken))),
                Some(Ok(())) => {}
            }
        }
        Poll::Ready(self.piece(piece, link))
    }

    fn piece(&mut self, piece: Option<Bytes>, link: &ClientLink) -> Result<Option<Bytes>> {
        let more = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if !self.is_as_announced(more, piece.is_none()) {
            return Err(self.error(Fault::Malformed(NOT_AS_ANNOUNCED).into()));
        }
        self.left = self.left.map(|left| left - more);
        self.has_ended = piece.is_none();
        self.hold.set(!self.has_ended);
        if piece.is_some() {
            self.bytes += more;
            self.pace.came_beside(more, clock::now, || blocked(&self.shared));
            self.shared.windows.received(more, &self.shared.quic);
            link.moved();
        } else if let Some(trailers) = self.trailers.take() {
            link.transit().set_trailers(trailer_lines(&trailers));
        }
        Ok(piece)
    }

    /// Whether so many more bytes of the body may come, and its end behind them.
    fn is_as_announced(&self, more: u64, ends: bool) -> bool {
        self.left.is_none_or(|left| if ends { more == left } else { more <= left })
    }

    /// Takes the next part behind the head, if it is not known what comes behind them. Ready if there was one.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.behind.is_none() {
            match ready!(self.poll_part(cx)) {
                Ok(Some(Part::Data(piece))) => self.ahead.push(piece),
                Ok(Some(Part::Trailers(list))) => {
                    self.behind = self.take_trailers(list).err().map(Err)
                }
                // A head comes first, and once.
                Ok(Some(Part::Head(_)) | None) => self.behind = Some(Ok(())),
                Err(broken) => self.behind = Some(Err(broken)),
            }
        }
        Poll::Ready(())
    }

    fn take_trailers(&mut self, list: Bytes) -> Result<(), Broken> {
        let malformed = Fault::Malformed("the trailers are malformed");
        self.trailers = Some(trailers(decode(list)?).ok_or(malformed)?);
        Ok(())
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, Broken>> {
        loop {
            let part = self.frames.next(&mut self.input)?;
            self.pay_for_empty(&part);
            if !self.unfinished.set(self.frames.unfinished()) {
                return Poll::Ready(Err(Broken::NoRoom));
            }
            if part.is_some() {
                return Poll::Ready(Ok(part));
            }
            let chunk = pin!(self.stream.read_chunk(PIECE, true)).poll(cx);
            match ready!(chunk) {
                Ok(Some(chunk)) => self.input = chunk.bytes,
                Ok(None) => {
                    self.frames.end()?;
                    return Poll::Ready(Ok(None));
                }
                Err(_) => return Poll::Ready(Err(Broken::Left)),
            }
        }
    }

    /// Has the client pay for frames that have brought nothing, but for those that this part and the ones before it
    /// pay for.
    fn pay_for_empty(&mut self, part: &Option<Part>) {
        if let Some(Part::Data(piece)) = part {
            self.unspent += piece.len() as u64;
        }
        let empty = self.frames.take_empty();
        if empty > 0 {
            let paid = (self.unspent / PER_EMPTY).min(empty.into());
            self.unspent -= paid * PER_EMPTY;
            let left = empty - paid as u32;
            if left > 0 {
                self.shared.pay(Cost::EmptyFrames(left));
            }
        }
    }

    /// What Pingora is told of it. The connection ends here, if it must.
    fn error(&self, broken: Broken) -> Box<Error> {
        match broken {
            Broken::Left => left(),
            Broken::NoRoom => {
                self.shared.has_no_room();
                let why = "the trailers come too far apart, beside the fields of too many requests";
                Error::explain(ErrorType::HTTPStatus(400), why).into_down()
            }
            Broken::Fault(fault) => {
                let why = match fault {
                    Fault::Connection(code) => {
                        self.shared.broken(code);
                        "the client has broken the rules of its connection"
                    }
                    Fault::Malformed(why) => {
                        self.shared.malformed();
                        why
                    }
                    Fault::TooLarge | Fault::Incomplete => {
                        self.shared.malformed();
                        "the trailers are too large"
                    }
                };
                Error::explain(ErrorType::HTTPStatus(400), why).into_down()
            }
        }
    }
}

/// For how long there was no room for a body beside others.
fn blocked(shared: &Shared) -> Blocked {
    // Requests that wait because the client's own windows are tiny keep their bodies.
    if shared.is_tight {
        return Blocked::NEVER;
    }
    shared.windows.blocked(|| shared.quic.stats().frame_rx.data_blocked)
}

fn decode(list: Bytes) -> Result<Vec<FieldLine>, Fault> {
    Ok(qpack::decode(list, HEADER_LIST.into())?)
}
