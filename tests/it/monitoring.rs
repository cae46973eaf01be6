//! The files in `deploy/` for Prometheus and Grafana agree with the list of metrics in `docs/`, which a
//! test of the metrics compares with a scrape.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::support::{process::new_folder, prometheus::promtool};

const RULES: &str = "deploy/prometheus.rules.yaml";
const SITUATIONS: &str = "deploy/prometheus.rules.test.yaml";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cells of the rows of a file's tables, without their heads.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The words of a cell that are code.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The metrics as the documents list them.
struct Told {
    /// The metrics by name, and whether each is a histogram.
    metrics: BTreeMap<String, bool>,
    /// Every value of the labels whose values the code chooses.
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Told {
    fn read() -> Self {
        let text = read("docs/src/reference/metrics.md");
        let (mut metrics, mut values) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        let (first, second) = text.split_once("\n## ").expect("two tables");
        for row in rows(first) {
            metrics.insert(words(row[0])[0].to_owned(), row[1] == "histogram");
        }
        for row in rows(second).iter().filter(|row| !words(row[2]).is_empty()) {
            let all = words(row[2]).into_iter().map(str::to_owned);
            values.entry(words(row[0])[0].to_owned()).or_default().extend(all);
        }
        assert!(metrics.len() > 20 && values.len() > 4, "{metrics:?} {values:?}");
        Self { metrics, values }
    }

    fn has(&self, name: &str) -> bool {
        let suffixes = ["_bucket", "_sum", "_count"];
        let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        match self.metrics.get(name) {
            Some(is_histogram) => !is_histogram,
            None => base.is_some_and(|base| self.metrics.get(base) == Some(&true)),
        }
    }
}

/// The metrics that an expression asks for.
fn asked(expression: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    let names = expression.split(|c| !is_part(c));
    names.filter(|name| name.contains("lb_") || name.starts_with("process_")).collect()
}

/// The labels that an expression compares with fixed values, and those values.
fn compared(expression: &str) -> Vec<(&str, Vec<&str>)> {
    let pieces: Vec<_> = expression.split('"').collect();
    let pairs = pieces.chunks_exact(2);
    pairs
        .map(|pair| {
            let before = pair[0].trim_end_matches(['=', '~', '!']);
            let label = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next();
            (label.expect("a piece at least"), pair[1].split('|').collect())
        })
        .collect()
}

/// A rule, or a query of the dashboard.
struct Asks {
    what: String,
    expression: String,
}

/// Reads every rule of the file.
fn with_rules<T>(mut ask: impl FnMut(&Yaml<'_>) -> T) -> Vec<T> {
    let text = read(RULES);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{RULES}: {error}"));
    let groups = documents[0]["groups"].as_sequence().expect("a list");
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().expect("a list"));
    rules.map(&mut ask).collect()
}

fn of_rules() -> Vec<Asks> {
    with_rules(|rule| {
        let name = rule.as_mapping_get("alert").or(rule.as_mapping_get("record"));
        Asks {
            what: name.and_then(|name| name.as_str()).expect("a name").to_owned(),
            expression: rule["expr"].as_str().expect("a string").to_owned(),
        }
    })
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana.json")).expect("JSON")
}

/// The queries of the dashboard, with values for Grafana's variables.
fn of_dashboard() -> Vec<Asks> {
    let dashboard = dashboard();
    let mut all = vec![];
    let annotations = dashboard["annotations"]["list"].as_array().expect("a list");
    for one in annotations.iter().chain(dashboard["panels"].as_array().expect("a list")) {
        let what = one["name"].as_str().or(one["title"].as_str()).expect("a name");
        let targets = one["targets"].as_array();
        for one in targets.into_iter().flatten().chain([one]) {
            let Some(expression) = one["expr"].as_str() else { continue };
            let mut expression = expression.to_owned();
            for (variable, value) in [
                ("$__rate_interval", "5m"),
                ("$__interval", "1m"),
                ("$instance", ".*"),
                ("$pool", ".*"),
            ] {
                expression = expression.replace(variable, value);
            }
            assert!(!expression.contains('$'), "{what}: {expression}");
            all.push(Asks { what: what.to_owned(), expression });
        }
    }
    assert!(all.len() > 30, "{} queries", all.len());
    all
}

#[test]
fn every_metric_and_label_that_is_queried_exists() {
    let told = Told::read();
    let recorded: Vec<_> = of_rules().into_iter().map(|rule| rule.what).collect();
    for Asks { what, expression } in of_rules().into_iter().chain(of_dashboard()) {
        let names = asked(&expression);
        for name in &names {
            let is_there = told.has(name) || recorded.iter().any(|one| one == name);
            assert!(is_there, "{what}: there is no metric {name}");
        }
        assert!(!names.is_empty() || expression.contains("up{"), "{what} asks for nothing of ours");
        for (label, values) in compared(&expression) {
            let Some(known) = told.values.get(label) else { continue };
            let unknown: Vec<_> = values.iter().filter(|value| !known.contains(**value)).collect();
            assert!(unknown.is_empty(), "{what}: {label} is never {unknown:?}");
        }
    }
}

#[test]
fn prometheus_accepts_the_rules_and_every_query_of_the_dashboard() {
    promtool(&["check", "rules", path(RULES).to_str().unwrap()], "");
    // The token is in a file of the machine where it runs.
    let config = path("deploy/prometheus.yaml");
    promtool(&["check", "config", "--syntax-only", config.to_str().unwrap()], "");

    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, Asks { expression, .. }) in of_dashboard().iter().enumerate() {
        let quoted = serde_json::to_string(expression).unwrap();
        rules += &format!("      - {{ record: \"query:{number}\", expr: {quoted} }}\n");
    }
    let folder = new_folder();
    let file = folder.path().join("rules.yaml");
    fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()], "");
}

#[test]
fn every_alert_fires_where_it_should_and_nowhere_else() {
    promtool(&["test", "rules", path(SITUATIONS).to_str().unwrap()], "");
    let situations = read(SITUATIONS);
    for Asks { what, .. } in of_rules().iter().filter(|rule| !rule.what.contains(':')) {
        let fires = format!("alertname=\"{what}\"");
        assert!(situations.contains(&fires), "no situation in which {what} fires");
    }
}

#[test]
fn every_alert_has_a_severity_and_a_next_step() {
    let alerts = with_rules(|rule| {
        let Some(name) = rule.as_mapping_get("alert").and_then(|name| name.as_str()) else {
            return false;
        };
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{name}: {severity:?}");
        assert!(rule["for"].as_str().is_some(), "{name} has no `for`");
        for part in ["summary", "description"] {
            let words = rule["annotations"][part].as_str().unwrap_or_default();
            assert!(words.split(' ').count() > 4, "{name} has no {part}: {words:?}");
        }
        true
    });
    assert!(alerts.into_iter().filter(|is_alert| *is_alert).count() > 15);
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    let input = &dashboard["__inputs"][0];
    assert_eq!((&input["type"], &input["pluginId"]), (&"datasource".into(), &"prometheus".into()));
    let source = format!("${{{}}}", input["name"].as_str().expect("a name"));
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives the number");
    let variables: Vec<_> =
        dashboard["templating"]["list"].as_array().expect("a list").iter().collect();
    let names: Vec<_> = variables.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["instance", "pool"]);

    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let panels = dashboard["panels"].as_array().expect("a list");
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(
            ids.insert(panel["id"].as_u64().expect("a number")),
            "{title}: its id is another's"
        );
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
        for (x, y) in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(x < 24 && taken.insert((x, y)), "{title} lies on another or beyond the edge");
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"].as_str(), Some(&*source), "{title}");
        }
    }
    for one in variables {
        assert_eq!(one["datasource"]["uid"].as_str(), Some(&*source));
    }
}
