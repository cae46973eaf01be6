//! Helpers to start a process, and to wait until it serves.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    thread,
    time::Duration,
};

use lb::clock;

/// The limit on each step that is not measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

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

/// The `Content-Length`; `None` without one.
pub(crate) fn content_length(fields: &[httparse::Header<'_>]) -> Option<usize> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"))?;
    str::from_utf8(field.value).ok()?.trim().parse().ok()
}
