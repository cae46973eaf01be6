//! The handshake of QUIC with a client that has just come.

use std::sync::Arc;

use quinn::{Connecting, Connection, ConnectionError, Incoming, ServerConfig};
use tokio::time;

use super::{
    super::client::{self, ConnectionContext, ConnectionFacts},
    refusal,
    tls::{self, Failure, inspect, reason},
};
use crate::clock;
use crate::count::Handshake;
use crate::tls::QuicHandshake;

/// Has the client and the listener agree on a session, with everything that is not of the listener's
/// settings from `usual`. Returns `None` if the client is sent away or leaves, which has been counted and
/// logged then.
pub(in super::super) async fn open(
    incoming: Incoming,
    mut context: ConnectionContext,
    usual: &ServerConfig,
) -> Option<(Connection, ConnectionContext)> {
    let Some(listener) = &context.settings.tls else {
        incoming.refuse();
        return None;
    };
    let Some(handshake) = QuicHandshake::new(listener, inspect) else {
        incoming.refuse();
        return None;
    };
    let (peer, began) = (incoming.remote_address(), clock::now());
    let mut config = usual.clone();
    config.crypto = Arc::clone(&handshake) as _;
    config.transport_config(Arc::new(client::quic_transport(&context.settings.client)));
    let shaken = match incoming.accept_with(Arc::new(config)) {
        Ok(connecting) => shake_hands(connecting, listener.handshake).await,
        Err(error) => Err(Failure::new(Handshake::Malformed, error.to_string())),
    };
    let outcome = handshake.take_outcome();
    let (shaken, how) = match (shaken, outcome) {
        (Ok(connection), Some(Ok(facts))) => {
            let how = if facts.resumed { Handshake::Resumed } else { Handshake::Full };
            (Ok((connection, facts)), how)
        }
        (_, Some(Err(error))) => {
            let failure = Failure::new(reason(&error), error.to_string());
            let how = failure.how;
            (Err(failure), how)
        }
        (Err(failure), _) => {
            let how = failure.how;
            (Err(failure), how)
        }
        (Ok(_), None) => (Err(Failure::new(Handshake::Left, "it broke off")), Handshake::Left),
    };
    context.counts.shaken(how, tls::took(began));
    match shaken {
        Ok((connection, facts)) => {
            let facts = ConnectionFacts { tls: Some(facts), ..ConnectionFacts::default() };
            context.facts = Some(Arc::new(facts));
            Some((connection, context))
        }
        Err(failure) => {
            refusal::note_handshake(&failure, &peer.to_string(), &context.counts);
            None
        }
    }
}

async fn shake_hands(
    connecting: Connecting,
    limit: std::time::Duration,
) -> Result<Connection, Failure> {
    match time::timeout(limit, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            let how = match &error {
                ConnectionError::ConnectionClosed(_) => Handshake::Alert,
                ConnectionError::TransportError(_) | ConnectionError::VersionMismatch => {
                    Handshake::Malformed
                }
                ConnectionError::TimedOut => Handshake::Late,
                _ => Handshake::Left,
            };
            Err(Failure::new(how, error.to_string()))
        }
        Err(_) => Err(Failure::new(Handshake::Late, "not complete in time")),
    }
}
