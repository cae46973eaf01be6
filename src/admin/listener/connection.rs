//! One connection of a client: the handshake where the listener has TLS, then request after request, with a
//! limit on each wait.
//!
//! Pingora reads and writes the HTTP. Its own loop over the requests of a connection limits single
//! reads; here a whole header has a limit on its time and its size, and a connection between two requests
//! ends at once when the listener closes, because from then on it would ask the wrong process.

use std::{io, time::Duration};

use bytes::BytesMut;
use http::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use pingora::http::ResponseHeader;
use pingora_core::{
    ErrorType, Result,
    protocols::{http::ServerSession, l4::stream::Stream},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time,
};

use super::{
    dispatch::{Reply, dispatch},
    event_stream, metrics_response,
    response::{Response, security_headers},
    shared::{CLIENT_TIMEOUT, PIECE, RESPONSE_TIMEOUT, Shared, in_time},
};
use crate::http1::{HeadEnd, MAX_HEAD_BYTES};
use crate::proxy::secure;

/// The time until the next request's header is complete. It is longer than the usual polling periods
/// of ten and fifteen seconds, so that a connection is not closed just when it is used again.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Bytes that there is room for at each read: an ordinary header.
const HEADER: usize = 1024;
/// How long a client whose request is refused may take to read why.
const PARTING: Duration = Duration::from_secs(1);
const TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\
    Connection: close\r\n\r\n";

/// A connection as Pingora takes it, and gives it back after a request.
type Connection = pingora_core::protocols::Stream;

/// Serves a connection until the client leaves, sends something malformed or is too slow, or until the
/// listener closes or needs the room. `client` is the client's address, for the log.
pub(super) async fn serve(
    stream: Stream,
    client: &str,
    shared: &Shared,
    mut closed: watch::Receiver<bool>,
) {
    let Some(stream) = secured(stream, shared).await else { return };
    let (mut stream, mut input): (Connection, _) = (Box::new(stream), BytesMut::new());
    let mut limit = CLIENT_TIMEOUT;
    let mut is_between_requests = false;
    loop {
        let wait = shared.idle.wait();
        let read = tokio::select! {
            read = time::timeout(limit, request(stream, input)) => read,
            _ = closed.wait_for(|closed| *closed), if is_between_requests => return,
            () = wait.ended() => return,
        };
        drop(wait);
        let Ok(Some(mut session)) = read else { return };
        if *closed.borrow() {
            session.set_keepalive(None);
        }
        session.set_total_drain_timeout(Some(CLIENT_TIMEOUT));
        let Some(reply) = dispatch(&mut session, shared, client).await else { return };
        let written = match reply {
            Reply::EventStream(feed, seen, _permit) => {
                event_stream::follow(&mut session, feed, seen, &mut closed).await.is_ok()
            }
            reply => time::timeout(RESPONSE_TIMEOUT, write(&mut session, reply))
                .await
                .is_ok_and(|written| written.is_ok()),
        };
        if !written {
            return;
        }
        let Ok(Some(reusable)) = session.finish().await else { return };
        let (reused, read_ahead) = reusable.into_parts();
        (stream, input) = (reused, read_ahead.unwrap_or_default());
        (limit, is_between_requests) = (KEEPALIVE, true);
    }
}

/// The next request of a connection of which `input` has come already; `None` if there is none, or if it
/// was refused.
///
/// Pingora is given a header that is complete, because it parses all that has come with each read: the
/// cost of a header that comes byte by byte would be the square of its length.
async fn request(mut stream: Connection, mut input: BytesMut) -> Option<ServerSession> {
    let mut end = HeadEnd::default();
    while end.find(&input).is_none() {
        if input.len() > MAX_HEAD_BYTES {
            refuse(stream, TOO_LARGE).await;
            return None;
        }
        input.reserve(HEADER);
        if stream.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
    let mut session = ServerSession::new_http1(stream);
    session.set_pipelined_prefix(input);
    match session.read_request().await {
        Ok(is_request) => is_request.then_some(session),
        Err(error) => {
            if error.etype() == &ErrorType::InvalidHTTPHeader {
                // A client that has left needs no response.
                session.respond_error(400).await.ok();
            }
            None
        }
    }
}

/// Answers a request that is not read. What the client still sends is thrown away for a moment, or the
/// system would take the answer back.
async fn refuse(mut stream: Connection, response: &[u8]) {
    let refused = async {
        stream.write_all(response).await?;
        AsyncWriteExt::shutdown(&mut stream).await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // A client that has left needs no response.
    let _ = time::timeout(PARTING, refused).await;
}

/// The connection inside of its session, or itself without TLS; `None` if there is no session.
async fn secured(stream: Stream, shared: &Shared) -> Option<Stream> {
    let Some(tls) = shared.tls() else { return Some(stream) };
    let challenges = shared.api.current.pin().challenges.clone();
    let wait = shared.idle.wait();
    // Its state would make every connection larger.
    let securing = Box::pin(secure(stream, (&tls, challenges.as_ref()), &shared.counts));
    tokio::select! {
        secured = securing => secured,
        () = wait.ended() => None,
    }
}

async fn write(session: &mut ServerSession, reply: Reply) -> Result<()> {
    match reply {
        Reply::Response(response) | Reply::LongResponse(response, _) => {
            write_response(session, response).await
        }
        Reply::Metrics(scrape, _permit) => metrics_response::write(session, scrape).await,
        // Written by its own loop.
        Reply::EventStream(..) => Ok(()),
    }
}

async fn write_response(session: &mut ServerSession, response: Response) -> Result<()> {
    let mut header = ResponseHeader::build(response.status, Some(8 + response.headers.len()))?;
    if !response.body.is_empty() {
        header.insert_header(CONTENT_TYPE, response.content_type)?;
    }
    if response.status != http::StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, response.body.len())?;
    }
    security_headers(&mut header)?;
    for (name, value) in response.headers {
        header.insert_header(name, value)?;
    }
    in_time(session.write_response_header(Box::new(header))).await?;
    if session.req_header().method == Method::HEAD {
        return Ok(());
    }
    let mut rest = response.body;
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(PIECE));
        in_time(session.write_response_body(piece, rest.is_empty())).await?;
    }
    Ok(())
}
