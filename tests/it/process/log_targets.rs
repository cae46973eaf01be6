//! Logs that go to a daemon, and files that are put aside when they are full. The daemon is a socket of the
//! test.

use std::{
    collections::BTreeSet,
    fs,
    net::UdpSocket,
    os::unix::net::UnixDatagram,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{get, try_get},
    eventually::eventually,
    process::{LbProcess, address_in, new_folder},
};

use super::{rewrite, serving, tell, yaml};

/// A daemon at this socket. It is bound elsewhere first, so that it is complete when it is found.
fn daemon(path: &Path) -> UnixDatagram {
    let other = path.with_extension("new");
    let socket = UnixDatagram::bind(&other).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    fs::rename(other, path).unwrap();
    socket
}

/// The next datagram with this text.
#[track_caller]
fn received(receive: impl Fn(&mut [u8]) -> std::io::Result<usize>, marker: &str) -> String {
    loop {
        let mut packet = vec![0; 1 << 16];
        let length = receive(&mut packet).unwrap_or_else(|error| panic!("no {marker}: {error}"));
        let text = String::from_utf8_lossy(&packet[..length]).into_owned();
        if text.contains(marker) {
            return text;
        }
    }
}

fn line(journal: &UnixDatagram, marker: &str) -> String {
    received(|packet| journal.recv(packet), marker)
}

#[test]
fn the_logs_go_to_syslog_and_to_the_journal() {
    let a = ScriptedBackend::named("a");
    let folder = new_folder();
    let journal = daemon(&folder.path().join("journal"));
    let syslog = UdpSocket::bind("127.0.0.1:0").unwrap();
    syslog.set_read_timeout(Some(PATIENCE)).unwrap();
    let settings = format!(
        "access_log: {{ path: \"syslog:udp:{}\" }}\nerror_log: journald:unix:{}\n\
         syslog: {{ facility: local3, app_name: shop }}",
        syslog.local_addr().unwrap(),
        folder.path().join("journal").display()
    );
    let lb = LbProcess::with_config(&yaml(&[a.address()], &settings), &[]);
    let listening = line(&journal, "MESSAGE=listening");
    assert!(listening.contains("PRIORITY=6\n") && listening.contains("LB_LOG=process\n"));
    assert!(listening.contains("SYSLOG_IDENTIFIER=shop\nSYSLOG_FACILITY=19\n"), "{listening}");
    let address = listening.lines().find_map(|line| line.strip_prefix("LB_ADDRESS="));
    let address = address.expect(&listening).parse().unwrap();
    assert_eq!(get(address, "/a").text(), "a");
    let message = received(|packet| syslog.recv(packet), "/a");
    let mut parts = message.splitn(8, ' ');
    assert_eq!(parts.next(), Some("<158>1"));
    let time = parts.next().unwrap().to_owned();
    let pid = lb.pid().to_string();
    assert_eq!(parts.nth(1), Some("shop"));
    assert_eq!(
        [parts.next(), parts.next(), parts.next()],
        [Some(&*pid), Some("access"), Some("-")]
    );
    let fields: Value = serde_json::from_str(parts.next().unwrap()).unwrap();
    assert_eq!((&fields["path"], &fields["time"]), (&"/a".into(), &time.into()));

    // A reload takes both elsewhere.
    rewrite(&lb, &yaml(&[a.address()], "access_log: { path: access.log }\nerror_log: error.log"));
    assert_eq!(tell(&lb, "reload").code, Some(0));
    get(address, "/b");
    let access_log = lb.folder().join("access.log");
    eventually(PATIENCE, "it is in the file", || {
        fs::read_to_string(&access_log).is_ok_and(|text| text.contains("/b"))
    });
}

#[test]
fn a_daemon_that_is_gone_costs_lines_and_no_request() {
    let a = ScriptedBackend::named("a");
    let folder = new_folder();
    let path = folder.path().join("log");
    let settings = format!(
        "access_log: {{ format: text, path: \"syslog:unix:{}\" }}\n\
         admin: {{ address: unix:admin.sock }}",
        path.display()
    );
    let (mut lb, address) = serving(&yaml(&[a.address()], &settings));
    // It was never there.
    assert_eq!(get(address, "/lost").status, 200);
    lb.wait_for_log("ERROR cannot write the access log, dropping lines output=syslog:unix:");
    lb.wait_for_log("WARN access log lines dropped lines=1");
    let socket = daemon(&path);
    assert_eq!(get(address, "/there").status, 200);
    assert!(line(&socket, "/").contains(" GET /there 200 "));
    lb.wait_for_log("INFO the access log is written again");
    // A restart loses nothing.
    drop(socket);
    fs::remove_file(&path).unwrap();
    assert_eq!(get(address, "/held").status, 200);
    let socket = daemon(&path);
    assert!(line(&socket, "/").contains(" GET /held 200 "));
    // A daemon that takes nothing holds up no request.
    for _ in 0..2000 {
        assert_eq!(get(address, "/full").status, 200);
    }
    lb.wait_for_log("error=\"the daemon takes nothing\"");
    while !line(&socket, " GET ").contains("/full") {}
}

/// The paths in all files of a log, each as often as it stands there.
fn paths(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |path: &std::path::PathBuf| {
        path.file_name().unwrap().to_string_lossy().starts_with("access.log")
    };
    let texts = files.filter(is_log).map(|path| fs::read_to_string(path).unwrap_or_default());
    let paths = |text: String| -> Vec<String> {
        let path = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("a whole line");
            line["path"].as_str().unwrap().to_owned()
        };
        text.lines().map(path).collect()
    };
    texts.flat_map(paths).collect()
}

#[test]
fn full_files_are_put_aside_through_reloads_and_an_upgrade() {
    let a = ScriptedBackend::named("a");
    let settings = "access_log: { path: access.log }\npid_file: lb.pid\nerror_log: process.log\nerror_log_format: text\n\
                    log_rotation: { size: 8KiB, keep: 1000 }";
    let text = yaml(&[a.address()], settings);
    let lb = LbProcess::with_config(&text, &[]);
    let log = || fs::read_to_string(lb.folder().join("process.log")).unwrap_or_default();
    eventually(PATIENCE, "it listens", || log().contains("listening address="));
    let address = address_in(log().lines().find(|line| line.contains("listening")).unwrap());
    let address = address.unwrap();
    let ends = AtomicBool::new(false);
    let answered: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|client| {
                let ends = &ends;
                scope.spawn(move || {
                    let paths = (0..).map(|number| format!("/{client}/{number}"));
                    let paths = paths.take_while(|_| !ends.load(Ordering::Relaxed));
                    let is_answered = |path: &String| {
                        try_get(address, path).is_ok_and(|answer| answer.status == 200)
                    };
                    paths.filter(is_answered).collect::<Vec<_>>()
                })
            })
            .collect();
        for keep in [999, 998] {
            rewrite(&lb, &text.replace("1000", &keep.to_string()));
            assert_eq!(tell(&lb, "reload").code, Some(0));
            assert_eq!(tell(&lb, "upgrade").code, Some(0));
        }
        ends.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let expected: BTreeSet<String> = answered.into_iter().collect();
    assert!(expected.len() > 20, "{}", expected.len());
    eventually(PATIENCE, "every line is there", || {
        paths(lb.folder()).into_iter().collect::<BTreeSet<_>>().is_superset(&expected)
    });
    let all = paths(lb.folder());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "no line stands there twice");
    assert!(lb.folder().join("access.log.2").exists(), "{:?}", log());
    assert_eq!(tell(&lb, "stop").code, Some(0));
}
