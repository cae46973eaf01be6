//! The memory of connections that wait: for their next request, for the rest of a header, for the rest of
//! a body.

use std::net::SocketAddr;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::Connection,
    eventually::eventually,
    frames::{FrameClient, get},
    metrics::{ADMIN, Asked},
    process::{LbProcess, memory_of},
    tls_client,
};

use super::yaml;

/// Enough that what the process itself takes meanwhile is little of each.
const CONNECTIONS: usize = 600;

/// Kilobytes of each connection that begins so.
fn cost(begin: impl Fn(&mut Connection)) -> u64 {
    cost_of(|address| {
        let mut connection = Connection::open(address).unwrap();
        begin(&mut connection);
        connection
    })
}

/// Kilobytes of each connection that is opened so, on a listener in the clear.
fn cost_of<T>(open: impl Fn(SocketAddr) -> T) -> u64 {
    cost_on("protocols: [h2c, http/1.1]", open)
}

/// Kilobytes of each connection that is opened so, on a listener with these keys.
fn cost_on<T>(keys: &str, open: impl Fn(SocketAddr) -> T) -> u64 {
    let a = ScriptedBackend::named("a");
    let settings = format!("access_log: off\nthreads: 1\n{ADMIN}");
    let text = yaml(&[a.address()], &settings);
    let text = text.replacen(":0 }", &format!(":0, {keys} }}"), 1);
    let mut lb = LbProcess::with_config(&text, &[]);
    let (address, asked) = (lb.address(), Asked::of(&mut lb));
    let first = open(address);
    let before = memory_of(lb.pid());
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| open(address)).collect();
    eventually(PATIENCE, "they are accepted", || {
        asked.scrape().sum("lb_listener_connections", &[]) > CONNECTIONS
    });
    let each = (memory_of(lb.pid()) - before) / CONNECTIONS as u64;
    drop((first, connections));
    each
}

#[test]
fn an_idle_one_in_http2_holds_little_more_than_its_tables() {
    let each = cost_of(|address| {
        let mut client = FrameClient::open(address);
        for stream in [1, 3] {
            client.send(&get(stream, "/")).unwrap();
            client.until(|frame| frame.ends_answer()).unwrap();
        }
        client
    });
    // The `h2` crate alone has buffers of 28, of which half is never written to.
    assert!(each <= 40, "{each} kB");
}

#[test]
fn an_idle_one_over_tls_holds_little_more_than_its_keys() {
    let each = cost_on(&tls_client::listener_keys(), |address| {
        let mut connection = tls_client::Connection::open(address).unwrap();
        connection.get("/").unwrap();
        connection
    });
    assert!(each <= 24, "{each} kB");
}

#[test]
fn an_idle_one_holds_no_more_than_its_stream() {
    let each = cost(|connection| {
        connection.get("/").unwrap();
        let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
        connection.send(post).unwrap();
        connection.read_response("POST").unwrap();
    });
    // Pingora alone would hold more than twenty.
    assert!(each <= 12, "{each} kB");
}

#[test]
fn a_header_that_comes_slowly_holds_little_more_than_itself() {
    let header = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(1000));
    let each = cost(|connection| {
        for piece in header.as_bytes().chunks(50) {
            connection.send(piece).unwrap();
        }
    });
    assert!(each <= 26, "{each} kB");
}

#[test]
fn a_body_that_comes_slowly_holds_no_buffer() {
    let each = cost(|connection| {
        connection.begin("POST", "/", &[("Content-Length", "1000000")]).unwrap();
        for _ in 0..3 {
            connection.send_body(b"xxx").unwrap();
        }
    });
    assert!(each <= 46, "{each} kB");
}
