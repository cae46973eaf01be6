//! The PROXY protocol: who the client is, said by a proxy in front, before anything else.

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::Connection,
    eventually::eventually,
    lb::{Lb, TlsLb, addresses},
    reply::Reply,
    tls_client,
};

const REQUEST: &[u8] = b"GET /it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn lb(backend: &ScriptedBackend, from: &str, client: &str) -> Lb {
    Lb::start(&yaml(backend, from, client))
}

fn yaml(backend: &ScriptedBackend, from: &str, client: &str) -> String {
    format!(
        "listeners: [ {{ address: 127.0.0.1:0, proxy_protocol: {{ from: {from} }}, client: {client} }} ]\n\
         routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[backend])
    )
}

/// A header of version 2 for a client at `192.0.2.8:4661`, with these fields behind the addresses.
fn binary(command: u8, fields: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 8, 10, 0, 0, 1, 0x12, 0x35, 0, 80];
    let length = (addresses.len() + fields.len()) as u16;
    [SIGNATURE, &[0x20 | command, 0x11], &length.to_be_bytes(), &addresses, fields].concat()
}

fn answer(connection: &mut Connection) -> String {
    String::from_utf8(connection.read_to_close()).unwrap()
}

#[test]
fn the_client_of_the_header_is_the_one_of_log_and_headers_however_it_is_cut() {
    let a = ScriptedBackend::named("a");
    let lb = lb(&a, "[127.0.0.1]", "{}");
    let cases = [
        (LINE.to_vec(), "192.0.2.7", "192.0.2.7:4660"),
        (binary(1, b"\x02\x00\x04shop\x05\x00\x02id"), "192.0.2.8", "192.0.2.8:4661"),
        (binary(0, b""), "127.0.0.1", "127.0.0.1"),
    ];
    for (header, ip, client) in &cases {
        let whole = [header, REQUEST].concat();
        for piece in [1, 7, header.len(), whole.len()] {
            let mut connection = Connection::open(lb.address()).unwrap();
            for piece in whole.chunks(piece) {
                connection.send(piece).unwrap();
            }
            let answer = answer(&mut connection);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            let received = a.requests().pop().unwrap();
            assert_eq!(received.header_lines("x-forwarded-for"), [*ip]);
            assert_eq!(received.header_lines("x-real-ip"), [*ip]);
        }
        let lines = || lb.log_text().lines().filter(|line| line.contains(client)).count();
        eventually(PATIENCE, "a line for each request", || lines() >= 4);
    }
    let text = lb.log_text();
    assert_eq!(text.matches(r#""authority":"shop","unique_id":"id""#).count(), 4, "{text}");
}

#[test]
fn the_header_comes_before_tls_however_both_are_cut() {
    let a = ScriptedBackend::named("a");
    let lb = TlsLb::start(&yaml(&a, "[127.0.0.1]", "{}"));
    for (header, ip) in [(LINE.to_vec(), "192.0.2.7"), (binary(1, b""), "192.0.2.8")] {
        for piece in [1, 7, header.len(), header.len() + 3, usize::MAX] {
            let opened = tls_client::Connection::open_behind(lb.address(), &header, piece);
            let mut connection = opened.unwrap_or_else(|error| panic!("{piece}: {error}"));
            assert_eq!(connection.get("/it").unwrap().status, 200);
            let received = a.requests().pop().unwrap();
            assert_eq!(received.header_lines("x-forwarded-for"), [ip]);
            assert_eq!(received.header_lines("x-forwarded-proto"), ["https"]);
        }
    }
    assert!(tls_client::Connection::open(lb.address()).is_err());
}

#[test]
fn without_a_header_or_with_a_wrong_one_the_connection_is_closed_and_counted() {
    let a = ScriptedBackend::named("a");
    let lb = lb(&a, "127.0.0.0/8", "{ header: 300ms }");
    let cases: [(&[u8], &str); 5] = [
        (REQUEST, "proxy_header_missing"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4660\r\nGET / HTTP/1.1\r\n\r\n", "proxy_header_malformed"),
        (&binary(2, b""), "proxy_header_malformed"),
        (b"PROXY TCP4 192.0.2.7", "proxy_header_late"),
        (b"", "proxy_header_late"),
    ];
    let mut expected = [0; 4];
    for (bytes, word) in cases {
        let mut connection = Connection::open(lb.address()).unwrap();
        // A connection that is closed already takes no more.
        let _ = connection.send(bytes);
        assert_eq!(answer(&mut connection), "", "{word}");
        let place = lb::count::ConnectionRefusal::ALL.iter().position(|it| it.word() == word);
        expected[place.unwrap()] += 1;
        assert_eq!(lb.listener().refusals(), expected, "{word}");
    }
    assert_eq!(a.requests().len(), 0);
}

#[test]
fn a_second_header_is_no_request() {
    let a = ScriptedBackend::named("a");
    let lb = lb(&a, "127.0.0.0/8", "{}");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(&[LINE, LINE, REQUEST].concat()).unwrap();
    assert!(answer(&mut connection).starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_peer_that_is_no_proxy_is_refused_whatever_it_sends() {
    let a = ScriptedBackend::named("a");
    let lb = lb(&a, "[10.0.0.0/8, unix]", "{}");
    for bytes in [&[LINE, REQUEST].concat(), REQUEST] {
        let mut connection = Connection::open(lb.address()).unwrap();
        let _ = connection.send(bytes);
        // Bytes that were not read make the system reset the connection.
        assert!(connection.receive().unwrap_or_default().is_empty());
    }
    eventually(PATIENCE, "both are counted", || lb.listener().refusals()[0] == 2);
    assert_eq!(a.requests().len(), 0);
}

#[test]
fn a_check_of_the_port_is_no_refusal() {
    let a = ScriptedBackend::replying(Reply::ok("a"));
    let lb = lb(&a, "127.0.0.0/8", "{}");
    drop(Connection::open(lb.address()).unwrap());
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(&[LINE, REQUEST].concat()).unwrap();
    assert!(answer(&mut connection).starts_with("HTTP/1.1 200 "));
    assert_eq!(lb.listener().refusals(), [0; 4]);
}
