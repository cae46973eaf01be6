//! Paths of other balancers as prefixes on segment boundaries, and how they differ from what was written.

/// The paths of a location or a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) prefixes: Vec<String>,
    pub(super) kind: Kind,
    /// How the prefixes differ from the pattern; empty if they do not.
    pub(super) difference: String,
}

/// How a location is matched, in the order in which nginx prefers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Exact,
    Regex,
    Prefix,
}

/// The paths of a location with these arguments; an error says why `lb` cannot tell them apart.
pub(super) fn of_location(args: &[String]) -> Result<Pattern, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["=", path] => Ok(exact(path)),
        ["~", regex] => by_regex(regex, false),
        ["~*", regex] => by_regex(regex, true),
        ["^~", path] => Ok(prefix(path)),
        [name] if name.starts_with('@') => Err("only other locations lead to it".to_owned()),
        [path] => match path.strip_prefix('=') {
            Some(path) => Ok(exact(path)),
            None => Ok(prefix(path)),
        },
        _ => Err("it is not a location as nginx has them".to_owned()),
    }
}

/// This path and no other.
pub(super) fn exact(path: &str) -> Pattern {
    let difference =
        format!("a path of lb is a prefix: {} is for all below it, too", trimmed(path));
    Pattern { prefixes: vec![trimmed(path)], kind: Kind::Exact, difference }
}

/// All paths that begin with this text.
pub(super) fn prefix(path: &str) -> Pattern {
    let short = trimmed(path);
    let difference = match short.as_str() {
        "/" => String::new(),
        _ if path.ends_with('/') => format!("{short} itself belongs to it, too"),
        _ => format!(
            "a path of lb ends where a segment ends: {short} and {short}/x, and not {short}x"
        ),
    };
    Pattern { prefixes: vec![short], kind: Kind::Prefix, difference }
}

/// The path without slashes at its end, as `lb` reads it.
fn trimmed(path: &str) -> String {
    let short = path.trim_end_matches('/');
    if short.is_empty() { "/".to_owned() } else { short.to_owned() }
}

/// A regular expression that is a few prefixes: `^/api/`, `^/(a|b)(/|$)`, `^/api/v[12]/.*`.
pub(super) fn by_regex(regex: &str, ignores_case: bool) -> Result<Pattern, String> {
    let unknown = || {
        "lb has no regular expressions in routes: its requests go where the rest of their path leads \
         (write routes with a path for those that matter)"
            .to_owned()
    };
    let rest = regex.strip_prefix('^').ok_or_else(unknown)?;
    let ends = [
        "(/|$)",
        "(?:/|$)",
        "(/.*)?$",
        "(?:/.*)?$",
        "/?$",
        "/.*$",
        "/.*",
        "/(.*)$",
        "/(.*)",
        "/.+",
        "(.*)$",
        ".*$",
        ".*",
        "$",
    ];
    let end = ends.into_iter().find(|end| rest.ends_with(end)).unwrap_or("");
    let body = rest.strip_suffix(end).unwrap_or(rest);
    let prefixes: Vec<String> =
        alternatives(body).ok_or_else(unknown)?.iter().map(|path| trimmed(path)).collect();
    let is_path = |path: &String| path.starts_with('/') && (path != "/" || end.contains(".*"));
    if !prefixes.iter().all(is_path) || prefixes.is_empty() {
        return Err(unknown());
    }
    let shown = prefixes.join(", ");
    let difference = match (ignores_case, end) {
        (true, _) => format!("lb compares {shown} with its case, and to the end of a segment"),
        (false, "$" | "/?$") => {
            format!("a path of lb is a prefix: {shown} is for all below it, too")
        }
        (false, _) => format!("a path of lb ends where a segment ends: {shown}"),
    };
    Ok(Pattern { prefixes, kind: Kind::Regex, difference })
}

/// The texts that a regular expression of literals and one group of alternatives stands for.
fn alternatives(regex: &str) -> Option<Vec<String>> {
    let Some((before, rest)) = regex.split_once('(') else { return Some(vec![literal(regex)?]) };
    let (group, after) = rest.split_once(')')?;
    let group = group.strip_prefix("?:").unwrap_or(group);
    let (before, after) = (literal(before)?, literal(after)?);
    group.split('|').map(|it| Some(format!("{before}{}{after}", literal(it)?))).collect()
}

/// The text that a regular expression without operators stands for.
fn literal(regex: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| !c.is_alphanumeric())?),
            '.' | '*' | '+' | '?' | '[' | ']' | '(' | ')' | '{' | '}' | '|' | '^' | '$' => {
                return None;
            }
            c => text.push(c),
        }
    }
    Some(text)
}
