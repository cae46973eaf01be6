//! The views of a process, from counts and events alone: status, explanation and metrics agree.

mod metrics;
mod names;
mod traffic;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;

use super::{Identity, Sources, explain, explain::SampleRequest, last_minute::LastMinute, status};
use crate::admin::{metrics::Scrape, view};
use crate::backend::{Address, AttemptFailure, EjectionCause, Event, OperatorAction, Policy};
use crate::clock;
use crate::config::{self, Config, Flags, PoolName};
use crate::discovery::{self, ResolvedBackends};
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::pool::{OrderError, PickRequest, Pool};
use crate::readiness::Readiness;

const SECOND: Duration = Duration::from_secs(1);

const TWO_POOLS: &str = "
listeners: [ { address: 127.0.0.1:0 } ]
routes: [ { host: '*.example.com', path: /api, pool: api }, { pool: web } ]
pools:
  web:
    algorithm: ALGORITHM
    slow_start: off
    health_check: off
    backends:
      - { address: 127.0.0.1:1 }
      - { address: 127.0.0.1:2, weight: 3 }
      - { address: 127.0.0.1:3, backup: true }
  api:
    health_check: off
    backends: [ { address: 127.0.0.1:4, drain: true } ]
";

pub(super) struct Process {
    pub(super) config: Config,
    pub(super) resolved: ResolvedBackends,
    pub(super) current: Arc<Current>,
    readiness: Arc<Readiness>,
    last_minute: LastMinute,
}

impl Process {
    pub(super) async fn new(algorithm: &str) -> Self {
        Self::with(&TWO_POOLS.replace("ALGORITHM", algorithm)).await
    }

    async fn with(text: &str) -> Self {
        let config = config::parse("lb.yaml", text, &Flags::default()).unwrap().config;
        let resolved = discovery::resolve(&config).unwrap();
        let current = Current::new(&config, &resolved, None, clock::now()).await.unwrap();
        let current = Arc::new(current);
        let readiness = Arc::new(Readiness::new(Arc::clone(&current)));
        Self { config, resolved, current, readiness, last_minute: LastMinute::default() }
    }

    pub(super) fn status(&self) -> view::Status {
        let in_flight = InFlight::default();
        let Self { current, readiness, last_minute, .. } = self;
        let file = Some("/etc/lb/lb.yaml".into());
        let identity = &Identity { host: "edge-1".to_owned(), file };
        let sources = Sources { identity, current, readiness, in_flight: &in_flight, last_minute };
        status(sources, clock::now())
    }

    pub(super) fn metrics(&self) -> String {
        self.metrics_in_pieces(1 << 20).concat()
    }

    fn metrics_in_pieces(&self, size: usize) -> Vec<String> {
        let Self { current, readiness, .. } = self;
        let (current, readiness) = (Arc::clone(current), Arc::clone(readiness));
        let mut scrape = Scrape::new(current, readiness, InFlight::default(), clock::now());
        let text = |piece: bytes::Bytes| String::from_utf8(piece.to_vec()).unwrap();
        std::iter::from_fn(|| scrape.next_piece(size).map(text)).collect()
    }

    fn pool(&self, name: &str) -> Arc<Pool> {
        Arc::clone(self.current.pin().pool(&PoolName::new(name)).unwrap())
    }

    pub(super) fn backend(&self, port: u16) -> view::Backend {
        let backends = self.status().pools.into_iter().flat_map(|pool| pool.backends);
        backends.into_iter().find(|backend| backend.address == address(port)).unwrap()
    }

    fn apply(&self, port: u16, event: Event) {
        let pool = self.pool("web");
        let now = clock::now();
        let backend =
            pool.backends(now).find(|seen| seen.endpoint.address == address(port)).unwrap();
        let backend = Arc::clone(&backend.backend);
        let rules = Policy {
            rise: 1,
            fall: 1,
            checked: false,
            ejection: Some(config::EjectionRules::default()),
            panic_threshold: None,
        };
        pool.roster().apply(&backend, event, &rules, now);
    }

    pub(super) fn refuse(&self, port: u16) {
        self.apply(
            port,
            Event::AttemptFailed(AttemptFailure::new(EjectionCause::Refused, clock::now())),
        );
    }

    pub(super) fn order(&self, port: u16, order: OperatorAction) {
        self.pool("web").order(&address(port), order, "an operator", clock::now()).unwrap();
    }

    pub(super) fn explain(&self, host: &str, path: &str) -> view::Explanation {
        self.explain_at(host, path, clock::now())
    }

    fn explain_at(&self, host: &str, path: &str, now: Instant) -> view::Explanation {
        let request = SampleRequest {
            method: Method::GET,
            host: Some(host.to_owned()),
            path: path.to_owned(),
            query: None,
            scheme: None,
            port: None,
            client: None,
        };
        explain(&self.current, &request, now)
    }
}

pub(super) fn address(port: u16) -> Address {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

/// The value of a series.
pub(super) fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn a_state_comes_with_its_reason_and_its_end() {
    let process = Process::new("round_robin").await;
    let told = |port| {
        let backend = process.backend(port);
        (backend.state, backend.reason.unwrap_or_default(), backend.until.unwrap_or_default())
    };
    assert_eq!(told(1), (String::from("eligible"), String::new(), String::new()));
    assert_eq!(told(4).1, "the configuration says drain");

    process.refuse(1);
    let (state, reason, until) = told(1);
    assert_eq!((&*state, &*reason), ("ejected", "it refused a connection"));
    assert!(until.ends_with('Z'), "{until}");
    let left = process.backend(1).for_ms.unwrap();
    assert!((1..=1000).contains(&left), "{left}");

    process.apply(2, Event::CheckFailed { refused: false });
    assert_eq!(told(2).0, "unhealthy");
    assert_eq!(told(2).2, "checks_pass");
}

#[tokio::test]
async fn an_operators_settings_are_shown_and_survive_a_reload_and_an_upgrade() {
    let process = Process::new("round_robin").await;
    process.order(1, OperatorAction::Drain);
    process.order(2, OperatorAction::Weight(Some(7)));
    process.order(3, OperatorAction::Eject(60 * SECOND));
    let is_so = |process: &Process| {
        let [one, two, three] = [1, 2, 3].map(|port| process.backend(port));
        assert_eq!((&*one.state, &*one.set_by_operator), ("draining", &["drained".to_owned()][..]));
        assert_eq!((two.weight, &*two.set_by_operator), (7, &["weight 7".to_owned()][..]));
        assert_eq!(
            (&*three.state, &*three.set_by_operator),
            ("ejected", &["ejected".to_owned()][..])
        );
        assert!(three.for_ms.unwrap() > 50_000);
    };
    is_so(&process);
    let Process { config, resolved, current, .. } = &process;
    let mut config = config.clone();
    config.pools[0].retry.budget_min += 1;
    current.publish(&config, resolved, None, clock::now()).await.unwrap();
    is_so(&process);

    let next = Process::new("round_robin").await;
    next.current.recall(&process.current.remember(clock::now()), clock::now());
    is_so(&next);

    next.order(1, OperatorAction::Undrain);
    next.order(2, OperatorAction::Weight(None));
    next.order(3, OperatorAction::Readmit);
    for (port, weight) in [(1, 1), (2, 3), (3, 1)] {
        let backend = next.backend(port);
        let told = (&*backend.state, backend.weight, backend.set_by_operator.len());
        assert_eq!(told, ("eligible", weight, 0));
    }
}

#[tokio::test]
async fn an_order_not_to_drain_ends_with_the_configured_drain() {
    let process = Process::new("round_robin").await;
    let api = process.pool("api");
    api.order(&address(4), OperatorAction::Undrain, "a", clock::now()).unwrap();
    let Process { config, resolved, current, .. } = &process;
    for (drain, state) in [(true, "eligible"), (false, "eligible"), (true, "draining")] {
        let mut resolved = resolved.clone();
        let endpoints = resolved.get_mut(&PoolName::new("api")).unwrap();
        endpoints[0].drain = drain;
        current.publish(config, &resolved, None, clock::now()).await.unwrap();
        assert_eq!(process.backend(4).state, state, "drain: {drain}");
    }
}

#[tokio::test]
async fn an_operators_ejection_is_not_shortened_by_the_backend() {
    let process = Process::new("round_robin").await;
    process.order(1, OperatorAction::Eject(600 * SECOND));
    process.refuse(1);
    process.apply(1, Event::CheckPassed);
    let backend = process.backend(1);
    assert_eq!(backend.reason.as_deref(), Some("an operator ejected it"));
    assert!(backend.for_ms.unwrap() > 500_000);
}

#[tokio::test]
async fn a_failed_probe_after_an_operators_ejection_shows_its_own_reason() {
    let process = Process::new("round_robin").await;
    process.order(1, OperatorAction::Eject(Duration::ZERO));
    let pool = process.pool("web");
    let request = PickRequest::new(&[][..], true);
    let lease = pool.pick(&request, clock::now() + SECOND).unwrap();
    assert!(lease.is_probe());
    let failed = AttemptFailure::new(EjectionCause::Status(503), clock::now());
    process.apply(1, Event::AttemptFailed(AttemptFailure { probe: true, ..failed }));
    drop(lease);
    assert_eq!(process.backend(1).reason.as_deref(), Some("it answered 503"));
}

#[tokio::test]
async fn orders_are_taken_while_they_stay_and_at_no_other_time() {
    let Process { readiness, .. } = Process::new("round_robin").await;
    assert!(!readiness.takes_orders(), "it is starting");
    readiness.serve();
    assert!(readiness.takes_orders());
    readiness.set_handing_over(true);
    assert!(!readiness.takes_orders());
    readiness.set_handing_over(false);
    assert!(readiness.takes_orders());
}

#[tokio::test]
async fn an_order_without_a_visible_effect_is_reported_too() {
    let process = Process::new("round_robin").await;
    let journal = process.current.registry().journal();
    let before = journal.last();
    process.pool("api").order(&address(4), OperatorAction::Drain, "a", clock::now()).unwrap();
    assert_eq!(journal.last(), before + 1);
    assert_eq!(process.backend(4).set_by_operator, ["drained"]);
}

#[tokio::test]
async fn the_last_backend_is_not_ejected_and_an_unejected_one_is_not_readmitted() {
    let process = Process::new("round_robin").await;
    let order = |port, order| process.pool("web").order(&address(port), order, "a", clock::now());
    assert_eq!(order(1, OperatorAction::Readmit), Err(OrderError::NotEjected));
    assert_eq!(order(9, OperatorAction::Drain), Err(OrderError::UnknownBackend));
    process.order(1, OperatorAction::Drain);
    process.order(2, OperatorAction::Drain);
    assert_eq!(order(3, OperatorAction::Eject(SECOND)), Err(OrderError::LastBackend));
    assert_eq!(process.backend(3).state, "eligible");
    assert_eq!(order(3, OperatorAction::Drain), Ok(()));
    assert_eq!(order(3, OperatorAction::Drain), Ok(()));
}

#[tokio::test]
async fn an_operators_order_outweighs_the_configuration() {
    let process = Process::new("round_robin").await;
    let api = process.pool("api");
    let undrain = || api.order(&address(4), OperatorAction::Undrain, "an operator", clock::now());
    undrain().unwrap();
    assert_eq!(process.backend(4).state, "eligible");
    let Process { config, resolved, current, .. } = &process;
    current.publish(config, resolved, None, clock::now()).await.unwrap();
    assert_eq!(process.backend(4).state, "eligible");
    let events = process.current.registry().journal().after(0);
    let told: Vec<_> = events.iter().map(|(_, entry)| (entry.event, entry.by.clone())).collect();
    // The drain by the configuration and the lost pool come first.
    assert!(told.contains(&("undrained", Some("an operator".to_owned()))), "{told:?}");
}

#[tokio::test]
async fn an_explanation_names_the_backend_of_the_next_request_and_changes_nothing() {
    for algorithm in ["round_robin", "least_conn", "ewma"] {
        let process = Process::new(algorithm).await;
        let pool = process.pool("web");
        for _ in 0..20 {
            let told = process.explain("a", "/");
            assert_eq!(process.explain("a", "/").chosen, told.chosen, "{algorithm}");
            let request = PickRequest::new(&[][..], true);
            let lease = pool.pick(&request, clock::now()).unwrap();
            assert_eq!(Some(lease.backend().id().address.clone()), told.chosen, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn an_explanation_names_a_probe_only_if_the_request_could_be_repeated() {
    for (retry, is_probe) in [
        ("{ attempts: 3 }", true),
        ("{ attempts: 1 }", false),
        ("{ on: [] }", false),
        ("{ on: [reset, timeout] }", false),
    ] {
        let text = TWO_POOLS.replace("ALGORITHM", "round_robin");
        let process =
            Process::with(&text.replace("slow_start", &format!("retry: {retry}\n    slow_start")))
                .await;
        for _ in 0..5 {
            let failed = AttemptFailure::new(EjectionCause::Timeout, clock::now());
            process.apply(1, Event::AttemptFailed(failed));
        }
        // The term is over, and only a request that can be repeated may be the probe yet.
        let later = clock::now() + 40 * SECOND;
        let told = process.explain_at("a", "/", later);
        assert_eq!(told.chosen, Some(address(if is_probe { 1 } else { 2 })), "{retry}");
        assert_eq!(told.summary.contains("probe"), is_probe, "{retry}: {}", told.summary);
    }
}

#[tokio::test]
async fn an_explanation_has_the_route_the_candidates_and_the_reasons() {
    let process = Process::new("least_conn").await;
    let told = process.explain("x.example.com", "/api/v1");
    let route = told.route.unwrap();
    assert_eq!(
        (route.host.as_deref(), &*route.path, route.index),
        (Some("*.example.com"), "/api", 0)
    );
    assert_eq!((told.pool.as_deref(), told.chosen), (Some("api"), None));
    assert!(told.summary.contains("503") && told.summary.contains("1 of 1"), "{}", told.summary);
    assert_eq!(told.candidates[0].reason.as_deref(), Some("the configuration says drain"));

    process.refuse(1);
    let told = process.explain("a", "/");
    let scores: Vec<_> = told.candidates.iter().map(|one| (one.score, &*one.state)).collect();
    let expected = [(None, "ejected"), (Some(0.0), "eligible"), (Some(0.0), "eligible")];
    assert_eq!((scores, told.chosen), (expected.to_vec(), Some(address(2))));
    assert!(told.candidates[2].backup);
    assert!(told.summary.contains("127.0.0.1:2"), "{}", told.summary);
}
