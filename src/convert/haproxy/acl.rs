//! Conditions: tests of host and path, alone and combined.
//!
//! A condition is a list of alternatives, each of which is a list of tests that must all pass. What
//! `lb` can decide on is the host, the path, and whether there is TLS; anything else is an error,
//! with the reason.

use std::collections::HashMap;

use crate::config;
use crate::convert::{
    paths::{self, Pattern},
    site::Host,
    statement::Statement,
};

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Always,
    Hosts(Vec<Host>),
    Paths(Vec<String>),
    Tls,
}

/// An alternative of a condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Alternative {
    /// Empty for any.
    pub(super) hosts: Vec<Host>,
    /// Empty for any.
    pub(super) paths: Vec<String>,
    pub(super) tls: Option<bool>,
    /// Paths that it is not for.
    pub(super) other_paths: Vec<String>,
}

/// A condition that `lb` can decide, and how it differs from what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) alternatives: Vec<Alternative>,
    pub(super) differences: Vec<String>,
}

/// The named tests of a section.
#[derive(Debug, Default)]
pub(super) struct Acls<'a> {
    /// A name may have several lines, one of which must pass.
    lines: HashMap<&'a str, Vec<&'a Statement>>,
}

type Judged = Result<(Test, Vec<String>), String>;

impl<'a> Acls<'a> {
    pub(super) fn new(lines: impl Iterator<Item = &'a Statement>) -> Self {
        let mut acls = Self::default();
        for line in lines {
            acls.lines.entry(line.arg(0).unwrap_or_default()).or_default().push(line);
        }
        acls
    }

    /// The lines of this name.
    pub(super) fn lines_of(&self, name: &str) -> &[&'a Statement] {
        self.lines.get(name).map_or(&[], Vec::as_slice)
    }

    /// Reads `if …` or `unless …`; an empty list of words is always true. The names of the tests that
    /// were used are added to `used`.
    pub(super) fn condition(
        &self,
        words: &[String],
        used: &mut Vec<String>,
    ) -> Result<Condition, String> {
        let (is_unless, words) = match words.split_first() {
            None => (false, words),
            Some((first, rest)) if first == "if" => (false, rest),
            Some((first, rest)) if first == "unless" => (true, rest),
            Some((first, _)) => return Err(format!("`{first}` is not known to lb convert")),
        };
        let mut condition = Condition::default();
        let mut current = Alternative::default();
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            if word == "or" || word == "||" {
                condition.alternatives.push(std::mem::take(&mut current));
                continue;
            }
            let (is_negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word.as_str()),
            };
            let tests =
                if name == "{" || (name.is_empty() && rest.first().is_some_and(|it| it == "{")) {
                    if name.is_empty() {
                        rest = rest.get(1..).unwrap_or_default();
                    }
                    let end = rest.iter().position(|it| it == "}").ok_or("a { has no }")?;
                    let test = judge(rest.get(..end).unwrap_or_default());
                    rest = rest.get(end + 1..).unwrap_or_default();
                    vec![test]
                } else {
                    used.push(name.to_owned());
                    self.named(name)?
                };
            let (test, differences) = any_of(tests)?;
            condition.differences.extend(differences);
            add(&mut current, test, is_negated != is_unless)?;
        }
        condition.alternatives.push(current);
        if is_unless && (words.iter().any(|it| it == "or" || it == "||") || words.is_empty()) {
            return Err("lb convert does not turn such a condition around".to_owned());
        }
        Ok(condition)
    }

    fn named(&self, name: &str) -> Result<Vec<Judged>, String> {
        match name {
            "TRUE" => return Ok(vec![Ok((Test::Always, Vec::new()))]),
            "FALSE" | "HTTP" | "LOCALHOST" => return Err(format!("lb does not test {name}")),
            _ if name.starts_with("METH_") || name.starts_with("HTTP_") => {
                return Err("lb's routes look at host and path only".to_owned());
            }
            _ => {}
        }
        let lines = self.lines.get(name).ok_or_else(|| format!("there is no acl {name}"))?;
        Ok(lines.iter().map(|line| judge(line.args().get(1..).unwrap_or_default())).collect())
    }
}

/// Joins tests of which one must pass.
fn any_of(tests: Vec<Judged>) -> Judged {
    let mut joined: Option<Test> = None;
    let mut differences = Vec::new();
    for test in tests {
        let (test, more) = test?;
        differences.extend(more);
        joined = Some(match (joined, test) {
            (None, test) => test,
            (Some(Test::Hosts(mut all)), Test::Hosts(more)) => {
                all.extend(more);
                Test::Hosts(all)
            }
            (Some(Test::Paths(mut all)), Test::Paths(more)) => {
                all.extend(more);
                Test::Paths(all)
            }
            _ => return Err("it tests host or path under one name".to_owned()),
        });
    }
    joined.map(|test| (test, differences)).ok_or_else(|| "it tests nothing".to_owned())
}

fn add(to: &mut Alternative, test: Test, is_negated: bool) -> Result<(), String> {
    match (test, is_negated) {
        (Test::Always, false) => {}
        (Test::Tls, is_negated) => to.tls = Some(!is_negated),
        (Test::Hosts(hosts), false) if to.hosts.is_empty() => to.hosts = hosts,
        (Test::Paths(paths), false) if to.paths.is_empty() => to.paths = paths,
        (Test::Paths(paths), true) => to.other_paths.extend(paths),
        (_, false) => return Err("it tests host or path twice".to_owned()),
        (_, true) => return Err("lb's routes cannot say which hosts they are not for".to_owned()),
    }
    Ok(())
}

/// What a criterion with its flags and patterns tests.
fn judge(words: &[String]) -> Judged {
    let Some((criterion, rest)) = words.split_first() else {
        return Err("it tests nothing".to_owned());
    };
    let mut method = None;
    let mut patterns = Vec::new();
    let mut ignores_case = false;
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-i" => ignores_case = true,
            "-n" | "-u" | "--" => {}
            "-m" => method = rest.next().map(String::as_str),
            "-f" | "-M" => return Err("lb convert reads no file of patterns".to_owned()),
            pattern => patterns.push(pattern),
        }
    }
    let lower = criterion.to_ascii_lowercase();
    let name = lower.strip_prefix("req.").unwrap_or(&lower);
    match name {
        "always_true" => return Ok((Test::Always, Vec::new())),
        "ssl_fc" => return Ok((Test::Tls, Vec::new())),
        _ => {}
    }
    if let Some(kind) = of_host(name) {
        return hosts(method.unwrap_or(kind), &patterns);
    }
    if let Some(kind) = of_path(name) {
        let (test, mut differences) = by_path(method.unwrap_or(kind), &patterns, ignores_case)?;
        if ignores_case {
            differences.push("lb compares paths with their case".to_owned());
        }
        return Ok((test, differences));
    }
    Err(format!("lb's routes look at host and path, not at {criterion}"))
}

/// How a criterion compares the host; `None` for one that is about something else.
fn of_host(name: &str) -> Option<&'static str> {
    let (base, converters) = name.split_once(')').map_or((name, ""), |(base, rest)| (base, rest));
    let is_known = |it: &str| {
        matches!(
            it,
            "" | "lower" | "host_only" | "field(1,:)" | "word(1,:)" | "field(1" | "word(1" | ":)"
        )
    };
    if !converters.split(',').all(is_known) {
        return None;
    }
    match base {
        "hdr(host" | "hdr_str(host" | "fhdr(host" | "ssl_fc_sni" | "ssl_sni" => Some("str"),
        "hdr_end(host" | "ssl_fc_sni_end" => Some("end"),
        "hdr_dom(host" => Some("dom"),
        "hdr_beg(host" | "hdr_sub(host" | "hdr_reg(host" => Some("other"),
        _ => None,
    }
}

fn of_path(name: &str) -> Option<&'static str> {
    match name {
        "path" | "path_str" | "pathq" => Some("str"),
        "path_beg" | "url_beg" => Some("beg"),
        "path_reg" => Some("reg"),
        "path_dir" | "path_end" | "path_sub" | "path_len" | "path_dom" => Some("other"),
        _ => None,
    }
}

fn hosts(method: &str, patterns: &[&str]) -> Judged {
    let mut hosts = Vec::new();
    let mut differences = Vec::new();
    for pattern in patterns {
        let pattern = pattern.to_ascii_lowercase();
        let name = pattern.split_once(':').map_or(pattern.as_str(), |(name, _)| name);
        let bare = name.trim_start_matches('.');
        match method {
            "str" => hosts.push(Host::Exact(name.to_owned())),
            "end" if name.starts_with('.') => hosts.push(Host::Suffix(name.to_owned())),
            "end" | "dom" => {
                hosts.extend([Host::Exact(bare.to_owned()), Host::Suffix(format!(".{bare}"))]);
                differences.push(format!("in lb it is for {bare} and *.{bare}"));
            }
            _ => return Err("lb's routes have a host, or *. and the end of one".to_owned()),
        }
    }
    if hosts.is_empty() {
        return Err("it tests no host".to_owned());
    }
    for host in &hosts {
        let text = match host {
            Host::Exact(host) => host.clone(),
            Host::Suffix(suffix) => format!("*{suffix}"),
            Host::Any => continue,
        };
        config::check_value("routes[].host", &text).map_err(|message| format!("host {message}"))?;
    }
    Ok((Test::Hosts(hosts), differences))
}

fn by_path(method: &str, patterns: &[&str], ignores_case: bool) -> Judged {
    let mut all = Vec::new();
    let mut differences = Vec::new();
    for pattern in patterns {
        let Pattern { prefixes, difference, .. } = match method {
            "str" if pattern.starts_with('/') => paths::exact(pattern),
            "beg" if pattern.starts_with('/') => paths::prefix(pattern),
            "reg" => paths::by_regex(pattern, ignores_case)?,
            _ => return Err("lb's routes have a path that requests begin with".to_owned()),
        };
        all.extend(prefixes);
        differences.extend((!difference.is_empty()).then_some(difference));
    }
    if all.is_empty() {
        return Err("it tests no path".to_owned());
    }
    for path in &all {
        config::check_value("routes[].path", path).map_err(|message| format!("path {message}"))?;
    }
    Ok((Test::Paths(all), differences))
}
