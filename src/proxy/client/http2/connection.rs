//! A connection in HTTP/2: its requests are accepted one after another and answered side by side.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Instant};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{self, SendResponse},
};
use http::Request;
use pingora_core::protocols::http::ServerSession;
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use super::{
    super::{
        super::watch::Timer,
        accepted::{UnderWay, WhyEnded},
        connection::Connection,
        streams::Places,
    },
    arrival::{Arrival, poll_cancelled},
    exchange::Http2Exchange,
    liveness::Liveness,
    shared::Shared,
    wire::{GOODBYE, MAX_PAYLOAD, Transport},
};
use crate::clock;
use crate::count::Cut;
use crate::field_lists::HEADER_LIST;

/// The most requests that one connection may have under way.
const STREAMS: u32 = 128;
/// How much of one body a client may send ahead. With the standard's 64 KiB an upload costs twice
/// the CPU.
const STREAM_WINDOW: u32 = 1 << 20;
/// How much of all bodies of a connection together a client may send ahead.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// What small frames of bodies may cost that wait to be taken: 256 each less its bytes. Beyond it the `h2` crate closes
/// the connection; frames of 85 bytes and more fill the window before.
const SMALL_FRAMES: usize = 2 * CONNECTION_WINDOW as usize;
/// How much of one answer may be buffered for the connection.
const SEND_BUFFER: usize = 64 * 1024;
/// Requests that are cancelled before `lb` has accepted them wait here; the budget ends floods.
const RESET_UNSEEN: usize = 2 * STREAMS as usize;

fn options() -> server::Builder {
    let mut options = server::Builder::new();
    options
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_PAYLOAD as u32)
        .max_header_list_size(HEADER_LIST)
        .data_frame_budget(SMALL_FRAMES)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(None)
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .enable_connect_protocol();
    options
}

/// Answers the requests of a connection, each in a task of its own, until the client closes it, the
/// limits for a client without requests close it, idle connections are to end, or the client abuses
/// it. Returns when the last request has been answered.
pub(in super::super::super) async fn serve<F, A>(
    connection: Box<Connection>,
    ends: impl Future<Output = ()>,
    answer: A,
) where
    F: Future<Output = ()> + Send + 'static,
    A: Fn(ServerSession) -> F + Clone + Send + 'static,
{
    let shared = Arc::new(Shared {
        limits: connection.limits,
        connection: connection.link.connection().clone(),
        socket: connection.digest.socket_digest.clone(),
        under_way: UnderWay::default(),
        places: Places::default(),
        signals: Arc::default(),
        is_last: Notify::new(),
    });
    let deadline = connection.deadline;
    let transport = Transport::new(connection, Arc::clone(&shared.signals));
    // What waits for a connection is as large as its largest step, for as long as the connection lasts.
    let handshake = Box::pin(options().handshake(transport));
    match timeout(shared.limits.header, handshake).await {
        Ok(Ok(connection)) => {
            let connection = Box::new(connection);
            let served = Served { connection, shared: &shared, deadline };
            let mut requests = JoinSet::new();
            // Dropping the connection tells requests under way that their client has left.
            served.answer_requests(&mut requests, ends, answer).await;
            while requests.join_next().await.is_some() {}
        }
        // It has not begun as a connection in HTTP/2 does.
        Ok(Err(error)) if !error.is_io() => note(Cut::Protocol, &shared),
        Ok(Err(_)) | Err(_) => {}
    }
}

/// A connection whose requests are answered.
struct Served<'a> {
    connection: Box<server::Connection<Transport, Bytes>>,
    shared: &'a Arc<Shared>,
    /// When the connection is closed if it has no request.
    deadline: Instant,
}

impl Served<'_> {
    async fn answer_requests<F, A>(
        mut self,
        requests: &mut JoinSet<()>,
        ends: impl Future<Output = ()>,
        answer: A,
    ) where
        F: Future<Output = ()> + Send + 'static,
        A: Fn(ServerSession) -> F + Clone + Send + 'static,
    {
        let mut liveness = Liveness::new(self.shared.limits, self.connection.ping_pong());
        let (mut idle, mut is_ending, mut ends) = (Timer::default(), false, pin!(ends));
        // When the last request ended.
        let mut last = clock::now();
        loop {
            tokio::select! {
                biased;
                request = self.connection.accept() => match request {
                    Some(Ok((request, mut respond))) => {
                        if !is_cancelled(&mut respond).await {
                            self.begin(request, respond, requests, &answer);
                        }
                        continue;
                    }
                    Some(Err(_)) | None => {
                        if let Some(why) = self.shared.signals.why() {
                            note(why.cut, self.shared);
                        }
                        return;
                    }
                },
                why = self.shared.signals.wait() => {
                    note(why.cut, self.shared);
                    return self.close(why.code).await;
                }
                Some(_) = requests.join_next() => {
                    let limit = if is_ending { GOODBYE } else { self.shared.limits.keepalive };
                    last = clock::now();
                    self.deadline = last + limit;
                    if requests.is_empty() {
                        liveness.may_be_silent();
                    }
                    continue;
                }
                () = poll_fn(|cx| idle.poll(self.deadline, cx)), if requests.is_empty() => {
                    // Answers that are complete may still be on their way, to a client that takes them.
                    let now = clock::now();
                    if self.connection.has_streams() && now < last + self.shared.limits.write {
                        self.deadline = now + GOODBYE;
                        continue;
                    }
                    return self.close(Reason::NO_ERROR).await;
                }
                () = poll_fn(|cx| liveness.poll_silent(&self.shared.signals, cx)),
                    if !requests.is_empty() =>
                {
                    self.shared.signals.cut(Cut::Silent);
                    continue;
                }
                () = &mut ends, if !is_ending => {}
                () = self.shared.is_last.notified(), if !is_ending => {}
            }
            // Requests that are on their way are answered; the client learns which was the last.
            self.connection.graceful_shutdown();
            is_ending = true;
            self.deadline = self.deadline.min(clock::now() + GOODBYE);
        }
    }

    /// Has a request that was accepted answered: at once, or when it need not wait for its client alone.
    fn begin<F, A>(
        &self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        requests: &mut JoinSet<()>,
        answer: &A,
    ) where
        F: Future<Output = ()> + Send + 'static,
        A: Fn(ServerSession) -> F + Clone + Send + 'static,
    {
        let mut arrival = Arrival::new(self.shared, request, respond);
        if let Some(wait) = arrival.enter(self.shared) {
            let (shared, answer) = (Arc::clone(self.shared), answer.clone());
            requests.spawn(async move {
                if arrival.wait(wait, &shared).await
                    && let Some(session) = session(&shared, arrival)
                {
                    // Apart, because a request that waits would keep room for it.
                    Box::pin(answer(session)).await;
                }
            });
        } else if let Some(session) = session(self.shared, arrival) {
            requests.spawn(answer(session));
        }
    }

    /// Tells the client that the connection ends now.
    async fn close(mut self, why: Reason) {
        self.connection.abrupt_shutdown(why);
        // A client that does not take it needs no goodbye.
        let _ = timeout(2 * GOODBYE, poll_fn(|cx| self.connection.poll_closed(cx))).await;
    }
}

/// The session of a request that begins.
fn session(shared: &Arc<Shared>, arrival: Arrival) -> Option<ServerSession> {
    match Http2Exchange::session(shared, arrival) {
        Ok(session) => Some(ServerSession::new_custom(Box::new(session))),
        Err(error) => {
            log::error!(error:% = error; "internal error");
            None
        }
    }
}

/// Whether the client has cancelled the request before it was accepted. A flood of such requests costs
/// next to nothing then.
async fn is_cancelled(respond: &mut SendResponse<Bytes>) -> bool {
    poll_fn(|cx| Poll::Ready(poll_cancelled(respond, cx).is_ready())).await
}

/// Counts and logs that a connection was cut.
fn note(why: Cut, shared: &Shared) {
    let counts = &shared.connection.counts;
    counts.cut(why);
    shared.under_way.end(WhyEnded::Cut(why));
    let Some(not_logged) = counts.cuts_log.lets_through(clock::now()) else { return };
    let peer = shared.socket.as_ref().and_then(|socket| socket.peer_addr());
    log::warn!(
        listener:% = counts.address(),
        peer = peer.map_or("-".to_owned(), ToString::to_string),
        reason = why.word(),
        not_logged;
        "HTTP/2 connection cut"
    );
}
