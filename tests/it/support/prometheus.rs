//! A real Prometheus, and its tool: only they show how they read our files.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    client::get,
    eventually::wait_for,
    process::{LbProcess, address_in, new_folder},
};

/// How long a value may take: several scrapes of a busy machine.
const SCRAPED: Duration = Duration::from_secs(30);
const MISSING: &str = "cannot be started. It comes with Prometheus, which the tests need: \
                       scripts/install-build-tools.sh test";

/// Runs `promtool` with this text on its standard input; fails the test with its output unless it
/// succeeds.
#[track_caller]
pub(crate) fn promtool(args: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool ({error}) {MISSING}"));
    let mut stdin = child.stdin.take().expect("piped");
    // It reads the whole input before it writes more than a pipe holds.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it can be waited for");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "promtool {args:?}:\n{}", said.concat());
}

/// A Prometheus that scrapes once a second, and follows the rules that we ship. Ends when dropped.
pub(crate) struct Prometheus {
    process: LbProcess,
    address: SocketAddr,
}

impl Prometheus {
    /// A Prometheus that scrapes this admin listener, with this token.
    #[track_caller]
    pub(crate) fn scraping(target: SocketAddr, token: &str) -> Self {
        Self::start(target, token, "")
    }

    /// Like [`Prometheus::scraping`], over TLS, with a certificate of this authority for `localhost`.
    #[track_caller]
    pub(crate) fn scraping_over_tls(target: SocketAddr, token: &str, authority: &Path) -> Self {
        let authority = authority.display();
        let tls = format!("tls_config: {{ ca_file: {authority}, server_name: localhost }}");
        Self::start(target, token, &format!("    scheme: https\n    {tls}\n"))
    }

    #[track_caller]
    fn start(target: SocketAddr, token: &str, settings: &str) -> Self {
        let folder = new_folder();
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus.rules.yaml");
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [ \"{rules}\" ]\nscrape_configs:\n  - job_name: lb\n    static_configs: [ \
             {{ targets: [ \"{target}\" ] }} ]\n    authorization: {{ credentials_file: token }}\n{settings}"
        );
        fs::write(folder.path().join("prometheus.yaml"), config).expect("writable");
        fs::write(folder.path().join("token"), token).expect("writable");
        let mut command = Command::new("prometheus");
        command.args([
            "--config.file=prometheus.yaml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ]);
        let found = Command::new("prometheus").arg("--version").output();
        found.unwrap_or_else(|error| panic!("prometheus ({error}) {MISSING}"));
        let mut process = LbProcess::spawn(folder, command);
        let line = process.wait_for_log("msg=\"Listening on\"");
        let address = address_in(&line).unwrap_or_else(|| panic!("no address in: {line}"));
        process.wait_for_log("Server is ready to receive web requests");
        Self { process, address }
    }

    /// Waits until the only value of a query is the expected one; after the deadline, fails the
    /// test with the actual one.
    #[track_caller]
    pub(crate) fn wait_for_value(&self, query: &str, expected: f64) {
        let mut last = None;
        let came = wait_for(SCRAPED, || {
            last = self.value(query);
            (last == Some(expected)).then_some(())
        });
        let story = || self.process.stderr().join("\n");
        assert!(came.is_some(), "{query} is {last:?}, not {expected}\n{}", story());
    }

    /// The only value of a query; `None` where there is none.
    #[track_caller]
    pub(crate) fn value(&self, query: &str) -> Option<f64> {
        let answer = self.ask(&format!("/api/v1/query?query={}", escaped(query)));
        let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert!(result.len() < 2, "{query} has several values: {answer}");
        result.first()?["value"][1].as_str()?.parse().ok()
    }

    /// Asserts that every shipped rule has been evaluated without an error, and sees lb.
    #[track_caller]
    pub(crate) fn assert_rules_work(&self) {
        let mut last = Value::Null;
        let evaluated = wait_for(SCRAPED, || {
            last = self.ask("/api/v1/rules");
            let groups = last["data"]["groups"].as_array()?;
            let mut rules = groups.iter().flat_map(|group| group["rules"].as_array()).flatten();
            (!groups.is_empty() && rules.all(|rule| rule["health"] == "ok")).then_some(())
        });
        assert!(evaluated.is_some(), "not all rules can be evaluated: {last}");
        for alert in ["LbDown", "LbAbsent"] {
            assert_eq!(self.value(&format!("ALERTS{{alertname=\"{alert}\"}}")), None, "{alert}");
        }
    }

    #[track_caller]
    fn ask(&self, path: &str) -> Value {
        let answer = get(self.address, path);
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{path}: {}", answer.text()))
    }
}

/// The text escaped as a part of a query.
fn escaped(text: &str) -> String {
    let bytes = text.bytes();
    bytes
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
