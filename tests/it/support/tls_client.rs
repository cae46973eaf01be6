//! The client of HTTP/1 over TLS, with the same calls, so that a test can be written once for both.

use std::{
    fs, io,
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, client::Resumption, crypto::aws_lc_rs,
    pki_types::pem::PemObject,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{calls::calls, certificates::Authority, client, process::new_folder};

pub(crate) use super::client::Response;

/// The name that the certificate of [`SITE`] is for.
pub(crate) const NAME: &str = "shop.example";

/// The file of the authority's own certificate.
const AUTHORITY: &str = "authority.pem";

/// A certificate in files, and a client that trusts it.
struct Site {
    folder: TempDir,
    authority: Authority,
    /// Goes on with earlier sessions.
    client: Arc<ClientConfig>,
    /// Has a new session for each connection.
    forgetful: Arc<ClientConfig>,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let (folder, authority) = (new_folder(), Authority::new("lb test"));
    authority.issue(&[NAME]).write(folder.path(), "shop");
    fs::write(folder.path().join(AUTHORITY), authority.pem()).expect("a file");
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    let root = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes());
    roots.add(root.expect("PEM")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let client = builder.with_root_certificates(roots).with_no_client_auth();
    let mut forgetful = client.clone();
    forgetful.resumption = Resumption::disabled();
    Site { folder, authority, client: Arc::new(client), forgetful: Arc::new(forgetful) }
});

/// The keys of a listener that this client trusts.
pub(crate) fn listener_keys() -> String {
    let folder = SITE.folder.path().display();
    format!("tls: {{ certificates: [ {{ cert: {folder}/shop.pem, key: {folder}/shop.key }} ] }}")
}

/// The certificate of the authority, in PEM, for clients that others have written.
pub(crate) fn authority() -> PathBuf {
    SITE.folder.path().join(AUTHORITY)
}

/// Writes another certificate that this client trusts to `shop.pem` and `shop.key` in this folder.
pub(crate) fn write_next(folder: &Path) {
    SITE.authority.issue(&[NAME]).write(folder, "shop");
}

/// How this client speaks TLS; it goes on with earlier sessions if it is to remember any.
pub(crate) fn config(remembers: bool) -> ClientConfig {
    let config = if remembers { &SITE.client } else { &SITE.forgetful };
    ClientConfig::clone(config)
}

/// Shakes hands on this connection, with an earlier session if the client is to remember any.
pub(crate) async fn connect(
    stream: TcpStream,
    remembers: bool,
) -> io::Result<TlsStream<TcpStream>> {
    let config = if remembers { &SITE.client } else { &SITE.forgetful };
    shake_hands(stream, Arc::clone(config)).await
}

/// Shakes hands on this connection, and agrees on this protocol.
pub(crate) async fn connect_for(
    stream: TcpStream,
    protocol: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    let mut config = config(true);
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = shake_hands(stream, Arc::new(config)).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    Ok(stream)
}

async fn shake_hands(
    stream: TcpStream,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let name = NAME.try_into().expect("a name");
    TlsConnector::from(config).connect(name, stream).await
}

calls!();

/// A connection that stays open between requests.
#[derive(Debug)]
pub(crate) struct Connection(client::Connection);

impl Connection {
    /// Connects, and shakes hands.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_behind(address, b"", usize::MAX)
    }

    /// Like [`Connection::open`], with these bytes before the handshake; they and the first bytes of the
    /// handshake are sent in pieces of this length.
    pub(crate) fn open_behind(address: SocketAddr, bytes: &[u8], piece: usize) -> io::Result<Self> {
        let connection = client::Connection::open(address)?;
        let config = Arc::clone(&SITE.client);
        let name = NAME.try_into().expect("a name");
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut first = bytes.to_vec();
        session.write_tls(&mut first)?;
        connection.over_tls(session, first.chunks(piece)).map(Self)
    }
}

impl Deref for Connection {
    type Target = client::Connection;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
