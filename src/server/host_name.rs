//! The name of the machine, for people who look at several.

use std::{env, path::Path};

use crate::files;

/// The file in which the system tells it.
const FILE: &str = "/proc/sys/kernel/hostname";

/// Returns the name of the machine or the container; empty if the system does not tell it.
pub(super) fn host_name() -> String {
    let told = files::read_text(Path::new(FILE)).ok().or_else(|| env::var("HOSTNAME").ok());
    told.unwrap_or_default().trim().to_owned()
}
