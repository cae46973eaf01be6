//! What the system says of a process: how much memory and how many files it holds.

use std::fs;

use nix::unistd::Pid;

use super::process::memory_of;

/// A process at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    /// Kilobytes.
    pub memory: u64,
    /// Open files, connections apart: these come and go with checks and requests.
    pub files: usize,
}

impl Footprint {
    pub(crate) fn of(pid: Pid) -> Self {
        // The system's tables are read after the files of which they tell, and the files once more: a
        // connection that is opened between two of these reads is in one of them only.
        let before = files(pid);
        let passing = connections(pid);
        let is_kept = |name: &String| before.contains(name) && !passing.contains(name);
        Self { memory: memory_of(pid), files: files(pid).iter().filter(|it| is_kept(it)).count() }
    }
}

/// Connections that a process holds with one of these ports at the other end.
pub(crate) fn connections_to(pid: Pid, ports: &[u16]) -> usize {
    let files = files(pid);
    let has_port = |line: &&String| {
        let port = line.split_whitespace().nth(2).and_then(|address| address.rsplit(':').next());
        port.and_then(|port| u16::from_str_radix(port, 16).ok())
            .is_some_and(|it| ports.contains(&it))
    };
    let table = table(pid, "tcp");
    let sockets = table.iter().filter(has_port).filter_map(|line| socket(line, 3, "0A", 9));
    sockets.filter(|socket| files.contains(socket)).count()
}

/// What the open files of a process are, each with what the system's tables say of it.
pub(crate) fn file_kinds(pid: Pid) -> Vec<String> {
    let tables: Vec<_> = ["tcp", "unix"].into_iter().flat_map(|name| table(pid, name)).collect();
    let line_of =
        |inode: &str| tables.iter().find(|line| line.split_whitespace().any(|it| it == inode));
    let kind = |file: String| {
        let inode = file.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let line = inode.map(|inode| line_of(inode).map_or("in no table", |line| line.trim()));
        format!("{file} {}", line.unwrap_or_default())
    };
    files(pid).into_iter().map(kind).collect()
}

fn files(pid: Pid) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let files = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    files.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// TCP connections, and those of commands: the client of a reload may still be connected.
fn connections(pid: Pid) -> Vec<String> {
    let tcp = table(pid, "tcp").into_iter().filter_map(|line| socket(&line, 3, "0A", 9));
    let unix = table(pid, "unix").into_iter().filter(|line| line.contains("@lb/control:"));
    tcp.chain(unix.filter_map(|line| socket(&line, 3, "00010000", 6))).collect()
}

fn table(pid: Pid, name: &str) -> Vec<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/{name}")).expect("it runs");
    table.lines().skip(1).map(str::to_owned).collect()
}

/// The socket of a line of such a table, unless it listens.
fn socket(line: &str, state: usize, listens: &str, inode: usize) -> Option<String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let is_listening = fields.get(state) == Some(&listens);
    (!is_listening).then(|| format!("socket:[{}]", fields.get(inode).unwrap_or(&"0")))
}
