//! A request's line in the access log, in each of its formats.
//!
//! A line is appended to a buffer that the caller uses again, so that it costs no allocation. `json` is the
//! table of fields, and a test compares it with the one in docs/src/reference/log-fields.md; `text` has the fields that a
//! person looks for, and `combined` those that other programs have agreed on.

mod combined;
mod json;
mod text;

use std::io;

use super::record::AccessRecord;
use crate::config::LogFormat;

/// Appends the line of this request, newline included.
///
/// # Errors
///
/// When a value cannot be written in this format; the line is then incomplete.
pub(super) fn write(
    record: &AccessRecord<'_>,
    format: LogFormat,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    match format {
        LogFormat::Json => json::write(record, line)?,
        LogFormat::Text => text::write(record, line)?,
        LogFormat::Combined => combined::write(record, line)?,
    }
    line.push(b'\n');
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::{
        connection_record::{ConnectionRecord, TlsRecord},
        queue::KEPT,
        record::Try,
    };
    use super::*;

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
        write(record, format, &mut line).unwrap();
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
            r#""path":"/path?x","protocol":"HTTP/1.1","backend":"http://127.0.0.1:9001","status":200,"#,
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
