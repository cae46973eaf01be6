//! What holds for whole messages: the corpora, and what is true of any bytes.

mod checks;
mod corpus;
mod properties;
