//! The messages to a service manager (`Type=notify`), whose part the test plays.

use std::{
    os::unix::net::UnixDatagram,
    sync::mpsc::{self, Receiver},
    thread,
};

use nix::sys::signal::{self, Signal};
use tempfile::TempDir;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    process::{LbProcess, new_folder},
    reply::{Gate, Reply},
};

use super::{pid_that, rewrite, tell, yaml};

const SETTINGS: &str = "access_log: off\npid_file: lb.pid";

struct Manager {
    folder: TempDir,
    messages: Receiver<Vec<u8>>,
}

impl Manager {
    fn new() -> Self {
        let folder = new_folder();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let (sender, messages) = mpsc::channel();
        // The socket holds few messages, and then blocks the sender; so a thread reads them.
        thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length @ 1..) = socket.recv(&mut message)
                && sender.send(message[..length].to_vec()).is_ok()
            {}
        });
        Self { folder, messages }
    }

    /// Starts a process that it manages, with these variables in addition.
    fn start(&self, text: &str, variables: &[(&str, &str)]) -> LbProcess {
        let path = self.folder.path().join("notify");
        let socket = [("NOTIFY_SOCKET", path.to_str().unwrap())];
        LbProcess::with_environment(text, &[&socket, variables].concat())
    }

    /// The variables of the next message.
    #[track_caller]
    fn next(&self) -> Vec<String> {
        let message = self.messages.recv_timeout(PATIENCE).expect("a message in time");
        String::from_utf8_lossy(&message).lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn assert_next(&self, expected: &[&str]) {
        assert_eq!(self.next(), expected);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Ends the thread that reads.
        let _ = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(b"", self.folder.path().join("notify")));
    }
}

fn config(backend: &ScriptedBackend) -> String {
    yaml(&[backend.address()], SETTINGS)
}

#[test]
fn it_hears_of_the_start_of_reloads_and_of_the_end() {
    let (manager, a) = (Manager::new(), ScriptedBackend::named("a"));
    let mut lb = manager.start(&config(&a), &[]);
    manager.assert_next(&["READY=1"]);
    let serves = |lb: &mut LbProcess| assert_eq!(get(lb.address(), "/").text(), "a");
    serves(&mut lb);
    for text in [config(&a), "nonsense".to_owned()] {
        rewrite(&lb, &text);
        lb.signal(Signal::SIGHUP);
        let reloading = manager.next();
        assert_eq!((reloading.len(), reloading[0].as_str()), (2, "RELOADING=1"));
        let clock = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("the time of it");
        assert!(clock.parse::<u64>().unwrap() > 0);
        manager.assert_next(&["READY=1"]);
        serves(&mut lb);
    }
    lb.signal(Signal::SIGTERM);
    manager.assert_next(&["STOPPING=1"]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn it_is_ready_when_its_backends_are_checked() {
    let (manager, a, gate) = (Manager::new(), ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/health", Reply::behind(&gate, ""));
    let check = "    health_check: { path: /health, interval: 1m, timeout: 9s }";
    let _lb = manager.start(&yaml(&[a.address()], &format!("{check}\n{SETTINGS}")), &[]);
    a.wait_for_requests(1);
    manager.messages.try_recv().expect_err("nothing is said");
    gate.open();
    manager.assert_next(&["READY=1"]);
}

#[test]
fn it_hears_which_process_serves_after_an_upgrade() {
    let (manager, a) = (Manager::new(), ScriptedBackend::named("a"));
    let mut lb = manager.start(&config(&a), &[]);
    manager.assert_next(&["READY=1"]);
    assert_eq!(tell(&lb, "upgrade").code, Some(0));
    let next = pid_that(&lb, |pid| pid != lb.pid());
    // This message comes from the next process, which the manager does not listen to yet.
    manager.assert_next(&["READY=1"]);
    manager.assert_next(&[&format!("MAINPID={next}"), "READY=1", "WATCHDOG=1"]);
    // The old process says nothing when it ends, because the service is not being stopped.
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    signal::kill(next, Signal::SIGTERM).unwrap();
    manager.assert_next(&["STOPPING=1"]);
}

#[test]
fn it_hears_again_and_again_that_the_process_is_well() {
    let (manager, a) = (Manager::new(), ScriptedBackend::named("a"));
    let lb = manager.start(&config(&a), &[("WATCHDOG_USEC", "200000")]);
    let is_sign = |message: &Vec<String>| message == &["WATCHDOG=1"];
    let messages: Vec<_> = (0..4).map(|_| manager.next()).collect();
    assert!(messages.iter().filter(|message| is_sign(message)).count() >= 3, "{messages:?}");
    assert_eq!(tell(&lb, "upgrade").code, Some(0));
    let next = pid_that(&lb, |pid| pid != lb.pid());
    lb.signal(Signal::SIGINT);
    let is_next = format!("MAINPID={next}");
    let comes = |is_it: &dyn Fn(&Vec<String>) -> bool| (0..100).any(|_| is_it(&manager.next()));
    assert!(comes(&|message| message.contains(&is_next)), "another process is named");
    assert!(comes(&is_sign), "and says that it is well");
}

#[test]
fn an_address_without_a_listener_does_not_keep_it_from_serving() {
    let a = ScriptedBackend::named("a");
    let variables = [("NOTIFY_SOCKET", "/nowhere/notify"), ("WATCHDOG_USEC", "nonsense")];
    let mut lb = LbProcess::with_environment(&config(&a), &variables);
    lb.wait_for_log("the service manager cannot be told");
    assert_eq!(get(lb.address(), "/").text(), "a");
}
