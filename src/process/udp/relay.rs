//! The way for packets of UDP to a process before this one.
//!
//! One process at a time reads from a socket of UDP (`turn`). A process that has handed over still has
//! connections, whose packets the next one reads. So every process has an inbox, and hands its other end over:
//! each later process passes on what is not its own. Messages keep their bounds, and an inbox ends when no
//! later process is there any more, so that this one knows that nobody else reads.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::super::handover::NamedSocket;

/// What the sockets are called in a hand-over, before an ordinal and the name of a socket of UDP.
const NAME: &str = "relay";

/// The way to and from this process, for one socket of UDP.
#[derive(Debug)]
pub struct Relay {
    /// Which process this is: 0 is the first, each one that takes over is the next, and 0 comes after 255.
    pub ordinal: u8,
    /// What later processes pass on to this one.
    pub inbox: UnixDatagram,
    /// Where what belongs to a process before this one goes, by its ordinal.
    pub outboxes: Vec<(u8, UnixDatagram)>,
}

impl Relay {
    /// Takes the way to processes before this one out of the sockets that were handed over, for the socket of
    /// UDP of this name. Returns what the next process is to be given, too.
    ///
    /// # Errors
    ///
    /// When the system refuses a descriptor.
    pub fn take(
        name: &str,
        sockets: &mut Vec<NamedSocket>,
    ) -> io::Result<(Self, Vec<NamedSocket>)> {
        let is_one = |(given, _): &mut NamedSocket| ordinal(given, name).is_some();
        let mut next: Vec<_> = sockets.extract_if(.., is_one).collect();
        let outboxes = next.iter().map(|(given, socket)| {
            Ok((ordinal(given, name).unwrap_or_default(), socket.try_clone()?.into()))
        });
        let outboxes: Vec<(u8, UnixDatagram)> = outboxes.collect::<io::Result<_>>()?;
        // They come in the order of the processes.
        let ordinal = outboxes.last().map_or(0, |(last, _)| last.wrapping_add(1));
        let (inbox, outbox) = pair()?;
        next.push((format!("{NAME} {ordinal} {name}"), outbox));
        Ok((Self { ordinal, inbox: inbox.into(), outboxes }, next))
    }
}

/// Both ends keep the bounds of messages, as those of datagrams do, and see the end of the other.
fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// The ordinal in the name of a socket that leads to a process before, for this socket of UDP.
fn ordinal(given: &str, name: &str) -> Option<u8> {
    let (ordinal, of) = given.strip_prefix(NAME)?.strip_prefix(' ')?.split_once(' ')?;
    if of == name { ordinal.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "udp:127.0.0.1:1";
    const THERE: &str = "udp:127.0.0.1:11";

    fn came(relay: &Relay) -> io::Result<usize> {
        relay.inbox.recv(&mut [0; 9])
    }

    #[test]
    fn every_later_process_reaches_those_before_it() {
        let mut given = Vec::new();
        let mut relays = Vec::new();
        for ordinal in 0..3 {
            let (relay, next) = Relay::take(HERE, &mut given).unwrap();
            assert!(given.is_empty());
            assert_eq!(relay.ordinal, ordinal);
            given =
                next.iter().map(|(it, socket)| (it.clone(), socket.try_clone().unwrap())).collect();
            relays.push((relay, next));
        }
        let known: Vec<u8> = relays[2].0.outboxes.iter().map(|(ordinal, _)| *ordinal).collect();
        assert_eq!(known, [0, 1]);
        for (ordinal, outbox) in &relays[2].0.outboxes {
            outbox.send(&[7; 5]).unwrap();
            outbox.send(&[7; 3]).unwrap();
            let before = &relays[usize::from(*ordinal)].0;
            assert_eq!((came(before).unwrap(), came(before).unwrap()), (5, 3));
            assert_eq!(came(before).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        // The last one ends, then the second, and the first has its own end left.
        drop(given);
        let (mut first, mut second) = (relays.remove(0), relays.remove(0));
        drop(relays);
        second.1.clear();
        assert_eq!(came(&second.0).unwrap(), 0);
        drop(second);
        assert_eq!(came(&first.0).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        first.1.clear();
        assert_eq!(came(&first.0).unwrap(), 0);
    }

    #[test]
    fn each_socket_of_udp_has_its_own() {
        let (_here, mut given) = Relay::take(HERE, &mut vec![]).unwrap();
        let (there, _) = Relay::take(THERE, &mut given).unwrap();
        assert_eq!((there.ordinal, there.outboxes.len(), given.len()), (0, 0, 1));
        let (here, next) = Relay::take(HERE, &mut given).unwrap();
        assert_eq!((here.ordinal, here.outboxes.len(), next.len(), given.len()), (1, 1, 2, 0));
    }

    #[test]
    fn ordinals_go_round() {
        let mut given = vec![(format!("relay 255 {HERE}"), pair().unwrap().0)];
        assert_eq!(Relay::take(HERE, &mut given).unwrap().0.ordinal, 0);
        for name in ["relay", "relay 1", "relay x udp:127.0.0.1:1", "udp:127.0.0.1:1"] {
            assert_eq!(ordinal(name, HERE), None);
        }
    }
}
