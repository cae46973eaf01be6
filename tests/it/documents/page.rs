//! A page taken apart: its blocks, links, headings and commands.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// A page of the documents.
#[derive(Debug)]
pub(super) struct Page {
    /// Relative to the repository.
    pub(super) path: PathBuf,
    text: String,
}

/// A fenced block, or one that readers do not see.
#[derive(Debug)]
pub(super) struct Block {
    /// The line of its first line.
    pub(super) line: usize,
    /// The first word behind the fence.
    pub(super) language: String,
    /// The other words there.
    pub(super) words: Vec<String>,
    pub(super) text: String,
}

impl Block {
    /// The value of `NAME=VALUE` behind the language.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of the book.
pub(super) fn book() -> Vec<Page> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::from("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder").flatten() {
            let path = folder.join(entry.file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    paths.into_iter().map(Page::read).collect()
}

/// Every page that is for users.
pub(super) fn for_users() -> Vec<Page> {
    let mut pages = book();
    pages.extend(["README.md", "deploy/README.md"].map(|path| Page::read(path.into())));
    pages
}

/// Every page.
pub(super) fn all() -> Vec<Page> {
    let others = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    let mut pages = for_users();
    pages.extend(others.map(|path| Page::read(path.into())));
    pages
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(root().join(&path))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// Where this line is.
    pub(super) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// Its blocks, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            let line = line.trim_start();
            let hidden = line.strip_prefix("<!-- ").filter(|it| !it.ends_with("-->"));
            let Some((head, end)) =
                line.strip_prefix("```").map(|head| (head, "```")).or(hidden.map(|it| (it, "-->")))
            else {
                continue;
            };
            let mut words = head.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            if words.first().is_some_and(|word| word.starts_with("file=")) {
                words.insert(0, "hidden".to_owned());
            }
            assert!(!words.is_empty(), "{}: a block without a language", self.at(number));
            let inside = lines.by_ref().take_while(|(line, _)| line.trim_start() != end);
            let text: String = inside
                .map(|(line, _)| {
                    let line = line.get(indent.min(line.len())..).unwrap_or_default();
                    format!("{line}\n")
                })
                .collect();
            let language = words.remove(0);
            blocks.push(Block { line: number, language, words, text });
        }
        blocks
    }

    /// Its lines outside of blocks, each with its number.
    fn prose(&self) -> impl Iterator<Item = (&str, usize)> {
        let mut is_inside = false;
        self.text.lines().zip(1..).filter(move |(line, _)| {
            let is_fence = line.trim_start().starts_with("```");
            is_inside ^= is_fence;
            !is_inside && !is_fence
        })
    }

    /// The targets of its links, each with its line.
    pub(super) fn links(&self) -> Vec<(String, usize)> {
        let link = Regex::new(r"\]\(([^)\s]+)\)").expect("an expression");
        let code = Regex::new("`[^`]*`").expect("an expression");
        let of_line = |(line, number): (&str, usize)| {
            // A link may have code in its text, so only the code's content is taken out.
            let line = code.replace_all(line, "``").into_owned();
            let found = link.captures_iter(&line).map(|it| (it[1].to_owned(), number));
            found.collect::<Vec<_>>()
        };
        self.prose().flat_map(of_line).collect()
    }

    /// The anchors of its headings, as GitHub and mdBook make them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter_map(|(line, _)| {
            let title = line.trim_start_matches('#');
            title.strip_prefix(' ').filter(|_| line.starts_with('#'))
        });
        let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
        let anchor = |title: &str| {
            let text: String = title.trim().to_lowercase().chars().filter(kept).collect();
            text.replace(' ', "-")
        };
        headings.map(anchor).collect()
    }

    /// The commands of `lb` in its prose, each with its line.
    pub(super) fn inline_commands(&self) -> Vec<(String, usize)> {
        let code = Regex::new("`(lb [^`]+)`").expect("an expression");
        let of_line = |(line, number)| {
            let found = code.captures_iter(line).map(|it| (it[1].to_owned(), number));
            found.collect::<Vec<_>>()
        };
        self.prose().flat_map(of_line).collect()
    }
}
