//! Host and path to pool.

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, raw},
    lb::{Lb, addresses},
};

#[test]
fn the_most_specific_route_wins_and_no_route_is_404() {
    let names = ["api", "suffix", "v1", "other"];
    let backends: Vec<_> = names.iter().map(|name| ScriptedBackend::named(name)).collect();
    let mut pools = String::new();
    for (name, backend) in names.iter().zip(&backends) {
        let list = addresses(&[backend]);
        pools.push_str(&format!("  {name}: {{ health_check: off, backends: [{list}] }}\n"));
    }
    let lb = Lb::start(&format!(
        "routes:\n\
         - {{ host: api.example.com, path: /v1, pool: v1 }}\n\
         - {{ host: api.example.com, pool: api }}\n\
         - {{ host: \"*.example.com\", pool: suffix }}\n\
         - {{ path: /other, pool: other }}\n\
         pools:\n{pools}"
    ));
    let mut connection = Connection::open(lb.address()).unwrap();
    for (host, path, expected) in [
        ("api.example.com", "/", "api"),
        ("API.Example.COM:8080", "/v1", "v1"),
        ("api.example.com", "/v1/x?y=/z", "v1"),
        ("api.example.com", "/v10", "api"),
        ("www.example.com", "/v1", "suffix"),
        ("a.b.example.com", "/", "suffix"),
        ("example.com", "/other", "other"),
        ("elsewhere", "/other/x", "other"),
        ("elsewhere", "/", "404"),
        ("example.com", "/", "404"),
    ] {
        let response = connection.request("GET", path, &[("Host", host)], b"").unwrap();
        let answer = if response.status == 404 { "404".to_owned() } else { response.text() };
        assert_eq!(answer, expected, "{host}{path}");
    }
    let lines = lb.log_lines(10);
    assert_eq!(lines[0]["pool"], "api");
    assert_eq!(lines[8]["status"], 404);
    assert_eq!(lines[8]["pool"], serde_json::Value::Null);
    assert_eq!(lines[8]["attempts"], 0);
}

#[test]
fn a_404_says_what_is_missing_and_has_no_body_for_head() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "routes: [ {{ path: /x, pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let answer = raw(lb.address(), b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    let mut connection = Connection::open(lb.address()).unwrap();
    let response = connection.get("/").unwrap();
    assert!(response.text().contains("no route"), "{}", response.text());
    let id = response.header("x-request-id").expect("an id").to_owned();
    assert!(response.text().contains(&id));
    assert_eq!(connection.get("/x").unwrap().text(), "a", "the connection goes on");
}
