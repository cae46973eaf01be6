//! Connections to backends that wait for a request.
//!
//! Pingora's pool has a task and a timer for each of them, both anew for each request. Here they lie in a
//! list. Whether a backend has closed one shows when it is taken, and to a look at all of them once a
//! second; neither costs a system call, because the runtime has been told by the system. Those that were
//! closed before their time are counted: the backend may keep connections for a shorter time than `lb`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::{early_closes::EarlyClosesByBackend, stream};
use crate::clock;

/// Threads that serve different backends rarely meet.
const SHARDS: usize = 16;
/// The most that are kept for one backend.
const MOST: usize = 1024;
/// How often all are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// The idle connections to all backends.
#[derive(Debug, Default)]
pub(super) struct IdleConnections {
    /// By the key of their peer.
    shards: [Mutex<BTreeMap<u64, OfBackend>>; SHARDS],
    is_watched: AtomicBool,
    pub(super) early_closes: EarlyClosesByBackend,
}

/// The idle connections to one backend.
#[derive(Debug)]
struct OfBackend {
    /// `None` for a backend without an address of the Internet, of which there is none.
    address: Option<SocketAddr>,
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
    until: Instant,
}

impl Idle {
    /// Whether it can carry a request. Notes if the backend of this address has ended it before its time.
    fn is_usable(
        &self,
        address: Option<SocketAddr>,
        now: Instant,
        early: &EarlyClosesByBackend,
    ) -> bool {
        if now >= self.until {
            return false;
        }
        let is_silent = stream::is_silent(&self.stream);
        if let (false, Some(address)) = (is_silent, address) {
            early.note(address, now.saturating_duration_since(self.since), self.until - self.since);
        }
        is_silent
    }
}

impl IdleConnections {
    fn shard(&self, key: u64) -> &Mutex<BTreeMap<u64, OfBackend>> {
        &self.shards[key as usize % SHARDS]
    }

    /// The connection to this peer that was used last.
    pub(super) fn take(&self, key: u64) -> Option<TcpStream> {
        let now = clock::now();
        let mut shard = self.shard(key).lock();
        let OfBackend { address, idle } = shard.get_mut(&key)?;
        let is_usable = |it: &Idle| it.is_usable(*address, now, &self.early_closes);
        std::iter::from_fn(|| idle.pop()).find(is_usable).map(|it| it.stream)
    }

    /// Keeps a connection to this peer for `limit` at most. It must be called within a runtime.
    pub(super) fn put(
        self: &Arc<Self>,
        (key, address): (u64, Option<SocketAddr>),
        stream: TcpStream,
        limit: Duration,
    ) {
        let since = clock::now();
        {
            let mut shard = self.shard(key).lock();
            let of_backend =
                shard.entry(key).or_insert_with(|| OfBackend { address, idle: Vec::new() });
            if of_backend.idle.len() >= MOST {
                return;
            }
            of_backend.idle.push(Idle { stream, since, until: since + limit });
        }
        if !self.is_watched.load(Relaxed) && !self.is_watched.swap(true, Relaxed) {
            tokio::spawn(Watch(Arc::downgrade(self)).close_unusable());
        }
    }

    /// Closes those that are of no more use.
    fn close_unusable(&self, now: Instant) {
        for shard in &self.shards {
            shard.lock().retain(|_, OfBackend { address, idle }| {
                idle.retain(|it| it.is_usable(*address, now, &self.early_closes));
                !idle.is_empty()
            });
        }
    }
}

/// The task that looks at all connections.
struct Watch(Weak<IdleConnections>);

impl Watch {
    async fn close_unusable(self) {
        while let Some(connections) = self.0.upgrade() {
            connections.close_unusable(clock::now());
            drop(connections);
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

impl Drop for Watch {
    /// The task ends before its connections when its runtime does. Another runtime takes over.
    fn drop(&mut self) {
        if let Some(connections) = self.0.upgrade() {
            connections.is_watched.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::{self, TcpListener},
        os::fd::AsRawFd,
    };

    use pingora_core::upstreams::peer::BasicPeer;

    use super::*;

    const KEY: u64 = 7;
    const LONG: Duration = Duration::from_secs(20);

    /// A connection, and its backend's end.
    async fn connection() -> (TcpStream, net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = BasicPeer::new(&listener.local_addr().unwrap().to_string());
        let stream = stream::connect(&peer).await.unwrap();
        (stream, listener.accept().unwrap().0)
    }

    /// Takes the connection and gives it back, until the runtime has been told why not to.
    async fn until_refused(connections: &Arc<IdleConnections>) {
        while let Some(stream) = connections.take(KEY) {
            connections.put((KEY, None), stream, LONG);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn the_connection_that_was_used_last_is_taken_first() {
        let connections = Arc::new(IdleConnections::default());
        let ((first, _one), (second, _two)) = (connection().await, connection().await);
        let ids = [second.as_raw_fd(), first.as_raw_fd()];
        connections.put((KEY, None), first, LONG);
        connections.put((KEY, None), second, LONG);
        assert!(connections.take(KEY + SHARDS as u64).is_none());
        let taken: Vec<_> = std::iter::from_fn(|| connections.take(KEY)).collect();
        assert_eq!(taken.iter().map(|stream| stream.as_raw_fd()).collect::<Vec<_>>(), ids);
    }

    #[tokio::test]
    async fn one_that_was_closed_or_has_more_to_say_is_not_taken() {
        let connections = Arc::new(IdleConnections::default());
        for says_more in [true, false] {
            let (stream, mut backend) = connection().await;
            connections.put((KEY, None), stream, LONG);
            let kept = says_more.then(|| backend.write_all(b"x").map(|()| backend).unwrap());
            let refused = tokio::time::timeout(LONG, until_refused(&connections)).await;
            assert!(refused.is_ok(), "{kept:?}");
        }
    }

    #[tokio::test]
    async fn one_that_the_backend_has_closed_is_counted_and_one_whose_time_is_over_is_not() {
        let connections = Arc::new(IdleConnections::default());
        let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for limit in [LONG, Duration::ZERO] {
            let (stream, backend) = connection().await;
            drop(backend);
            // The runtime has been told when the connection is no longer silent.
            while stream::is_silent(&stream) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            connections.put((KEY, Some(address)), stream, limit);
        }
        connections.close_unusable(clock::now());
        let counted: Vec<_> = connections.early_closes.all();
        assert_eq!(counted.len(), 1);
        let kept = u64::try_from(LONG.as_millis()).unwrap();
        assert_eq!((counted[0].address, counted[0].count, counted[0].kept_ms), (address, 1, kept));
    }

    #[tokio::test]
    async fn one_whose_time_is_over_is_not_taken_and_is_closed() {
        let connections = Arc::new(IdleConnections::default());
        let (stream, _backend) = connection().await;
        connections.put((KEY, None), stream, Duration::ZERO);
        assert!(connections.take(KEY).is_none());
        let (stream, _backend) = connection().await;
        connections.put((KEY, None), stream, LONG);
        connections.close_unusable(clock::now());
        assert_eq!(connections.shard(KEY).lock().len(), 1);
        connections.close_unusable(clock::now() + LONG);
        assert!(connections.shard(KEY).lock().is_empty());
    }
}
