//! What comes before the first request of a connection: a header of the PROXY protocol, and the
//! handshake of TLS, in TCP or in QUIC.
//!
//! A connection of a listener that asks for nothing of this is not delayed, and pays for none of it.

mod proxy_header;
mod proxy_protocol;
mod quic;
mod refusal;
mod tls;
mod unnamed;

use std::sync::Arc;

use bytes::BytesMut;
use pingora_core::protocols::{Stream, l4};

pub(super) use quic::open as open_quic;

use super::client::{ClientStream, ConnectionContext, ConnectionFacts, TlsFacts};
use crate::acme::Challenges;
use crate::count::ListenerCounts;
use crate::tls::{TlsListener, in_session};

/// A connection that is ready for requests.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: ClientStream,
    /// What has come of the first request.
    pub(super) input: BytesMut,
    pub(super) context: ConnectionContext,
}

/// Makes a connection ready that has just been accepted. Returns `None` if it is to be closed, which
/// has been counted and logged then.
pub(super) async fn open(stream: Stream, context: ConnectionContext) -> Option<Opened> {
    // Pingora's listeners make no other kind.
    let mut stream = stream.into_any().downcast::<l4::stream::Stream>().ok()?;
    unnamed::set_client(&mut stream);
    if context.settings.proxies.is_none() && context.settings.tls.is_none() {
        return Some(Opened {
            stream: ClientStream::Plain(stream),
            input: BytesMut::new(),
            context,
        });
    }
    // Its state would make every connection larger.
    Box::pin(open_slowly(stream, context)).await
}

async fn open_slowly(
    mut stream: Box<l4::stream::Stream>,
    mut context: ConnectionContext,
) -> Option<Opened> {
    let (mut facts, mut input) = (ConnectionFacts::default(), BytesMut::new());
    if let Some(proxies) = &context.settings.proxies {
        let limit = context.settings.client.header;
        let read = proxy_protocol::read(&mut stream, &mut input, proxies, limit).await;
        match read {
            Ok(header) => (facts.authority, facts.unique_id) = (header.authority, header.unique_id),
            Err(why) => {
                refusal::note(why?, &stream, &context.counts);
                return None;
            }
        }
    }
    let stream = match &context.settings.tls {
        None => ClientStream::Plain(stream),
        Some(tls) => {
            let input = std::mem::take(&mut input);
            let tls = (&**tls, context.settings.challenges.as_ref());
            let (session, tls) = shake_hands(stream, input, tls, &context.counts).await?;
            facts.tls = Some(tls);
            ClientStream::Tls(session)
        }
    };
    context.facts = Some(Arc::new(facts));
    Some(Opened { stream, input, context })
}

/// The handshake of TLS on a connection to another of the process's listeners than those of the proxy.
/// Returns the connection inside of the session, or `None` if there is no session, which has been counted
/// and logged then.
pub async fn secure(
    stream: l4::stream::Stream,
    tls: (&TlsListener, Option<&Challenges>),
    counts: &ListenerCounts,
) -> Option<l4::stream::Stream> {
    let (session, _) = shake_hands(Box::new(stream), BytesMut::new(), tls, counts).await?;
    Some(in_session((*session).into()))
}

async fn shake_hands(
    stream: Box<l4::stream::Stream>,
    input: BytesMut,
    tls: (&TlsListener, Option<&Challenges>),
    counts: &ListenerCounts,
) -> Option<(tls::Session, TlsFacts)> {
    let peer = refusal::peer(&stream);
    match tls::handshake(stream, input, tls, counts).await {
        Ok(shaken) => Some(shaken),
        Err(failure) => {
            refusal::note_handshake(&failure, &peer, counts);
            failure.part().await;
            None
        }
    }
}
