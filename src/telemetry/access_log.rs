//! The facts that the access log has about one request, and its formats.
//!
//! [`AccessRecord`] borrows everything, and its lines are written into a buffer that the caller
//! reuses, so that a line costs no allocation. `json_line` is the table of fields, and a test
//! compares it with the one in README.md; [`AccessRecord::write_text`] has the fields that a person
//! looks for, and `combined` those that other programs expect.

use std::{
    borrow::Cow,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    combined,
    connection_record::{ConnectionRecord, TlsRecord},
    json_line,
    text::{Timestamp, Word},
};
use crate::config::LogFormat;

/// One request, when it has ended.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// When it ended.
    pub time: SystemTime,
    /// The other end of the connection.
    pub client: Option<SocketAddr>,
    /// The first address that is not a trusted proxy.
    pub real_ip: Option<IpAddr>,
    /// As received.
    pub method: &'a str,
    /// As received, with the query; need not be UTF-8.
    pub path: &'a [u8],
    /// URL of the backend of the last attempt, by its configured name; `None` when there was no attempt.
    pub backend: Option<&'a str>,
    /// As received, such as `HTTP/1.1`.
    pub protocol: &'static str,
    /// As received; only [`LogFormat::Combined`] asks for it.
    pub referer: Option<&'a [u8]>,
    /// As received; only [`LogFormat::Combined`] asks for it.
    pub user_agent: Option<&'a [u8]>,
    /// The status that the client received.
    pub status: u16,
    /// From the end of the request's header to the last byte of the answer.
    pub latency: Duration,
    /// The client's own id or ours, as `X-Request-Id` tells the backend.
    pub request_id: &'a str,
    /// The id of the trace that the request is a part of, if any.
    pub trace_id: Option<&'a str>,
    /// The number of tries that were made.
    pub attempts: u32,
    /// The tries, in order.
    pub tries: &'a [Try],
    /// If no backend could take the request: the number of backends for each reason.
    pub no_backend: Option<&'a [(&'static str, usize)]>,
    /// Bytes of the response body that were sent.
    pub bytes: u64,
    /// As received; need not be UTF-8.
    pub host: Option<&'a [u8]>,
    /// Where the route led; `None` when there was no route.
    pub pool: Option<&'a str>,
    /// Of the client's connection.
    pub connection: ConnectionRecord<'a>,
    /// Why the request did not come to a good end; `None` when it did.
    pub error: Option<&'a str>,
}

/// One try of a request.
#[derive(Debug, Clone)]
pub struct Try {
    /// The backend, by the name that it is configured by.
    pub backend: Arc<str>,
    /// The address behind that name.
    pub address: Arc<str>,
    /// How long the connection took; `None` when none came about.
    pub connect: Option<Duration>,
    /// From the end of the request to the beginning of an answer; `None` when none began.
    pub first_byte: Option<Duration>,
    /// Whether the connection had served another request.
    pub reused: bool,
    /// How the try ended, in one word.
    pub outcome: Cow<'static, str>,
    /// Why another try followed, in a word of `retry.on`; `None` when none did.
    pub retried: Option<Cow<'static, str>>,
}

impl AccessRecord<'_> {
    /// Appends the line, newline included.
    pub(super) fn write(&self, format: LogFormat, line: &mut Vec<u8>) -> io::Result<()> {
        match format {
            LogFormat::Json => json_line::write(self, line)?,
            LogFormat::Text => self.write_text(line)?,
            LogFormat::Combined => combined::write(self, line)?,
        }
        line.push(b'\n');
        Ok(())
    }

    fn write_text(&self, line: &mut Vec<u8>) -> io::Result<()> {
        write!(line, "{} ", Timestamp(self.time))?;
        match self.client() {
            Some(client) => write!(line, "{client}")?,
            None => line.push(b'-'),
        }
        write!(line, " {} {}", Word(self.method.as_bytes()), Word(self.path))?;
        write!(line, " {} {}B {:.3}ms", self.status, self.bytes, millis(self.latency))?;
        write!(line, " -> {} attempts={}", self.backend.unwrap_or("-"), self.attempts)?;
        for (index, one) in self.tries.iter().enumerate().filter(|_| self.tries.len() > 1) {
            let before = if index == 0 { " tries=" } else { "," };
            write!(line, "{before}{}:{}", one.backend, one.outcome)?;
        }
        for (index, (reason, count)) in self.no_backend.unwrap_or_default().iter().enumerate() {
            let before = if index == 0 { " no_backend=" } else { "," };
            write!(line, "{before}{reason}:{count}")?;
        }
        write!(line, " pool={}", Word(self.pool.unwrap_or_default().as_bytes()))?;
        write!(line, " host={} real_ip=", Word(self.host.unwrap_or_default()))?;
        match self.real_ip() {
            Some(real_ip) => write!(line, "{real_ip}")?,
            None => line.push(b'-'),
        }
        write!(line, " id={}", Word(self.request_id.as_bytes()))?;
        self.trace_id.map_or(Ok(()), |trace_id| write!(line, " trace_id={trace_id}"))?;
        if let Some(TlsRecord { version, sni, client_cert, .. }) = self.connection.tls {
            write!(line, " tls={version} sni={}", Word(sni.unwrap_or_default().as_bytes()))?;
            if let Some(subject) = client_cert {
                write!(line, " client_cert={}", Word(subject.as_bytes()))?;
            }
        }
        self.error.map_or(Ok(()), |error| write!(line, " error={}", Word(error.as_bytes())))
    }

    /// An IPv4 client of a listener on `[::]` looks as it does anywhere else.
    pub(super) fn client(&self) -> Option<SocketAddr> {
        self.client.map(|client| SocketAddr::new(client.ip().to_canonical(), client.port()))
    }

    pub(super) fn real_ip(&self) -> Option<IpAddr> {
        self.real_ip.map(|address| address.to_canonical())
    }
}

/// Milliseconds, exact to the microsecond: smaller digits are noise beside a network.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::telemetry::queue::KEPT;

    pub(in crate::telemetry) fn record() -> AccessRecord<'static> {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_246_920_123),
            client: Some("127.0.0.1:54321".parse().unwrap()),
            real_ip: Some("192.0.2.7".parse().unwrap()),
            method: "GET",
            path: b"/path?x",
            backend: Some("http://127.0.0.1:9001"),
            protocol: "HTTP/1.1",
            referer: None,
            user_agent: None,
            status: 200,
            latency: Duration::from_nanos(1_234_567),
            request_id: "4bf92f3577b34da6a3ce929d0e0e4736",
            trace_id: None,
            attempts: 1,
            tries: &[],
            no_backend: None,
            bytes: 12,
            host: Some(b"example.com"),
            pool: Some("web"),
            connection: ConnectionRecord::default(),
            error: None,
        }
    }

    fn nothing() -> AccessRecord<'static> {
        let latency = Duration::from_secs(2);
        let (client, real_ip, backend, host, pool) = (None, None, None, None, None);
        AccessRecord { client, real_ip, backend, host, pool, latency, attempts: 0, ..record() }
    }

    pub(in crate::telemetry) fn line(format: LogFormat, record: &AccessRecord<'_>) -> String {
        let mut line = Vec::new();
        record.write(format, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_line_of_a_request_with_two_tries_fits_its_buffer() {
        let one = || Try {
            backend: "backend-with-a-name.internal:65535".into(),
            address: "203.0.113.200:65535".into(),
            connect: Some(Duration::from_micros(123_456)),
            first_byte: Some(Duration::from_micros(12_345_678)),
            reused: false,
            outcome: "connect_timeout".into(),
            retried: Some("connect_timeout".into()),
        };
        let tries = [one(), one()];
        let trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736");
        let line = line(LogFormat::Json, &AccessRecord { tries: &tries, trace_id, ..record() });
        assert!((512..KEPT).contains(&line.len()), "{}", line.len());
    }

    #[test]
    fn json_has_every_field_in_order() {
        let expected = concat!(
            r#"{"time":"2026-11-21T07:42:00.123Z","level":"info","msg":"Request completed","#,
            r#""client_ip":"127.0.0.1:54321","real_ip":"192.0.2.7","method":"GET","#,
            r#""path":"/path?x","backend":"http://127.0.0.1:9001","status":200,"#,
            r#""latency_ms":1.234,"request_id":"4bf92f3577b34da6a3ce929d0e0e4736","#,
            r#""trace_id":null,"attempts":1,"tries":[],"no_backend":null,"bytes":12,"#,
            r#""host":"example.com","pool":"web","scheme":"http","error":null}"#,
            "\n"
        );
        assert_eq!(line(LogFormat::Json, &record()), expected);
    }

    #[test]
    fn json_says_null_where_there_is_nothing_and_keeps_decimals() {
        let line = line(LogFormat::Json, &nothing());
        for part in [
            r#""client_ip":null,"real_ip":null"#,
            r#""backend":null"#,
            r#""latency_ms":2000.000,"#,
            r#""host":null,"pool":null,"scheme":"http","error":null}"#,
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn the_connection_is_told_where_there_is_something_to_tell() {
        let tls = TlsRecord {
            version: "1.3",
            cipher: "TLS13_AES_128_GCM_SHA256",
            sni: Some("shop.example"),
            alpn: None,
            resumed: true,
            client_cert: Some("CN=\"a\""),
        };
        let (authority, unique_id) = (Some("shop"), Some("7f"));
        let connection = ConnectionRecord { authority, unique_id, tls: Some(tls) };
        let record = AccessRecord { connection, ..record() };
        let expected = concat!(
            r#","scheme":"https","tls_version":"1.3","cipher":"TLS13_AES_128_GCM_SHA256","#,
            r#""sni":"shop.example","alpn":null,"resumed":true,"client_cert":"CN=\"a\"","#,
            r#""authority":"shop","unique_id":"7f","error":null}"#
        );
        let json = line(LogFormat::Json, &record);
        assert!(json.contains(expected), "{json}");
        let text = line(LogFormat::Text, &record);
        assert!(text.contains(" tls=1.3 sni=shop.example client_cert="), "{text}");
    }

    #[test]
    fn both_formats_have_the_error() {
        let record = AccessRecord { error: Some("it broke"), ..record() };
        assert!(line(LogFormat::Json, &record).ends_with(",\"error\":\"it broke\"}\n"));
        let text = line(LogFormat::Text, &record);
        assert!(text.contains(" error=") && text.contains("broke"), "{text}");
    }

    #[test]
    fn both_formats_say_why_there_was_no_backend() {
        let reasons = [("ejected", 1), ("unhealthy", 2)];
        let record = AccessRecord { no_backend: Some(&reasons), ..nothing() };
        let json = line(LogFormat::Json, &record);
        assert!(json.contains(r#","no_backend":{"ejected":1,"unhealthy":2},"#), "{json}");
        let text = line(LogFormat::Text, &record);
        assert!(text.contains(" attempts=0 no_backend=ejected:1,unhealthy:2 pool="), "{text}");
    }

    #[test]
    fn both_formats_have_the_trace() {
        let record = AccessRecord { trace_id: Some("abc"), ..record() };
        assert!(line(LogFormat::Json, &record).contains(r#","trace_id":"abc","#));
        assert!(line(LogFormat::Text, &record).ends_with(" trace_id=abc\n"));
    }

    #[test]
    fn json_has_every_try_and_text_has_several() {
        let one = |port, outcome: &'static str| Try {
            backend: format!("localhost:{port}").into(),
            address: format!("127.0.0.1:{port}").into(),
            connect: Some(Duration::from_nanos(412_999)),
            first_byte: None,
            reused: false,
            outcome: outcome.into(),
            retried: None,
        };
        let first = Try { retried: Some("timeout".into()), ..one(1, "learned_timeout") };
        let second =
            Try { first_byte: Some(Duration::from_millis(3)), reused: true, ..one(2, "ok") };
        let tries = [first, second];
        let several = AccessRecord { tries: &tries, ..record() };
        let expected = concat!(
            r#""tries":[{"backend":"localhost:1","address":"127.0.0.1:1","connect_ms":0.412,"first_byte_ms":null,"#,
            r#""reused":false,"outcome":"learned_timeout","retried":"timeout"},"#,
            r#"{"backend":"localhost:2","address":"127.0.0.1:2","connect_ms":0.412,"first_byte_ms":3.000,"#,
            r#""reused":true,"outcome":"ok","retried":null}],"#
        );
        assert!(line(LogFormat::Json, &several).contains(expected));
        let text = line(LogFormat::Text, &several);
        assert!(text.contains(" tries=localhost:1:learned_timeout,localhost:2:ok pool="), "{text}");
        let single = AccessRecord { tries: &tries[1..], ..record() };
        assert!(!line(LogFormat::Text, &single).contains("tries"));
    }

    #[test]
    fn text_is_one_line_for_people() {
        let expected = "2026-11-21T07:42:00.123Z 127.0.0.1:54321 GET /path?x 200 12B 1.234ms \
                        -> http://127.0.0.1:9001 attempts=1 pool=web host=example.com \
                        real_ip=192.0.2.7 id=4bf92f3577b34da6a3ce929d0e0e4736\n";
        assert_eq!(line(LogFormat::Text, &record()), expected);
        let expected = "2026-11-21T07:42:00.123Z - GET /path?x 200 12B 2000.000ms -> - \
                        attempts=0 pool=- host=- real_ip=- \
                        id=4bf92f3577b34da6a3ce929d0e0e4736\n";
        assert_eq!(line(LogFormat::Text, &nothing()), expected);
    }

    #[test]
    fn mapped_addresses_look_like_ipv4() {
        let client = Some("[::ffff:127.0.0.1]:54321".parse().unwrap());
        let real_ip = Some("::ffff:192.0.2.7".parse().unwrap());
        let mapped = AccessRecord { client, real_ip, ..record() };
        for format in [LogFormat::Json, LogFormat::Text] {
            assert_eq!(line(format, &mapped), line(format, &record()));
        }
    }

    #[test]
    fn hostile_text_forges_no_field_and_no_line() {
        let attack = b"/\",\"status\":500}\n{\"x\":\"\\ 200 attempts=9\x1b[2J\xff\xc3\xa9";
        let host: &[u8] = b"a b\"\r\nid=forged\x00";
        let hostile = AccessRecord { path: attack, host: Some(host), ..record() };

        let json = line(LogFormat::Json, &hostile);
        assert_eq!(json.matches('\n').count(), 1);
        assert!(!json.contains(|c: char| c.is_control() && c != '\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["path"], String::from_utf8_lossy(attack).as_ref());
        assert_eq!(value["host"], String::from_utf8_lossy(host).as_ref());
        assert_eq!(value["status"], 200);

        let text = line(LogFormat::Text, &hostile);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let plain = line(LogFormat::Text, &record());
        assert_eq!(text.split(' ').count(), plain.split(' ').count());
    }
}
