//! A client of HTTP/2 with prior knowledge, with the same calls as the one of HTTP/1, so that a
//! test can be written once for both.
//!
//! A connection has one request at a time here; many at a time are for tests of HTTP/2 alone. When
//! dropped, it cancels its request and leaves.

use std::{future::poll_fn, io, net::SocketAddr, sync::LazyLock, task::Poll, time::Duration};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::timeout,
};

pub(crate) use super::client::Response;
use super::{
    PATIENCE,
    calls::{announced_length, calls, lines, other, request_header, with_length},
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

calls!();

/// A connection that stays open between requests.
pub(crate) struct Connection {
    requests: SendRequest<Bytes>,
    local_address: SocketAddr,
    host: String,
    limit: Duration,
    exchange: Option<Exchange>,
}

/// The request under way.
struct Exchange {
    response: ResponseFuture,
    body: SendStream<Bytes>,
    /// The bytes that are left of the announced length.
    left: Option<u64>,
    interim: Vec<u16>,
}

impl Connection {
    /// Connects. Every wait has a limit of [`PATIENCE`] until changed.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_with(address, async |stream| Ok(stream))
    }

    /// Like [`Connection::open`], with HTTP/2 on what this makes of the connection.
    pub(crate) fn open_with<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        address: SocketAddr,
        prepare: impl AsyncFnOnce(TcpStream) -> io::Result<S>,
    ) -> io::Result<Self> {
        RUNTIME.block_on(async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let local_address = stream.local_addr()?;
            let stream = prepare(stream).await?;
            let (requests, connection) = client::handshake(stream).await.map_err(other)?;
            // The connection ends with the last handle of a request.
            tokio::spawn(connection);
            let host = address.to_string();
            Ok(Self { requests, local_address, host, limit: PATIENCE, exchange: None })
        })
    }

    /// Sets the limit of every wait.
    pub(crate) fn limit(&mut self, limit: Duration) -> io::Result<()> {
        self.limit = limit;
        Ok(())
    }

    /// This side's address, as the other side sees it.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.local_address)
    }

    /// Sends a GET and returns the whole answer.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request("GET", path, &[], b"")
    }

    /// Sends a request and returns the whole answer. Content-Length is added if there is a body.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut length = String::new();
        let headers = with_length(headers, body, &mut length);
        self.send_header(method, path, &headers, body)?;
        self.read_response(method)
    }

    /// Sends a request with a body without an announced length and returns the whole answer.
    pub(crate) fn request_chunked(
        &mut self,
        method: &str,
        path: &str,
        chunks: &[&[u8]],
    ) -> io::Result<Response> {
        self.send_open_header(method, path, &[], None)?;
        for chunk in chunks {
            self.exchange().body.send_data(Bytes::copy_from_slice(chunk), false).map_err(other)?;
        }
        self.exchange().body.send_data(Bytes::new(), true).map_err(other)?;
        self.read_response(method)
    }

    /// Sends the header of a request, with a body to follow if these headers have a Content-Length.
    pub(crate) fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let length = announced_length(headers);
        match length {
            None => self.send_header(method, path, headers, b""),
            Some(length) => self.send_open_header(method, path, headers, Some(length)),
        }
    }

    /// Sends a part of the body, with the end of the stream if it is the last.
    pub(crate) fn send_body(&mut self, piece: &[u8]) -> io::Result<()> {
        let exchange = self.exchange();
        let left = exchange.left.map(|left| left - piece.len() as u64);
        exchange.left = left;
        exchange.body.send_data(Bytes::copy_from_slice(piece), left == Some(0)).map_err(other)
    }

    /// Sends a part of the body, without the end of the stream.
    pub(crate) fn send_open_body(&mut self, piece: &[u8]) -> io::Result<()> {
        self.exchange().body.send_data(Bytes::copy_from_slice(piece), false).map_err(other)
    }

    /// Sends a header with its whole body, so that no read of the other side separates them.
    fn send_header(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let (request, mut requests) = (self.header(method, path, headers)?, self.ready()?);
        let piece = Bytes::copy_from_slice(body);
        // This runs on the only thread of the runtime, so that the connection waits for it.
        let sent = RUNTIME.spawn(async move {
            let (response, mut body) = requests.send_request(request, piece.is_empty())?;
            if !piece.is_empty() {
                body.send_data(piece, true)?;
            }
            Ok::<_, h2::Error>((response, body))
        });
        let (response, body) = RUNTIME.block_on(sent).map_err(other)?.map_err(other)?;
        self.exchange = Some(Exchange { response, body, left: None, interim: vec![] });
        Ok(())
    }

    fn send_open_header(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        left: Option<u64>,
    ) -> io::Result<()> {
        let (request, mut requests) = (self.header(method, path, headers)?, self.ready()?);
        let (response, body) = requests.send_request(request, false).map_err(other)?;
        self.exchange = Some(Exchange { response, body, left, interim: vec![] });
        Ok(())
    }

    /// Whether it takes another request: the other side has not said that it ends the connection.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready().is_ok()
    }

    fn ready(&self) -> io::Result<SendRequest<Bytes>> {
        let ready = async { timeout(self.limit, self.requests.clone().ready()).await };
        RUNTIME.block_on(ready)?.map_err(other)
    }

    fn header(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Request<()>> {
        request_header(("http", &self.host), method, path, headers)
    }

    #[track_caller]
    fn exchange(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("a request is under way")
    }

    /// The status of the next 1xx answer.
    pub(crate) fn read_interim(&mut self) -> io::Result<u16> {
        let limit = self.limit;
        let Exchange { response, interim, .. } = self.exchange();
        let next = poll_fn(|cx| response.poll_informational(cx));
        let next = RUNTIME.block_on(async { timeout(limit, next).await })?;
        let next = next.ok_or(io::ErrorKind::UnexpectedEof)?.map_err(other)?;
        interim.push(next.status().as_u16());
        Ok(next.status().as_u16())
    }

    /// Reads the answer. An error if none came; an answer that breaks off in its body is a
    /// [`Response`] that is not complete.
    pub(crate) fn read_response(&mut self, _method: &str) -> io::Result<Response> {
        let limit = self.limit;
        let Exchange { response, interim, .. } = self.exchange();
        let answer =
            RUNTIME.block_on(async { timeout(limit, final_answer(response, interim)).await });
        let (head, mut body) = answer?.map_err(other)?.into_parts();
        let mut response = Response {
            status: head.status.as_u16(),
            headers: lines(&head.headers),
            interim: std::mem::take(interim),
            ..Response::default()
        };
        let read = async { timeout(limit, read_body(&mut body, &mut response.body)).await };
        response.is_complete = RUNTIME.block_on(read)?.is_ok();
        self.exchange = None;
        Ok(response)
    }

    /// Whether nothing comes for this long.
    pub(crate) fn is_kept_waiting(&mut self, wait: Duration) -> bool {
        let response = &mut self.exchange().response;
        let ready = poll_fn(|cx| std::pin::Pin::new(&mut *response).poll(cx));
        RUNTIME.block_on(async { timeout(wait, ready).await }).is_err()
    }
}

/// The final answer, with the 1xx before it.
async fn final_answer(
    response: &mut ResponseFuture,
    interim: &mut Vec<u16>,
) -> Result<http::Response<RecvStream>, h2::Error> {
    poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(next))) = response.poll_informational(cx) {
            interim.push(next.status().as_u16());
        }
        std::pin::Pin::new(&mut *response).poll(cx)
    })
    .await
}

async fn read_body(body: &mut RecvStream, read: &mut Vec<u8>) -> Result<(), h2::Error> {
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        read.extend_from_slice(&piece);
    }
    Ok(())
}
