//! The access log line of a request.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::Lb;
use super::super::client::{Connection, get};
use crate::support::{backend::ScriptedBackend, lb::addresses, reply::Reply};

#[test]
fn a_line_has_the_client_the_request_and_the_backend() {
    let a = ScriptedBackend::replying(Reply::status(201).body("hello"));
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    let client = connection.local_address().unwrap();
    let headers = [("Host", "shop.example"), ("X-Request-Id", "abc")];
    connection.request("GET", "/path?q=1", &headers, b"").unwrap();
    let line = lb.log_lines(1).remove(0);
    let time = line["time"].as_str().unwrap();
    assert_eq!(time.len(), "2026-11-21T07:42:00.123Z".len());
    assert!(time.ends_with('Z'));
    assert_eq!(line["level"], "info");
    assert_eq!(line["msg"], "Request completed");
    assert_eq!(line["client_ip"], client.to_string());
    assert_eq!(line["real_ip"], "127.0.0.1");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/path?q=1");
    assert_eq!(line["backend"], format!("http://{}", a.address()));
    assert_eq!(line["status"], 201);
    assert!(line["latency_ms"].is_f64(), "{line}");
    assert_eq!(line["request_id"], "abc");
    assert_eq!(line["attempts"], 1);
    assert_eq!(line["bytes"], 5);
    assert_eq!(line["host"], "shop.example");
    assert_eq!(line["pool"], "web");
    assert_eq!(line["error"], Value::Null);
}

#[test]
fn a_line_has_the_fields_that_are_chosen() {
    let reply = Reply::status(200).header("X-Cache", "HIT").header("X-Cache", "far");
    let reply = reply.header("Set-Cookie", "session=s3cret").body("hello");
    let a = ScriptedBackend::replying(reply);
    let lb = Lb::start(&format!(
        "routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}\n\
         access_log: {{ path: ACCESS_LOG, unmasked: cookie.theme, fields: [default, -no_backend, \
         request_header.X-Api-Version, request_header.authorization, cookie.theme, cookie.session, \
         response_header.x-cache, response_header.set-cookie, response_header.x-none] }}\n",
        addresses(&[&a])
    ));
    let mut connection = Connection::open(lb.address()).unwrap();
    let headers = [
        ("Host", "shop.example"),
        ("User-Agent", "test/1.0"),
        ("Referer", "http://shop.example/\t\"x\""),
        ("X-Api-Version", "2"),
        ("Authorization", "Bearer s3cret"),
        ("Cookie", "theme=dark; session=s3cret"),
    ];
    connection.request("POST", "/path", &headers, b"body").unwrap();
    let line = lb.log_lines(1).remove(0);
    assert_eq!(line["user_agent"], "test/1.0");
    assert_eq!(line["referer"], "http://shop.example/\t\"x\"");
    assert_eq!((&line["bytes"], &line["request_bytes"]), (&5.into(), &4.into()));
    assert!(line["listener"].as_str().is_some_and(|it| it.starts_with("127.0.0.1:")), "{line}");
    assert_eq!(line["request_header.x-api-version"], "2");
    assert_eq!(line["cookie.theme"], "dark");
    assert_eq!(line["response_header.x-cache"], "HIT, far");
    for masked in ["request_header.authorization", "cookie.session", "response_header.set-cookie"] {
        assert_eq!(line[masked], "***");
    }
    assert_eq!(line["response_header.x-none"], Value::Null);
    assert!(line.get("no_backend").is_none() && !line.to_string().contains("s3cret"), "{line}");
}

#[test]
fn an_answer_of_the_balancer_has_its_headers_in_the_line() {
    let lb = Lb::start(
        "routes: [ { pool: web, path: /x } ]\n\
         pools: { web: { health_check: off, backends: [{ address: 127.0.0.1:1 }] } }\n\
         access_log: { path: ACCESS_LOG, fields: [status, response_header.content-type] }\n",
    );
    get(lb.address(), "/");
    let line = lb.log_lines(1).remove(0);
    assert_eq!(line["status"], 404);
    assert_eq!(line["response_header.content-type"], "text/plain; charset=utf-8");
}

/// The names in the first column of a table of the documents whose first column has this head.
fn documented(head: &str) -> BTreeSet<&'static str> {
    let page =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/reference/log-fields.md"));
    let table = page.split_once(&format!("| {head} | content |\n")).unwrap().1;
    let rows = table.lines().skip(1).map_while(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`'))).collect()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_documents_have_every_field() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    get(lb.address(), "/");
    let line = lb.log_lines(1).remove(0);
    // These fields are only in lines of TLS connections, or behind a proxy that names them.
    let of_tls = ["tls_version", "cipher", "sni", "alpn", "resumed", "client_cert"];
    let of_proxies = ["authority", "unique_id"];
    let is_tls = line["scheme"] == "https";
    let always = |name: &&str| !of_proxies.contains(name) && (is_tls || !of_tls.contains(name));
    let documented_always: BTreeSet<&str> =
        documented("field").into_iter().filter(always).collect();
    assert_eq!(documented_always, keys(&line));
    assert_eq!(documented("field of a try"), keys(&line["tries"][0]));
}

#[test]
fn every_attempt_counts() {
    let (a, b) = (ScriptedBackend::replying(Reply::close()), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "");
    get(lb.address(), "/");
    get(lb.address(), "/");
    let attempts: Vec<_> = lb.log_lines(2).iter().map(|line| line["attempts"].clone()).collect();
    assert!(attempts.contains(&2.into()), "{attempts:?}");
    for line in lb.log_lines(2) {
        assert_eq!(line["backend"], format!("http://{}", b.address()));
        assert_eq!(line["status"], 200);
    }
}
