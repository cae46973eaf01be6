//! The first packets of clients of QUIC, sent by hand: for handshakes that go no further, or that a test holds up.

use std::net::{SocketAddr, UdpSocket};

use quinn::{Connecting, Endpoint};

use super::{
    PATIENCE,
    http3_client::{RUNTIME, config},
    tls_client::NAME,
};

/// A client whose packets pass through a test's hands.
pub(crate) struct Client {
    pub(crate) connecting: Connecting,
    /// It sends to this socket.
    pub(crate) front: UdpSocket,
    _endpoint: Endpoint,
}

impl Client {
    /// Begins a handshake.
    pub(crate) fn begin() -> Self {
        let front = socket();
        let to = front.local_addr().unwrap();
        let _entered = RUNTIME.enter();
        let endpoint = Endpoint::client((to.ip(), 0).into()).unwrap();
        let connecting = endpoint.connect_with(config(false), to, NAME).unwrap();
        Self { connecting, front, _endpoint: endpoint }
    }
}

/// A socket on a port that the system chooses.
pub(crate) fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next packet, and its sender.
#[track_caller]
pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut packet = vec![0; 2000];
    let (length, from) = socket.recv_from(&mut packet).expect("a packet");
    packet.truncate(length);
    (packet, from)
}

/// Whether a client is told to prove its address (RFC 9000 section 17.2.5).
fn is_retry(packet: &[u8]) -> bool {
    packet[0] & 0xf0 == 0xf0
}

/// More handshakes than a process begins without a proof of the clients' addresses.
const MANY: usize = 1000;

/// A client that is to prove its address.
pub(crate) struct Asked {
    pub(crate) client: Client,
    /// What it sends from.
    pub(crate) address: SocketAddr,
    /// The packet that asks it for the proof, which it has not got yet.
    pub(crate) retry: Vec<u8>,
    /// The socket whose address it is to prove.
    pub(crate) back: UdpSocket,
}

/// Begins handshakes, of which the clients say nothing more, until one is told to prove its address.
#[track_caller]
pub(crate) fn until_retry(server: SocketAddr) -> Asked {
    for _ in 0..MANY {
        let (client, back) = (Client::begin(), socket());
        let (first, address) = receive(&client.front);
        back.send_to(&first, server).unwrap();
        let (retry, _) = receive(&back);
        if is_retry(&retry) {
            return Asked { client, address, retry, back };
        }
    }
    panic!("no client is told to prove its address");
}
