//! What a word of another balancer means here.

/// What to do with a word.
pub(in crate::config::advice) enum Use {
    /// It is this key of the same mapping.
    Key(&'static str),
    /// It is a feature that does not exist yet: the message goes on behind "not yet:".
    NotYet(&'static str),
    /// The whole message.
    Message(&'static str),
}

/// Words, and what to do with them.
pub(super) type Meanings = &'static [(&'static [&'static str], Use)];
