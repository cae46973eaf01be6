//! The response of `/metrics`, written while it is made: it may be tens of megabytes long.

use bytes::Bytes;
use http::{
    Method, StatusCode, Version,
    header::{CONTENT_TYPE, TRANSFER_ENCODING},
};
use pingora::http::ResponseHeader;
use pingora_core::{ErrorType, OrErr, Result, protocols::http::ServerSession};
use tokio::task::spawn_blocking;

use super::{
    response::security_headers,
    shared::{PIECE, in_time},
};
use crate::admin::metrics::{self, Scrape};

/// Writes the response. Each piece is made on a thread for such work when the client has taken the one
/// before, so a slow client holds neither a thread nor more than a piece.
pub(super) async fn write(session: &mut ServerSession, mut scrape: Box<Scrape>) -> Result<()> {
    let mut header = ResponseHeader::build(StatusCode::OK, Some(8))?;
    header.insert_header(CONTENT_TYPE, metrics::CONTENT_TYPE)?;
    security_headers(&mut header)?;
    if session.req_header().version >= Version::HTTP_11 {
        header.insert_header(TRANSFER_ENCODING, "chunked")?;
    } else {
        // Such a client knows no chunks: the end of the connection ends the response.
        session.set_keepalive(None);
    }
    in_time(session.write_response_header(Box::new(header))).await?;
    if session.req_header().method == Method::HEAD {
        return Ok(());
    }
    loop {
        let make = move || {
            let piece = scrape.next_piece(PIECE);
            (scrape, piece)
        };
        let made = spawn_blocking(make).await;
        let (rest, piece) = made.or_err(ErrorType::InternalError, "no metrics")?;
        scrape = rest;
        match piece {
            Some(piece) => in_time(session.write_response_body(piece, false)).await?,
            None => return in_time(session.write_response_body(Bytes::new(), true)).await,
        }
    }
}
