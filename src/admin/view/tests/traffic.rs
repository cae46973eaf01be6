//! What a person looks for in a status: since when, what broke, and what would be lost.

use std::time::Duration;

use super::{Process, SECOND, address, value};
use crate::admin::view;
use crate::backend::OperatorAction;
use crate::clock;
use crate::count::{Protocol, StatusClass};

#[tokio::test]
async fn a_failed_reload_is_told_until_one_succeeds() {
    let process = Process::new("round_robin").await;
    let gauge = |process: &Process| {
        let text = process.metrics();
        let of = |name: &str| value(&text, &format!("lb_config_last_reload_{name}")).unwrap();
        (of("successful"), of("success_timestamp_seconds"))
    };
    let first = process.status();
    assert_eq!(first.failed_reload, None);
    let (successful, loaded) = gauge(&process);
    assert!(successful == 1.0 && loaded > 1.0e9, "{successful} {loaded}");
    process.current.reloaded(Err("lb.yaml:3: wrong\nnot reloaded, still serving as before"));
    process.current.reloaded(Err("lb.yaml:4: wrong\nnot reloaded, still serving as before"));
    let failed = process.status();
    assert_eq!(failed.loaded, first.loaded);
    let failure = failed.failed_reload.unwrap();
    assert_eq!(failure.failures, 2);
    assert_eq!(failure.problems, ["lb.yaml:4: wrong"]);
    assert_eq!(gauge(&process), (0.0, loaded));
    process.current.reloaded(Ok("reloaded"));
    assert_eq!(process.status().failed_reload, None);
    let (successful, later) = gauge(&process);
    assert!(successful == 1.0 && later >= loaded, "{successful} {later}");
}

#[tokio::test]
async fn the_time_in_a_state_is_in_the_status_and_the_explanation() {
    let process = Process::new("round_robin").await;
    process.refuse(1);
    let backend = process.backend(1);
    assert!(backend.since_ms.unwrap() < 60_000, "{backend:?}");
    assert!(backend.since.as_deref().unwrap().ends_with('Z'), "{backend:?}");
    let later = clock::now() + 153 * SECOND;
    let told = process.explain_at("a", "/", later);
    let of = |port| told.candidates.iter().find(|one| one.address == address(port)).unwrap();
    let out = of(1).since_ms.unwrap();
    assert_eq!(of(1).state, "half_open");
    assert!((152_000..153_000).contains(&out), "half-open since a second after: {out}");
    assert!(of(2).since_ms.unwrap() >= 153_000);
}

#[tokio::test]
async fn routes_and_listeners_have_their_own_rates_and_errors() {
    let mut process = Process::new("round_robin").await;
    let start = clock::now();
    let generation = process.current.pin();
    let routes: Vec<_> = generation.targets().map(|(_, target)| target.state()).collect();
    let listener = &process.current.listeners()[0];
    for second in 0..=10 {
        let now = start + Duration::from_secs(second);
        process.last_minute.sample(&process.current, now);
        for count in 0..10 {
            let class = if count == 0 { StatusClass::ServerError } else { StatusClass::Success };
            routes[0].request_ended(class);
            listener.request_ended(Protocol::ALL[0], class, 100, 1000);
        }
        routes[1].request_ended(StatusClass::Success);
    }
    let status = process.status();
    let [api, web] = &status.routes[..] else { panic!("{:?}", status.routes) };
    assert_eq!(
        (api.host.as_deref(), &*api.path, &*api.pool),
        (Some("*.example.com"), "/api", "api")
    );
    assert_eq!((api.requests, api.errors, api.rate, api.error_rate), (110, 11, 10.0, 1.0));
    assert_eq!((web.host.as_deref(), web.index, web.rate, web.error_rate), (None, 1, 1.0, 0.0));
    let one = &status.listeners[0];
    assert_eq!((one.requests, one.errors, one.rate, one.error_rate), (110, 11, 10.0, 1.0));
    assert_eq!((one.request_bytes, one.response_bytes), (11_000, 110_000));
    assert_eq!((one.request_byte_rate, one.response_byte_rate), (1000.0, 10_000.0));
}

#[tokio::test]
async fn bytes_of_a_pool_are_those_of_its_backends() {
    let mut process = Process::new("round_robin").await;
    let start = clock::now();
    for second in 0..=10 {
        process.last_minute.sample(&process.current, start + Duration::from_secs(second));
        for backend in process.pool("web").backends(start) {
            backend.backend.counts().sent.add(10);
            backend.backend.counts().received.add(100);
        }
    }
    let pool = &process.status().pools[0];
    assert_eq!((pool.request_bytes, pool.response_bytes), (330, 3300));
    assert_eq!((pool.request_byte_rate, pool.response_byte_rate), (30.0, 300.0));
    assert_eq!((pool.backends[0].request_bytes, pool.backends[0].response_bytes), (110, 1100));
}

/// Ports 1 and 2 are primaries, 3 is a backup.
#[tokio::test]
async fn the_last_backend_that_serves_is_told_apart() {
    let process = Process::new("round_robin").await;
    let last = || [1, 2, 3].map(|port| process.backend(port).last_serving);
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(last(), [None, None, None]);
    process.order(1, OperatorAction::Drain);
    assert_eq!(last(), [None, word("primary"), None]);
    process.order(3, OperatorAction::Drain);
    assert_eq!(last(), [None, word("backend"), None]);
    process.order(3, OperatorAction::Undrain);
    process.order(2, OperatorAction::Drain);
    assert_eq!(last(), [None, None, word("backend")]);
}

#[tokio::test]
async fn an_event_says_what_happened_as_a_person_would() {
    let process = Process::new("round_robin").await;
    process.order(1, OperatorAction::Eject(60 * SECOND));
    process.order(1, OperatorAction::Readmit);
    process.order(1, OperatorAction::Weight(Some(3)));
    process.order(1, OperatorAction::Drain);
    process.current.reloaded(Err("lb.yaml:3: wrong\nnot reloaded, still serving as before"));
    let entries = process.current.registry().journal().after(0);
    let texts: Vec<_> = entries.iter().map(|(_, entry)| entry.text.as_str()).collect();
    let expected = [
        "ejected",
        "readmitted",
        "weight set to 3",
        "drained: it gets no new requests",
        "reload failed: lb.yaml:3: wrong",
    ];
    assert_eq!(texts[texts.len() - expected.len()..], expected);
}

#[tokio::test]
async fn a_status_says_which_process_it_is_of() {
    let status: view::Status = Process::new("round_robin").await.status();
    assert_eq!((&*status.host, status.file.as_deref()), ("edge-1", Some("/etc/lb/lb.yaml")));
}
