//! How a client asks: what it sends in which pieces, and where it leaves. Drawn from a seed, and a
//! value, so that asking is only to follow it.

use std::time::Duration;

use fastrand::Rng;

use super::order::Order;

/// A piece of what is sent, and the wait after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub bytes: Vec<u8>,
    pub wait: Duration,
}

/// Where a client leaves that does not wait for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    /// When this many pieces are sent, and it has waited for this long.
    Sent(usize, Duration),
    /// When it has the header of the answer, or the first bytes of it.
    Answered,
}

/// What a client does on one connection before it looks at what it got.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// One, or more when they are pipelined.
    pub orders: Vec<Order>,
    pub pieces: Vec<Piece>,
    pub leaves: Option<Leaves>,
    /// It leaves with a reset.
    pub resets: bool,
    /// It asks on a new connection.
    pub is_new: bool,
    /// It keeps the connection.
    pub keeps: bool,
    /// It asks for a `100 Continue`.
    pub expects: bool,
}

/// What a client is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    Plain,
    TwoWrites,
    DripsHead,
    DripsBody,
    Expects,
    Pipelines,
    Leaves,
}

impl Script {
    /// The next one; `id` gives each request its own.
    pub(super) fn drawn(rng: &mut Rng, mut id: impl FnMut() -> u64) -> Self {
        const HABITS: [Habit; 12] = [
            Habit::Plain,
            Habit::Plain,
            Habit::Plain,
            Habit::Plain,
            Habit::TwoWrites,
            Habit::TwoWrites,
            Habit::DripsHead,
            Habit::DripsBody,
            Habit::Expects,
            Habit::Pipelines,
            Habit::Leaves,
            Habit::Leaves,
        ];
        let habit = HABITS[rng.usize(..HABITS.len())];
        let count = if habit == Habit::Pipelines { rng.usize(2..6) } else { 1 };
        let orders: Vec<_> = (0..count).map(|_| Order::drawn(rng, id())).collect();
        let pieces = pieces(rng, habit, &orders);
        let leaves = (habit == Habit::Leaves).then(|| leaves(rng, pieces.len()));
        Self {
            orders,
            pieces,
            leaves,
            resets: rng.bool(),
            is_new: rng.u8(..5) == 0,
            keeps: rng.u8(..6) > 0,
            expects: habit == Habit::Expects,
        }
    }
}

fn pieces(rng: &mut Rng, habit: Habit, orders: &[Order]) -> Vec<Piece> {
    let at_once = |bytes| Piece { bytes, wait: Duration::ZERO };
    let first = &orders[0];
    match habit {
        Habit::Plain => vec![at_once([first.head(""), first.body(usize::MAX).concat()].concat())],
        Habit::Pipelines => {
            let all = orders.iter().flat_map(|one| [one.head(""), one.body(usize::MAX).concat()]);
            let all = all.collect::<Vec<_>>().concat();
            // Anywhere, so that a part of a request comes with the one before.
            let cut = rng.usize(..all.len());
            let (begin, end) = all.split_at(cut);
            vec![Piece { bytes: begin.to_vec(), wait: moment(rng) }, at_once(end.to_vec())]
        }
        Habit::TwoWrites => {
            vec![at_once(first.head("")), at_once(first.body(usize::MAX).concat())]
        }
        Habit::Expects if first.up > 0 => {
            let head = Piece { bytes: first.head("Expect: 100-continue\r\n"), wait: moment(rng) };
            vec![head, at_once(first.body(usize::MAX).concat())]
        }
        Habit::DripsHead => {
            let head = first.head("");
            let size = head.len().div_ceil(rng.usize(2..8));
            let pieces = head.chunks(size).map(<[u8]>::to_vec);
            let mut pieces: Vec<_> =
                pieces.map(|bytes| Piece { bytes, wait: moment(rng) }).collect();
            pieces.push(at_once(first.body(usize::MAX).concat()));
            pieces
        }
        Habit::DripsBody | Habit::Leaves | Habit::Expects => {
            let size = first.up.div_ceil(rng.usize(2..10)).max(1);
            let head = first.head("");
            let pieces = [head].into_iter().chain(first.body(size));
            pieces.map(|bytes| Piece { bytes, wait: moment(rng) }).collect()
        }
    }
}

fn leaves(rng: &mut Rng, pieces: usize) -> Leaves {
    match rng.u8(..4) {
        0 => Leaves::Answered,
        1 => Leaves::Sent(pieces, Duration::from_millis(rng.u64(..1_500))),
        _ => Leaves::Sent(rng.usize(1..=pieces), moment(rng)),
    }
}

fn moment(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(..60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts() -> Vec<Script> {
        let mut rng = Rng::with_seed(3);
        let mut id = 0;
        let mut next = || {
            id += 1;
            id
        };
        (0..500).map(|_| Script::drawn(&mut rng, &mut next)).collect()
    }

    #[test]
    fn all_of_a_request_is_in_its_pieces() {
        for script in scripts() {
            let sent = script.pieces.iter().map(|piece| &*piece.bytes).collect::<Vec<_>>().concat();
            for order in &script.orders {
                let line = format!("{} {} HTTP/1.1\r\n", order.method, order.path());
                let is_there = |part: &[u8]| sent.windows(part.len()).any(|it| it == part);
                assert!(is_there(line.as_bytes()), "{line}");
                let is_split = order.up == 0 || order.is_chunked;
                assert!(is_split || is_there(&order.body(usize::MAX).concat()), "{line}");
            }
        }
    }

    #[test]
    fn clients_leave_everywhere() {
        let leaves: Vec<_> = scripts().iter().filter_map(|script| script.leaves).collect();
        assert!(leaves.contains(&Leaves::Answered));
        for place in 1..4 {
            assert!(leaves.iter().any(|it| matches!(it, Leaves::Sent(sent, _) if *sent == place)));
        }
    }
}
