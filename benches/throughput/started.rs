//! Helpers to start a process, and to wait until it serves.

use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    thread,
    time::Duration,
};

use lb::clock;

/// The limit on each step that is not measured.
const PATIENCE: Duration = Duration::from_secs(15);

/// The path of this program, to start it once more with a role.
pub(crate) fn this_program() -> PathBuf {
    env::current_exe().expect("Linux")
}

/// A port that is free now, for a program that cannot choose one itself.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}

/// Waits until `is_so`; returns whether it came true.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = clock::now() + PATIENCE;
    while !is_so() {
        if clock::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Whether it answers a request with the answer of a backend.
pub(crate) fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"GET /100 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")?;
        let mut answer = vec![];
        socket.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&[b'x'; 100]))
    };
    ask().unwrap_or(false)
}

/// The `Content-Length`; `None` without one.
pub(crate) fn content_length(fields: &[httparse::Header<'_>]) -> Option<usize> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"))?;
    str::from_utf8(field.value).ok()?.trim().parse().ok()
}
