//! What must be true of any message at a hand-over, for the tests and for the target in `fuzz/`.

use std::{
    io::Write,
    net::{Shutdown, TcpListener},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::handover::Inherited;

/// As much fits into a socket that is not read.
const FITS: usize = 64 * 1024;

/// A message: its first byte says how many sockets come with it, and whether the rest is a header whose
/// length is said rightly, or all that comes.
pub(crate) fn handover(bytes: &[u8]) {
    let [first, message @ ..] = bytes else { return };
    if message.len() > FITS {
        return;
    }
    let sockets = usize::from(first % 4);
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let has_length = first & 0x80 == 0;
    if has_length {
        let length = u32::try_from(message.len()).expect("it fits");
        ours.write_all(&length.to_be_bytes()).expect("it fits");
    }
    ours.write_all(message).expect("it fits");
    for _ in 0..sockets {
        send_socket(&ours);
    }
    ours.shutdown(Shutdown::Write).expect("it is open");
    let Ok(Some(inherited)) = Inherited::take(theirs) else { return };
    assert!(inherited.sockets.len() <= sockets + message.len());
    // Fields that nothing asks for may be such that JSON as a whole is not valid.
    if has_length && let Ok(header) = serde_json::from_slice::<serde_json::Value>(message) {
        let header = &header["Sockets"];
        let addresses = header["addresses"].as_array().expect("a list");
        let names = inherited.sockets.iter().map(|(address, _)| address);
        assert!(names.eq(addresses.iter().map(|address| address.as_str().expect("text"))));
        assert_eq!(inherited.memory, header["memory"]);
    }
    // The other end has gone, so this one serves.
    assert!(inherited.serving().is_ours());
}

fn send_socket(stream: &UnixStream) {
    let socket: OwnedFd = TcpListener::bind("127.0.0.1:0").expect("a port").into();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&sockets));
    let one = [std::io::IoSlice::new(b"s")];
    sendmsg(stream, &one, &mut control, SendFlags::NOSIGNAL).expect("it fits");
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("handover", super::handover);
    }
}
