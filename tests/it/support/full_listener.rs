//! A backend to which no connection can be made.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

/// Long enough for a connection on loopback, if it can be made at all.
const KNOCK: Duration = Duration::from_millis(200);

/// A listener that accepts nothing and whose queue is full, so that the system drops new
/// connections, as long as both values live.
pub(crate) fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, KNOCK) {
        waiting.push(stream);
        assert!(waiting.len() < 64, "the queue does not fill");
    }
    (listener, waiting)
}
