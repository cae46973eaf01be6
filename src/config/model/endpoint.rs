//! The places of a configuration where clients speak TLS: listeners, and the admin listener. What holds for
//! certificates holds for all of them.

use std::fmt;

use super::{Config, ListenAddress, ListenerProtocol, Tls};

/// A place where clients speak TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The listener with this address in the file.
    Listener(ListenAddress),
    /// The admin listener, which may have the same address: port 0 is any.
    Admin,
}

/// A place where clients speak TLS, with its settings.
#[derive(Debug, Clone)]
pub struct TlsEndpoint<'a> {
    /// The place.
    pub endpoint: Endpoint,
    /// Its address in the file.
    pub address: &'a ListenAddress,
    /// Its settings.
    pub tls: &'a Tls,
    /// The protocols that clients may speak there, the preferred one first; never empty.
    pub protocols: &'a [ListenerProtocol],
}

impl Config {
    /// Every place where clients speak TLS, in the order of the reference: the admin listener comes last.
    pub fn tls_endpoints(&self) -> impl Iterator<Item = TlsEndpoint<'_>> {
        let of_listeners = self.listeners.iter().filter_map(|listener| {
            Some(TlsEndpoint {
                endpoint: Endpoint::Listener(listener.address.clone()),
                address: &listener.address,
                tls: listener.tls.as_ref()?,
                protocols: &listener.protocols,
            })
        });
        let of_admin = self.admin.iter().filter_map(|admin| {
            Some(TlsEndpoint {
                endpoint: Endpoint::Admin,
                address: &admin.address,
                tls: admin.tls.as_ref()?,
                protocols: &[ListenerProtocol::Http11],
            })
        });
        of_listeners.chain(of_admin)
    }

    /// The port of URLs that lead to this configuration over TLS, by its listeners: the usual one if a
    /// listener with TLS has it or none has a port of its own, else that of the first one.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        let tls = self.listeners.iter().filter(|listener| listener.tls.is_some());
        let ports = tls.filter_map(|listener| listener.address.tcp()).map(|address| address.port());
        // The system chooses what port 0 becomes.
        let ports: Vec<_> = ports.filter(|port| *port != 0).collect();
        let first = ports.first().copied().unwrap_or(HTTPS_PORT);
        if ports.contains(&HTTPS_PORT) { HTTPS_PORT } else { first }
    }
}

/// The port of URLs that name none (RFC 9110 section 4.2.2).
pub const HTTPS_PORT: u16 = 443;

impl fmt::Display for Endpoint {
    /// The address of a listener as it is written in the file, or `admin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(address) => address.fmt(f),
            Self::Admin => f.write_str("admin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Flags, parse};

    #[test]
    fn a_redirect_leads_to_the_usual_port_if_there_is_a_listener_on_it() {
        let tls = |address: &str| format!("{{ address: \"{address}\", tls: {{ local: [a] }} }}");
        for (listeners, port) in [
            (vec![tls("127.0.0.1:443")], 443),
            (vec![tls("127.0.0.1:8443")], 8443),
            (vec![tls("127.0.0.1:8443"), tls("127.0.0.1:9443")], 8443),
            (vec![tls("127.0.0.1:8443"), tls("[::1]:443")], 443),
            (vec![tls("127.0.0.1:0"), tls("127.0.0.1:9443")], 9443),
            (vec![tls("127.0.0.1:0")], 443),
            (vec![tls("unix:/a.sock")], 443),
            (vec!["{ address: 127.0.0.1:8443 }".to_owned()], 443),
        ] {
            let text = format!(
                "listeners: [ {{ address: 127.0.0.1:80 }}, {} ]\nroutes: [ {{ pool: a }} ]\n\
                 pools: {{ a: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}\n",
                listeners.join(", ")
            );
            let config = parse("lb.yaml", &text, &Flags::default()).unwrap().config;
            assert_eq!(config.https_port(), port, "{text}");
        }
    }
}
