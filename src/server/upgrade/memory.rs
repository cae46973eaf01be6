//! What a process knows that the next one needs: what was learned of backends, and the keys by which
//! sessions of TLS go on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock;
use crate::generation::Current;
use crate::pool;
use crate::tls::{self, QuicMemory, TicketMemory};

/// What the next process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::server) struct Memory {
    pools: Vec<pool::Memory>,
    tickets: TicketMemory,
    /// A version before HTTP/3 tells none.
    #[serde(default)]
    quic: QuicMemory,
}

/// What the process before tells, in each of the forms that it had.
#[derive(Deserialize)]
#[serde(untagged)]
enum Received {
    All(Memory),
    Pools(Vec<pool::Memory>),
}

impl Memory {
    /// What this process knows at this moment.
    pub(in crate::server) fn of(current: &Current) -> Self {
        Self {
            pools: current.remember(clock::now()),
            tickets: tls::remember_tickets(),
            quic: tls::remember_quic(),
        }
    }
}

/// Goes on from what the predecessor knew, as far as this version understands it.
pub(in crate::server) fn recall(current: &Current, told: &Value) {
    let pools = match Received::deserialize(told) {
        Ok(Received::All(Memory { pools, tickets, quic })) => {
            tls::recall_tickets(tickets);
            tls::recall_quic(quic);
            pools
        }
        Ok(Received::Pools(pools)) => pools,
        Err(error) => {
            log::warn!(error:% = error;
                "what the process before knew is not understood: starting without it");
            return;
        }
    };
    current.recall(&pools, clock::now());
}
