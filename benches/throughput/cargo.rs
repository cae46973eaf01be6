//! What cargo knows: where it has put the other program of the bench, in a file whose name ends in a
//! number that nobody else can tell.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use serde_json::Value;

/// The bare proxy with our allocator. None where the bench was not started by cargo, or cargo cannot
/// build it: it builds it here, if it has not yet.
pub(crate) fn bare() -> Option<PathBuf> {
    static BARE: LazyLock<Option<PathBuf>> = LazyLock::new(|| executable("bare"));
    BARE.clone()
}

/// Of a bench target, built as this one.
fn executable(target: &str) -> Option<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO")?);
    command.args(["bench", "--no-run", "--message-format=json", "--bench", target]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    // Where this one was built, whatever cargo was told then.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    command.arg("--target-dir").arg(folder);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().ok()?;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let mut messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let artifact = messages.find(|message| message["target"]["name"] == target)?;
    Some(artifact["executable"].as_str()?.into())
}
