//! The access log's formats, its filter, and `Server-Timing`, with real requests.

use std::time::Duration;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get, raw},
    eventually::eventually,
    full_listener::full_listener,
    lb::{Lb, addresses},
    reply::Reply,
};

/// A balancer over one backend, with these keys of the access log and these of the file.
fn logging(a: &ScriptedBackend, keys: &str, rest: &str) -> Lb {
    Lb::start(&format!(
        "routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}\n\
         access_log: {{ path: ACCESS_LOG, {keys} }}\n{rest}\n",
        addresses(&[a])
    ))
}

#[test]
fn combined_lines_are_read_as_apaches() {
    let a = ScriptedBackend::replying(Reply::status(201).body("hello"));
    let lb = logging(&a, "format: combined", "");
    let mut connection = Connection::open(lb.address()).unwrap();
    let headers = [
        ("Host", "a"),
        ("Referer", "http://shop.example/?\"x\""),
        ("User-Agent", "test/1.0 (it\\is)"),
    ];
    connection.request("GET", "/path?q=1", &headers, b"").unwrap();
    connection.request("DELETE", "/2", &[("Host", "a")], b"").unwrap();
    eventually(PATIENCE, "two lines", || lb.log_text().lines().count() == 2);
    let text = lb.log_text();
    let lines: Vec<_> = text.lines().collect();
    let (before, after) = lines[0].split_once(" [").unwrap();
    let (time, after) = after.split_once("] ").unwrap();
    assert_eq!(before, "127.0.0.1 - -");
    assert_eq!(time.len(), "10/Oct/2000:13:55:36 +0000".len());
    assert!(time.ends_with(" +0000"), "{time}");
    let expected =
        r#""GET /path?q=1 HTTP/1.1" 201 5 "http://shop.example/?\x22x\x22" "test/1.0 (it\x5Cis)""#;
    assert_eq!(after, expected);
    assert!(lines[1].ends_with(r#"] "DELETE /2 HTTP/1.1" 201 5 "-" "-""#), "{}", lines[1]);
}

#[test]
fn other_formats_have_the_fields_that_are_listed() {
    let a = ScriptedBackend::named("a");
    let backend = format!("backend=\"http://{}\" latency_ms=", a.address());
    let lb = logging(&a, "format: combined, fields: [default, backend, latency_ms]", "");
    get(lb.address(), "/");
    eventually(PATIENCE, "a line", || lb.log_text().ends_with('\n'));
    let text = lb.log_text();
    let (_, latency) = text.split_once(&format!(" \"-\" \"-\" {backend}")).expect(&text);
    assert!(latency.trim_end().parse::<f64>().is_ok(), "{latency}");

    let lb = logging(&a, "format: text, fields: request_header.x-name", "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for name in ["plain", "two words"] {
        connection.request("GET", "/", &[("Host", "a"), ("X-Name", name)], b"").unwrap();
    }
    eventually(PATIENCE, "two lines", || lb.log_text().lines().count() == 2);
    let text = lb.log_text();
    let mut lines = text.lines();
    assert!(
        lines.next().is_some_and(|line| line.ends_with(" request_header.x-name=plain")),
        "{text}"
    );
    assert!(
        lines.next().is_some_and(|line| line.ends_with(" request_header.x-name=\"two words\""))
    );
}

#[test]
fn a_filter_keeps_listed_slow_and_broken_answers() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/missing", Reply::status(404));
    a.reply_to("/broken", Reply::ok("0123456789").closed_after(5));
    a.reply_to("/slow", Reply::ok("late").delayed(Duration::from_millis(1100)));
    let lb = logging(&a, "filter: { status: [4xx, 500-599], min_latency: 1s }", "");
    for path in ["/fine", "/missing", "/fine", "/broken", "/slow", "/fine", "/missing"] {
        get(lb.address(), path);
    }
    let lines = lb.log_lines(4);
    // A line is written after its answer, so the next request's may be before it.
    let mut paths: Vec<_> = lines.iter().filter_map(|line| line["path"].as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/broken", "/missing", "/missing", "/slow"]);
    assert_eq!(lb.line_of("/broken")["status"], 200);
}

#[test]
fn a_sample_is_about_its_share() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/missing", Reply::status(404));
    let lb = logging(&a, "filter: { status: 404, sample: 50% }", "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..200 {
        connection.get("/fine").unwrap();
    }
    connection.get("/missing").unwrap();
    lb.line_of("/missing");
    let count = lb.log_text().lines().count() - 1;
    // The count is outside once in 10^12 runs.
    assert!((50..=150).contains(&count), "{count} of 200");
}

/// The names and durations of an answer's last `Server-Timing`.
fn timings(line: &str) -> Vec<(&str, f64)> {
    let parts = line.split(", ").map(|part| part.split_once(";dur=").unwrap());
    parts.map(|(name, duration)| (name, duration.parse().unwrap())).collect()
}

#[test]
fn an_answer_tells_where_its_time_went_when_that_is_configured() {
    let reply = Reply::ok("x").header("Server-Timing", "db;dur=3");
    let a = ScriptedBackend::replying(reply.delayed(Duration::from_millis(50)));
    let quiet = Lb::over(&[&a], "");
    assert_eq!(get(quiet.address(), "/").header_lines("server-timing"), ["db;dur=3"]);

    let lb = logging(&a, "format: json", "server_timing: true");
    let answer = get(lb.address(), "/");
    let lines = answer.header_lines("server-timing");
    assert_eq!((lines.len(), lines[0]), (2, "db;dur=3"), "what the backend said stays");
    let told = timings(lines[1]);
    let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["queue", "connect", "backend"]);
    assert!(told[2].1 >= 50.0, "{told:?}");
    let logged = &lb.log_lines(1)[0]["tries"][0];
    assert_eq!(logged["connect_ms"].as_f64(), Some(told[1].1));
    assert_eq!(logged["first_byte_ms"].as_f64(), Some(told[2].1));
}

#[test]
fn tries_that_failed_before_are_time_that_an_answer_waited() {
    let (full, _waiting) = full_listener();
    let b = ScriptedBackend::named("b");
    let lb = Lb::start(&format!(
        "server_timing: true\nroutes: [ {{ pool: web }} ]\npools: {{ web: {{ health_check: off, \
         timeouts: {{ connect: 200ms }}, backends: [ {{ address: {} }}, {} ] }} }}",
        full.local_addr().unwrap(),
        addresses(&[&b])
    ));
    let answers = [get(lb.address(), "/"), get(lb.address(), "/")];
    let queued = answers.iter().map(|answer| timings(answer.header("server-timing").unwrap())[0].1);
    let longest = queued.fold(0.0, f64::max);
    assert!(longest >= 200.0, "{longest}");
}

#[test]
fn text_from_clients_cannot_forge_a_line() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let request =
        b"GET /%0a\"},{\"status\":200,\\n{ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    raw(lb.address(), request);
    get(lb.address(), "/after");
    let lines = lb.log_lines(2);
    assert_eq!(lines.len(), 2);
    lb.line_of("/after");
    let forged = lines.iter().find(|line| line["path"] != "/after").unwrap();
    assert_eq!(forged["status"], 200);
    assert!(forged["path"].as_str().unwrap().starts_with("/%0a"), "{forged}");
}
