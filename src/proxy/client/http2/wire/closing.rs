//! Why a connection is closed, and what its client is told of it (RFC 9113 sections 5.4.1 and 7).

use h2::Reason;

use super::super::hpack::Fault;
use crate::count::Cut;

/// The end of a connection by `lb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Closing {
    /// The reason in log and metrics.
    pub(in super::super) cut: Cut,
    /// The error code in the GOAWAY.
    pub(in super::super) code: Reason,
}

impl From<Cut> for Closing {
    fn from(cut: Cut) -> Self {
        let code = match cut {
            Cut::Silent | Cut::TookNothing => Reason::NO_ERROR,
            Cut::Protocol => Reason::PROTOCOL_ERROR,
            _ => Reason::ENHANCE_YOUR_CALM,
        };
        Self { cut, code }
    }
}

/// A rule of the protocol was broken.
impl From<Reason> for Closing {
    fn from(code: Reason) -> Self {
        Self { cut: Cut::Protocol, code }
    }
}

impl From<Fault> for Closing {
    fn from(_: Fault) -> Self {
        Reason::COMPRESSION_ERROR.into()
    }
}
