//! Fills the table.

use std::{collections::BTreeMap, time::Instant};

use prometheus::{
    TextEncoder,
    core::Collector,
    process_collector::ProcessCollector,
    proto::{self, Bucket, LabelPair, MetricFamily, MetricType},
};

use super::table::{self as metric, Kind, Metric, TABLE};
use crate::admin::view::Sources;
use crate::backend::{EjectionCause, Eligibility};
use crate::config::{HostPattern, Route};
use crate::count::{DurationSnapshot, ListenerCounts, Outcome, StatusClass};
use crate::pool::{BackendView, Pool};
use crate::target::Target;

/// The bounds of histogram buckets: half a millisecond, doubled until a minute is over.
const POWERS: [i8; 18] = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// All metrics, at this moment.
///
/// # Errors
///
/// Prometheus' own, when it cannot write them; not known to happen.
pub(in crate::admin) fn scrape(sources: Sources<'_>, now: Instant) -> prometheus::Result<String> {
    let mut families = Families::default();
    of_process(&mut families, sources);
    for counts in sources.current.listeners() {
        of_listener(&mut families, counts);
    }
    let generation = sources.current.pin();
    for (route, target) in generation.targets() {
        of_route(&mut families, route, target);
    }
    for pool in generation.pools() {
        of_pool(&mut families, pool, now);
        for seen in pool.backends(now) {
            of_backend(&mut families, pool.name().as_str(), &seen);
        }
    }
    let mut text = TextEncoder::new().encode_to_string(&families.in_order())?;
    TextEncoder::new().encode_utf8(&ProcessCollector::for_self().collect(), &mut text)?;
    Ok(text)
}

/// Metrics by their place in the table, each with what was put into it.
#[derive(Default)]
struct Families(BTreeMap<&'static str, Vec<proto::Metric>>);

impl Families {
    fn put(&mut self, metric: &Metric, labels: &[&str], fill: impl FnOnce(&mut proto::Metric)) {
        let pairs = metric.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut one = proto::Metric::from_label(pairs.collect());
        fill(&mut one);
        self.0.entry(metric.name).or_default().push(one);
    }

    fn count(&mut self, metric: &Metric, labels: &[&str], count: u64) {
        let mut counter = proto::Counter::default();
        counter.set_value(count as f64);
        self.put(metric, labels, |one| one.set_counter(counter));
    }

    fn gauge(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        self.put(metric, labels, |one| one.set_gauge(gauge));
    }

    fn histogram(&mut self, metric: &Metric, labels: &[&str], observed: &DurationSnapshot) {
        let buckets = POWERS.iter().zip(observed.up_to(POWERS)).map(|(power, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(f64::from(*power).exp2() / 1000.0);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(observed.count());
        histogram.set_sample_sum(observed.sum().as_secs_f64());
        self.put(metric, labels, |one| one.set_histogram(histogram));
    }

    fn in_order(mut self) -> Vec<MetricFamily> {
        let families = TABLE.iter().filter_map(|metric| {
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
                Kind::Histogram => MetricType::HISTOGRAM,
            });
            family.set_metric(self.0.remove(metric.name)?);
            Some(family)
        });
        families.collect()
    }
}

fn of_process(families: &mut Families, sources: Sources<'_>) {
    let Sources { current, readiness, in_flight, .. } = sources;
    let generation = current.pin();
    families.gauge(&metric::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    families.gauge(&metric::READY, &[], truth(readiness.check().is_ok()));
    families.gauge(&metric::GENERATION, &[], generation.number as f64);
    for (result, count) in [("success", current.reloads()), ("failure", current.failed_reloads())] {
        families.count(&metric::RELOADS, &[result], count);
    }
    let dropped = generation.access_log.as_ref().map_or(0, |log| log.dropped());
    families.count(&metric::LOG_DROPPED, &[], dropped);
    families.gauge(&metric::IN_FLIGHT, &[], in_flight.requests() as f64);
}

fn of_listener(families: &mut Families, counts: &ListenerCounts) {
    let listener = &*counts.address().to_string();
    families.gauge(&metric::LISTENER_CONNECTIONS, &[listener], counts.connections() as f64);
    families.count(&metric::LISTENER_ACCEPTED, &[listener], counts.accepted.get());
    for (class, count) in StatusClass::ALL.into_iter().zip(counts.responses()) {
        families.count(&metric::LISTENER_REQUESTS, &[listener, class.word()], count);
    }
    families.count(&metric::LISTENER_RECEIVED, &[listener], counts.received());
    families.count(&metric::LISTENER_SENT, &[listener], counts.sent());
}

fn of_route(families: &mut Families, route: &Route, target: &Target) {
    let host = route.host.as_ref().map(HostPattern::to_string).unwrap_or_default();
    for (class, count) in StatusClass::ALL.into_iter().zip(target.state().responses()) {
        let labels = [&*host, route.path.as_str(), class.word()];
        families.count(&metric::ROUTE_REQUESTS, &labels, count);
    }
}

fn of_pool(families: &mut Families, pool: &Pool, now: Instant) {
    let (name, counts) = (pool.name().as_str(), pool.counts());
    for (class, count) in StatusClass::ALL.into_iter().zip(counts.responses()) {
        families.count(&metric::POOL_REQUESTS, &[name, class.word()], count);
    }
    families.histogram(&metric::POOL_DURATION, &[name], &counts.latency());
    families.histogram(&metric::POOL_FIRST_BYTE, &[name], &counts.first_byte());
    let mut states = Eligibility::WORDS.map(|state| (state, 0_u32));
    for seen in pool.backends(now) {
        let state = seen.eligibility.to_string();
        states.iter_mut().filter(|(word, _)| *word == state).for_each(|(_, count)| *count += 1);
    }
    for (state, count) in states {
        families.gauge(&metric::POOL_BACKENDS, &[name, state], count.into());
    }
    families.gauge(&metric::POOL_QUEUE, &[name], pool.queued() as f64);
    families.gauge(&metric::POOL_QUEUE_SIZE, &[name], pool.config().queue.size as f64);
    let queue = &counts.queue;
    families.histogram(&metric::POOL_QUEUE_WAIT, &[name], &queue.waits.get());
    let left = [
        ("served", &queue.served),
        ("late", &queue.late),
        ("left", &queue.left),
        ("full", &queue.full),
    ];
    for (result, count) in left {
        families.count(&metric::POOL_QUEUED, &[name, result], count.get());
    }
    for (reason, count) in Outcome::ALL.into_iter().zip(counts.retries()) {
        if reason.is_failure() {
            families.count(&metric::POOL_RETRIES, &[name, reason.word()], count);
        }
    }
    families.count(&metric::POOL_EXHAUSTED, &[name], counts.budget_exhausted.get());
    families.gauge(&metric::POOL_PANIC, &[name], truth(pool.roster().is_panic()));
    families.count(&metric::POOL_PANICS, &[name], pool.roster().panics());
}

fn of_backend(families: &mut Families, pool: &str, seen: &BackendView) {
    let (names, counts) = (seen.backend.names(), seen.backend.counts());
    let (backend, address) = (&*names.name, &*names.address);
    let own = [pool, backend, address];
    let state = seen.eligibility.to_string();
    for word in Eligibility::WORDS {
        families.gauge(
            &metric::BACKEND_STATE,
            &[pool, backend, address, word],
            truth(word == state),
        );
    }
    families.gauge(&metric::BACKEND_ACTIVE, &own, seen.backend.active() as f64);
    families.gauge(&metric::BACKEND_WEIGHT, &own, seen.weight_in_effect());
    for (outcome, count) in Outcome::ALL.into_iter().zip(counts.outcomes()) {
        families.count(&metric::BACKEND_ATTEMPTS, &[pool, backend, address, outcome.word()], count);
    }
    for (class, count) in StatusClass::ALL.into_iter().zip(counts.responses.get()) {
        families.count(&metric::BACKEND_RESPONSES, &[pool, backend, address, class.word()], count);
    }
    families.histogram(&metric::BACKEND_DURATION, &own, &counts.latency.get());
    families.histogram(&metric::BACKEND_FIRST_BYTE, &own, &counts.first_byte.get());
    for (cause, count) in EjectionCause::WORDS.into_iter().zip(counts.ejections()) {
        families.count(&metric::BACKEND_EJECTIONS, &[pool, backend, address, cause], count);
    }
    let (passed, failed) = counts.checks();
    for (result, count) in [("passed", passed), ("failed", failed)] {
        families.count(&metric::BACKEND_CHECKS, &[pool, backend, address, result], count);
    }
    if let Some(check) = counts.last_check() {
        families.gauge(&metric::BACKEND_CHECK_DURATION, &own, check.took.as_secs_f64());
    }
    families.count(&metric::BACKEND_OPENED, &own, counts.opened.get());
    families.count(&metric::BACKEND_REUSED, &own, counts.reused.get());
    families.count(&metric::BACKEND_SENT, &own, counts.sent.get());
    families.count(&metric::BACKEND_RECEIVED, &own, counts.received.get());
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
