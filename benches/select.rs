//! The cost of choosing a backend: our part, and Pingora's `select_with` around it.
//!
//! Our part is the selector's `iter` and first `next`. `select_with` adds, for each backend that
//! it is offered, a hash set against repeats, a clone, and its own health look-up.
//!
//! The update of an estimate after each answer is measured as well.
//!
//! With two threads the figure is the time of one selection as each thread sees it, both running.

#![allow(missing_docs, reason = "the macros of the harness make public items")]
#![expect(clippy::expect_used, reason = "a bench may stop at the first surprise")]

use std::{
    collections::BTreeSet,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lb::{
    backend::{Latency, Roster},
    balance::{Balancer, Discovered, PingoraSelector, SelectorConfig, Succession, discovered},
    clock,
    config::{Algorithm, PoolName, Weight},
    retry::Quantile,
};
use pingora_load_balancing::selection::{BackendIter, BackendSelection};

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("round_robin", Algorithm::RoundRobin),
    ("least_conn", Algorithm::LeastConn),
    ("ewma", Algorithm::Ewma),
];
const SIZES: [u16; 3] = [3, 100, 10_000];
const THREADS: [usize; 2] = [1, 2];

/// The weights of a pool.
#[derive(Clone, Copy)]
enum Weights {
    /// Equal weights, as in most pools.
    Equal,
    /// A few sizes of machine: weights from 1 to 5 in turn.
    Mixed,
    /// As many different weights as the configuration allows: the worst case.
    Distinct,
}

impl Weights {
    fn of(self, index: u16) -> u16 {
        match self {
            Self::Equal => 1,
            Self::Mixed => index % 5 + 1,
            Self::Distinct => index % 1000 + 1,
        }
    }
}

fn backends(size: u16, weights: Weights) -> BTreeSet<Discovered> {
    (0..size)
        .map(|index| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, index + 1));
            let weight = Weight::new(weights.of(index)).expect("a weight that is allowed");
            discovered(&address.into(), weight, false).expect("an address of TCP")
        })
        .collect()
}

fn config(algorithm: Algorithm) -> SelectorConfig {
    let roster = Arc::new(Roster::new(PoolName::new("bench"), Arc::default(), clock::now()));
    SelectorConfig { algorithm, roster, slow_start: Duration::ZERO, seed: 7 }
}

fn selector_over(backends: &BTreeSet<Discovered>, algorithm: Algorithm) -> Arc<PingoraSelector> {
    let succession = Succession::new(config(algorithm));
    Arc::new(PingoraSelector::build_with_config(backends, &succession))
}

/// Runs `work` on this number of threads at once; returns the time that the slowest needed for its
/// rounds.
fn on_threads(threads: usize, rounds: u64, work: impl Fn() + Sync) -> Duration {
    let barrier = Barrier::new(threads);
    let run = || {
        barrier.wait();
        let start = clock::now();
        (0..rounds).for_each(|_| work());
        start.elapsed()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        others.into_iter().map(|other| other.join().expect("no panic")).fold(own, Duration::max)
    })
}

fn selector(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("selector");
    for (name, algorithm) in ALGORITHMS {
        for size in SIZES {
            let selector = selector_over(&backends(size, Weights::Equal), algorithm);
            for threads in THREADS {
                group.bench_function(id(name, size, threads), |bencher| {
                    bencher.iter_custom(|rounds| {
                        on_threads(threads, rounds, || {
                            black_box(selector.iter(b"").next());
                        })
                    });
                });
            }
        }
    }
}

fn selector_by_weights(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("selector_by_weights");
    let layouts = [("mixed", Weights::Mixed), ("distinct", Weights::Distinct)];
    for (name, algorithm) in ALGORITHMS {
        for (layout, weights) in layouts {
            let selector = selector_over(&backends(10_000, weights), algorithm);
            group.bench_function(BenchmarkId::new(name, layout), |bencher| {
                bencher.iter(|| black_box(selector.iter(b"").next().is_some()));
            });
        }
    }
}

fn select_with(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("select_with");
    for (name, algorithm) in ALGORITHMS {
        for size in SIZES {
            let balancer = Balancer::new(config(algorithm));
            let update = balancer.update(backends(size, Weights::Equal));
            runtime.block_on(update).expect("a fixed list");
            for threads in THREADS {
                group.bench_function(id(name, size, threads), |bencher| {
                    bencher.iter_custom(|rounds| {
                        on_threads(threads, rounds, || {
                            black_box(balancer.select(None, |_| Some(())));
                        })
                    });
                });
            }
        }
    }
}

fn learn(criterion: &mut Criterion) {
    let start = clock::now();
    let (latency, quantile) = (Latency::new(start), Quantile::default());
    let samples: Vec<Duration> =
        (0..1024_u64).map(|index| Duration::from_micros(1_000 + index * 7_919 % 1_024)).collect();
    let mut group = criterion.benchmark_group("learn");
    for threads in THREADS {
        let mut measure = |name, observe: &(dyn Fn(Duration) + Sync)| {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_custom(|rounds| {
                    let next = AtomicUsize::new(0);
                    on_threads(threads, rounds, || {
                        observe(samples[next.fetch_add(1, Ordering::Relaxed) % samples.len()]);
                    })
                });
            });
        };
        measure("nothing", &|sample| {
            black_box(sample);
        });
        measure("latency", &|sample| latency.observe(sample, clock::now()));
        measure("quantile", &|sample| quantile.observe(sample));
    }
}

fn id(algorithm: &str, size: u16, threads: usize) -> BenchmarkId {
    BenchmarkId::new(algorithm, format!("{size}_backends_{threads}_threads"))
}

/// Settings that take about a minute for the whole file.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = benches;
    config = short();
    targets = selector, selector_by_weights, select_with, learn
}
criterion_main!(benches);
