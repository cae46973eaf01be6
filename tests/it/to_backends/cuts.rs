//! An answer that ends at any of its bytes never looks whole, and one that comes in any two pieces is
//! the same as in one.

use std::time::Duration;

use crate::support::{
    backend::ScriptedBackend,
    client::Connection,
    lb::Lb,
    reply::{Reply, Step},
};

const ANSWERS: [&str; 3] = [
    "HTTP/1.1 200 OK\r\nX-A : b\r\n c\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
    "\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
];

#[test]
fn an_answer_that_ends_early_never_looks_whole() {
    for answer in ANSWERS {
        for ending in [Step::Close, Step::Reset] {
            let a = ScriptedBackend::named("a");
            let lb = Lb::over(&[&a], "    retry: { attempts: 1 }\n    ejection: off");
            for end in 0..answer.len() {
                let sent = Step::Send(answer.as_bytes()[..end].to_vec());
                a.reply_next(1, Reply::steps_of([sent, ending.clone()]));
                let mut connection = Connection::open(lb.address()).unwrap();
                // An answer that is never whole may never be told to have begun.
                let Ok(response) = connection.get("/") else { continue };
                let is_told = response.status == 502 || !response.is_complete;
                assert!(is_told, "{answer:?} until {end}: {response:?}");
            }
        }
    }
}

#[test]
fn an_answer_in_two_pieces_is_the_same_as_in_one() {
    for answer in ANSWERS {
        let a = ScriptedBackend::named("a");
        let lb = Lb::over(&[&a], "");
        let mut connection = Connection::open(lb.address()).unwrap();
        for cut in 0..=answer.len() {
            let (first, second) = answer.as_bytes().split_at(cut);
            let pause = Step::Wait(Duration::from_millis(2));
            let steps = [Step::Send(first.to_vec()), pause, Step::Send(second.to_vec())];
            a.reply_next(1, Reply::steps_of(steps));
            let response = connection.get("/").unwrap();
            assert!(response.is_complete && response.text() == "hello", "{answer:?} cut at {cut}");
            if answer.contains("X-A") {
                assert_eq!(response.header("x-a"), Some("b   c"), "{cut}");
            }
        }
        assert_eq!(a.connections(), 1, "{answer:?}");
    }
}
