//! Frames that requests wait for until they are written.
//!
//! The `h2` crate takes what it is given and tells nobody when it was written: informational answers would
//! pile up with a client that reads none, and it discards what waits of a body when its stream is reset.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::super::frames::{Head, Kind};

/// Which frame of its stream is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) enum Mark {
    /// The next header.
    Header,
    /// An empty frame of the body that does not end it.
    Body,
}

impl Mark {
    fn of(head: &Head) -> Option<Self> {
        match head.kind {
            Kind::Headers => Some(Self::Header),
            Kind::Data if head.length == 0 && !head.ends_stream() => Some(Self::Body),
            _ => None,
        }
    }
}

/// The frames that are awaited on one connection.
#[derive(Debug, Default)]
pub(in super::super::super) struct Awaited {
    /// Locked only while there are any, which is rare.
    all: Mutex<Vec<(u32, Mark, oneshot::Sender<()>)>>,
    are_any: AtomicBool,
}

impl Awaited {
    /// Waits for a frame that is not given to the `h2` crate yet. What is returned resolves when it was written,
    /// or never will be.
    pub(in super::super::super) fn frame(&self, stream: u32, mark: Mark) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut all = self.all.lock();
        all.retain(|(_, _, sender)| !sender.is_closed());
        all.push((stream, mark, sender));
        self.are_any.store(true, Ordering::Relaxed);
        receiver
    }

    /// A frame was written.
    pub(super) fn written(&self, head: &Head) {
        if !self.are_any.load(Ordering::Relaxed) {
            return;
        }
        let Some(mark) = Mark::of(head) else { return };
        let mut all = self.all.lock();
        let is_it =
            |(stream, awaited, _): &(u32, Mark, _)| (*stream, *awaited) == (head.stream, mark);
        if let Some(at) = all.iter().position(is_it) {
            // A request that has ended needs no answer.
            let _ = all.remove(at).2.send(());
        }
        self.are_any.store(!all.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: Kind, length: u32, flags: u8, stream: u32) -> Head {
        Head { kind, length, flags, stream }
    }

    #[test]
    fn a_frame_is_told_from_others() {
        let awaited = Awaited::default();
        let mut header = awaited.frame(1, Mark::Header);
        let mut body = awaited.frame(3, Mark::Body);
        for other in [
            head(Kind::Headers, 9, 4, 3),
            head(Kind::Data, 0, 0, 1),
            head(Kind::Data, 1, 0, 3),
            head(Kind::Data, 0, 1, 3),
            head(Kind::WindowUpdate, 4, 0, 3),
        ] {
            awaited.written(&other);
            assert!(header.try_recv().is_err() && body.try_recv().is_err(), "{other:?}");
        }
        awaited.written(&head(Kind::Data, 0, 0, 3));
        assert_eq!((header.try_recv().is_ok(), body.try_recv()), (false, Ok(())));
        awaited.written(&head(Kind::Headers, 9, 4, 1));
        assert_eq!(header.try_recv(), Ok(()));
        assert!(!awaited.are_any.load(Ordering::Relaxed));
    }

    #[test]
    fn those_that_have_ended_are_forgotten() {
        let awaited = Awaited::default();
        for _ in 0..9 {
            drop(awaited.frame(1, Mark::Header));
        }
        assert_eq!(awaited.all.lock().len(), 1);
    }
}
