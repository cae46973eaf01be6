//! The documents keep their promises: every command in them is run, every configuration loads, and
//! every link leads somewhere.
//!
//! A page is one session: its blocks run in order, in a folder of their own, as a reader would type
//! them. The word behind the language of a block says what is special about it, and no reader sees it:
//!
//! | block | meaning |
//! |---|---|
//! | `sh` | commands, which succeed |
//! | `sh serves` | commands, the last of which serves until the page ends |
//! | `sh needs=REASON` | commands that a test cannot run; their form is checked |
//! | `text` that begins with `$` | a command and its output, in which numbers may differ |
//! | `yaml` | a configuration, or some of its top-level keys |
//! | `yaml file=NAME` | the same, as the file of this name in the folder |
//! | `yaml of=PROGRAM` | YAML of another program |
//! | `nginx`, `haproxy` | a configuration that this program takes, where it is installed |
//!
//! `<!-- file=NAME` and `<!-- sh` in a line of their own begin a block that readers do not see, and
//! `-->` ends it.

/// The OpenAPI file describes the real listener.
mod api;
/// Commands that are not run have the form that the program takes.
mod commands;
/// Configurations load.
mod configurations;
/// Links lead somewhere, and the book has every page.
mod links;
/// Configurations of other proxies are what they take.
mod others;
/// A page taken apart.
mod page;
/// The README is short, and agrees with the book.
mod readme;
/// Blocks run in order.
mod session;

pub(crate) use session::run_page;
