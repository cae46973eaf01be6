//! Clients that come, come again, or come in great numbers.

use std::net::UdpSocket;

use lb::count::Handshake;

use crate::support::{
    PATIENCE, backend::ScriptedBackend, eventually::eventually, http3_client::Connection,
    lb::QuicLb,
};

fn handshakes(lb: &QuicLb, how: Handshake) -> u64 {
    lb.listener().handshakes()[how as usize]
}

#[test]
fn an_earlier_session_goes_on() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    Connection::open_with(lb.address(), false).unwrap().get("/").unwrap();
    assert_eq!(handshakes(&lb, Handshake::Full), 1);
    // The client of all tests may remember a session of another test.
    let before = handshakes(&lb, Handshake::Resumed);
    for _ in 0..3 {
        Connection::open(lb.address()).unwrap().get("/").unwrap();
    }
    assert!(handshakes(&lb, Handshake::Resumed) >= before + 2);
}

#[test]
fn under_load_clients_must_prove_their_address() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    // Handshakes that begin, and whose clients say nothing more.
    let begins = first_packet(&lb);
    let sockets: Vec<_> = (0..200).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for socket in &sockets {
        socket.send_to(&begins(), lb.address()).unwrap();
    }
    eventually(PATIENCE, "clients are told to prove it", || lb.listener().retries.get() > 0);
    let response = Connection::open_with(lb.address(), false).unwrap().get("/").unwrap();
    assert_eq!(response.status, 200, "one that can is served");
}

/// Makes first packets of clients, each of another connection.
fn first_packet(lb: &QuicLb) -> impl Fn() -> Vec<u8> {
    use crate::support::http3_client::{RUNTIME, config};
    let address = lb.address();
    move || {
        let catch = UdpSocket::bind("127.0.0.1:0").unwrap();
        catch.set_read_timeout(Some(PATIENCE)).unwrap();
        let to = catch.local_addr().unwrap();
        let _entered = RUNTIME.enter();
        let endpoint = quinn::Endpoint::client((address.ip(), 0).into()).unwrap();
        let connecting = endpoint.connect_with(config(false), to, "shop.example").unwrap();
        let mut packet = vec![0; 2000];
        let (length, _) = catch.recv_from(&mut packet).unwrap();
        drop(connecting);
        packet.truncate(length);
        packet
    }
}
