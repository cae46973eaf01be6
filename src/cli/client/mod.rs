//! The client of the admin listener, for the commands that use it.

mod address;
mod api;
pub(super) mod default_file;
mod request;
mod target;
mod trust;

#[cfg(test)]
pub(super) use address::Address;
pub(super) use api::{Change, ChangeKind, SampleRequest, no_pool};
pub(super) use request::{AdminClient, ClientError};
pub(super) use target::AdminTarget;
