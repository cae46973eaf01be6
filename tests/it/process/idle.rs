//! The cost of a connection that waits for its next request.

use crate::support::{
    backend::ScriptedBackend,
    client::Connection,
    process::{LbProcess, memory_of},
};

use super::yaml;

const CONNECTIONS: usize = 300;
/// The most kilobytes of a connection; Pingora alone would hold more than twenty.
const AT_MOST: u64 = 14;

#[test]
fn it_holds_no_more_than_its_stream() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], "access_log: off"), &[]);
    let address = lb.address();
    let open = || {
        let mut connection = Connection::open(address).unwrap();
        connection.get("/").unwrap();
        let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
        connection.send(post).unwrap();
        connection.read_response("POST").unwrap();
        connection
    };
    drop(open());
    let before = memory_of(lb.pid());
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| open()).collect();
    let each = (memory_of(lb.pid()) - before) / CONNECTIONS as u64;
    assert!(each <= AT_MOST, "{each} kB");
    drop(connections);
}
