//! The Debian package, installed by `dpkg` into a folder: its contents, what its scripts call, and that its
//! program does what the first hour asks for. `scripts/try-package.sh` installs it for real, which needs root
//! and Debian's packages.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use lb::config::{self, Flags};
use serde_json::Value;
use tempfile::TempDir;

use super::read;
use crate::{documents, support::process::new_folder};

/// What a script of the package may call, as a program that notes the call. The files in `state` are what
/// the programs would find out.
const STAND_IN: &str = r#"#!/bin/sh
echo "${0##*/} $*" >>"$STATE/calls"
case "${0##*/} $1" in
"systemctl is-active") [ -e "$STATE/active" ] ;;
"getent passwd" | "getent group") [ -e "$STATE/user" ] ;;
"useradd --system") touch "$STATE/user" ;;
"deb-systemd-invoke start") touch "$STATE/active" ;;
"deb-systemd-invoke stop") rm -f "$STATE/active" ;;
esac
"#;
const STAND_INS: [&str; 8] = [
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "getent",
    "groupadd",
    "groupdel",
    "systemctl",
    "useradd",
    "userdel",
];

/// The folder with what `make dist` makes of the program that is tested.
static DIST: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = new_folder();
    succeed(
        Command::new(root().join("scripts/dist.sh"))
            .arg(folder.path())
            .env("LB_BINARY", env!("CARGO_BIN_EXE_lb"))
            .env("LB_COMMIT", "0123abc")
            .env("LB_DATE", "2026-01-02")
            .env("LB_DRAFT", "yes"),
    );
    folder
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let outcome = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [outcome.stdout, outcome.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(outcome.status.success(), "{command:?}: {}\n{said}", outcome.status);
    said
}

/// Whether packages can be made here; only Debian and its relatives can.
fn is_debian() -> bool {
    Command::new("dpkg-deb").arg("--version").output().is_ok()
}

/// The one file there that ends so.
fn file(folder: &Path, end: &str) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut found = entries.filter(|path| path.to_string_lossy().ends_with(end));
    let path = found.next().unwrap_or_else(|| panic!("no {end} in {}", folder.display()));
    assert!(found.next().is_none(), "several {end}");
    path
}

/// A folder that `dpkg` takes for a system, and what stands in for its programs.
struct System {
    folder: TempDir,
}

impl System {
    fn new() -> Self {
        let folder = new_folder();
        for name in
            ["root/var/lib/dpkg/info", "root/var/lib/dpkg/updates", "root/run/systemd/system"]
        {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("root/var/lib/dpkg/status"), "").unwrap();
        for name in ["bin", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let system = Self { folder };
        STAND_INS.into_iter().chain(["lb"]).for_each(|name| {
            let path = system.folder.path().join("bin").join(name);
            fs::write(&path, STAND_IN).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        });
        system
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs `dpkg` on this system; returns what its scripts called.
    #[track_caller]
    fn dpkg(&self, what: &str, package: impl AsRef<std::ffi::OsStr>) -> Vec<String> {
        let state = self.folder.path().join("state");
        fs::write(state.join("calls"), "").unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.path().join("bin");
        let force = "not-root,script-chrootless,depends,confdef,confold,bad-path";
        succeed(
            Command::new("dpkg")
                .arg(format!("--root={}", self.path("").display()))
                .arg(format!("--force-{force}"))
                .args(["--log=/dev/null", what])
                .arg(package)
                .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", bin.display()))
                .env("STATE", &state),
        );
        let calls = fs::read_to_string(state.join("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }

    /// The files and folders of it, without those of `dpkg` and of systemd.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path == self.path("var/lib/dpkg") || path == self.path("run") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found
    }
}

/// The package with another version and another default file.
fn newer(folder: &Path) -> PathBuf {
    let (tree, package) = (folder.join("tree"), folder.join("newer.deb"));
    let old = file(DIST.path(), ".deb");
    succeed(Command::new("dpkg-deb").arg("--raw-extract").arg(old).arg(&tree));
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    fs::write(&control, text.replacen("\nVersion: ", "\nVersion: 99.", 1)).unwrap();
    fs::write(tree.join("etc/lb/lb.yaml"), "# another default\n").unwrap();
    let build = ["--root-owner-group", "-Znone", "--build"];
    succeed(Command::new("dpkg-deb").args(build).arg(tree).arg(&package));
    package
}

#[test]
fn the_package_has_all_that_a_service_needs() {
    if !is_debian() {
        return;
    }
    let system = System::new();
    system.dpkg("--install", file(DIST.path(), ".deb"));
    let unit = system.text("usr/lib/systemd/system/lb.service");
    assert!(unit.contains("\nExecStart=/usr/bin/lb -c /etc/lb/lb.yaml\n"), "{unit}");
    assert!(!unit.contains("/usr/local"), "{unit}");
    for name in [
        "usr/bin/lb",
        "etc/logrotate.d/lb",
        "usr/share/man/man1/lb.1.gz",
        "usr/share/man/man1/lb-upgrade.1.gz",
        "usr/share/bash-completion/completions/lb",
        "usr/share/zsh/vendor-completions/_lb",
        "usr/share/fish/vendor_completions.d/lb.fish",
        "usr/share/doc/lb/copyright",
        "usr/share/doc/lb/third-party.txt.gz",
    ] {
        assert!(fs::metadata(system.path(name)).unwrap().len() > 0, "{name}");
    }
    let conffiles = system.text("var/lib/dpkg/info/lb.conffiles");
    assert_eq!(conffiles, "/etc/lb/lb.yaml\n/etc/logrotate.d/lb\n");
    let control = system.text("var/lib/dpkg/status");
    assert!(control.contains("\nDepends: libc6 (>= 2."), "{control}");
    let version = format!("\nVersion: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(control.contains(&version), "{control}");
}

#[test]
fn its_file_serves_a_page_that_says_what_to_do_next() {
    let text = read("deploy/debian/lb.yaml");
    let loaded = config::parse("/etc/lb/lb.yaml", &text, &Flags::default());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    let page = loaded.config.unavailable_page.expect("a page");
    for named in ["/etc/lb/lb.yaml", "lb -t", "lb reload", "lb status", "http://127.0.0.1:9900/"] {
        assert!(page.contains(named), "{named}: {page}");
    }
    let admin = loaded.config.admin.expect("a listener").address.tcp().expect("a port");
    assert_eq!(admin.to_string(), "127.0.0.1:9900");
    let service = read("conf/lb.service");
    let service = service.lines().filter(|line| !line.starts_with('#'));
    assert!(service.clone().any(|line| line.contains("/etc/lb/lb.yaml")));
}

#[test]
fn in_an_image_that_is_built_the_service_is_enabled_and_not_started() {
    if !is_debian() {
        return;
    }
    let system = System::new();
    fs::remove_dir_all(system.path("run/systemd")).unwrap();
    let calls = system.dpkg("--install", file(DIST.path(), ".deb"));
    assert!(calls.contains(&"deb-systemd-helper enable lb.service".to_owned()), "{calls:?}");
    let runs = |call: &String| call.starts_with("systemctl") || call.contains("start");
    assert!(!calls.iter().any(runs), "{calls:?}");
}

#[test]
fn an_upgrade_replaces_the_process_and_keeps_the_operators_file() {
    if !is_debian() {
        return;
    }
    let system = System::new();
    let before = system.files();
    let calls = system.dpkg("--install", file(DIST.path(), ".deb"));
    let has = |calls: &[String], wanted: &str| calls.iter().any(|call| call.starts_with(wanted));
    for wanted in [
        "groupadd --system lb",
        "useradd --system --gid lb",
        "deb-systemd-helper enable lb.service",
        "systemctl --system daemon-reload",
        "deb-systemd-invoke start lb.service",
    ] {
        assert!(has(&calls, wanted), "{wanted}: {calls:?}");
    }
    assert!(!has(&calls, "lb upgrade"), "{calls:?}");

    fs::write(system.path("etc/lb/lb.yaml"), "# mine\n").unwrap();
    let newer = newer(system.folder.path());
    let calls = system.dpkg("--install", &newer);
    assert!(has(&calls, "lb upgrade -c /etc/lb/lb.yaml"), "{calls:?}");
    let disturbs = |call: &String| call.contains("stop") || call.contains("start lb");
    assert!(!calls.iter().any(disturbs), "{calls:?}");
    assert!(!has(&calls, "useradd"), "{calls:?}");
    assert_eq!(system.text("etc/lb/lb.yaml"), "# mine\n");

    let calls = system.dpkg("--remove", "lb");
    assert!(has(&calls, "deb-systemd-invoke stop lb.service"), "{calls:?}");
    assert_eq!(system.text("etc/lb/lb.yaml"), "# mine\n");
    let calls = system.dpkg("--install", &newer);
    assert!(has(&calls, "deb-systemd-invoke start lb.service"), "again: {calls:?}");

    for made in ["var/lib/lb", "var/log/lb"] {
        fs::create_dir_all(system.path(made)).unwrap();
        fs::write(system.path(made).join("file"), "").unwrap();
    }
    system.dpkg("--purge", "lb");
    let left = system.files().into_iter().filter(|path| !before.contains(path));
    let left: Vec<_> = left.filter(|path| *path != system.path("var/log")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_release_has_a_bill_of_materials_and_checksums() {
    if !is_debian() {
        return;
    }
    let bill = fs::read(file(DIST.path(), ".cdx.json")).unwrap();
    let bill: Value = serde_json::from_slice(&bill).expect("JSON");
    assert_eq!(bill["bomFormat"], "CycloneDX");
    let parts = bill["components"].as_array().expect("a list");
    let pingora = parts.iter().find(|part| part["name"] == "pingora-core").expect("it is in");
    assert_eq!(pingora["purl"], "pkg:cargo/pingora-core@0.9.1");
    assert_eq!(pingora["licenses"][0]["expression"], "Apache-2.0");
    let slashes = |part: &&Value| part["licenses"][0]["expression"].to_string().contains('/');
    assert_eq!(parts.iter().find(slashes), None, "an expression of SPDX has no slash");

    let sums = file(DIST.path(), &format!("SHA256SUMS-{}", std::env::consts::ARCH));
    let said = succeed(Command::new("sha256sum").arg("--check").arg(sums).current_dir(DIST.path()));
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn the_first_hour_goes_well_with_the_installed_program() {
    if !is_debian() {
        return;
    }
    let system = System::new();
    system.dpkg("--install", file(DIST.path(), ".deb"));
    documents::run_page("docs/src/tutorials/first-hour.md", &system.path("usr/bin/lb"));
}
