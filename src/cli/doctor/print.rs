//! Findings as text for people, the gravest first, and as JSON for scripts.

use std::path::Path;

use serde_json::json;

use crate::doctor::{Finding, Level};

/// Every finding in JSON, with the gravest level of all.
pub(super) fn json(file: &Path, pid: Option<u32>, findings: &[Finding]) -> String {
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Fine);
    // A check that was skipped is no reason to look.
    let level = if worst == Level::Skipped { Level::Fine } else { worst };
    let all = json!({ "file": file, "pid": pid, "level": level, "findings": findings });
    format!("{all:#}")
}

/// Every finding as a line, with what mends it below, and a line that sums them up.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for level in [Level::Problem, Level::Warning, Level::Skipped, Level::Fine] {
        for finding in findings.iter().filter(|finding| finding.level == level) {
            text.push_str(&lines(finding));
        }
    }
    text + &summary(findings)
}

fn lines(finding: &Finding) -> String {
    let style = match finding.level {
        Level::Problem => "\x1b[31m",
        Level::Warning => "\x1b[33m",
        Level::Skipped => "\x1b[2m",
        Level::Fine => "\x1b[32m",
    };
    let indent = " ".repeat(25);
    let mut text = format!(
        "{style}{:<9}\x1b[0m{:<15} {}\n",
        finding.level.word(),
        finding.check,
        finding.says
    );
    if let Some(place) = &finding.place {
        text.push_str(&format!("{indent}at: {place}\n"));
    }
    if let Some(mend) = &finding.mend {
        text.push_str(&format!("{indent}do: {mend}\n"));
    }
    text
}

fn summary(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let counted = |level, one: &str| {
        let number = count(level);
        format!("{number} {one}{}", if number == 1 { "" } else { "s" })
    };
    format!(
        "{}, {}, {} skipped, {} fine",
        counted(Level::Problem, "problem"),
        counted(Level::Warning, "warning"),
        count(Level::Skipped),
        count(Level::Fine)
    )
}
