//! Events as they happen, as server-sent events.
//!
//! A client that reconnects says which event it saw last. The events that it missed come first, as
//! far as they are still kept, so that it need not fetch the whole status.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora_core::{Result, protocols::http::ServerSession};
use tokio::{sync::watch, time};

use super::{response::security_headers, shared::in_time};
use crate::admin::view::{self, EventFeed};

/// The time until a comment breaks the silence: proxies close silent connections, and a write shows that
/// a client is gone.
const KEEPALIVE: Duration = Duration::from_secs(15);
pub(super) const CONTENT_TYPE: &str = "text/event-stream";
const LAST_EVENT_ID: &str = "last-event-id";

/// The number of the last event that a client has seen; 0 for none.
pub(super) fn last_seen(headers: &HeaderMap) -> u64 {
    let id = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    id.and_then(|id| id.trim().parse().ok()).unwrap_or(0)
}

/// Streams until the client leaves or stops reading, or the listener closes.
pub(super) async fn follow(
    session: &mut ServerSession,
    mut feed: EventFeed,
    mut seen: u64,
    closed: &mut watch::Receiver<bool>,
) -> Result<()> {
    // The end of the connection ends the response.
    session.set_keepalive(None);
    let mut header = ResponseHeader::build(StatusCode::OK, Some(8))?;
    header.insert_header(http::header::CONTENT_TYPE, CONTENT_TYPE)?;
    security_headers(&mut header)?;
    in_time(session.write_response_header(Box::new(header))).await?;
    // A process that has been restarted counts from 1 again.
    if seen > *feed.last.borrow() {
        seen = 0;
    }
    while (feed.is_welcome)() {
        feed.last.mark_unchanged();
        let events = (feed.after)(seen);
        let text: String = events.iter().map(message).collect();
        seen = events.last().map_or(seen, |event| event.id);
        if !text.is_empty() {
            in_time(session.write_response_body(Bytes::from(text), false)).await?;
        }
        tokio::select! {
            changed = feed.last.changed() => if changed.is_err() { return Ok(()) },
            () = time::sleep(KEEPALIVE) => {
                in_time(session.write_response_body(Bytes::from_static(b":\n\n"), false)).await?;
            }
            // The client sends nothing more: it has closed the connection.
            _ = session.read_body_or_idle(true) => return Ok(()),
            () = async { drop(closed.wait_for(|closed| *closed).await) } => return Ok(()),
        }
    }
    Ok(())
}

/// An event as it is written. Its JSON has no line breaks.
fn message(event: &view::Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", event.id)
}
