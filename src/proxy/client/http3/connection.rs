//! A connection in HTTP/3: its requests are accepted one after another and answered side by side.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use pingora_core::protocols::{
    SocketDigest, http::ServerSession, l4::socket::SocketAddr as PeerAddress,
};
use quinn::{RecvStream, SendStream, TransportConfig, VarInt};
use tokio::{task::JoinSet, time::timeout};

use super::{
    super::{
        super::watch::Timer,
        accepted::{ConnectionContext, WhyEnded},
    },
    budget::Cost,
    receive,
    shared::{GOODBYE, Shared, number},
    uni_streams::{self, Begun},
    windows::Windows,
};
use crate::clock;
use crate::config::ClientLimits;
use crate::count::Cut;
use crate::http3::{Code, goaway, keep_alive, settings};

/// The most requests that one connection may have under way.
const STREAMS: u32 = 128;
/// The most streams at a time that belong to no request: three are needed, and more may have no meaning.
const UNI_STREAMS: u32 = 8;
/// While requests are under way, the client's system is asked this often whether it is still there, so that
/// a long wait for an answer does not look like a connection that is not used. Many clients give up a
/// connection after 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// While requests are under way, the client pays this often for what only QUIC sees, and its window is looked at;
/// without, as often as it would be asked whether it is there.
const PAY_DAY: Duration = Duration::from_secs(2);
/// So many bytes of an answer pay for a PING: a client that only acknowledges sends one from time to time, so that
/// its acknowledgements are acknowledged (RFC 9000 section 13.2.4).
const PER_PROBE: u64 = 8 * 1024;
/// How long after a warning the last request is named, at least, and in round trips: requests that are on
/// their way when the warning is sent are served.
const NOTICE: (Duration, u32) = (Duration::from_millis(100), 3);

/// How QUIC behaves towards clients with these limits.
pub(in super::super::super) fn transport(limits: &ClientLimits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    // A client with a request is asked whether it is there, so that this is the end of one that is not.
    let silence = limits.keepalive.max(limits.write).max(2 * KEEP_ALIVE);
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .datagram_receive_buffer_size(None)
        // It fails for millions of years only.
        .max_idle_timeout(silence.try_into().ok());
    Windows::begin(&mut transport);
    transport
}

/// Answers the requests of a connection, each in a task of its own, until the client closes it, the
/// limits for a client without requests close it, it `ends` because idle connections are to end or `ends_now`, or the
/// client abuses it. Returns when the last request has been answered.
pub(in super::super::super) async fn serve<F, A>(
    quic: quinn::Connection,
    context: ConnectionContext,
    ends: impl Future<Output = ()>,
    ends_now: impl Future<Output = ()>,
    answer: A,
) where
    F: Future<Output = ()> + Send + 'static,
    A: Fn(ServerSession) -> F + Clone + Send + Sync + 'static,
{
    let shared = Shared::new(context, quic);
    let Some(control) = begin(&shared).await else { return };
    let served = Served {
        deadline: clock::now() + shared.limits.header,
        shared: &shared,
        control,
        ending: Ending::No,
        next: 0,
        socket: None,
        probes: 0,
        sent: 0,
    };
    let mut requests = JoinSet::new();
    served.answer_requests(&mut requests, (ends, ends_now), answer).await;
    // Requests under way learn from it that their client has left.
    shared.close(Code::NoError);
    while requests.join_next().await.is_some() {}
}

/// Opens the stream for what belongs to no request, and says what `lb` expects of the client. A client that has no
/// room for it is cut: there are 1,024 bytes for it at least (RFC 9114 section 6.2).
async fn begin(shared: &Shared) -> Option<SendStream> {
    let opening = async {
        let mut control = shared.quic.open_uni().await.ok()?;
        control.write_all(&settings()).await.ok()?;
        Some(control)
    };
    timeout(shared.limits.header, opening).await.unwrap_or_else(|_| {
        shared.cut(Cut::Stalled);
        None
    })
}

/// Where the end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// The client has been warned; the last request is named then.
    Warned(Instant),
    /// No request from this stream on is served.
    Before(u64),
}

/// A connection whose requests are answered.
struct Served<'a> {
    shared: &'a Arc<Shared>,
    control: SendStream,
    /// When the connection is closed if it has no request.
    deadline: Instant,
    ending: Ending,
    /// The stream after the last one that was accepted.
    next: u64,
    /// The client's address of the last request.
    socket: Option<(SocketAddr, Arc<SocketDigest>)>,
    /// The frames of QUIC so far that move nothing.
    probes: u64,
    /// The bytes of answers so far.
    sent: u64,
}

impl Served<'_> {
    async fn answer_requests<F, A>(
        mut self,
        requests: &mut JoinSet<()>,
        (ends, ends_now): (impl Future<Output = ()>, impl Future<Output = ()>),
        answer: A,
    ) where
        F: Future<Output = ()> + Send + 'static,
        A: Fn(ServerSession) -> F + Clone + Send + Sync + 'static,
    {
        let (begun, mut others) = (Arc::new(Begun::default()), JoinSet::new());
        let (mut timer, mut ticks) = (Timer::default(), Timer::default());
        let (mut ends, mut ends_now) = (pin!(ends), pin!(ends_now));
        let (mut tick, mut ask) = (clock::now() + PAY_DAY, clock::now() + KEEP_ALIVE);
        loop {
            let due = match self.ending {
                Ending::Warned(at) => Some(at),
                _ if requests.is_empty() => Some(self.deadline),
                _ => None,
            };
            tokio::select! {
                biased;
                stream = self.shared.quic.accept_bi() => {
                    let Ok(stream) = stream else { return };
                    if let Some(socket) = self.accept(&stream) {
                        if requests.is_empty() {
                            tick = tick.min(clock::now() + PAY_DAY);
                        }
                        let shared = Arc::clone(self.shared);
                        requests.spawn(receive::serve(shared, socket, stream, answer.clone()));
                    } else {
                        reject(stream);
                    }
                }
                stream = self.shared.quic.accept_uni() => {
                    let Ok(stream) = stream else { return };
                    let (shared, begun) = (Arc::clone(self.shared), Arc::clone(&begun));
                    others.spawn(uni_streams::read(shared, begun, stream));
                }
                Some(_) = requests.join_next() => {
                    let is_ending = self.ending != Ending::No;
                    let limit = if is_ending { GOODBYE } else { self.shared.limits.keepalive };
                    self.deadline = clock::now() + limit;
                }
                Some(_) = others.join_next() => {}
                () = poll_fn(|cx| timer.poll(due.unwrap_or(self.deadline), cx)), if due.is_some() => {
                    match self.ending {
                        Ending::Warned(_) => self.name_the_last().await,
                        _ => return,
                    }
                }
                () = poll_fn(|cx| ticks.poll(tick, cx)) => {
                    tick = self.look(requests.is_empty(), &mut ask).await;
                }
                () = &mut ends_now => {
                    self.shared.under_way.end(WhyEnded::Stopped);
                    // Before the control stream ends, which would be a fault.
                    return self.shared.close(Code::NoError);
                }
                () = &mut ends, if self.ending == Ending::No => self.warn().await,
                () = self.shared.is_last.notified(), if self.ending == Ending::No => {
                    self.warn().await;
                }
            }
        }
    }

    /// The client's socket, if the request is to be served.
    fn accept(&mut self, (send, _): &(SendStream, RecvStream)) -> Option<Arc<SocketDigest>> {
        let id = u64::from(send.id());
        if let Ending::Before(first) = self.ending
            && id >= first
        {
            self.shared.connection.counts.refused_streams.one();
            return None;
        }
        self.next = self.next.max(id + 4);
        self.shared.asked();
        let address = self.shared.quic.remote_address();
        match &self.socket {
            // A client may move.
            Some((known, socket)) if *known == address => Some(Arc::clone(socket)),
            _ => {
                let socket = Arc::new(socket(&self.shared.quic, address));
                Some(Arc::clone(&self.socket.insert((address, socket)).1))
            }
        }
    }

    /// Looks at what a client does beside its requests. It is asked at `ask` whether it is there, unless it is idle.
    /// Returns when to look again.
    async fn look(&mut self, is_idle: bool, ask: &mut Instant) -> Instant {
        let now = clock::now();
        self.pay_for_probes();
        if is_idle {
            // Idle connections are many, and are to be left alone.
            return now + KEEP_ALIVE;
        }
        let said = self.shared.quic.stats().frame_rx.data_blocked;
        if let Some(bytes) = self.shared.windows.look(said, PAY_DAY) {
            self.shared.quic.set_receive_window(VarInt::from_u32(bytes));
        }
        if now >= *ask {
            *ask = now + KEEP_ALIVE;
            self.say(&keep_alive()).await;
        }
        now + PAY_DAY
    }

    /// Has the client pay for what only `quinn` sees.
    fn pay_for_probes(&mut self) {
        let came = self.shared.quic.stats().frame_rx;
        let probes = came.ping + came.path_challenge + came.new_connection_id;
        let more = probes - std::mem::replace(&mut self.probes, probes);
        let sent = self.shared.windows.all_sent();
        let taken = sent - std::mem::replace(&mut self.sent, sent);
        self.shared.pay(Cost::Probes(unpaid(more, taken)));
    }

    /// Tells the client that the connection ends soon.
    async fn warn(&mut self) {
        let (least, trips) = NOTICE;
        let wait = least.max(self.shared.quic.rtt() * trips);
        self.ending = Ending::Warned(clock::now() + wait);
        self.say(&goaway(None)).await;
    }

    /// Tells the client which request is the last.
    async fn name_the_last(&mut self) {
        self.ending = Ending::Before(self.next);
        self.deadline = self.deadline.min(clock::now() + GOODBYE);
        self.say(&goaway(Some(self.next))).await;
    }

    async fn say(&mut self, frame: &[u8]) {
        // A client that does not listen is dropped by the limits of QUIC.
        let _ = timeout(GOODBYE, self.control.write_all(frame)).await;
    }
}

/// The client may send the request again, elsewhere.
fn reject((mut send, mut recv): (SendStream, RecvStream)) {
    // Errors mean that the client has cancelled it.
    let _ = send.reset(number(Code::RequestRejected));
    let _ = recv.stop(number(Code::RequestRejected));
}

/// What is known of the socket of a client with this address.
fn socket(quic: &quinn::Connection, client: SocketAddr) -> SocketDigest {
    // It belongs to all connections, so that there is none to name.
    let socket = SocketDigest::from_raw_fd(-1);
    // Errors mean that they are set already.
    let _ = socket.peer_addr.set(Some(PeerAddress::from(client)));
    let _ =
        socket.local_addr.set(quic.local_ip().map(|ip| PeerAddress::from(SocketAddr::new(ip, 0))));
    socket
}

/// How many of these PINGs are not paid by these bytes of answers.
fn unpaid(probes: u64, bytes: u64) -> u64 {
    probes.saturating_sub(bytes / PER_PROBE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_pays_for_the_pings_of_its_client() {
        // A gigabit a second in packets of 1,200 bytes, each tenth of which is acknowledged, each twentieth time
        // with a PING.
        assert_eq!(unpaid(520, 125_000_000), 0);
        assert_eq!((unpaid(520, 0), unpaid(520, 20 * PER_PROBE)), (520, 500));
    }
}
