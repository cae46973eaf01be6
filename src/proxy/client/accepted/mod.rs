//! A connection that has been accepted: its bytes, and what is known of it before its first request.

mod facts;
mod stream;
mod under_way;

pub(in super::super) use facts::{ConnectionContext, ConnectionFacts, TlsFacts};
pub(in super::super) use stream::ClientStream;
pub(super) use under_way::UnderWay;
pub(in super::super) use under_way::WhyEnded;
