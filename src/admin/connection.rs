//! One connection of somebody who asks: request after request, each wait with a limit.
//!
//! Pingora reads and writes the HTTP. Its own loop over the requests of a connection limits single
//! reads; here a whole header has a limit, and a connection between two requests ends at once when
//! the listener closes, because from then on it would ask the wrong process.

use std::time::Duration;

use http::{
    Method,
    header::{
        CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
};
use pingora::http::ResponseHeader;
use pingora_core::{
    ErrorType, Result,
    protocols::{http::ServerSession, l4::stream::Stream},
};
use tokio::{sync::watch, time};

use super::{
    Shared,
    answer::Answer,
    respond::{Reply, respond},
    stream,
};

/// How long the header of the first request may take, from when the client is accepted; how long
/// a body may take; and how long a client may take nothing of an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long the next request may take to come, its header included. Longer than the usual periods
/// of ten and fifteen seconds, so that a connection is not closed just when it is used again.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How much of an answer a client has to take in [`PATIENCE`].
const PIECE: usize = 64 << 10;

/// Answers until the client leaves, makes no sense or takes too long, or until somebody else is
/// the one to ask, or needs the place. `client` is who it is, for the log.
pub(super) async fn converse(
    stream: Stream,
    client: &str,
    shared: &Shared,
    mut closed: watch::Receiver<bool>,
) {
    let mut session = ServerSession::new_http1(Box::new(stream));
    let mut limit = PATIENCE;
    let mut is_between_requests = false;
    loop {
        let wait = shared.idle.wait();
        let read = tokio::select! {
            read = time::timeout(limit, session.read_request()) => read,
            _ = closed.wait_for(|closed| *closed), if is_between_requests => return,
            () = wait.is_over() => return,
        };
        drop(wait);
        match read {
            Ok(Ok(true)) => {}
            Ok(Err(error)) if error.etype() == &ErrorType::InvalidHTTPHeader => {
                // Whoever has left meanwhile needs no answer.
                session.respond_error(400).await.ok();
                return;
            }
            _ => return,
        }
        if *closed.borrow() {
            session.set_keepalive(None);
        }
        session.set_write_timeout(Some(PATIENCE));
        session.set_total_drain_timeout(Some(PATIENCE));
        let written = match respond(&mut session, shared, client).await {
            None => return,
            Some(Reply::Whole(answer)) => write(&mut session, answer).await,
            Some(Reply::Events(feed, seen, _place)) => {
                stream::follow(&mut session, feed, seen, &mut closed).await
            }
        };
        if written.is_err() {
            return;
        }
        let Ok(Some(reusable)) = session.finish().await else { return };
        let (stream, _) = reusable.into_parts();
        session = ServerSession::new_http1(stream);
        (limit, is_between_requests) = (KEEPALIVE, true);
    }
}

/// What every answer has: nobody keeps it, guesses its type, or says where it was linked.
pub(super) fn security_headers(header: &mut ResponseHeader) -> Result<()> {
    header.insert_header(CACHE_CONTROL, "no-store")?;
    header.insert_header(X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    header.insert_header(REFERRER_POLICY, "no-referrer")
}

async fn write(session: &mut ServerSession, answer: Answer) -> Result<()> {
    let mut header = ResponseHeader::build(answer.status, Some(8 + answer.headers.len()))?;
    if !answer.body.is_empty() {
        header.insert_header(CONTENT_TYPE, answer.content_type)?;
    }
    if answer.status != http::StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, answer.body.len())?;
    }
    security_headers(&mut header)?;
    for (name, value) in answer.headers {
        header.insert_header(name, value)?;
    }
    session.write_response_header(Box::new(header)).await?;
    if session.req_header().method == Method::HEAD {
        return Ok(());
    }
    let mut rest = answer.body;
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(PIECE));
        session.write_response_body(piece, rest.is_empty()).await?;
    }
    Ok(())
}
