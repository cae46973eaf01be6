//! The requests to a scripted backend, exactly as they came over the wire.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A request as received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// The method as written.
    pub method: String,
    /// The request target, with the query.
    pub path: String,
    /// `HTTP/1.1`.
    pub version: String,
    /// In the order and the case received.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body that came, without chunk framing.
    pub body: Vec<u8>,
    /// Whether the body has come to its end.
    pub is_complete: bool,
    /// The number of the backend's connection on which it came, from 1.
    pub connection: usize,
}

impl Request {
    /// The first value of a header, its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_lines(name).first().copied()
    }

    /// Every value of a header, in order.
    pub(crate) fn header_lines(&self, name: &str) -> Vec<&str> {
        let is_it = |line: &&(String, String)| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_it).map(|(_, value)| value.as_str()).collect()
    }

    fn says(&self, name: &str, word: &str) -> bool {
        self.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
    }

    pub(super) fn is_last(&self) -> bool {
        self.says("connection", "close")
            || (self.version == "HTTP/1.0" && !self.says("connection", "keep-alive"))
    }

    pub(super) fn expects_continue(&self) -> bool {
        self.says("expect", "100-continue")
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        Some(Self {
            method: first.next()?.to_owned(),
            path: first.next()?.to_owned(),
            version: first.next()?.to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
            ..Self::default()
        })
    }
}

/// A connection with the bytes that were read and not yet used.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
}

/// The bytes of a connection.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), buffer: Vec::new() }
    }

    pub(super) fn over_tls(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), buffer: Vec::new() }
    }

    /// The next request without its body; `None` when the other side closed first.
    pub(super) async fn read_request(&mut self) -> io::Result<Option<Request>> {
        match self.read_head(Request::parse).await? {
            Some(request) => request.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
            None => Ok(None),
        }
    }

    /// The result of `parse` for the next header, blank line excluded; `None` if the other side
    /// closed first.
    pub(super) async fn read_head<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> T,
    ) -> io::Result<Option<T>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = parse(&self.buffer[..end]);
                self.buffer.drain(..end + 4);
                return Ok(Some(head));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads the body of `request`, giving each piece to `sink` as it comes.
    pub(super) async fn read_body(
        &mut self,
        request: &Request,
        mut sink: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        if request.says("transfer-encoding", "chunked") {
            return self.read_chunks(&mut sink).await;
        }
        let length = request.header("content-length").unwrap_or("0");
        let length = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        self.read_exactly(length, &mut sink).await
    }

    /// Reads a chunked body, giving each piece to `sink` as it comes.
    pub(super) async fn read_chunks(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let line = self.read_line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.read_line().await?.is_empty() {}
                return Ok(());
            }
            self.read_exactly(size, sink).await?;
            self.read_line().await?;
        }
    }

    /// Reads a body of this length, giving each piece to `sink` as it comes.
    pub(super) async fn read_exactly(
        &mut self,
        mut length: usize,
        sink: &mut impl FnMut(&[u8]),
    ) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() && self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let piece = length.min(self.buffer.len());
            sink(&self.buffer[..piece]);
            self.buffer.drain(..piece);
            length -= piece;
        }
        Ok(())
    }

    /// Reads a body that ends with the connection, giving each piece to `sink` as it comes.
    pub(super) async fn read_to_close(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            sink(&self.buffer);
            self.buffer.clear();
            if self.fill().await? == 0 {
                return Ok(());
            }
        }
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.buffer).await,
            Stream::Tls(stream) => stream.read_buf(&mut self.buffer).await,
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Sends back all bytes, beginning with those read already.
    pub(super) async fn echo(&mut self) -> io::Result<()> {
        loop {
            let bytes = std::mem::take(&mut self.buffer);
            self.send(&bytes).await?;
            if self.fill().await? == 0 {
                return Ok(());
            }
        }
    }

    /// Reads and drops all bytes.
    pub(super) async fn hang(&mut self) -> io::Result<()> {
        while self.fill().await? > 0 {
            self.buffer.clear();
        }
        Ok(())
    }

    pub(super) async fn close(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
        }
    }

    pub(super) fn reset(self) -> io::Result<()> {
        match &self.stream {
            Stream::Plain(stream) => stream.set_zero_linger(),
            Stream::Tls(stream) => stream.get_ref().0.set_zero_linger(),
        }
    }
}
