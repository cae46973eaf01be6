//! Connections to backends that wait for a request.
//!
//! Pingora's pool has a task and a timer for each of them, both anew for each request. Here they lie in a
//! list. Whether a backend has closed one shows when it is taken, and to a look at all of them once a
//! second; neither costs a system call, because the runtime has been told by the system.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::stream;
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
    shards: [Mutex<BTreeMap<u64, Vec<Idle>>>; SHARDS],
    is_watched: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    until: Instant,
}

impl Idle {
    fn is_usable(&self, now: Instant) -> bool {
        now < self.until && stream::is_silent(&self.stream)
    }
}

impl IdleConnections {
    fn shard(&self, key: u64) -> &Mutex<BTreeMap<u64, Vec<Idle>>> {
        &self.shards[key as usize % SHARDS]
    }

    /// The connection to this peer that was used last.
    pub(super) fn take(&self, key: u64) -> Option<TcpStream> {
        let now = clock::now();
        let mut shard = self.shard(key).lock();
        let idle = shard.get_mut(&key)?;
        std::iter::from_fn(|| idle.pop()).find(|it| it.is_usable(now)).map(|it| it.stream)
    }

    /// Keeps a connection to this peer for `limit` at most. It must be called within a runtime.
    pub(super) fn put(self: &Arc<Self>, key: u64, stream: TcpStream, limit: Duration) {
        let until = clock::now() + limit;
        {
            let mut shard = self.shard(key).lock();
            let idle = shard.entry(key).or_default();
            if idle.len() >= MOST {
                return;
            }
            idle.push(Idle { stream, until });
        }
        if !self.is_watched.load(Relaxed) && !self.is_watched.swap(true, Relaxed) {
            tokio::spawn(Watch(Arc::downgrade(self)).close_unusable());
        }
    }

    /// Closes those that are of no more use.
    fn close_unusable(&self, now: Instant) {
        for shard in &self.shards {
            shard.lock().retain(|_, idle| {
                idle.retain(|it| it.is_usable(now));
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
            connections.put(KEY, stream, LONG);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn the_connection_that_was_used_last_is_taken_first() {
        let connections = Arc::new(IdleConnections::default());
        let ((first, _one), (second, _two)) = (connection().await, connection().await);
        let ids = [second.as_raw_fd(), first.as_raw_fd()];
        connections.put(KEY, first, LONG);
        connections.put(KEY, second, LONG);
        assert!(connections.take(KEY + SHARDS as u64).is_none());
        let taken: Vec<_> = std::iter::from_fn(|| connections.take(KEY)).collect();
        assert_eq!(taken.iter().map(|stream| stream.as_raw_fd()).collect::<Vec<_>>(), ids);
    }

    #[tokio::test]
    async fn one_that_was_closed_or_has_more_to_say_is_not_taken() {
        let connections = Arc::new(IdleConnections::default());
        for says_more in [true, false] {
            let (stream, mut backend) = connection().await;
            connections.put(KEY, stream, LONG);
            let kept = says_more.then(|| backend.write_all(b"x").map(|()| backend).unwrap());
            let refused = tokio::time::timeout(LONG, until_refused(&connections)).await;
            assert!(refused.is_ok(), "{kept:?}");
        }
    }

    #[tokio::test]
    async fn one_whose_time_is_over_is_not_taken_and_is_closed() {
        let connections = Arc::new(IdleConnections::default());
        let (stream, _backend) = connection().await;
        connections.put(KEY, stream, Duration::ZERO);
        assert!(connections.take(KEY).is_none());
        let (stream, _backend) = connection().await;
        connections.put(KEY, stream, LONG);
        connections.close_unusable(clock::now());
        assert_eq!(connections.shard(KEY).lock().len(), 1);
        connections.close_unusable(clock::now() + LONG);
        assert!(connections.shard(KEY).lock().is_empty());
    }
}
