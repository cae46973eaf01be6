//! What is wrong with the configuration on this machine: the file, names, certificates, permissions.

use std::time::Duration;

use super::or_fine;
use crate::config::{Origin, Problem};
use crate::doctor::{facts::Facts, finding::Finding};

/// A reload waits for the look-ups, and a resolver this slow is about to fail.
const SLOW: Duration = Duration::from_secs(2);
/// The name of the check.
const FILE: &str = "configuration";
const NAMES: &str = "names";
const CERTIFICATES: &str = "certificates";
const PERMISSIONS: &str = "permissions";

/// The configuration file itself.
pub(super) fn file(facts: &Facts) -> Vec<Finding> {
    let configuration = &facts.configuration;
    let (problems, warnings) = (&configuration.problems, &configuration.warnings);
    let found = told(FILE, facts, problems, Finding::problem);
    let found = found.chain(told(FILE, facts, warnings, Finding::warning)).collect();
    or_fine(found, || Finding::fine(FILE, format!("{} has no problem", facts.file.display())))
}

/// The names of backends.
pub(super) fn names(facts: &Facts) -> Vec<Finding> {
    let Some(config) = &facts.configuration.config else { return vec![not_read(NAMES)] };
    let configuration = &facts.configuration;
    let mut found: Vec<_> = told(NAMES, facts, &configuration.names, Finding::problem).collect();
    let took = configuration.looking_up;
    if took > SLOW {
        let says = format!(
            "looking up the names of backends took {:.1}s, and a start or a reload waits for that",
            took.as_secs_f64()
        );
        found.push(
            Finding::warning(NAMES, says, "see the name servers in it").at("/etc/resolv.conf"),
        );
    }
    let backends = configuration.backends.len();
    let written: usize = config.pools.iter().map(|pool| pool.backends.len()).sum();
    or_fine(found, || {
        Finding::fine(NAMES, format!("backends in the file: {written}, with addresses: {backends}"))
    })
}

/// Certificates in files, and what is needed to get others.
pub(super) fn certificates(facts: &Facts) -> Vec<Finding> {
    if facts.configuration.config.is_none() {
        return vec![not_read(CERTIFICATES)];
    }
    let configuration = &facts.configuration;
    let problems = told(CERTIFICATES, facts, &configuration.certificates, Finding::problem);
    let warnings = &configuration.certificate_warnings;
    let found = problems.chain(told(CERTIFICATES, facts, warnings, Finding::warning)).collect();
    or_fine(found, || match configuration.days_left {
        Some(days) => {
            Finding::fine(CERTIFICATES, format!("the first one to end is valid for {days} days"))
        }
        None => Finding::fine(CERTIFICATES, "no certificate is in a file"),
    })
}

/// What the user of the process may read and write.
pub(super) fn permissions(facts: &Facts) -> Vec<Finding> {
    let paths = match &facts.configuration.paths {
        Ok(paths) => paths,
        Err(reason) => return vec![Finding::skipped(PERMISSIONS, reason.clone())],
    };
    let unusable = |it: &crate::doctor::PathFacts| {
        let path = it.path.display();
        let error = it.error.as_ref()?;
        let user = facts.configuration.config.as_ref().and_then(|it| it.process.user.as_deref());
        let says = format!("{}: the user that lb runs as cannot use {path}: {error}", it.key);
        let mend = match user {
            Some(user) => format!("chown {user} {path}"),
            None => format!("ls -ld {path} shows its owner: chown it, or run lb as that user"),
        };
        Some(Finding::problem(PERMISSIONS, says, mend).at(path.to_string()))
    };
    let found = paths.iter().filter_map(unusable).collect();
    or_fine(found, || {
        Finding::fine(PERMISSIONS, format!("files and folders that lb can use: {}", paths.len()))
    })
}

fn told<'a>(
    check: &'static str,
    facts: &'a Facts,
    problems: &'a [Problem],
    kind: fn(&'static str, String, String) -> Finding,
) -> impl Iterator<Item = Finding> + 'a {
    let file = facts.file.display();
    problems.iter().map(move |problem| {
        let mend = format!("mend it there, and see that it is: lb -t -c {file}");
        let key = &problem.origin.key;
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        let place = Origin { key: "".into(), ..problem.origin.clone() };
        kind(check, format!("{key}{}", problem.message), mend).at(place.to_string())
    })
}

fn not_read(check: &'static str) -> Finding {
    Finding::skipped(check, "the configuration has problems")
}
