//! Why a request gets no backend: the number of backends for each reason.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{PickRequest, Pool};
use crate::backend::Eligibility;

/// How long a count of the backends in each state is reused.
const STATES_KEPT: Duration = Duration::from_millis(100);

impl Pool {
    /// The number of backends for each reason why such a request gets none, by the word of the
    /// reason. A backend that has failed the request, and that nothing else keeps from serving, is
    /// `tried`.
    ///
    /// May ask every backend, so it is for requests that got none.
    #[must_use]
    pub fn reasons(&self, request: &PickRequest<'_>, now: Instant) -> Vec<(&'static str, usize)> {
        let mut counts = self.states(now);
        let tried = request.tried.iter().filter(|tried| tried.backend.is_eligible()).count();
        let eligible = Eligibility::Eligible.word();
        let left = counts.remove(eligible).unwrap_or_default().saturating_sub(tried);
        let others = [(eligible, left), ("tried", tried)];
        counts.extend(others.into_iter().filter(|(_, count)| *count > 0));
        counts.into_iter().collect()
    }

    /// The number of backends in each state, at most a tenth of a second ago: in an outage, many
    /// requests ask.
    fn states(&self, now: Instant) -> BTreeMap<&'static str, usize> {
        let mut known = self.state.states.lock();
        if let Some((at, states)) = &*known
            && now.saturating_duration_since(*at) < STATES_KEPT
        {
            return states.clone();
        }
        let mut states = BTreeMap::new();
        for member in self.state.membership().members() {
            *states.entry(member.backend.eligibility(now).word()).or_default() += 1;
        }
        *known = Some((now, states.clone()));
        states
    }
}
