//! A backend that knows no HTTP: it waits for the end of a request, whatever that is, and answers with
//! bytes.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
};

use crate::support::PATIENCE;

/// Listens until the test ends.
pub(super) struct RawBackend {
    address: SocketAddr,
    requests: mpsc::Receiver<String>,
}

impl RawBackend {
    /// Sends `answer` whenever what has come ends with `end`.
    pub(super) fn answering(end: &'static str, answer: &str) -> Self {
        let answer = answer.to_owned();
        let (told, requests) = mpsc::channel();
        let address = serving(move |mut stream| {
            let mut request = Vec::new();
            let mut place = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut place) {
                request.extend_from_slice(&place[..read]);
                if request.ends_with(end.as_bytes()) {
                    let _ = told.send(String::from_utf8_lossy(&request).into_owned());
                    request.clear();
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Self { address, requests }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request, as it came.
    #[track_caller]
    pub(super) fn request(&self) -> String {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }
}

/// Runs this for every connection, each on a thread of its own. Returns where it listens.
pub(super) fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            let _ = stream.set_nodelay(true);
            thread::spawn(move || serve(stream));
        }
    });
    address
}
