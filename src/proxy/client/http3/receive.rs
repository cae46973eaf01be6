//! One stream of a request: its head is read, and its session is answered.
//!
//! A request that is refused is given to the hooks like any other, so that it is answered, counted and
//! logged like any other.

use std::sync::Arc;

use pingora_core::{
    Result,
    protocols::{SocketDigest, http::ServerSession},
};
use quinn::{RecvStream, SendStream};
use tokio::time::timeout;

use super::{
    super::{
        receive::{LATE, refused},
        streams,
    },
    answer::{Delivery, StreamAnswer},
    arrival::{Arrival, Request},
    body::{Broken, StreamBody},
    budget::Cost,
    exchange::Http3Exchange,
    shared::{GOODBYE, Shared},
};
use crate::count::Protocol;
use crate::field_lists::TOO_LARGE;
use crate::http1::Refusal;
use crate::http3::{Code, Fault, RefusedHead};

/// Reads a request and has it answered. Returns when the client has acknowledged the answer, is gone, or
/// does neither in time.
pub(super) async fn serve<F>(
    shared: Arc<Shared>,
    socket: Arc<SocketDigest>,
    stream: (SendStream, RecvStream),
    answer: impl Fn(ServerSession) -> F + Send,
) where
    F: Future<Output = ()> + Send,
{
    // All three are apart, because each would keep room for the others while it waits.
    let delivery = Delivery::default();
    let Some(mut arrival) = Box::pin(receive(&shared, stream, &delivery)).await else { return };
    if !arrival.enter(&shared).await {
        return cancelled(&shared, &mut arrival.body, &mut arrival.answer);
    }
    let answered = match Http3Exchange::session(&shared, socket, *arrival) {
        Ok(session) => Box::pin(answer(ServerSession::new_custom(Box::new(session)))),
        Err(error) => return log::error!(error:% = error; "internal error"),
    };
    answered.await;
    let delivery = delivery.lock().take();
    if let Some(delivery) = delivery {
        let _ = timeout(shared.limits.write.max(GOODBYE), deliver(&shared, delivery)).await;
    }
}

/// Waits as long as an answer is on its way to a client that is there.
async fn deliver(shared: &Shared, mut delivery: impl Future<Output = ()> + Unpin) {
    let (quic, mut came) = (&shared.quic, None);
    let datagrams = || Some(quic.stats().udp_rx.datagrams);
    while came != datagrams() {
        came = datagrams();
        if timeout(GOODBYE.max(4 * quic.rtt()), &mut delivery).await.is_ok() {
            return;
        }
    }
}

/// The client has cancelled a request before it began.
fn cancelled(shared: &Shared, body: &mut StreamBody, answer: &mut StreamAnswer) {
    shared.pay(Cost::Cancelled);
    body.stop(Code::RequestCancelled);
    answer.refuse(Code::RequestCancelled);
}

/// Receives a request, or what can be read of one that is refused; `None` if there is nothing to answer.
async fn receive(
    shared: &Arc<Shared>,
    (send, recv): (SendStream, RecvStream),
    delivery: &Delivery,
) -> Option<Box<Arrival>> {
    let mut body = StreamBody::new(recv, shared);
    let mut answer = StreamAnswer::new(send, shared, delivery);
    match read(shared, &mut body, &mut answer).await? {
        Ok(request) => Some(Box::new(Arrival { request, body, answer, place: None })),
        Err(error) => {
            log::error!(error:% = error; "internal error");
            None
        }
    }
}

/// Reads a request, or what can be read of one that is refused. Returns `None` if there is nothing to
/// answer: the client has cancelled it, has said nothing of it, or loses its connection.
async fn read(
    shared: &Shared,
    body: &mut StreamBody,
    answer: &mut StreamAnswer,
) -> Option<Result<Request>> {
    let (refusal, code) = match timeout(shared.limits.header, body.read_head()).await {
        Ok(Ok(head)) => {
            return Some(streams::read(Protocol::Http3, &head, body.received(), None));
        }
        Ok(Err(Broken::Left)) => {
            cancelled(shared, body, answer);
            return None;
        }
        Ok(Err(Broken::NoRoom)) => {
            shared.has_no_room();
            body.stop(Code::RequestRejected);
            answer.refuse(Code::RequestRejected);
            return None;
        }
        Ok(Err(Broken::Fault(Fault::Connection(code)))) => {
            shared.broken(code);
            return None;
        }
        Ok(Err(Broken::Fault(Fault::Malformed(why)))) => {
            answer.is_to_malformed();
            (Refusal::bad(why), Code::MessageError)
        }
        Ok(Err(Broken::Fault(Fault::TooLarge))) => (TOO_LARGE, Code::NoError),
        Ok(Err(Broken::Fault(Fault::Incomplete))) | Err(_) => (LATE, Code::RequestIncomplete),
    };
    if code == Code::NoError {
        shared.pay(Cost::Malformed);
    } else {
        shared.malformed();
    }
    let Some(list) = body.take_unread() else {
        body.stop(code);
        answer.refuse(code);
        return None;
    };
    body.refuse(code);
    Some(refused(&RefusedHead::read(list).refused(refusal), Protocol::Http3))
}
