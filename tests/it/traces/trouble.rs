//! A collector that is gone, slow, or refuses, and a process that ends or reloads.

use std::{fs, net::TcpListener, time::Duration};

use nix::sys::signal::Signal;

use super::{PROTOCOLS, pool_of};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{ask, get},
    collector::Collector,
    eventually::{eventually, wait_for},
    metrics::{ADMIN, Asked, Scrape},
    process::LbProcess,
    reply::{Gate, Reply},
};

/// Longer than the spans that wait at the end may hold a process up, with the drain before.
const END: Duration = Duration::from_secs(20);

/// A configuration with these settings of traces, for a process.
fn yaml(tracing: &str, a: &ScriptedBackend) -> String {
    format!(
        "listeners: [ {{ address: 127.0.0.1:0 }} ]\naccess_log: {{ format: text, path: access.log }}\n\
         {ADMIN}\n{tracing}{}",
        pool_of(&[a])
    )
}

fn dropped(scrape: &Scrape, reason: &str) -> usize {
    scrape.sum("lb_trace_spans_dropped_total", &[("reason", reason)])
}

/// A port that no process listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_collector_that_is_gone_costs_spans_and_no_request_and_is_used_when_it_comes_back() {
    for protocol in PROTOCOLS {
        let (a, port) = (ScriptedBackend::named("a"), free_port());
        let tracing =
            format!("tracing: {{ protocol: {protocol}, endpoint: \"http://127.0.0.1:{port}\" }}\n");
        let mut lb = LbProcess::with_config(&yaml(&tracing, &a), &[]);
        let (address, admin) = (lb.address(), Asked::of(&mut lb));
        for _ in 0..3 {
            assert_eq!(get(address, "/lost").status, 200);
        }
        eventually(PATIENCE, "the drops are counted", || {
            dropped(&admin.scrape(), "collector") == 6
        });
        let line = lb.wait_for_log("spans dropped");
        assert!(line.contains("refused") && line.contains(&format!(":{port}")), "{line}");
        assert_eq!(lb.stderr().iter().filter(|line| line.contains("spans")).count(), 1);
        let flag = if protocol == "grpc" { "--grpc" } else { "--http" };
        let collector = Collector::with(&[flag, &port.to_string()]);
        let found = wait_for(END, || {
            assert_eq!(get(address, "/found").status, 200);
            collector.spans().into_iter().find(|span| span["url.path"] == "/found")
        });
        assert!(found.is_some(), "{protocol}: {:?}", lb.stderr());
        eventually(PATIENCE, "the others are counted, too", || {
            admin.scrape().sum("lb_trace_spans_exported_total", &[]) > 0
        });
    }
}

#[test]
fn a_collector_that_refuses_or_does_not_answer_in_time_costs_spans_alone() {
    let a = ScriptedBackend::named("a");
    for (arguments, reasons) in [
        (&["--refuse"][..], ["503", "Unavailable"]),
        (&["--delay", "3600"], ["no answer in time"; 2]),
    ] {
        let collector = Collector::with(arguments);
        for (protocol, reason) in PROTOCOLS.into_iter().zip(reasons) {
            let tracing = collector.keys(protocol, "timeout: 500ms");
            let mut lb = LbProcess::with_config(&yaml(&tracing, &a), &[]);
            let (address, admin) = (lb.address(), Asked::of(&mut lb));
            assert_eq!(get(address, "/").status, 200);
            let line = lb.wait_for_log("spans dropped");
            assert!(line.contains(reason), "{protocol} {arguments:?}: {line}");
            assert_eq!(dropped(&admin.scrape(), "collector"), 2);
        }
    }
}

#[test]
fn the_spans_of_the_last_requests_are_sent_before_the_end() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    for protocol in PROTOCOLS {
        let mut lb = LbProcess::with_config(&yaml(&collector.keys(protocol, ""), &a), &[]);
        assert_eq!(get(lb.address(), &format!("/{protocol}")).status, 200);
        lb.signal(Signal::SIGTERM);
        assert!(lb.wait_for_exit(END).success());
        assert!(!lb.stderr().iter().any(|line| line.contains("dropped")), "{:?}", lb.stderr());
        collector.wait_for_path(&format!("/{protocol}"));
    }
}

#[test]
fn an_upgrade_loses_no_span() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let gate = Gate::closed();
    a.reply_to("/old", Reply::behind(&gate, "old"));
    let mut lb = LbProcess::with_config(&yaml(&collector.keys("grpc", ""), &a), &[]);
    let address = lb.address();
    let mut client = ask(address, "/old");
    a.wait_for_heads(1);
    let mut upgrade = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    assert!(upgrade.wait_for_exit(END).success(), "{:?}", upgrade.stderr());
    assert_eq!(get(address, "/new").status, 200);
    gate.open();
    assert_eq!(client.read_response("GET").unwrap().text(), "old");
    assert!(lb.wait_for_end(END).success());
    let pid = |path: &str| collector.wait_for_path(path).0.0["resource"]["process.pid"].clone();
    assert_eq!(pid("/old"), lb.pid().as_raw());
    assert_ne!(pid("/new"), pid("/old"));
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let (collector, a) = (Collector::with(&["--delay", "3600"]), ScriptedBackend::named("a"));
    for protocol in PROTOCOLS {
        let tracing = collector.keys(protocol, "timeout: 1h");
        let mut lb = LbProcess::with_config(&yaml(&tracing, &a), &[]);
        assert_eq!(get(lb.address(), "/").status, 200);
        lb.signal(Signal::SIGTERM);
        assert!(lb.wait_for_exit(END).success());
        let line = lb.wait_for_log("spans dropped");
        assert!(line.contains("before the end") && line.contains("spans=2"), "{line}");
    }
}

#[test]
fn a_reload_changes_the_collector_and_counts_go_on() {
    let (first, second) = (Collector::start(), Collector::start());
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&first.keys("http/protobuf", ""), &a), &[]);
    let (address, admin) = (lb.address(), Asked::of(&mut lb));
    assert_eq!(get(address, "/before").status, 200);
    let reload = |lb: &mut LbProcess, tracing: &str, count: usize| {
        fs::write(lb.folder().join("lb.yaml"), yaml(tracing, &a)).unwrap();
        lb.signal(Signal::SIGHUP);
        lb.wait_for_logs(" reloaded", count);
    };
    reload(&mut lb, &second.keys("grpc", ""), 1);
    lb.wait_for_log("tracing changed");
    assert_eq!(get(address, "/after").status, 200);
    first.wait_for_path("/before");
    second.wait_for_path("/after");
    eventually(PATIENCE, "both are counted", || {
        admin.scrape().sum("lb_trace_spans_exported_total", &[]) == 4
    });
    reload(&mut lb, "", 2);
    assert_eq!(get(address, "/off").status, 200);
    reload(&mut lb, &second.keys("http/protobuf", ""), 3);
    assert_eq!(get(address, "/on").status, 200);
    second.wait_for_path("/on");
    let paths: Vec<_> = [first.spans(), second.spans()].concat();
    assert!(!paths.iter().any(|span| span["url.path"] == "/off"));
}
