//! What an operator says of a backend, beside what the configuration does. The operator is right, until
//! told otherwise: a reload must not put a machine back that an operator works on.

use std::time::Instant;

use super::super::event::{
    BackendChange, DrainedBy, EjectionCause, EjectionEnd, OperatorAction, ReadmissionCause,
};
use super::Standing;

impl Standing {
    /// Who says that it drains, if anybody does.
    pub(in crate::backend) fn draining(&self) -> Option<DrainedBy> {
        match self.ordered {
            Some(true) => Some(DrainedBy::Operator),
            Some(false) => None,
            None => self.configured.then_some(DrainedBy::Configuration),
        }
    }

    /// It serves from now on, in a pool in which others serve already.
    pub(super) fn joined(&mut self, now: Instant) -> Option<BackendChange> {
        self.serving_since = Some(now);
        None
    }

    /// The configuration says whether it drains.
    pub(in crate::backend) fn configure_drain(&mut self, draining: bool) -> Option<BackendChange> {
        self.change_draining(|own| {
            own.configured = draining;
            // What the operator has objected to is gone.
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

    /// Does as an operator says.
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
            // The configuration is objected to for as long as it says that.
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
            // Not a matter of standing.
            OperatorAction::Weight(_) => None,
        }
    }
}
