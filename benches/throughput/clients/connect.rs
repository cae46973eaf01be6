//! Connections of clients, with TLS or without it.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::workload::Tls;

/// Sessions that a client remembers: more than it needs.
const SESSIONS: usize = 32;

/// A connection.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket for T {}

/// Makes the connections of one client.
pub(super) struct Connector {
    proxy: SocketAddr,
    tls: Option<(TlsConnector, Tls)>,
    /// Whether it has a session that may go on.
    has_session: Cell<bool>,
}

impl Connector {
    pub(super) fn new(proxy: SocketAddr, tls: Option<Tls>, is_http2: bool) -> Self {
        let tls = tls.map(|tls| {
            let mut config = (**CONFIG).clone();
            config.resumption = match tls.resumes {
                true => Resumption::in_memory_sessions(SESSIONS),
                false => Resumption::disabled(),
            };
            let protocol: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
            config.alpn_protocols = vec![protocol.to_vec()];
            (TlsConnector::from(Arc::new(config)), tls)
        });
        Self { proxy, tls, has_session: Cell::new(false) }
    }

    /// Sends half of the handshake's first message.
    pub(super) async fn half(&self) -> io::Result<TcpStream> {
        let mut socket = TcpStream::connect(self.proxy).await?;
        let name = ServerName::try_from("example.com").expect("a name");
        let session = ClientConnection::new(Arc::clone(&CONFIG), name);
        let mut hello = Vec::new();
        session.map_err(io::Error::other)?.write_tls(&mut hello)?;
        socket.write_all(&hello[..hello.len() / 2]).await?;
        Ok(socket)
    }

    pub(super) async fn connect(&self) -> io::Result<Box<dyn Socket>> {
        let socket = TcpStream::connect(self.proxy).await?;
        socket.set_nodelay(true)?;
        let Some((connector, tls)) = &self.tls else { return Ok(Box::new(socket)) };
        let name = ServerName::try_from("example.com").expect("a name");
        let socket = connector.connect(name, socket).await?;
        let goes_on = socket.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        if goes_on != (tls.resumes && self.has_session.replace(true)) {
            return Err(io::Error::other("a handshake of another kind than is measured"));
        }
        Ok(Box::new(socket))
    }
}

/// What browsers prefer, and how certificates are not verified, without an earlier session.
pub(super) fn config() -> ClientConfig {
    let mut config = (**CONFIG).clone();
    config.resumption = Resumption::disabled();
    config
}

/// What browsers prefer, but for the hybrid key exchange, which not every proxy here knows: all of them do
/// the same work.
static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(provider);
    let trusts_all = Arc::new(TrustsAll(Arc::clone(&provider)));
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("TLS 1.3").dangerous().with_custom_certificate_verifier(trusts_all);
    Arc::new(config.with_no_client_auth())
});

/// Takes every certificate, and verifies nothing: what clients do costs nothing of what is measured.
#[derive(Debug)]
struct TrustsAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
