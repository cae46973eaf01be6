//! A client of HTTP/3 that sends any bytes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use lb::http3::qpack;
use quinn::{Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use tokio::time::timeout;

use super::{
    PATIENCE,
    http3_client::{self, RUNTIME, connect, connect_with},
};

pub(crate) const DATA: u64 = 0;
pub(crate) const HEADERS: u64 = 1;
pub(crate) const SETTINGS: u64 = 4;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered with this status.
    Answered(u16),
    /// Its stream was reset with this code.
    Reset(u64),
    /// The connection was closed with this code.
    Closed(u64),
}

/// A connection whose control stream is open.
pub(crate) struct RawClient {
    pub(crate) quic: quinn::Connection,
    /// Ends with the client.
    _endpoint: Endpoint,
    pub(crate) control: SendStream,
}

/// An integer of QUIC.
pub(crate) fn integer(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (0x4000 | value as u16).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (0x8000_0000 | value as u32).to_be_bytes().to_vec(),
        _ => (0xc000_0000_0000_0000 | value).to_be_bytes().to_vec(),
    }
}

/// A frame.
pub(crate) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [integer(kind), integer(payload.len() as u64), payload.to_vec()].concat()
}

/// A list of fields, none of them compressed.
pub(crate) fn list(fields: &[(&str, &str)]) -> Vec<u8> {
    let length = |first: u8, bits: u32, length: usize| {
        let mask = (1 << bits) - 1;
        if length < mask {
            return vec![first | length as u8];
        }
        let (mut bytes, mut rest) = (vec![first | mask as u8], length - mask);
        while rest >= 0x80 {
            bytes.push(0x80 | rest as u8);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    };
    let mut list = vec![0, 0];
    for (name, value) in fields {
        list.extend(length(0x20, 3, name.len()));
        list.extend_from_slice(name.as_bytes());
        list.extend(length(0, 7, value.len()));
        list.extend_from_slice(value.as_bytes());
    }
    list
}

/// A frame with a list of fields.
pub(crate) fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, &list(fields))
}

/// The head of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    headers(&[(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", path)])
}

/// The head of a POST.
pub(crate) fn post(path: &str) -> Vec<u8> {
    headers(&[(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", path)])
}

impl RawClient {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let mut client = Self::without_settings(address);
        client.say(&[integer(0), frame(SETTINGS, b"")].concat());
        client
    }

    /// One that takes this much of an answer before it has read any, and has said nothing on its control stream.
    pub(crate) fn with_window(address: SocketAddr, bytes: u32) -> Self {
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(VarInt::from_u32(bytes));
        let mut config = http3_client::config(false);
        config.transport_config(Arc::new(transport));
        RUNTIME.block_on(async {
            let (endpoint, quic) = connect_with(address, config).await.expect("a connection");
            Self::over(endpoint, quic).await
        })
    }

    /// A connection whose control stream is open, and nothing was said on it.
    pub(crate) fn without_settings(address: SocketAddr) -> Self {
        RUNTIME.block_on(async {
            let (endpoint, quic) = connect(address, false).await.expect("a connection");
            Self::over(endpoint, quic).await
        })
    }

    /// The same on a connection of QUIC.
    pub(crate) async fn over(endpoint: Endpoint, quic: quinn::Connection) -> Self {
        let control = quic.open_uni().await.expect("a stream");
        Self { quic, _endpoint: endpoint, control }
    }

    /// Sends these bytes on the control stream.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let control = &mut self.control;
        // A connection that is closed takes nothing.
        let _ = RUNTIME.block_on(async { control.write_all(bytes).await });
    }

    /// Begins a stream in one direction with these bytes.
    pub(crate) fn uni(&self, bytes: &[u8]) -> SendStream {
        RUNTIME.block_on(async {
            let mut stream = self.quic.open_uni().await.expect("a stream");
            let _ = stream.write_all(bytes).await;
            stream
        })
    }

    /// Begins a request with these bytes.
    pub(crate) fn begin(&self, bytes: &[u8], is_whole: bool) -> (SendStream, RecvStream) {
        RUNTIME.block_on(async {
            let (mut send, recv) = self.quic.open_bi().await.expect("a stream");
            let _ = send.write_all(bytes).await;
            if is_whole {
                let _ = send.finish();
            }
            (send, recv)
        })
    }

    /// What becomes of a request of these bytes.
    #[track_caller]
    pub(crate) fn ask(&self, bytes: &[u8]) -> Outcome {
        let (_send, mut recv) = self.begin(bytes, true);
        self.outcome(&mut recv)
    }

    /// All that comes of an answer before its end, and the code with which it is reset, if it is.
    #[track_caller]
    pub(crate) fn read(&self, recv: &mut RecvStream) -> (Vec<u8>, Option<u64>) {
        let mut came = Vec::new();
        RUNTIME.block_on(async {
            loop {
                let next = timeout(PATIENCE, recv.read_chunk(1 << 16, true)).await;
                match next.expect("an end") {
                    Ok(Some(chunk)) => came.extend_from_slice(&chunk.bytes),
                    Ok(None) => return (came, None),
                    Err(quinn::ReadError::Reset(code)) => return (came, Some(code.into_inner())),
                    Err(error) => panic!("{error}"),
                }
            }
        })
    }

    /// What becomes of a request that has begun.
    #[track_caller]
    pub(crate) fn outcome(&self, recv: &mut RecvStream) -> Outcome {
        let read = RUNTIME.block_on(async { timeout(PATIENCE, recv.read_to_end(1 << 20)).await });
        match read.expect("an end") {
            Ok(bytes) => Outcome::Answered(status(&bytes)),
            Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
                Outcome::Reset(code.into_inner())
            }
            Err(_) => self.closed(),
        }
    }

    /// The code with which the other side has reset this answer.
    pub(crate) fn reset_with(&self, recv: &mut RecvStream) -> Option<u64> {
        let reset =
            RUNTIME.block_on(async { timeout(Duration::ZERO, recv.received_reset()).await });
        reset.ok()?.ok()?.map(VarInt::into_inner)
    }

    /// The code with which the other side closes the connection.
    #[track_caller]
    pub(crate) fn closed(&self) -> Outcome {
        let closed = RUNTIME.block_on(async { timeout(PATIENCE, self.quic.closed()).await });
        match closed.expect("an end") {
            quinn::ConnectionError::ApplicationClosed(closed) => {
                Outcome::Closed(closed.error_code.into_inner())
            }
            other => panic!("{other}"),
        }
    }
}

impl Drop for RawClient {
    fn drop(&mut self) {
        self.quic.close(0x100_u32.into(), b"");
    }
}

/// The status of the answer in these frames.
#[track_caller]
fn status(bytes: &[u8]) -> u16 {
    assert_eq!(bytes.first(), Some(&1), "{bytes:?}");
    let (skipped, length) = match bytes[1] {
        short @ 0..0x40 => (2, usize::from(short)),
        long => (3, usize::from(long & 0x3f) << 8 | usize::from(bytes[2])),
    };
    let list = Bytes::copy_from_slice(&bytes[skipped..skipped + length]);
    let lines = qpack::decode(list, 1 << 20).expect("a list");
    assert_eq!(lines[0].name, ":status");
    std::str::from_utf8(&lines[0].value).expect("text").parse().expect("a number")
}
