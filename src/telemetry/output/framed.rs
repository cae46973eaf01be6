//! A line of a log as a daemon needs it: what it says, and beside that its time, its level and its fields.
//!
//! A line passes the queue as text, whatever its output is. The time and the level stand at known places of
//! each format, and are found there. Where a daemon takes fields and the format is not JSON, the line is
//! followed by the same in JSON, behind a control character that no line has, because both formats escape it.

use crate::config::LogFormat;

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum LogName {
    Access,
    Process,
}

impl LogName {
    /// The log as daemons are told of it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Process => "process",
        }
    }
}

/// A line, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Framed<'a> {
    /// By RFC 3339; `None` if the line does not begin with it.
    pub(super) time: Option<&'a str>,
    pub(super) severity: Severity,
    pub(super) message: &'a str,
    /// The line as a JSON object.
    pub(super) fields: Option<&'a str>,
}

/// How much a message matters (RFC 5424 section 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

impl Severity {
    /// Reads the level of a line of the process log, in the spelling of either format.
    fn of(level: &str) -> Self {
        match level {
            "ERROR" | "error" => Self::Error,
            "WARN" | "warn" => Self::Warning,
            "DEBUG" | "debug" | "TRACE" | "trace" => Self::Debug,
            _ => Self::Info,
        }
    }
}

impl<'a> Framed<'a> {
    /// What stands between a line and the same in JSON.
    pub(in super::super) const SEPARATOR: u8 = 0x1f;

    /// Takes a line without its end apart.
    pub(super) fn of(line: &'a str, (log, format): (LogName, LogFormat)) -> Self {
        let (text, behind) = match line.split_once(char::from(Self::SEPARATOR)) {
            Some((text, json)) => (text, Some(json)),
            None => (line, None),
        };
        match format {
            LogFormat::Json => Self {
                time: json_text(text, "{\"time\":\""),
                severity: match (log, text.find(LEVEL)) {
                    (LogName::Process, Some(at)) => {
                        json_text(&text[at..], LEVEL).map_or(Severity::Info, Severity::of)
                    }
                    _ => Severity::Info,
                },
                message: text,
                fields: Some(text),
            },
            LogFormat::Text => {
                let (time, rest) = text.split_once(' ').unwrap_or(("", text));
                let (severity, message) = match (log, rest.split_once(' ')) {
                    (LogName::Process, Some((level, message))) => (Severity::of(level), message),
                    _ => (Severity::Info, rest),
                };
                Self { time: Some(time), severity, message, fields: behind }
            }
            LogFormat::Combined => {
                Self { time: None, severity: Severity::Info, message: text, fields: behind }
            }
        }
    }
}

/// The beginning of a text, at most this many bytes of it.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

const LEVEL: &str = "\"level\":\"";

/// The text between `before`, with which JSON begins, and the next quote.
fn json_text<'a>(json: &'a str, before: &str) -> Option<&'a str> {
    json.strip_prefix(before)?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-21T07:42:00.123Z";

    #[test]
    fn a_line_of_each_format_is_taken_apart() {
        let json = format!(r#"{{"time":"{TIME}","level":"warn","target":"lb","msg":"hello"}}"#);
        let process = LogName::Process;
        let whole = Framed {
            time: Some(TIME),
            severity: Severity::Warning,
            message: &json,
            fields: Some(&json),
        };
        assert_eq!(Framed::of(&json, (process, LogFormat::Json)), whole);
        let access = Framed { severity: Severity::Info, ..whole };
        assert_eq!(Framed::of(&json, (LogName::Access, LogFormat::Json)), access);

        let text = format!("{TIME} ERROR backend ejected pool=web");
        let taken = Framed {
            time: Some(TIME),
            severity: Severity::Error,
            message: "backend ejected pool=web",
            fields: None,
        };
        assert_eq!(Framed::of(&text, (process, LogFormat::Text)), taken);
        let both = format!("{text}\u{1f}{json}");
        let taken = Framed { fields: Some(&json), ..taken };
        assert_eq!(Framed::of(&both, (process, LogFormat::Text)), taken);

        let request = format!("{TIME} 127.0.0.1:1 GET / 200");
        let framed = Framed::of(&request, (LogName::Access, LogFormat::Text));
        assert_eq!((framed.time, framed.message), (Some(TIME), "127.0.0.1:1 GET / 200"));
        let combined = "192.0.2.7 - - [21/Nov/2026:07:42:00 +0000] \"GET / HTTP/1.1\" 200 12";
        let framed = Framed::of(combined, (LogName::Access, LogFormat::Combined));
        assert_eq!((framed.time, framed.message), (None, combined));
    }

    #[test]
    fn each_level_has_its_severity_in_both_formats() {
        for (level, severity) in
            [("error", 3), ("warn", 4), ("info", 6), ("debug", 7), ("trace", 7), ("other", 6)]
        {
            let json = format!(r#"{{"time":"{TIME}","level":"{level}","target":"lb","msg":"x"}}"#);
            let text = format!("{TIME} {} x", level.to_uppercase());
            for (line, format) in [(json, LogFormat::Json), (text, LogFormat::Text)] {
                let framed = Framed::of(&line, (LogName::Process, format));
                assert_eq!(framed.severity as u8, severity, "{line}");
            }
        }
    }

    #[test]
    fn a_client_cannot_choose_the_level() {
        let line = r#"{"path":"/?\"level\":\"error\"","level":"info"}"#;
        let framed = Framed::of(line, (LogName::Access, LogFormat::Json));
        assert_eq!((framed.severity, framed.time), (Severity::Info, None));
        let line =
            r#"{"time":"T","level":"info","target":"lb","msg":"x","at":"\"level\":\"error"}"#;
        assert_eq!(Framed::of(line, (LogName::Process, LogFormat::Json)).severity, Severity::Info);
    }

    #[test]
    fn any_text_is_taken_apart() {
        for line in ["", " ", "x", "\u{1f}", "{", "{\"time\":\"", "é é é"] {
            for format in [LogFormat::Json, LogFormat::Text, LogFormat::Combined] {
                for log in [LogName::Access, LogName::Process] {
                    let _ = Framed::of(line, (log, format));
                }
            }
        }
    }
}
