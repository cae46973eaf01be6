//! A client of HTTP/3, with the same calls as the one of HTTP/1, so that a test can be written once for
//! both. Its HTTP/3 is the `h3` crate's, and none of ours.
//!
//! A connection has one request at a time here. When dropped, it cancels its request and leaves.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::{Buf, Bytes};
use h3::{
    client::{self, RequestStream, SendRequest},
    error::Code,
};
use h3_quinn::{BidiStream, OpenStreams};
use http::Request;
use quinn::{ClientConfig, Endpoint, TransportConfig, crypto::rustls::QuicClientConfig};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

pub(crate) use super::client::Response;
use super::{
    PATIENCE,
    calls::{announced_length, calls, lines, other, request_header, with_length},
    tls_client,
};

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

calls!();

/// How this client speaks QUIC: it trusts the certificate of `tls_client`.
pub(crate) fn config(remembers: bool) -> ClientConfig {
    quic_config(tls_client::config(remembers))
}

/// How a client speaks QUIC that speaks TLS so.
pub(crate) fn quic_config(mut tls: rustls::ClientConfig) -> ClientConfig {
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("a suite")));
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_secs(30).try_into().expect("a time")));
    config.transport_config(Arc::new(transport));
    config
}

/// A connection of QUIC, on a port of its own.
pub(crate) async fn connect(
    address: SocketAddr,
    remembers: bool,
) -> io::Result<(Endpoint, quinn::Connection)> {
    connect_with(address, config(remembers)).await
}

/// Like [`connect`], by a client of this configuration.
pub(crate) async fn connect_with(
    address: SocketAddr,
    config: ClientConfig,
) -> io::Result<(Endpoint, quinn::Connection)> {
    let endpoint = Endpoint::client((address.ip(), 0).into())?;
    let connecting = endpoint.connect_with(config, address, tls_client::NAME);
    let connection = timeout(PATIENCE, connecting.map_err(other)?).await?.map_err(other)?;
    Ok((endpoint, connection))
}

/// A connection that stays open between requests.
pub(crate) struct Connection {
    pub(crate) quic: quinn::Connection,
    pub(crate) endpoint: Endpoint,
    requests: SendRequest<OpenStreams, Bytes>,
    host: String,
    limit: Duration,
    exchange: Option<Exchange>,
}

/// The request under way.
struct Exchange {
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
    /// The bytes that are left of the announced length.
    left: Option<u64>,
    interim: Vec<u16>,
    answer: Option<http::Response<()>>,
}

impl Connection {
    /// Connects. Every wait has a limit of [`PATIENCE`] until changed.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_with(address, true)
    }

    /// Connects, with an earlier session if the client is to remember any.
    pub(crate) fn open_with(address: SocketAddr, remembers: bool) -> io::Result<Self> {
        RUNTIME.block_on(async {
            let (endpoint, quic) = connect(address, remembers).await?;
            let connection = h3_quinn::Connection::new(quic.clone());
            let (mut driver, requests) = client::new(connection).await.map_err(other)?;
            tokio::spawn(async move {
                let _ = std::future::poll_fn(|cx| driver.poll_close(cx)).await;
            });
            let host = address.to_string();
            Ok(Self { quic, endpoint, requests, host, limit: PATIENCE, exchange: None })
        })
    }

    /// Sets the limit of every wait.
    pub(crate) fn limit(&mut self, limit: Duration) -> io::Result<()> {
        self.limit = limit;
        Ok(())
    }

    /// This side's address, as the other side sees it.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
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
        self.send(self.header(method, path, &headers)?, &[body], true)?;
        self.read_response(method)
    }

    /// Sends a request with a body without an announced length and returns the whole answer.
    pub(crate) fn request_chunked(
        &mut self,
        method: &str,
        path: &str,
        chunks: &[&[u8]],
    ) -> io::Result<Response> {
        self.send(self.header(method, path, &[])?, chunks, true)?;
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
        self.send(self.header(method, path, headers)?, &[], length.is_none())?;
        self.exchange().left = length;
        Ok(())
    }

    /// Sends a part of the body, with the end of the stream if it is the last.
    pub(crate) fn send_body(&mut self, piece: &[u8]) -> io::Result<()> {
        let exchange = self.exchange();
        exchange.left = exchange.left.map(|left| left - piece.len() as u64);
        let is_last = exchange.left == Some(0);
        self.send_piece(piece, is_last)
    }

    /// Sends a part of the body, without the end of the stream.
    pub(crate) fn send_open_body(&mut self, piece: &[u8]) -> io::Result<()> {
        self.send_piece(piece, false)
    }

    fn send_piece(&mut self, piece: &[u8], is_last: bool) -> io::Result<()> {
        let (limit, stream) = (self.limit, &mut self.exchange().stream);
        let piece = Bytes::copy_from_slice(piece);
        let sending = async {
            stream.send_data(piece).await?;
            if is_last { stream.finish().await } else { Ok(()) }
        };
        RUNTIME.block_on(async { timeout(limit, sending).await })?.map_err(other)
    }

    /// Sends a request's header with these pieces of its body at once.
    fn send(&mut self, request: Request<()>, pieces: &[&[u8]], is_whole: bool) -> io::Result<()> {
        let limit = self.limit;
        let mut requests = self.requests.clone();
        let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
        // This runs on the only thread of the runtime, so that the connection waits for it.
        let sent = RUNTIME.spawn(async move {
            let mut stream = requests.send_request(request).await?;
            for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
                stream.send_data(piece).await?;
            }
            if is_whole {
                stream.finish().await?;
            }
            Ok::<_, h3::error::StreamError>(stream)
        });
        let stream = RUNTIME.block_on(async { timeout(limit, sent).await })?;
        let stream = stream.map_err(other)?.map_err(other)?;
        self.exchange = Some(Exchange { stream, left: None, interim: vec![], answer: None });
        Ok(())
    }

    fn header(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Request<()>> {
        request_header(("https", &self.host), method, path, headers)
    }

    #[track_caller]
    fn exchange(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("a request is under way")
    }

    /// The status of the next 1xx answer.
    pub(crate) fn read_interim(&mut self) -> io::Result<u16> {
        let limit = self.limit;
        let exchange = self.exchange();
        let next =
            RUNTIME.block_on(async { timeout(limit, exchange.stream.recv_response()).await });
        let next = next?.map_err(other)?;
        let status = next.status().as_u16();
        if next.status().is_informational() {
            exchange.interim.push(status);
        } else {
            exchange.answer = Some(next);
        }
        Ok(status)
    }

    /// Reads the answer. An error if none came; an answer that breaks off in its body is a
    /// [`Response`] that is not complete.
    pub(crate) fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let limit = self.limit;
        let exchange = self.exchange();
        let answer = loop {
            if let Some(answer) = exchange.answer.take() {
                break answer;
            }
            let next =
                RUNTIME.block_on(async { timeout(limit, exchange.stream.recv_response()).await });
            let next = next?.map_err(other)?;
            if next.status().is_informational() {
                exchange.interim.push(next.status().as_u16());
            } else {
                exchange.answer = Some(next);
            }
        };
        let mut response = Response {
            status: answer.status().as_u16(),
            headers: lines(answer.headers()),
            interim: std::mem::take(&mut exchange.interim),
            ..Response::default()
        };
        let (stream, body) = (&mut exchange.stream, &mut response.body);
        let read = RUNTIME.block_on(async { timeout(limit, read_body(stream, body)).await });
        response.is_complete = read?.is_ok();
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        let has_body = method != "HEAD" && response.status != 304;
        if has_body && length.is_some_and(|length: usize| length != response.body.len()) {
            response.is_complete = false;
        }
        self.exchange = None;
        Ok(response)
    }

    /// Whether nothing comes for this long.
    pub(crate) fn is_kept_waiting(&mut self, wait: Duration) -> bool {
        let exchange = self.exchange();
        let next = RUNTIME.block_on(async { timeout(wait, exchange.stream.recv_response()).await });
        match next {
            Err(_) => true,
            Ok(answer) => {
                exchange.answer = answer.ok();
                false
            }
        }
    }

    /// Tells the other side that the answer is not wanted any more (STOP_SENDING), and nothing else.
    pub(crate) fn stop_reading(&mut self) {
        self.exchange().stream.stop_sending(Code::H3_REQUEST_CANCELLED);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.stream.stop_stream(Code::H3_REQUEST_CANCELLED);
        }
        let _entered = RUNTIME.enter();
        self.exchange = None;
        self.quic.close(0x100_u32.into(), b"");
    }
}

async fn read_body(
    stream: &mut RequestStream<BidiStream<Bytes>, Bytes>,
    read: &mut Vec<u8>,
) -> Result<(), h3::error::StreamError> {
    while let Some(mut piece) = stream.recv_data().await? {
        while piece.has_remaining() {
            let chunk = piece.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            piece.advance(length);
        }
    }
    Ok(())
}
