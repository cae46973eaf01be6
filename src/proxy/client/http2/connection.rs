//! A connection in HTTP/2: its requests are accepted one after another and answered side by side.

use std::{future::poll_fn, pin::pin, sync::Arc};

use bytes::Bytes;
use h2::{Reason, server};
use pingora_core::protocols::http::ServerSession;
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use super::{
    super::{super::watch::Timer, connection::Connection},
    exchange::{Http2Exchange, Shared},
    transport::{GOODBYE, Transport},
};
use crate::clock;

/// The most requests that one connection may have under way.
const STREAMS: u32 = 128;
/// How much of one body a client may send ahead. With the standard's 64 KiB an upload costs twice
/// the CPU.
const STREAM_WINDOW: u32 = 1 << 20;
/// How much of all bodies of a connection together a client may send ahead.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// The most bytes of a request's fields, counted as RFC 9113 section 6.5.2 does.
const HEADER_LIST: u32 = 64 * 1024;
/// How much of one answer may be buffered for the connection.
const SEND_BUFFER: usize = 64 * 1024;
/// Malformed requests after which the connection is closed.
const MALFORMED: usize = 32;
/// Streams that are reset before `lb` has accepted them, after which the connection is closed.
const RESET_UNSEEN: usize = 20;

fn options() -> server::Builder {
    let mut options = server::Builder::new();
    options
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(MALFORMED))
        .max_pending_accept_reset_streams(RESET_UNSEEN);
    options
}

/// Answers the requests of a connection, each in a task of its own, until the client closes it, the
/// limits for a client without requests close it, or idle connections are to end. Returns when the
/// last request has been answered.
pub(in super::super::super) async fn serve<F>(
    connection: Box<Connection>,
    ends: impl Future<Output = ()>,
    answer: impl Fn(ServerSession) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let limits = connection.limits;
    let shared = Arc::new(Shared {
        limits,
        connection: connection.link.connection().clone(),
        socket: connection.digest.socket_digest.clone(),
        is_last: Notify::new(),
    });
    let mut requests = JoinSet::new();
    // When a connection without a request is closed.
    let mut deadline = connection.deadline;
    let handshake = options().handshake::<_, Bytes>(Transport::new(connection));
    let Ok(Ok(mut connection)) = timeout(limits.header, handshake).await else { return };
    let mut idle = Timer::default();
    let mut is_ending = false;
    let mut ends = pin!(ends);
    loop {
        tokio::select! {
            biased;
            request = connection.accept() => match request {
                Some(Ok((request, respond))) => {
                    match Http2Exchange::session(&shared, request, respond) {
                        Ok(session) => {
                            let session = ServerSession::new_custom(Box::new(session));
                            requests.spawn(answer(session));
                        }
                        Err(error) => log::error!(error:% = error; "internal error"),
                    }
                    continue;
                }
                Some(Err(_)) | None => break,
            },
            Some(_) = requests.join_next() => {
                let limit = if is_ending { GOODBYE } else { limits.keepalive };
                deadline = clock::now() + limit;
                continue;
            }
            () = poll_fn(|cx| idle.poll(deadline, cx)), if requests.is_empty() => {
                // Answers that are complete may still be on their way.
                if connection.has_streams() {
                    deadline = clock::now() + GOODBYE;
                    continue;
                }
                connection.abrupt_shutdown(Reason::NO_ERROR);
                let _ = timeout(2 * GOODBYE, poll_fn(|cx| connection.poll_closed(cx))).await;
                break;
            }
            () = &mut ends, if !is_ending => {}
            () = shared.is_last.notified(), if !is_ending => {}
        }
        // Requests that are on their way are answered; the client learns which was the last.
        connection.graceful_shutdown();
        is_ending = true;
        deadline = deadline.min(clock::now() + GOODBYE);
    }
    // Dropping the connection tells requests under way that their client has left.
    drop(connection);
    while requests.join_next().await.is_some() {}
}
