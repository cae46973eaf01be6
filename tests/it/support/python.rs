//! Programs in Python beside this file, run with the modules that `scripts/install-build-tools.sh` puts into
//! `target/python`.

use std::process::Command;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support");
const MISSING: &str = "Some tests need it: scripts/install-build-tools.sh test installs it";
/// Prints those of its arguments that are no modules. It imports none, which would take longer.
const LACKING: &str = "import sys; from importlib.util import find_spec; \
                       print(*[it for it in sys.argv[1:] if find_spec(it) is None])";

/// The program in this file, which needs these modules of the first level.
///
/// Fails the test with the remedy if Python or one of the modules is missing.
#[track_caller]
pub(crate) fn program(file: &str, modules: &[&str]) -> Command {
    let found = Command::new(PYTHON).args(["-c", LACKING]).args(modules).output();
    let found = found.unwrap_or_else(|error| panic!("{PYTHON} ({error}). {MISSING}"));
    let lacking = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "{PYTHON}: {}", String::from_utf8_lossy(&found.stderr));
    assert!(lacking.trim().is_empty(), "no module {} in {PYTHON}. {MISSING}", lacking.trim());
    let mut command = Command::new(PYTHON);
    command.arg(format!("{FOLDER}/{file}"));
    command
}
