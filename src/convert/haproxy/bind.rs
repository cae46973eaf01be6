//! Listeners: `bind` lines.

use crate::convert::{
    ledger::Ledger,
    site::{self, Certificate, ClientAuth, Tls},
    statement::Statement,
};

/// The most ports of a range that become listeners.
const PORTS: u16 = 16;

/// What to say of an older version of TLS.
pub(super) const OLDEST: &str = "TLS 1.2 is the oldest version of lb";

/// The key of the owner of a socket.
const OWNER: &str = "listeners[].owner";

/// Parameters that no value follows.
const ALONE: &str = "
    ssl accept-proxy transparent v4v6 v6only tfo defer-accept strict-sni no-sslv3
    no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 no-tls-tickets prefer-client-ciphers
    allow-0rtt generate-certificates force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12
    force-tlsv13 accept-netscaler-cip quic-force-retry
";
/// Parameters that change nothing of what `lb` does.
const NO_MATTER: &str = "
    name process thread shards id nice backlog tfo defer-accept ciphers ciphersuites curves ecdhe
    no-sslv3 no-tlsv10 no-tlsv11 no-tls-tickets prefer-client-ciphers tls-ticket-keys level
    expose-fd tcp-ut quic-cc-algo quic-socket
";

/// What holds for every `bind`, from the global section.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// Before relative paths of certificates, without a final slash.
    pub(super) crt: Option<String>,
    /// Before relative paths of authorities.
    pub(super) ca: Option<String>,
    pub(super) min_version: Option<&'static str>,
    /// Whether no `bind` has HTTP/3.
    pub(super) refuses_quic: bool,
}

/// An address of a `bind`.
#[derive(Debug, Clone)]
pub(super) struct Bind<'a> {
    pub(super) statement: &'a Statement,
    pub(super) address: String,
    pub(super) mode: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) tls: Option<Tls>,
    pub(super) has_proxy_protocol: bool,
    pub(super) protocols: Vec<&'static str>,
    /// Whether it is for HTTP/3 alone.
    pub(super) is_quic: bool,
}

/// The listeners of a `bind` line, or of a section with an address behind its name.
pub(super) fn binds<'a>(
    statement: &'a Statement,
    args: &[String],
    base: &Base,
    ledger: &mut Ledger,
) -> Vec<Bind<'a>> {
    let Some((addresses, parameters)) = args.split_first() else { return Vec::new() };
    let mut bind = Bind {
        statement,
        address: String::new(),
        mode: None,
        owner: None,
        tls: None,
        has_proxy_protocol: false,
        protocols: Vec::new(),
        is_quic: false,
    };
    let has_tls = parameters.iter().any(|it| it == "ssl");
    let mut tls = Tls { min_version: base.min_version, ..Tls::default() };
    let mut reader = Reader {
        statement,
        base,
        tls: &mut tls,
        bind: &mut bind,
        ledger,
        auth: None,
        idle: Vec::new(),
    };
    let mut rest = parameters.iter();
    while let Some(name) = rest.next() {
        let value = if takes_value(name) { rest.next().map_or("", String::as_str) } else { "" };
        reader.parameter(name, value);
    }
    reader.finish();
    if has_tls {
        match tls.certificates.is_empty() {
            true => ledger.left_out(
                statement,
                "there is no certificate that lb can read: it listens without TLS",
            ),
            false => bind.tls = Some(tls),
        }
    }
    ledger.translated(statement);
    let mut binds = Vec::new();
    for part in addresses.split(',') {
        let is_quic = part.starts_with("quic");
        if is_quic && !may_have_http3(&bind, base, ledger) {
            continue;
        }
        for address in address(part, statement, ledger) {
            let address = ledger.value(statement, "listeners[].address", address);
            binds.extend(address.map(|address| Bind { address, is_quic, ..bind.clone() }));
        }
    }
    binds
}

/// Whether a `bind` can have HTTP/3 in `lb`.
fn may_have_http3(bind: &Bind<'_>, base: &Base, ledger: &mut Ledger) -> bool {
    if base.refuses_quic {
        ledger.not_needed(bind.statement, "no client can speak HTTP/3 there, with no-quic");
    } else if bind.tls.is_none() {
        ledger.left_out(bind.statement, "HTTP/3 needs TLS");
    }
    !base.refuses_quic && bind.tls.is_some()
}

/// The addresses, of which HTTP/3 and TCP at the same one are one listener in `lb`.
pub(super) fn joined<'a>(binds: Vec<Bind<'a>>, ledger: &mut Ledger) -> Vec<Bind<'a>> {
    let (quic, mut joined): (Vec<_>, Vec<_>) = binds.into_iter().partition(|it| it.is_quic);
    for mut bind in quic {
        match joined.iter_mut().find(|it| it.address == bind.address) {
            None => {
                ledger.changed(bind.statement, site::HTTP3_ALONE);
                bind.protocols = site::protocols(true, true);
                joined.push(bind);
            }
            Some(other) if other.has_proxy_protocol => {
                let reason =
                    "there is no PROXY protocol for HTTP/3, and this listener of lb has it";
                ledger.left_out(bind.statement, reason);
            }
            Some(other) if other.tls.is_none() => {
                let reason = "lb has one listener for a port, with TLS or without, and the bind for TCP \
                              has none";
                ledger.left_out(bind.statement, reason);
            }
            Some(other) => {
                if other.tls != bind.tls {
                    let reason = "the settings of TLS are those of the bind for TCP at this port";
                    ledger.changed(bind.statement, reason);
                }
                let has_http2 = other.protocols.is_empty() || other.protocols.contains(&"h2");
                other.protocols = site::protocols(has_http2, true);
            }
        }
    }
    joined
}

struct Reader<'r, 'a> {
    statement: &'a Statement,
    base: &'r Base,
    tls: &'r mut Tls,
    bind: &'r mut Bind<'a>,
    ledger: &'r mut Ledger,
    auth: Option<ClientAuth>,
    /// The names of parameters that change nothing.
    idle: Vec<String>,
}

impl Reader<'_, '_> {
    fn parameter(&mut self, name: &str, value: &str) {
        match name {
            // It is known before the others are read.
            "ssl" => {}
            // A socket for all IPv6 addresses takes IPv4 as well.
            "v4v6" => {}
            _ if NO_MATTER.split_whitespace().any(|it| it == name) => {
                self.idle.push(name.to_owned());
            }
            "crt" => self.certificate(value),
            "accept-proxy" => self.bind.has_proxy_protocol = true,
            "alpn" | "npn" => {
                if !value.contains("h2") {
                    self.bind.protocols = vec!["http/1.1"];
                }
            }
            "proto" if value == "h2" => self.bind.protocols = vec!["h2c"],
            "ca-file" | "verify" | "crl-file" => self.client_auth(name, value),
            "strict-sni" => self.tls.refuses_unknown_names = true,
            "ssl-min-ver" => {
                self.tls.min_version = (value == "TLSv1.3").then_some("1.3");
                if is_old(value) {
                    self.ledger.changed(self.statement, OLDEST);
                }
            }
            "no-tlsv12" | "force-tlsv13" => self.tls.min_version = Some("1.3"),
            "mode" => self.bind.mode = self.ledger.value(self.statement, "listeners[].mode", value),
            "user" => self.bind.owner = self.ledger.value(self.statement, OWNER, value),
            "group" => {
                let user = self.bind.owner.take().unwrap_or_else(|| "root".to_owned());
                self.bind.owner =
                    self.ledger.value(self.statement, OWNER, format!("{user}:{value}"));
            }
            "uid" | "gid" => self.leave(name, "write owner of the listener"),
            "maxconn" => self.leave(name, "lb does not limit its clients' connections"),
            "transparent" => self.leave(name, "lb listens at addresses of this machine"),
            "v6only" => {
                let reason =
                    "v6only: a listener for all IPv6 addresses takes IPv4 as well in lb";
                self.ledger.changed(self.statement, reason);
            }
            "ssl-max-ver" if value == "TLSv1.3" => self.idle.push(name.to_owned()),
            "ssl-max-ver" | "no-tlsv13" => self.leave(name, "lb has TLS 1.3 always"),
            "quic-force-retry" => self.ledger.not_needed(
                self.statement,
                "quic-force-retry: lb asks clients to prove their address when many handshakes are under \
                 way",
            ),
            "interface" => self.leave(name, "lb listens at addresses: write one of that interface"),
            "crt-list" => self.leave(name, "write each certificate into tls.certificates"),
            "allow-0rtt" => self.leave(name, "lb accepts no early data, which can be replayed"),
            _ => self.leave(name, "lb has no such setting of a listener"),
        }
    }

    fn client_auth(&mut self, name: &str, value: &str) {
        match name {
            "ca-file" => {
                let ca = under(self.base.ca.as_deref(), value);
                let ca = self.ledger.value(self.statement, "listeners[].tls.client_auth.ca", ca);
                self.auth = ca.map(|ca| ClientAuth { ca, is_optional: false, crl: None });
            }
            "verify" => match (value, &mut self.auth) {
                ("optional", Some(auth)) => auth.is_optional = true,
                ("none", auth) => *auth = None,
                _ => {}
            },
            "crl-file" => {
                if let Some(auth) = &mut self.auth {
                    let crl = under(self.base.ca.as_deref(), value);
                    auth.crl =
                        self.ledger.value(self.statement, "listeners[].tls.client_auth.crl", crl);
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, name: &str, reason: &str) {
        self.ledger.left_out(self.statement, format!("{name}: {reason}"));
    }

    fn certificate(&mut self, path: &str) {
        let path = under(self.base.crt.as_deref(), path);
        // HAProxy takes a file with certificate and key, or a folder of them.
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_folder = last.is_empty() || !last.contains('.');
        let key = match is_folder {
            true => "listeners[].tls.certificates[].directory",
            false => "listeners[].tls.certificates[].cert",
        };
        let Some(path) = self.ledger.value(self.statement, key, path) else { return };
        let certificate = match is_folder {
            true => {
                let reason = "lb takes each NAME.pem or NAME.crt of a folder, with the key in it or in \
                              NAME.key";
                self.ledger.changed(self.statement, reason);
                Certificate::Directory(path.trim_end_matches('/').to_owned())
            }
            false => Certificate::File { cert: path, key: None },
        };
        self.tls.certificates.push(certificate);
    }

    fn finish(self) {
        self.tls.client_auth = self.auth;
        if !self.idle.is_empty() {
            let reason = format!("{}: lb has nothing to tune there", self.idle.join(", "));
            self.ledger.not_needed(self.statement, reason);
        }
    }
}

/// Whether a version of TLS is older than those of `lb`.
pub(super) fn is_old(version: &str) -> bool {
    matches!(version, "SSLv3" | "TLSv1.0" | "TLSv1.1")
}

fn takes_value(name: &str) -> bool {
    !ALONE.split_whitespace().any(|it| it == name)
}

fn under(base: Option<&str>, path: &str) -> String {
    match base {
        Some(base) if !path.starts_with('/') => format!("{}/{path}", base.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

/// The addresses of one part of a `bind`, as `lb` writes them.
fn address(part: &str, statement: &Statement, ledger: &mut Ledger) -> Vec<String> {
    let part = ["ipv4@", "ipv6@", "tcp4@", "tcp6@", "tcp@", "quic4@", "quic6@"]
        .iter()
        .find_map(|prefix| part.strip_prefix(prefix))
        .unwrap_or(part);
    if let Some(path) = part.strip_prefix("unix@") {
        return vec![format!("unix:{path}")];
    }
    if let Some(name) = part.strip_prefix("abns@") {
        return vec![format!("unix:@{name}")];
    }
    if part.starts_with('/') {
        return vec![format!("unix:{part}")];
    }
    if part.contains('@') {
        ledger.left_out(
            statement,
            "lb listens at addresses and Unix sockets, not at sockets of other kinds",
        );
        return Vec::new();
    }
    let Some((host, ports)) = part.rsplit_once(':') else { return vec![part.to_owned()] };
    let host = match host {
        "" | "*" => "0.0.0.0".to_owned(),
        "::" => "[::]".to_owned(),
        "localhost" => "127.0.0.1".to_owned(),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let Some((first, last)) = ports.split_once('-') else { return vec![format!("{host}:{ports}")] };
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if first <= last && last - first < PORTS => {
            (first..=last).map(|port| format!("{host}:{port}")).collect()
        }
        _ => {
            ledger
                .left_out(statement, "lb has a listener for each port: write those that you need");
            Vec::new()
        }
    }
}
