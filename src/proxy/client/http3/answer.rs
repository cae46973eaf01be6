//! An answer on a stream: its header, its body, its end.
//!
//! A piece is written as far as the client's windows and the limit on what is not acknowledged reach. A
//! client that accepts nothing for too long, or hardly anything, loses its request.
//!
//! An answer that breaks off is reset, so that no client takes it for a whole one. A reset overtakes what was
//! sent before it, so it waits until that had time to arrive: what came before a backend broke is the client's.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use pingora_core::{Error, ErrorType, Result};
use quinn::{SendStream, StoppedError, VarInt, WriteError};
use tokio::time::sleep;

use super::{
    super::{
        super::{answer_header::AnswerHeader, watch::Timer},
        link::ClientLink,
        pace::{Blocked, Pace},
        streams::{self, took_too_slowly},
    },
    shared::{Shared, number},
    windows::WIDE,
};
use crate::clock;
use crate::http1::{Known, rules::framing};
use crate::http3::{Code, data_head, headers, qpack::FieldWriter};

/// How long the last packet may take to arrive, or to be sent again (RFC 9002 section 6.2.1), at least, and in
/// round trips.
const ARRIVAL: (Duration, u32) = (Duration::from_millis(100), 5);
/// The longest time in which what was sent of an answer may arrive before it is reset.
const LONGEST: Duration = Duration::from_secs(30);

/// Resolves when the client has stopped to read, has acknowledged everything, or is gone.
type Stopped =
    Pin<Box<dyn Future<Output = std::result::Result<Option<VarInt>, StoppedError>> + Send + Sync>>;

/// What is left to do when a request has ended: its answer is on its way.
pub(super) type Delivery = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before its header.
    Header,
    /// In the body; the number of bytes left if a length was announced.
    Body(Option<u64>),
    /// After the end of the answer.
    Ended,
}

/// The answer to one request.
pub(super) struct StreamAnswer {
    /// Present until the answer is reset.
    stream: Option<SendStream>,
    delivery: Delivery,
    shared: Arc<Shared>,
    stopped: Stopped,
    is_head: bool,
    state: State,
    bytes: u64,
    /// The code with which the stream is reset behind the answer, if the request is malformed.
    reset: Option<Code>,
    pace: Pace,
    timer: Timer,
}

impl StreamAnswer {
    /// What is left of it when it is dropped, or has been sent, goes to `delivery`.
    pub(super) fn new(stream: SendStream, shared: &Arc<Shared>, delivery: &Delivery) -> Self {
        Self {
            delivery: Arc::clone(delivery),
            stopped: Box::pin(stream.stopped()),
            stream: Some(stream),
            shared: Arc::clone(shared),
            is_head: false,
            state: State::Header,
            bytes: 0,
            reset: None,
            pace: Pace::new(shared.limits.answer_pace()),
            timer: Timer::default(),
        }
    }

    /// The request's method says that its answer has no body.
    pub(super) fn is_to_head(&mut self) {
        self.is_head = true;
    }

    /// The request is malformed: its client gets an answer, and an error of its stream behind it (RFC 9114
    /// section 4.1.2).
    pub(super) fn is_to_malformed(&mut self) {
        self.reset = Some(Code::MessageError);
    }

    /// Bytes of the body that have been sent.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the whole answer has been sent.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Ended
    }

    /// Ready when the client has cancelled the request, or is gone.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state == State::Ended {
            // What is left is the client's to read.
            return Poll::Pending;
        }
        self.stopped.as_mut().poll(cx).map(|_| ())
    }

    /// Leaves the whole answer to the client, which has to acknowledge it.
    fn deliver(&mut self) {
        let stopped = std::mem::replace(&mut self.stopped, Box::pin(std::future::pending()));
        *self.delivery.lock() = Some(Box::pin(async move {
            // Or it is gone.
            let _ = stopped.await;
        }));
    }

    /// Sends the header of an answer; `end` says that no body follows. Returns whether it was that of
    /// the final answer.
    ///
    /// # Errors
    ///
    /// If the client has left, or takes the answer too slowly.
    pub(super) async fn write_header(
        &mut self,
        sent: &AnswerHeader,
        end: bool,
        link: &ClientLink,
    ) -> Result<bool> {
        let status = sent.status;
        // There are no tunnels here.
        if self.state != State::Header || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(false);
        }
        let mut list = FieldWriter::new(status.as_u16());
        for (name, value) in streams::fields(sent) {
            list.field(name, value);
        }
        self.send(&mut [headers(&list.finish())], link).await?;
        if status.is_informational() {
            return Ok(false);
        }
        let length = sent.fields.first(Known::ContentLength).and_then(framing::content_length);
        let is_bodiless =
            self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if is_bodiless || length == Some(0) || end && length.is_none() {
            self.end()?;
        } else {
            self.state = State::Body(length);
        }
        Ok(true)
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    ///
    /// If the client has left, or takes the answer too slowly.
    pub(super) async fn write_piece(&mut self, mut piece: Bytes, link: &ClientLink) -> Result<()> {
        // There is no body, even if the backend sends one.
        let State::Body(left) = self.state else { return Ok(()) };
        if let Some(left) = left {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if piece.is_empty() {
            return Ok(());
        }
        let length = piece.len() as u64;
        self.send(&mut [data_head(piece.len()), piece], link).await?;
        self.bytes += length;
        let left = left.map(|left| left - length);
        self.state = State::Body(left);
        if left == Some(0) { self.end() } else { Ok(()) }
    }

    /// Sends the end of the body. A body that is shorter than announced gets no end.
    pub(super) async fn write_end(
        &mut self,
        trailers: Option<HeaderMap>,
        link: &ClientLink,
    ) -> Result<()> {
        if self.state != State::Body(None) {
            return Ok(());
        }
        if let Some(trailers) = trailers {
            let mut list = FieldWriter::trailers();
            for (name, value) in &trailers {
                list.field(name.as_str().as_bytes(), value.as_bytes());
            }
            self.send(&mut [headers(&list.finish())], link).await?;
        }
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.state = State::Ended;
        match &mut self.stream {
            Some(_) if self.reset.is_some() => Ok(()),
            Some(stream) => stream.finish().map_err(|_| gone()),
            None => Err(gone()),
        }
    }

    async fn send(&mut self, mut bytes: &mut [Bytes], link: &ClientLink) -> Result<()> {
        let Some(stream) = &mut self.stream else { return Err(gone()) };
        while !bytes.is_empty() {
            let written = {
                let mut write = pin!(stream.write_chunks(bytes));
                let (pace, timer) = (&mut self.pace, &mut self.timer);
                let wait = poll_fn(|cx| {
                    if let Poll::Ready(written) = write.as_mut().poll(cx) {
                        return Poll::Ready(written.map_err(broken));
                    }
                    let requests = link.requests_under_way();
                    ready!(pace.poll_too_slow(requests, Blocked::NEVER, timer, cx));
                    Poll::Ready(Err(took_too_slowly()))
                });
                wait.await?
            };
            self.pace.came(written.bytes as u64, clock::now);
            self.shared.windows.sent(written.bytes as u64, &self.shared.quic);
            bytes = bytes.split_at_mut(written.chunks).1;
            link.moved();
        }
        Ok(())
    }

    /// Tells the client that the request was not served.
    pub(super) fn refuse(&mut self, code: Code) {
        if let Some(stream) = &mut self.stream {
            // An error means that the client has stopped to read.
            let _ = stream.reset(number(code));
        }
        (self.state, self.reset) = (State::Ended, None);
    }
}

impl Drop for StreamAnswer {
    fn drop(&mut self) {
        let code = match self.reset {
            Some(code) => code,
            None if self.state == State::Ended => return self.deliver(),
            None => Code::InternalError,
        };
        let Some(stream) = self.stream.take() else { return };
        let reset = Reset { stream, code };
        if self.state == State::Header || self.shared.quic.close_reason().is_some() {
            return;
        }
        let (shared, sent) = (Arc::clone(&self.shared), self.bytes);
        *self.delivery.lock() = Some(Box::pin(async move {
            arrival(&shared, sent).await;
            drop(reset);
        }));
    }
}

/// A stream that is reset when this is dropped: `quinn` would end it as if it were whole.
struct Reset {
    stream: SendStream,
    code: Code,
}

impl Drop for Reset {
    fn drop(&mut self) {
        // An error means that the client has stopped to read.
        let _ = self.stream.reset(number(self.code));
    }
}

/// Waits until this number of bytes, which are the last ones of a stream, should have arrived. `quinn` does not say
/// what was acknowledged of a stream that goes on: it is once no stream of the connection has sent for a
/// while, or when the line should have had time enough for all of them.
async fn arrival(shared: &Shared, bytes: u64) {
    let quic = &shared.quic;
    let (began, (least, trips)) = (clock::now(), ARRIVAL);
    let mut before = quic.stats().frame_tx.stream;
    loop {
        sleep(least.max(quic.rtt() * trips)).await;
        let stats = quic.stats();
        let (sent, time) = (stats.frame_tx.stream, clock::now().duration_since(began));
        if sent == before
            || time >= enough(bytes, stats.path.cwnd, stats.path.rtt)
            || quic.close_reason().is_some()
        {
            return;
        }
        before = sent;
    }
}

/// How long this number of bytes takes at most on a line with this window of congestion and round trip. Other
/// answers may have a half of it.
fn enough(bytes: u64, window: u64, round_trip: Duration) -> Duration {
    let waiting = bytes.min(WIDE.into()) as f64;
    (round_trip.mul_f64(2.0 * waiting / window.max(1) as f64)).min(LONGEST)
}

fn broken(error: WriteError) -> Box<Error> {
    Error::because(ErrorType::WriteError, "while the answer was written", error).into_down()
}

fn gone() -> Box<Error> {
    Error::explain(ErrorType::WriteError, "the client has left").into_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_has_more_time() {
        let trip = Duration::from_millis(100);
        for (bytes, window, wanted) in [
            (0, 12_000, Duration::ZERO),
            (6_000, 12_000, trip),
            (120_000, 12_000, 20 * trip),
            // No more than this can wait.
            (1 << 40, 1 << 20, 4 * trip),
            (1 << 20, 0, LONGEST),
        ] {
            assert_eq!(enough(bytes, window, trip), wanted, "{bytes} {window}");
        }
    }
}
