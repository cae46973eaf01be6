//! Whether a client is still there that is silent while it waits for answers.
//!
//! A client that vanishes without closing its connection would hold its requests for as long as
//! their backends take. After a time without a byte it is asked with a PING (RFC 9113 section 6.7).

use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use h2::{Ping, PingPong};

use super::{super::super::watch::Timer, wire::Signals};
use crate::clock;
use crate::config::ClientLimits;

/// The silence of one client.
pub(super) struct Liveness {
    /// How long it may be silent before it is asked, and how long until it answers.
    limits: (Duration, Duration),
    pings: Option<PingPong>,
    timer: Timer,
    /// When its silence is looked at again; `None` while it owes nothing.
    at: Option<Instant>,
    was_asked: bool,
}

impl Liveness {
    pub(super) fn new(limits: ClientLimits, pings: Option<PingPong>) -> Self {
        let limits = (limits.keepalive, limits.write);
        Self { limits, pings, timer: Timer::default(), at: None, was_asked: false }
    }

    /// No request is under way, so the client may be silent.
    pub(super) fn may_be_silent(&mut self) {
        (self.at, self.was_asked) = (None, false);
    }

    /// Ready when the client was asked and has not answered.
    pub(super) fn poll_silent(&mut self, signals: &Signals, cx: &mut Context<'_>) -> Poll<()> {
        let (silence, answer) = self.limits;
        loop {
            let at = *self.at.get_or_insert_with(|| clock::now() + silence);
            ready!(self.timer.poll(at, cx));
            if let Some(pings) = &mut self.pings {
                // An answer has been seen as bytes; it is taken, so that another PING may follow.
                let _ = pings.poll_pong(cx);
            }
            let wait = if signals.take_has_read() {
                self.was_asked = false;
                silence
            } else if self.was_asked {
                return Poll::Ready(());
            } else {
                let asked = self.pings.as_mut().map(|pings| pings.send_ping(Ping::opaque()));
                self.was_asked = matches!(asked, Some(Ok(())));
                answer
            };
            self.at = Some(clock::now() + wait);
        }
    }
}
