//! Keys of QUIC that outlive a process: the next one can tell clients of a connection that it does not
//! know that it is gone (RFC 9000 section 10.3), and believes what this one has said of their addresses
//! (section 8.1).

use std::sync::Arc;

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, Prk, Salt},
    hmac, rand,
};
use parking_lot::Mutex;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::{Error, ServerConfig};
use serde::{Deserialize, Serialize};

const SECRET: usize = 32;

/// The secret of a process that keys of QUIC are made from, for the next one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuicMemory(Option<[u8; SECRET]>);

impl std::fmt::Debug for QuicMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicMemory").finish_non_exhaustive()
    }
}

/// The secret of this process.
static MEMORY: Mutex<QuicMemory> = Mutex::new(QuicMemory(None));

/// Returns the secret of this process, for the next one.
#[must_use]
pub fn remember() -> QuicMemory {
    MEMORY.lock().clone()
}

/// Goes on with the secret of the process before, if it had one.
pub fn recall(memory: QuicMemory) {
    if memory.0.is_some() {
        *MEMORY.lock() = memory;
    }
}

/// The keys of one listener.
pub struct QuicKeys {
    /// Of the resets of connections that are not known.
    pub reset: hmac::Key,
    /// Of tokens that prove a client's address.
    pub token: Prk,
    /// Of the ids of connections: only an id of the listener is answered with a reset.
    pub ids: u64,
}

impl std::fmt::Debug for QuicKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicKeys").finish_non_exhaustive()
    }
}

impl QuicKeys {
    /// The keys of the listener of this name; `None` if the system gives no random number.
    #[must_use]
    pub fn of(listener: &str) -> Option<Self> {
        let mut memory = MEMORY.lock();
        let secret = match memory.0 {
            Some(secret) => secret,
            None => {
                let mut secret = [0; SECRET];
                rand::fill(&mut secret).ok()?;
                *memory.0.insert(secret)
            }
        };
        drop(memory);
        let scope = [b"lb quic ", listener.as_bytes()].concat();
        let derived = Salt::new(HKDF_SHA256, &scope).extract(&secret);
        let mut reset = [0; SECRET];
        derived.expand(&[b"reset"], HKDF_SHA256).ok()?.fill(&mut reset).ok()?;
        let mut ids = [0; SECRET];
        derived.expand(&[b"ids"], HKDF_SHA256).ok()?.fill(&mut ids).ok()?;
        let ids = ids.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
        let token = Salt::new(HKDF_SHA256, b"lb quic tokens").extract(&secret);
        Some(Self { reset: hmac::Key::new(hmac::HMAC_SHA256, &reset), token, ids })
    }
}

/// What the keys of first packets are made with, which anybody can compute.
pub struct FirstKeys(pub Arc<QuicServerConfig>);

impl std::fmt::Debug for FirstKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstKeys").finish_non_exhaustive()
    }
}

impl FirstKeys {
    /// Those of connections with such a session.
    pub(in crate::tls) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let keys = QuicServerConfig::try_from(config);
        keys.map(|keys| Self(Arc::new(keys))).map_err(|error| Error::General(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_process_goes_on_with_the_same_keys() {
        let tag =
            |listener| hmac::sign(&QuicKeys::of(listener).unwrap().reset, b"id").as_ref().to_vec();
        let ids = |listener| QuicKeys::of(listener).unwrap().ids;
        let (before, ids_before) = (tag("a"), ids("a"));
        assert_ne!(ids_before, ids("b"), "each listener has its own");
        assert_ne!(before, tag("b"), "each listener has its own");
        let memory = serde_json::to_value(remember()).unwrap();
        recall(serde_json::from_value(memory).unwrap());
        assert_eq!((&before, ids_before), (&tag("a"), ids("a")));
        recall(QuicMemory::default());
        assert_eq!(before, tag("a"), "a process before without HTTP/3 had none");
    }
}
