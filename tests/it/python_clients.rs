//! Clients that others have written in Python. Each does the same (`support/clients.py`) on one connection:
//! requests one by one and side by side, bodies of both directions, trailers, and answers without a body.

use std::sync::atomic::{AtomicUsize, Ordering};

use lb::count::Cut;
use serde_json::{Value, json};

use crate::support::{
    backend::ScriptedBackend,
    lb::{Balancer, Front, Lb, OverQuic, OverTls, Plain, TlsLb, addresses},
    python,
    reply::{Gate, Reply},
    tls_client::{self, NAME},
};

/// The lengths and the number in `support/clients.py`.
const UPLOAD: usize = 100_000;
const LARGE: usize = 1 << 20;
const SIDE_BY_SIDE: usize = 10;
/// Those side by side, and six that come one by one.
const REQUESTS: usize = SIDE_BY_SIDE + 6;

/// What a client can take or show.
#[derive(Clone, Copy)]
struct Able {
    /// It shows trailers.
    trailers: bool,
    /// It takes the length of a body that an answer to HEAD does not have (RFC 9114, section 4.1.2).
    length_of_head: bool,
}

const ALL: Able = Able { trailers: true, length_of_head: true };

fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// A backend for what the clients ask. It answers those that come side by side when the last one has come.
fn backend(able: Able) -> ScriptedBackend {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok(pattern(LARGE)));
    let with_trailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                         2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    a.reply_to("/trailers", Reply::raw(with_trailers));
    a.reply_to("/missing", Reply::status(404).body("gone"));
    let head = Reply::ok("a");
    a.reply_to("/head", if able.length_of_head { head } else { head.chunked() });
    let (gate, come) = (Gate::closed(), AtomicUsize::new(0));
    a.reply_with(move |request| {
        if !request.path.starts_with("/side/") {
            return Reply::ok("a");
        }
        if come.fetch_add(1, Ordering::Relaxed) + 1 == SIDE_BY_SIDE {
            gate.open();
        }
        Reply::behind(&gate, "a")
    });
    a
}

/// What a client says that it has seen; it must succeed. It ends by itself if it takes too long.
#[track_caller]
fn run<F: Front>(client: &str, lb: &Balancer<F>) -> Value {
    let module = client.rsplit(' ').next().expect("a name");
    let mut command = python::program("clients.py", &[module]);
    let scheme = if F::IS_TLS { "https" } else { "http" };
    command.args([client, &format!("{scheme}://{NAME}:{}", lb.address().port())]);
    if F::IS_TLS {
        command.arg(tls_client::authority());
    }
    let output = command.output().expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}{}", lb.log_text());
    serde_json::from_slice(&output.stdout).expect("a line of JSON")
}

/// Asserts that a client has seen everything that it is able to, that all of it has come to the backend, and
/// that it was on one connection in this protocol. Returns the backend.
#[track_caller]
fn does_everything<F: Front>(client: &str, able: Able, protocol: &str) -> ScriptedBackend {
    let a = backend(able);
    let lb = Balancer::<F>::over(&[&a], "");
    let seen = run(client, &lb);
    let expected = json!({
        "first": [200, "a"],
        "side by side": vec![json!([200, "a"]); SIDE_BY_SIDE],
        "upload": 200,
        "large": [200, LARGE, true],
        "trailers": [200, "ok", able.trailers.then_some("7")],
        "missing": [404, "gone"],
        "head": [200, "", able.length_of_head.then_some("1")],
    });
    assert_eq!(seen, expected, "{client}");
    let upload = &a.requests_to("/upload")[0];
    assert_eq!((&*upload.method, upload.body == pattern(UPLOAD)), ("POST", true), "{client}");
    assert_eq!(a.requests_to("/head")[0].method, "HEAD", "{client}");
    let lines = lb.log_lines(REQUESTS);
    assert_eq!(lines.len(), REQUESTS, "{lines:?}");
    assert!(lines.iter().all(|line| line["protocol"] == protocol), "{lines:?}");
    assert_eq!(lb.listener().accepted.get(), 1, "{client} stays on its connection");
    assert_eq!(lb.listener().cuts().iter().sum::<u64>(), 0, "{client}");
    a
}

#[test]
fn h2_without_tls() {
    does_everything::<Plain>("h2", ALL, "HTTP/2.0");
}

#[test]
fn h2_over_tls() {
    does_everything::<OverTls>("h2", ALL, "HTTP/2.0");
}

#[test]
fn httpx() {
    does_everything::<OverTls>("httpx", Able { trailers: false, ..ALL }, "HTTP/2.0");
}

#[test]
fn curl_cffi_which_looks_like_a_browser() {
    let a = does_everything::<OverTls>("curl_cffi", ALL, "HTTP/2.0");
    let requests = a.requests();
    let looks = |agent: Option<&str>| agent.is_some_and(|it| it.contains(" Chrome/"));
    assert!(requests.iter().all(|it| looks(it.header("user-agent"))), "{requests:?}");
}

#[test]
fn aioquic() {
    // It compares this length with that of the body whatever the method was, and ends the connection.
    let able = Able { length_of_head: false, ..ALL };
    does_everything::<OverQuic>("aioquic", able, "HTTP/3.0");
}

#[test]
fn aioquic_is_cut_if_it_sends_pings_without_end() {
    let a = backend(ALL);
    a.reply_to("/hang", Reply::hang());
    let lb = Balancer::<OverQuic>::over(&[&a], "");
    let seen = run("pings of aioquic", &lb);
    assert_eq!(seen["closed with"], 0x107, "{seen}");
    assert_eq!(lb.listener().cuts()[Cut::Pings as usize], 1, "{seen}");
    assert_eq!(lb.line_of("/hang")["error"], "lb cut the connection (ping)");
}

#[test]
fn grpcio_is_told_why_backends_of_http1_give_it_no_answer() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/shop.Orders/Page", Reply::ok("<p>").header("Content-Type", "text/html"));
    a.reply_to("/shop.Orders/Missing", Reply::status(404));
    let yaml = format!(
        "routes: [ {{ path: /shop.Away, pool: away }}, {{ pool: web }} ]
pools:
  web: {{ health_check: off, backends: [{}] }}
  away: {{ health_check: off, backends: [ {{ address: 127.0.0.1:1, drain: true }} ] }}
",
        addresses(&[&a])
    );
    told_why(&Lb::start(&yaml));
    told_why(&TlsLb::start(&yaml));
    assert!(a.requests().iter().all(|it| it.method == "POST"));
}

/// Asserts what the client tells its user of calls for backends that do not speak gRPC, and of one for which
/// there is no backend.
#[track_caller]
fn told_why<F: Front>(lb: &Balancer<F>) {
    let seen = run("grpc", lb);
    let told = |method: &str| (seen[method][0].clone(), seen[method][1].clone());
    let of_backend = |code: &str, what: &str| {
        let message = format!("the backend does not speak gRPC: it answered {what}");
        (json!(code), json!(message))
    };
    assert_eq!(told("/shop.Orders/Plain"), of_backend("UNKNOWN", "200 with no type of content"));
    assert_eq!(told("/shop.Orders/Page"), of_backend("UNKNOWN", "200 with text/html"));
    let missing = of_backend("UNIMPLEMENTED", "404 with no type of content");
    assert_eq!(told("/shop.Orders/Missing"), missing);
    let (code, message) = told("/shop.Away/Get");
    assert_eq!(code, "UNAVAILABLE");
    let message = message.as_str().unwrap_or_default();
    assert!(message.starts_with("503 Service Unavailable: no backend"), "{message}");
    let lines = lb.log_lines(4);
    assert!(lines.iter().all(|line| line["protocol"] == "HTTP/2.0"), "{lines:?}");
    assert_eq!(lb.listener().accepted.get(), 1, "all calls are on one connection");
}
