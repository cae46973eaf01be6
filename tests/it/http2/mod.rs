//! Features of HTTP/2 alone.

/// What RFC 9113 and RFC 7541 ask of a server.
mod conformance;
/// Frames that move nothing end their connection, and no other one.
mod floods;
/// Clients of gRPC learn what has happened in their own terms.
mod grpc;
/// Limits on the time and the number of what a client sends.
mod limits;
/// Requests that wait for their client alone.
mod places;
/// Programs that others have written.
mod real_clients;
/// Requests that would be several in HTTP/1.
mod smuggling;
/// Many requests on one connection, each of which may end by itself.
mod streams;
/// WebSocket over HTTP/2.
mod websocket;
