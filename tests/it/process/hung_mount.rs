//! A file system that has stopped answering, such as a network mount whose server is gone. Here it is one
//! in user space (FUSE) whose server never answers. To mount it takes root and `/dev/fuse`; elsewhere the
//! tests of this module see nothing, and those beside the code have to do.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    process::{LbProcess, lb, new_folder},
};

use super::{outcome, rewrite, serving, tell, yaml};

/// Longer than `lb` waits for a file system.
const LONG: Duration = Duration::from_secs(30);

/// A folder on a file system that does not answer, until this is dropped. The folder that it is in must
/// not be dropped before.
struct HungFolder {
    folder: PathBuf,
    /// The file system ends with it.
    server: Option<File>,
}

impl HungFolder {
    /// Over a folder that is there; `None` where that is not allowed.
    fn over(folder: PathBuf) -> Option<Self> {
        let server = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", options, "hung"]).arg(&folder);
        mount.stdin(server.try_clone().ok()?).stdout(Stdio::null()).stderr(Stdio::null());
        mount.status().ok()?.success().then_some(Self { folder, server: Some(server) })
    }
}

impl Drop for HungFolder {
    fn drop(&mut self) {
        self.server = None;
        let _ = Command::new("umount").args(["-i", "-l"]).arg(&self.folder).status();
    }
}

/// Whether one of its threads waits for the file system.
fn hangs(lb: &LbProcess) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", lb.pid())).unwrap();
    let waits = |task: fs::DirEntry| fs::read_to_string(task.path().join("wchan"));
    tasks.flatten().any(|task| waits(task).is_ok_and(|place| place.contains("fuse")))
}

/// A process whose configuration file is in the folder `mnt`.
fn in_mount(settings: &str) -> (ScriptedBackend, LbProcess) {
    let a = ScriptedBackend::named("a");
    let folder = new_folder();
    fs::create_dir(folder.path().join("mnt")).unwrap();
    let text = yaml(&[a.address()], &format!("access_log: off\n{settings}"));
    fs::write(folder.path().join("mnt/lb.yaml"), text).unwrap();
    let mut lb = LbProcess::spawn(folder, lb(&["-c", "mnt/lb.yaml"]));
    lb.wait_for_log("serving pool=");
    (a, lb)
}

#[track_caller]
fn serves_and_stops(lb: &mut LbProcess) {
    assert_eq!(get(lb.address(), "/").text(), "a");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_watched_file_that_does_not_answer_makes_it_deaf_to_nothing() {
    let (_a, mut lb) = in_mount("watch: true");
    let Some(_hung) = HungFolder::over(lb.folder().join("mnt")) else { return };
    eventually(PATIENCE, "it looks at the file", || hangs(&lb));
    serves_and_stops(&mut lb);
}

#[test]
fn a_reload_of_a_file_that_does_not_answer_makes_it_deaf_to_nothing() {
    let (_a, mut lb) = in_mount("");
    let Some(_hung) = HungFolder::over(lb.folder().join("mnt")) else { return };
    lb.signal(Signal::SIGHUP);
    eventually(PATIENCE, "it reads the file", || hangs(&lb));
    serves_and_stops(&mut lb);
}

#[test]
fn a_reload_that_gets_no_answer_fails_and_names_the_file_and_the_next_one_works() {
    let (_a, lb) = in_mount("");
    let Some(hung) = HungFolder::over(lb.folder().join("mnt")) else { return };
    let reload = || lb.beside(&["reload", "-c", "mnt/lb.yaml"]);
    let mut first = reload();
    assert_eq!(first.wait_for_exit(LONG).code(), Some(1));
    let first = outcome(first).stderr;
    let says = "mnt/lb.yaml: cannot be read: the file system has not answered within 15s";
    assert!(first.contains(says), "{first}");
    let second = outcome(reload());
    assert!(second.stderr.contains("an earlier call still waits"), "{}", second.stderr);
    drop(hung);
    eventually(PATIENCE, "it reads the file again", || outcome(reload()).code == Some(0));
}

#[test]
fn a_log_that_a_reload_cannot_open_is_named_and_the_next_reload_works() {
    let a = ScriptedBackend::named("a");
    let text = |settings: &str| yaml(&[a.address()], settings);
    let (mut lb, address) = serving(&text("access_log: off"));
    fs::create_dir(lb.folder().join("mnt")).unwrap();
    let Some(_hung) = HungFolder::over(lb.folder().join("mnt")) else { return };
    for (settings, file) in [
        ("access_log: { path: mnt/access.log }", "mnt/access.log"),
        ("access_log: off\nerror_log: mnt/error.log", "mnt/error.log"),
    ] {
        rewrite(&lb, &text(settings));
        let mut reload = lb.beside(&["reload", "-c", "lb.yaml"]);
        assert_eq!(reload.wait_for_exit(LONG).code(), Some(1), "{settings}");
        let says = outcome(reload).stderr;
        assert!(says.contains(&format!("{file}: the file system")), "{says}");
    }
    rewrite(&lb, &text("access_log: off"));
    assert_eq!(tell(&lb, "reload").code, Some(0));
    assert_eq!(get(address, "/").text(), "a");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}
