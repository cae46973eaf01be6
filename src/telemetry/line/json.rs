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
use super::client_text;
use crate::config::{ChosenField, LogField, StandardField};
use crate::digits::Ipv4Text;
use crate::eight_bytes::{has, has_less, repeated};
use crate::http1::Known;

/// Length of a time such as `2026-11-21T07:42:00`.
const TO_THE_SECOND: usize = 19;

thread_local! {
    /// The second (since the epoch) that was written last, and its text.
    static SECOND: Cell<(u64, [u8; TO_THE_SECOND])> =
        const { Cell::new((u64::MAX, [0; TO_THE_SECOND])) };
}

/// A field of every line whose request has what it needs, with what is written before its value.
#[derive(Debug)]
pub(super) struct PlannedField {
    pub(super) label: Box<str>,
    pub(super) chosen: ChosenField,
    needs: Needs,
}

impl PlannedField {
    pub(super) fn new(chosen: ChosenField, label: String) -> Self {
        Self { label: label.into(), needs: Needs::of(&chosen.field), chosen }
    }
}

/// What a request must have for its line in JSON to have a field: most lines have no use for those of TLS.
#[derive(Debug, Clone, Copy)]
enum Needs {
    Nothing,
    Tls,
    Authority,
    UniqueId,
}

impl Needs {
    fn of(field: &LogField) -> Self {
        use StandardField as F;
        match field {
            LogField::Standard(
                F::TlsVersion | F::Cipher | F::Sni | F::Alpn | F::Resumed | F::ClientCert,
            ) => Self::Tls,
            LogField::Standard(F::Authority) => Self::Authority,
            LogField::Standard(F::UniqueId) => Self::UniqueId,
            _ => Self::Nothing,
        }
    }

    fn are_met(self, connection: &ConnectionRecord<'_>) -> bool {
        match self {
            Self::Nothing => true,
            Self::Tls => connection.tls.is_some(),
            Self::Authority => connection.authority.is_some(),
            Self::UniqueId => connection.unique_id.is_some(),
        }
    }
}

/// Appends the line, without a newline.
pub(super) fn write(
    record: &AccessRecord<'_>,
    fields: &[PlannedField],
    line: &mut Vec<u8>,
) -> io::Result<()> {
    let start = line.len();
    for field in fields.iter().filter(|field| field.needs.are_met(&record.connection)) {
        line.extend_from_slice(field.label.as_bytes());
        value(record, &field.chosen, line)?;
    }
    // The comma before the first field.
    match line.get_mut(start) {
        Some(first) => *first = b'{',
        None => line.push(b'{'),
    }
    line.push(b'}');
    Ok(())
}

/// Appends the value of a field, `null` for none.
pub(super) fn value(
    record: &AccessRecord<'_>,
    chosen: &ChosenField,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    let mut line = Line(line);
    let value = match &chosen.field {
        LogField::Standard(field) => return line.standard(*field, record),
        LogField::RequestHeader(name) => {
            record.request.and_then(|fields| client_text::header(fields, name))
        }
        LogField::ResponseHeader(name) => {
            record.answer.and_then(|fields| client_text::header(fields, name))
        }
        LogField::Cookie(name) => {
            record.request.and_then(|fields| client_text::cookie(fields, name))
        }
    };
    let masked: &[u8] = b"***";
    line.option(value, |line, value| line.text(if chosen.is_masked { masked } else { &value }))
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
        self.raw("\"");
        self.unquoted_time(time)?;
        self.raw("\"");
        Ok(())
    }

    fn unquoted_time(&mut self, time: SystemTime) -> io::Result<()> {
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

    /// Writes the value of a field.
    fn standard(&mut self, field: StandardField, record: &AccessRecord<'_>) -> io::Result<()> {
        use StandardField as F;
        let tls = record.connection.tls;
        match field {
            F::Time => self.time(record.time),
            F::Level => self.word("info"),
            F::Msg => self.word("Request completed"),
            F::ClientIp => self.option(record.client(), Line::address),
            F::RealIp => self.option(record.real_ip(), Line::ip),
            F::Method => self.word(record.method),
            F::Path => self.text(&client_text::path(record.path)),
            F::Protocol => self.word(record.protocol),
            F::Backend => self.name(record.backend),
            F::Status => self.number(record.status.into()),
            F::LatencyMs => self.millis(record.latency),
            F::RequestId => self.word(record.request_id),
            F::TraceId => self.option(record.trace_id, Line::word),
            F::Attempts => self.number(record.attempts.into()),
            F::Tries => self.list(record.tries, Line::one_try),
            F::NoBackend => self.option(record.no_backend, Line::counts),
            F::Bytes => self.number(record.bytes),
            F::RequestBytes => self.number(record.request_bytes),
            F::Host => self.client_text(record.host),
            F::Pool => self.option(record.pool, Line::word),
            F::Listener => self.name(record.listener),
            F::Referer => self.known(record, Known::Referer),
            F::UserAgent => self.known(record, Known::UserAgent),
            F::Error => self.name(record.error),
            F::Scheme => self.word(if tls.is_some() { "https" } else { "http" }),
            F::TlsVersion => self.option(tls.map(|tls| tls.version), Line::word),
            F::Cipher => self.name(tls.map(|tls| tls.cipher)),
            F::Sni => self.client_text(tls.and_then(|tls| tls.sni).map(str::as_bytes)),
            F::Alpn => self.client_text(tls.and_then(|tls| tls.alpn).map(str::as_bytes)),
            F::Resumed => self.option(tls.map(|tls| tls.resumed), Line::truth),
            F::ClientCert => {
                self.client_text(tls.and_then(|tls| tls.client_cert).map(str::as_bytes))
            }
            F::Authority => self.client_text(record.connection.authority.map(str::as_bytes)),
            F::UniqueId => self.client_text(record.connection.unique_id.map(str::as_bytes)),
        }
    }

    fn truth(&mut self, is_so: bool) -> io::Result<()> {
        self.raw(if is_so { "true" } else { "false" });
        Ok(())
    }

    /// Writes a name from the configuration, or another text of ours.
    fn name(&mut self, name: Option<&str>) -> io::Result<()> {
        self.option(name.map(str::as_bytes), Line::text)
    }

    /// Writes a text that a client has sent.
    fn client_text(&mut self, text: Option<&[u8]>) -> io::Result<()> {
        self.option(text, |line, text| line.text(&client_text::bounded(text)))
    }

    /// Writes the value of a header of the request.
    fn known(&mut self, record: &AccessRecord<'_>, known: Known) -> io::Result<()> {
        self.client_text(record.request.and_then(|fields| fields.first(known)))
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
    let is_special = |byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
    let Some(last) = bytes.last_chunk() else { return bytes.iter().any(is_special) };
    let is_special = |eight: &[u8; 8]| {
        let eight = u64::from_le_bytes(*eight);
        let is_beyond_ascii = eight & repeated(0x80) != 0;
        is_beyond_ascii
            || has_less(eight, b' ')
            || has(eight, 0x7f)
            || has(eight, b'"')
            || has(eight, b'\\')
    };
    // The last eight may overlap with those before.
    bytes.as_chunks().0.iter().chain([last]).any(is_special)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(time: SystemTime) -> String {
        let mut line = vec![];
        Line(&mut line).unquoted_time(time).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn every_byte_that_needs_an_escape_is_found_wherever_it_is() {
        for byte in 0..=u8::MAX {
            let needs_one =
                byte >= 0x7f || serde_json::to_string(&char::from(byte)).unwrap().len() > 3;
            for length in 1..20 {
                for at in 0..length {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    assert_eq!(has_special(&text), needs_one, "{byte} at {at} of {length}");
                }
            }
        }
        assert!(!has_special(b""));
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
