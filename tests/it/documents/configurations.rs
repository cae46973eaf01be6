//! Configurations load: whole ones as they are, parts of one with the rest added.

use std::fs;

use lb::config::{self, Flags};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use super::{page::for_users, session::Sandbox};

/// The languages of blocks. Blocks in another language are checked by no test; of `caddyfile`, the recipe
/// beside it is.
const LANGUAGES: [&str; 8] =
    ["caddyfile", "haproxy", "hidden", "json", "nginx", "sh", "text", "yaml"];
/// What a part of a configuration is added to.
const REST: [(&str, &str); 3] = [
    ("listeners:", "listeners: [{ address: 0.0.0.0:8080 }]\n"),
    ("routes:", "routes: [{ pool: web }]\n"),
    (
        "pools:",
        "pools: { web: { backends: [{ address: 127.0.0.1:9001 }, { address: 127.0.0.1:9002 }] } }\n",
    ),
];

/// The text with the top-level keys that a configuration needs.
fn completed(text: &str) -> String {
    let missing = REST.iter().filter(|(key, _)| !text.lines().any(|line| line.starts_with(key)));
    missing.fold(text.to_owned(), |text, (_, rest)| text + rest)
}

#[test]
fn every_configuration_loads_without_a_warning() {
    let sandbox = Sandbox::new();
    let mut found = 0;
    for page in for_users() {
        for block in page.blocks().iter().filter(|block| block.language == "yaml") {
            let place = page.at(block.line);
            if block.value("of").is_some() {
                Yaml::load_from_str(&block.text).unwrap_or_else(|error| panic!("{place}: {error}"));
                continue;
            }
            let text = sandbox.adapted(&completed(&block.text));
            let loaded = config::parse("lb.yaml", &text, &Flags::default())
                .unwrap_or_else(|problems| panic!("{place}:\n{problems}\n{text}"));
            assert_eq!(loaded.warnings, [], "{place}");
            // The certificates that it names are read, too.
            fs::write(sandbox.folder().join("lb.yaml"), &text).unwrap();
            found += 1;
        }
    }
    assert!(found > 5, "{found}");
}

#[test]
fn every_block_is_in_a_language_that_is_checked() {
    for page in for_users() {
        for block in page.blocks() {
            let place = page.at(block.line);
            assert!(LANGUAGES.contains(&block.language.as_str()), "{place}: {}", block.language);
            if block.language == "json" {
                serde_json::from_str::<Value>(&block.text)
                    .unwrap_or_else(|error| panic!("{place}: {error}"));
            }
        }
    }
}
