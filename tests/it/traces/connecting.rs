//! The way to a collector: over TLS, and as the environment says.

use std::fs;

use nix::sys::signal::Signal;

use super::{PROTOCOLS, pool_of};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    certificates::Authority,
    client::get,
    collector::Collector,
    lb::Lb,
    process::{LbProcess, new_folder},
};

const LISTENER: &str = "listeners: [ { address: 127.0.0.1:0 } ]\n";

#[test]
fn a_collector_with_tls_is_trusted_by_its_authority() {
    let folder = new_folder();
    let authority = Authority::new("of the collector");
    authority.issue(&["127.0.0.1"]).write(folder.path(), "collector");
    // As in a bundle, it is not the first.
    let bundle = Authority::new("another").pem() + &authority.pem();
    fs::write(folder.path().join("ca.pem"), bundle).unwrap();
    let name = folder.path().join("collector");
    let collector = Collector::with(&["--tls", name.to_str().unwrap()]);
    let a = ScriptedBackend::named("a");
    for protocol in PROTOCOLS {
        let more = format!("ca: {}", folder.path().join("ca.pem").display());
        let keys = collector.keys(protocol, &more).replace("http://", "https://");
        let lb = Lb::start(&(keys + &pool_of(&[&a])));
        assert_eq!(get(lb.address(), &format!("/{protocol}")).status, 200);
        collector.wait_for_path(&format!("/{protocol}"));
    }
}

#[test]
fn a_collector_of_another_authority_gets_nothing() {
    let folder = new_folder();
    Authority::new("of the collector").issue(&["127.0.0.1"]).write(folder.path(), "collector");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, Authority::new("another").pem()).unwrap();
    let name = folder.path().join("collector");
    let collector = Collector::with(&["--tls", name.to_str().unwrap()]);
    let a = ScriptedBackend::named("a");
    for protocol in PROTOCOLS {
        let keys = collector.keys(protocol, &format!("ca: {}", ca.display()));
        let yaml = keys.replace("http://", "https://") + LISTENER + &pool_of(&[&a]);
        let mut lb = LbProcess::with_config(&yaml, &[]);
        assert_eq!(get(lb.address(), "/").status, 200);
        let line = lb.wait_for_log("spans dropped");
        assert!(line.contains("certificate") || line.contains("UnknownIssuer"), "{line}");
    }
    assert!(collector.spans().is_empty());
}

#[test]
fn the_environment_says_where_the_collector_is_and_what_the_process_is_called() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let endpoint = format!("http://127.0.0.1:{}", collector.http);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_SERVICE_NAME", "edge"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=lb-1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=env,x-key=env"),
    ];
    let yaml = format!("tracing: {{ headers: {{ x-key: file }} }}\n{LISTENER}{}", pool_of(&[&a]));
    let mut lb = LbProcess::with_environment(&yaml, &variables);
    assert_eq!(get(lb.address(), "/").status, 200);
    let (request, _) = collector.wait_for_path("/");
    let (resource, headers) = (&request.0["resource"], &request.0["headers"]);
    assert_eq!(
        (&resource["service.name"], &resource["k8s.pod.name"]),
        (&"edge".into(), &"lb-1".into())
    );
    assert_eq!((&headers["x-tenant"], &headers["x-key"]), (&"env".into(), &"file".into()));
    lb.signal(Signal::SIGTERM);
    assert!(lb.wait_for_exit(PATIENCE).success());
}
