//! What the process log says: which backends were taken out, and when; and lines that must not be
//! there.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::ledger::{Notice, What};

/// Never in the log of a process that goes on well.
const COMPLAINTS: [&str; 4] = ["panicked", "internal error", "not reloaded", "not handed over"];

/// The notices in these lines about backends at these addresses. `began` is the beginning of the run.
pub(super) fn notices(lines: &[String], backends: &[String], began: SystemTime) -> Vec<Notice> {
    lines.iter().filter_map(|line| notice(line, backends, began)).collect()
}

fn notice(line: &str, backends: &[String], began: SystemTime) -> Option<Notice> {
    let read: Value = serde_json::from_str(line).ok()?;
    let what = match read["msg"].as_str()? {
        "backend ejected" => What::Ejected,
        "backend unhealthy" => What::Unhealthy,
        _ => return None,
    };
    if what == What::Unhealthy && read["failures"] == 1 {
        // The first check of a process that does not serve yet: it may be late while the process
        // starts, and what it says is replaced by what the process before knows.
        return None;
    }
    let backend = backends.iter().position(|address| read["address"] == **address)?;
    let time = humantime::parse_rfc3339(read["time"].as_str()?).ok()?;
    let at: Duration = time.duration_since(began).unwrap_or_default();
    Some(Notice { at, backend, what, text: line.to_owned() })
}

/// The lines that must not be there.
pub(super) fn complaints(lines: &[String]) -> impl Iterator<Item = String> {
    lines.iter().filter(|line| COMPLAINTS.iter().any(|sign| line.contains(sign))).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_backend_was_taken_out_and_when() {
        let began = humantime::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let backends = ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
        let line = r#"{"time":"2026-01-01T00:00:01.500Z","level":"warn","target":"lb","msg":"backend ejected","pool":"web","backend":"127.0.0.1:2","address":"127.0.0.1:2","reason":"reset"}"#;
        let found = notices(&[line.to_owned()], &backends, began);
        let [Notice { at, backend: 1, what: What::Ejected, .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(*at, Duration::from_millis(1_500));
        let checked = line.replace("ejected", "unhealthy");
        let failures =
            |count| checked.replace(r#""reason""#, &format!(r#""failures":{count},"reason""#));
        assert!(notices(&[failures(1)], &backends, began).is_empty());
        assert_eq!(notices(&[failures(3)], &backends, began)[0].what, What::Unhealthy);
        let other = line.replace("ejected", "readmitted");
        assert!(notices(&[other, "no JSON".to_owned()], &backends, began).is_empty());
    }
}
