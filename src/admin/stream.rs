//! What happens, as it happens: server-sent events.
//!
//! A client that comes back says which event it saw last. What it missed comes first, as far as it
//! is still known, so that nobody has to ask for the whole status to be sure.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_core::{Result, protocols::http::ServerSession};
use tokio::{sync::watch, time};

use super::{connection::security_headers, view};

/// Whoever streams at once.
pub(super) const MAX_CLIENTS: usize = 32;
/// A word in silence: proxies close what is silent, and a client that has gone is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);
pub(super) const CONTENT_TYPE: &str = "text/event-stream";
const LAST_EVENT_ID: &str = "last-event-id";

/// Where events come from.
pub(super) struct Feed {
    /// Those after the one with this number, oldest first, as far as they are still known.
    pub(super) after: Box<dyn Fn(u64) -> Vec<view::Event> + Send + Sync>,
    /// The number of the last one, as it changes.
    pub(super) last: watch::Receiver<u64>,
    /// Whether whoever was let in would be let in still: a token may be taken back.
    pub(super) is_welcome: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The number of the last event that a client has seen; 0 for none.
pub(super) fn last_seen(headers: &HeaderMap) -> u64 {
    let id = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    id.and_then(|id| id.trim().parse().ok()).unwrap_or(0)
}

/// Streams until the client leaves or takes nothing, or the listener closes.
pub(super) async fn follow(
    session: &mut ServerSession,
    mut feed: Feed,
    mut seen: u64,
    closed: &mut watch::Receiver<bool>,
) -> Result<()> {
    // The answer ends with its connection.
    session.set_keepalive(None);
    let mut answer = ResponseHeader::build(StatusCode::OK, Some(8))?;
    answer.insert_header(header::CONTENT_TYPE, CONTENT_TYPE)?;
    security_headers(&mut answer)?;
    session.write_response_header(Box::new(answer)).await?;
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
            session.write_response_body(Bytes::from(text), false).await?;
        }
        tokio::select! {
            changed = feed.last.changed() => if changed.is_err() { return Ok(()) },
            () = time::sleep(KEEPALIVE) => {
                session.write_response_body(Bytes::from_static(b":\n\n"), false).await?;
            }
            // It says nothing any more: this is its end.
            _ = session.read_body_or_idle(true) => return Ok(()),
            () = async { drop(closed.wait_for(|closed| *closed).await) } => return Ok(()),
        }
    }
    Ok(())
}

/// An event as it is written: JSON has no line of its own inside.
fn message(event: &view::Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", event.id)
}
