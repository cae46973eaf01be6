//! From what was seen to what must not be: a pure function, so that each rule can be shown a ledger
//! that breaks it.
//!
//! Some requests must be allowed to fail, each for a cause that the ledger shows. These are counted,
//! and told with the verdict.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ledger::{Arrival, Bad, End, Ledger, Notice, Span, Visit},
    plan::{BACKENDS, Fault, SETTLE},
};

/// An attempt that began while a backend was at fault may show it for this long after: the limit of an
/// answer, and of a body that comes slowly.
const AFTERMATH: Duration = Duration::from_secs(5);
/// Kilobytes that the process may have more than before. The allocator takes memory by the megabyte,
/// and the histograms of a process take some when they are used first.
const MEMORY_MORE: u64 = 24 * 1024;

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// A request that can be repeated failed while a backend that passes its checks was well.
    Failed,
    /// A request that cannot be repeated came to backends more than once.
    SentTwice,
    /// A request was answered well, and no backend had it.
    NeverSent,
    /// An answer or a body was not what was sent.
    Changed,
    /// A request had no end.
    Hung,
    /// A backend was ejected, or called unhealthy, that did nothing.
    Blamed,
    /// A command failed, or the process log shows what must not be.
    Complained,
    /// A gauge is not 0, or a connection is still open, when nothing is under way.
    Counted,
    /// A backend that is well does not come back.
    Lost,
    /// Files or memory were kept.
    Kept,
}

/// Why a request was allowed to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Excuse {
    /// No backend was well for all of its time, and before that for long enough to pass its checks.
    NoneWell,
    /// The backend cut an answer whose header the client had.
    CutByBackend,
    /// Two backends answered what is no answer: `lb` then takes the request for odd.
    GarbageTwice,
    /// Its connection, used before, ended with a hand-over before any backend had the request; so
    /// a client may have to ask again (RFC 9112 section 9.3.1).
    HandedOver,
    /// The machine stood still.
    Stalled,
}

/// What a ledger comes to.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Each with what was seen.
    pub broken: Vec<(Rule, String)>,
    pub excused: BTreeMap<Excuse, usize>,
}

impl Verdict {
    fn breaks(&mut self, rule: Rule, what: impl Into<String>) {
        self.broken.push((rule, what.into()));
    }
}

/// The rules.
pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut verdict = Verdict::default();
    for visit in &ledger.visits {
        judge_visit(ledger, visit, &mut verdict);
    }
    for id in &ledger.changed_bodies {
        verdict.breaks(Rule::Changed, format!("the body of request {id}"));
    }
    for notice in ledger.notices.iter().filter(|notice| !is_deserved(ledger, notice)) {
        verdict.breaks(Rule::Blamed, notice.text.clone());
    }
    for complaint in &ledger.complaints {
        verdict.breaks(Rule::Complained, complaint.clone());
    }
    judge_remains(ledger, &mut verdict);
    verdict
}

fn judge_visit(ledger: &Ledger, visit: &Visit, verdict: &mut Verdict) {
    let arrivals = ledger.arrivals.get(&visit.id).map(Vec::as_slice).unwrap_or_default();
    let seen = || {
        let Visit { id, what, span, end, .. } = visit;
        format!("request {id}: {what}, {span:?}: {end:?}; at backends: {arrivals:?}")
    };
    if !visit.is_repeatable && arrivals.len() > 1 {
        verdict.breaks(Rule::SentTwice, seen());
    }
    match &visit.end {
        End::Good if arrivals.is_empty() => verdict.breaks(Rule::NeverSent, seen()),
        End::Good | End::Left | End::NotServed => {}
        End::Wrong => verdict.breaks(Rule::Changed, seen()),
        End::Late => verdict.breaks(Rule::Hung, seen()),
        End::Status(_) | End::Cut(_) | End::Unanswered(_) if !visit.is_repeatable => {}
        End::Status(_) | End::Cut(_) | End::Unanswered(_) => {
            match excuse(ledger, visit, arrivals) {
                Some(excuse) => *verdict.excused.entry(excuse).or_default() += 1,
                None => verdict.breaks(Rule::Failed, seen()),
            }
        }
    }
}

fn excuse(ledger: &Ledger, visit: &Visit, arrivals: &[Arrival]) -> Option<Excuse> {
    let was_cut_by = |backend: usize| {
        let at_fault = |bad: &Bad| bad.backend == backend && lasting(bad).overlaps(visit.span);
        ledger.bad.iter().any(at_fault)
    };
    let needed = Span { from: visit.span.from.saturating_sub(SETTLE), to: visit.span.to };
    let is_well = |backend: usize| {
        let spoils = |bad: &Bad| bad.backend == backend && span(bad).overlaps(needed);
        !ledger.bad.iter().any(spoils)
    };
    let is_garbage = |arrival: &&Arrival| arrival.fault == Some(Fault::Garbage);
    let is_handed_over =
        |upgrade: &Span| visit.connected <= upgrade.to && upgrade.from <= visit.span.to;
    if let End::Cut(Some(backend)) = visit.end {
        return was_cut_by(backend).then_some(Excuse::CutByBackend);
    }
    if !(0..BACKENDS).any(is_well) {
        return Some(Excuse::NoneWell);
    }
    if arrivals.iter().filter(is_garbage).count() >= 2 {
        return Some(Excuse::GarbageTwice);
    }
    let is_unanswered = matches!(visit.end, End::Unanswered(_));
    if is_unanswered
        && visit.is_reused
        && arrivals.is_empty()
        && ledger.upgrades.iter().any(is_handed_over)
    {
        return Some(Excuse::HandedOver);
    }
    is_stalled(ledger, needed).then_some(Excuse::Stalled)
}

/// Whether a backend was at fault shortly before something was said of it.
fn is_deserved(ledger: &Ledger, notice: &Notice) -> bool {
    let near = Span { from: notice.at.saturating_sub(AFTERMATH), to: notice.at };
    let by = |bad: &Bad| bad.backend == notice.backend && span(bad).overlaps(near);
    ledger.bad.iter().any(by) || is_stalled(ledger, near)
}

fn is_stalled(ledger: &Ledger, span: Span) -> bool {
    ledger.stalls.iter().any(|stall| stall.overlaps(span))
}

fn span(bad: &Bad) -> Span {
    Span { from: bad.from, to: bad.to }
}

/// A fault, and what follows of it.
fn lasting(bad: &Bad) -> Span {
    Span { to: bad.to.saturating_add(AFTERMATH), ..span(bad) }
}

fn judge_remains(ledger: &Ledger, verdict: &mut Verdict) {
    let remains = &ledger.remains;
    for gauge in &remains.gauges {
        verdict.breaks(Rule::Counted, gauge.clone());
    }
    if remains.connections > 0 {
        verdict.breaks(Rule::Counted, format!("{} connections are open", remains.connections));
    }
    for backend in &remains.out {
        verdict.breaks(Rule::Lost, backend.clone());
    }
    let (before, after) = remains.files;
    if after > before {
        let kinds = remains.kinds.join(", ");
        verdict.breaks(Rule::Kept, format!("{before} open files before, {after} after: {kinds}"));
    }
    let (before, after) = remains.memory;
    if after > before + MEMORY_MORE {
        verdict.breaks(Rule::Kept, format!("{before} kB before, {after} kB after"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::ledger::{Remains, What};

    const FROM: Duration = Duration::from_secs(10);
    const TO: Duration = Duration::from_secs(11);

    fn visit(is_repeatable: bool, end: End) -> Visit {
        Visit {
            id: 7,
            what: "a request".to_owned(),
            is_repeatable,
            span: Span { from: FROM, to: TO },
            connected: FROM,
            is_reused: false,
            end,
        }
    }

    fn arrival(backend: usize, fault: Option<Fault>) -> Arrival {
        Arrival { id: 7, backend, fault, at: FROM }
    }

    fn bad(backend: usize, fault: Fault, from: u64, to: u64) -> Bad {
        Bad { backend, fault, from: Duration::from_secs(from), to: Duration::from_secs(to) }
    }

    fn ledger(visit: Visit, arrivals: &[Arrival], bad: &[Bad]) -> Ledger {
        Ledger {
            arrivals: [(visit.id, arrivals.to_vec())].into(),
            visits: vec![visit],
            bad: bad.to_vec(),
            ..Ledger::default()
        }
    }

    /// The rules that are broken, and the excuses.
    fn of(ledger: &Ledger) -> (Vec<Rule>, Vec<Excuse>) {
        let Verdict { broken, excused } = judge(ledger);
        (broken.into_iter().map(|(rule, _)| rule).collect(), excused.into_keys().collect())
    }

    #[track_caller]
    fn breaks(ledger: &Ledger, rule: Rule) {
        assert_eq!(of(ledger), (vec![rule], vec![]));
    }

    #[track_caller]
    fn is_excused(ledger: &Ledger, excuse: Excuse) {
        assert_eq!(of(ledger), (vec![], vec![excuse]));
    }

    fn failures() -> [End; 3] {
        [End::Status(503), End::Cut(None), End::Unanswered("reset".to_owned())]
    }

    /// All but the first.
    fn four(fault: Fault, from: u64, to: u64) -> Vec<Bad> {
        (1..BACKENDS).map(|backend| bad(backend, fault, from, to)).collect()
    }

    #[test]
    fn what_is_good_breaks_nothing() {
        let arrivals = [arrival(1, Some(Fault::Silent)), arrival(0, None)];
        let ledger = ledger(visit(true, End::Good), &arrivals, &four(Fault::Silent, 0, 20));
        assert_eq!(of(&ledger), (vec![], vec![]));
    }

    #[test]
    fn a_request_that_can_be_repeated_fails_only_while_no_backend_is_well() {
        for end in failures() {
            let mut ledger =
                ledger(visit(true, end.clone()), &[arrival(1, None)], &four(Fault::Killed, 0, 20));
            breaks(&ledger, Rule::Failed);
            // Well again, but not for long enough.
            ledger.bad.push(bad(0, Fault::Killed, 0, 9));
            is_excused(&ledger, Excuse::NoneWell);
            ledger.bad.last_mut().unwrap().to = Duration::from_secs(8);
            breaks(&ledger, Rule::Failed);
            *ledger.bad.last_mut().unwrap() = bad(0, Fault::Killed, 11, 12);
            is_excused(&ledger, Excuse::NoneWell);
            ledger.visits = vec![visit(false, end)];
            assert_eq!(of(&ledger), (vec![], vec![]), "nothing was promised to it");
        }
    }

    #[test]
    fn an_answer_is_cut_only_by_a_backend_at_fault() {
        let cut = || visit(true, End::Cut(Some(2)));
        breaks(&ledger(cut(), &[arrival(2, None)], &[]), Rule::Failed);
        breaks(&ledger(cut(), &[arrival(2, None)], &four(Fault::Killed, 12, 13)), Rule::Failed);
        let while_at_fault = ledger(cut(), &[arrival(2, None)], &four(Fault::Killed, 10, 13));
        is_excused(&while_at_fault, Excuse::CutByBackend);
    }

    #[test]
    fn two_answers_that_are_none_are_an_excuse_and_one_is_not() {
        let garbage = |backend| arrival(backend, Some(Fault::Garbage));
        let failed = || visit(true, End::Status(502));
        let bad = four(Fault::Garbage, 0, 20);
        is_excused(&ledger(failed(), &[garbage(1), garbage(2)], &bad), Excuse::GarbageTwice);
        breaks(&ledger(failed(), &[garbage(1)], &bad), Rule::Failed);
    }

    #[test]
    fn a_hand_over_ends_only_connections_that_were_there_and_only_before_a_request() {
        let unanswered =
            || Visit { is_reused: true, ..visit(true, End::Unanswered("closed".to_owned())) };
        let with_upgrade = |visit: Visit, arrivals: &[Arrival]| Ledger {
            upgrades: vec![Span { from: FROM, to: TO }],
            ..ledger(visit, arrivals, &[])
        };
        is_excused(&with_upgrade(unanswered(), &[]), Excuse::HandedOver);
        breaks(&ledger(unanswered(), &[], &[]), Rule::Failed);
        breaks(&with_upgrade(unanswered(), &[arrival(0, None)]), Rule::Failed);
        breaks(&with_upgrade(Visit { is_reused: false, ..unanswered() }, &[]), Rule::Failed);
        let later = Visit { connected: TO + Duration::from_secs(1), ..unanswered() };
        breaks(&with_upgrade(later, &[]), Rule::Failed);
    }

    #[test]
    fn a_machine_that_stands_still_is_an_excuse_for_a_failure_and_for_blame() {
        let mut ledger = ledger(visit(true, End::Status(504)), &[arrival(0, None)], &[]);
        ledger.notices = vec![notice(What::Ejected, 10)];
        assert_eq!(of(&ledger), (vec![Rule::Failed, Rule::Blamed], vec![]));
        ledger.stalls = vec![Span { from: FROM, to: TO }];
        is_excused(&ledger, Excuse::Stalled);
    }

    #[test]
    fn what_cannot_be_repeated_is_sent_once() {
        let twice = [arrival(0, None), arrival(1, None)];
        for end in [End::Good, End::Left, End::Status(502), End::NotServed] {
            breaks(&ledger(visit(false, end.clone()), &twice, &[]), Rule::SentTwice);
            let once = ledger(visit(false, end), &twice[..1], &[]);
            assert_eq!(of(&once), (vec![], vec![]));
        }
    }

    #[test]
    fn an_answer_is_a_backends_and_to_this_request_and_comes() {
        breaks(&ledger(visit(false, End::Good), &[], &[]), Rule::NeverSent);
        breaks(&ledger(visit(false, End::Wrong), &[arrival(0, None)], &[]), Rule::Changed);
        breaks(&ledger(visit(false, End::Late), &[arrival(0, None)], &[]), Rule::Hung);
        breaks(&Ledger { changed_bodies: vec![7], ..Ledger::default() }, Rule::Changed);
    }

    fn notice(what: What, at: u64) -> Notice {
        Notice { at: Duration::from_secs(at), backend: 1, what, text: "a line".to_owned() }
    }

    #[test]
    fn only_a_backend_that_was_at_fault_is_blamed() {
        for what in [What::Ejected, What::Unhealthy] {
            let blamed = |faults: &[Bad]| Ledger {
                notices: vec![notice(what, 10)],
                bad: faults.to_vec(),
                ..Ledger::default()
            };
            breaks(&blamed(&[]), Rule::Blamed);
            breaks(&blamed(&[bad(0, Fault::Silent, 0, 20)]), Rule::Blamed);
            breaks(&blamed(&[bad(1, Fault::Silent, 0, 4)]), Rule::Blamed);
            breaks(&blamed(&[bad(1, Fault::Silent, 11, 14)]), Rule::Blamed);
            assert_eq!(of(&blamed(&[bad(1, Fault::Silent, 0, 6)])), (vec![], vec![]));
        }
    }

    #[test]
    fn nothing_is_left_when_all_is_over() {
        let left = |remains| Ledger { remains, ..Ledger::default() };
        let nothing = Remains::default();
        let gauge = Remains { gauges: vec!["active 1".to_owned()], ..nothing.clone() };
        breaks(&left(gauge), Rule::Counted);
        breaks(&left(Remains { connections: 1, ..nothing.clone() }), Rule::Counted);
        breaks(&left(Remains { out: vec!["a".to_owned()], ..nothing.clone() }), Rule::Lost);
        breaks(&left(Remains { files: (20, 21), ..nothing.clone() }), Rule::Kept);
        breaks(&left(Remains { memory: (1, 2 + MEMORY_MORE), ..nothing }), Rule::Kept);
        breaks(
            &Ledger { complaints: vec!["panicked".to_owned()], ..Ledger::default() },
            Rule::Complained,
        );
    }
}
