//! What is on its way between the two sessions of a request: the client's, which reads the request and
//! writes the answer, and the backend's, which does the opposite.
//!
//! Pingora's loop between them waits for whatever it has begun, so that a backend which takes no more of
//! a body would keep its own answer from the client. Here nothing of the kind is waited for: what goes to
//! the backend is put down, the backend's session writes it whenever it is asked for the answer, and the
//! client's session hands out the next pieces when those before were written. What has come from the
//! backend and was not written to the client is limited too, because it is memory that a slow client
//! holds.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use pingora::http::ResponseHeader;

use super::answer_header::{AnswerHeader, AnswerHeaders};
use crate::http1::Fields;

/// Of an answer of which this much waits for the client, no more is read. It is less than a read brings,
/// so that reads bring more than crumbs when the client is slow.
const BACKLOG: usize = 2048;
/// Pieces up to this size are copied behind what is to be written already.
const COPIED: usize = 4096;
/// Larger pieces of a body are put down until they have this size together: the cost of a write is less that of
/// its bytes than that of waking the backend.
const TOGETHER: usize = 48 * 1024;
/// The most parts of one write. A body in frames of 16 KiB has fewer, with the lines of chunks between them.
const PARTS: usize = 8;

/// Shared by the two sessions of a request. The lock is never waited for: they are one task.
#[derive(Debug, Default)]
pub(super) struct Transit {
    state: Mutex<State>,
    /// Whether the head of an answer has come. Apart, because it is asked whenever anything moves.
    is_answered: AtomicBool,
    /// Whether nothing more of an answer will come.
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be written to the backend, in this order.
    first: BytesMut,
    pieces: VecDeque<Bytes>,
    last: BytesMut,
    /// Whether more may be put behind what waits: the backend has taken all that it was offered, and what
    /// waits is in large pieces.
    is_flowing: bool,
    request: Request,
    /// The trailers behind the body, as lines.
    trailers: Bytes,
    /// Headers of the answer that have come for the hooks.
    headers: AnswerHeaders,
    /// Those with which the hooks are done.
    answers: AnswerHeaders,
    /// Bytes of the answer's body that have come and were not written to the client.
    unwritten: usize,
    backend: Option<Waker>,
    client: Option<Waker>,
}

/// Where the request towards the backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Request {
    /// More of it may come.
    #[default]
    Open,
    /// It was put down to its end.
    Ended,
    /// The backend takes no more of it, or the client sends no more.
    Broken,
}

/// Whether there is room for more of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// More may be put down.
    Some,
    /// What was put down has to be written first; the task is woken when it has been.
    None,
    /// Nothing more can be sent.
    Never,
}

/// What became of writing on.
#[derive(Debug)]
pub(super) enum Written {
    /// All that was put down; more may come.
    All,
    /// The request, to its end.
    Request,
    /// Some of it; the backend takes no more for now.
    Stuck {
        /// Whether anything moved.
        has_moved: bool,
    },
    /// The request will not be complete.
    Broken,
}

impl Transit {
    /// Another request begins, of which nothing is known.
    pub(super) fn clear(&self) {
        self.is_answered.store(false, Relaxed);
        self.is_over.store(false, Relaxed);
        *self.state.lock() = State::default();
    }

    /// An attempt begins: this head is to be written.
    pub(super) fn begin(&self, head: BytesMut) {
        self.is_answered.store(false, Relaxed);
        self.is_over.store(false, Relaxed);
        let mut state = self.state.lock();
        let trailers = std::mem::take(&mut state.trailers);
        *state = State { first: head, trailers, ..State::default() };
    }

    /// Puts a piece of the body down, with its framing around it.
    pub(super) fn put(&self, before: &[u8], piece: Bytes, after: &[u8]) {
        let mut state = self.state.lock();
        if state.request == Request::Broken {
            return;
        }
        state.text().put_slice(before);
        if piece.len() > COPIED {
            state.push(piece);
        } else {
            state.text().put_slice(&piece);
            state.is_flowing = false;
        }
        state.text().put_slice(after);
        state.wake_backend();
    }

    /// The request has ended; in chunks if it `is_chunked`.
    pub(super) fn end(&self, is_chunked: bool) {
        let mut state = self.state.lock();
        if state.request == Request::Broken {
            return;
        }
        if is_chunked {
            let trailers = state.trailers.clone();
            let to = state.text();
            to.put_slice(b"0\r\n");
            to.put_slice(&trailers);
            to.put_slice(b"\r\n");
        }
        state.request = Request::Ended;
        state.wake_backend();
    }

    /// The connection has become a tunnel, for which the request was only the beginning.
    pub(super) fn reopen(&self) {
        self.state.lock().request = Request::Open;
    }

    /// Nothing more of the request is written, because the backend takes none or the client sends none.
    pub(super) fn break_off(&self) {
        let mut state = self.state.lock();
        state.request = Request::Broken;
        (state.first, state.pieces, state.last) = <_>::default();
        state.wake_client();
        state.wake_backend();
    }

    /// Whether the body can be sent on. Asked by the client's session before it reads.
    pub(super) fn room(&self, cx: &Context<'_>) -> Room {
        let mut state = self.state.lock();
        match state.request {
            Request::Broken => Room::Never,
            _ if state.is_written() || (state.is_flowing && state.waiting() < TOGETHER) => {
                Room::Some
            }
            _ => {
                keep(&mut state.client, cx);
                Room::None
            }
        }
    }

    /// Whether nothing more can be sent.
    pub(super) fn is_broken(&self) -> bool {
        self.state.lock().request == Request::Broken
    }

    /// Writes what there is. Asked by the backend's session, which is woken when there is more.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub(super) fn write(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> io::Result<Written> {
        let mut state = self.state.lock();
        let mut has_moved = false;
        loop {
            if state.is_written() {
                state.is_flowing = true;
                if has_moved {
                    (state.first, state.last) = <_>::default();
                    state.wake_client();
                }
                return Ok(match state.request {
                    Request::Ended => Written::Request,
                    Request::Broken => Written::Broken,
                    Request::Open => {
                        keep(&mut state.backend, cx);
                        Written::All
                    }
                });
            }
            let mut slices = [IoSlice::new(&[]); PARTS];
            let count = slices.iter_mut().zip(state.parts()).map(|(to, part)| *to = part).count();
            match write(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    state.advance(written);
                    has_moved = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    state.is_flowing = false;
                    keep(&mut state.backend, cx);
                    return Ok(Written::Stuck { has_moved });
                }
            }
        }
    }

    /// The header of an answer has come.
    pub(super) fn put_header(&self, header: Box<AnswerHeader>) {
        self.is_answered.store(true, Relaxed);
        self.state.lock().headers.put(header);
    }

    /// Whether the head of an answer, an interim one perhaps, has come in this attempt.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered.load(Relaxed)
    }

    /// The header that is the next for the hooks.
    pub(super) fn take_header(&self) -> Option<Box<AnswerHeader>> {
        self.state.lock().headers.take()
    }

    /// The header of an answer is the next to be written to the client.
    pub(super) fn put_answer(&self, header: Box<AnswerHeader>) {
        self.state.lock().answers.put(header);
    }

    /// The answer is to be this one. A header of another that has not been written will not be.
    pub(super) fn answer_instead(&self, header: Box<AnswerHeader>) {
        let mut state = self.state.lock();
        state.answers = AnswerHeaders::default();
        state.answers.put(header);
    }

    /// The header that is to be written for the one that Pingora shows, whose status it sets right: with
    /// the status alone if no hook has seen it.
    pub(super) fn take_answer(&self, shown: &mut ResponseHeader) -> Box<AnswerHeader> {
        let Some(header) = self.state.lock().answers.take() else {
            return Box::new(AnswerHeader::new(shown.status, Fields::default()));
        };
        // A status is valid.
        let _ = shown.set_status(header.status);
        header
    }

    /// This much of the answer has come for the client.
    pub(super) fn came(&self, bytes: usize) {
        self.state.lock().unwritten += bytes;
    }

    /// Nothing more of an answer will come in this attempt.
    pub(super) fn end_answer(&self) {
        self.is_over.store(true, Relaxed);
    }

    /// Whether nothing more of an answer will come in this attempt.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    /// This much of it has been written to the client.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.unwritten = state.unwritten.saturating_sub(bytes);
        state.wake_backend();
    }

    /// Whether more of the answer can be read. If not, the task is woken when it can.
    pub(super) fn takes_more(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        let takes_more = state.unwritten < BACKLOG;
        if !takes_more {
            keep(&mut state.backend, cx);
        }
        takes_more
    }

    /// The trailers of the request, as lines.
    pub(super) fn set_trailers(&self, lines: Bytes) {
        self.state.lock().trailers = lines;
    }
}

impl State {
    fn is_written(&self) -> bool {
        self.first.is_empty() && self.pieces.is_empty() && self.last.is_empty()
    }

    /// Where text is put down behind all that there is.
    fn text(&mut self) -> &mut BytesMut {
        let is_first = self.pieces.is_empty() && self.last.is_empty();
        if is_first { &mut self.first } else { &mut self.last }
    }

    /// Puts a piece down behind all that there is.
    fn push(&mut self, piece: Bytes) {
        if !self.last.is_empty() {
            self.pieces.push_back(self.last.split().freeze());
        }
        self.pieces.push_back(piece);
    }

    /// All that is to be written, without empty parts.
    fn parts(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let pieces = self.pieces.iter().map(|piece| &**piece);
        let all = std::iter::once(&*self.first).chain(pieces).chain([&*self.last]);
        all.filter(|part| !part.is_empty()).map(IoSlice::new)
    }

    /// Bytes that are to be written.
    fn waiting(&self) -> usize {
        self.parts().map(|part| part.len()).sum()
    }

    fn advance(&mut self, mut written: usize) {
        take(&mut self.first, &mut written);
        while let Some(piece) = self.pieces.front_mut() {
            take(piece, &mut written);
            if !piece.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        take(&mut self.last, &mut written);
    }

    fn wake_backend(&mut self) {
        if let Some(waker) = self.backend.take() {
            waker.wake();
        }
    }

    fn wake_client(&mut self) {
        if let Some(waker) = self.client.take() {
            waker.wake();
        }
    }
}

/// Takes as many of these bytes off as there are.
fn take(part: &mut impl Buf, bytes: &mut usize) {
    let here = part.remaining().min(*bytes);
    part.advance(here);
    *bytes -= here;
}

/// Keeps the waker of the task, which is the same one nearly always.
fn keep(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|kept| kept.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most this much of each write.
    fn write(transit: &Transit, most: usize, calls: usize) -> (Vec<u8>, Written) {
        let (mut seen, mut left) = (vec![], calls);
        let mut cx = Context::from_waker(Waker::noop());
        let written = transit.write(&mut cx, |_, slices| {
            if left == 0 {
                return Poll::Pending;
            }
            left -= 1;
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let taken = bytes.len().min(most);
            seen.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        });
        (seen, written.unwrap())
    }

    fn begun() -> Transit {
        let transit = Transit::default();
        transit.begin(BytesMut::from(&b"head "[..]));
        transit
    }

    fn room(transit: &Transit) -> Room {
        transit.room(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_head_and_what_is_at_hand_of_the_body_are_one_write() {
        for size in [1, COPIED, COPIED + 1] {
            let transit = begun();
            let body = vec![b'a'; size];
            transit.put(b"size ", Bytes::from(body.clone()), b" end");
            transit.end(false);
            let (seen, written) = write(&transit, usize::MAX, 1);
            assert_eq!(seen, [b"head size ", &body[..], b" end"].concat());
            assert!(matches!(written, Written::Request), "{written:?}");
        }
    }

    #[test]
    fn bytes_keep_their_order_for_every_cut() {
        let body = vec![b'a'; COPIED + 1];
        let expected = [b"head <", &body[..], b"><b><", &body, b">0\r\nX: y\r\n\r\n"].concat();
        for most in [1, 7, COPIED, usize::MAX] {
            let transit = begun();
            transit.set_trailers(Bytes::from_static(b"X: y\r\n"));
            transit.put(b"<", Bytes::from(body.clone()), b">");
            transit.put(b"<", Bytes::from_static(b"b"), b">");
            transit.put(b"<", Bytes::from(body.clone()), b">");
            transit.end(true);
            let mut seen = vec![];
            while seen.len() < expected.len() {
                seen.extend(write(&transit, most, 1).0);
            }
            assert!(seen == expected, "{most}");
        }
    }

    #[test]
    fn bytes_stay_behind_those_that_the_backend_has_not_taken() {
        let body = vec![b'a'; COPIED + 1];
        let expected = [b"head <", &body[..], b"><b><", &body, b">0\r\n\r\n"].concat();
        for taken in [1, 5, 6, 7, COPIED, COPIED + 7, COPIED + 8] {
            let transit = begun();
            transit.put(b"<", Bytes::from(body.clone()), b">");
            let (mut seen, _) = write(&transit, taken, 1);
            transit.put(b"<", Bytes::from_static(b"b"), b">");
            transit.put(b"<", Bytes::from(body.clone()), b">");
            transit.end(true);
            seen.extend(write(&transit, usize::MAX, 9).0);
            assert!(seen == expected, "{taken}");
        }
    }

    #[test]
    fn large_pieces_go_on_together() {
        for (size, writes) in [(16 << 10, 1), (COPIED + 1, 4)] {
            for (before, after) in [("", ""), ("1001\r\n", "\r\n")] {
                let transit = begun();
                write(&transit, usize::MAX, 1);
                let (mut expected, mut pieces) = (Vec::new(), 0);
                while room(&transit) == Room::Some {
                    let piece = vec![b'a' + pieces; size];
                    expected.extend([before.as_bytes(), &piece, after.as_bytes()].concat());
                    transit.put(before.as_bytes(), piece.into(), after.as_bytes());
                    pieces += 1;
                }
                assert!((TOGETHER..TOGETHER + size).contains(&expected.len()), "{pieces}");
                let (seen, written) = write(&transit, usize::MAX, writes);
                assert!(seen == expected && matches!(written, Written::All), "{written:?}");
                assert_eq!(room(&transit), Room::Some);
            }
        }
    }

    #[test]
    fn nothing_is_put_behind_a_small_piece_or_one_that_the_backend_does_not_take() {
        let transit = begun();
        write(&transit, usize::MAX, 1);
        transit.put(b"", Bytes::from_static(&[b'a'; COPIED]), b"");
        assert_eq!(room(&transit), Room::None);
        write(&transit, usize::MAX, 1);
        transit.put(b"", Bytes::from_static(&[b'a'; COPIED + 1]), b"");
        assert_eq!(room(&transit), Room::Some);
        assert!(matches!(write(&transit, COPIED, 1).1, Written::Stuck { has_moved: true }));
        assert_eq!(room(&transit), Room::None);
        assert!(matches!(write(&transit, 1, 1).1, Written::All));
        assert_eq!(room(&transit), Room::Some);
    }

    #[test]
    fn there_is_room_when_the_piece_before_was_written() {
        let transit = begun();
        assert_eq!(room(&transit), Room::None);
        assert!(matches!(write(&transit, 2, 1).1, Written::Stuck { has_moved: true }));
        assert!(matches!(write(&transit, 2, 0).1, Written::Stuck { has_moved: false }));
        assert_eq!(room(&transit), Room::None);
        assert!(matches!(write(&transit, 9, 9).1, Written::All));
        assert_eq!(room(&transit), Room::Some);
    }

    #[test]
    fn nothing_is_written_of_a_request_that_was_broken_off() {
        let transit = begun();
        transit.break_off();
        transit.put(b"", Bytes::from_static(b"more"), b"");
        transit.end(true);
        let (seen, written) = write(&transit, 9, 9);
        assert!(seen.is_empty() && matches!(written, Written::Broken), "{written:?}");
        assert_eq!(room(&transit), Room::Never);
        transit.begin(BytesMut::from(&b"again"[..]));
        assert_eq!(write(&transit, 9, 9).0, b"again");
    }

    #[test]
    fn the_answer_waits_for_the_client() {
        let transit = begun();
        let takes_more = || transit.takes_more(&Context::from_waker(Waker::noop()));
        transit.came(BACKLOG - 1);
        assert!(takes_more());
        transit.came(1);
        assert!(!takes_more());
        transit.written(1);
        assert!(takes_more());
    }
}
