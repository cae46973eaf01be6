//! What the requests of one connection share, and how the connection ends when its client breaks rules.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use quinn::VarInt;
use tokio::sync::Notify;

use super::{
    super::{
        accepted::{ConnectionContext, UnderWay, WhyEnded},
        streams::{Places, TINY_WINDOW},
    },
    budget::{Budget, Cost},
    unfinished::UnfinishedFields,
    windows::Windows,
};
use crate::clock;
use crate::config::ClientLimits;
use crate::count::Cut;
use crate::http3::Code;
use crate::tls::FirstWindow;

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
    pub(super) windows: Arc<Windows>,
    pub(super) unfinished: UnfinishedFields,
    /// Whether answers have to wait for the client, because its windows are tiny.
    pub(super) is_tight: bool,
    /// Notified when the connection is to take no further request.
    pub(super) is_last: Notify,
    budget: Mutex<Budget>,
    /// Whether the connection ends because of its client.
    is_ending: AtomicBool,
}

impl Shared {
    pub(super) fn new(connection: ConnectionContext, quic: quinn::Connection) -> Arc<Self> {
        Arc::new(Self {
            limits: connection.settings.client,
            connection,
            is_tight: is_tight(&quic),
            quic,
            under_way: UnderWay::default(),
            places: Places::default(),
            windows: Arc::default(),
            unfinished: UnfinishedFields::default(),
            is_last: Notify::new(),
            budget: Mutex::new(Budget::new(clock::now())),
            is_ending: AtomicBool::new(false),
        })
    }

    /// Pays for something; a client that cannot is cut.
    pub(super) fn pay(&self, cost: Cost) {
        if !self.budget.lock().pay(cost, clock::now) {
            self.cut(match cost {
                Cost::Cancelled => Cut::Resets,
                Cost::Malformed => Cut::Malformed,
                Cost::Unfinished => Cut::FieldList,
                Cost::Stalled(_) => Cut::Stalled,
                Cost::EmptyFrames(_) => Cut::EmptyFrames,
                Cost::Probes(_) => Cut::Pings,
                Cost::ControlFrames(_) | Cost::UniStream => Cut::OtherFrames,
            });
        }
    }

    /// A request has come.
    pub(super) fn asked(&self) {
        self.budget.lock().asked();
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

    /// The fields of a request did not fit beside others whose end has not come.
    pub(super) fn has_no_room(&self) {
        self.connection.counts.refused_streams.one();
        self.pay(Cost::Unfinished);
    }

    /// Ends the connection because its client costs too much.
    pub(super) fn cut(&self, why: Cut) {
        if self.ends_now() {
            self.note(why);
            self.close(Code::ExcessiveLoad);
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
        if self.ends_now() {
            self.note(if code == Code::ExcessiveLoad { Cut::OtherFrames } else { Cut::Protocol });
            self.close(code);
        }
    }

    /// Whether the connection has not ended, nor is ended by another request at this moment.
    fn ends_now(&self) -> bool {
        self.quic.close_reason().is_none() && !self.is_ending.swap(true, Ordering::Relaxed)
    }

    /// Ends the connection.
    pub(super) fn close(&self, code: Code) {
        self.quic.close(number(code), b"");
    }

    /// Counts and logs that the connection is cut.
    fn note(&self, why: Cut) {
        let counts = &self.connection.counts;
        counts.cut(why);
        self.under_way.end(WhyEnded::Cut(why));
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

fn is_tight(quic: &quinn::Connection) -> bool {
    let window = quic.handshake_data().and_then(|data| data.downcast::<FirstWindow>().ok());
    window.is_some_and(|window| window.bytes < TINY_WINDOW.into())
}

/// A code as `quinn` takes it.
pub(super) fn number(code: Code) -> VarInt {
    VarInt::from_u32(code.number())
}
