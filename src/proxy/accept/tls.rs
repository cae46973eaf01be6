//! The handshake of TLS on a connection that has just been accepted.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use pingora_core::protocols::l4::stream::Stream;
use rustls::{
    CertificateError, CommonState, Error, HandshakeKind, InvalidMessage, PeerIncompatible,
    ProtocolVersion,
    server::{Accepted, Acceptor},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};
use tokio_rustls::{StartHandshake, server::TlsStream};

use super::super::client::TlsFacts;
use crate::acme::Challenges;
use crate::clock;
use crate::count::{Handshake, ListenerCounts};
use crate::headers::{ClientCertFields, ShownCertificate};
use crate::tls::{ClientAuth, ClientCertificate, Policy, Purpose, TlsListener};

/// What a client says first is read in pieces of this size.
const PIECE: usize = 2048;
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 66\r\nConnection: close\r\n\r\n\
    400 Bad Request: this port speaks TLS (write https:// in the URL)\n";

/// How long a client that gets an answer or an alert may take to close its end, and what it may send
/// meanwhile: were the socket closed with bytes in it that are not read, the system would take back what
/// was sent.
const PARTING: Duration = Duration::from_secs(1);
const PARTING_BYTES: usize = 64 * 1024;

/// A handshake that failed, and why in words for the log.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) how: Handshake,
    pub(super) error: String,
    /// The connection, if something was sent that the client is to read.
    stream: Option<Box<Stream>>,
}

impl Failure {
    pub(super) fn new(how: Handshake, error: impl Into<String>) -> Self {
        Self { how, error: error.into(), stream: None }
    }

    fn on(self, stream: Box<Stream>) -> Self {
        Self { stream: Some(stream), ..self }
    }

    /// Closes the connection when the client has read what was sent to it.
    pub(super) async fn part(self) {
        let Some(mut stream) = self.stream else { return };
        let reading = async {
            let (mut bytes, mut read) = ([0; 1024], 0);
            // A client that has left needs no parting.
            let _ = stream.shutdown().await;
            while read < PARTING_BYTES {
                match stream.read(&mut bytes).await {
                    Ok(more @ 1..) => read += more,
                    Ok(0) | Err(_) => return,
                }
            }
        };
        let _ = time::timeout(PARTING, reading).await;
    }
}

/// A connection with a session.
pub(super) type Session = Box<TlsStream<Box<Stream>>>;

/// Has the client and the listener agree on a session. `input` is what has come of it already. The end
/// of the handshake is counted.
pub(super) async fn handshake(
    stream: Box<Stream>,
    input: BytesMut,
    (tls, challenges): (&TlsListener, Option<&Challenges>),
    counts: &ListenerCounts,
) -> Result<(Session, TlsFacts), Failure> {
    let began = clock::now();
    let shaking = shake_hands(stream, input, (tls, challenges));
    let shaken = match time::timeout(tls.handshake, shaking).await {
        Ok(shaken) => shaken,
        Err(_) => Err(Failure::new(Handshake::Late, "not complete in time")),
    };
    let how = match &shaken {
        Ok((_, facts)) if facts.resumed => Handshake::Resumed,
        Ok(_) => Handshake::Full,
        Err(failure) => failure.how,
    };
    counts.shaken(how, took(began));
    shaken
}

pub(super) fn took(began: Instant) -> Duration {
    clock::now().saturating_duration_since(began)
}

async fn shake_hands(
    stream: Box<Stream>,
    input: BytesMut,
    (tls, challenges): (&TlsListener, Option<&Challenges>),
) -> Result<(Session, TlsFacts), Failure> {
    let (accepted, stream) = client_hello(stream, input).await?;
    let (config, policy) = match tls.purpose(&accepted.client_hello()) {
        Purpose::Requests(config, policy) => (config, policy),
        Purpose::Challenge(host) => {
            return Err(prove(accepted, stream, &host, challenges).await);
        }
    };
    let start = StartHandshake::from_parts(accepted, stream);
    let shaking = start.into_stream(config).into_fallible().await;
    let mut shaken = shaking.map_err(|(error, stream)| failure(&error).on(stream))?;
    let session = shaken.get_ref().1;
    match inspect(tls, session, session.server_name(), policy) {
        Ok(facts) => Ok((Box::new(shaken), facts)),
        Err(error) => {
            // The handshake is complete, so there is no alert that `rustls` would send for this.
            let _ = shaken.shutdown().await;
            Err(Failure::new(reason(&error), error.to_string()).on(shaken.into_inner().0))
        }
    }
}

/// What a session that is complete has come to, for a client that has asked for this name.
pub(super) fn inspect(
    tls: &TlsListener,
    session: &CommonState,
    asked: Option<&str>,
    policy: Policy,
) -> Result<TlsFacts, Error> {
    let rule = tls.client_auth(policy);
    let shown = rule.map(|rule| rule.certificate(session, clock::wall())).transpose()?.flatten();
    let told = rule.map(|rule| told(rule, shown.as_ref()));
    let client_cert = shown.map(named);
    Ok(TlsFacts { client_cert, told, ..facts(session, asked, policy) })
}

fn told(rule: &ClientAuth, shown: Option<&ClientCertificate>) -> ClientCertFields {
    let certificate = shown.map(|shown| ShownCertificate {
        subject: &shown.subject,
        alternatives: &shown.alternatives,
        fingerprint: &shown.fingerprint,
        der: &shown.der,
    });
    ClientCertFields::new(rule.style, certificate)
}

/// The name of a client for the log: a certificate need not have a subject.
fn named(shown: ClientCertificate) -> Box<str> {
    if shown.subject.is_empty() { shown.alternatives } else { shown.subject }
}

/// Shows an authority the proof that a host is ours. The connection ends with that (RFC 8737 section 3).
async fn prove(
    accepted: Accepted,
    stream: Box<Stream>,
    host: &str,
    challenges: Option<&Challenges>,
) -> Failure {
    let proof = match challenges {
        Some(challenges) => challenges.for_host(host).await,
        None => None,
    };
    let Some(proof) = proof else {
        return Failure::new(Handshake::UnknownName, format!("no proof for {host} is asked for"));
    };
    match StartHandshake::from_parts(accepted, stream).into_stream(proof).await {
        Ok(mut shown) => {
            // The authority may have left.
            let _ = shown.shutdown().await;
            Failure::new(Handshake::Challenge, format!("showed the proof for {host}"))
        }
        Err(error) => failure(&error),
    }
}

/// Reads what the client says first, and answers what is no TLS.
async fn client_hello(
    mut stream: Box<Stream>,
    mut input: BytesMut,
) -> Result<(Accepted, Box<Stream>), Failure> {
    let mut acceptor = Acceptor::default();
    let mut is_first = true;
    loop {
        if let (true, Some(first)) = (is_first, input.first()) {
            is_first = false;
            if first.is_ascii_uppercase() {
                // A client that has left needs no answer.
                let _ = stream.write_all(NOT_TLS).await;
                let error = "the first bytes are of no TLS";
                return Err(Failure::new(Handshake::NotTls, error).on(stream));
            }
        }
        let mut rest = &input[..];
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest).map_err(|error| failure(&error))?;
        }
        input.clear();
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok((accepted, stream)),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                if alert.write_all(&mut bytes).is_ok() {
                    // As above.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                }
                return Err(Failure::new(reason(&error), error.to_string()).on(stream));
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
    Failure::new(how, error.to_string())
}

pub(super) fn reason(error: &Error) -> Handshake {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Handshake::NotTls,
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => Handshake::OldVersion,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Handshake::Incompatible,
        Error::AlertReceived(_) => Handshake::Alert,
        Error::NoCertificatesPresented => Handshake::NoClientCert,
        Error::InvalidCertificate(error) => of_certificate(error),
        // The resolver knows no certificate for the name.
        Error::General(_) => Handshake::UnknownName,
        _ => Handshake::Malformed,
    }
}

fn of_certificate(error: &CertificateError) -> Handshake {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Handshake::UnknownClientCert
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Handshake::ExpiredClientCert,
        CertificateError::Revoked => Handshake::RevokedClientCert,
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => Handshake::UncheckedClientCert,
        _ => Handshake::InvalidClientCert,
    }
}

fn facts(session: &CommonState, asked: Option<&str>, policy: Policy) -> TlsFacts {
    let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into());
    TlsFacts {
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        },
        // Named as the standard does.
        cipher: suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1).into(),
        sni: asked.map(Into::into),
        alpn,
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        policy,
        client_cert: None,
        told: None,
    }
}
