//! Values that are one of a few words.
//!
//! The word of a value is defined once, in `word`: the reader, the effective configuration, the
//! documents, the status page and the schema all take it from there.

/// A type with one word for each of its values.
pub trait Word: Copy + 'static {
    /// Every value, in the order in which messages list their words.
    const ALL: &'static [Self];

    /// The word in the file.
    fn word(self) -> &'static str;
}
