//! Clients of HTTP/2. They ask a balancer in the test's own process, because no configuration of the
//! program switches HTTP/2 on; its pools have the backends of the other one, and the same faults.

use std::{io, net::SocketAddr, sync::atomic::Ordering, thread, time::Duration};

use fastrand::Rng;

use super::{
    super::{
        ledger::End,
        order::{Order, content},
        site,
    },
    DEADLINE, PAUSE, Shared, judge,
};
use crate::support::{
    PATIENCE,
    eventually::wait_for,
    http2_client::{Connection, Response},
    lb::Lb,
};

/// A balancer with the pools of the site, for clients of HTTP/2.
pub(in super::super) struct Http2Site {
    lb: Lb,
}

impl Http2Site {
    pub(in super::super) fn new(backends: &[String]) -> Self {
        Self { lb: Lb::start(&site::pools(backends)) }
    }

    pub(in super::super) fn address(&self) -> SocketAddr {
        self.lb.address()
    }

    /// What is still under way when every client has gone.
    pub(in super::super) fn remains(&self) -> Vec<String> {
        let under_way = || {
            let active = self.lb.all_active();
            let gauges = [("in flight", self.lb.in_flight()), ("active", active)];
            let left = gauges.into_iter().filter(|(_, count)| *count > 0);
            left.map(|(gauge, count)| format!("HTTP/2: {count} {gauge}")).collect::<Vec<_>>()
        };
        wait_for(PATIENCE, || under_way().is_empty().then_some(()));
        under_way()
    }

    /// The lines of the access log about this request.
    pub(in super::super) fn access_lines(&self, id: u64) -> Vec<String> {
        let (text, sign) = (self.lb.log_text(), format!("\"request_id\":\"{id}\""));
        text.lines().filter(|line| line.contains(&sign)).map(str::to_owned).collect()
    }
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
    fn follow_http2(
        &self,
        order: &Order,
        manner: &Manner,
        kept: Option<Connection>,
    ) -> Option<Connection> {
        let began = self.now();
        let opened = kept.map_or_else(|| Connection::open(self.address), Ok);
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                let end = End::Unanswered(format!("no connection: {error}"));
                self.note(order, end, began, (began, false));
                return None;
            }
        };
        let end = match ask(&mut connection, order, manner) {
            None => End::Left,
            Some(read) => judge(order, read),
        };
        let goes_on = matches!(end, End::Good | End::Status(_));
        self.note(order, end, began, (began, false));
        goes_on.then_some(connection)
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
