//! What spans say, of real requests.

use serde_json::{Value, json};

use super::{PROTOCOLS, attempts, pool_of, traced};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, ask, get, try_get},
    collector::{Collector, Span},
    eventually::eventually,
    http2_client, http3_client,
    lb::{Lb, QuicLb, TlsLb, entry},
    reply::{Gate, Reply},
    request::Request,
    tls_client,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// A request for `/cart?card=4111` over a balancer with this collector: the line in the access log, and the
/// request that the backend got.
fn put_into_the_cart(
    collector: &Collector,
    protocol: &str,
    a: &ScriptedBackend,
) -> (Value, Request) {
    let more = "service_name: shop, attributes: { deployment.environment.name: test }, \
                headers: { X-Api-Key: s3cret }";
    let lb = Lb::start(&(collector.keys(protocol, more) + &pool_of(&[a])));
    let mut connection = Connection::open(lb.address()).unwrap();
    let headers = [("Host", "shop.example:8080"), ("User-Agent", "test/1")];
    let answer = connection.request("GET", "/cart?card=4111", &headers, b"").unwrap();
    assert_eq!(answer.status, 200);
    (lb.log_lines(1).remove(0), a.requests().remove(0))
}

#[track_caller]
fn assert_attributes(span: &Span, expected: &[(&str, Value)]) {
    for (name, value) in expected {
        assert_eq!(span[*name], *value, "{name} of {span:#?}");
    }
}

#[test]
fn a_request_is_a_span_over_both_protocols_and_its_query_is_not_told() {
    for protocol in PROTOCOLS {
        let (collector, a) = (Collector::start(), ScriptedBackend::replying(Reply::ok("hello")));
        let (line, _) = put_into_the_cart(&collector, protocol, &a);
        let (request, spans) = collector.wait_for_path("/cart");
        assert_eq!(spans.len(), 2, "{spans:#?}");
        assert_eq!((request.name(), request.parent()), ("GET /", ""));
        assert_eq!(line["trace_id"], request.trace());
        let expected = [
            ("http.request.method", json!("GET")),
            ("http.route", json!("/")),
            ("http.response.status_code", json!(200)),
            ("http.response.body.size", json!(5)),
            ("url.scheme", json!("http")),
            ("server.address", json!("shop.example")),
            ("server.port", json!(8080)),
            ("client.address", json!("127.0.0.1")),
            ("network.peer.address", json!("127.0.0.1")),
            ("network.protocol.version", json!("1.1")),
            ("user_agent.original", json!("test/1")),
            ("lb.pool", json!("web")),
            ("lb.attempts", json!(1)),
            ("lb.request_id", line["request_id"].clone()),
            ("url.query", Value::Null),
            ("error.type", Value::Null),
            ("lb.error", Value::Null),
        ];
        assert_attributes(&request, &expected);
        let resource = &request.0["resource"];
        assert_eq!(resource["service.name"], "shop");
        assert_eq!(resource["deployment.environment.name"], "test");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(request.0["headers"]["x-api-key"], "s3cret");
        assert_eq!(request.0["scope"], "lb");
        assert!(!request.is_error());
        assert!(!spans.iter().any(|span| span.0.to_string().contains("4111")), "{spans:#?}");
    }
}

#[test]
fn an_attempt_is_a_span_below_and_the_parent_of_what_the_backend_does() {
    for protocol in PROTOCOLS {
        let (collector, a) = (Collector::start(), ScriptedBackend::replying(Reply::ok("hello")));
        let (_, sent) = put_into_the_cart(&collector, protocol, &a);
        let (request, spans) = collector.wait_for_path("/cart");
        let attempt = attempts(&spans, &request).remove(0);
        assert_eq!((attempt.name(), attempt.trace()), ("GET", request.trace()));
        let backend = a.address();
        let expected = [
            ("url.full", json!(format!("http://{backend}/cart"))),
            ("server.address", json!("127.0.0.1")),
            ("server.port", json!(backend.port())),
            ("network.peer.port", json!(backend.port())),
            ("http.response.status_code", json!(200)),
            ("lb.backend", json!(backend.to_string())),
            ("lb.outcome", json!("ok")),
            ("lb.connection.reused", json!(false)),
            ("http.request.resend_count", Value::Null),
            ("lb.retried", Value::Null),
        ];
        assert_attributes(&attempt, &expected);
        assert!(!attempt.is_error());
        let parent = format!("00-{}-{}-01", attempt.trace(), attempt.id());
        assert_eq!(sent.header_lines("traceparent"), [parent]);
        let events = attempt.0["events"].as_array().unwrap();
        let names: Vec<_> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["connected", "request sent", "answer began"]);
        let mut times = vec![request.start(), attempt.start()];
        times.extend(events.iter().map(|event| event["time"].as_u64().unwrap()));
        times.extend([attempt.end(), request.end()]);
        assert!(times.is_sorted(), "{times:?}");
    }
}

#[test]
fn each_protocol_of_clients_is_told() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let yaml = collector.keys("http/protobuf", "") + &pool_of(&[&a]);
    let told = |path: &str| {
        let (span, _) = collector.wait_for_path(path);
        (span["network.protocol.version"].clone(), span["url.scheme"].clone())
    };
    let plain = Lb::start(&yaml);
    assert_eq!(http2_client::get(plain.address(), "/2").status, 200);
    assert_eq!(told("/2"), (json!("2"), json!("http")));
    let tls = TlsLb::start(&yaml);
    assert_eq!(tls_client::get(tls.address(), "/tls").status, 200);
    assert_eq!(told("/tls"), (json!("1.1"), json!("https")));
    let quic = QuicLb::start(&yaml);
    assert_eq!(http3_client::get(quic.address(), "/3").status, 200);
    assert_eq!(told("/3"), (json!("3"), json!("https")));
}

#[test]
fn a_retried_request_has_a_span_for_each_attempt_and_each_backend_its_own_parent() {
    let collector = Collector::start();
    let (a, b) = (ScriptedBackend::replying(Reply::close()), ScriptedBackend::named("b"));
    let lb = traced(&collector, &[&a, &b], "");
    // One of the two begins on each backend.
    for path in ["/1", "/2"] {
        assert_eq!(get(lb.address(), path).text(), "b");
    }
    let tried: Vec<_> = ["/1", "/2"]
        .into_iter()
        .map(|path| {
            let (request, _) = collector.wait_for_path(path);
            let all = request["lb.attempts"].as_u64().unwrap();
            eventually(PATIENCE, "spans of attempts", || {
                attempts(&collector.spans(), &request).len() as u64 == all
            });
            (request.clone(), attempts(&collector.spans(), &request))
        })
        .filter(|(_, attempts)| attempts.len() == 2)
        .collect();
    let (request, attempts) = &tried[0];
    assert!(!request.is_error(), "the client noticed nothing");
    let [first, second] = &attempts[..] else { unreachable!() };
    assert!(first.is_error() && !second.is_error());
    for (name, values) in [
        ("lb.backend", [json!(a.address().to_string()), json!(b.address().to_string())]),
        ("lb.outcome", [json!("reset"), json!("ok")]),
        ("error.type", [json!("reset"), Value::Null]),
        ("lb.retried", [json!("reset"), Value::Null]),
        ("http.request.resend_count", [Value::Null, json!(1)]),
        ("http.response.status_code", [Value::Null, json!(200)]),
    ] {
        assert_eq!([&first[name], &second[name]], [&values[0], &values[1]], "{name}");
    }
    assert!(first.end() <= second.start());
    let parents = |backend: &ScriptedBackend| {
        backend
            .of_each(|request| Some(request.header("traceparent")?.split('-').nth(2)?.to_owned()))
    };
    assert!(parents(&a).contains(&first.id().to_owned()));
    assert!(parents(&b).contains(&second.id().to_owned()));
}

#[test]
fn an_ejected_backend_and_a_pool_without_one_are_seen() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let dead = ScriptedBackend::named("dead");
    dead.stop();
    let lb = traced(&collector, &[&dead, &a], "");
    for request in 0..4 {
        assert_eq!(get(lb.address(), &format!("/{request}")).text(), "a");
    }
    eventually(PATIENCE, "all spans", || {
        collector.spans().iter().filter(|span| span.is_server()).count() == 4
    });
    let spans = collector.wait_for(9);
    let refused: Vec<_> = spans.iter().filter(|span| span["lb.outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1, "then it is ejected: {spans:#?}");
    assert_eq!(refused[0]["error.type"], "refused");
    assert_eq!(refused[0]["lb.backend"], dead.address().to_string());

    let b = ScriptedBackend::named("b");
    let pool = format!(
        "routes: [ {{ pool: web }} ]\npools: {{ web: {{ health_check: off, backends: [{}] }} }}\n",
        entry(&b, "drain: true")
    );
    let lb = Lb::start(&(collector.keys("grpc", "") + &pool));
    assert_eq!(get(lb.address(), "/none").status, 503);
    let (request, spans) = collector.wait_for_path("/none");
    assert_eq!(request["lb.no_backend"], "draining=1");
    assert_eq!(request["error.type"], "503");
    assert_eq!(request["lb.error"], "no backend can take this request now");
    assert!(request.is_error() && attempts(&spans, &request).is_empty());
}

#[test]
fn errors_are_those_of_the_conventions() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let lb = Lb::start(
        &(collector.keys("http/protobuf", "")
            + &pool_of(&[&a]).replace("pool: web", "path: /app, pool: web")),
    );
    a.reply_to("/app/404", Reply::status(404));
    a.reply_to("/app/500", Reply::status(500));
    a.reply_to("/app/cut", Reply::ok("0123456789").closed_after(4));
    for path in ["/app/404", "/app/500", "/none"] {
        get(lb.address(), path);
    }
    let _ = try_get(lb.address(), "/app/cut");
    let told = |path: &str| {
        let (request, _) = collector.wait_for_path(path);
        (request.is_error(), request["error.type"].clone())
    };
    assert_eq!(told("/app/404"), (false, Value::Null));
    assert_eq!(told("/app/500"), (true, json!("500")));
    assert_eq!(told("/app/cut"), (true, json!("cut_off")));
    assert_eq!(told("/none"), (false, Value::Null));
    let (none, _) = collector.wait_for_path("/none");
    assert_eq!((none.name(), &none["http.route"]), ("GET", &Value::Null));
    let (found, spans) = collector.wait_for_path("/app/404");
    assert_eq!(found.name(), "GET /app");
    let attempt = attempts(&spans, &found).remove(0);
    assert!(attempt.is_error() && attempt["error.type"] == "404", "{attempt:#?}");
    // The client leaves.
    let gate = Gate::closed();
    a.reply_to("/app/left", Reply::behind(&gate, "late"));
    let client = ask(lb.address(), "/app/left");
    a.wait_for_heads(4);
    drop(client);
    let (left, spans) = collector.wait_for_path("/app/left");
    assert!(!left.is_error() && left["http.response.status_code"] == 499, "{left:#?}");
    assert_eq!(left["lb.error"], "the client closed the connection");
    let attempt = attempts(&spans, &left).remove(0);
    assert_eq!((attempt.is_error(), &attempt["lb.outcome"]), (false, &json!("abandoned")));
    gate.open();
}

/// The `traceparent` that a backend gets, without its version: the trace, the parent and the flags, if a
/// client sends one with these flags.
fn sent(settings: &str, flags: Option<&str>) -> Option<[String; 3]> {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let (top, tracing) = settings.split_once(';').unwrap_or(("", settings));
    let tracing = collector.keys("http/protobuf", tracing);
    let lb = Lb::start(&format!("{top}\n{tracing}{}", pool_of(&[&a])));
    let mut connection = Connection::open(lb.address()).unwrap();
    let value = flags.map(traceparent);
    let mut headers = vec![("tracestate", "a=1")];
    headers.extend(value.as_deref().map(|value| ("traceparent", value)));
    assert_eq!(connection.request("GET", "/", &headers, b"").unwrap().status, 200);
    let received = a.requests().remove(0);
    // It belongs to the caller's trace.
    let keeps_state = flags.is_some() || received.header("traceparent").is_none();
    assert_eq!(received.header("tracestate"), keeps_state.then_some("a=1"), "{settings}");
    let parts: Vec<_> = received.header("traceparent")?.split('-').map(str::to_owned).collect();
    if parts[3] == "01" {
        let (request, spans) = collector.wait_for_path("/");
        assert_eq!((request.trace(), attempts(&spans, &request)[0].id()), (&*parts[1], &*parts[2]));
        assert_eq!(request.parent(), flags.map_or("", |_| CALLER));
    }
    parts[1..].to_vec().try_into().ok()
}

#[test]
fn a_caller_decides_where_it_is_followed_and_else_the_share() {
    let trusted = "trusted_proxies: [127.0.0.1];parent: trusted, sample: 0%";
    for (settings, flags, expected) in [
        ("", None, Some("01")),
        ("", Some("00"), Some("00")),
        ("", Some("01"), Some("01")),
        ("sample: 0%", None, Some("00")),
        ("sample: 0%", Some("01"), Some("01")),
        ("parent: none, sample: 0%", Some("01"), Some("00")),
        ("parent: none", Some("00"), Some("01")),
        ("parent: trusted, sample: 0%", Some("01"), Some("00")),
        (trusted, Some("01"), Some("01")),
        ("traceparent: pass;sample: 0%", None, None),
        ("traceparent: pass;sample: 100%", None, Some("01")),
    ] {
        let sent = sent(settings, flags);
        let case = format!("{settings:?} {flags:?}");
        assert_eq!(sent.as_ref().map(|sent| &*sent[2]), expected, "{case}");
        let Some([trace, parent, _]) = sent else { continue };
        assert_eq!(trace == TRACE, flags.is_some(), "{case}");
        // Only a caller that says the same of itself stays the parent.
        assert_eq!(parent == CALLER, flags == Some("00") && expected == Some("00"), "{case}");
    }
}

#[test]
fn what_is_not_recorded_has_no_span_and_the_query_is_told_only_if_that_is_wanted() {
    let (collector, a) = (Collector::start(), ScriptedBackend::named("a"));
    let lb = traced(&collector, &[&a], "sample: 0%, query: true");
    assert_eq!(get(lb.address(), "/unrecorded").status, 200);
    let mut connection = Connection::open(lb.address()).unwrap();
    let value = traceparent("01");
    let headers = [("traceparent", &*value)];
    assert_eq!(connection.request("POST", "/recorded?a=b", &headers, b"xyz").unwrap().status, 200);
    let (request, spans) = collector.wait_for_path("/recorded");
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_eq!((&request["url.query"], request.name()), (&json!("a=b"), "POST /"));
    assert_eq!(request["http.request.body.size"], 3);
    let url = format!("http://{}/recorded?a=b", a.address());
    assert_eq!(attempts(&spans, &request)[0]["url.full"], url);
}
