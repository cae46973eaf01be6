//! Access to the admin listener, and its answers besides `/live` and `/ready`.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use lb::clock::now;
use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, Response, get, try_get},
    eventually::eventually,
    process::{LbProcess, address_in},
};

use super::{outcome, rewrite, yaml};

const TOKEN: &str = "0123456789abcdef-secret";
const WITH_TOKEN: &str = "admin: { address: 127.0.0.1:0, token: 0123456789abcdef-secret }";
const MARK: (&str, &str) = ("X-Requested-With", "lb");

fn start(settings: &str) -> (LbProcess, SocketAddr) {
    let text = yaml(&[([127, 0, 0, 1], 9).into()], settings);
    let mut lb = LbProcess::with_config(&text, &[]);
    let admin = address_in(&lb.wait_for_log("admin listening")).expect("its address");
    (lb, admin)
}

#[track_caller]
fn ask(
    admin: SocketAddr,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut connection = Connection::open(admin).unwrap();
    connection.request(method, path, headers, body).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[track_caller]
fn status_with(admin: SocketAddr, token: &str) -> u16 {
    let headers = [("Authorization", bearer(token))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    ask(admin, ("GET", "/api/v1/config"), &headers, b"").status
}

#[test]
fn a_configured_token_is_needed_for_all_but_life_and_the_page() {
    let (mut lb, admin) = start(WITH_TOKEN);
    for path in ["/live", "/ready", "/", "/status.css", "/status.js"] {
        assert!([200, 503].contains(&get(admin, path).status), "{path}");
    }
    for path in ["/metrics", "/api/v1/config", "/api/v1/events", "/api/v1/status", "/nowhere"] {
        let answer = get(admin, path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        assert!(answer.text().contains("a token is required"), "{path}: {}", answer.text());
    }
    assert_eq!(status_with(admin, TOKEN), 200);
    let began = now();
    for _ in 0..3 {
        assert_eq!(status_with(admin, "0123456789abcdef-guess!"), 401);
    }
    assert!(began.elapsed() >= Duration::from_millis(300), "guessing takes time");
    let line = lb.wait_for_log("wrong token");
    assert!(line.contains("\"level\":\"warn\"") && line.contains("127.0.0.1:"), "{line}");
    let told = lb.stderr().iter().filter(|line| line.contains("wrong token")).count();
    assert_eq!(told, 1, "{:?}", lb.stderr());
    assert!(!lb.stderr().concat().contains("0123456789abcdef"), "{:?}", lb.stderr());
}

#[test]
fn a_browser_gets_a_cookie_for_the_token_and_gives_it_back() {
    let (_lb, admin) = start(WITH_TOKEN);
    let login = |body: &str| ask(admin, ("POST", "/login"), &[MARK], body.as_bytes());
    assert_eq!(login("{\"token\":\"0123456789abcdef-other!\"}").status, 401);
    assert_eq!(login("not JSON").status, 400);
    let answer = login(&format!("{{\"token\":\"{TOKEN}\"}}"));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/api/");
    let with_cookie = [("Cookie", pair)];
    assert_eq!(ask(admin, ("GET", "/api/v1/config"), &with_cookie, b"").status, 200);
    let answer = ask(admin, ("POST", "/logout"), &[MARK], b"");
    let expected = "lb_admin=; HttpOnly; SameSite=Strict; Path=/api/; Max-Age=0";
    assert_eq!((answer.status, answer.header("set-cookie")), (204, Some(expected)));
}

#[test]
fn a_name_that_is_not_ours_is_refused() {
    let (_lb, admin) = start("admin: { address: 127.0.0.1:0, hosts: [ lb.internal ] }");
    let with_host = |path, host| ask(admin, ("GET", path), &[("Host", host)], b"");
    for (host, status) in
        [("localhost", 200), ("lb.internal:9900", 200), ("10.0.0.1", 200), ("evil.example", 403)]
    {
        assert_eq!(with_host("/", host).status, status, "{host}");
        assert_eq!(with_host("/api/v1/config", host).status, status, "{host}");
        assert_eq!(with_host("/live", host).status, 200, "{host}");
    }
    let refusal = with_host("/api/v1/config", "evil.example").text();
    assert!(refusal.starts_with("{\"error\":") && refusal.contains("admin.hosts"), "{refusal}");
}

#[test]
fn another_site_cannot_change_anything() {
    let (_lb, admin) = start("admin: { address: 127.0.0.1:0 }");
    let reload = |headers: &[(&str, &str)]| ask(admin, ("POST", "/api/v1/reload"), headers, b"");
    let refused = reload(&[]);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("X-Requested-With"), "{}", refused.text());
    assert_eq!(reload(&[MARK, ("Sec-Fetch-Site", "cross-site")]).status, 403);
    assert_eq!(reload(&[MARK, ("Origin", "http://evil.example")]).status, 403);
    let preflight = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")];
    let answer = ask(admin, ("OPTIONS", "/api/v1/reload"), &preflight, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
    let own = format!("http://{admin}");
    assert_eq!(reload(&[MARK, ("Origin", own.as_str())]).status, 200);
}

#[test]
fn a_reload_answers_as_the_command_does() {
    let settings = "admin: { address: 127.0.0.1:0 }";
    let (mut lb, admin) = start(settings);
    let reload = || ask(admin, ("POST", "/api/v1/reload"), &[MARK], b"");
    let answer = reload();
    assert_eq!((answer.status, answer.text().as_str()), (200, "reloaded\n"));
    assert!(lb.wait_for_log("reload requested").contains("127.0.0.1:"));
    rewrite(&lb, "routes: 3\n");
    let answer = reload();
    let text = answer.text();
    assert_eq!((answer.status, answer.header("content-type")), (422, Some("application/json")));
    assert!(text.contains("lb.yaml:1: routes: ") && text.contains("still serving"), "{text}");
}

#[test]
fn a_reload_takes_another_token_and_other_names() {
    let settings = "admin: { address: 127.0.0.1:0, token_file: token }";
    let text = yaml(&[([127, 0, 0, 1], 9).into()], settings);
    let mut lb = LbProcess::with_config(&yaml(&[([127, 0, 0, 1], 9).into()], ""), &[]);
    lb.address();
    let token = lb.folder().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    rewrite(&lb, &text);
    let mut with_token = lb.beside(&["-c", "lb.yaml"]);
    with_token.wait_for_log("can be read by every user");
    let admin = address_in(&with_token.wait_for_log("admin listening")).unwrap();
    assert_eq!(status_with(admin, TOKEN), 200);
    fs::write(&token, "another-token-of-many").unwrap();
    rewrite(&lb, &text.replace("token_file: token", "token_file: token, hosts: [ lb.internal ]"));
    with_token.signal(Signal::SIGHUP);
    eventually(PATIENCE, "the new token holds", || {
        status_with(admin, "another-token-of-many") == 200
    });
    assert_eq!(status_with(admin, TOKEN), 401);
    with_token.wait_for_log("admin.token changed");
    assert_eq!(ask(admin, ("GET", "/"), &[("Host", "lb.internal")], b"").status, 200);
}

#[test]
fn a_listener_that_a_reload_takes_away_opens_nothing() {
    let everywhere = "admin: { address: 0.0.0.0:0, token: 0123456789abcdef-secret }";
    let elsewhere = "admin: { address: 127.0.0.2:0 }";
    for (before, after) in [(everywhere, ""), (WITH_TOKEN, ""), (WITH_TOKEN, elsewhere)] {
        let (mut lb, admin) = start(before);
        let admin = SocketAddr::from(([127, 0, 0, 1], admin.port()));
        assert_eq!(status_with(admin, TOKEN), 200);
        rewrite(&lb, &yaml(&[([127, 0, 0, 1], 9).into()], after));
        lb.signal(Signal::SIGHUP);
        lb.wait_for_log("admin.address needs an upgrade");
        eventually(PATIENCE, "no request is allowed", || status_with(admin, TOKEN) == 403);
        let drain = ("POST", "/api/v1/pools/web/backends/127.0.0.1:9/drain");
        assert_eq!(ask(admin, drain, &[MARK], b"").status, 403, "{after}");
        assert_eq!(get(admin, "/live").status, 200);
    }
}

#[test]
fn on_an_address_of_the_network_a_token_is_required() {
    let text = yaml(&[([127, 0, 0, 1], 9).into()], "admin: { address: 0.0.0.0:0 }");
    let tested = outcome(LbProcess::with_config(&text, &["-t"]));
    assert_eq!(tested.code, Some(1));
    assert!(tested.stderr.contains("it needs a token (write "), "{}", tested.stderr);
    let started = outcome(LbProcess::with_config(&text, &[]));
    assert!(started.code != Some(0) && started.stderr.contains("it needs a token"));
}

#[test]
fn the_configuration_is_shown_without_its_secret() {
    let (_lb, admin) = start(WITH_TOKEN);
    let header = bearer(TOKEN);
    let answer = ask(admin, ("GET", "/api/v1/config"), &[("Authorization", &header)], b"");
    let config: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(config["admin"]["token"], "***");
    assert_eq!(config["pools"]["web"]["timeouts"]["connect"], "2s", "a default");
    assert!(!answer.text().contains(TOKEN));
}

#[test]
fn no_answer_is_cached_and_unknown_paths_are_404() {
    let (_lb, admin) = start("admin: { address: 127.0.0.1:0 }");
    let drain = "/api/v1/pools/web/backends/127.0.0.1:9/drain";
    for (method, path, status) in [
        ("GET", "/", 200),
        ("HEAD", "/status.js", 200),
        ("GET", "/api/v1/config", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/api/v2", 404),
        ("GET", drain, 405),
        ("PUT", drain, 405),
    ] {
        let answer = ask(admin, (method, path), &[MARK], b"");
        assert_eq!(answer.status, status, "{method} {path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {path}");
        }
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "{method} {path}");
    }
    assert!(get(admin, "/nowhere").text().contains("the paths are /, "));
    let page = get(admin, "/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(get(admin, "/status.css").header("content-type"), Some("text/css; charset=utf-8"));
}

#[test]
fn a_body_has_a_limit() {
    let (_lb, admin) = start("admin: { address: 127.0.0.1:0 }");
    let login = ("POST", "/login");
    assert_eq!(ask(admin, login, &[MARK], &[b' '; 64 << 10]).status, 400, "it was read");
    let mut connection = Connection::open(admin).unwrap();
    let answer = connection.request("POST", "/login", &[MARK], &[b' '; (64 << 10) + 1]).unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(connection.get("/live").unwrap().status, 200, "the rest of it is read");
    // The body has two chunks, each below the limit.
    let piece = vec![b' '; 40 << 10];
    let mut chunked = b"POST /login HTTP/1.1\r\nHost: localhost\r\nX-Requested-With: lb\r\n\
                        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..2 {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(&piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut connection = Connection::open(admin).unwrap();
    connection.send(&chunked).unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 413);
}

/// The proxy has one thread and more work than it can do.
#[test]
fn it_answers_while_the_proxy_is_saturated() {
    let a = ScriptedBackend::named("a");
    let settings = "access_log: off\nthreads: 1\nadmin: { address: 127.0.0.1:0 }";
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], settings), &[]);
    let admin = address_in(&lb.wait_for_log("admin listening")).unwrap();
    let address = lb.address();
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let mut answers = 0;
                let mut connection = Connection::open(address).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    answers += u32::from(connection.get("/").is_ok_and(|it| it.status == 200));
                }
                answers
            })
        })
        .collect();
    eventually(PATIENCE, "requests come", || a.requests_to("/").len() > 100);
    let done = || a.count(|request| request.path == "/");
    let mut most = 0;
    for _ in 0..20 {
        let before = done();
        assert_eq!(try_get(admin, "/ready").unwrap().status, 200);
        most = most.max(done() - before);
    }
    is_over.store(true, Ordering::Relaxed);
    let answers: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(answers > 100, "{answers}");
    // The wait is counted in requests, because time would depend on the machine. If the admin
    // listener queued behind the proxy's requests, the number would be far greater.
    assert!(most < 1_000, "{most} requests were proxied before one of these was answered");
}
