//! A client that reports the exact bytes it sent and received: a library would repair the faults
//! that a test is about, and would not distinguish a whole body from a cut one.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustls::ClientConnection;
use socket2::SockRef;

use super::{
    PATIENCE,
    calls::{calls, with_length},
    wire::Wire,
};

/// An answer as it came over the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Response {
    /// 200.
    pub status: u16,
    /// In the order and the case received.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body that came, without chunk framing.
    pub body: Vec<u8>,
    /// Whether the body came to the end that the header promised.
    pub is_complete: bool,
    /// The 1xx answers that came before, without 101.
    pub interim: Vec<u16>,
}

impl Response {
    /// The first value of a header, its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_lines(name).first().copied()
    }

    /// Every value of a header, in order.
    pub(crate) fn header_lines(&self, name: &str) -> Vec<&str> {
        let is_it = |line: &&(String, String)| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_it).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn parse(head: &[u8]) -> io::Result<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        Ok(Self {
            status: status
                .and_then(|status| status.parse().ok())
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, head.clone()))?,
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
            ..Self::default()
        })
    }
}

calls!();

/// GET on a connection of its own.
pub(crate) fn try_get(address: SocketAddr, path: &str) -> io::Result<Response> {
    Connection::open(address)?.get(path)
}

/// POST with these chunks, on a connection of its own.
#[track_caller]
pub(crate) fn post_chunked(address: SocketAddr, path: &str, chunks: &[&[u8]]) -> Response {
    Connection::open(address)
        .and_then(|mut connection| connection.request_chunked("POST", path, chunks))
        .unwrap_or_else(|error| panic!("POST {path} to {address}: {error}"))
}

/// Sends these bytes and returns everything that comes until the other side closes; fails the
/// test when it does not close.
#[track_caller]
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut connection = Connection::open(address).expect("a connection");
    // A server that refuses the first bytes may close before the last are sent.
    let _ = connection.send(bytes);
    connection.read_to_close()
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Wire,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects. Every read and write has a limit of [`PATIENCE`] until changed.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        let stream = Wire::Plain(stream);
        let connection = Self { stream, host: address.to_string(), buffer: Vec::new() };
        connection.limit(PATIENCE)?;
        Ok(connection)
    }

    /// Shakes hands, with these bytes first; all that follows is over TLS.
    pub(crate) fn over_tls<'a>(
        self,
        session: ClientConnection,
        first: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<Self> {
        let stream = self.stream.over_tls(session, first)?;
        Ok(Self { stream, ..self })
    }

    /// Sets the limit of every read and write.
    pub(crate) fn limit(&self, timeout: Duration) -> io::Result<()> {
        let socket = self.stream.socket();
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))
    }

    /// This side's address, as the other side sees it.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.socket().local_addr()
    }

    /// Sends a GET and returns the whole answer.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request("GET", path, &[], b"")
    }

    /// Sends a request and returns the whole answer. Content-Length is added if there is a body,
    /// Host unless it is among the headers.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut length = String::new();
        let headers = with_length(headers, body, &mut length);
        let mut bytes = self.head(method, path, &headers);
        bytes.extend_from_slice(body);
        self.send(&bytes)?;
        self.read_response(method)
    }

    /// Sends a request with a chunked body and returns the whole answer.
    pub(crate) fn request_chunked(
        &mut self,
        method: &str,
        path: &str,
        chunks: &[&[u8]],
    ) -> io::Result<Response> {
        let mut bytes = self.head(method, path, &[("Transfer-Encoding", "chunked")]);
        for chunk in chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        self.send(&bytes)?;
        self.read_response(method)
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.host));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends the header of a request, with a body to follow if these headers have a Content-Length.
    pub(crate) fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let head = self.head(method, path, headers);
        self.send(&head)
    }

    /// Sends a part of the body.
    pub(crate) fn send_body(&mut self, piece: &[u8]) -> io::Result<()> {
        self.send(piece)
    }

    /// Sends a part of the body, without its end if the end is not the last byte.
    pub(crate) fn send_open_body(&mut self, piece: &[u8]) -> io::Result<()> {
        self.send(piece)
    }

    /// Sends these bytes and nothing else.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        SockRef::from(self.stream.socket()).set_linger(Some(Duration::ZERO))
    }

    /// Receives at least one byte, such as after a 101; empty if the other side closed.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Whether bytes have come or the other side has closed; does not wait.
    pub(crate) fn received_something(&mut self) -> bool {
        self.stream.received_something()
    }

    /// Reads everything until the other side closes or resets; fails the test if it does not.
    #[track_caller]
    pub(crate) fn read_to_close(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Err(error) if is_timeout(&error) => {
                    panic!("not closed, after {:?}", String::from_utf8_lossy(&self.buffer))
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        std::mem::take(&mut self.buffer)
    }

    /// Reads this number of bytes; an error if the other side closes before.
    pub(crate) fn read_exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        self.read_exactly(length, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads the answer to a request with this method. An error if none came; an answer that breaks
    /// off in its body is a [`Response`] that is not complete.
    pub(crate) fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let mut interim = vec![];
        loop {
            let mut response = Response::parse(&self.read_head()?)?;
            if (100..=199).contains(&response.status) && response.status != 101 {
                interim.push(response.status);
                continue;
            }
            response.interim = interim;
            self.read_body(method, &mut response)?;
            return Ok(response);
        }
    }

    /// The status of the next 1xx answer.
    pub(crate) fn read_interim(&mut self) -> io::Result<u16> {
        Ok(Response::parse(&self.read_head()?)?.status)
    }

    /// Whether nothing comes for this long.
    pub(crate) fn is_kept_waiting(&mut self, wait: Duration) -> bool {
        self.limit(wait).expect("a limit");
        let waited = self.fill();
        self.limit(PATIENCE).expect("a limit");
        waited.is_err_and(|error| is_timeout(&error))
    }

    /// The next header as it came, without its blank line.
    pub(crate) fn read_head(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer[..end].to_vec();
                self.buffer.drain(..end + 4);
                return Ok(head);
            }
            if self.fill()? == 0 {
                let read = String::from_utf8_lossy(&self.buffer);
                let error = format!("closed before the end of a header, after {read:?}");
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
            }
        }
    }

    fn read_body(&mut self, method: &str, response: &mut Response) -> io::Result<()> {
        if method == "HEAD" || matches!(response.status, 101 | 204 | 304) {
            response.is_complete = true;
            return Ok(());
        }
        let coding = response.header("transfer-encoding");
        let is_chunked = coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        let body = &mut response.body;
        let read = if is_chunked {
            self.read_chunks(body)
        } else if let Some(length) = length {
            self.read_exactly(length, body)
        } else {
            self.read_until_close(body)
        };
        match read {
            // The other side is still there and may send more, so a test that waits for the end of
            // a body gets the error.
            Err(error) if is_timeout(&error) => Err(error),
            read => {
                response.is_complete = read.is_ok();
                Ok(())
            }
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.read_line()?;
            let size = usize::from_str_radix(line.trim(), 16);
            let size = size.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(());
            }
            self.read_exactly(size, body)?;
            self.read_line()?;
        }
    }

    fn read_exactly(&mut self, mut length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.fill_more()?;
            }
            let piece = length.min(self.buffer.len());
            body.extend(self.buffer.drain(..piece));
            length -= piece;
        }
        Ok(())
    }

    fn read_until_close(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            body.append(&mut self.buffer);
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.fill_more()?;
        }
    }

    fn fill_more(&mut self) -> io::Result<()> {
        match self.fill()? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                // After a signal, the system does not resume a read with a limit.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    self.buffer.extend_from_slice(&piece[..*read.as_ref().unwrap_or(&0)]);
                    return read;
                }
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
