//! One stream of a request: its head is read, and its session is answered.

use std::sync::Arc;

use pingora_core::protocols::{SocketDigest, http::ServerSession};
use quinn::{RecvStream, SendStream};
use tokio::time::timeout;

use super::{
    answer::StreamAnswer,
    body::{Broken, StreamBody},
    budget::Cost,
    exchange::{Acknowledgement, Http3Exchange},
    shared::{GOODBYE, Shared},
};
use crate::http3::{Code, Fault, headers, qpack::FieldWriter};

const TOO_LARGE: u16 = 431;

/// Reads a request and has it answered. Returns when the client has acknowledged the answer, is gone, or
/// does neither in time.
pub(super) async fn serve<F>(
    shared: Arc<Shared>,
    socket: Arc<SocketDigest>,
    (mut send, recv): (SendStream, RecvStream),
    answer: impl Fn(ServerSession) -> F + Send,
) where
    F: Future<Output = ()> + Send,
{
    let mut body = StreamBody::new(recv, &shared);
    let head = match timeout(shared.limits.header, body.read_head()).await {
        Ok(Ok(head)) => head,
        Ok(Err(Broken::Fault(Fault::TooLarge))) => {
            shared.malformed();
            let refusal = headers(&FieldWriter::new(TOO_LARGE).finish());
            body.stop(Code::NoError);
            // A client that does not take it needs none.
            let _ = timeout(GOODBYE, send.write_all(&refusal)).await;
            return;
        }
        other => {
            let code = match other {
                Ok(Err(Broken::Fault(Fault::Connection(code)))) => return shared.broken(code),
                Ok(Err(Broken::Fault(Fault::Stream(code)))) => {
                    shared.malformed();
                    code
                }
                Ok(_) => {
                    shared.pay(Cost::Cancelled);
                    Code::RequestCancelled
                }
                Err(_) => {
                    shared.malformed();
                    Code::RequestIncomplete
                }
            };
            body.stop(code);
            return StreamAnswer::new(send, shared.quic.clone(), shared.limits.answer_pace())
                .refuse(code);
        }
    };
    let written = StreamAnswer::new(send, shared.quic.clone(), shared.limits.answer_pace());
    let rest = Acknowledgement::default();
    match Http3Exchange::session(&shared, socket, &head, (body, written), &rest) {
        Ok(session) => {
            drop(head);
            answer(ServerSession::new_custom(Box::new(session))).await;
        }
        Err(error) => log::error!(error:% = error; "internal error"),
    }
    let rest = rest.lock().take();
    if let Some(rest) = rest {
        let _ = timeout(GOODBYE, rest).await;
    }
}
