//! What the requests of one connection share, and how the connection ends when its client breaks rules.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use quinn::VarInt;
use tokio::sync::Notify;

use super::{
    super::{
        accepted::{ConnectionContext, UnderWay},
        streams::Places,
    },
    budget::{Budget, Cost},
    windows::Windows,
};
use crate::clock;
use crate::config::ClientLimits;
use crate::count::Cut;
use crate::http3::Code;

/// How long a client may take to notice that its connection ends, or to acknowledge an answer.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: ClientLimits,
    pub(super) connection: ConnectionContext,
    pub(super) quic: quinn::Connection,
    pub(super) under_way: UnderWay,
    pub(super) places: Places,
    pub(super) windows: Windows,
    /// Notified when the connection is to take no further request.
    pub(super) is_last: Notify,
    budget: Mutex<Budget>,
}

impl Shared {
    pub(super) fn new(connection: ConnectionContext, quic: quinn::Connection) -> Arc<Self> {
        Arc::new(Self {
            limits: connection.settings.client,
            connection,
            quic,
            under_way: UnderWay::default(),
            places: Places::default(),
            windows: Windows::default(),
            is_last: Notify::new(),
            budget: Mutex::new(Budget::new(clock::now())),
        })
    }

    /// Pays for something; a client that cannot is cut.
    pub(super) fn pay(&self, cost: Cost) {
        if !self.budget.lock().pay(cost, clock::now) {
            self.cut(match cost {
                Cost::Request => Cut::Requests,
                Cost::Cancelled => Cut::Resets,
                Cost::Malformed => Cut::Malformed,
                Cost::Stalled => Cut::Stalled,
                Cost::Probes(_) => Cut::Pings,
                Cost::ControlFrames(_) | Cost::UniStream => Cut::OtherFrames,
            });
        }
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        self.budget.lock().answered();
    }

    /// A request was malformed.
    pub(super) fn malformed(&self) {
        self.connection.counts.malformed_streams.one();
        self.pay(Cost::Malformed);
    }

    /// Ends the connection because its client costs too much.
    fn cut(&self, why: Cut) {
        if self.quic.close_reason().is_none() {
            self.close(Code::ExcessiveLoad);
            self.note(why);
        }
    }

    /// Ends the connection because its client breaks the rules.
    pub(super) fn broken(&self, code: Code) {
        log::debug!(
            listener:% = self.connection.counts.address(),
            peer:% = self.quic.remote_address(),
            code:? = code;
            "HTTP/3 connection error"
        );
        if self.quic.close_reason().is_none() {
            self.close(code);
            self.note(if code == Code::ExcessiveLoad { Cut::OtherFrames } else { Cut::Protocol });
        }
    }

    /// Ends the connection.
    pub(super) fn close(&self, code: Code) {
        self.quic.close(number(code), b"");
    }

    /// Counts and logs that the connection was cut.
    fn note(&self, why: Cut) {
        let counts = &self.connection.counts;
        counts.cut(why);
        let Some(not_logged) = counts.cuts_log.lets_through(clock::now()) else { return };
        log::warn!(
            listener:% = counts.address(),
            peer:% = self.quic.remote_address(),
            reason = why.word(),
            not_logged;
            "HTTP/3 connection cut"
        );
    }
}

/// A code as `quinn` takes it.
pub(super) fn number(code: Code) -> VarInt {
    VarInt::from_u32(code.number())
}
