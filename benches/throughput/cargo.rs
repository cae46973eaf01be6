//! The other program of the bench. Cargo puts it into a file whose name ends in a hash, so cargo
//! has to be asked for it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

/// The bare proxy with our allocator, which cargo builds if necessary. `None` if the bench was not
/// started by cargo, or the build fails.
pub(crate) fn bare() -> Option<PathBuf> {
    static BARE: LazyLock<Option<PathBuf>> = LazyLock::new(|| executable("bare"));
    BARE.clone()
}

/// The executable of a bench target, built like this one.
fn executable(target: &str) -> Option<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO")?);
    command.args(["bench", "--no-run", "--message-format=json", "--bench", target]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    // The folder in which this bench was built, regardless of cargo's settings at that time.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    command.arg("--target-dir").arg(folder);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().ok()?;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let mut messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let artifact = messages.find(|message| message["target"]["name"] == target)?;
    Some(artifact["executable"].as_str()?.into())
}
