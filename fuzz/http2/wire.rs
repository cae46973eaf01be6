//! The bytes of a connection, but for the connection.

#[path = "../../src/proxy/client/http2/wire/block.rs"]
mod block;
#[path = "../../src/proxy/client/http2/wire/checks.rs"]
pub mod checks;
#[path = "../../src/proxy/client/http2/wire/closing.rs"]
mod closing;
#[path = "../../src/proxy/client/http2/wire/conduct/mod.rs"]
mod conduct;
#[path = "../../src/proxy/client/http2/wire/frames.rs"]
mod frames;
#[path = "../../src/proxy/client/http2/wire/inbound.rs"]
mod inbound;
#[path = "../../src/proxy/client/http2/wire/streams.rs"]
mod streams;
