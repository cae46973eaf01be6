//! The meaning of a failed check: a reason in a few plain words, or no verdict about the backend at
//! all.

use std::io;

use nix::errno::Errno;
use pingora_core::{Error, ErrorType};

use super::probe::UNEXPECTED;

/// The errors for which this machine is to blame: it lacks files, ports or buffers.
const LACKS: [Errno; 5] =
    [Errno::EMFILE, Errno::ENFILE, Errno::EADDRNOTAVAIL, Errno::ENOBUFS, Errno::ENOMEM];

/// The resource that this machine lacks, if that is why a check failed. Such a check was not made,
/// and is no verdict about the backend.
pub(super) fn local_lack(error: &Error) -> Option<String> {
    let cause = error.root_cause();
    let system = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let is_lack = |code: i32| LACKS.contains(&Errno::from_raw(code));
    // Pingora has separate errors for a socket that cannot be created or bound.
    let is_socket = matches!(error.root_etype(), ErrorType::SocketError | ErrorType::BindError);
    (is_socket || system.is_some_and(is_lack)).then(|| cause.to_string())
}

/// Why a check failed.
pub(super) fn reason(error: &Error) -> String {
    match error.root_etype() {
        ErrorType::ConnectRefused => "connection refused".to_owned(),
        ErrorType::ConnectTimedout => "connection timed out".to_owned(),
        ErrorType::ConnectNoRoute => "no route to host".to_owned(),
        ErrorType::ReadTimedout => "no answer in time".to_owned(),
        ErrorType::ConnectionClosed => "connection closed before an answer".to_owned(),
        ErrorType::CustomCode(UNEXPECTED, status) => format!("status {status}"),
        ErrorType::InvalidHTTPHeader => "the answer is not HTTP".to_owned(),
        _ => error.root_cause().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: ErrorType, errno: Errno) -> Box<Error> {
        Error::because(kind, "connecting", io::Error::from(errno))
    }

    #[test]
    fn a_lack_on_this_machine_is_no_verdict_about_a_backend() {
        for errno in LACKS {
            assert!(local_lack(&failed(ErrorType::ConnectError, errno)).is_some(), "{errno}");
        }
        let socket = failed(ErrorType::SocketError, Errno::EPERM);
        let wrapped = Error::because(ErrorType::InternalError, "fail to connect", socket);
        assert!(local_lack(&wrapped).is_some());
    }

    #[test]
    fn a_failure_of_a_backend_is_a_verdict_about_it() {
        for (kind, errno) in [
            (ErrorType::ConnectRefused, Errno::ECONNREFUSED),
            (ErrorType::ConnectNoRoute, Errno::EHOSTUNREACH),
            (ErrorType::ReadError, Errno::ECONNRESET),
        ] {
            assert_eq!(local_lack(&failed(kind, errno)), None, "{errno}");
        }
        let late = Error::explain(ErrorType::ReadTimedout, "health check");
        assert_eq!((local_lack(&late), &*reason(&late)), (None, "no answer in time"));
    }
}
