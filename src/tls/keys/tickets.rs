//! Session tickets: a client that comes again brings its session with it, sealed by a key of ours.
//!
//! The keys of `rustls` stay in it, so with them no session would outlive a reload or an upgrade. Ours
//! are made from a secret of the process, which is changed every 12 hours and handed to the next
//! process; the one before is good for as long again. Each listener has keys of its own, so that a
//! session goes on only where the client could have begun it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand,
};
use parking_lot::Mutex;
use rustls::server::ProducesTickets;
use serde::{Deserialize, Serialize};

use crate::clock;

/// How long tickets are made with one secret.
const ROTATION: Duration = Duration::from_secs(12 * 60 * 60);
const SECRET: usize = 32;

/// A secret that keys are made from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Secret {
    bytes: [u8; SECRET],
    /// When it was made, in seconds since 1970.
    made: u64,
}

/// The secrets of a process, for the next one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketMemory {
    /// The one that tickets are made with, then the one before.
    secrets: Vec<Secret>,
}

impl std::fmt::Debug for TicketMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketMemory").finish_non_exhaustive()
    }
}

impl TicketMemory {
    /// Takes what is too old out, and makes a new secret where it is time for one. Returns whether
    /// there is one; the system may fail to give a random number.
    fn renew(&mut self, now: u64) -> bool {
        let age = |secret: &Secret| now.saturating_sub(secret.made);
        self.secrets.retain(|secret| age(secret) < 2 * ROTATION.as_secs());
        if self.secrets.first().is_none_or(|secret| age(secret) >= ROTATION.as_secs()) {
            let mut bytes = [0; SECRET];
            if rand::fill(&mut bytes).is_err() {
                return false;
            }
            self.secrets.insert(0, Secret { bytes, made: now });
        }
        self.secrets.truncate(2);
        true
    }
}

/// The secrets of this process.
static SECRETS: Mutex<TicketMemory> = Mutex::new(TicketMemory { secrets: Vec::new() });

/// Returns the secrets of this process, for the next one.
#[must_use]
pub fn remember() -> TicketMemory {
    SECRETS.lock().clone()
}

/// Goes on with the secrets of the process before.
pub fn recall(memory: TicketMemory) {
    *SECRETS.lock() = memory;
}

/// Seals and opens the tickets of one listener.
#[derive(Debug)]
pub(in crate::tls) struct Tickets {
    /// Whose sessions they are: no other listener can open them.
    scope: Box<str>,
}

impl Tickets {
    pub(in crate::tls) fn new(scope: &str) -> Arc<Self> {
        Arc::new(Self { scope: scope.into() })
    }

    fn key(&self, secret: &Secret) -> Option<LessSafeKey> {
        let derived = Salt::new(HKDF_SHA256, b"lb session tickets").extract(&secret.bytes);
        let info = [self.scope.as_bytes()];
        let key = derived.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }

    fn seal(&self, memory: &mut TicketMemory, plain: &[u8], now: u64) -> Option<Vec<u8>> {
        if !memory.renew(now) {
            return None;
        }
        let key = self.key(memory.secrets.first()?)?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let nonce_of_key = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce_of_key, Aad::empty(), &mut sealed).ok()?;
        Some([&nonce, &*sealed].concat())
    }

    fn open(&self, memory: &mut TicketMemory, sealed: &[u8], now: u64) -> Option<Vec<u8>> {
        memory.renew(now);
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        memory.secrets.iter().find_map(|secret| {
            let key = self.key(secret)?;
            let mut plain = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key.open_in_place(nonce, Aad::empty(), &mut plain).ok()?.len();
            plain.truncate(length);
            Some(plain)
        })
    }
}

fn seconds() -> u64 {
    clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A copy of the secrets, so that no lock is held while keys are made.
fn secrets(now: u64) -> TicketMemory {
    let mut secrets = SECRETS.lock();
    secrets.renew(now);
    secrets.clone()
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        ROTATION.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = seconds();
        self.seal(&mut secrets(now), plain, now)
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let now = seconds();
        self.open(&mut secrets(now), sealed, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;

    #[test]
    fn a_ticket_is_good_for_twelve_hours_at_least_and_for_a_day_at_most() {
        let (tickets, mut memory) = (Tickets::new("a"), TicketMemory::default());
        let first = tickets.seal(&mut memory, b"session", 0).unwrap();
        let later = tickets.seal(&mut memory, b"later", 11 * HOUR).unwrap();
        assert_eq!(tickets.open(&mut memory, &first, 23 * HOUR).unwrap(), b"session");
        assert_eq!(tickets.open(&mut memory, &later, 23 * HOUR).unwrap(), b"later");
        assert_eq!(tickets.open(&mut memory, &later, 24 * HOUR), None);
    }

    #[test]
    fn no_other_listener_and_no_other_process_opens_a_ticket() {
        let (tickets, mut memory) = (Tickets::new("a"), TicketMemory::default());
        let sealed = tickets.seal(&mut memory, b"session", 0).unwrap();
        assert_eq!(Tickets::new("b").open(&mut memory, &sealed, 0), None);
        assert_eq!(tickets.open(&mut TicketMemory::default(), &sealed, 0), None);
        let text = serde_json::to_string(&memory).unwrap();
        let mut next: TicketMemory = serde_json::from_str(&text).unwrap();
        assert_eq!(tickets.open(&mut next, &sealed, 0).unwrap(), b"session");
    }

    #[test]
    fn a_ticket_that_was_changed_is_none() {
        let (tickets, mut memory) = (Tickets::new("a"), TicketMemory::default());
        let sealed = tickets.seal(&mut memory, b"session", 0).unwrap();
        for place in 0..sealed.len() {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert_eq!(tickets.open(&mut memory, &other, 0), None);
            assert_eq!(tickets.open(&mut memory, &sealed[..place], 0), None);
        }
    }
}
