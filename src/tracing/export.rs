//! The thread that makes spans of records and sends them.
//!
//! It has a runtime of its own, so that neither the requests nor the exporter wait for each other's
//! tasks. It sends one batch at a time: records that come meanwhile gather in the queue, and are dropped
//! there if the collector stays slower than the traffic.

use std::{io, sync::Arc, thread, time::Duration};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::trace::SpanData;
use tokio::runtime::Builder;

use super::{
    exporter::Exporter,
    queue::Queue,
    report::{News, Report},
    spans::spans,
};
use crate::clock;
use crate::config::Tracing;

/// How long records gather.
const GATHER: Duration = Duration::from_millis(100);
/// The most requests of one export. Collectors take 4 MiB in gRPC by default, which the longest records
/// stay below.
const BATCH: usize = 512;

/// Starts the thread for the collector in the settings.
///
/// # Errors
///
/// If the file with certificates cannot be used, or the thread cannot be started.
pub(super) fn start(settings: &Tracing, queue: Arc<Queue>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let exporter = {
        let _context = runtime.enter();
        Exporter::new(settings).map_err(io::Error::other)?
    };
    let report = Report::after(queue.counts().dropped());
    let endpoint = settings.endpoint.clone();
    let exporting = Exporting { exporter, endpoint, queue, report };
    let run = move || {
        runtime.block_on(exporting.run());
        // A look-up of a name that hangs must not hold up the end.
        runtime.shutdown_background();
    };
    thread::Builder::new().name("traces".to_owned()).spawn(run)?;
    Ok(())
}

struct Exporting {
    exporter: Exporter,
    endpoint: Box<str>,
    queue: Arc<Queue>,
    report: Report,
}

impl Exporting {
    async fn run(mut self) {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        loop {
            // Asked first: every record that was pushed before is then among those that wait.
            let is_closed = self.queue.is_closed();
            self.export_waiting(&scope).await;
            if is_closed {
                self.queue.discard();
            }
            self.tell(is_closed);
            if is_closed {
                break;
            }
            self.queue.pause(GATHER).await;
        }
        self.queue.end();
    }

    /// Exports the records that wait now, until the queue's deadline.
    async fn export_waiting(&mut self, scope: &InstrumentationScope) {
        let mut waiting = self.queue.len();
        while waiting > 0 {
            let size = waiting.min(BATCH);
            waiting -= size;
            let mut batch: Vec<SpanData> = Vec::with_capacity(2 * size);
            for _ in 0..size {
                let Some(record) = self.queue.pop() else { break };
                batch.extend(spans(&record, scope));
            }
            let count = batch.len() as u64;
            let exported = tokio::select! {
                biased;
                exported = self.exporter.export(batch) => Some(exported),
                () = self.queue.give_up() => None,
            };
            let counts = self.queue.counts();
            match exported {
                Some(Ok(())) => counts.exported.add(count),
                Some(Err(why)) => {
                    counts.refused.add(count);
                    self.report.failed(why, clock::now());
                }
                None => {
                    counts.refused.add(count);
                    self.report.failed("no answer before the end".to_owned(), clock::now());
                    break;
                }
            }
        }
    }

    fn tell(&mut self, is_last: bool) {
        let endpoint = &*self.endpoint;
        match self.report.news(self.queue.counts().dropped(), clock::now(), is_last) {
            Some(News::Dropped { spans, why }) => {
                let why = why.as_deref().unwrap_or("the collector is slower than the traffic");
                log::warn!(spans, collector = endpoint, reason = why; "spans dropped");
            }
            Some(News::Recovered) => {
                log::info!(collector = endpoint; "the collector takes all spans again");
            }
            None => {}
        }
    }
}
