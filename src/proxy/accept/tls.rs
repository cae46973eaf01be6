//! The handshake of TLS on a connection that has just been accepted.

use std::{io, time::Instant};

use bytes::BytesMut;
use pingora_core::protocols::l4::stream::Stream;
use rustls::{
    Error, HandshakeKind, InvalidMessage, PeerIncompatible, ProtocolVersion, ServerConnection,
    server::{Accepted, Acceptor},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};
use tokio_rustls::StartHandshake;

use super::super::client::{ClientStream, TlsFacts};
use crate::clock;
use crate::count::{Handshake, ListenerCounts};
use crate::tls::{Purpose, TlsListener};

/// What a client says first is read in pieces of this size.
const PIECE: usize = 2048;
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 66\r\nConnection: close\r\n\r\n\
    400 Bad Request: this port speaks TLS (write https:// in the URL)\n";

/// A handshake that failed, and why in words for the log.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) how: Handshake,
    pub(super) error: String,
}

/// Has the client and the listener agree on a session. `input` is what has come of it already. The end
/// of the handshake is counted.
pub(super) async fn handshake(
    stream: Box<Stream>,
    input: BytesMut,
    tls: &TlsListener,
    counts: &ListenerCounts,
) -> Result<(ClientStream, TlsFacts), Failure> {
    let began = clock::now();
    let shaken = match time::timeout(tls.handshake, shake_hands(stream, input, tls)).await {
        Ok(shaken) => shaken,
        Err(_) => Err(Failure { how: Handshake::Late, error: "not complete in time".to_owned() }),
    };
    let how = match &shaken {
        Ok((_, facts)) if facts.resumed => Handshake::Resumed,
        Ok(_) => Handshake::Full,
        Err(failure) => failure.how,
    };
    counts.shaken(how, took(began));
    shaken
}

fn took(began: Instant) -> std::time::Duration {
    clock::now().saturating_duration_since(began)
}

async fn shake_hands(
    mut stream: Box<Stream>,
    input: BytesMut,
    tls: &TlsListener,
) -> Result<(ClientStream, TlsFacts), Failure> {
    let accepted = client_hello(&mut stream, input).await?;
    let config = match tls.purpose(&accepted.client_hello()) {
        Purpose::Requests(config) => config,
        Purpose::Challenge(host) => {
            let error = format!("no proof for {host} is asked for");
            return Err(Failure { how: Handshake::UnknownName, error });
        }
    };
    let start = StartHandshake::from_parts(accepted, stream);
    let shaken = start.into_stream(config).await.map_err(|error| failure(&error))?;
    let facts = facts(shaken.get_ref().1);
    Ok((ClientStream::Tls(Box::new(shaken)), facts))
}

/// Reads what the client says first, and answers what is no TLS.
async fn client_hello(stream: &mut Stream, mut input: BytesMut) -> Result<Accepted, Failure> {
    let mut acceptor = Acceptor::default();
    let mut is_first = true;
    loop {
        if let (true, Some(first)) = (is_first, input.first()) {
            is_first = false;
            if first.is_ascii_uppercase() {
                // A client that has left needs no answer.
                let _ = stream.write_all(NOT_TLS).await;
                let _ = stream.shutdown().await;
                let error = "the first bytes are of no TLS".to_owned();
                return Err(Failure { how: Handshake::NotTls, error });
            }
        }
        let mut rest = &input[..];
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest).map_err(|error| failure(&error))?;
        }
        input.clear();
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                if alert.write_all(&mut bytes).is_ok() {
                    // As above.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                }
                return Err(Failure { how: reason(&error), error: error.to_string() });
            }
        }
        input.reserve(PIECE);
        match stream.read_buf(&mut input).await {
            Ok(1..) => {}
            Ok(0) => return Err(failure(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => return Err(failure(&error)),
        }
    }
}

fn failure(error: &io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let how = match (inner, error.kind()) {
        (Some(inner), _) => reason(inner),
        (None, io::ErrorKind::InvalidData) => Handshake::Malformed,
        _ => Handshake::Left,
    };
    Failure { how, error: error.to_string() }
}

fn reason(error: &Error) -> Handshake {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Handshake::NotTls,
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => Handshake::OldVersion,
        Error::PeerIncompatible(_) => Handshake::Incompatible,
        Error::AlertReceived(_) => Handshake::Alert,
        // The resolver knows no certificate for the name.
        Error::General(_) => Handshake::UnknownName,
        _ => Handshake::Malformed,
    }
}

fn facts(session: &ServerConnection) -> TlsFacts {
    let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into());
    TlsFacts {
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        },
        // Named as the standard does.
        cipher: suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1).into(),
        sni: session.server_name().map(Into::into),
        alpn,
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}
