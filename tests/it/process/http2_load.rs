//! Clients of HTTP/2 with many requests on each connection, over reloads and upgrades: no request is lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::Request;
use nix::sys::signal::{self, Signal};
use tokio::{net::TcpStream, runtime::Runtime, task::JoinSet, time::timeout};

use crate::support::{PATIENCE, backend::ScriptedBackend, eventually::eventually, reply::Reply};

use super::{pid_that, rewrite, serving, succession, tell};

const CLIENTS: usize = 32;
const STREAMS: usize = 10;
const RELOADS: usize = 20;
const UPGRADES: usize = 5;
const BODY: &str = "a body of an answer";

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    is_over: AtomicBool,
    good: AtomicUsize,
    /// Connections that the other side has ended in order.
    ended: AtomicUsize,
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    let (requests, connection) =
        client::handshake(stream).await.map_err(|error| format!("handshake: {error}"))?;
    tokio::spawn(connection);
    Ok(requests)
}

/// Whether the request was not executed, because its connection was ending (RFC 9113 section 6.8).
fn was_not_executed(error: &h2::Error) -> bool {
    error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)
        || error.reason() == Some(h2::Reason::REFUSED_STREAM)
}

async fn ask(mut requests: SendRequest<Bytes>) -> Result<(), h2::Error> {
    let request = Request::get("http://a/").body(()).expect("a request");
    let (response, _) = requests.send_request(request, true)?;
    let mut body = response.await?.into_body();
    let mut read = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, BODY.as_bytes());
    Ok(())
}

/// One client, which opens another connection when its own is ending.
async fn run(address: SocketAddr, seen: Arc<Seen>) -> Result<(), String> {
    let mut requests = connect(address).await?;
    while !seen.is_over.load(Ordering::Relaxed) {
        let Ok(ready) = requests.clone().ready().await else {
            seen.ended.fetch_add(1, Ordering::Relaxed);
            requests = connect(address).await?;
            continue;
        };
        let mut under_way = JoinSet::new();
        (0..STREAMS).for_each(|_| drop(under_way.spawn(ask(ready.clone()))));
        while let Some(answer) = under_way.join_next().await {
            match answer.map_err(|error| error.to_string())? {
                Ok(()) => drop(seen.good.fetch_add(1, Ordering::Relaxed)),
                Err(error) if was_not_executed(&error) => {}
                // The handle knows of the end before it says so.
                Err(error)
                    if error.get_io().is_none() && requests.clone().ready().await.is_err() =>
                {
                    return Err(format!("{error:?} on a connection that has ended"));
                }
                Err(error) => return Err(format!("{error:?}")),
            }
        }
    }
    Ok(())
}

#[test]
fn no_request_is_lost_in_reloads_and_upgrades() {
    let a = ScriptedBackend::replying(Reply::ok(BODY));
    let text = succession(&a).replace(":0 }", ":0, protocols: [h2c, http/1.1] }");
    let (mut lb, address) = serving(&text);
    let runtime = Runtime::new().unwrap();
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn_on(run(address, Arc::clone(&seen)), runtime.handle());
    }
    let mut pid = pid_that(&lb, |_| true);
    let go_on = |more: usize| {
        let wanted = seen.good.load(Ordering::Relaxed) + more;
        eventually(PATIENCE, "requests go on", || seen.good.load(Ordering::Relaxed) >= wanted);
    };
    for round in 0..UPGRADES {
        for reload in 0..RELOADS / UPGRADES {
            go_on(100);
            rewrite(&lb, &format!("{text}# round {round} {reload}\n"));
            assert_eq!(tell(&lb, "reload").code, Some(0));
        }
        go_on(100);
        let before = pid_that(&lb, |_| true);
        let outcome = tell(&lb, "upgrade");
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        pid = pid_that(&lb, |pid| pid != before);
        if round == 0 {
            assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
        }
        eventually(PATIENCE, "the old process has ended", || lb.pids_in_folder() == [pid]);
        go_on(100);
    }
    seen.is_over.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        while let Some(client) = timeout(PATIENCE, clients.join_next()).await.expect("an end") {
            assert_eq!(client.unwrap(), Ok(()), "{seen:?}");
        }
    });
    assert!(seen.ended.load(Ordering::Relaxed) >= UPGRADES * CLIENTS, "{seen:?}");
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
}
