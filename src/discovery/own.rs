//! Whether a backend is the process itself: a request to it would come in again and again, until there
//! are no more connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::config::Config;

/// The key and the address of the listener that connections to this address would reach, if it is one of
/// this configuration. A listener whose port the system chooses is no one's backend.
pub(super) fn listener(config: &Config, backend: SocketAddr) -> Option<(String, SocketAddr)> {
    let listeners = config.listeners.iter().enumerate();
    let listeners =
        listeners.map(|(at, it)| (format!("listeners[{at}].address"), it.address.tcp()));
    let admin = config.admin.iter().map(|it| ("admin.address".to_owned(), it.address.tcp()));
    let mut all = listeners.chain(admin).filter_map(|(key, address)| Some((key, address?)));
    all.find(|(_, listener)| accepts(*listener, backend))
}

/// Whether a listener at this address accepts connections to that one.
fn accepts(listener: SocketAddr, to: SocketAddr) -> bool {
    if listener.port() != to.port() || listener.port() == 0 {
        return false;
    }
    // The system takes a connection to no address for one to this machine.
    let to = match to.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    match listener.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => to.is_ipv4() && is_of_this_machine(to),
        // It accepts IPv4 as well.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => is_of_this_machine(to),
        one => one == to,
    }
}

/// An address of this machine is reached from itself. The system says so without anything being sent.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let reached_from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 1))?;
        socket.local_addr()
    };
    address.is_loopback() || reached_from().is_ok_and(|from| from.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listener: &str, backend: &str, expected: bool) {
        let accepts = accepts(listener.parse().unwrap(), backend.parse().unwrap());
        assert_eq!(accepts, expected, "{listener} and {backend}");
    }

    #[test]
    fn a_listener_is_known_however_it_is_spelled() {
        for backend in ["127.0.0.1:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:80"] {
            for listener in ["127.0.0.1:80", "0.0.0.0:80", "[::]:80", "[::ffff:127.0.0.1]:80"] {
                check(listener, backend, true);
            }
            check("[::1]:80", backend, false);
            check("127.0.0.1:81", backend, false);
            check("127.0.0.1:0", backend, false);
        }
        for backend in ["[::1]:80", "[::]:80"] {
            check("[::1]:80", backend, true);
            check("[::]:80", backend, true);
            check("0.0.0.0:80", backend, false);
        }
        check("0.0.0.0:80", "127.9.9.9:80", true);
        check("127.0.0.1:80", "127.0.0.2:80", false);
    }

    #[test]
    fn addresses_of_the_machine_are_known_and_others_are_not() {
        let outside = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
            // An address for documentation; nothing is sent.
            socket.connect("192.0.2.1:1").ok()?;
            socket.local_addr().ok()
        };
        // Not every machine has one.
        if let Some(ours) = outside() {
            check("0.0.0.0:80", &format!("{}:80", ours.ip()), true);
            check("[::]:80", &format!("[::ffff:{}]:80", ours.ip()), true);
            check("127.0.0.1:80", &format!("{}:80", ours.ip()), false);
        }
        check("0.0.0.0:80", "192.0.2.1:80", false);
        check("[::]:80", "[2001:db8::1]:80", false);
    }
}
