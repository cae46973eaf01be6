//! An entry of the systemd journal, by its native protocol: one in each datagram, with fields.
//!
//! The socket is used rather than priorities on standard error, because a journal is searched by its fields:
//! `journalctl LB_POOL=web LB_STATUS=503`. It also takes the lines of both logs from a process that systemd
//! has not started. Each field of a line is a field of its entry, as `LB_` and its name in capitals.

use serde_json::{Map, Value};

use super::framed::{Framed, LogName, beginning};
use crate::config::Syslog;

/// The longest name of a field.
const NAME_MAX: usize = 64;

/// What all entries of a log have in common.
#[derive(Debug)]
pub(super) struct JournalFrame {
    common: Vec<u8>,
}

impl JournalFrame {
    pub(super) fn new(log: LogName, syslog: &Syslog) -> Self {
        let mut common = Vec::new();
        push("SYSLOG_IDENTIFIER", &syslog.app_name, &mut common);
        push("SYSLOG_FACILITY", &(syslog.facility as u8).to_string(), &mut common);
        push("LB_LOG", log.word(), &mut common);
        Self { common }
    }

    /// Writes the entry, with at most this many bytes of each value.
    pub(super) fn write(&self, line: Framed<'_>, most: usize, packet: &mut Vec<u8>) {
        packet.extend_from_slice(&self.common);
        push("MESSAGE", beginning(line.message, most), packet);
        push("PRIORITY", &(line.severity as u8).to_string(), packet);
        let fields = line.fields.and_then(|json| serde_json::from_str::<Map<_, _>>(json).ok());
        for (name, value) in fields.iter().flatten() {
            let text = match value {
                Value::Null => continue,
                // The entry has them already.
                _ if name == "level" || name == "msg" => continue,
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            push(&field(name), beginning(&text, most), packet);
        }
    }
}

/// The name in the journal, which takes capitals, digits and underscores.
fn field(name: &str) -> String {
    let part = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = "LB_".chars().chain(name.chars().map(part)).collect();
    beginning(&name, NAME_MAX).to_owned()
}

/// Appends a field: a value with a line end needs its length before it.
fn push(name: &str, value: &str, packet: &mut Vec<u8>) {
    packet.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        packet.push(b'\n');
        packet.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        packet.push(b'=');
    }
    packet.extend_from_slice(value.as_bytes());
    packet.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Facility, LogFormat};

    fn entry(format: LogFormat, line: &str, most: usize) -> Vec<u8> {
        let syslog = Syslog { facility: Facility::Daemon, app_name: "lb".into() };
        let mut packet = Vec::new();
        let framed = Framed::of(line, (LogName::Process, format));
        JournalFrame::new(LogName::Process, &syslog).write(framed, most, &mut packet);
        packet
    }

    const HEAD: &str = "SYSLOG_IDENTIFIER=lb\nSYSLOG_FACILITY=3\nLB_LOG=process\n";

    #[test]
    fn every_field_of_a_line_is_one_of_its_entry() {
        let line = "T WARN ejected pool=web\u{1f}{\"time\":\"T\",\"level\":\"warn\",\"target\":\"lb\",\
                    \"msg\":\"ejected\",\"pool\":\"web\",\"failures\":3,\"none\":null,\"a-b.c\":true,\
                    \"tries\":[{\"a\":1}]}";
        let entry = String::from_utf8(entry(LogFormat::Text, line, usize::MAX)).unwrap();
        let fields = entry.strip_prefix(HEAD).unwrap();
        let expected = "MESSAGE=ejected pool=web\nPRIORITY=4\n";
        let mut rest: Vec<&str> = fields.strip_prefix(expected).unwrap().lines().collect();
        rest.sort_unstable();
        let all = [
            "LB_A_B_C=true",
            "LB_FAILURES=3",
            "LB_POOL=web",
            "LB_TARGET=lb",
            "LB_TIME=T",
            "LB_TRIES=[{\"a\":1}]",
        ];
        assert_eq!(rest, all);
    }

    #[test]
    fn a_client_cannot_add_a_field() {
        let line = r#"{"msg":"x","path":"/\nPRIORITY=0\n"}"#;
        let entry = entry(LogFormat::Json, line, usize::MAX);
        let mut expected = b"LB_PATH\n".to_vec();
        expected.extend_from_slice(&13_u64.to_le_bytes());
        expected.extend_from_slice(b"/\nPRIORITY=0\n\n");
        assert!(entry.ends_with(&expected), "{}", entry.escape_ascii());
    }

    #[test]
    fn an_entry_can_be_made_short() {
        let line = format!("T INFO {0}\u{1f}{{\"{1}\":\"{0}\"}}", "é".repeat(100), "n".repeat(100));
        let entry = String::from_utf8(entry(LogFormat::Text, &line, 5)).unwrap();
        let name = format!("LB_{}", "N".repeat(NAME_MAX - 3));
        assert_eq!(entry, format!("{HEAD}MESSAGE=éé\nPRIORITY=6\n{name}=éé\n"));
    }
}
