//! What the access log says of the connection that a request came on.
//!
//! The fields are there only for connections that have them, because most connections have none, and
//! a line of nothing but "null" is paid for by each request.

/// What is known of a connection beyond its client's address.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectionRecord<'a> {
    /// The host that the client asked a proxy for, as that proxy says.
    pub authority: Option<&'a str>,
    /// The id that a proxy has given the connection.
    pub unique_id: Option<&'a str>,
    /// `None` for a connection without TLS.
    pub tls: Option<TlsRecord<'a>>,
}

/// What the handshake of a connection has come to.
#[derive(Debug, Clone, Copy)]
pub struct TlsRecord<'a> {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite, by its name in the standard.
    pub cipher: &'a str,
    /// The name that the client asked for.
    pub sni: Option<&'a str>,
    /// The protocol that was agreed on.
    pub alpn: Option<&'a str>,
    /// Whether an earlier session went on.
    pub resumed: bool,
    /// The subject of the client's certificate.
    pub client_cert: Option<&'a str>,
}
