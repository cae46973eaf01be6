//! Chromium, which speaks HTTP/3 with a listener from the beginning.

use std::{fs, process::Command};

use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    browser::Browser,
    certificates::Authority,
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::Reply,
};

/// Sixty requests that are given up, sixty that are answered, and two bodies of some MiB.
const FETCHES: &str = "(async () => {
     const controller = new AbortController();
     const number = [...Array(60).keys()];
     const given_up = number.map(it => fetch('/hang',
         { signal: controller.signal, cache: 'no-store' }).catch(error => error.name));
     const texts = await Promise.all(
         number.map(it => fetch('/n/' + it).then(it => it.text())));
     controller.abort();
     const names = await Promise.all(given_up);
     const large = await fetch('/large').then(it => it.arrayBuffer());
     const body = new Uint8Array(2 << 20).fill(7);
     const sent = await fetch('/upload', { method: 'POST', body }).then(it => it.status);
     const entries = performance.getEntriesByType('resource');
     const used = new Set(entries.map(it => it.nextHopProtocol));
     return [texts.filter(it => it == 'a').length,
             names.filter(it => it == 'AbortError').length,
             large.byteLength, sent, [...used].filter(it => it).join()].join(' ');
 })()";

#[test]
fn a_page_asks_much_at_once_and_gives_up_half_of_it() {
    let a = ScriptedBackend::named("a");
    let page = Reply::status(200).header("Content-Type", "text/html").body("<!doctype html>");
    a.reply_to("/page", page);
    a.reply_to("/hang", Reply::hang());
    a.reply_to("/large", Reply::ok("x".repeat(3 << 20)));
    let folder = new_folder();
    let certificate = Authority::new("lb test").issue(&["localhost"]);
    certificate.write(folder.path(), "site");
    let text = format!(
        "listeners:
  - address: 127.0.0.1:0
    protocols: [h3, h2, http/1.1]
    tls: {{ certificates: [ {{ cert: site.pem, key: site.key }} ] }}
routes: [ {{ pool: web }} ]
pools: {{ web: {{ health_check: off, backends: [ {{ address: {} }} ] }} }}
access_log: {{ path: access.log }}
",
        a.address()
    );
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    let port = lb.address().port();
    let mut browser = Browser::over_quic(&certificate.key_hash(), port);
    browser.forgive("favicon");
    browser.open(&format!("https://localhost:{port}/page"));
    let seen = browser.eval(FETCHES);
    assert_eq!(seen, "60 60 3145728 200 h3");
    let upload = a.requests().into_iter().find(|request| request.path == "/upload").unwrap();
    assert_eq!(upload.body, vec![7; 2 << 20]);
    let lines = |path: &str| {
        let text = fs::read_to_string(lb.folder().join("access.log")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let begins = |line: &Value| line["path"].as_str().is_some_and(|it| it.starts_with(path));
        lines.filter(begins).collect::<Vec<_>>()
    };
    let given_up = a.requests().iter().filter(|request| request.path == "/hang").count();
    assert!(given_up > 0, "some had come");
    eventually(PATIENCE, "each has ended", || lines("/hang").len() >= given_up);
    assert!(lines("/hang").iter().all(|line| line["status"] == 499));
    assert!(lines("/").iter().all(|line| line["protocol"] == "HTTP/3.0"), "{:?}", lines("/"));
    assert!(lb.stderr().iter().all(|line| !line.contains("connection cut")));
}
