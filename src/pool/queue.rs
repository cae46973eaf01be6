//! The queue of requests while every backend is full: bounded, and first in, first out.
//!
//! A slot that becomes free is handed to the first request in line by the request that gives it
//! back. New requests join the line as long as there is one, so no request overtakes. The request
//! path looks at one number as long as no request waits.
//!
//! No wake-up is lost: a request that waits first joins the line and then looks for a free slot; a
//! request that gives a slot back first gives it back and then looks at the line. One of the two
//! sees the other.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::request::{PickRequest, Unavailable};

/// A slot can also appear because a backend returns or its probe is due, and no request announces
/// that. The leader of the line therefore looks at this interval.
const LOOK: Duration = Duration::from_millis(50);

/// The slots that waiting requests look for.
pub(super) trait Places<T> {
    /// Claims a slot for this request.
    fn find(&self, request: &PickRequest<'_>) -> Result<T, Unavailable>;

    /// Whether there may be a slot for some other request.
    fn has_free(&self) -> bool;
}

/// The requests of one pool that wait for a slot.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// The length of the line, as the request path reads it.
    len: AtomicUsize,
    line: Mutex<VecDeque<Waiter<T>>>,
    next: AtomicU64,
    /// Held by the one waiter that looks for slots for all; passed on in the order of arrival.
    leader: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiter<T> {
    number: u64,
    request: PickRequest<'static>,
    place: oneshot::Sender<T>,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            len: AtomicUsize::new(0),
            line: Mutex::default(),
            next: AtomicU64::new(0),
            leader: tokio::sync::Mutex::new(()),
        }
    }

    /// The number of requests that wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Waits for a slot until this instant, in a line of at most `size`.
    pub(super) async fn wait(
        &self,
        size: usize,
        request: PickRequest<'static>,
        until: Instant,
        places: &impl Places<T>,
    ) -> Result<T, Unavailable> {
        let (place, handed) = oneshot::channel();
        let number = self.join(size, request, place)?;
        // Leaves the line on every path, also if the request is dropped while it waits.
        let _in_line = InLine { queue: self, number };
        self.serve(places);
        tokio::select! {
            biased;
            handed = handed => handed.map_err(|_| Unavailable::QueueTimeout),
            () = tokio::time::sleep_until(until.into()) => Err(Unavailable::QueueTimeout),
            never = self.lead(places) => match never {},
        }
    }

    /// Looks for slots on behalf of the whole line, once this waiter is its leader.
    async fn lead(&self, places: &impl Places<T>) -> Infallible {
        let _leader = self.leader.lock().await;
        loop {
            tokio::time::sleep(LOOK).await;
            self.serve(places);
        }
    }

    fn join(
        &self,
        size: usize,
        request: PickRequest<'static>,
        place: oneshot::Sender<T>,
    ) -> Result<u64, Unavailable> {
        let mut line = self.line.lock();
        if line.len() >= size {
            return Err(Unavailable::Full);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        line.push_back(Waiter { number, request, place });
        self.len.store(line.len(), Ordering::SeqCst);
        Ok(number)
    }

    /// Hands free slots to the requests in line, the first one first.
    pub(super) fn serve(&self, places: &impl Places<T>) {
        fence(Ordering::SeqCst);
        if self.len() == 0 {
            return;
        }
        // A slot whose waiter has left is given back after the lock, since giving back calls this
        // again.
        let mut refused = vec![];
        let mut line = self.line.lock();
        let mut position = 0;
        // The places in line of requests that found nothing, one of each kind: what is free is of no use
        // to others like them. A line of hundreds is mostly of a few kinds.
        let mut passed_over: Vec<usize> = vec![];
        let mut has_free = None;
        while let Some(waiter) = line.get(position) {
            let is_like =
                |at: &usize| line.get(*at).is_some_and(|it| it.request.is_like(&waiter.request));
            if passed_over.iter().any(is_like) {
                position += 1;
                continue;
            }
            match places.find(&waiter.request) {
                Ok(place) => {
                    let Some(waiter) = line.remove(position) else { break };
                    refused.extend(waiter.place.send(place).err());
                    has_free = None;
                }
                // This request has tried the free backends; one behind it may want them.
                Err(_)
                    if waiter.request.has_tried()
                        && *has_free.get_or_insert_with(|| places.has_free()) =>
                {
                    passed_over.push(position);
                    position += 1;
                }
                Err(_) => break,
            }
        }
        self.len.store(line.len(), Ordering::SeqCst);
        drop(line);
        drop(refused);
    }

    fn leave(&self, number: u64) {
        let mut line = self.line.lock();
        line.retain(|waiter| waiter.number != number);
        self.len.store(line.len(), Ordering::SeqCst);
    }
}

/// A place in the line, left on drop.
struct InLine<'a, T> {
    queue: &'a Queue<T>,
    number: u64,
}

impl<T> Drop for InLine<'_, T> {
    fn drop(&mut self) {
        self.queue.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc, sync::Arc};

    use tokio::{
        runtime::Builder,
        task::{JoinSet, LocalSet},
    };

    use super::*;
    use crate::{backend::Roster, clock, config::PoolName, pool::TriedBackend, retry::Failure};

    /// Free slots that no request in line wants, and how often that was found.
    #[derive(Default)]
    struct Unwanted {
        found: Cell<usize>,
    }

    impl Places<()> for Unwanted {
        fn find(&self, request: &PickRequest<'_>) -> Result<(), Unavailable> {
            self.found.set(self.found.get() + 1);
            if request.has_tried() { Err(Unavailable::Full) } else { Ok(()) }
        }

        fn has_free(&self) -> bool {
            true
        }
    }

    #[test]
    fn of_many_that_have_tried_the_same_one_is_looked_for() {
        let roster = Roster::new(PoolName::new("web"), Arc::default(), clock::now());
        let backends =
            ["127.0.0.1:1", "127.0.0.1:2"].map(|at| roster.backend(&at.parse().unwrap()));
        let queue = Queue::new();
        let mut handed: Vec<_> = (0..400)
            .map(|number| {
                let backend = Arc::clone(&backends[number % 2]);
                let tried = vec![TriedBackend { backend, failure: Failure::Broken }];
                let (place, handed) = oneshot::channel();
                queue.join(1_000, PickRequest::new(tried, true), place).unwrap();
                handed
            })
            .collect();
        let (place, new) = oneshot::channel();
        queue.join(1_000, PickRequest::new(vec![], true), place).unwrap();
        handed.push(new);
        let places = Unwanted::default();
        queue.serve(&places);
        assert_eq!(places.found.get(), 3, "one of each kind");
        assert_eq!(queue.len(), 400);
        assert!(
            handed.pop().unwrap().try_recv().is_ok(),
            "the last one in line wants what is free"
        );
        queue.serve(&places);
        assert_eq!(places.found.get(), 5);
    }

    #[test]
    fn what_one_request_may_not_have_another_may_that_has_tried_the_same() {
        /// A slot for requests before they fail.
        struct LastResort;

        impl Places<()> for LastResort {
            fn find(&self, request: &PickRequest<'_>) -> Result<(), Unavailable> {
                request.may_be_last_resort.then_some(()).ok_or(Unavailable::Full)
            }

            fn has_free(&self) -> bool {
                true
            }
        }

        let roster = Roster::new(PoolName::new("web"), Arc::default(), clock::now());
        let backend = roster.backend(&"127.0.0.1:1".parse().unwrap());
        let queue = Queue::new();
        let [mut barred, mut allowed] = [false, true].map(|may_be_last_resort| {
            let tried = TriedBackend { backend: Arc::clone(&backend), failure: Failure::Broken };
            let request = PickRequest::new(vec![tried], false);
            let (place, handed) = oneshot::channel();
            queue.join(10, PickRequest { may_be_last_resort, ..request }, place).unwrap();
            handed
        });
        queue.serve(&LastResort);
        assert!(barred.try_recv().is_err() && allowed.try_recv().is_ok());
    }

    /// The number of looks for a slot while this many requests wait for ten seconds, in a time that is not
    /// waited for. Those that each makes for itself when it joins are left out.
    fn looks_of(waiting: usize) -> usize {
        let shared = Rc::new((Queue::new(), Unwanted::default()));
        let roster = Roster::new(PoolName::new("web"), Arc::default(), clock::now());
        let backend = roster.backend(&"127.0.0.1:1".parse().unwrap());
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let until = clock::now() + Duration::from_secs(10);
        let (mut requests, tasks) = (JoinSet::new(), LocalSet::new());
        for _ in 0..waiting {
            let tried = TriedBackend { backend: Arc::clone(&backend), failure: Failure::Broken };
            let (shared, request) = (Rc::clone(&shared), PickRequest::new(vec![tried], true));
            let wait = async move { shared.0.wait(1_000, request, until, &shared.1).await };
            requests.spawn_local_on(wait, &tasks);
        }
        let ended = runtime.unwrap().block_on(tasks.run_until(requests.join_all()));
        assert!(ended.iter().all(|it| *it == Err(Unavailable::QueueTimeout)));
        shared.1.found.get() - waiting
    }

    #[test]
    fn hundreds_that_wait_look_no_more_often_than_one() {
        let looks = [1, 400].map(looks_of);
        assert!(looks.iter().all(|looks| (190..=201).contains(looks)), "{looks:?}");
    }
}
