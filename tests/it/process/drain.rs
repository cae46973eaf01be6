//! SIGTERM with `shutdown.delay` and `shutdown.timeout`, for balancers in front that need time to
//! notice.

use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, ask, get},
    eventually::eventually,
    process::{LbProcess, address_in},
    reply::{Reply, Step},
};

use super::{rewrite, tell, yaml};

const SETTINGS: &str = "access_log: off\nadmin: { address: 127.0.0.1:0 }";

fn config(backend: &ScriptedBackend, shutdown: &str) -> String {
    yaml(&[backend.address()], &format!("{SETTINGS}\nshutdown: {{ {shutdown} }}"))
}

/// A process with the addresses of its listener and of its admin listener.
fn start(text: &str) -> (LbProcess, SocketAddr, SocketAddr) {
    let mut lb = LbProcess::with_config(text, &[]);
    let address = lb.address();
    let admin = address_in(&lb.wait_for_log("admin listening")).unwrap();
    eventually(PATIENCE, "it is ready", || get(admin, "/ready").status == 200);
    (lb, address, admin)
}

#[track_caller]
fn stop(lb: &mut LbProcess) -> String {
    lb.signal(Signal::SIGTERM);
    lb.wait_for_log(" INFO stopping ")
}

#[test]
fn during_the_delay_every_client_is_served_and_told_to_leave() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address, admin) = start(&config(&a, "delay: 800ms"));
    let mut client = Connection::open(address).unwrap();
    assert_eq!(client.get("/").unwrap().header("connection"), Some("keep-alive"));
    let line = stop(&mut lb);
    assert!(line.ends_with(" delay=800ms"), "{line}");
    let ready = get(admin, "/ready");
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready: draining\n"));
    let health = tell(&lb, "health");
    assert_eq!((health.code, health.stderr.as_str()), (Some(1), "not ready: draining\n"));
    let reload = tell(&lb, "reload");
    assert_eq!((reload.code, reload.stderr.as_str()), (Some(1), "the process is stopping\n"));
    let answer = get(address, "/");
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("a", Some("close")));
    let answer = client.get("/").unwrap();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("a", Some("close")));
    eventually(PATIENCE, "connections are refused", || TcpStream::connect(address).is_err());
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

/// A client that sends something each half second, as one under load sends something each
/// millisecond: its requests are answered until it is told that there will be no more.
#[test]
fn an_active_client_is_told_before_its_connection_ends() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address, _) = start(&config(&a, "delay: 0s"));
    let clients: Vec<_> = (1..=5)
        .map(|number| {
            let mut client = Connection::open(address).unwrap();
            assert_eq!(client.get("/").unwrap().text(), "a");
            thread::spawn(move || {
                // The clients are out of step, so that some are about to send when the signal
                // comes.
                thread::sleep(Duration::from_millis(100 * number));
                while client.get("/").unwrap().header("connection") != Some("close") {
                    thread::sleep(Duration::from_millis(500));
                }
                client.receive().unwrap()
            })
        })
        .collect();
    a.wait_for_requests(8);
    stop(&mut lb);
    for client in clients {
        assert_eq!(client.join().expect("no request fails"), b"", "closed, not reset");
    }
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn requests_longer_than_the_timeout_are_cut_off_and_counted() {
    let a = ScriptedBackend::named("a");
    let first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    a.reply_to("/download", Reply::steps_of([Step::Send(first.to_vec()), Step::Hang]));
    let (mut lb, address, _) = start(&config(&a, "timeout: 1600ms"));
    let mut downloads = [ask(address, "/download"), ask(address, "/download")];
    for download in &mut downloads {
        assert!(download.read_head().unwrap().starts_with(b"HTTP/1.1 200"));
        assert_eq!(download.read_exact(9).unwrap(), b"4\r\nhalf\r\n");
    }
    stop(&mut lb);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(1));
    let last = lb.stderr().pop().unwrap();
    assert!(last.ends_with(" WARN stopped with requests in flight cut_off=2"), "{last}");
    for download in &mut downloads {
        assert_eq!(download.read_to_close(), b"");
    }
}

#[test]
fn a_second_signal_ends_the_delay() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let a = ScriptedBackend::named("a");
        let (mut lb, address, _) = start(&config(&a, "delay: 1h, timeout: 1h"));
        // Without the second signal, this client would be waited for.
        let _client = Connection::open(address).unwrap();
        stop(&mut lb);
        lb.signal(second);
        assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0), "{second}");
    }
}

#[test]
fn both_times_follow_a_reload() {
    let a = ScriptedBackend::replying(Reply::hang());
    let (mut lb, address, _) = start(&config(&a, "delay: 1h, timeout: 1h"));
    let _client = ask(address, "/");
    a.wait_for_heads(1);
    rewrite(&lb, &config(&a, "delay: 100ms, timeout: 0s"));
    assert_eq!(tell(&lb, "reload").stdout, "shutdown changed\nreloaded\n");
    let line = stop(&mut lb);
    assert!(line.ends_with(" in_flight=1 delay=100ms"), "{line}");
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(1));
}
