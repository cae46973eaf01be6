//! Clients of HTTP/2 with prior knowledge, which the listener speaks beside HTTP/1.

use std::{io, sync::atomic::Ordering, thread, time::Duration};

use fastrand::Rng;

use super::{
    super::{
        ledger::End,
        order::{Order, content},
    },
    DEADLINE, PAUSE, Shared, judge,
};
use crate::support::http2_client::{Connection, Response};

/// A connection, and when it was opened.
struct Kept {
    connection: Connection,
    opened: Duration,
}

/// How a client sends a request.
struct Manner {
    /// Bytes of the body in each piece, and the wait behind each.
    piece: usize,
    wait: Duration,
    /// The number of pieces after which it leaves.
    leaves_after: Option<usize>,
}

impl Manner {
    fn drawn(rng: &mut Rng, order: &Order) -> Self {
        let drips = rng.u8(..4) == 0;
        let pieces = if drips { rng.usize(2..10) } else { 1 };
        Self {
            piece: order.up.div_ceil(pieces).max(1),
            wait: Duration::from_millis(if drips { rng.u64(..60) } else { 0 }),
            leaves_after: (rng.u8(..6) == 0).then(|| rng.usize(..=pieces)),
        }
    }
}

impl Shared {
    /// Asks until told to end.
    pub(super) fn http2_client(&self, mut rng: Rng) {
        let mut kept = None;
        while !self.is_over.load(Ordering::Relaxed) {
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            let order = Order::drawn(&mut rng, id);
            let manner = Manner::drawn(&mut rng, &order);
            if rng.u8(..5) == 0 {
                kept = None;
            }
            kept = self.follow_http2(&order, &manner, kept);
            thread::sleep(Duration::from_millis(rng.u64(PAUSE)));
        }
    }

    /// Asks, and notes what comes. The connection, where it goes on.
    fn follow_http2(&self, order: &Order, manner: &Manner, kept: Option<Kept>) -> Option<Kept> {
        let began = self.now();
        // A connection that the balancer has ended takes no request, and another one is opened.
        let kept = kept.filter(|kept| kept.connection.is_ready());
        let is_reused = kept.is_some();
        let open = || Ok(Kept { connection: Connection::open(self.address)?, opened: self.now() });
        let mut kept = match kept.map_or_else(open, Ok) {
            Ok(kept) => kept,
            Err(error) => {
                let error: io::Error = error;
                let end = End::Unanswered(format!("no connection: {error}"));
                self.note(order, end, began, (began, false));
                return None;
            }
        };
        let end = match ask(&mut kept.connection, order, manner) {
            None => End::Left,
            Some(read) => judge(order, read),
        };
        let goes_on = matches!(end, End::Good | End::Status(_));
        self.note(order, end, began, (kept.opened, is_reused));
        goes_on.then_some(kept)
    }
}

/// Sends a request and reads its answer; `None` if the client leaves.
fn ask(
    connection: &mut Connection,
    order: &Order,
    manner: &Manner,
) -> Option<io::Result<Response>> {
    let (id, length) = (order.id.to_string(), order.up.to_string());
    let mut fields = vec![("X-Request-Id", &*id)];
    if order.has_key {
        fields.push(("Idempotency-Key", &*id));
    }
    if order.up > 0 {
        fields.push(("Content-Length", &*length));
    }
    if let Err(error) = connection
        .limit(DEADLINE)
        .and_then(|()| connection.begin(order.method, &order.path(), &fields))
    {
        return Some(Err(error));
    }
    let body = content(order.id, order.up);
    for (sent, piece) in body.chunks(manner.piece).enumerate() {
        if manner.leaves_after == Some(sent) {
            return None;
        }
        // An answer that comes before the body has been sent ends it.
        if connection.send_body(piece).is_err() {
            break;
        }
        thread::sleep(manner.wait);
    }
    if manner.leaves_after.is_some() {
        thread::sleep(manner.wait);
        return None;
    }
    Some(connection.read_response(order.method))
}
