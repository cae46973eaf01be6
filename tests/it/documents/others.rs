//! Configurations of other proxies in the recipes are what these programs take, where they are installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;

use super::{
    page::{Block, book},
    session::Sandbox,
};

/// Where distributions install services.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];

fn program(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

/// The check of a configuration by its program.
fn check(program: &Path, sandbox: &Sandbox, block: &Block) -> Command {
    let folder = sandbox.folder();
    let file = folder.join("other.conf");
    let mut command = Command::new(program);
    let text = sandbox.adapted(&block.text);
    let text = if block.language == "nginx" {
        // It binds even for a check.
        let port = Regex::new(r"listen \d+").unwrap();
        let text = port.replace_all(&text, "listen unix:listener.sock");
        let settings = format!("pid {}/nginx.pid;\nevents {{}}\n", folder.display());
        command.args(["-t", "-e", "stderr", "-p"]).arg(folder).arg("-c").arg(&file);
        format!("{settings}http {{\naccess_log off;\n{text}}}\n")
    } else {
        command.args(["-c", "-q", "-f"]).arg(&file);
        text
    };
    fs::write(&file, text).unwrap();
    command
}

#[test]
fn recipes_are_what_their_programs_take() {
    let sandbox = Sandbox::new();
    let mut found = 0;
    for page in book() {
        for block in page.blocks() {
            if !["nginx", "haproxy"].contains(&block.language.as_str()) {
                continue;
            }
            found += 1;
            let Some(program) = program(&block.language) else { continue };
            let output = check(&program, &sandbox, &block).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{said}", page.at(block.line));
        }
    }
    assert!(found > 5, "{found}");
}

/// Messages about a file of another program send their readers to these pages.
#[test]
fn pages_that_messages_name_exist() {
    for (path, title) in [
        ("docs/src/coming-from/caddy.md", "coming-from-caddy"),
        ("docs/src/coming-from/traefik.md", "coming-from-traefik"),
        ("docs/src/quick-start.md", "quick-start"),
    ] {
        let page = book().into_iter().find(|page| page.path == Path::new(path)).expect(path);
        assert!(page.anchors().iter().any(|anchor| anchor == title), "{path} is {title}");
    }
}
