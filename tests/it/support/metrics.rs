//! The answers of a process's admin listener, with its token.

use std::net::SocketAddr;

use serde_json::Value;

use super::{
    client::{Connection, Response},
    process::{LbProcess, address_in},
};

/// The line of the configuration for a listener that [`Asked`] can ask.
pub(crate) const ADMIN: &str = "admin: { address: 127.0.0.1:0, token: 0123456789abcdef-secret }";
/// The token of that listener.
pub(crate) const TOKEN: &str = "0123456789abcdef-secret";

/// The admin listener of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(pub SocketAddr);

impl Asked {
    /// The admin listener of this process, which has [`ADMIN`] in its configuration.
    #[track_caller]
    pub(crate) fn of(lb: &mut LbProcess) -> Self {
        Self(address_in(&lb.wait_for_log("admin listening")).expect("its address"))
    }

    /// The answer of its API.
    #[track_caller]
    pub(crate) fn api(self, path: &str) -> Value {
        let answer = self.get(path);
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{path}: {}", answer.text()))
    }

    /// All metrics.
    #[track_caller]
    pub(crate) fn scrape(self) -> Scrape {
        Scrape::read(self.get("/metrics").text())
    }

    #[track_caller]
    fn get(self, path: &str) -> Response {
        let bearer = format!("Bearer {TOKEN}");
        let mut connection = Connection::open(self.0).expect("a connection");
        let answer = connection.request("GET", path, &[("Authorization", &bearer)], b"");
        let answer = answer.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }
}

/// The result of a scrape.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// The text as it came.
    pub text: String,
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Scrape {
    fn read(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let series = lines.map(|line| Series::read(line).unwrap_or_else(|| panic!("{line}")));
        Self { series: series.collect(), text }
    }

    /// The sum of a metric's series that have these labels; fails the test if there is none.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        let has = |series: &Series, (label, value): &(&str, &str)| {
            series.labels.iter().any(|one| (&*one.0, &*one.1) == (*label, *value))
        };
        let mut such = self
            .series
            .iter()
            .filter(|series| series.name == name && labels.iter().all(|label| has(series, label)))
            .peekable();
        assert!(such.peek().is_some(), "no {name} with {labels:?}");
        let sum: f64 = such.map(|series| series.value).sum();
        // The values are counts.
        format!("{sum:.0}").parse().expect("a count")
    }

    /// The sums of a metric's series by the value of a label, without those that are 0.
    pub(crate) fn by(&self, name: &str, label: &str) -> Vec<(String, usize)> {
        let mut values: Vec<_> = self
            .series
            .iter()
            .filter(|series| series.name == name)
            .flat_map(|series| series.labels.iter().filter(|one| one.0 == label))
            .map(|one| one.1.clone())
            .collect();
        values.sort();
        values.dedup();
        let sums = values.into_iter().map(|value| {
            let sum = self.sum(name, &[(label, &value)]);
            (value, sum)
        });
        sums.filter(|(_, sum)| *sum > 0).collect()
    }
}

impl Series {
    fn read(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}')?.split(',').filter(|pair| !pair.is_empty());
        let labels = labels.map(|pair| {
            let (label, value) = pair.split_once('=')?;
            Some((label.to_owned(), value.trim_matches('"').to_owned()))
        });
        let labels = labels.collect::<Option<_>>()?;
        Some(Self { name: name.to_owned(), labels, value: value.parse().ok()? })
    }
}
