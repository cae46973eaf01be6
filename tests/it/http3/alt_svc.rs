//! Clients of other protocols are told that they may speak HTTP/3.

use crate::support::{
    backend::ScriptedBackend,
    http3_client,
    lb::QuicLb,
    reply::Reply,
    tls_client::{self, Connection},
};

fn with(settings: &str, backend: &ScriptedBackend) -> QuicLb {
    let addresses = backend.address();
    QuicLb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, {settings} }} ]
routes: [ {{ pool: web }} ]
pools:
  web:
    backends: [ {{ address: {addresses} }} ]
    health_check: off
"
    ))
}

#[test]
fn answers_over_tcp_name_the_port_and_answers_over_udp_do_not() {
    let backend = ScriptedBackend::named("a");
    let lb = with("alt_svc: 2d, alt_svc_port: 4433", &backend);
    assert_eq!(http3_client::get(lb.address(), "/").header("alt-svc"), None);
    let over_tcp = tls_client::get(lb.address(), "/");
    assert_eq!(over_tcp.header_lines("alt-svc"), ["h3=\":4433\"; ma=172800"]);
    backend.reply(Reply::ok("x").header("Alt-Svc", "clear"));
    let own = tls_client::get(lb.address(), "/");
    assert_eq!(own.header_lines("alt-svc"), ["clear"], "a backend may say otherwise");
}

#[test]
fn it_can_be_switched_off_and_ends_with_the_process() {
    let backend = ScriptedBackend::named("a");
    let lb = with("alt_svc: off, alt_svc_port: 4433", &backend);
    assert_eq!(tls_client::get(lb.address(), "/").header("alt-svc"), None);
    let lb = with("alt_svc_port: 4433", &backend);
    http3_client::get(lb.address(), "/");
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.get("/").unwrap().header("alt-svc"), Some("h3=\":4433\"; ma=86400"));
    lb.drain();
    assert_eq!(connection.get("/").unwrap().header("alt-svc"), None);
}
