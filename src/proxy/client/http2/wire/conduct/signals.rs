//! What the transport of a connection and its requests tell each other.
//!
//! The `h2` crate asks the transport for bytes, so the transport finds out how a client behaves; but only the task
//! of the connection can tell the client of it (GOAWAY).

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    super::{block::RefusedStream, closing::Closing},
    awaited::Awaited,
    window::Room,
};
use crate::count::Cut;
use crate::http1::Refusal;

/// The most refused requests that wait for the task of their connection. Of those that may be under way no more
/// than 128 do; the others were cancelled, or are refused by the `h2` crate as too many.
const REFUSED: usize = 1024;

/// The window of a stream if the client says nothing else (RFC 9113 section 6.9.2).
const FIRST_WINDOW: u32 = 65_535;

/// What the transport of a connection tells its task.
#[derive(Debug)]
pub(in super::super::super) struct Signals {
    closing: OnceLock<Closing>,
    is_cut: Notify,
    pub(super) has_read: AtomicBool,
    has_refused: AtomicBool,
    /// The window of a new stream, for what is sent on it (RFC 9113 section 6.5.2).
    pub(super) first_window: AtomicU32,
    /// The stream of a frame of a body that is not complete, and how much of it has come.
    pub(super) frame: AtomicU64,
    pub(super) stalled: AtomicU32,
    /// Locked only while there are any, which is rare.
    refused: Mutex<Vec<RefusedStream>>,
    awaited: Awaited,
    room: Room,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            closing: OnceLock::new(),
            is_cut: Notify::new(),
            has_read: AtomicBool::new(false),
            has_refused: AtomicBool::new(false),
            first_window: AtomicU32::new(FIRST_WINDOW),
            frame: AtomicU64::new(0),
            stalled: AtomicU32::new(0),
            refused: Mutex::default(),
            awaited: Awaited::default(),
            room: Room::default(),
        }
    }
}

impl Signals {
    /// The window of a new stream, in bytes, for what is sent on it.
    pub(in super::super::super) fn first_window(&self) -> u32 {
        self.first_window.load(Ordering::Relaxed)
    }

    /// How much has come of a frame of a body on this stream that is not complete, in bytes. The `h2` crate
    /// says nothing of it before it is.
    pub(in super::super::super) fn came_of_frame(&self, stream: u32) -> u64 {
        let frame = self.frame.load(Ordering::Relaxed);
        if frame >> 32 == u64::from(stream) { frame & u64::from(u32::MAX) } else { 0 }
    }

    /// Has the connection closed for this reason, unless it is closed for another already.
    pub(in super::super::super) fn cut(&self, why: impl Into<Closing>) {
        if self.closing.set(why.into()).is_ok() {
            self.is_cut.notify_one();
        }
    }

    /// Why the connection was closed, if `lb` did it.
    pub(in super::super::super) fn why(&self) -> Option<Closing> {
        self.closing.get().copied()
    }

    /// Waits until the connection is to be closed.
    pub(in super::super::super) async fn wait(&self) -> Closing {
        loop {
            if let Some(why) = self.why() {
                return why;
            }
            self.is_cut.notified().await;
        }
    }

    /// Notes that a request is to be refused. One that is cancelled before it is accepted stays here
    /// until a later one is.
    ///
    /// # Errors
    ///
    /// If there are too many: a request must not be served because its refusal was forgotten.
    pub(super) fn refuse(&self, stream: RefusedStream) -> Result<(), Cut> {
        let mut all = self.refused.lock();
        if all.len() == REFUSED {
            return Err(Cut::Requests);
        }
        all.push(stream);
        self.has_refused.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Why the request on this stream is to be refused, if it is. Requests are accepted in the order of their
    /// streams.
    pub(in super::super::super) fn refusal(&self, stream: u32) -> Option<Refusal> {
        if !self.has_refused.load(Ordering::Relaxed) {
            return None;
        }
        let mut all = self.refused.lock();
        let refusal = all.iter().find(|refused| refused.stream == stream).map(|it| it.refusal);
        all.retain(|refused| refused.stream > stream);
        self.has_refused.store(!all.is_empty(), Ordering::Relaxed);
        refusal
    }

    /// Frames that requests wait for until they are written.
    pub(in super::super::super) fn awaited(&self) -> &Awaited {
        &self.awaited
    }

    /// The room for bodies that the client may still send.
    pub(in super::super::super) fn room(&self) -> &Room {
        &self.room
    }

    /// Notes that this number of requests is ended, or held up, because their client sends or takes too little.
    pub(in super::super::super) fn stalled(&self, requests: u32) {
        self.stalled.fetch_add(requests, Ordering::Relaxed);
    }

    /// Whether the client has sent anything since the last time this was asked.
    pub(in super::super::super) fn take_has_read(&self) -> bool {
        self.has_read.swap(false, Ordering::Relaxed)
    }
}
