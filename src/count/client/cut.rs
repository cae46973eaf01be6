//! Why a connection in HTTP/2 was closed by `lb` although its client had not finished.

/// Why a connection in HTTP/2 was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Cut {
    /// Too many requests that could not be answered: beyond the limit on streams, for example.
    Requests,
    /// Too many requests were cancelled.
    Resets,
    /// Too many requests were malformed.
    Malformed,
    /// The fields of a request were far too large.
    FieldList,
    /// The fields of a request came in too many frames.
    Continuation,
    /// The fields of a request, or another frame, did not come in time.
    HeaderLate,
    /// Too many frames without data, or with next to none.
    EmptyFrames,
    /// Too many changes of settings.
    Settings,
    /// Too many PING frames.
    Pings,
    /// Windows were opened too often, or by too little.
    WindowUpdates,
    /// Too many frames of other kinds.
    OtherFrames,
    /// The client did not answer a PING.
    Silent,
    /// The client accepted nothing for too long.
    TookNothing,
    /// Too many requests were ended because their client sent or took too little.
    Stalled,
    /// What the client sent breaks the rules of the connection (RFC 9113 section 5.4.1).
    Protocol,
}

impl Cut {
    /// Every reason, in order.
    pub const ALL: [Self; 15] = [
        Self::Requests,
        Self::Resets,
        Self::Malformed,
        Self::FieldList,
        Self::Continuation,
        Self::HeaderLate,
        Self::EmptyFrames,
        Self::Settings,
        Self::Pings,
        Self::WindowUpdates,
        Self::OtherFrames,
        Self::Silent,
        Self::TookNothing,
        Self::Stalled,
        Self::Protocol,
    ];

    /// The reason in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Resets => "rapid_reset",
            Self::Malformed => "malformed_requests",
            Self::FieldList => "header_list",
            Self::Continuation => "continuation",
            Self::HeaderLate => "header_late",
            Self::EmptyFrames => "empty_frames",
            Self::Settings => "settings",
            Self::Pings => "ping",
            Self::WindowUpdates => "window_update",
            Self::OtherFrames => "other_frames",
            Self::Silent => "silent",
            Self::TookNothing => "took_nothing",
            Self::Stalled => "stalled",
            Self::Protocol => "protocol_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (place, cut) in Cut::ALL.into_iter().enumerate() {
            assert_eq!(cut as usize, place, "{}", cut.word());
        }
    }
}
