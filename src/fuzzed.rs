//! What fuzzing has found worth keeping, which the ordinary tests read too.

use std::{fs, path::Path};

/// Runs the check of a target on every input of its corpus.
#[track_caller]
pub(crate) fn each_input(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(&folder).expect("the corpus is there").collect();
    assert!(!inputs.is_empty(), "{}", folder.display());
    for input in inputs {
        check(&fs::read(input.expect("readable").path()).expect("readable"));
    }
}
