//! From the text of nginx to statements.

mod include;
mod text;

pub(crate) use include::parse;
