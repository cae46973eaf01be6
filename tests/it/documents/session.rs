//! A page is run from top to bottom, in a folder that has what it names: files of `/etc/lb`, the
//! repository's `conf`, free ports in place of those on the page.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    sync::Arc,
    thread,
};

use regex::{Captures, Regex};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::page::{Block, Page, for_users, root};
use crate::support::{
    PATIENCE,
    backend::claim,
    certificates::Authority,
    eventually::eventually,
    process::{LbProcess, new_folder},
};

/// A folder in which the commands of a page find what they name.
pub(super) struct Sandbox {
    folder: Arc<TempDir>,
    /// The free port for each port of the page, and the socket that reserves it.
    ports: RefCell<BTreeMap<String, (u16, Option<TcpSocket>)>>,
}

impl Sandbox {
    pub(super) fn new() -> Self {
        Self::with_program(Path::new(env!("CARGO_BIN_EXE_lb")))
    }

    /// With this program as `lb`.
    fn with_program(program: &Path) -> Self {
        let sandbox = Self { folder: Arc::new(new_folder()), ports: RefCell::default() };
        let folder = sandbox.folder();
        for name in [
            "bin",
            "etc/lb/certs",
            "etc/nginx",
            "etc/haproxy",
            "run/lb",
            "run/secrets/lb",
            "var/log/lb",
        ] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        symlink(program, folder.join("bin/lb")).unwrap();
        symlink(root().join("deploy"), folder.join("deploy")).unwrap();
        sandbox.write_secrets(&folder.join("etc/lb"));
        fs::create_dir(folder.join("conf")).unwrap();
        for entry in fs::read_dir(root().join("conf")).unwrap().flatten() {
            let text = sandbox.adapted(&fs::read_to_string(entry.path()).unwrap());
            fs::write(folder.join("conf").join(entry.file_name()), text).unwrap();
        }
        sandbox
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write_secrets(&self, etc: &Path) {
        let token = etc.join("admin.token");
        fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        fs::copy(&token, self.folder().join("run/secrets/lb/token")).unwrap();
        let authority = Authority::new("an authority");
        authority.issue(&["shop.example.com", "api.example.com"]).write(etc, "shop");
        for (folder, name) in [("nginx", "shop"), ("haproxy", "shop-all")] {
            let pair = authority.issue(&["shop.example.com"]);
            pair.write(&etc.parent().expect("a folder").join(folder), name);
            let path = etc.parent().expect("a folder").join(folder).join(format!("{name}.pem"));
            // HAProxy wants the key behind the certificate, and nginx reads the certificate alone.
            let both = [fs::read(&path).unwrap(), fs::read(path.with_extension("key")).unwrap()];
            fs::write(&path, both.concat()).unwrap();
        }
        authority.issue(&["*.example.com"]).write(&etc.join("certs"), "any");
        for name in ["clients", "staff"] {
            let authority = Authority::new(name);
            fs::write(etc.join(format!("{name}.pem")), authority.pem()).unwrap();
            fs::write(etc.join(format!("{name}.crl")), authority.revoke(&[], 4000)).unwrap();
        }
    }

    /// The text with this folder's paths and free ports in place of those of the page.
    pub(super) fn adapted(&self, text: &str) -> String {
        let folder = self.folder().display().to_string();
        let text = text.replace("/usr/local/bin/lb", &format!("{folder}/bin/lb"));
        let path =
            Regex::new(r"(^|[\s:\x22'=(])/(etc|run|var/log)/(lb|secrets|nginx|haproxy)\b").unwrap();
        let text = path.replace_all(&text, format!("${{1}}{folder}/$2/$3"));
        let port = Regex::new(r"(:|port[ =])([1-9]\d{3,4})\b").unwrap();
        let with_port = |found: &Captures<'_>| format!("{}{}", &found[1], self.port(&found[2]));
        port.replace_all(&text, with_port).into_owned()
    }

    fn port(&self, of_page: &str) -> u16 {
        let mut ports = self.ports.borrow_mut();
        let port = ports.entry(of_page.to_owned()).or_insert_with(|| {
            let (address, claimed) = claim().expect("a free port");
            (address.port(), claimed)
        });
        port.0
    }

    fn shell(&self, script: &str) -> LbProcess {
        let mut command = Command::new("bash");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(["-euo", "pipefail", "-c", script])
            .env("PATH", format!("{}/bin:{path}", self.folder().display()))
            .env("HOME", self.folder())
            .env_remove("RUST_LOG");
        LbProcess::spawn(Arc::clone(&self.folder), command)
    }
}

/// A page that is being run.
struct Session<'a> {
    page: &'a Page,
    sandbox: Sandbox,
    /// What serves until the page ends.
    serving: Vec<LbProcess>,
}

impl Session<'_> {
    fn run(&mut self, block: &Block) {
        let text = self.sandbox.adapted(&block.text);
        if let Some(name) = block.value("file") {
            fs::write(self.sandbox.folder().join(name), &text).unwrap();
        }
        match block.language.as_str() {
            _ if block.value("needs").is_some() => {}
            "sh" => self.run_commands(block, &text),
            "text" => self.run_example(block, &text),
            _ => {}
        }
    }

    fn run_commands(&mut self, block: &Block, text: &str) {
        let mut process = self.sandbox.shell(text);
        let in_background = Regex::new(r"(?m)^lb .*&$").unwrap().find_iter(text).count();
        let serving = in_background + usize::from(block.has("serves"));
        let listening = |process: &LbProcess| {
            let lines = [process.stdout(), process.stderr()].concat();
            lines.iter().filter(|line| line.contains("listening")).count()
        };
        if serving > 0 {
            let what = self.page.at(block.line);
            eventually(PATIENCE, &what, || listening(&process) >= serving);
        }
        if block.has("serves") {
            assert!(process.exit_status().is_none(), "{} has ended", self.page.at(block.line));
        } else {
            let status = process.wait_for_end(PATIENCE);
            let said = [process.stdout(), process.stderr()].concat().join("\n");
            assert!(status.success(), "{}: {status}\n{said}", self.page.at(block.line));
        }
        self.serving.push(process);
    }

    fn run_example(&self, block: &Block, text: &str) {
        let Some((command, expected)) =
            text.strip_prefix("$ ").and_then(|text| text.split_once('\n'))
        else {
            return;
        };
        let mut process = self.sandbox.shell(&format!("exec 2>&1; {command}"));
        process.wait_for_exit(PATIENCE);
        let actual = process.stdout().join("\n");
        let place = self.page.at(block.line);
        assert_eq!(without_numbers(&actual), without_numbers(expected), "{place}\n{actual}");
    }
}

/// The lines with a sign in place of each number and its unit, and of a share such as `1.2/3`, and single
/// blanks.
fn without_numbers(text: &str) -> Vec<String> {
    let number = Regex::new(r"\d+(\.\d+)?(/\d+)?(ms|µs|s|m|h)?\b%?").unwrap();
    let lines = text.trim_end().lines().map(|line| {
        let line = number.replace_all(line, "#");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    lines.collect()
}

fn has_commands(page: &Page) -> bool {
    page.blocks().iter().any(|block| {
        block.value("needs").is_none()
            && (block.language == "sh" || block.language == "text" && block.text.starts_with("$ "))
    })
}

/// Runs the page at this path with another program as `lb`.
pub(crate) fn run_page(path: &str, program: &Path) {
    let pages = for_users();
    let page = pages.iter().find(|page| page.path == Path::new(path)).expect("a page");
    let sandbox = Sandbox::with_program(program);
    let mut session = Session { page, sandbox, serving: Vec::new() };
    page.blocks().iter().for_each(|block| session.run(block));
}

#[test]
fn every_command_of_a_page_works_in_its_turn() {
    let pages: Vec<Page> = for_users().into_iter().filter(has_commands).collect();
    assert!(pages.len() > 3, "{}", pages.len());
    thread::scope(|scope| {
        for page in &pages {
            scope.spawn(move || {
                let mut session = Session { page, sandbox: Sandbox::new(), serving: Vec::new() };
                page.blocks().iter().for_each(|block| session.run(block));
            });
        }
    });
}

#[test]
fn numbers_of_an_example_may_differ_and_words_may_not() {
    let line = |text| without_numbers(text).concat();
    assert_eq!(line("p50 7.2ms  p99 12ms"), line("p50 0.91ms p99 3ms"));
    assert_ne!(line("p50 7.2ms eligible"), line("p50 7.2ms ejected"));
}
