//! A message to a syslog daemon, by RFC 5424, one in each datagram (RFC 5426).
//!
//! There is no structured data: daemons store it as text, if at all, and a line in JSON has the fields.

use std::io::Write;

use super::framed::{Framed, LogName, beginning};
use crate::config::Syslog;
use crate::machine;

/// What all messages of a log have in common.
#[derive(Debug)]
pub(super) struct SyslogFrame {
    facility: u8,
    /// What stands between the time and the message.
    from: String,
}

impl SyslogFrame {
    pub(super) fn new(log: LogName, syslog: &Syslog) -> Self {
        let (host, pid) = (host(machine::host_name()), std::process::id());
        let from = format!("{host} {} {pid} {} -", syslog.app_name, log.word());
        Self { facility: syslog.facility as u8, from }
    }

    /// Writes the message, with at most this many bytes of what the line says. `now` stands in for the time
    /// of a line that has none at its beginning.
    pub(super) fn write(&self, line: Framed<'_>, most: usize, now: &str, packet: &mut Vec<u8>) {
        let priority = self.facility * 8 + line.severity as u8;
        let (time, from) = (line.time.unwrap_or(now), &self.from);
        let message = beginning(line.message, most);
        // A vector takes everything.
        let _ = write!(packet, "<{priority}>1 {time} {from} {message}");
    }
}

/// The name of a machine, as a message has it: visible ASCII, `-` if it has no such name.
fn host(name: String) -> String {
    let is_name = (1..=255).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_graphic());
    if is_name { name } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Facility, LogFormat};

    const NOW: &str = "2026-11-21T07:42:01.000Z";

    fn message(log: LogName, format: LogFormat, line: &str, most: usize) -> String {
        let syslog = Syslog { facility: Facility::Local3, app_name: "shop".into() };
        let mut packet = Vec::new();
        let frame = SyslogFrame::new(log, &syslog);
        frame.write(Framed::of(line, (log, format)), most, NOW, &mut packet);
        String::from_utf8(packet).unwrap()
    }

    #[test]
    fn a_message_has_the_form_of_rfc_5424() {
        let line = "2026-11-21T07:42:00.123Z WARN backend ejected pool=web";
        let text = message(LogName::Process, LogFormat::Text, line, usize::MAX);
        let parts: Vec<&str> = text.splitn(8, ' ').collect();
        let pid = std::process::id().to_string();
        assert_eq!(parts[0], "<156>1");
        assert_eq!(parts[1], "2026-11-21T07:42:00.123Z");
        assert_eq!(parts[2], host(machine::host_name()));
        let rest = ["shop", &pid, "process", "-", "backend ejected pool=web"];
        assert_eq!(parts[3..], rest);
    }

    #[test]
    fn a_line_without_a_time_has_that_of_its_message() {
        let text = message(LogName::Access, LogFormat::Combined, "é - -", 2);
        assert!(text.starts_with(&format!("<158>1 {NOW} ")), "{text}");
        assert!(text.ends_with(" access - é"), "{text}");
        assert!(message(LogName::Access, LogFormat::Combined, "é - -", 1).ends_with(" - "));
    }

    #[test]
    fn the_host_has_a_name_or_none() {
        let long = "a".repeat(255);
        for name in ["edge-1", &long] {
            assert_eq!(host(name.to_owned()), name);
        }
        for name in ["", "edge 1", "küche", "a\nb", &format!("{long}a")] {
            assert_eq!(host(name.to_owned()), "-", "{name:?}");
        }
    }
}
