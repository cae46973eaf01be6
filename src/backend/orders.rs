//! What an operator says of a backend, beside what the configuration does. The operator is right, until
//! told otherwise: a reload must not put a machine back that somebody is working on.

use std::time::Instant;

use super::{
    eligibility::{Says, Until},
    event::{Cause, Change, Order, Readmission},
    standing::Standing,
};

impl Standing {
    /// Who says that it drains, if anybody does.
    pub(super) fn draining(&self) -> Option<Says> {
        match self.ordered {
            Some(true) => Some(Says::Operator),
            Some(false) => None,
            None => self.configured.then_some(Says::Configuration),
        }
    }

    /// The configuration says whether it drains.
    pub(super) fn configure_drain(&mut self, draining: bool) -> Option<Change> {
        self.change_draining(|own| {
            own.configured = draining;
            // What the operator has objected to is gone.
            own.ordered = own.ordered.filter(|ordered| *ordered || draining);
        })
    }

    fn change_draining(&mut self, change: impl FnOnce(&mut Self)) -> Option<Change> {
        let before = self.draining();
        change(self);
        match (before, self.draining()) {
            (None, Some(_)) => Some(Change::Drained),
            (Some(_), None) => Some(Change::Undrained),
            _ => None,
        }
    }

    /// Does as an operator says.
    pub(super) fn follow(&mut self, order: Order, now: Instant) -> Option<Change> {
        match order {
            Order::Drain => {
                let is_new = self.ordered.replace(true) != Some(true);
                is_new.then_some(Change::Drained)
            }
            // The configuration is objected to for as long as it says that.
            Order::Undrain => {
                self.change_draining(|own| own.ordered = own.configured.then_some(false))
            }
            Order::Eject(time) => Some(self.eject(Cause::Operator, Until::Probe(now + time))),
            Order::Readmit => {
                self.ejection.take()?;
                self.forget_failures();
                self.listens = true;
                Some(Change::Readmitted(Readmission::Operator))
            }
            // Not a matter of standing.
            Order::Weight(_) => None,
        }
    }
}
