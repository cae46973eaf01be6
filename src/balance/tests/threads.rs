//! Many threads pick at once, while others change which backends are eligible.

use super::*;

#[test]
fn threads_together_are_off_by_at_most_one_each() {
    const THREADS: usize = 4;
    const CYCLES: usize = 400;
    for weights in [&[1, 1, 1][..], &[5, 1, 1], &[3, 2, 2, 1]] {
        let fixture = Fixture::new(Algorithm::RoundRobin, weights);
        let each = CYCLES * usize::from(weights.iter().sum::<u16>()) / THREADS;
        let counts: Vec<Vec<usize>> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(|| fixture.counts(each))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (index, weight) in weights.iter().enumerate() {
            let total: usize = counts.iter().map(|counts| counts[index]).sum();
            assert!(
                total.abs_diff(usize::from(*weight) * CYCLES) <= THREADS,
                "{weights:?}: {index} has {total}"
            );
        }
    }
}

#[test]
fn under_changes_from_other_threads_no_pick_misses_the_eligible() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1, 2, 1, 3]);
        let asking = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                while asking.load(Ordering::Relaxed) {
                    fixture.eject(3);
                    fixture.readmit(3);
                }
            });
            let askers: Vec<_> = (0..2).map(|_| scope.spawn(|| ask(&fixture, 2_000))).collect();
            let misses: usize = askers.into_iter().map(|asker| asker.join().unwrap()).sum();
            asking.store(false, Ordering::Relaxed);
            assert_eq!(misses, 0, "{algorithm:?}");
        });
    }
}

/// The number of times that an eligible backend was missing or came twice; the first three are
/// always eligible.
fn ask(fixture: &Fixture, times: usize) -> usize {
    let is_wrong = |picks: Vec<usize>| {
        let unique: HashSet<_> = picks.iter().copied().collect();
        unique.len() != picks.len() || !(0..3).all(|index| unique.contains(&index))
    };
    (0..times).filter(|_| is_wrong(fixture.all_picks())).count()
}
