//! Expected latency: the better one of two backends that are drawn.
//!
//! The expected time of a backend is its latency times the requests that would share it, divided by
//! its weight. Latency shows a slow backend, which a count of requests does not; the requests in
//! flight show a pile-up long before an answer is late.
//!
//! Comparing all backends would send every request to the one that looks best until the next answer
//! comes. The better one of two random backends is nearly as good (Mitzenmacher, 2001), no backend
//! is flooded, and the cost does not grow with the pool. The draw is uniform, because the
//! comparison includes the weight.
//!
//! A backend without measurements is assumed to be a usual one. If it were assumed to be fast it
//! would get a burst, if slow no requests, and it would never be measured. A guess that is too high
//! does not make it lose to a measured backend: then both count as equally fast, and the requests
//! in flight decide.

use std::time::Instant;

use super::{candidates::Candidates, random::Random};
use crate::backend::Backend;

/// The number of draws that may hit a backend which must not be picked, before all backends are
/// walked through.
const DRAWS: usize = 4;
/// The expected latency while no backend has been measured, in microseconds; as in Envoy.
pub(super) const USUAL: f32 = 10_000.0;

/// Picks a position; `None` if no backend can be picked.
///
/// `free` gives the backend at a position, or `None` if it must not be picked.
pub(super) fn pick<'a>(
    candidates: &Candidates,
    random: &Random,
    now: Instant,
    free: impl Fn(usize) -> Option<&'a Backend>,
) -> Option<usize> {
    let mut random = random.stream();
    let found = |position| free(position).map(|backend| (position, backend));
    let share = |(position, backend): (usize, &Backend)| {
        (backend.active() + 1) as f32 / candidates.weight(position) as f32
    };
    match two_of(candidates.len(), &mut random, found) {
        [Some(one), Some(other)] => {
            let [latency, other_latency] = latencies([one.1, other.1], now);
            let is_better = latency * share(one) <= other_latency * share(other);
            Some(if is_better { one.0 } else { other.0 })
        }
        [one, other] => one.or(other).map(|(position, _)| position),
    }
}

/// Whether all candidates are compared if there are this many.
pub(super) fn is_exact(candidates: usize) -> bool {
    candidates <= 2
}

/// The expected latencies of two backends without load, in microseconds.
fn latencies(two: [&Backend; 2], now: Instant) -> [f32; 2] {
    let [one, other] = two.map(|backend| backend.latency().estimate(now).unwrap_or(USUAL));
    match two.map(|backend| backend.latency().is_measured()) {
        [false, true] => [one.min(other), other],
        [true, false] => [one, other.min(one)],
        _ => [one, other],
    }
}

/// Draws two different backends of those found, each ordered pair with the same chance; or one if
/// there is only one.
fn two_of<T>(
    len: usize,
    random: &mut fastrand::Rng,
    found: impl Fn(usize) -> Option<T>,
) -> [Option<T>; 2] {
    if len > 1 {
        for _ in 0..DRAWS {
            let one = random.usize(0..len);
            let other = (one + random.usize(1..len)) % len;
            if let (Some(one), Some(other)) = (found(one), found(other)) {
                return [Some(one), Some(other)];
            }
        }
    }
    let mut two = [None, None];
    for (before, one) in (0..len).filter_map(found).enumerate() {
        // Reservoir sampling: each is kept with the same chance, however many follow.
        let place = if before < two.len() { before } else { random.usize(0..=before) };
        if let Some(place) = two.get_mut(place) {
            *place = Some(one);
        }
    }
    random.shuffle(&mut two);
    two
}

/// Assumes the median of the measured backends for those without measurements.
pub(super) fn introduce<'a>(backends: impl Iterator<Item = &'a Backend>, now: Instant) {
    let mut known = vec![];
    let mut unknown = vec![];
    for backend in backends {
        match backend.latency().estimate(now) {
            Some(latency) => known.push(latency),
            None => unknown.push(backend),
        }
    }
    if unknown.is_empty() {
        return;
    }
    // Of an even number the lower one of the two in the middle is taken, so that of two backends
    // the one that fails does not become the measure.
    let middle = known.len().saturating_sub(1) / 2;
    let usual = match known.is_empty() {
        true => USUAL,
        false => *known.select_nth_unstable_by(middle, f32::total_cmp).1,
    };
    unknown.into_iter().for_each(|backend| backend.latency().assume(usual));
}

#[cfg(test)]
mod tests;
