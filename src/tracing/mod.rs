//! Traces for an OpenTelemetry collector: a span for each recorded request, and one for each of its
//! attempts.
//!
//! The request path decides once ([`Tracer::begin`]) and leaves one record of values when the request
//! ends ([`Tracer::push`]), in a queue without a lock. A thread of its own makes spans of the records and
//! sends them. OpenTelemetry's own tracer would take a lock for each attribute, and its span processor
//! one for each span. A collector that is gone, slow or refuses costs spans, which are counted, and never
//! a request.

mod attributes;
mod check;
mod decision;
mod export;
mod exporter;
mod queue;
mod record;
mod report;
mod spans;

use std::{io, sync::Arc, time::Duration};

use parking_lot::Mutex;

pub use check::check;
pub use queue::SpanCounts;
pub use record::{AttemptRecord, RequestRecord, shortened};

use crate::clock;
use crate::config::{SampledParent, Share, Tracing};
use crate::headers::TraceContext;
use queue::Queue;

/// How long the spans that wait at the end of the process may hold it up.
const LAST_SPANS: Duration = Duration::from_secs(3);
/// How long the thread may take to count and tell what it has given up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The queues of tracers that were dropped while they had spans to send.
static DROPPED: Mutex<Vec<Arc<Queue>>> = Mutex::new(Vec::new());

/// Decides which requests are recorded, and takes their records.
///
/// After a drop (after a reload, by the last request that began before it) its thread sends what waits,
/// and ends. Nothing waits for that before the end of the process ([`Tracer::close_dropped`]).
#[derive(Debug)]
pub struct Tracer {
    parent: SampledParent,
    share: Share,
    has_query: bool,
    timeout: Duration,
    queue: Arc<Queue>,
}

impl Tracer {
    /// Starts the thread that sends spans to the collector. `counts` go on.
    ///
    /// # Errors
    ///
    /// If the file with certificates cannot be used, or no thread can be started. The collector is not
    /// asked.
    pub fn open(settings: &Tracing, counts: Arc<SpanCounts>) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(counts));
        export::start(settings, Arc::clone(&queue))?;
        let Tracing { parent, sample: share, query: has_query, timeout, .. } = *settings;
        Ok(Self { parent, share, has_query, timeout, queue })
    }

    /// The trace of a request that begins: `came` is the one that it came with, `is_trusted` says whether
    /// from a trusted proxy, and `is_started` whether it gets one if it has none and is not recorded.
    #[must_use]
    pub fn begin(
        &self,
        came: Option<TraceContext>,
        is_trusted: bool,
        is_started: bool,
    ) -> Option<TraceContext> {
        let caller = came.as_ref().and_then(TraceContext::is_sampled);
        let caller = caller.filter(|_| decision::follows(self.parent, is_trusted));
        match decision::is_recorded(caller, self.share, draw) {
            true => Some(came.unwrap_or_else(TraceContext::start).recorded()),
            false => {
                came.map(TraceContext::unrecorded).or_else(|| is_started.then(TraceContext::start))
            }
        }
    }

    /// Whether records have the query of a request.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.has_query
    }

    /// Hands over the record of a request that has ended, or drops it and counts its spans if the queue is
    /// full. Never waits.
    pub fn push(&self, record: Box<RequestRecord>) {
        self.queue.push(record);
    }

    /// The spans that were sent and dropped.
    #[must_use]
    pub fn counts(&self) -> &Arc<SpanCounts> {
        self.queue.counts()
    }

    /// Sends what waits, and takes no more. Gives up after three seconds.
    pub fn close(&self) {
        close(&self.queue);
    }

    /// Lets dropped tracers send what waits, for three seconds at most. Called at the end of the process,
    /// which ends their threads.
    pub fn close_dropped() {
        let dropped = std::mem::take(&mut *DROPPED.lock());
        dropped.iter().for_each(|queue| close(queue));
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if !self.queue.is_closed() {
            self.queue.close(clock::now() + self.timeout);
            let mut dropped = DROPPED.lock();
            dropped.retain(|queue| !queue.has_ended());
            dropped.push(Arc::clone(&self.queue));
        }
    }
}

fn close(queue: &Queue) {
    let deadline = clock::now() + LAST_SPANS;
    queue.close(deadline);
    queue.wait_for_end(deadline + LAST_WORDS);
}

/// A random number of millionths.
fn draw() -> u32 {
    fastrand::u32(..Share::WHOLE)
}
