//! `lb status`, `lb explain`, the changes and `lb top`, with a scripted admin listener: their
//! requests, their output, and their messages about a peer that is not an admin listener.

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::net::UnixListener,
    process::Command,
    thread,
};

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::wait_for,
    full_listener::full_listener,
    process::{LbProcess, new_folder},
    reply::{Reply, Step},
};

use super::{Outcome, outcome};

const TOKEN: &str = "0123456789abcdef";
const POOLS: &str = "/api/v1/pools";

fn run(args: &[&str]) -> Outcome {
    run_with(args, &[])
}

fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(args).env_remove("LB_ADMIN_TOKEN").envs(variables.iter().copied());
    outcome(LbProcess::spawn(new_folder(), command))
}

/// The scripted listener as an argument.
fn at(admin: &ScriptedBackend) -> String {
    format!("--admin=http://{}", admin.address())
}

fn answering(path: &str, status: u16, body: &Value) -> ScriptedBackend {
    let admin = ScriptedBackend::replying(Reply::status(404).body("who?"));
    admin.reply_to(path, Reply::status(status).body(body.to_string()));
    admin
}

fn backend(address: &str, state: &str) -> Value {
    let times = json!({ "p50_ms": 3.1, "p95_ms": 10.0, "p99_ms": 41.0 });
    json!({
        "pool": "web", "name": address, "address": address, "state": state, "reason": null,
        "until": null,
        "for_ms": null, "set_by_operator": [], "backup": false, "weight": 1,
        "weight_in_effect": 1.0, "active": 3, "max_connections": null, "requests": 10,
        "errors": 0, "responses": classes(), "rate": 60.2, "error_rate": 0.0, "share": 0.5,
        "latency": times, "first_byte": times, "check": null,
        "connections": { "opened": 1, "reused": 9 }, "later": "a field of another version",
    })
}

fn status(backends: &[Value]) -> Value {
    let pool = |name: &str, backends: &[Value]| {
        json!({
            "name": name, "algorithm": "least_conn", "requests": 10, "responses": classes(),
            "errors": 0, "active": 3, "rate": 60.2, "error_rate": 0.0,
            "latency": { "p50_ms": 3.1, "p95_ms": 10.0, "p99_ms": 41.0 },
            "queue": { "length": 0, "size": 100 }, "retries": 0, "budget_exhausted": 0,
            "panic": false, "history": { "requests": [], "errors": [], "p99_ms": [] },
            "backends": backends,
        })
    };
    json!({
        "version": "0.1.0", "pid": 4711, "time": "2026-11-21T12:00:00Z", "uptime_ms": 5000,
        "generation": 1, "ready": false, "unready": "no eligible backend in pool api",
        "in_flight": 3, "connections": 4, "listeners": [],
        "pools": [pool("web", backends), pool("api", &[])],
    })
}

fn classes() -> Value {
    json!({ "1xx": 0, "2xx": 10, "3xx": 0, "4xx": 0, "5xx": 0, "none": 0 })
}

fn web() -> Value {
    status(&[backend("10.0.0.1:9001", "eligible"), backend("10.0.0.2:9001", "ejected")])
}

/// The status is shown for a process that is not ready, too, when it is needed most.
#[test]
fn the_status_is_a_table() {
    let admin = answering(POOLS, 200, &web());
    let outcome = run(&["status", &at(&admin)]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(lines[0].contains(": not ready: no eligible backend in pool api, 3 in flight"));
    assert!(lines[2].starts_with("web  least_conn  60 req/s"), "{}", outcome.stdout);
    assert!(lines[4].starts_with("  10.0.0.1:9001  eligible "), "{}", outcome.stdout);
    assert!(lines[7].starts_with("api  "), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains('\u{1b}'), "no colours into a pipe: {:?}", outcome.stdout);
    let asked = &admin.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", POOLS));
    assert_eq!(asked.header("host"), Some(admin.address().to_string().as_str()));
    assert_eq!(asked.header("authorization"), None);
    let one = run(&["status", "web", &at(&admin)]).stdout;
    assert!(one.contains("web  least_conn") && !one.contains("api  "), "{one}");
}

#[test]
fn a_script_gets_the_json_as_it_was_sent() {
    let admin = answering(POOLS, 200, &web());
    let all = run(&["status", "--json", &at(&admin)]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""));
    assert_eq!(serde_json::from_str::<Value>(&all.stdout).unwrap(), web());
    let one = run(&["status", "api", "--json", &at(&admin)]).stdout;
    let one: Value = serde_json::from_str(&one).unwrap();
    let mut expected = web();
    expected["pools"] = json!([web()["pools"][1]]);
    assert_eq!(one, expected);
    let place = |key: &str| all.stdout.find(&format!("\"{key}\"")).unwrap();
    assert!(place("version") < place("pid") && place("pid") < place("connections"));
}

#[test]
fn a_change_sends_a_header_that_no_form_can_and_prints_the_result() {
    const OF_WEB: &str = "/api/v1/pools/web/backends/10.0.0.1:9001";
    for (args, method, path, body) in [
        (["drain"].as_slice(), "POST", "drain", ""),
        (&["undrain"], "POST", "undrain", ""),
        (&["eject"], "POST", "eject", ""),
        (&["eject", "--for", "30s"], "POST", "eject", r#"{"for":"30s"}"#),
        (&["readmit"], "POST", "readmit", ""),
        (&["weight", "3"], "PUT", "weight", r#"{"weight":3}"#),
        (&["weight", "default"], "PUT", "weight", r#"{"weight":null}"#),
    ] {
        let path = format!("{OF_WEB}/{path}");
        let admin = answering(&path, 200, &backend("10.0.0.1:9001", "draining"));
        let (at, url) = (at(&admin), "http://10.0.0.1:9001");
        let arguments = [&args[..1], &["web", url], &args[1..], &[&at]].concat();
        let outcome = run_with(&arguments, &[("LB_ADMIN_TOKEN", TOKEN)]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{args:?}");
        let says = "10.0.0.1:9001 of pool web is draining, 3 active, weight 1\n";
        assert_eq!(outcome.stdout, says, "{args:?}");
        // A drain is preceded by the question whether it is the last backend.
        let asked = admin.requests().pop().unwrap();
        assert_eq!((asked.method.as_str(), &asked.path), (method, &path), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&asked.body), body, "{args:?}");
        assert_eq!(asked.header("x-requested-with"), Some("lb"));
        assert_eq!(asked.header("authorization"), Some("Bearer 0123456789abcdef"));
    }
    let admin = answering(&format!("{OF_WEB}/drain"), 200, &backend("10.0.0.1:9001", "draining"));
    let json = run(&["drain", "web", "10.0.0.1:9001", "--json", &at(&admin)]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, backend("10.0.0.1:9001", "draining"));
}

/// Without a terminal the command cannot ask.
#[test]
fn the_last_backend_is_not_drained_without_a_yes() {
    const ONE: &str = "/api/v1/pools/web/backends/10.0.0.1:9001";
    let drained = format!("{ONE}/drain");
    for (last, yes, code, stderr) in [
        (
            json!("backend"),
            None,
            1,
            "not drained: it is the last eligible backend of web: without it, requests to this \
             pool fail (to drain it all the same: lb drain --yes)\n",
        ),
        (json!("backend"), Some("--yes"), 0, ""),
        (json!("backend"), Some("-y"), 0, ""),
        (
            json!("primary"),
            None,
            0,
            "warning: 10.0.0.1:9001: it is the last eligible primary of web: backups take over\n",
        ),
        (Value::Null, None, 0, ""),
    ] {
        let admin = answering(&drained, 200, &backend("10.0.0.1:9001", "draining"));
        let mut before = backend("10.0.0.1:9001", "eligible");
        before["last_serving"] = last.clone();
        admin.reply_to(ONE, Reply::status(200).body(before.to_string()));
        let at = at(&admin);
        let args = ["drain", "web", "10.0.0.1:9001", &at].into_iter().chain(yes);
        let outcome = run(&args.collect::<Vec<_>>());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(code), stderr), "{last} {yes:?}");
        let changes = admin.requests().iter().filter(|asked| asked.path == drained).count();
        assert_eq!(changes, usize::from(code == 0), "{last} {yes:?}");
    }
}

#[test]
fn an_explanation_is_requested_with_all_parameters() {
    let path = "/api/v1/explain?method=POST&host=example.com%3A8080&path=%2Fa+b&query=c\
                &scheme=https&client=10.1.2.3";
    let answer = json!({
        "listeners": ["0.0.0.0:8080"], "route": null, "pool": null, "repeatable": false,
        "client": "10.1.2.3", "candidates": [], "chosen": null, "by_chance": false,
        "summary": "No route matches: it would be answered with 404.",
    });
    let admin = answering(path, 200, &answer);
    let asked = ["explain", "https://example.com:8080/a b?c", "--method=POST", "--client=10.1.2.3"];
    let outcome = run(&[&asked[..], &[&at(&admin)]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let starts = "No route matches: it would be answered with 404.\n\n  request   POST https://ex";
    assert!(outcome.stdout.starts_with(starts), "{}", outcome.stdout);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let admin = answering(POOLS, 200, &web());
    let refusal = |status: u16| Reply::status(status).body(r#"{"error":"no such thing"}"#);
    admin.reply(refusal(404));
    admin.reply_to("/api/v1/pools/web/backends/b/drain", refusal(400));
    for (args, says) in [
        (
            ["drain", "web", "10.0.0.2:901"].as_slice(),
            "pool web has no backend 10.0.0.2:901 (its backends are 10.0.0.2:9001, 10.0.0.1:9001)\n",
        ),
        (
            &["drain", "web", "b"],
            "pool web has no backend b (its backends are 10.0.0.1:9001, 10.0.0.2:9001)\n",
        ),
        (&["drain", "wbe", "10.0.0.1:9001"], "no pool is named \"wbe\" (the pools are web, api)\n"),
        (&["status", "apj"], "no pool is named \"apj\" (the pools are api, web)\n"),
        (&["readmit", "web", "10.0.0.1:9001"], "no such thing\n"),
    ] {
        let outcome = run(&[args, &[&at(&admin)]].concat());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), says), "{args:?}");
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn a_refusal_is_printed_with_its_reason() {
    let path = "/api/v1/pools/web/backends/10.0.0.1:9001/eject";
    let answer = json!({ "error": "it is the last one that serves \u{1b}[2J" });
    let admin = answering(path, 409, &answer);
    let outcome = run(&["eject", "web", "10.0.0.1:9001", &at(&admin)]);
    let says = "it is the last one that serves \\u{1b}[2J\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), says));
}

#[test]
fn without_an_admin_listener_it_says_what_is_missing() {
    let admin = ScriptedBackend::named("a");
    admin.stop();
    let address = admin.address();
    let flags = "started from flags alone, without -c FILE, it has no admin listener: write that line and \
                 what the flags say into a file";
    let expected = format!(
        "no connection to http://{address}: connection refused (is lb running, and does its \
         configuration have `admin: {{ address: {address} }}`? {flags})\n"
    );
    let outcome = run(&["status", &at(&admin)]);
    assert_eq!((outcome.code, outcome.stderr), (Some(1), expected));
    let expected = format!(
        "no connection to unix:/nowhere/admin.sock: there is no such socket (is lb running, and does its \
         configuration have `admin: {{ address: unix:/nowhere/admin.sock }}`? {flags})\n"
    );
    let outcome = run(&["drain", "web", "10.0.0.1:9001", "--admin=unix:/nowhere/admin.sock"]);
    assert_eq!((outcome.code, outcome.stderr), (Some(1), expected));
}

#[test]
fn other_servers_are_recognised() {
    let json = "Content-Type: application/json\r\n";
    let short = format!("HTTP/1.1 200 OK\r\n{json}Content-Length: 9\r\n\r\n{{");
    for (reply, says) in [
        (Reply::ok("<html>hello</html>"), "it answered 200 to GET /api/v1/pools"),
        (Reply::status(404).body("not found"), "it answered 404 to GET /api/v1/pools"),
        (Reply::ok("{}"), "its JSON has another shape: missing field `version`"),
        (
            Reply::steps_of([Step::Send("220 mail ready\r\n\r\n".into()), Step::Close]),
            "not speak HTTP",
        ),
        (
            Reply::steps_of([Step::Send(short.into()), Step::Close]),
            "closed the connection before its answer was complete",
        ),
        (Reply::steps_of([Step::Close]), "closed the connection before its answer was complete"),
    ] {
        let admin = ScriptedBackend::replying(reply);
        let outcome = run(&["status", &at(&admin)]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{says}");
        assert!(outcome.stderr.contains(says), "{says:?} is not in {}", outcome.stderr);
        assert!(outcome.stderr.contains(&admin.address().to_string()), "{}", outcome.stderr);
    }
}

/// The peer does not answer, as a stopped process or a firewall does not.
#[test]
fn every_wait_has_a_limit() {
    let silent = ScriptedBackend::replying(Reply::hang());
    let (full, _waiting) = full_listener();
    let silent_at = at(&silent);
    let full_at = format!("--admin=http://{}", full.local_addr().unwrap());
    let waits = thread::spawn(move || run(&["status", &full_at]));
    let outcome = run(&["status", &silent_at]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains(" does not answer within 5s "), "{}", outcome.stderr);
    let outcome = waits.join().unwrap();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains(": not accepted within 2s "), "{}", outcome.stderr);
}

#[test]
fn a_missing_or_wrong_token_is_reported_with_its_place() {
    let admin = answering(POOLS, 401, &json!({ "error": "a token is required" }));
    let outcome = run(&["status", &at(&admin)]);
    assert_eq!(outcome.code, Some(1));
    for expected in ["requires a token", "--token-file", "LB_ADMIN_TOKEN", "-c"] {
        assert!(outcome.stderr.contains(expected), "{expected}: {}", outcome.stderr);
    }
    let outcome = run_with(&["status", &at(&admin)], &[("LB_ADMIN_TOKEN", TOKEN)]);
    assert!(outcome.stderr.contains("rejects this token"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(TOKEN), "{}", outcome.stderr);
}

#[test]
fn a_token_comes_from_a_file_before_the_environment() {
    let admin = answering(POOLS, 200, &web());
    let folder = new_folder();
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let from_file = format!("--token-file={}", file.display());
    let other = [("LB_ADMIN_TOKEN", "another-token-000")];
    let outcome = run_with(&["status", &at(&admin), &from_file], &other);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(admin.requests()[0].header("authorization"), Some(bearer.as_str()));
    for (text, says) in [("", "is empty"), ("two\nlines", "one line of visible ASCII")] {
        fs::write(&file, text).unwrap();
        let outcome = run(&["status", &at(&admin), &from_file]);
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
    fs::remove_file(&file).unwrap();
    let outcome = run(&["status", &at(&admin), &from_file]);
    assert!(outcome.stderr.contains("the token cannot be read"), "{}", outcome.stderr);
}

/// A configuration with a backend whose name does not resolve, which must not matter.
fn configuration(admin: &str) -> String {
    format!(
        "listeners: [ {{ address: 127.0.0.1:0 }} ]\nroutes: [ {{ pool: web }} ]\npools:\n  web: {{ \
         backends: [ {{ address: nonexistent.invalid:80 }} ] }}\n{admin}\n"
    )
}

fn status_of(configuration: &str) -> Outcome {
    let folder = new_folder();
    let file = folder.path().join("lb.yaml");
    fs::write(&file, configuration).unwrap();
    run(&["status", "-c", file.to_str().unwrap()])
}

#[test]
fn the_file_of_the_process_has_the_address_and_the_token() {
    let admin = answering(POOLS, 200, &web());
    let port = admin.address().port();
    let everywhere = format!("admin: {{ address: \"0.0.0.0:{port}\", token: {TOKEN} }}");
    let outcome = status_of(&configuration(&everywhere));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(admin.requests()[0].header("authorization"), Some(bearer.as_str()));
    assert_eq!(admin.requests()[0].header("host"), Some(format!("127.0.0.1:{port}").as_str()));
    admin.stop();
    let outcome = status_of(&configuration(&everywhere));
    assert!(outcome.stderr.contains("is lb running? start it with: lb -c "), "{}", outcome.stderr);
}

#[test]
fn a_file_that_does_not_lead_there_says_why() {
    for (text, says) in [
        (configuration(""), "has no admin listener (write \"admin: { address: 127.0.0.1:9900 }\""),
        (configuration("admin: { address: 127.0.0.1:0 }"), "only the log of the process shows it"),
        (
            configuration("admin: { adress: 127.0.0.1:1 }"),
            "lb.yaml:5: admin.adress: is not a known",
        ),
    ] {
        let outcome = status_of(&text);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{says}");
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
    }
    let outcome = run(&["status", "-c", "none.yaml"]);
    assert!(outcome.stderr.contains("there is no such file"), "{}", outcome.stderr);
}

#[test]
fn a_socket_is_asked_as_well() {
    let folder = new_folder();
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let body = web().to_string();
    let answers = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    let outcome = run(&["status", &format!("--admin=unix:{}", path.display())]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout.contains("10.0.0.1:9001"), "{}", outcome.stdout);
    let head = answers.join().unwrap();
    assert!(head.to_lowercase().contains("\r\nhost: localhost\r\n"), "{head}");
}

#[test]
fn a_wrong_command_line_is_code_2() {
    for (args, named) in [
        (["drain", "web"].as_slice(), "BACKEND"),
        (&["weight", "web", "10.0.0.1:9001", "0"], "lb drain"),
        (&["weight", "web", "10.0.0.1:9001"], "N|default"),
        (&["eject", "web", "10.0.0.1:9001", "--for", "long"], "30s or 5m"),
        (&["explain", "/path"], "must have a host"),
        (&["explain", "a", "--client", "b"], "--client"),
        (&["status", "--admin", "https://127.0.0.1"], "https://10.0.0.1:9900"),
        (&["status", "--key", "a.key"], "--cert"),
        (&["status", "--admin", "127.0.0.1:1", "-c", "lb.yaml"], "--conf"),
        (&["status", "--token", TOKEN], "--token"),
    ] {
        let outcome = run(args);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(outcome.stderr.contains(named), "{args:?}: {}", outcome.stderr);
    }
}

/// `lb top` in a terminal of 80 by 24; afterwards the shell prints the state of the terminal.
struct Top {
    script: LbProcess,
}

impl Top {
    fn start(admin: SocketAddr) -> Self {
        let folder = new_folder();
        let lb = env!("CARGO_BIN_EXE_lb");
        let inside = format!(
            "stty rows 24 cols 80\nsh -c 'echo pid=$$=; exec {lb} top --admin http://{admin}'\n\
             code=$?\nstty -a\nexit $code\n"
        );
        fs::write(folder.path().join("inside"), inside).unwrap();
        let mut command = Command::new("script");
        command.args(["-qfec", "sh inside", "screen"]).env("TERM", "xterm-256color");
        command.env_remove("LB_ADMIN_TOKEN");
        Self { script: LbProcess::spawn(folder, command) }
    }

    /// Everything that was written to the terminal. Text that stays in place was written once, and
    /// a jump may stand between two words.
    fn screen(&self) -> String {
        let bytes = fs::read(self.script.folder().join("screen")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let came = wait_for(PATIENCE, || self.screen().contains(text).then_some(()));
        assert!(came.is_some(), "{text:?} is not on the screen: {:?}", self.screen());
    }

    /// Ends with the code of `lb`, and the terminal as it was before.
    #[track_caller]
    fn assert_ends(mut self) {
        let code = self.script.wait_for_exit(PATIENCE).code();
        let screen = self.screen();
        assert_eq!(code, Some(0), "{screen:?}");
        let (_, after) = screen.split_once("\u{1b}[?1049l").expect("the other screen is left");
        let modes: Vec<_> = after.split_whitespace().collect();
        for mode in ["icanon", "echo", "isig"] {
            assert!(modes.contains(&mode), "{mode}: {after:?}");
        }
        assert!(screen.contains("\u{1b}[?25h"), "the cursor is shown again: {screen:?}");
    }
}

#[test]
fn top_shows_the_backends_and_steers_them_from_a_terminal() {
    let admin = answering(POOLS, 200, &web());
    let path = "/api/v1/pools/web/backends/10.0.0.2:9001/drain";
    let drained = backend("10.0.0.2:9001", "draining");
    admin.reply_to(path, Reply::ok(drained.to_string()));
    let mut top = Top::start(admin.address());
    top.wait_for("10.0.0.1:9001");
    top.script.type_line("dy");
    top.wait_for("done,");
    assert_eq!(admin.requests_to(path)[0].method, "POST");
    // Refreshes by itself.
    let others = status(&[backend("10.0.0.1:9001", "unhealthy")]);
    admin.reply_to(POOLS, Reply::ok(others.to_string()));
    top.wait_for("unhealthy");
    admin.stop();
    top.wait_for("trying");
    admin.start();
    top.wait_for("answers");
    top.script.type_line("q");
    top.assert_ends();
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let admin = answering(POOLS, 200, &web());
        let top = Top::start(admin.address());
        top.wait_for("10.0.0.1:9001");
        let screen = top.screen();
        let pid = screen.split("pid=").nth(1).and_then(|rest| rest.split('=').next()).unwrap();
        kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), signal).unwrap();
        top.assert_ends();
    }
}

#[test]
fn top_without_a_terminal_or_a_process_says_so() {
    let admin = answering(POOLS, 200, &web());
    let outcome = run(&["top", &at(&admin)]);
    let says = "lb top needs a terminal (lb status prints the same once)\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), says));
    admin.stop();
    let mut top = Top::start(admin.address());
    let code = top.script.wait_for_exit(PATIENCE).code();
    assert_eq!(code, Some(1));
    assert!(top.screen().contains("no connection to http://"), "{:?}", top.screen());
    assert!(!top.screen().contains("\u{1b}[?1049h"), "the screen is not touched");
}
