//! One scrape, made in pieces: one family after the other, as the format demands, with as many
//! series as fit into a piece. So a scrape of ten thousand backends needs the memory of one piece,
//! and no thread while the client reads.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use prometheus::{TextEncoder, core::Collector, process_collector::ProcessCollector};

use super::{
    families::{FAMILIES, Source},
    rows::{BackendRow, PoolView, Process, RouteRow},
    text::Family,
};
use crate::count::ListenerCounts;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::readiness::Readiness;

/// A scrape under way.
pub(in crate::admin) struct Scrape {
    process: Process,
    listeners: Vec<Arc<ListenerCounts>>,
    routes: Vec<RouteRow>,
    pools: Vec<PoolView>,
    backends: Vec<BackendRow>,
    /// The family that is written next, and the place of its next source.
    next: (usize, usize),
    is_complete: bool,
}

impl Scrape {
    /// A scrape of the parts of `current` at this moment. The counts are read when their piece is
    /// made.
    pub(in crate::admin) fn new(
        current: Arc<Current>,
        readiness: Arc<Readiness>,
        in_flight: InFlight,
        now: Instant,
    ) -> Self {
        let generation = current.pin();
        let mut backends = Vec::new();
        let mut pools = Vec::new();
        for pool in generation.pools() {
            let first = backends.len();
            backends.extend(pool.backends(now).map(|view| {
                let names = Arc::clone(&view.backend.names());
                BackendRow { pool: pool.name().clone(), names, view }
            }));
            let states = backends[first..].iter().map(|row: &BackendRow| &row.view.eligibility);
            pools.push(PoolView::new(Arc::clone(pool), states));
        }
        let routes = generation.targets().map(|(route, target)| RouteRow::new(route, target));
        let routes = routes.collect();
        let listeners = current.listeners().to_vec();
        let process = Process { current, generation, readiness, in_flight };
        Self { process, listeners, routes, pools, backends, next: (0, 0), is_complete: false }
    }

    /// The next piece, which ends with the series that makes it as long as `size` bytes. `None` when
    /// everything is written.
    pub(in crate::admin) fn next_piece(&mut self, size: usize) -> Option<Bytes> {
        let mut text = String::with_capacity(size + size / 8);
        while text.len() < size && !self.is_complete {
            self.write_one(&mut text);
        }
        (!text.is_empty()).then(|| Bytes::from(text))
    }

    /// Writes the series of one source in one family.
    fn write_one(&mut self, text: &mut String) {
        let (family, place) = self.next;
        let Some((metric, source)) = FAMILIES.get(family) else {
            let collected = ProcessCollector::for_self().collect();
            if let Err(error) = TextEncoder::new().encode_utf8(&collected, text) {
                log::error!(error:% = error; "the metrics of the process cannot be written");
            }
            self.is_complete = true;
            return;
        };
        let mut family = Family::new(text, metric);
        if place == 0 {
            family.head();
        }
        let is_last = match source {
            Source::Process(write) => {
                write(&mut family, &self.process);
                true
            }
            Source::Listener(write) => {
                self.listeners.get(place).inspect(|it| write(&mut family, it)).is_none()
            }
            Source::Route(write) => {
                self.routes.get(place).inspect(|it| write(&mut family, it)).is_none()
            }
            Source::Pool(write) => {
                self.pools.get(place).inspect(|it| write(&mut family, it)).is_none()
            }
            Source::Backend(write) => {
                self.backends.get(place).inspect(|it| write(&mut family, it)).is_none()
            }
        };
        self.next = if is_last { (self.next.0 + 1, 0) } else { (self.next.0, place + 1) };
    }
}
