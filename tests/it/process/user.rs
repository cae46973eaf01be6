//! `user`: root opens ports and files, and a user with fewer rights serves.
//!
//! Only root can become another user; if the tests do not run as root, they check less.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::{Pid, User, geteuid},
};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    process::{LbProcess, address_in, new_folder},
};

use super::{outcome, pid_that, yaml};

const SETTINGS: &str = "user: nobody\npid_file: lb.pid\nerror_log: error.log\n\
                        access_log: { format: text, path: access.log }";

/// A command in a folder of that user, with a copy of the program that this user can start.
fn program(folder: &Path) -> Command {
    let program = folder.join("lb");
    if !program.exists() {
        // By a process of its own: a program that is open for writing cannot be started, and a process that
        // another test starts meanwhile would have this file open, too, until it runs its program.
        let copying = Command::new("cp").arg(env!("CARGO_BIN_EXE_lb")).arg(&program).status();
        assert!(copying.unwrap().success());
    }
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG");
    command
}

fn start(backend: &ScriptedBackend, user: &User, args: &[&str]) -> LbProcess {
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), yaml(&[backend.address()], SETTINGS)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(folder.path(), Some(user.uid.as_raw()), None).unwrap();
    let mut command = program(folder.path());
    command.args(["-c", "lb.yaml"]).args(args);
    LbProcess::spawn(folder, command)
}

fn logged(lb: &LbProcess, file: &str) -> String {
    fs::read_to_string(lb.folder().join(file)).unwrap_or_default()
}

#[track_caller]
fn wait_for(lb: &LbProcess, file: &str, marker: &str) {
    eventually(PATIENCE, marker, || logged(lb, file).contains(marker));
}

fn address(lb: &LbProcess) -> SocketAddr {
    let log = logged(lb, "error.log");
    address_in(log.lines().find(|line| line.contains("listening")).unwrap()).unwrap()
}

/// Every thread is that user, in that user's groups, and without any right of root's.
#[track_caller]
fn assert_is(pid: Pid, user: &User) {
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let tasks: Vec<_> = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().collect();
    assert!(tasks.len() > 3, "it has threads");
    for task in tasks {
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let values = |key: &str| -> Vec<String> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(values("Uid:"), vec![uid.clone(); 4]);
        assert_eq!(values("Gid:"), vec![gid.clone(); 4]);
        let groups = values("Groups:");
        assert!(groups.contains(&gid) && !groups.contains(&"0".to_owned()), "{groups:?}");
        assert_eq!(values("CapEff:"), ["0000000000000000"]);
    }
}

#[test]
fn it_serves_reopens_its_logs_and_is_upgraded_as_that_user() {
    let Ok(Some(user)) = User::from_name("nobody") else { return };
    if !geteuid().is_root() {
        return;
    }
    for args in [&[][..], &["-d"]] {
        let a = ScriptedBackend::named("a");
        let lb = start(&a, &user, args);
        wait_for(&lb, "error.log", "serving pool=");
        let (before, address) = (pid_that(&lb, |_| true), address(&lb));
        assert_eq!(get(address, "/before").text(), "a");
        assert_is(before, &user);

        let logs = ["error.log", "access.log"];
        for log in logs {
            fs::rename(lb.folder().join(log), lb.folder().join(format!("{log}.1"))).unwrap();
        }
        signal::kill(before, Signal::SIGUSR1).unwrap();
        for log in logs.map(|log| lb.folder().join(log)) {
            eventually(PATIENCE, "it is opened anew", || log.exists());
            assert_eq!(fs::metadata(log).unwrap().uid(), user.uid.as_raw());
        }

        let mut upgrade = program(lb.folder());
        upgrade.args(["upgrade", "-c", "lb.yaml"]);
        let upgrade = outcome(lb.spawn_beside(upgrade));
        assert_eq!(upgrade.code, Some(0), "{}", upgrade.stderr);
        let after = pid_that(&lb, |pid| pid != before);
        assert_is(after, &user);
        assert_eq!(get(address, "/after").text(), "a");
        wait_for(&lb, "access.log", " GET /after 200 ");
        eventually(PATIENCE, "the one before ends", || lb.pids_in_folder() == [after]);
        let log = logged(&lb, "error.log");
        assert!(!log.contains(" WARN "), "{log}");

        signal::kill(after, Signal::SIGTERM).unwrap();
        eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
        assert!(!lb.folder().join("lb.pid").exists());
    }
}

/// A file that its own user cannot read would make every later reload fail.
#[test]
fn the_check_reads_files_as_the_user_that_will_read_them() {
    let Ok(Some(user)) = User::from_name("nobody") else { return };
    if !geteuid().is_root() {
        return;
    }
    let a = ScriptedBackend::named("a");
    let admin = "admin: { address: 127.0.0.1:0, token_file: token }";
    let text = yaml(&[a.address()], &format!("{SETTINGS}\n{admin}"));
    let folder = new_folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("lb.yaml"), text).unwrap();
    fs::write(path("token"), "0123456789abcdef\n").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let check = || {
        let mut command = program(folder.path());
        command.args(["-t", "-c", "lb.yaml"]).current_dir(folder.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = check();
    assert_eq!(code, Some(1), "{said}");
    let denied = "admin.token_file: token cannot be read: permission denied (the user nobody may not read it)";
    assert!(said.contains(denied), "{said}");
    chown(path("token"), Some(user.uid.as_raw()), None).unwrap();
    assert_eq!(check(), (Some(0), String::new()));
    // The reload reads the file itself, too.
    fs::set_permissions(path("lb.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("lb.yaml: cannot be read"), "{said}");
}

#[test]
fn a_user_that_is_not_there_is_a_warning_of_the_check_and_said_once_at_the_start() {
    let a = ScriptedBackend::named("a");
    let settings =
        "access_log: { format: text, path: stdout }\nerror_log: error.log\nuser: no-such-user";
    let text = yaml(&[a.address()], settings);
    let checked = outcome(LbProcess::with_config(&text, &["-t"]));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let warning = "there is no user \"no-such-user\", so lb would not start on this machine";
    assert!(checked.stderr.contains(warning), "{}", checked.stderr);
    let started = outcome(LbProcess::with_config(&text, &[]));
    let times = started.stderr.matches("there is no user \"no-such-user\"").count();
    assert_eq!((started.code, times), (Some(1), 1), "{}", started.stderr);
}

#[test]
fn another_user_is_told_who_may_ask() {
    let Ok(Some(user)) = User::from_name("nobody") else { return };
    if !geteuid().is_root() {
        return;
    }
    let a = ScriptedBackend::named("a");
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), yaml(&[a.address()], "access_log: off")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut serve = program(folder.path());
    serve.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, serve);
    lb.address();
    for command in ["health", "reload"] {
        let mut ask = program(lb.folder());
        ask.args([command, "-c", "lb.yaml"]).uid(user.uid.as_raw()).gid(user.gid.as_raw());
        let asked = outcome(lb.spawn_beside(ask));
        let who = "only root and the user that this lb runs as may ask it (try again with sudo)\n";
        assert_eq!((asked.code, asked.stderr.as_str()), (Some(1), who), "{command}");
    }
}

#[test]
fn without_root_it_serves_and_logs_that_the_user_stays() {
    if geteuid().is_root() {
        return;
    }
    let a = ScriptedBackend::named("a");
    let text = yaml(&[a.address()], "access_log: off\nuser: nobody");
    let mut lb = LbProcess::with_config(&text, &[]);
    lb.wait_for_log(" WARN user and group have no effect: only root can become another user");
    assert_eq!(get(lb.address(), "/").text(), "a");
}
