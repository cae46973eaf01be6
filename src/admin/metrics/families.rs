//! The sources that fill the metrics of the table.

use std::{collections::BTreeMap, sync::LazyLock, time::SystemTime};

use super::{
    rows::{BackendRow, PoolView, Process, RouteRow},
    table::{self as metric, Metric},
    text::Family,
};
use crate::backend::{EjectionCause, Eligibility};
use crate::count::{
    ConnectionRefusal, Cut, Handshake, ListenerCounts, Outcome, Protocol, StatusClass,
};

/// The bounds of a pool's histograms, as powers of two of a millisecond: from half a millisecond to a
/// minute.
const OF_POOL: [i8; 18] = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
/// The bounds of a backend's histogram: a few of [`OF_POOL`], because thousands of backends make most of
/// the series. They tell a slow backend from the others; how slow it is says the sum.
const OF_BACKEND: [i8; 6] = [0, 3, 5, 7, 10, 13];

/// Writes the series of one source into a family.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Process(fn(&mut Family<'_>, &Process)),
    Listener(fn(&mut Family<'_>, &ListenerCounts)),
    Route(fn(&mut Family<'_>, &RouteRow)),
    Pool(fn(&mut Family<'_>, &PoolView)),
    Backend(fn(&mut Family<'_>, &BackendRow)),
}

const OF_PROCESS: [(Metric, Source); 12] = [
    (metric::BUILD_INFO, Source::Process(|to, _| to.gauge(&[env!("CARGO_PKG_VERSION")], 1.0))),
    (metric::READY, Source::Process(|to, it| to.gauge(&[], truth(it.readiness.check().is_ok())))),
    (metric::GENERATION, Source::Process(|to, it| to.count(&[], it.generation.number))),
    (
        metric::RELOADS,
        Source::Process(|to, it| {
            to.count(&["success"], it.current.reloads().succeeded());
            to.count(&["failure"], it.current.reloads().failed());
        }),
    ),
    (
        metric::LAST_RELOAD,
        Source::Process(|to, it| {
            to.gauge(&[], truth(it.current.reloads().last().failure.is_none()));
        }),
    ),
    (
        metric::LAST_RELOAD_SUCCESS,
        Source::Process(|to, it| {
            let loaded = it.current.reloads().last().loaded;
            let loaded = loaded.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            to.gauge(&[], loaded.as_secs_f64());
        }),
    ),
    (
        metric::CERTIFICATE_EXPIRY,
        Source::Process(|to, it| {
            // Those of ECDSA and RSA for one name would be the same series.
            let mut ends = BTreeMap::new();
            for (listener, facts) in it.generation.certificates() {
                let name = facts.names.first().cloned().unwrap_or_default();
                let end = ends.entry((listener.to_string(), name)).or_insert(facts.until);
                *end = facts.until.min(*end);
            }
            for ((listener, name), end) in &ends {
                let end = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                to.gauge(&[listener, name], end.as_secs_f64());
            }
        }),
    ),
    (
        metric::CERTIFICATE_ORDERS,
        Source::Process(|to, it| {
            for order in it.current.orders().by_first_host() {
                to.count(&[&order.name, "issued"], order.issued);
                to.count(&[&order.name, "failed"], order.failed);
            }
        }),
    ),
    (
        metric::CERTIFICATE_NEXT_ORDER,
        Source::Process(|to, it| {
            for order in it.current.orders().by_first_host() {
                if let Some(next) = order.next {
                    let next = next.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                    to.gauge(&[&order.name], next.as_secs_f64());
                }
            }
        }),
    ),
    (
        metric::CERTIFICATE_FAILURES,
        Source::Process(|to, it| {
            for order in it.current.orders().by_first_host() {
                to.gauge(&[&order.name], f64::from(order.failures));
            }
        }),
    ),
    (
        metric::LOG_DROPPED,
        Source::Process(|to, it| {
            to.count(&[], it.generation.access_log.as_ref().map_or(0, |log| log.dropped()));
        }),
    ),
    (metric::IN_FLIGHT, Source::Process(|to, it| to.count(&[], it.in_flight.requests() as u64))),
];

const OF_LISTENERS: [(Metric, Source); 12] = [
    (
        metric::LISTENER_CONNECTIONS,
        Source::Listener(|to, it| to.count(&[it.address()], it.connections() as u64)),
    ),
    (
        metric::LISTENER_ACCEPTED,
        Source::Listener(|to, it| to.count(&[it.address()], it.accepted.get())),
    ),
    (
        metric::LISTENER_REFUSED,
        Source::Listener(|to, it| {
            for (why, count) in ConnectionRefusal::ALL.into_iter().zip(it.refusals()) {
                to.count(&[it.address(), why.word()], count);
            }
        }),
    ),
    (
        metric::LISTENER_REQUESTS,
        Source::Listener(|to, it| {
            for protocol in Protocol::ALL {
                let responses = it.responses_in(protocol);
                for (class, count) in StatusClass::ALL.into_iter().zip(responses) {
                    to.count(&[it.address(), protocol.word(), class.word()], count);
                }
            }
        }),
    ),
    (
        metric::LISTENER_HANDSHAKES,
        Source::Listener(|to, it| {
            for (how, count) in Handshake::ALL.into_iter().zip(it.handshakes()) {
                to.count(&[it.address(), how.word()], count);
            }
        }),
    ),
    (
        metric::LISTENER_HANDSHAKE_TIME,
        Source::Listener(|to, it| {
            to.histogram(&[it.address()], &it.handshake_time(), OF_BACKEND);
        }),
    ),
    (
        metric::LISTENER_CUTS,
        Source::Listener(|to, it| {
            for (why, count) in Cut::ALL.into_iter().zip(it.cuts()) {
                to.count(&[it.address(), why.word()], count);
            }
        }),
    ),
    (
        metric::LISTENER_STREAMS_REFUSED,
        Source::Listener(|to, it| {
            to.count(&[it.address(), "malformed"], it.malformed_streams.get());
            to.count(&[it.address(), "too_many"], it.refused_streams.get());
        }),
    ),
    (
        metric::LISTENER_QUIC_RETRIES,
        Source::Listener(|to, it| to.count(&[it.address()], it.retries.get())),
    ),
    (metric::LISTENER_LOOPS, Source::Listener(|to, it| to.count(&[it.address()], it.loops.get()))),
    (
        metric::LISTENER_RECEIVED,
        Source::Listener(|to, it| to.count(&[it.address()], it.received())),
    ),
    (metric::LISTENER_SENT, Source::Listener(|to, it| to.count(&[it.address()], it.sent()))),
];

const OF_ROUTES: [(Metric, Source); 1] = [(
    metric::ROUTE_REQUESTS,
    Source::Route(|to, it| {
        for (class, count) in StatusClass::ALL.into_iter().zip(it.responses) {
            to.count(&[&it.host, &it.path, class.word()], count);
        }
    }),
)];

const OF_POOLS: [(Metric, Source); 12] = [
    (
        metric::POOL_REQUESTS,
        Source::Pool(|to, it| {
            for (class, count) in StatusClass::ALL.into_iter().zip(it.pool.counts().responses()) {
                to.count(&[name(it), class.word()], count);
            }
        }),
    ),
    (
        metric::POOL_DURATION,
        Source::Pool(|to, it| to.histogram(&[name(it)], &it.pool.counts().latency(), OF_POOL)),
    ),
    (
        metric::POOL_FIRST_BYTE,
        Source::Pool(|to, it| to.histogram(&[name(it)], &it.pool.counts().first_byte(), OF_POOL)),
    ),
    (
        metric::POOL_BACKENDS,
        Source::Pool(|to, it| {
            for (state, count) in Eligibility::WORDS.into_iter().zip(it.states) {
                to.count(&[name(it), state], count.into());
            }
        }),
    ),
    (metric::POOL_QUEUE, Source::Pool(|to, it| to.count(&[name(it)], it.pool.queued() as u64))),
    (
        metric::POOL_QUEUE_SIZE,
        Source::Pool(|to, it| to.count(&[name(it)], it.pool.config().queue.size as u64)),
    ),
    (
        metric::POOL_QUEUE_WAIT,
        Source::Pool(|to, it| {
            to.histogram(&[name(it)], &it.pool.counts().queue.waits.get(), OF_POOL);
        }),
    ),
    (
        metric::POOL_QUEUED,
        Source::Pool(|to, it| {
            let queue = &it.pool.counts().queue;
            to.count(&[name(it), "served"], queue.served.get());
            to.count(&[name(it), "late"], queue.late.get());
            to.count(&[name(it), "left"], queue.left.get());
            to.count(&[name(it), "full"], queue.full.get());
        }),
    ),
    (
        metric::POOL_RETRIES,
        Source::Pool(|to, it| {
            for (reason, count) in Outcome::ALL.into_iter().zip(it.pool.counts().retries()) {
                if reason.is_failure() {
                    to.count(&[name(it), reason.word()], count);
                }
            }
        }),
    ),
    (
        metric::POOL_EXHAUSTED,
        Source::Pool(|to, it| to.count(&[name(it)], it.pool.counts().budget_exhausted.get())),
    ),
    (
        metric::POOL_PANIC,
        Source::Pool(|to, it| to.gauge(&[name(it)], truth(it.pool.roster().is_panic()))),
    ),
    (metric::POOL_PANICS, Source::Pool(|to, it| to.count(&[name(it)], it.pool.roster().panics()))),
];

const OF_BACKENDS: [(Metric, Source); 14] = [
    (
        metric::BACKEND_STATE,
        Source::Backend(|to, it| {
            let [pool, backend, address] = own(it);
            let state = it.view.eligibility.to_string();
            for word in Eligibility::WORDS {
                to.gauge(&[pool, backend, address, word], truth(word == state));
            }
        }),
    ),
    (
        metric::BACKEND_ACTIVE,
        Source::Backend(|to, it| to.count(&own(it), it.view.backend.active() as u64)),
    ),
    (
        metric::BACKEND_WEIGHT,
        Source::Backend(|to, it| to.gauge(&own(it), it.view.weight_in_effect())),
    ),
    (
        metric::BACKEND_ATTEMPTS,
        Source::Backend(|to, it| {
            let [pool, backend, address] = own(it);
            for (outcome, count) in
                Outcome::ALL.into_iter().zip(it.view.backend.counts().outcomes())
            {
                to.count(&[pool, backend, address, outcome.word()], count);
            }
        }),
    ),
    (
        metric::BACKEND_RESPONSES,
        Source::Backend(|to, it| {
            let [pool, backend, address] = own(it);
            let responses = it.view.backend.counts().responses.get();
            for (class, count) in StatusClass::ALL.into_iter().zip(responses) {
                to.count(&[pool, backend, address, class.word()], count);
            }
        }),
    ),
    (
        metric::BACKEND_DURATION,
        Source::Backend(|to, it| {
            to.histogram(&own(it), &it.view.backend.counts().latency.get(), OF_BACKEND);
        }),
    ),
    (
        metric::BACKEND_FIRST_BYTE,
        Source::Backend(|to, it| {
            to.summary(&own(it), &it.view.backend.counts().first_byte.get());
        }),
    ),
    (
        metric::BACKEND_EJECTIONS,
        Source::Backend(|to, it| {
            let [pool, backend, address] = own(it);
            let ejections = it.view.backend.counts().ejections();
            for (cause, count) in EjectionCause::WORDS.into_iter().zip(ejections) {
                to.count(&[pool, backend, address, cause], count);
            }
        }),
    ),
    (
        metric::BACKEND_CHECKS,
        Source::Backend(|to, it| {
            let [pool, backend, address] = own(it);
            let (passed, failed) = it.view.backend.counts().checks();
            to.count(&[pool, backend, address, "passed"], passed);
            to.count(&[pool, backend, address, "failed"], failed);
        }),
    ),
    (
        metric::BACKEND_CHECK_DURATION,
        Source::Backend(|to, it| {
            if let Some(check) = it.view.backend.counts().last_check() {
                to.gauge(&own(it), check.took.as_secs_f64());
            }
        }),
    ),
    (
        metric::BACKEND_OPENED,
        Source::Backend(|to, it| to.count(&own(it), it.view.backend.counts().opened.get())),
    ),
    (
        metric::BACKEND_REUSED,
        Source::Backend(|to, it| to.count(&own(it), it.view.backend.counts().reused.get())),
    ),
    (
        metric::BACKEND_SENT,
        Source::Backend(|to, it| to.count(&own(it), it.view.backend.counts().sent.get())),
    ),
    (
        metric::BACKEND_RECEIVED,
        Source::Backend(|to, it| {
            to.count(&own(it), it.view.backend.counts().received.get());
        }),
    ),
];

/// Every family with its source, in the order of the table.
pub(super) static FAMILIES: LazyLock<Vec<(Metric, Source)>> = LazyLock::new(|| {
    let all: [&[(Metric, Source)]; 5] =
        [&OF_PROCESS, &OF_LISTENERS, &OF_ROUTES, &OF_POOLS, &OF_BACKENDS];
    all.concat()
});

fn name(it: &PoolView) -> &str {
    it.pool.name().as_str()
}

/// The values of the labels that every metric of a backend has.
fn own(it: &BackendRow) -> [&str; 3] {
    [it.pool.as_str(), &it.names.name, &it.names.address]
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[cfg(test)]
mod tests {
    use super::{super::table::TABLE, *};

    #[test]
    fn every_metric_of_the_table_has_a_source_and_keeps_its_place() {
        let filled: Vec<_> = FAMILIES.iter().map(|(metric, _)| metric.name).collect();
        let listed: Vec<_> = TABLE.iter().map(|metric| metric.name).collect();
        assert_eq!(filled, listed);
    }
}
