//! Chromium over TLS. It chooses HTTP/2 for pages and, on the same connection, for WebSocket (RFC 8441), and
//! speaks HTTP/3 with a listener from the beginning where it is told to.

use std::{fs, net::SocketAddr, process::Command};

use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    browser::Browser,
    certificates::Authority,
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::Reply,
    websocket,
};

/// What a browser speaks with a listener.
#[derive(Clone, Copy, PartialEq)]
enum Spoken {
    Http2,
    Http3,
}

/// A balancer over a backend and a server for the path `/ws`, and a browser with a page of it open.
struct Site {
    a: ScriptedBackend,
    lb: LbProcess,
    browser: Browser,
}

impl Site {
    #[track_caller]
    fn open(spoken: Spoken, tunnels: SocketAddr) -> Self {
        let a = ScriptedBackend::named("a");
        let page = Reply::status(200).header("Content-Type", "text/html").body("<!doctype html>");
        a.reply_to("/page", page);
        let folder = new_folder();
        let certificate = Authority::new("lb test").issue(&["localhost"]);
        certificate.write(folder.path(), "site");
        let protocols = if spoken == Spoken::Http3 { "h3, h2, http/1.1" } else { "h2, http/1.1" };
        let text = format!(
            "listeners:\n  - address: 127.0.0.1:0\n    protocols: [{protocols}]\n    \
             tls: {{ certificates: [ {{ cert: site.pem, key: site.key }} ] }}\n\
             routes: [ {{ path: /ws, pool: tunnels }}, {{ pool: web }} ]\n\
             pools:\n  web: {{ health_check: off, backends: [ {{ address: {} }} ] }}\n  \
             tunnels: {{ health_check: off, backends: [ {{ address: {tunnels} }} ] }}\n\
             access_log: {{ path: access.log }}\npid_file: lb.pid\n",
            a.address()
        );
        fs::write(folder.path().join("lb.yaml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["-c", "lb.yaml"]);
        let mut lb = LbProcess::spawn(folder, command);
        let (port, key) = (lb.address().port(), certificate.key_hash());
        let mut browser = match spoken {
            Spoken::Http2 => Browser::trusting(&key),
            Spoken::Http3 => Browser::over_quic(&key, port),
        };
        browser.forgive("favicon");
        browser.open(&format!("https://localhost:{port}/page"));
        Self { a, lb, browser }
    }

    /// What an asynchronous function of JavaScript with this body returns.
    #[track_caller]
    fn run(&mut self, body: &str) -> Value {
        self.browser.eval(&format!("(async () => {{ {body} }})()"))
    }

    /// The lines of the access log so far for requests whose path begins so.
    fn lines(&self, path: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.lb.folder().join("access.log")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["path"].as_str().is_some_and(|it| it.starts_with(path))).collect()
    }
}

#[test]
fn a_page_asks_much_at_once_and_gives_up_half_of_it() {
    asks_much(Spoken::Http2, "h2", "HTTP/2.0");
}

#[test]
fn a_page_over_http3_asks_much_at_once_and_gives_up_half_of_it() {
    asks_much(Spoken::Http3, "h3", "HTTP/3.0");
}

/// Sixty requests that are given up, sixty that are answered, and two bodies of some MiB. `name` is the
/// browser's for the protocol, `logged` that of the log.
#[track_caller]
fn asks_much(spoken: Spoken, name: &str, logged: &str) {
    let mut site = Site::open(spoken, websocket::echo_server());
    site.a.reply_to("/hang", Reply::hang());
    site.a.reply_to("/large", Reply::ok("x".repeat(3 << 20)));
    let seen = site.run(
        "const controller = new AbortController();
         const number = [...Array(60).keys()];
         const given_up = number.map(it => fetch('/hang', { signal: controller.signal, cache: 'no-store' })
             .catch(error => error.name));
         const texts = await Promise.all(number.map(it => fetch('/n/' + it).then(it => it.text())));
         controller.abort();
         const names = await Promise.all(given_up);
         const large = await fetch('/large').then(it => it.arrayBuffer());
         const body = new Uint8Array(2 << 20).fill(7);
         const sent = await fetch('/upload', { method: 'POST', body }).then(it => it.status);
         const used = new Set(performance.getEntriesByType('resource').map(it => it.nextHopProtocol));
         return [texts.filter(it => it == 'a').length, names.filter(it => it == 'AbortError').length,
                 large.byteLength, sent, [...used].filter(it => it).join()].join(' ');",
    );
    assert_eq!(seen, format!("60 60 3145728 200 {name}"));
    assert_eq!(site.a.requests_to("/upload")[0].body, vec![7; 2 << 20]);
    let given_up = site.a.count(|it| it.path == "/hang");
    assert!(given_up > 0, "some had come");
    eventually(PATIENCE, "each has ended", || site.lines("/hang").len() >= given_up);
    assert!(site.lines("/hang").iter().all(|line| line["status"] == 499));
    let all = site.lines("/");
    assert!(all.iter().all(|line| line["protocol"] == logged), "{all:?}");
    assert!(site.lb.stderr().iter().all(|line| !line.contains("connection cut")));
}

#[test]
fn messages_of_all_lengths_come_back_over_websocket_and_so_do_codes_of_the_end() {
    let mut site = Site::open(Spoken::Http2, websocket::echo_server());
    let opened = "const opened = () => new Promise((resolve, reject) => {
        const socket = new WebSocket(location.href.replace('https', 'wss').replace('page', 'ws'));
        socket.binaryType = 'arraybuffer';
        socket.onopen = () => resolve(socket);
        socket.onerror = () => reject(new Error('no tunnel'));
    });";
    let seen = site.run(&format!(
        "{opened}
         const socket = await opened();
         const lengths = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20];
         const back = () => new Promise(resolve => socket.onmessage = event => resolve(event.data));
         let same = 0;
         for (const length of lengths) {{
             const bytes = new Uint8Array(length).map((_, at) => at / 251);
             const answer = back();
             socket.send(bytes);
             const got = new Uint8Array(await answer);
             same += got.length == length && got.every((it, at) => it == bytes[at]);
         }}
         const text = 'Hello-µ@ßöäüàá-UTF-8!! 😀'.repeat(10000);
         const answer = back();
         socket.send(text);
         return same + ' ' + (await answer == text);"
    ));
    assert_eq!(seen, "9 true");
    let seen = site.run(&format!(
        "{opened}
         const ends = [1000, 3000, 4999].map(async code => {{
             const socket = await opened();
             const end = new Promise(resolve => socket.onclose = resolve);
             socket.close(code, 'for ' + code);
             const event = await end;
             return [event.code, event.reason, event.wasClean].join(' ');
         }});
         return (await Promise.all(ends)).join();"
    ));
    assert_eq!(seen, "1000 for 1000 true,3000 for 3000 true,4999 for 4999 true");
    eventually(PATIENCE, "their tunnels have ended", || site.lines("/ws").len() >= 3);
    for line in site.lines("/ws") {
        assert_eq!((&line["protocol"], &line["status"]), (&"HTTP/2.0".into(), &101.into()));
    }
}
