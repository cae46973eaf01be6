//! Clients of HTTP/3 over reloads and an upgrade: no request is broken off, and clients that come anew are
//! served by the next process.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::sys::signal::{self, Signal};
use quinn::{Endpoint, RecvStream};
use tokio::{task::JoinSet, time::timeout};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    http3_client::{RUNTIME, config},
    http3_raw::{SETTINGS, frame, get, integer},
    reply::Reply,
    tls_client,
};

use super::{pid_that, rewrite, serving, succession, tell};

const CLIENTS: usize = 8;
const BODY: &str = "a body of an answer";
const GOAWAY: u8 = 7;

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    is_over: AtomicBool,
    good: AtomicUsize,
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
async fn connect(address: SocketAddr) -> Result<Client, String> {
    let connecting = async {
        loop {
            if let Some(client) = try_connect(address).await {
                return client;
            }
        }
    };
    timeout(2 * PATIENCE, connecting).await.map_err(|_| "no process answers".to_owned())
}

/// One client, which opens another connection when its own is ending.
async fn run(address: SocketAddr, seen: Arc<Seen>) -> Result<(), String> {
    let mut client = connect(address).await?;
    while !seen.is_over.load(Ordering::Relaxed) {
        if client.is_ending.load(Ordering::SeqCst) {
            seen.ended.fetch_add(1, Ordering::Relaxed);
            client = connect(address).await?;
        }
        // The end may be announced just now, and this request is served all the same.
        let Ok((mut send, mut recv)) = client.quic.open_bi().await else {
            tokio::task::yield_now().await;
            continue;
        };
        send.write_all(&get("/")).await.map_err(|error| format!("{error:?}"))?;
        send.finish().map_err(|error| format!("{error:?}"))?;
        let answer = timeout(PATIENCE, recv.read_to_end(1 << 16)).await;
        let answer = answer.map_err(|_| "no answer")?.map_err(|error| format!("{error:?}"))?;
        if !answer.ends_with(BODY.as_bytes()) {
            return Err(format!("not the answer: {answer:?}"));
        }
        seen.good.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn no_request_is_broken_off_in_reloads_and_an_upgrade() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let keys = tls_client::listener_keys();
    let listener = format!(":0, protocols: [h3, h2, http/1.1], {keys} }}");
    let text = succession(&a).replace(":0 }", &listener);
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
    for round in 0..3 {
        go_on(100);
        rewrite(&lb, &format!("{text}# round {round}\n"));
        assert_eq!(tell(&lb, "reload").code, Some(0));
    }
    go_on(100);
    assert_eq!(seen.ended.load(Ordering::Relaxed), 0, "a reload ends no connection");
    let before = pid_that(&lb, |_| true);
    let outcome = tell(&lb, "upgrade");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let pid = pid_that(&lb, |pid| pid != before);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    go_on(100);
    seen.is_over.store(true, Ordering::Relaxed);
    RUNTIME.block_on(async {
        while let Some(client) = timeout(PATIENCE, clients.join_next()).await.expect("an end") {
            assert_eq!(client.unwrap(), Ok(()), "{seen:?}");
        }
    });
    assert!(seen.ended.load(Ordering::Relaxed) >= CLIENTS, "{seen:?}");
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}
