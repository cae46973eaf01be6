//! A line in the combined log format of Apache and nginx, for the programs that read that.
//!
//! They split it at blanks, brackets and quotes. So quotes and control characters in a client's
//! text are escaped as nginx does, which those programs undo.

use std::{
    fmt,
    io::{self, Write},
    time::SystemTime,
};

use httpdate::HttpDate;

use super::super::record::AccessRecord;
use super::client_text;
use crate::http1::Known;

/// Length of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
const HTTP_DATE_LENGTH: usize = 29;

/// Appends the line, without a newline.
pub(super) fn write(record: &AccessRecord<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    match record.real_ip() {
        Some(address) => write!(line, "{address}")?,
        None => line.push(b'-'),
    }
    write!(line, " - - [{}] \"", Time(record.time))?;
    let path = client_text::path(record.path);
    write!(line, "{} {}", Escaped(record.method.as_bytes()), Escaped(&path))?;
    write!(line, " {}\" {} {}", record.protocol, record.status, record.bytes)?;
    for known in [Known::Referer, Known::UserAgent] {
        let header = record.request.and_then(|fields| fields.first(known)).unwrap_or(b"-");
        write!(line, " \"{}\"", Escaped(&client_text::bounded(header)))?;
    }
    Ok(())
}

/// A time as `06/Nov/1994:08:49:37 +0000`.
struct Time(SystemTime);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut date = [0; HTTP_DATE_LENGTH];
        let time = HttpDate::from(self.0.max(SystemTime::UNIX_EPOCH));
        write!(date.as_mut_slice(), "{time}").map_err(|_| fmt::Error)?;
        let part = |range| date.get(range).and_then(|part| std::str::from_utf8(part).ok());
        match (part(5..7), part(8..11), part(12..16), part(17..25)) {
            (Some(day), Some(month), Some(year), Some(time)) => {
                write!(f, "{day}/{month}/{year}:{time} +0000")
            }
            _ => Err(fmt::Error),
        }
    }
}

/// Text escaped as in nginx: quotes, backslashes and everything except printable ASCII as `\xHH`.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte);
        for run in self.0.chunk_by(|left, right| is_plain(left) == is_plain(right)) {
            match std::str::from_utf8(run) {
                Ok(plain) if run.first().is_some_and(is_plain) => f.write_str(plain)?,
                _ => run.iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{fields, line, record};
    use super::*;
    use crate::config::LogFormat;

    #[test]
    fn a_line_is_as_apache_and_nginx_write_it() {
        let request = fields(&[
            ("Referer", b"http://example.com/"),
            ("User-Agent", b"Mozilla/5.0 (X11; Linux)"),
        ]);
        let record = AccessRecord { request: Some(&request), ..record() };
        let expected = "192.0.2.7 - - [21/Nov/2026:07:42:00 +0000] \"GET /path?x HTTP/1.1\" 200 12 \
                        \"http://example.com/\" \"Mozilla/5.0 (X11; Linux)\"\n";
        assert_eq!(line(LogFormat::Combined, &record), expected);
    }

    #[test]
    fn a_missing_value_is_a_dash() {
        let record = AccessRecord { real_ip: None, ..record() };
        let expected =
            "- - - [21/Nov/2026:07:42:00 +0000] \"GET /path?x HTTP/1.1\" 200 12 \"-\" \"-\"\n";
        assert_eq!(line(LogFormat::Combined, &record), expected);
    }

    #[test]
    fn text_of_clients_cannot_end_a_field_or_a_line() {
        let attack: &[u8] = b"\" 200 1\\\r\n\x1b[2J caf\xc3\xa9\x7f";
        let escaped = r"\x22 200 1\x5C\x0D\x0A\x1B[2J caf\xC3\xA9\x7F";
        let line = line(LogFormat::Combined, &AccessRecord { path: attack, ..record() });
        assert!(line.contains(escaped), "{line}");
        assert_eq!((line.matches('"').count(), line.matches('\n').count()), (6, 1));
    }

    #[test]
    fn a_clock_before_the_epoch_is_no_reason_to_lose_a_line() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Time(before).to_string(), "01/Jan/1970:00:00:00 +0000");
    }
}
