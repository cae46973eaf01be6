//! The errors of HTTP/3 (RFC 9114 section 8.1) and QPACK (RFC 9204 section 6).

/// Why a stream or a connection ends, as the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// Nothing went wrong.
    NoError = 0x100,
    /// `lb` could not do what it should.
    InternalError = 0x102,
    /// A stream that must not exist, or that existed already.
    StreamCreation = 0x103,
    /// A stream ended that must last as long as the connection.
    ClosedCriticalStream = 0x104,
    /// A frame that is not allowed there.
    FrameUnexpected = 0x105,
    /// A frame that breaks off, or of a wrong size.
    FrameError = 0x106,
    /// The client causes more work than its requests are worth.
    ExcessiveLoad = 0x107,
    /// An id that is not allowed there.
    IdError = 0x108,
    /// The settings break the rules.
    SettingsError = 0x109,
    /// The control stream begins with something else.
    MissingSettings = 0x10a,
    /// The request was not looked at, and may be sent again.
    RequestRejected = 0x10b,
    /// The request, or its answer, is given up.
    RequestCancelled = 0x10c,
    /// The stream ended before its request did.
    RequestIncomplete = 0x10d,
    /// The request breaks the rules.
    MessageError = 0x10e,
    /// Fields that cannot be decompressed.
    QpackDecompressionFailed = 0x200,
    /// An instruction of the client's encoder that breaks the rules.
    QpackEncoderStream = 0x201,
    /// An instruction of the client's decoder that breaks the rules.
    QpackDecoderStream = 0x202,
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// What ends because a client breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection.
    Connection(Code),
    /// One request, which is malformed for this reason (RFC 9114 section 4.1.2).
    Malformed(&'static str),
    /// One request, of which nothing has come.
    Incomplete,
    /// One request, whose fields are larger than `lb` reads.
    TooLarge,
}
