//! A backend that answers while the request is still coming: neither direction waits for the other.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::raw_backend::serving;
use crate::support::{
    PATIENCE,
    client::Connection,
    eventually::eventually,
    lb::{Lb, outcomes},
};

const BODY: usize = 8 * 1024 * 1024;
/// More than all sockets on the way hold.
const ENDLESS: usize = 200_000_000;
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut place = [0; 4096];
    loop {
        let read = stream.read(&mut place).unwrap_or(0);
        head.extend_from_slice(&place[..read]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            return head.split_off(end + 4);
        }
        if read == 0 {
            return vec![];
        }
    }
}

/// Says back what comes, and reads on only when that was taken.
fn echo(mut stream: TcpStream) {
    let rest = read_head(&mut stream);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.write_all(&rest);
    let mut place = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut place) {
        if stream.write_all(&place[..read]).is_err() {
            break;
        }
    }
}

#[test]
fn a_body_is_said_back_while_it_comes() {
    let lb = Lb::over_addresses(&[serving(echo)], "");
    let stream = TcpStream::connect(lb.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let body: Vec<u8> = (0..BODY).map(|at| (at / 7) as u8).collect();
    let sent = body.clone();
    let sending = thread::spawn(move || {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\n");
        writer.write_all(head.as_bytes()).unwrap();
        writer.write_all(&sent).unwrap();
    });
    let mut reader = stream;
    let mut received = read_head(&mut reader);
    let mut place = vec![0; 64 * 1024];
    while received.len() < BODY {
        let read = reader.read(&mut place).expect("the body comes back");
        assert!(read > 0, "closed after {}", received.len());
        received.extend_from_slice(&place[..read]);
    }
    sending.join().unwrap();
    assert!(received == body, "another body");
}

#[test]
fn an_answer_comes_though_the_backend_takes_nothing_of_the_body() {
    let address = serving(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno");
        thread::sleep(PATIENCE);
    });
    let lb = Lb::over_addresses(&[address], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").unwrap();
    let head = connection.read_head();
    let head = String::from_utf8(head.unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 413 Too Much"), "{head}");
    assert_eq!(connection.read_exact(2).unwrap(), b"no");
}

#[test]
fn a_backend_that_takes_nothing_of_the_body_and_says_nothing_is_given_up() {
    let address = serving(|mut stream| {
        read_head(&mut stream);
        thread::sleep(PATIENCE);
    });
    let lb = Lb::over_addresses(&[address], "    timeouts: { idle: 1s }");
    let mut stream = TcpStream::connect(lb.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    thread::spawn(move || {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {ENDLESS}\r\n\r\n");
        let _ = writer.write_all(head.as_bytes());
        let piece = vec![b'a'; 100_000];
        while count.load(Relaxed) < ENDLESS && writer.write_all(&piece).is_ok() {
            count.fetch_add(piece.len(), Relaxed);
        }
    });
    let mut line = [0; 13];
    stream.read_exact(&mut line).unwrap();
    let sent = sent.load(Relaxed);
    assert_eq!(&line, b"HTTP/1.1 504 ");
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["timeout"]);
    assert!(sent < ENDLESS / 2, "the client is held back as well: {sent} bytes");
}

#[test]
fn an_answer_comes_from_a_backend_that_closes_without_reading_the_body() {
    let address = serving(|mut stream| {
        let mut head = [0; 16];
        let _ = stream.read_exact(&mut head);
        let head = b"HTTP/1.1 413 Too Much\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
        let _ = stream.write_all(&[&head[..], b"no"].concat());
        // What was not read makes this a reset.
    });
    let lb = Lb::over_addresses(&[address], "");
    for _ in 0..20 {
        let mut connection = Connection::open(lb.address()).unwrap();
        let size = 1024 * 1024;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
        connection.send(head.as_bytes()).unwrap();
        connection.send(&vec![b'a'; size]).unwrap();
        assert_eq!(connection.read_response("POST").unwrap().status, 413);
    }
}

#[test]
fn an_answer_comes_from_a_backend_that_closes_while_it_is_sent_the_body() {
    let address = serving(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno");
        let _ = stream.shutdown(Shutdown::Write);
        // As servers do that do not want their answer taken back by a reset.
        let mut place = [0; 65536];
        while let Ok(1..) = stream.read(&mut place) {}
    });
    let lb = Lb::over_addresses(&[address], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    let size = 1024 * 1024;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
    connection.send(head.as_bytes()).unwrap();
    connection.send(&vec![b'a'; size]).unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 413);
}

#[test]
fn a_client_that_reads_nothing_holds_the_backend_back() {
    let (told, written) = std::sync::mpsc::channel();
    let address = serving(move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(CHUNKED);
        let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
        let chunk = [b"8000\r\n", &[b'a'; 0x8000][..], b"\r\n"].concat();
        let mut chunks = 0;
        while stream.write_all(&chunk).is_ok() && chunks < 100_000 {
            chunks += 1;
        }
        let _ = told.send(chunks);
    });
    let lb = Lb::over_addresses(&[address], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let chunks = written.recv_timeout(PATIENCE).expect("the backend is held back");
    assert!(chunks < 1000, "{chunks} chunks of 32 KiB");
    drop(connection);
    eventually(PATIENCE, "the request has ended", || lb.in_flight() == 0);
}
