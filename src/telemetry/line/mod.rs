//! A request's line in the access log, in each of its formats.
//!
//! A line is appended to a buffer that the caller uses again, so that it costs no allocation. `json` is the
//! table of fields, and a test compares it with the one in docs/src/reference/log-fields.md; `text` has the fields that a
//! person looks for, and `combined` those that other programs have agreed on. Fields that the configuration
//! lists beside these follow as `name=value`.

mod client_text;
mod combined;
mod json;
mod text;

use std::io;

use self::json::PlannedField;
use super::{output::Framed, record::AccessRecord, text::is_plain};
use crate::config::{
    self, ChosenField, LogField, LogFormat, LogTarget, StandardField, StandardField as F, Word,
};

/// What every line of a log has.
#[derive(Debug)]
pub(super) struct Layout {
    format: LogFormat,
    /// The fields of a line in JSON.
    fields: Vec<PlannedField>,
    /// Fields behind those of the text and the combined format.
    added: Vec<PlannedField>,
    /// Whether the fields follow a line that is not JSON.
    is_framed: bool,
    /// Whether a line has a header of the answer.
    pub(super) has_answer_headers: bool,
}

/// The fields of the combined format.
const COMBINED: &[StandardField] = &[
    F::RealIp,
    F::Time,
    F::Method,
    F::Path,
    F::Protocol,
    F::Status,
    F::Bytes,
    F::Referer,
    F::UserAgent,
];

/// The fields of the text format.
const TEXT: &[StandardField] = &[
    F::Time,
    F::ClientIp,
    F::Method,
    F::Path,
    F::Status,
    F::Bytes,
    F::LatencyMs,
    F::Backend,
    F::Attempts,
    F::Tries,
    F::NoBackend,
    F::Pool,
    F::Host,
    F::RealIp,
    F::RequestId,
    F::TraceId,
    F::TlsVersion,
    F::Sni,
    F::ClientCert,
    F::Error,
];

impl Layout {
    /// The layout that this configuration describes.
    pub(super) fn of(log: &config::AccessLog) -> Self {
        let own = match log.format {
            LogFormat::Json => StandardField::ALL,
            LogFormat::Text => TEXT,
            LogFormat::Combined => COMBINED,
        };
        let is_own = |field: &LogField| matches!(field, LogField::Standard(it) if own.contains(it));
        let mut added = log.listed_fields();
        added.retain(|chosen| !is_own(&chosen.field));
        let fields = log.chosen_fields();
        let is_of_answer = |it: &ChosenField| matches!(it.field, LogField::ResponseHeader(_));
        Self {
            format: log.format,
            has_answer_headers: fields.iter().chain(&added).any(is_of_answer),
            fields: planned(fields, |name| format!(",\"{name}\":")),
            added: planned(added, |name| format!(" {name}=")),
            is_framed: matches!(log.path, LogTarget::Journald(_)) && log.format != LogFormat::Json,
        }
    }
}

fn planned(fields: Vec<ChosenField>, label: impl Fn(&LogField) -> String) -> Vec<PlannedField> {
    let plan = |chosen: ChosenField| {
        let label = label(&chosen.field);
        PlannedField::new(chosen, label)
    };
    fields.into_iter().map(plan).collect()
}

/// Appends the line of this request, newline included.
///
/// # Errors
///
/// When a value cannot be written in this format; the line is then incomplete.
pub(super) fn write(
    record: &AccessRecord<'_>,
    layout: &Layout,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    match layout.format {
        LogFormat::Json => json::write(record, &layout.fields, line)?,
        LogFormat::Text => text::write(record, line)?,
        LogFormat::Combined => combined::write(record, line)?,
    }
    if layout.format != LogFormat::Json {
        for field in &layout.added {
            add(record, field, layout.format, line)?;
        }
    }
    if layout.is_framed {
        line.push(Framed::SEPARATOR);
        json::write(record, &layout.fields, line)?;
    }
    line.push(b'\n');
    Ok(())
}

/// Appends a field behind those of a format: its value as in JSON, with `-` for none. In the text format a
/// plain word has no quotes.
fn add(
    record: &AccessRecord<'_>,
    field: &PlannedField,
    format: LogFormat,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    line.extend_from_slice(field.label.as_bytes());
    let start = line.len();
    json::value(record, &field.chosen, line)?;
    let value = &line[start..];
    if value == b"null" {
        line.truncate(start);
        line.push(b'-');
        return Ok(());
    }
    let word = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    if format == LogFormat::Text && word.is_some_and(is_plain) {
        line.pop();
        line.remove(start);
    }
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
    use crate::http1::Fields;

    pub(in crate::telemetry) fn record() -> AccessRecord<'static> {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_246_920_123),
            client: Some("127.0.0.1:54321".parse().unwrap()),
            real_ip: Some("192.0.2.7".parse().unwrap()),
            method: "GET",
            path: b"/path?x",
            backend: Some("http://127.0.0.1:9001"),
            protocol: "HTTP/1.1",
            listener: Some("0.0.0.0:8080"),
            request: None,
            answer: None,
            status: 200,
            latency: Duration::from_nanos(1_234_567),
            request_id: "4bf92f3577b34da6a3ce929d0e0e4736",
            trace_id: None,
            attempts: 1,
            tries: &[],
            no_backend: None,
            bytes: 12,
            request_bytes: 3,
            host: Some(b"example.com"),
            pool: Some("web"),
            connection: ConnectionRecord::default(),
            error: None,
        }
    }

    fn nothing() -> AccessRecord<'static> {
        let latency = Duration::from_secs(2);
        let (client, real_ip, backend, host) = (None, None, None, None);
        let (pool, listener, attempts) = (None, None, 0);
        AccessRecord {
            client,
            real_ip,
            backend,
            host,
            pool,
            listener,
            latency,
            attempts,
            ..record()
        }
    }

    pub(in crate::telemetry) fn line(format: LogFormat, record: &AccessRecord<'_>) -> String {
        with(&config::AccessLog { format, ..config::AccessLog::default() }, record)
    }

    fn with(log: &config::AccessLog, record: &AccessRecord<'_>) -> String {
        let mut line = Vec::new();
        write(record, &Layout::of(log), &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    /// The line of a log with these keys in the file.
    fn configured(keys: &str, record: &AccessRecord<'_>) -> String {
        let yaml = format!(
            "listeners: [{{ address: 127.0.0.1:0 }}]\nroutes: [{{ pool: web }}]\n\
             pools: {{ web: {{ backends: [{{ address: 127.0.0.1:1 }}] }} }}\n\
             access_log: {{ {keys} }}\n"
        );
        let loaded = config::parse("lb.yaml", &yaml, &config::Flags::default()).unwrap();
        with(&loaded.config.access_log.unwrap(), record)
    }

    pub(super) fn fields(lines: &[(&str, &[u8])]) -> Fields {
        let mut fields = Fields::default();
        lines.iter().for_each(|(name, value)| fields.append(name.as_bytes(), value));
        fields
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
            r#""request_bytes":3,"host":"example.com","pool":"web","listener":"0.0.0.0:8080","#,
            r#""referer":null,"user_agent":null,"scheme":"http","error":null}"#,
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
            r#""host":null,"pool":null,"listener":null,"referer":null,"user_agent":null,"#,
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
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        assert_eq!(unquoted(&text), unquoted(&line(LogFormat::Text, &record())));
    }

    /// The line with a mark in the place of the path and the host, quoted or not.
    fn unquoted(text: &str) -> String {
        let (mut rest, mut marked) = (text.trim_end(), String::new());
        while let Some(at) = rest.find(['"', '/']) {
            let is_quoted = rest[at..].starts_with('"');
            marked.push_str(&rest[..at]);
            marked.push('*');
            let mut end = at + 1;
            let bytes = rest.as_bytes();
            while bytes[end] != if is_quoted { b'"' } else { b' ' } {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            rest = &rest[end + usize::from(is_quoted)..];
        }
        (marked + rest).replace("host=example.com", "host=*")
    }

    #[test]
    fn headers_of_the_request_are_there_by_default() {
        let agent = "Mozilla/5.0 (X11; \"é\")";
        let request =
            fields(&[("User-Agent", agent.as_bytes()), ("REFERER", b"http://a/?x y\xff")]);
        let record = AccessRecord { request: Some(&request), ..record() };
        let json: serde_json::Value =
            serde_json::from_str(&line(LogFormat::Json, &record)).unwrap();
        assert_eq!(json["user_agent"], agent);
        assert_eq!(json["referer"], "http://a/?x y\u{fffd}");
    }

    #[test]
    fn fields_are_chosen_and_added() {
        let request = fields(&[("X-Api-Version", b"2"), ("Cookie", b"theme=dark; session=s3cret")]);
        let answer = fields(&[("Content-Type", b"text/html"), ("Set-Cookie", b"session=s3cret")]);
        let record = AccessRecord { request: Some(&request), answer: Some(&answer), ..record() };
        let json = |keys: &str| configured(keys, &record);
        let chosen = "fields: [status, request_header.X-Api-Version, response_header.content-type, \
                      request_header.x-none]";
        let expected = concat!(
            r#"{"status":200,"request_header.x-api-version":"2","#,
            r#""response_header.content-type":"text/html","request_header.x-none":null}"#,
            "\n"
        );
        assert_eq!(json(chosen), expected);
        assert_eq!(json("fields: sni"), "{}\n", "what a request has not got is left out");
        let all = line(LogFormat::Json, &record);
        let added = json("fields: [default, -path, cookie.theme]");
        let expected = all.replace(r#""path":"/path?x","#, "");
        assert_eq!(added, expected.replace("}\n", ",\"cookie.theme\":\"***\"}\n"));
    }

    #[test]
    fn secrets_are_masked_unless_the_operator_shows_them() {
        let request = fields(&[
            ("Authorization", b"Bearer s3cret"),
            ("Cookie", b"theme=dark; session=s3cret"),
        ]);
        let answer = fields(&[("Set-Cookie", b"a=s3cret"), ("Set-Cookie", b"b=s3cret")]);
        let record = AccessRecord { request: Some(&request), answer: Some(&answer), ..record() };
        let names = "request_header.authorization, request_header.cookie, cookie.session, \
                     response_header.set-cookie";
        for format in ["json", "text", "combined"] {
            let masked = configured(&format!("format: {format}, fields: [{names}]"), &record);
            assert!(!masked.contains("s3cret"), "{masked}");
            assert_eq!(masked.matches("***").count(), 4, "{masked}");
            let keys = format!("format: {format}, fields: [{names}], unmasked: [{names}]");
            let shown = configured(&keys, &record);
            assert_eq!(shown.matches("s3cret").count(), 5, "{shown}");
        }
    }

    #[test]
    fn other_formats_have_added_fields_at_their_end() {
        let request = fields(&[("X-A", b"a b\"c\t"), ("X-B", b"plain")]);
        let record = AccessRecord { request: Some(&request), ..record() };
        let names = "[backend, latency_ms, status, request_header.x-a, request_header.x-b, sni, \
                     request_header.x-c, tries]";
        let combined = configured(&format!("format: combined, fields: {names}"), &record);
        let end = r#" "-" "-" backend="http://127.0.0.1:9001" latency_ms=1.234 request_header.x-a="a b\"c\t" request_header.x-b="plain" sni=- request_header.x-c=- tries=[]"#;
        assert!(combined.ends_with(&format!("{end}\n")), "{combined}");
        let text = configured(&format!("format: text, fields: {names}"), &record);
        let end = r#" id=4bf92f3577b34da6a3ce929d0e0e4736 request_header.x-a="a b\"c\t" request_header.x-b=plain request_header.x-c=-"#;
        assert!(text.ends_with(&format!("{end}\n")), "{text}");
        let plain = configured("format: text, fields: [default, path]", &record);
        assert_eq!(plain, line(LogFormat::Text, &record));
    }

    #[test]
    fn text_of_clients_is_bounded() {
        let long = vec![b'\x01'; 100_000];
        let request = fields(&[("User-Agent", &[b'a'; 50_000]), ("Cookie", &[b';'; 50_000])]);
        let record =
            AccessRecord { path: &long, host: Some(&long), request: Some(&request), ..record() };
        for format in ["json", "text", "combined"] {
            let keys = format!("format: {format}, fields: [default, request_header.user-agent]");
            let line = configured(&keys, &record);
            assert!((8_000..70_000).contains(&line.len()), "{format} {}", line.len());
        }
    }

    #[test]
    fn the_journal_gets_the_fields_behind_a_line() {
        let text = configured("format: text, path: journald", &record());
        let (text, json) = text.split_once('\u{1f}').unwrap();
        assert_eq!(format!("{text}\n"), line(LogFormat::Text, &record()));
        assert_eq!(json, line(LogFormat::Json, &record()));
        assert_eq!(configured("path: journald", &record()), json);
    }
}
