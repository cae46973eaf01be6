//! An operator's orders for a backend, beside the configuration. The orders outweigh the
//! configuration until they are withdrawn: a reload must not put a machine back that an operator
//! works on.

use std::time::Instant;

use super::super::event::{
    BackendChange, DrainedBy, EjectionCause, EjectionEnd, OperatorAction, ReadmissionCause,
};
use super::Standing;

impl Standing {
    /// The source of its drain, if it is drained.
    pub(in crate::backend) fn draining(&self) -> Option<DrainedBy> {
        match self.ordered {
            Some(true) => Some(DrainedBy::Operator),
            Some(false) => None,
            None => self.configured.then_some(DrainedBy::Configuration),
        }
    }

    /// Notes that it has joined a pool in which other backends serve already.
    pub(super) fn joined(&mut self, now: Instant) -> Option<BackendChange> {
        self.serving_since = Some(now);
        None
    }

    /// Sets whether the configuration drains it.
    pub(in crate::backend) fn configure_drain(&mut self, draining: bool) -> Option<BackendChange> {
        self.change_draining(|own| {
            own.configured = draining;
            // An order not to drain ends when the configuration no longer drains.
            own.ordered = own.ordered.filter(|ordered| *ordered || draining);
        })
    }

    fn change_draining(&mut self, change: impl FnOnce(&mut Self)) -> Option<BackendChange> {
        let before = self.draining();
        change(self);
        match (before, self.draining()) {
            (None, Some(_)) => Some(BackendChange::Drained),
            (Some(_), None) => Some(BackendChange::Undrained),
            _ => None,
        }
    }

    /// Carries out an operator's order.
    pub(in crate::backend) fn follow(
        &mut self,
        order: OperatorAction,
        now: Instant,
    ) -> Option<BackendChange> {
        match order {
            OperatorAction::Drain => {
                let is_new = self.ordered.replace(true) != Some(true);
                is_new.then_some(BackendChange::Drained)
            }
            // The order stands against a drain in the configuration, as long as there is one.
            OperatorAction::Undrain => {
                self.change_draining(|own| own.ordered = own.configured.then_some(false))
            }
            OperatorAction::Eject(time) => {
                Some(self.eject(EjectionCause::Operator, EjectionEnd::Probe(now + time), now))
            }
            OperatorAction::Readmit => {
                self.ejection.take()?;
                self.forget_failures();
                self.listens = true;
                Some(BackendChange::Readmitted(ReadmissionCause::Operator))
            }
            // The weight is not part of the standing.
            OperatorAction::Weight(_) => None,
        }
    }
}
