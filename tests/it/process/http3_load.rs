//! Clients of HTTP/3 over reloads and upgrades: no request is broken off, and clients that come anew are
//! served by the next process.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use quinn::{Endpoint, ReadError, ReadToEndError, RecvStream, SendStream};
use tokio::{task::JoinSet, time::timeout};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    first_packets::{Asked, receive, until_retry},
    http3_client::{RUNTIME, config},
    http3_raw::{DATA, Outcome, RawClient, SETTINGS, frame, get, integer, post},
    process::LbProcess,
    reply::Reply,
    tls_client,
    udp_relay::UdpRelay,
};

use super::{access_lines, pid_that, rewrite, serving, succession, tell};

const CLIENTS: usize = 8;
const RELOADS: usize = 20;
const UPGRADES: usize = 5;
/// How often a process is asked that has handed over.
const ASKED: usize = 50;
/// Bytes of a body that are passed on.
const REST: usize = 4 << 20;
/// The answer to a request behind the last one (RFC 9114 section 5.2).
const REJECTED: Outcome = Outcome::Reset(0x10b);
const BODY: &str = "a body of an answer";
const GOAWAY: u8 = 7;

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    is_over: AtomicBool,
    good: AtomicUsize,
    /// Connections that were opened.
    begun: AtomicUsize,
    /// Connections that the other side has ended in order.
    ended: AtomicUsize,
}

/// A connection, and whether its end was announced.
struct Client {
    _endpoint: Endpoint,
    quic: quinn::Connection,
    is_ending: Arc<AtomicBool>,
}

/// Notes the end of a connection when the other side announces it.
async fn listen(mut control: RecvStream, is_ending: Arc<AtomicBool>) {
    let mut came = Vec::new();
    while let Ok(Some(chunk)) = control.read_chunk(4096, true).await {
        came.extend_from_slice(&chunk.bytes);
        // The kind of the stream, then frames whose lengths are one byte.
        let mut rest = &came[1..];
        while let [kind, length, payload @ ..] = rest {
            let Some(next) = payload.get(usize::from(*length)..) else { break };
            if *kind == GOAWAY {
                is_ending.store(true, Ordering::SeqCst);
            }
            rest = next;
        }
    }
    is_ending.store(true, Ordering::SeqCst);
}

async fn try_connect(address: SocketAddr) -> Option<Client> {
    let endpoint = Endpoint::client((address.ip(), 0).into()).ok()?;
    let connecting = endpoint.connect_with(config(true), address, tls_client::NAME).ok()?;
    let quic = timeout(Duration::from_secs(3), connecting).await.ok()?.ok()?;
    let mut control = quic.open_uni().await.ok()?;
    control.write_all(&[integer(0), frame(SETTINGS, b"")].concat()).await.ok()?;
    let is_ending = Arc::new(AtomicBool::new(false));
    let said = timeout(PATIENCE, quic.accept_uni()).await.ok()?.ok()?;
    let listening = listen(said, Arc::clone(&is_ending));
    tokio::spawn(async move {
        listening.await;
        drop(control);
    });
    Some(Client { _endpoint: endpoint, quic, is_ending })
}

/// Connects; a process that ends takes no new connection, and the next one answers soon.
async fn connect(address: SocketAddr, seen: &Seen) -> Result<Client, String> {
    let connecting = async {
        loop {
            if let Some(client) = try_connect(address).await {
                return client;
            }
        }
    };
    let client = timeout(2 * PATIENCE, connecting).await.map_err(|_| "no process answers")?;
    seen.begun.fetch_add(1, Ordering::Relaxed);
    Ok(client)
}

/// One client, which opens another connection when its own is ending.
async fn run(address: SocketAddr, seen: Arc<Seen>) -> Result<(), String> {
    let mut client = connect(address, &seen).await?;
    while !seen.is_over.load(Ordering::Relaxed) {
        if client.is_ending.load(Ordering::SeqCst) {
            seen.ended.fetch_add(1, Ordering::Relaxed);
            client = connect(address, &seen).await?;
        }
        // The end may be announced just now: this request is served all the same, or was not begun, if the other
        // side has waited for it for too long.
        let Ok((mut send, mut recv)) = client.quic.open_bi().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // What was refused is told by the other direction.
        let _ = send.write_all(&get("/")).await;
        let _ = send.finish();
        let answer = timeout(PATIENCE, recv.read_to_end(1 << 16)).await.map_err(|_| "no answer")?;
        let answer = match answer {
            Err(ReadToEndError::Read(ReadError::Reset(code)))
                if Outcome::Reset(code.into_inner()) == REJECTED
                    && client.is_ending.load(Ordering::SeqCst) =>
            {
                continue;
            }
            answer => answer.map_err(|error| format!("{error:?}"))?,
        };
        if !answer.ends_with(BODY.as_bytes()) {
            return Err(format!("not the answer: {answer:?}"));
        }
        seen.good.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The configuration of one listener with HTTP/3.
fn listening(backend: &ScriptedBackend) -> String {
    let keys = tls_client::listener_keys();
    let listener = format!(":0, protocols: [h3, h2, http/1.1], {keys} }}");
    succession(backend).replace(":0 }", &listener)
}

/// Upgrades; returns the number of the process that serves.
fn upgrade(lb: &LbProcess) -> Pid {
    let before = pid_that(lb, |_| true);
    let outcome = tell(lb, "upgrade");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    pid_that(lb, |pid| pid != before)
}

/// What fails by design is a connection, never a request: in an upgrade each is ended in order, and its client
/// waits for the next process.
#[test]
fn no_request_is_broken_off_in_reloads_and_upgrades() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let text = listening(&a);
    let (mut lb, address) = serving(&text);
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn_on(run(address, Arc::clone(&seen)), RUNTIME.handle());
    }
    let go_on = |more: usize| {
        let wanted = seen.good.load(Ordering::Relaxed) + more;
        let goes_on = || seen.good.load(Ordering::Relaxed) >= wanted;
        eventually(2 * PATIENCE, "requests go on", goes_on);
    };
    let mut pid = pid_that(&lb, |_| true);
    for round in 0..UPGRADES {
        let ended = seen.ended.load(Ordering::Relaxed);
        for reload in 0..RELOADS / UPGRADES {
            go_on(100);
            rewrite(&lb, &format!("{text}# round {round} {reload}\n"));
            assert_eq!(tell(&lb, "reload").code, Some(0));
        }
        go_on(100);
        let have_begun = || seen.begun.load(Ordering::Relaxed) == (round + 1) * CLIENTS;
        eventually(2 * PATIENCE, "every client has come to this process", have_begun);
        assert_eq!(seen.ended.load(Ordering::Relaxed), ended, "a reload ends no connection");
        pid = upgrade(&lb);
        if round == 0 {
            assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
        }
        eventually(PATIENCE, "the old process has ended", || lb.pids_in_folder() == [pid]);
        let are_there = || seen.ended.load(Ordering::Relaxed) >= (round + 1) * CLIENTS;
        eventually(2 * PATIENCE, "every connection has ended in order", are_there);
        go_on(100);
    }
    seen.is_over.store(true, Ordering::Relaxed);
    RUNTIME.block_on(async {
        while let Some(client) = timeout(PATIENCE, clients.join_next()).await.expect("an end") {
            assert_eq!(client.unwrap(), Ok(()), "{seen:?}");
        }
    });
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}

/// A request whose body has begun.
struct Held {
    client: RawClient,
    send: SendStream,
    recv: RecvStream,
    path: String,
}

impl Held {
    fn begin(address: SocketAddr, path: &str) -> Self {
        let client = RawClient::to(address);
        let (send, recv) = client.begin(&[post(path), frame(DATA, b"begins, ")].concat(), false);
        // What was sent before it has come, too.
        assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
        Self { client, send, recv, path: path.to_owned() }
    }

    /// Packets go in both directions, though the connection takes no further request.
    fn asks(&self) {
        let mut refused = 0;
        while refused < ASKED {
            let outcome = self.client.ask(&get("/"));
            assert!(matches!(outcome, Outcome::Answered(200) | REJECTED), "{outcome:?}");
            refused += usize::from(outcome == REJECTED);
        }
    }

    /// Sends a large rest of the body, and gets the answer.
    #[track_caller]
    fn ends(mut self, backend: &ScriptedBackend) {
        let rest = vec![b'x'; REST];
        RUNTIME.block_on(async {
            self.send.write_all(&frame(DATA, &rest)).await.unwrap();
            self.send.finish().unwrap();
        });
        assert_eq!(self.client.outcome(&mut self.recv), Outcome::Answered(200), "{}", self.path);
        let requests = backend.requests();
        let came = requests.into_iter().find(|request| request.path == self.path).unwrap();
        assert_eq!(came.body, [b"begins, ", &rest[..]].concat());
    }
}

#[test]
fn requests_go_on_in_the_process_that_has_them_while_the_next_one_serves() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let (mut lb, address) = serving(&listening(&a));
    let mut held = vec![Held::begin(address, "/first")];
    for path in ["/second", "/third"] {
        upgrade(&lb);
        // A client that comes anew is not held up by them.
        held.push(Held::begin(address, path));
        assert_eq!(RawClient::to(address).ask(&get("/")), Outcome::Answered(200));
        held.iter().rev().skip(1).for_each(Held::asks);
    }
    assert_eq!(lb.pids_in_folder().len(), 3);
    // The last one passes packets on to both.
    held.into_iter().for_each(|held| held.ends(&a));
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    eventually(PATIENCE, "the old processes have ended", || lb.pids_in_folder().len() == 1);
    assert_eq!(RawClient::to(address).ask(&get("/")), Outcome::Answered(200));
    signal::kill(lb.pids_in_folder()[0], Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}

#[test]
fn a_request_goes_on_if_the_next_process_dies() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let (mut lb, address) = serving(&listening(&a));
    let held = Held::begin(address, "/held");
    let pid = upgrade(&lb);
    held.asks();
    signal::kill(pid, Signal::SIGKILL).unwrap();
    held.asks();
    held.ends(&a);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}

#[test]
fn a_request_goes_on_if_the_next_process_has_no_http3() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let text = listening(&a);
    let (mut lb, address) = serving(&text);
    let held = Held::begin(address, "/held");
    rewrite(&lb, &text.replace("[h3, h2, http/1.1]", "[h2, http/1.1]"));
    let pid = upgrade(&lb);
    held.asks();
    held.ends(&a);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}

#[test]
fn a_client_that_has_missed_the_end_of_its_connection_learns_it_from_the_next_process() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let (mut lb, address) = serving(&listening(&a));
    let relay = UdpRelay::to(address, Duration::ZERO);
    let client = RawClient::to(relay.address);
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
    relay.is_cut.store(true, Ordering::SeqCst);
    let pid = upgrade(&lb);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    relay.is_cut.store(false, Ordering::SeqCst);
    let (_send, _recv) = client.begin(&get("/"), true);
    let closed = RUNTIME.block_on(async { timeout(PATIENCE, client.quic.closed()).await });
    assert_eq!(closed, Ok(quinn::ConnectionError::Reset));
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}

/// Passes on what comes for as long as anything does.
fn pass_on(from: UdpSocket, through: UdpSocket, to: SocketAddr) {
    thread::spawn(move || {
        let mut packet = [0; 2000];
        while let Ok((length, _)) = from.recv_from(&mut packet) {
            let _ = through.send_to(&packet[..length], to);
        }
    });
}

/// Upgrades between the question and the proof of a client.
fn proves_its_address(to_the_next: bool) {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    // Handshakes that go no further hold up the end of the process for so long.
    let (mut lb, address) = serving(&listening(&a).replace("tls: {", "tls: { handshake: 1s,"));
    let Asked { client, address: from, retry, back } = until_retry(address);
    client.front.send_to(&retry, from).unwrap();
    let (proof, _) = receive(&client.front);
    let pid = upgrade(&lb);
    if to_the_next {
        assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    }
    back.send_to(&proof, address).unwrap();
    pass_on(back.try_clone().unwrap(), client.front.try_clone().unwrap(), from);
    pass_on(client.front, back, address);
    let connected = RUNTIME.block_on(async { timeout(PATIENCE, client.connecting).await });
    assert_eq!(connected.expect("an answer").map(drop), Ok(()));
    signal::kill(pid, Signal::SIGTERM).unwrap();
}

#[test]
fn a_client_proves_its_address_to_the_process_that_has_asked_for_it() {
    proves_its_address(false);
}

#[test]
fn a_client_proves_its_address_to_the_next_process_if_the_one_that_has_asked_has_ended() {
    proves_its_address(true);
}

#[test]
fn clients_learn_that_the_process_has_ended() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    a.reply_to("/hang", Reply::hang());
    let text = listening(&a).replace("access_log: off", "access_log: { path: access.log }");
    let mut lb = LbProcess::with_config(&text, &[]);
    let address = lb.address();
    let (idle, busy) = (RawClient::to(address), RawClient::to(address));
    assert_eq!(idle.ask(&get("/")), Outcome::Answered(200));
    let _request = busy.begin(&get("/hang"), true);
    a.wait_for_requests(2);
    let pid = pid_that(&lb, |_| true);
    signal::kill(pid, Signal::SIGINT).unwrap();
    for client in [idle, busy] {
        assert_eq!(client.closed(), Outcome::Closed(0x100));
    }
    lb.wait_for_end(PATIENCE);
    let line = access_lines(&lb, 2).pop().unwrap();
    assert_eq!(line["error"], "lb stopped before the answer was complete");
}

#[test]
fn no_client_is_told_of_http3_that_needs_an_upgrade() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let text = listening(&a).replace("protocols: [h3, ", "alt_svc_port: 4433, protocols: [h3, ");
    let without = text.replace("alt_svc_port: 4433, ", "").replace("[h3, ", "[");
    let (lb, address) = serving(&without);
    rewrite(&lb, &text);
    assert_eq!(tell(&lb, "reload").code, Some(0));
    assert_eq!(tls_client::get(address, "/").header("alt-svc"), None);
    let pid = upgrade(&lb);
    assert_eq!(RawClient::to(address).ask(&get("/")), Outcome::Answered(200));
    let told = || tls_client::get(address, "/").header("alt-svc").map(str::to_owned);
    eventually(PATIENCE, "clients are told", || told() == Some("h3=\":4433\"; ma=86400".into()));
    signal::kill(pid, Signal::SIGTERM).unwrap();
}
