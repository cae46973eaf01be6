//! What a scripted backend answers: well, or with the fault of the moment.

use std::time::Duration;

use super::{
    LIMIT,
    order::{Asked, Framing, content},
    plan::Fault,
};
use crate::support::reply::{Reply, Step};

/// Between two bytes of a header that dribbles.
const PAUSE: Duration = Duration::from_millis(100);
/// A body that dribbles takes no longer than this.
const DRIBBLE: Duration = Duration::from_millis(800);

/// The answer to a request of a backend that is well.
pub(super) fn good(backend: usize, asked: Asked) -> Reply {
    let reply = Reply::ok(content(asked.id, asked.down)).header("X-Backend", &backend.to_string());
    let reply = reply.delayed(Duration::from_millis(asked.id % 8));
    match asked.answer {
        Framing::Length => reply,
        Framing::Chunked => reply.chunked(),
        Framing::Close => reply.until_close(),
    }
}

/// What a backend does with a request while it plays this fault.
pub(super) fn bad(backend: usize, fault: Fault, asked: Asked) -> Reply {
    // A cut shows where a length was promised, or an end of chunks.
    let framing = if asked.answer == Framing::Close { Framing::Chunked } else { asked.answer };
    let with_body = |down| good(backend, Asked { answer: framing, down, ..asked });
    match fault {
        Fault::Killed | Fault::Stopped | Fault::Silent => Reply::hang(),
        Fault::Closes => Reply::close(),
        Fault::Resets | Fault::ResetsBeforeHeader => Reply::reset(),
        Fault::ResetsInHeader => Reply::reset_in_header(),
        Fault::ResetsInBody => with_body(asked.down.max(2)).reset_after(asked.down.max(2) / 2),
        Fault::ClosesInBody => with_body(asked.down.max(2)).closed_after(asked.down.max(2) / 2),
        Fault::DribblesHeader => Reply::steps_of(dribble()),
        Fault::DribblesBody => {
            let pieces = u32::try_from(asked.id % 20 + 2).expect("a few");
            let piece = asked.down.max(1).div_ceil(pieces as usize);
            with_body(asked.down).slowly(piece, DRIBBLE / pieces)
        }
        Fault::Unavailable => status(503, asked),
        Fault::RetryAfter => status(503, asked).header("Retry-After", "1"),
        Fault::GatewayError => status(if asked.id.is_multiple_of(2) { 502 } else { 504 }, asked),
        Fault::Garbage => garbage(asked.id),
    }
}

/// An error with a body, sometimes before the body of the request is read.
fn status(status: u16, asked: Asked) -> Reply {
    let reply = Reply::status(status).body("not now");
    if asked.id.is_multiple_of(3) { reply.early() } else { reply }
}

/// A header whose end comes when the request waits no longer.
fn dribble() -> Vec<Step> {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Dribble: ".iter();
    let more = 2 * LIMIT.as_millis() / PAUSE.as_millis();
    let more = std::iter::repeat_n(&b'x', usize::try_from(more).expect("few"));
    head.chain(more).flat_map(|byte| [Step::Send(vec![*byte]), Step::Wait(PAUSE)]).collect()
}

fn garbage(id: u64) -> Reply {
    const KINDS: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabcd",
        b"HTTP/9.7 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n",
    ];
    let kind = usize::try_from(id).expect("small") % KINDS.len();
    Reply::steps_of([Step::Send(KINDS[kind].to_vec()), Step::Close])
}
