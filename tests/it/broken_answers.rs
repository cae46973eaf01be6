//! Answers without a length, or that break off, as a client of HTTP/1 sees them.

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, get},
    lb::Lb,
    reply::Reply,
};

#[test]
fn an_http_1_0_client_gets_no_chunks() {
    for reply in [
        Reply::ok("0123456789"),
        Reply::ok("0123456789").chunked(),
        Reply::ok("0123456789").until_close(),
    ] {
        let a = ScriptedBackend::replying(reply);
        let lb = Lb::over(&[&a], "");
        let request = b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.send(request).unwrap();
        let response = connection.read_response("GET").unwrap();
        assert_eq!(response.text(), "0123456789");
        assert_eq!(response.header("transfer-encoding"), None);
    }
}

#[test]
fn after_a_broken_answer_the_connection_is_closed_and_the_next_one_works() {
    let a = ScriptedBackend::named("a");
    a.reply_next(1, Reply::ok("0123456789").closed_after(5));
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    assert!(!connection.get("/").unwrap().is_complete);
    assert!(connection.get("/").is_err());
    assert_eq!(get(lb.address(), "/").text(), "a");
}
