//! One connection of somebody who asks: request after request, each wait with a limit.
//!
//! Pingora reads and writes the HTTP. Its own loop over the requests of a connection limits single
//! reads; here a whole header has a limit, and a connection between two requests ends at once when
//! the listener closes, because from then on it would ask the wrong process.

use std::{net::SocketAddr, os::fd::AsRawFd, time::Duration};

use http::{
    Method,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};
use pingora::http::ResponseHeader;
use pingora_core::{
    ErrorType, Result,
    protocols::{GetSocketDigest, SocketDigest, http::ServerSession, l4::stream::Stream},
};
use tokio::{net::TcpStream, sync::watch, time};

use super::{
    answer::{Answer, answer},
    readiness::Readiness,
};

/// How long the header of the first request may take, from when the client is accepted; and how
/// long a client may take nothing of an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the next request may take to come, its header included. Longer than the usual periods
/// of ten and fifteen seconds, so that a connection is not closed just when it is used again.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Answers until the client leaves, makes no sense or takes too long, or until somebody else is
/// the one to ask.
pub(super) async fn converse(
    socket: TcpStream,
    client: SocketAddr,
    readiness: &Readiness,
    mut closed: watch::Receiver<bool>,
) {
    let mut session = ServerSession::new_http1(Box::new(stream(socket, client)));
    let mut limit = PATIENCE;
    let mut is_between_requests = false;
    loop {
        let read = tokio::select! {
            read = time::timeout(limit, session.read_request()) => read,
            _ = closed.wait_for(|closed| *closed), if is_between_requests => return,
        };
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
        let request = session.req_header();
        let answer = answer(&request.method, request.uri.path(), || readiness.check());
        if write(&mut session, answer).await.is_err() {
            return;
        }
        let Ok(Some(reusable)) = session.finish().await else { return };
        let (stream, _) = reusable.into_parts();
        session = ServerSession::new_http1(stream);
        (limit, is_between_requests) = (KEEPALIVE, true);
    }
}

/// As Pingora's own accept path would make it: without the digest nobody knows who the client is.
fn stream(socket: TcpStream, client: SocketAddr) -> Stream {
    // Without it the second of two small writes waits for the client's acknowledgement; a client
    // that is gone already shows in the first read.
    socket.set_nodelay(true).ok();
    let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
    // An error is an address that is known already.
    digest.peer_addr.set(Some(client.into())).ok();
    let mut stream = Stream::from(socket);
    stream.set_socket_digest(digest);
    stream
}

async fn write(session: &mut ServerSession, answer: Answer) -> Result<()> {
    let mut header = ResponseHeader::build(answer.status, Some(6))?;
    header.insert_header(CONTENT_TYPE, "text/plain; charset=utf-8")?;
    header.insert_header(CONTENT_LENGTH, answer.body.len())?;
    header.insert_header(CACHE_CONTROL, "no-store")?;
    if let Some(allow) = answer.allow {
        header.insert_header(ALLOW, allow)?;
    }
    session.write_response_header(Box::new(header)).await?;
    if session.req_header().method != Method::HEAD {
        session.write_response_body(answer.body.into_owned().into(), true).await?;
    }
    Ok(())
}
