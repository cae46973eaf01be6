//! The question of a health check, and the answers that count.
//!
//! Over HTTP, the header of the answer decides. A body that is long, that never ends or that is cut
//! off says nothing about whether the backend works, so it is not read; a 1xx before the answer is
//! skipped. Pingora's own check reads the body, and takes the first header for the answer.

use http::{Method, header};
use pingora::http::RequestHeader;
use pingora_core::{
    Error, ErrorType, Result,
    connectors::{TransportConnector, http::Connector},
    protocols::http::client::HttpSession,
    upstreams::peer::{BasicPeer, HttpPeer, PeerOptions},
};

use crate::backend::Address;
use crate::config::{self, Probe, StatusRanges};

/// The user agent of checks, as backends see it in their logs.
const USER_AGENT: &str = concat!("lb/", env!("CARGO_PKG_VERSION"), " (health check)");

/// Whether this is the user agent of checks, of any version.
#[must_use]
pub fn is_agent_of_checks(agent: &[u8]) -> bool {
    agent.starts_with(b"lb/") && agent.ends_with(b" (health check)")
}

/// The error of an unexpected status.
pub(super) const UNEXPECTED: &str = "unexpected status";
/// The most informational headers before the answer; with more, the answer counts as endless.
const INFORMATIONAL: usize = 16;

/// The question of one pool's checks.
pub(super) enum Question {
    /// Whether a connection is accepted.
    Tcp { connector: TransportConnector },
    /// Whether a request is answered with an expected status.
    Http {
        connector: Box<Connector<()>>,
        path: Box<str>,
        /// The `Host` header; the backend's address where it is not configured.
        host: Option<Box<str>>,
        expect: StatusRanges,
    },
}

impl Question {
    pub(super) fn new(config: &config::HealthCheck) -> Self {
        match &config.probe {
            Probe::Tcp => Self::Tcp { connector: TransportConnector::new(None) },
            Probe::Http { path, host, expect } => Self::Http {
                connector: Box::new(Connector::new(None)),
                path: path.clone(),
                host: host.clone(),
                expect: expect.clone(),
            },
        }
    }

    /// Asks at `to`, which may have another port than the backend's own address.
    ///
    /// # Errors
    ///
    /// If no connection is made, no answer comes, or it has an unexpected status.
    pub(super) async fn ask(
        &self,
        address: &Address,
        to: std::net::SocketAddr,
        config: &config::HealthCheck,
    ) -> Result<()> {
        match self {
            Self::Tcp { connector } => {
                let mut peer = BasicPeer::new(&to.to_string());
                peer.options.connection_timeout = Some(config.timeout);
                connector.get_stream(&peer).await.map(|_| ())
            }
            Self::Http { connector, path, host, expect } => {
                let mut peer = HttpPeer::new(to, false, String::new());
                peer.options = PeerOptions::new();
                peer.options.connection_timeout = Some(config.timeout);
                let mut request = RequestHeader::build(Method::GET, path.as_bytes(), None)?;
                let host = host.as_deref().map_or_else(|| address.to_string(), str::to_owned);
                request.insert_header(header::HOST, host)?;
                request.insert_header(header::USER_AGENT, USER_AGENT)?;
                let (mut session, _) = connector.get_http_session(&peer).await?;
                session.write_request_header(Box::new(request)).await?;
                session.finish_request_body().await?;
                let status = answer(&mut session).await?;
                if expect.contains(status) {
                    Ok(())
                } else {
                    Error::e_explain(ErrorType::CustomCode(UNEXPECTED, status), "health check")
                }
            }
        }
    }
}

/// Returns the status of the final answer.
async fn answer(session: &mut HttpSession) -> Result<u16> {
    for _ in 0..=INFORMATIONAL {
        session.read_response_header().await?;
        let status = session.response_header().map_or(0, |answer| answer.status.as_u16());
        // 101 is a final answer, although it is a 1xx.
        if !(100..200).contains(&status) || status == 101 {
            return Ok(status);
        }
    }
    Error::e_explain(ErrorType::InvalidHTTPHeader, "informational answers without end")
}
