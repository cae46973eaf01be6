//! Which process reads from the sockets of UDP.
//!
//! Two processes that share such a socket would each get some of the packets of every connection. So the next
//! process begins to read when this one has handed over: the two ends of a pair of sockets say so, of which this
//! process holds one for as long as it reads, and the next one waits for the end of the other. That end also
//! comes if this process dies.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use tokio::io::AsyncReadExt;

use super::super::handover::NamedSocket;

/// What the sockets are called in a hand-over.
const NAME: &str = "udp-turn";

/// The turn of this process.
#[derive(Debug)]
pub struct Turn {
    /// Of each process before that may still read.
    before: Vec<OwnedFd>,
    /// Held while this process reads.
    held: UnixStream,
}

/// What the next process waits for.
#[derive(Debug)]
pub struct NextTurn(Vec<OwnedFd>);

impl Turn {
    /// Takes what the processes before hold out of the sockets that were handed over.
    ///
    /// # Errors
    ///
    /// When the system refuses a descriptor.
    pub fn take(sockets: &mut Vec<NamedSocket>) -> io::Result<(Self, NextTurn)> {
        let is_one = |(name, _): &mut NamedSocket| name == NAME;
        let before: Vec<_> = sockets.extract_if(.., is_one).map(|(_, socket)| socket).collect();
        let (held, next) = UnixStream::pair()?;
        let copies = before.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
        let next = copies.into_iter().chain([OwnedFd::from(next)]).collect();
        Ok((Self { before, held }, NextTurn(next)))
    }

    /// Waits until no process before reads any more. The turn ends when what is returned is dropped.
    pub async fn come(self) -> HeldTurn {
        for socket in self.before {
            // An error is an end as well.
            let _ = ended(socket).await;
        }
        HeldTurn(self.held)
    }
}

/// Held while this process reads.
#[derive(Debug)]
#[must_use = "dropping it lets the next process read"]
pub struct HeldTurn(
    #[expect(dead_code, reason = "its end is what the next process sees")] UnixStream,
);

impl NextTurn {
    /// Returns what the next process waits for, under its names in a hand-over.
    ///
    /// # Errors
    ///
    /// When the system refuses a descriptor.
    pub fn sockets(&self) -> io::Result<Vec<NamedSocket>> {
        self.0.iter().map(|socket| Ok((NAME.to_owned(), socket.try_clone()?))).collect()
    }
}

async fn ended(socket: OwnedFd) -> io::Result<()> {
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::UnixStream::from_std(stream)?;
    // Nothing is ever written to it.
    while stream.read(&mut [0]).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn after(next: &NextTurn) -> (Turn, NextTurn) {
        let mut sockets = next.sockets().unwrap();
        let (other, _) = UnixStream::pair().unwrap();
        sockets.push(("udp:127.0.0.1:1".to_owned(), other.into()));
        let taken = Turn::take(&mut sockets).unwrap();
        assert_eq!(sockets.len(), 1, "other sockets are left");
        taken
    }

    #[tokio::test]
    async fn a_process_waits_for_all_that_were_before_it() {
        let (first, next) = Turn::take(&mut vec![]).unwrap();
        let first = first.come().await;
        let (second, next) = after(&next);
        let (third, _) = after(&next);
        let mut second = Box::pin(second.come());
        let mut third = Box::pin(third.come());
        let wait = Duration::from_millis(20);
        assert!(timeout(wait, &mut second).await.is_err(), "the first one reads");
        // The second one ends without having read, as when a hand-over fails.
        drop(second);
        assert!(timeout(wait, &mut third).await.is_err(), "the first one still reads");
        drop(first);
        drop(third.await);
    }
}
