//! From YAML text to values: a tree that knows its lines, and readers that record problems.

mod cursor;
mod firsts;
mod order;
mod report;
mod section;
mod setting;
mod syntax;
mod tree;
mod unknown;
mod written;

pub(super) use cursor::Cursor;
pub(super) use firsts::Firsts;
pub(super) use order::{Order, Side};
pub(super) use report::Report;
pub(super) use section::{Section, from_nothing};
pub(super) use setting::Setting;
pub(super) use tree::{Entry, Node, Value, read as read_tree};
