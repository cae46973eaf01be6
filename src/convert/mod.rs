//! Configurations of other balancers as configurations of `lb`.
//!
//! Text in, text and report out: nothing is read here but what is given, and the caller finds the
//! files that a configuration includes. A translator for each format fills one model, which is
//! written once. Parsers are our own: the crates for these formats are unmaintained, or lose the
//! lines, which the report needs, and both grammars are a page long.

mod document;
mod duration;
mod haproxy;
mod ledger;
mod nginx;
mod paths;
mod pool_name;
mod report;
mod rules;
mod site;
mod source;
mod statement;
mod yaml;

pub use report::{Report, Summary};
pub use source::{Include, Source, SyntaxError};
pub use statement::Place;

use ledger::{Entry, Ledger, Verdict};
use site::Site;
use statement::Statement;

/// A format that can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The configuration of nginx.
    Nginx,
    /// The configuration of HAProxy.
    Haproxy,
}

/// A converted configuration.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// A configuration of `lb`; `None` if nothing in the source can be served, or for HTTP.
    pub document: Option<String>,
    /// What became of each statement.
    pub report: Report,
}

/// The format of a text, by the way in which its lines begin and end; `None` if it looks like neither.
#[must_use]
pub fn recognise(text: &str) -> Option<Format> {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    let lines: Vec<&str> = lines.filter(|it| !it.is_empty() && !it.starts_with('#')).collect();
    let has_section = |line: &&&str| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(haproxy::is_section) && words.count() <= 3
    };
    // A condition of HAProxy ends like a block, too.
    let is_directive =
        |line: &&&str| line.ends_with(';') || line.ends_with('}') && line.contains(';');
    let directives = lines.iter().filter(is_directive).count();
    let sections = lines.iter().filter(has_section).count();
    match (directives, sections) {
        (0, 0) => None,
        // A line of HAProxy hardly ever ends with a semicolon.
        _ if directives >= sections => Some(Format::Nginx),
        _ => Some(Format::Haproxy),
    }
}

/// Converts a configuration.
///
/// # Errors
///
/// If the text is not of this format. A statement that cannot be translated is no error: it is in the
/// report.
pub fn convert(
    format: Format,
    source: &Source<'_>,
    include: Include<'_>,
) -> Result<Conversion, SyntaxError> {
    let mut ledger = Ledger::default();
    let (site, statements) = match format {
        Format::Nginx => {
            let statements = nginx::parse(source, include, &mut ledger)?;
            (nginx::translate(&statements, &mut ledger), statements)
        }
        Format::Haproxy => {
            let statements = haproxy::parse(source, &mut ledger)?;
            (haproxy::translate(&statements, &mut ledger), statements)
        }
    };
    Ok(conclude(format, source.name, &site, &statements, ledger))
}

fn conclude(
    format: Format,
    name: &str,
    site: &Site,
    statements: &[Statement],
    mut ledger: Ledger,
) -> Conversion {
    let (routes, findings) = rules::settle(&site.listeners, &site.pools);
    let unneeded = rules::without_need(site, &routes);
    for (id, verdict) in findings.into_iter().chain(unneeded) {
        ledger.note(id, verdict);
    }
    for (index, pool) in site.pools.iter().enumerate() {
        if !routes.iter().any(|route| route.pool == index) {
            ledger.note(pool.by, Verdict::LeftOut("no route leads to it".to_owned()));
        }
    }
    let advice = match format {
        Format::Nginx => nginx::advice,
        Format::Haproxy => haproxy::advice,
    };
    let entries: Vec<Entry> = ledger.finish(statements, &advice);
    let mut report = Report::new(name, entries);
    let missing = match () {
        () if site.listeners.is_empty() => Some("it listens on no address that lb can serve"),
        () if routes.is_empty() => Some("it sends no request to a backend over HTTP"),
        () => None,
    };
    let document = match missing {
        None => Some(document::write(site, &routes, &report)),
        Some(reason) => {
            report.fail(reason);
            None
        }
    };
    Conversion { document, report }
}
