//! The handshake of a connection in QUIC.
//!
//! QUIC carries the messages of TLS itself, so that `rustls` is driven here by what `quinn` passes on. As
//! for other connections, the name that the client asks for decides which rule about its certificate holds,
//! so that the session begins only when the first message has come.

use std::{any::Any, sync::Arc};

use parking_lot::Mutex;
use quinn::crypto::{self, rustls::QuicServerConfig};
use quinn_proto::{
    ConnectionId, Side, TransportError, TransportErrorCode, VarInt, coding::Codec,
    transport_parameters::TransportParameters,
};
use rustls::{
    CommonState, Error,
    quic::{KeyChange, Keys, Secrets, ServerConnection, Version},
    server::Acceptor,
};

use super::{listener::TlsListener, policies::Policy};

/// The longest part of a message in one record of TLS.
const RECORD: usize = 16 * 1024;
const HANDSHAKE_RECORD: [u8; 3] = [22, 3, 1];

/// The number of `initial_max_stream_data_bidi_local`, without which the window is 0 (RFC 9000 section 18.2).
const STREAM_WINDOW: u64 = 5;

/// How a handshake ended; `None` if it has not, or if it broke off.
type Outcome<T> = Arc<Mutex<Option<Result<T, Error>>>>;

/// Looks at a session that is complete: what it is, and the name that the client asked for.
pub(super) type Inspect<T> =
    fn(&TlsListener, &CommonState, Option<&str>, Policy) -> Result<T, Error>;

/// The handshake of one connection.
pub struct QuicHandshake<T> {
    listener: Arc<TlsListener>,
    /// Keys for the first packets, which everybody can compute.
    initial: Arc<QuicServerConfig>,
    inspect: Inspect<T>,
    outcome: Outcome<T>,
}

impl<T> std::fmt::Debug for QuicHandshake<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicHandshake").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> QuicHandshake<T> {
    /// A handshake with this listener; `None` if the listener does not speak HTTP/3. `inspect` is asked
    /// when it is complete.
    #[must_use]
    pub fn new(listener: &Arc<TlsListener>, inspect: Inspect<T>) -> Option<Arc<Self>> {
        let initial = Arc::clone(&listener.quic_initial()?.0);
        let listener = Arc::clone(listener);
        Some(Arc::new(Self { listener, initial, inspect, outcome: Outcome::default() }))
    }

    /// How the handshake ended; `None` if it has not, or if it broke off.
    pub fn take_outcome(&self) -> Option<Result<T, Error>> {
        self.outcome.lock().take()
    }
}

impl<T: Send + 'static> crypto::ServerConfig for QuicHandshake<T> {
    fn initial_keys(
        &self,
        version: u32,
        client: &ConnectionId,
    ) -> Result<crypto::Keys, crypto::UnsupportedVersion> {
        self.initial.initial_keys(version, client)
    }

    fn retry_tag(&self, version: u32, client: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.initial.retry_tag(version, client, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let mut bytes = Vec::new();
        params.write(&mut bytes);
        Box::new(Session {
            // Used for the keys of the first packets, and never to shake hands.
            initial: Arc::clone(&self.initial).start_session(version, params),
            handshake: self,
            version: match version {
                0xff00_001d..=0xff00_0020 => Version::V1Draft,
                _ => Version::V1,
            },
            params: bytes,
            stage: Stage::Hello { acceptor: Box::default(), came: Vec::new() },
            next: None,
        })
    }
}

/// The window of a new request's stream, for what is sent on it, as the client says in its handshake. `quinn`
/// keeps it to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstWindow {
    /// How much may be sent at first, in bytes.
    pub bytes: u64,
}

impl FirstWindow {
    /// Reads it from the client's parameters, which `quinn` checks.
    fn of(mut params: &[u8]) -> Self {
        while let Some((id, mut value)) = parameter(&mut params) {
            if id == STREAM_WINDOW {
                let bytes = VarInt::decode(&mut value).map_or(0, VarInt::into_inner);
                return Self { bytes };
            }
        }
        Self { bytes: 0 }
    }
}

/// Takes a parameter off the front: its number and its value.
fn parameter<'a>(params: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let id = VarInt::decode(params).ok()?.into_inner();
    let length = VarInt::decode(params).ok()?.into_inner();
    let value = params.split_off(..usize::try_from(length).ok()?)?;
    Some((id, value))
}

/// Where a handshake is.
enum Stage {
    /// The client's first message has not come as a whole.
    Hello { acceptor: Box<Acceptor>, came: Vec<u8> },
    /// The session that it leads to.
    Session(Box<ServerConnection>, Policy),
}

/// The session of one connection.
struct Session<T> {
    handshake: Arc<QuicHandshake<T>>,
    initial: Box<dyn crypto::Session>,
    version: Version,
    /// What `lb` tells the client of QUIC.
    params: Vec<u8>,
    stage: Stage,
    /// What the next keys are made from.
    next: Option<Secrets>,
}

impl<T: Send + 'static> Session<T> {
    fn session(&self) -> Option<&ServerConnection> {
        match &self.stage {
            Stage::Hello { .. } => None,
            Stage::Session(session, _) => Some(session),
        }
    }

    /// Reads the client's first message. Returns what follows: all that has come, if it is complete.
    fn hello(&mut self, more: &[u8]) -> Result<Vec<u8>, Error> {
        let Stage::Hello { acceptor, came } = &mut self.stage else { return Ok(more.to_vec()) };
        came.extend_from_slice(more);
        for part in more.chunks(RECORD) {
            let length = (part.len() as u16).to_be_bytes();
            let record = [&HANDSHAKE_RECORD[..], &length, part].concat();
            let mut rest = &record[..];
            while !rest.is_empty() {
                acceptor.read_tls(&mut rest).map_err(|error| Error::General(error.to_string()))?;
            }
        }
        let accepted = match acceptor.accept() {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(accepted)) => accepted,
            Err((error, _)) => return Err(error),
        };
        let (config, policy) =
            self.handshake.listener.for_quic(accepted.client_hello().server_name());
        let params = std::mem::take(&mut self.params);
        let session = ServerConnection::new(config, self.version, params)?;
        let came = std::mem::take(came);
        self.stage = Stage::Session(Box::new(session), policy);
        Ok(came)
    }

    fn read(&mut self, more: &[u8]) -> Result<(), Error> {
        let more = self.hello(more)?;
        let Stage::Session(session, policy) = &mut self.stage else { return Ok(()) };
        let was_complete = !session.is_handshaking();
        session.read_hs(&more)?;
        if !was_complete && !session.is_handshaking() {
            let QuicHandshake { listener, inspect, outcome, .. } = &*self.handshake;
            let facts = inspect(listener, session, session.server_name(), *policy)?;
            *outcome.lock() = Some(Ok(facts));
        }
        Ok(())
    }
}

impl<T: Send + 'static> crypto::Session for Session<T> {
    fn initial_keys(&self, client: &ConnectionId, side: Side) -> crypto::Keys {
        self.initial.initial_keys(client, side)
    }

    /// A [`FirstWindow`].
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let params = self.session()?.quic_transport_parameters()?;
        Some(Box::new(FirstWindow::of(params)))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn crypto::HeaderKey>, Box<dyn crypto::PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.session().is_none_or(|session| session.is_handshaking())
    }

    fn read_handshake(&mut self, more: &[u8]) -> Result<bool, TransportError> {
        self.read(more).map(|()| false).map_err(|error| {
            let alert = self.session().and_then(|session| session.alert());
            let (code, reason) = match alert {
                Some(alert) => (TransportErrorCode::crypto(alert.into()), error.to_string()),
                None => (TransportErrorCode::PROTOCOL_VIOLATION, error.to_string()),
            };
            *self.handshake.outcome.lock() = Some(Err(error));
            TransportError { code, frame: None, reason }
        })
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let params = self.session().and_then(|session| session.quic_transport_parameters());
        let read = params.map(|mut params| TransportParameters::read(Side::Server, &mut params));
        Ok(read.transpose()?)
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<crypto::Keys> {
        let Stage::Session(session, _) = &mut self.stage else { return None };
        let keys = match session.write_hs(bytes)? {
            KeyChange::Handshake { keys } => keys,
            KeyChange::OneRtt { keys, next } => {
                self.next = Some(next);
                keys
            }
        };
        Some(boxed(keys))
    }

    fn next_1rtt_keys(&mut self) -> Option<crypto::KeyPair<Box<dyn crypto::PacketKey>>> {
        let keys = self.next.as_mut()?.next_packet_keys();
        Some(crypto::KeyPair { local: Box::new(keys.local), remote: Box::new(keys.remote) })
    }

    /// Asked of clients only.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    /// `lb` needs none.
    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), crypto::ExportKeyingMaterialError> {
        Err(crypto::ExportKeyingMaterialError)
    }
}

fn boxed(keys: Keys) -> crypto::Keys {
    crypto::Keys {
        header: crypto::KeyPair {
            local: Box::new(keys.local.header),
            remote: Box::new(keys.remote.header),
        },
        packet: crypto::KeyPair {
            local: Box::new(keys.local.packet),
            remote: Box::new(keys.remote.packet),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_window_is_found_among_the_parameters() {
        for (params, bytes) in [
            (&[][..], 0),
            (&[4, 1, 9, 5, 1, 7, 6, 1, 8], 7),
            // Numbers and lengths of two bytes, and a parameter without a value.
            (&[0x40, 0x0c, 0, 0x40, 5, 0x40, 2, 0x50, 0], 4096),
            // Not whole.
            (&[5, 2, 7], 0),
            (&[5, 0], 0),
            (&[4, 1], 0),
        ] {
            assert_eq!(FirstWindow::of(params), FirstWindow { bytes }, "{params:?}");
        }
    }
}
