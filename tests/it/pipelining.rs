//! Clients that do not wait for an answer before they send the next request. Bytes that were read
//! too early belong to the next request, for every division into reads.

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, ask},
    eventually::eventually,
    lb::{Lb, entry},
    reply::{Gate, Reply},
};

fn echo() -> ScriptedBackend {
    let a = ScriptedBackend::named("a");
    a.reply_with(|request| Reply::ok(request.path.clone()));
    a
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn chunked(path: &str) -> String {
    let header = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    header + "2\r\nab\r\n0\r\n\r\n"
}

/// Sends each part once the paths before it are answered, and expects these paths.
fn exchange(lb: &Lb, parts: &[(&str, &[&str])]) {
    let mut connection = Connection::open(lb.address()).unwrap();
    for (part, paths) in parts {
        connection.send(part.as_bytes()).unwrap();
        for path in *paths {
            assert_eq!(connection.read_response("GET").unwrap().text(), *path, "{part:?}");
        }
    }
}

#[test]
fn they_are_answered_in_order() {
    let a = echo();
    let lb = Lb::over(&[&a], "");
    exchange(&lb, &[(&(get("/1") + &get("/2") + &get("/3")), &["/1", "/2", "/3"])]);
    let mixed = post("/1", "body") + &chunked("/2") + &post("/3", "") + &get("/4");
    exchange(&lb, &[(&mixed, &["/1", "/2", "/3", "/4"]), (&get("/5"), &["/5"])]);
}

#[test]
fn a_header_may_begin_in_one_read_and_end_in_the_next() {
    let a = echo();
    let lb = Lb::over(&[&a], "");
    let long = format!("/{}", "x".repeat(100));
    for second in [get(&long), post("/2", &"b".repeat(100))] {
        let path = if second.starts_with("GET") { &long } else { "/2" };
        // The cut makes the rest of the header as long as the part that was read too early, or
        // longer or shorter.
        for cut in 1..second.len() {
            let (before, after) = second.split_at(cut);
            let parts = [
                (&*(get("/1") + before), &["/1"][..]),
                (&*(after.to_owned() + &get("/3")), &[path, "/3"]),
                (&get("/4"), &["/4"]),
            ];
            exchange(&lb, &parts);
        }
    }
}

#[test]
fn a_target_with_escapes_hides_nothing_behind_it() {
    let a = echo();
    let lb = Lb::over(&[&a], "");
    let next = get("/2");
    for escapes in 1..=next.len() {
        let escaped = format!("/{}", "%20x".repeat(escapes));
        let first = get(&escaped);
        exchange(&lb, &[(&(first + &next), &[&escaped, "/2"]), (&get("/3"), &["/3"])]);
    }
}

#[test]
fn requests_that_come_behind_one_that_waits_are_answered_in_order() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_with(|request| Reply::ok(request.path.clone()));
    a.reply_to("/first", Reply::body_behind(&gate, "first"));
    let settings = "    queue: { timeout: 60s }";
    let lb = Lb::over_entries(&entry(&a, "max_connections: 1"), settings);
    let mut first = ask(lb.address(), "/first");
    a.wait_for_requests(1);
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send((get("/second") + &get("/third")).as_bytes()).unwrap();
    eventually(PATIENCE, "it waits", || lb.queued() == 1);
    connection.send(get("/fourth").as_bytes()).unwrap();
    connection.send(get("/fifth").as_bytes()).unwrap();
    gate.open();
    assert_eq!(first.read_response("GET").unwrap().text(), "first");
    for path in ["/second", "/third", "/fourth", "/fifth"] {
        assert_eq!(connection.read_response("GET").unwrap().text(), path);
    }
}
