//! How many requests of one connection may wait for their client at a time.
//!
//! A request under way holds a connection to a backend and some 27 KB of memory, also while nothing can move it
//! but its client: the first byte of its body, or room for its answer in windows of a few bytes. A client
//! that opens 128 such requests on each connection would hold much for next to nothing. So they take one of
//! few places, and without a place they wait before they begin, at the cost of their fields.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a connection: more than ordinary clients need, which send bodies with their headers or soon
/// after.
const PLACES: usize = 8;

/// A client whose windows are smaller has answers wait for it: they go in pieces of that size. In bytes.
pub(in super::super) const TINY_WINDOW: u32 = 4096;

/// The places of one connection.
#[derive(Debug)]
pub(in super::super) struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicU32,
}

/// A place of a request, which is given back when it is dropped.
#[derive(Debug)]
pub(in super::super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(PLACES)), waiting: AtomicU32::new(0) }
    }
}

impl Places {
    /// A place, if one is free.
    pub(in super::super) fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Place { _permit: permit })
    }

    /// Waits for a place, which goes to the request that has waited for longest.
    pub(in super::super) async fn next(&self) -> Place {
        let _waits = Waits::on(self);
        match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => Place { _permit: permit },
            // The places are never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// How many requests are held up with each one that has a place.
    pub(in super::super) fn waiting_for_each(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed) / PLACES as u32
    }
}

/// A request that is counted while it waits.
struct Waits<'a>(&'a AtomicU32);

impl<'a> Waits<'a> {
    fn on(places: &'a Places) -> Self {
        places.waiting.fetch_add(1, Ordering::Relaxed);
        Self(&places.waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Waker},
    };

    use super::*;

    fn is_ready(next: Pin<&mut impl Future<Output = Place>>) -> bool {
        next.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_place_that_is_given_back_goes_to_the_first_that_waits() {
        let places = Places::default();
        let mut taken: Vec<_> = std::iter::from_fn(|| places.take()).collect();
        assert_eq!(taken.len(), PLACES);
        let waiting = || places.waiting.load(Ordering::Relaxed);
        {
            let (mut first, mut second) = (pin!(places.next()), pin!(places.next()));
            assert_eq!(waiting(), 0, "none was asked for yet");
            assert!(!is_ready(first.as_mut()) && !is_ready(second.as_mut()));
            assert_eq!(waiting(), 2);
            taken.pop();
            assert!(!is_ready(second.as_mut()));
            // It is given back at once.
            assert!(is_ready(first) && is_ready(second));
            assert_eq!(waiting(), 0);
            assert!(places.take().is_some());
        }
        taken.clear();
        taken.extend(std::iter::from_fn(|| places.take()));
        {
            let mut given_up = pin!(places.next());
            assert!(!is_ready(given_up.as_mut()));
        }
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn those_that_wait_are_held_up_by_all_that_have_places() {
        let places = Places::default();
        for (waiting, each) in [(0, 0), (7, 0), (8, 1), (120, 15)] {
            places.waiting.store(waiting, Ordering::Relaxed);
            assert_eq!(places.waiting_for_each(), each, "{waiting}");
        }
    }
}
