//! Tests of whole messages: the corpora, and properties of arbitrary bytes.

mod checks;
mod corpus;
mod properties;
