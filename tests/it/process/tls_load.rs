//! TLS under load and under attack: what changes meanwhile costs no request, and what attackers do delays
//! no other client.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    load::{Load, good_answer},
    metrics::Asked,
    process::{LbProcess, memory_of, new_folder},
    tls_client,
};

use super::{pid_that, tell, tls::text};

/// Half handshakes at once.
const HALF: usize = 1000;
/// The most memory that one of them may cost, in kilobytes.
const HALF_COST: u64 = 32;

/// A process with a certificate in its own folder, which [`tls_client`] trusts.
fn start(backend: &ScriptedBackend, tls: &str) -> LbProcess {
    let tls = format!("certificates: [ {{ cert: shop.pem, key: shop.key }} ], {tls}");
    let yaml = text(backend.address(), &tls, "admin: { address: 127.0.0.1:0 }");
    let yaml = yaml.replace("access_log: { path: access.log }", "access_log: off");
    let folder = new_folder();
    tls_client::write_next(folder.path());
    fs::write(folder.path().join("lb.yaml"), yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    LbProcess::spawn(folder, command)
}

fn succeed(lb: &LbProcess, command: &str) {
    let outcome = tell(lb, command);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn reloads_upgrades_and_new_certificates_cost_no_request() {
    let a = ScriptedBackend::named("a");
    a.reply_with(good_answer);
    let mut lb = start(&a, "");
    let load = Load::over_tls(lb.address());
    for round in 0..20 {
        load.more(50);
        succeed(&lb, "reload");
        if round % 4 == 3 {
            let before = pid_that(&lb, |_| true);
            succeed(&lb, "upgrade");
            assert_ne!(pid_that(&lb, |_| true), before);
        }
    }
    for _ in 0..100 {
        load.more(10);
        tls_client::write_next(lb.folder());
    }
    succeed(&lb, "reload");
    load.more(50);
    let report = load.finish();
    assert!(report.failures.is_empty(), "{report}");
}

/// A client that begins another handshake in its session, `R` in `openssl s_client`, gets none.
#[test]
fn no_session_is_negotiated_again() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "handshake: 5s");
    let text = fs::read_to_string(lb.folder().join("lb.yaml")).unwrap();
    let text = text.replace("listeners: [ {", "listeners: [ { client: { keepalive: 1s }, ");
    fs::write(lb.folder().join("lb.yaml"), text).unwrap();
    succeed(&lb, "reload");
    let address = lb.address();
    let mut command = Command::new("sh");
    let s_client = format!("exec timeout 20 openssl s_client -tls1_2 -connect {address} 2>&1");
    let piped = command.args(["-c", &s_client]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = piped.spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut output = client.stdout.take().unwrap();
    let mut seen = Vec::new();
    let mut read_until = |text: &str| {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(text) {
            match output.read(&mut piece).unwrap() {
                0 => break,
                length => seen.extend_from_slice(&piece[..length]),
            }
        }
        String::from_utf8_lossy(&seen).into_owned()
    };
    let answered = read_until("HTTP/1.1 200");
    assert!(answered.contains("HTTP/1.1 200"), "{answered}");
    input.write_all(b"R\n").unwrap();
    // The connection ends as one without a request does.
    let seen = read_until("no such text");
    assert!(seen.contains("RENEGOTIATING"), "{seen}");
    drop(input);
    client.wait().unwrap();
    let scrape = Asked::of(&mut lb).scrape();
    let sessions = scrape.sum("lb_listener_tls_handshakes_total", &[("result", "full")]);
    assert_eq!(sessions, 1, "{seen}");
    assert_eq!(tls_client::get(address, "/last").status, 200);
}

/// The first bytes of a handshake, whose end never comes.
fn hello() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    hello.extend([7; 90]);
    hello
}

/// A connection on which these bytes were sent.
fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // The other end may have closed already.
    let _ = stream.write_all(bytes);
    stream
}

/// Everything that comes until the other end closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "it is not closed");
    }
    bytes
}

#[test]
fn half_handshakes_delay_no_other_client_and_end_by_themselves() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "handshake: 5s");
    let address = lb.address();
    assert_eq!(tls_client::get(address, "/first").status, 200);
    let before = memory_of(lb.pid());
    let hello = hello();
    let half = (0..HALF).map(|place| send(address, &hello[..place % hello.len()]));
    let mut half: Vec<_> = half.collect();
    for (place, byte) in hello.iter().enumerate() {
        // Some go on, a byte at a time; others are served between two bytes.
        half.iter_mut().take(20).for_each(|stream| drop(stream.write_all(&[*byte])));
        if place % 10 == 0 {
            assert_eq!(tls_client::get(address, "/between").status, 200);
        }
    }
    let grown = memory_of(lb.pid()).saturating_sub(before);
    assert!(grown < HALF as u64 * HALF_COST, "{grown} kB");
    half.into_iter().for_each(|stream| drop(rest(stream)));
    let admin = Asked::of(&mut lb).0;
    let counted = || {
        let scrape = Asked(admin).scrape();
        let of = |result| scrape.sum("lb_listener_tls_handshakes_total", &[("result", result)]);
        of("late") + of("malformed") + of("left")
    };
    eventually(PATIENCE, "all of them are counted", || counted() >= HALF);
    assert_eq!(tls_client::get(address, "/last").status, 200);
    // One line a second at most.
    let lines = lb.stderr().iter().filter(|line| line.contains("TLS handshake failed")).count();
    assert!((1..HALF / 10).contains(&lines), "{lines} lines");
}

#[test]
fn what_is_no_handshake_is_refused_at_once() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "handshake: 60s");
    let address = lb.address();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..100 {
        let mut bytes: Vec<u8> = (0..random.usize(6..2000)).map(|_| random.u8(..)).collect();
        if round % 2 == 0 {
            // A record of a handshake, with another message than the first in it.
            let [high, low] = (bytes.len() as u16 - 5).to_be_bytes();
            bytes[..6].copy_from_slice(&[0x16, 0x03, 0x01, high, low, 9]);
        } else if bytes[0] == 0x16 {
            bytes[0] = 0;
        }
        let answered = rest(send(address, &bytes));
        assert!(answered.len() < 200, "{round}: {answered:?}");
    }
    // A message that announces more than any handshake has, in as many records as are taken.
    let mut oversized = Vec::new();
    for round in 0..200 {
        let head: &[u8] = if round == 0 { &[0x01, 0xff, 0xff, 0xff, 0x03, 0x03] } else { &[] };
        oversized.extend([0x16, 0x03, 0x01, 0x40, 0x00]);
        oversized.extend_from_slice(head);
        oversized.resize((round + 1) * (0x4000 + 5), 0);
    }
    let before = memory_of(lb.pid());
    (0..20).for_each(|_| drop(rest(send(address, &oversized))));
    let grown = memory_of(lb.pid()).saturating_sub(before);
    assert!(grown < 20_000, "{grown} kB");
    assert_eq!(tls_client::get(address, "/last").status, 200);
    assert!(Asked::of(&mut lb).scrape().sum("lb_listener_tls_handshakes_total", &[]) > 100);
}
