//! Values of the keys of logs.

mod field;
mod target;

pub(in crate::config) use field::{FIELD, FIELD_ITEM};
pub(in crate::config) use target::{ERROR_LOG, TARGET};
