//! A line of the access log as JSON.
//!
//! Every request pays for it, so text that is known to need no escaping is written as it is,
//! numbers and addresses are written without the machinery of formatting, and the time is put
//! together once a second. Text that a client can influence goes through `serde_json`.

use std::{
    cell::Cell,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use super::super::{
    connection_record::ConnectionRecord,
    json_escapes,
    record::{AccessRecord, Try},
    text::Timestamp,
};
use crate::digits::Ipv4Text;

/// Length of a time such as `2026-11-21T07:42:00`.
const TO_THE_SECOND: usize = 19;

thread_local! {
    /// The second (since the epoch) that was written last, and its text.
    static SECOND: Cell<(u64, [u8; TO_THE_SECOND])> =
        const { Cell::new((u64::MAX, [0; TO_THE_SECOND])) };
}

/// Appends the line, without a newline.
pub(super) fn write(record: &AccessRecord<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    let mut line = Line(line);
    line.raw(r#"{"time":""#);
    line.time(record.time)?;
    line.raw(r#"","level":"info","msg":"Request completed","client_ip":"#);
    line.option(record.client(), Line::address)?;
    line.raw(r#","real_ip":"#);
    line.option(record.real_ip(), Line::ip)?;
    line.raw(r#","method":"#);
    line.plain(record.method);
    line.raw(r#","path":"#);
    line.text(record.path)?;
    line.raw(r#","protocol":"#);
    line.plain(record.protocol);
    line.raw(r#","backend":"#);
    line.option(record.backend.map(str::as_bytes), Line::text)?;
    line.raw(r#","status":"#);
    line.number(record.status.into())?;
    line.raw(r#","latency_ms":"#);
    line.millis(record.latency)?;
    line.raw(r#","request_id":"#);
    line.plain(record.request_id);
    line.raw(r#","trace_id":"#);
    line.option(record.trace_id, Line::word)?;
    line.raw(r#","attempts":"#);
    line.number(record.attempts.into())?;
    line.raw(r#","tries":"#);
    line.list(record.tries, Line::one_try)?;
    line.raw(r#","no_backend":"#);
    line.option(record.no_backend, Line::counts)?;
    line.raw(r#","bytes":"#);
    line.number(record.bytes)?;
    line.raw(r#","host":"#);
    line.option(record.host, Line::text)?;
    line.raw(r#","pool":"#);
    line.option(record.pool.map(str::as_bytes), Line::text)?;
    line.connection(&record.connection)?;
    line.raw(r#","error":"#);
    line.option(record.error.map(str::as_bytes), Line::text)?;
    line.raw("}");
    Ok(())
}

/// A line that is being written.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    #[inline]
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn option<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T) -> io::Result<()>,
    ) -> io::Result<()> {
        match value {
            Some(value) => write(self, value),
            None => {
                self.raw("null");
                Ok(())
            }
        }
    }

    fn list<T>(
        &mut self,
        items: &[T],
        write: impl Fn(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.raw("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, item)?;
        }
        self.raw("]");
        Ok(())
    }

    /// Writes a string of which it is known that nothing in it needs escaping.
    fn plain(&mut self, text: &str) {
        debug_assert!(!has_special(text.as_bytes()), "{text:?} is not plain");
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    /// As [`Line::plain`], where an error is possible for others.
    fn word(&mut self, text: &str) -> io::Result<()> {
        self.plain(text);
        Ok(())
    }

    /// Writes untrusted bytes as a string; bytes that are not UTF-8 are replaced.
    fn text(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !has_special(bytes) {
            self.raw("\"");
            self.0.extend_from_slice(bytes);
            self.raw("\"");
            return Ok(());
        }
        json_escapes::write(self.0, &*String::from_utf8_lossy(bytes))
    }

    fn number(&mut self, number: u64) -> io::Result<()> {
        if number < 10 {
            self.0.push(b'0' + number as u8);
            return Ok(());
        }
        Ok(serde_json::to_writer(&mut *self.0, &number)?)
    }

    /// Writes milliseconds, exact to the microsecond: smaller digits are noise beside a network.
    fn millis(&mut self, duration: Duration) -> io::Result<()> {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.number(micros / 1000)?;
        self.raw(".");
        self.digits(micros % 1000);
        Ok(())
    }

    /// Writes three digits.
    fn digits(&mut self, number: u64) {
        let digit = |power: u64| b'0' + (number / power % 10) as u8;
        self.0.extend_from_slice(&[digit(100), digit(10), digit(1)]);
    }

    /// Writes the time by RFC 3339, in UTC, with milliseconds.
    fn time(&mut self, time: SystemTime) -> io::Result<()> {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (mut second, mut text) = SECOND.get();
        if second != since.as_secs() {
            let mut written = Vec::with_capacity(TO_THE_SECOND + 8);
            write!(written, "{}", Timestamp(time))?;
            let Some(Ok(prefix)) = written.get(..TO_THE_SECOND).map(TryInto::try_into) else {
                // The year has five digits.
                self.0.extend_from_slice(&written);
                return Ok(());
            };
            (second, text) = (since.as_secs(), prefix);
            SECOND.set((second, text));
        }
        self.0.extend_from_slice(&text);
        self.raw(".");
        self.digits(since.subsec_millis().into());
        self.raw("Z");
        Ok(())
    }

    fn ip(&mut self, ip: IpAddr) -> io::Result<()> {
        match ip {
            IpAddr::V4(ip) => self.plain(Ipv4Text::new(ip).as_str()),
            IpAddr::V6(ip) => write!(self.0, "\"{ip}\"")?,
        }
        Ok(())
    }

    fn address(&mut self, address: SocketAddr) -> io::Result<()> {
        let SocketAddr::V4(v4) = address else { return write!(self.0, "\"{address}\"") };
        self.raw("\"");
        self.raw(Ipv4Text::new(*v4.ip()).as_str());
        self.raw(":");
        self.number(v4.port().into())?;
        self.raw("\"");
        Ok(())
    }

    fn connection(&mut self, connection: &ConnectionRecord<'_>) -> io::Result<()> {
        let ConnectionRecord { authority, unique_id, tls } = connection;
        self.raw(if tls.is_some() { r#","scheme":"https""# } else { r#","scheme":"http""# });
        if let Some(tls) = tls {
            self.raw(r#","tls_version":""#);
            self.raw(tls.version);
            self.raw(r#"","cipher":"#);
            self.text(tls.cipher.as_bytes())?;
            self.raw(r#","sni":"#);
            self.option(tls.sni.map(str::as_bytes), Line::text)?;
            self.raw(r#","alpn":"#);
            self.option(tls.alpn.map(str::as_bytes), Line::text)?;
            self.raw(if tls.resumed { r#","resumed":true"# } else { r#","resumed":false"# });
            self.raw(r#","client_cert":"#);
            self.option(tls.client_cert.map(str::as_bytes), Line::text)?;
        }
        for (name, value) in [(r#","authority":"#, authority), (r#","unique_id":"#, unique_id)] {
            if let Some(value) = value {
                self.raw(name);
                self.text(value.as_bytes())?;
            }
        }
        Ok(())
    }

    fn one_try(&mut self, one: &Try) -> io::Result<()> {
        self.raw(r#"{"backend":"#);
        self.text(one.backend.as_bytes())?;
        self.raw(r#","address":"#);
        self.text(one.address.as_bytes())?;
        self.raw(r#","connect_ms":"#);
        self.option(one.connect, Line::millis)?;
        self.raw(r#","first_byte_ms":"#);
        self.option(one.first_byte, Line::millis)?;
        self.raw(if one.reused { r#","reused":true,"# } else { r#","reused":false,"# });
        self.raw(r#""outcome":"#);
        self.plain(&one.outcome);
        self.raw(r#","retried":"#);
        self.option(one.retried.as_deref(), Line::word)?;
        self.raw("}");
        Ok(())
    }

    /// Writes the counts as an object.
    fn counts(&mut self, counts: &[(&'static str, usize)]) -> io::Result<()> {
        self.raw("{");
        for (index, (name, count)) in counts.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.plain(name);
            self.raw(":");
            self.number(*count as u64)?;
        }
        self.raw("}");
        Ok(())
    }
}

/// Whether a byte of a string needs an escape in JSON, or is not ASCII.
fn has_special(bytes: &[u8]) -> bool {
    let is_special = |byte: u8| !matches!(byte, b' '..=b'~') | (byte == b'"') | (byte == b'\\');
    // The loop does not stop early, so that the compiler can look at many bytes at a time.
    bytes.iter().fold(false, |found, byte| found | is_special(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(time: SystemTime) -> String {
        let mut line = vec![];
        Line(&mut line).time(time).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_time_is_the_same_with_and_without_a_cached_second() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        for millis in [0, 1, 999, 1000, 1_795_246_920_123, 1_795_246_920_999, 1_795_246_921_000] {
            let expected = Timestamp(at(millis)).to_string();
            assert_eq!((time(at(millis)), time(at(millis))), (expected.clone(), expected));
        }
        assert_eq!(time(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), time(at(0)));
    }

    #[test]
    fn every_byte_and_every_address_is_read_back_unchanged() {
        let read = |write: &dyn Fn(&mut Line<'_>)| {
            let mut line = vec![];
            write(&mut Line(&mut line));
            serde_json::from_slice::<serde_json::Value>(&line).unwrap()
        };
        for byte in 0..=u8::MAX {
            let bytes = [b'a', byte, b'b'];
            let expected = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(read(&|line| line.text(&bytes).unwrap()), expected.as_str());
        }
        for text in ["127.0.0.1:1", "255.10.0.200:65535", "[::1]:80", "[2001:db8::ff]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(read(&|line| line.address(address).unwrap()), text);
            let ip = address.ip();
            assert_eq!(read(&|line| line.ip(ip).unwrap()), ip.to_string().as_str());
        }
        for micros in [0, 1, 1_000, 1_234, 1_000_001, 86_400_000_000] {
            let millis = read(&|line| line.millis(Duration::from_micros(micros)).unwrap());
            assert_eq!(millis.as_f64(), Some(micros as f64 / 1000.0));
        }
    }
}
