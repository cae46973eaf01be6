//! The request for a backend that an attempt makes to its pool, and the reasons for a refusal.

use std::{borrow::Cow, sync::Arc};

use crate::backend::{Address, Backend};
use crate::retry::Failure;

/// A backend that has failed a request.
#[derive(Debug, Clone)]
pub struct TriedBackend {
    /// The backend.
    pub backend: Arc<Backend>,
    /// How its attempt failed.
    pub failure: Failure,
}

impl TriedBackend {
    fn has_answered(&self) -> bool {
        matches!(self.failure, Failure::Status(_))
    }

    fn is_at(&self, address: &Address) -> bool {
        self.backend.id().address == *address
    }
}

/// The requirements of a request for the backend of its next attempt.
#[derive(Debug, Clone)]
pub struct PickRequest<'a> {
    /// The backends that have failed it, in order.
    pub tried: Cow<'a, [TriedBackend]>,
    /// Whether it can be repeated if it fails, so that it may serve as a probe.
    pub repeatable: bool,
    /// Whether it may be the probe of an ejected backend where it would fail otherwise. No other
    /// attempt need be left after that one.
    pub may_be_last_resort: bool,
    /// Requests with the same key should get the same backend, where the algorithm hashes.
    pub hash_key: Option<u64>,
    /// The backend that has served this client before. The request gets it if it is eligible, has a
    /// free place and has not failed this request.
    pub sticky: Option<Address>,
}

/// Why a request gets no backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// No backend of the pool may take this request.
    NoneEligible,
    /// Every eligible backend is full; from [`Pool::wait`](super::Pool::wait): the queue is full,
    /// too.
    Full,
    /// No backend had a free place before the wait in the queue ended.
    QueueTimeout,
}

impl<'a> PickRequest<'a> {
    /// A request that has tried these backends, and prefers none.
    #[must_use]
    pub fn new(tried: impl Into<Cow<'a, [TriedBackend]>>, repeatable: bool) -> Self {
        Self {
            tried: tried.into(),
            repeatable,
            may_be_last_resort: repeatable,
            hash_key: None,
            sticky: None,
        }
    }

    pub(super) fn has_tried(&self) -> bool {
        !self.tried.is_empty()
    }

    /// Whether the backend at this address has failed it.
    #[must_use]
    pub fn is_tried(&self, address: &Address) -> bool {
        self.tried.iter().any(|tried| tried.is_at(address))
    }

    /// The number of its attempts that the backend at this address has failed.
    pub(super) fn attempts_on(&self, address: &Address) -> usize {
        self.tried.iter().filter(|tried| tried.is_at(address)).count()
    }

    /// Whether another request would be given what this one is given: it has failed in the same way on
    /// the same backends.
    pub(super) fn is_like(&self, other: &PickRequest<'_>) -> bool {
        let same = |(a, b): (&TriedBackend, &TriedBackend)| {
            Arc::ptr_eq(&a.backend, &b.backend) && a.failure == b.failure
        };
        (self.repeatable, self.may_be_last_resort) == (other.repeatable, other.may_be_last_resort)
            && self.tried.len() == other.tried.len()
            && self.tried.iter().zip(&*other.tried).all(same)
    }

    /// Whether the next attempt may fail without loss, because it does not replace an answer. Then
    /// it may go to a backend that waits for a probe, or back to one that was tried.
    pub(super) fn may_go_back(&self) -> bool {
        self.tried.last().is_none_or(|last| !last.has_answered())
    }

    /// Whether its last attempt has not failed, but has only exceeded the learned limit.
    pub(super) fn may_be_answered_yet(&self) -> bool {
        self.tried.last().is_some_and(|last| last.failure == Failure::LearnedTimeout)
    }

    /// Whether the last attempt was on the backend at this address.
    pub(super) fn is_last(&self, address: &Address) -> bool {
        self.tried.last().is_some_and(|last| last.is_at(address))
    }

    /// Whether the backend at this address has answered it: another attempt there would only get
    /// the same answer.
    pub(super) fn has_answer_of(&self, address: &Address) -> bool {
        self.tried.iter().filter(|tried| tried.is_at(address)).any(TriedBackend::has_answered)
    }

    /// The same request with owned values.
    #[must_use]
    pub fn into_owned(self) -> PickRequest<'static> {
        PickRequest { tried: Cow::Owned(self.tried.into_owned()), ..self }
    }
}
