//! The process log: the `log` crate's records, to standard error, a file or a daemon.
//!
//! The key-values of a record serve machines and people alike:
//! `log::warn!(pool = "web", backend = "127.0.0.1:9001"; "backend ejected")` becomes
//! `2026-11-21T07:42:00.123Z WARN backend ejected pool=web backend=127.0.0.1:9001`, or one JSON
//! object with the same keys when the access log is JSON, so that one reader takes both, unless the
//! configuration chooses a format.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use env_logger::{Builder, Env, Logger};
use log::{
    Level, Log, Metadata, Record,
    kv::{self, Key, VisitSource, VisitValue},
};
use serde::{
    Serializer,
    ser::{Error, SerializeMap},
};

pub use super::log_output::Destination;
use super::{
    json_escapes,
    output::Framed,
    text::{Sentence, Timestamp, Value},
};
use crate::clock;
use crate::config::{Config, LogFormat, LogTarget};

/// The levels without `RUST_LOG`: `info` for our own messages, and of Pingora those that we do not
/// log better ourselves.
///
/// Pingora warns of each attempt that is repeated and reports each client that leaves while it is
/// answered: the access log has both. It reports each connection that ends in the middle of a
/// header (`pingora_proxy`): on a public port that is noise at the level of errors. Backends that
/// fail and recover are reported by our own health checks.
const DEFAULT_FILTER: &str = "info,pingora=warn,\
    pingora_core::apps=off,\
    pingora_proxy=off,\
    pingora_load_balancing=error";

/// The one log of the process.
static DESTINATION: LazyLock<ArcSwap<Destination>> =
    LazyLock::new(|| ArcSwap::from_pointee(Destination::stderr(LogFormat::Text)));

/// Starts the process log. A second call in a process has the effect of [`direct`].
pub fn init(destination: Destination) {
    direct(destination);
    let environment = Env::default().default_filter_or(DEFAULT_FILTER);
    let filter = Builder::new().parse_env(environment).build();
    let most = filter.filter();
    if log::set_boxed_logger(Box::new(ProcessLog { filter })).is_ok() {
        log::set_max_level(most);
    }
}

/// Opens the destination in the configuration. The log goes there only after a call of [`direct`].
///
/// # Errors
///
/// When the file cannot be opened, with its name.
pub fn open(config: &Config) -> io::Result<Destination> {
    Destination::open(format(config), &config.process.error_log, &config.log_delivery)
}

/// The format of the process log. Unless it is chosen, it is JSON if the access log is JSON, so that a log
/// collector meets one format; in the journal it is text, beside which the journal has the fields.
#[must_use]
pub fn format(config: &Config) -> LogFormat {
    let process = &config.process;
    let of_access_log = || config.access_log.as_ref().map_or(LogFormat::Text, |log| log.format);
    process.error_log_format.unwrap_or_else(|| match process.error_log {
        LogTarget::Journald(_) => LogFormat::Text,
        _ => of_access_log(),
    })
}

/// Whether the process log is the same in both configurations.
#[must_use]
pub fn is_same(before: &Config, after: &Config) -> bool {
    before.process.error_log == after.process.error_log
        && before.log_delivery == after.log_delivery
        && format(before) == format(after)
}

/// Directs the log there from the next line on. Lines that are being written still go to the old
/// destination.
pub fn direct(destination: Destination) {
    DESTINATION.store(Arc::new(destination));
}

/// Whether lines go to a file or a daemon at this moment, and not to standard error.
#[must_use]
pub fn is_elsewhere() -> bool {
    DESTINATION.load().is_elsewhere()
}

/// Has the file opened again after it was moved away. Returns at once. If it cannot be opened, the
/// old file stays in use, and the log says so.
pub fn reopen() {
    DESTINATION.load().reopen();
}

/// When dropped, waits until all lines are written, but not longer than a second. Lines logged
/// later are lost.
#[derive(Debug)]
#[must_use = "dropping it closes the log"]
pub struct CloseAtEnd;

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        DESTINATION.load().close();
    }
}

/// The logger that the `log` crate calls.
struct ProcessLog {
    filter: Logger,
}

impl Log for ProcessLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            tell(&DESTINATION.load(), record);
        }
    }

    fn flush(&self) {}
}

fn tell(destination: &Destination, record: &Record<'_>) {
    let mut line = Vec::new();
    let (format, time) = (destination.format(), clock::wall());
    let is_framed = destination.takes_fields() && format != LogFormat::Json;
    if write(&mut line, format, is_framed, time, record).is_ok() {
        destination.write(&line);
    }
}

fn write(
    line: &mut impl Write,
    format: LogFormat,
    is_framed: bool,
    time: SystemTime,
    record: &Record<'_>,
) -> io::Result<()> {
    match format {
        LogFormat::Json => write_json(line, time, record)?,
        // The combined format knows requests only.
        LogFormat::Text | LogFormat::Combined => write_text(line, time, record)?,
    }
    if is_framed {
        line.write_all(&[Framed::SEPARATOR])?;
        write_json(line, time, record)?;
    }
    line.write_all(b"\n")
}

fn write_text(line: &mut impl Write, time: SystemTime, record: &Record<'_>) -> io::Result<()> {
    write!(line, "{} {} {}", Timestamp(time), record.level(), Sentence(record.args()))?;
    record.key_values().visit(&mut Pairs(&mut *line)).map_err(io::Error::other)?;
    if !is_ours(record.target()) {
        write!(line, " target={}", Value(record.target().to_owned()))?;
    }
    Ok(())
}

fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

/// Writes ` key=value` for each pair.
struct Pairs<W>(W);

impl<'kvs, W: Write> VisitSource<'kvs> for Pairs<W> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        write!(self.0, " {key}={}", Value(value.to_string()))?;
        Ok(())
    }
}

fn write_json(line: &mut impl Write, time: SystemTime, record: &Record<'_>) -> io::Result<()> {
    let mut serializer = json_escapes::serializer(line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("time", &Timestamp(time))?;
    map.serialize_entry("level", level(record.level()))?;
    map.serialize_entry("target", record.target())?;
    map.serialize_entry("msg", record.args())?;
    record.key_values().visit(&mut Entries(&mut map)).map_err(io::Error::other)?;
    map.end()?;
    Ok(())
}

/// The level as the access log writes it.
fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Writes an entry of the object for each pair; numbers stay numbers.
struct Entries<'a, M>(&'a mut M);

impl<'kvs, M: SerializeMap> VisitSource<'kvs> for Entries<'_, M> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.0.serialize_key(key.as_str()).map_err(boxed)?;
        value.visit(EntryValue(self.0))
    }
}

struct EntryValue<'a, M>(&'a mut M);

impl<'v, M: SerializeMap> VisitValue<'v> for EntryValue<'_, M> {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0.serialize_value(&format_args!("{value}")).map_err(boxed)
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0.serialize_value(&()).map_err(boxed)
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0.serialize_value(&value).map_err(boxed)
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0.serialize_value(&value).map_err(boxed)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0.serialize_value(&value).map_err(boxed)
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
        self.0.serialize_value(&value).map_err(boxed)
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
        self.0.serialize_value(&value).map_err(boxed)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0.serialize_value(&value).map_err(boxed)
    }
}

fn boxed(_: impl Error) -> kv::Error {
    kv::Error::msg("cannot be written")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use log::Metadata;

    use super::*;
    use crate::config::{self, Flags, LogDelivery};

    fn line(format: LogFormat, record: &Record<'_>) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_246_920_123);
        let mut line = Vec::new();
        write(&mut line, format, false, time, record).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_format_is_the_chosen_one_or_that_of_the_other_log() {
        let of = |settings: &str| {
            let yaml = format!(
                "listeners: [{{ address: 127.0.0.1:0 }}]\nroutes: [{{ pool: web }}]\n\
                 pools: {{ web: {{ backends: [{{ address: 127.0.0.1:1 }}] }} }}\n{settings}\n"
            );
            format(&config::parse("lb.yaml", &yaml, &Flags::default()).unwrap().config)
        };
        assert_eq!(of(""), LogFormat::Json);
        assert_eq!(of("access_log: off"), LogFormat::Text);
        assert_eq!(of("error_log_format: text"), LogFormat::Text);
        assert_eq!(of("access_log: { format: text }"), LogFormat::Text);
        assert_eq!(of("access_log: { format: text }\nerror_log_format: json"), LogFormat::Json);
        assert_eq!(of("error_log: journald"), LogFormat::Text);
        assert_eq!(of("error_log: journald\nerror_log_format: json"), LogFormat::Json);
    }

    #[test]
    fn a_line_with_fields_has_them_in_json_behind_the_text() {
        let pairs = [("pool", "we\u{1f}b")];
        let mut builder = Record::builder();
        builder.level(Level::Warn).target("lb").key_values(&pairs);
        let (mut line, time) = (Vec::new(), SystemTime::UNIX_EPOCH);
        let record = builder.args(format_args!("hello")).build();
        write(&mut line, LogFormat::Text, true, time, &record).unwrap();
        let line = String::from_utf8(line).unwrap();
        let (text, json) = line.split_once('\u{1f}').unwrap();
        assert_eq!(text, "1970-01-01T00:00:00.000Z WARN hello pool=\"we\\u{1f}b\"");
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["pool"], pairs[0].1);
    }

    #[test]
    fn numbers_of_any_width_are_numbers_in_json() {
        let pairs = [
            ("wide", kv::Value::from(Duration::from_millis(250).as_millis())),
            ("below", kv::Value::from(-1_i128)),
        ];
        let record = Record::builder().key_values(&pairs).build();
        let line = line(LogFormat::Json, &record);
        assert!(line.ends_with("\"wide\":250,\"below\":-1}\n"), "{line}");
    }

    #[test]
    fn both_formats_show_message_and_key_values() {
        let pairs = [
            ("pool", kv::Value::from("web")),
            ("count", kv::Value::from(3)),
            ("share", kv::Value::from(0.5)),
            ("on", kv::Value::from(true)),
            ("none", kv::Value::null()),
            ("reason", kv::Value::from("timed out")),
        ];
        let args = format_args!("backend ejected");
        let mut builder = Record::builder();
        builder.level(Level::Warn).target("lb::proxy").key_values(&pairs);
        let text = "2026-11-21T07:42:00.123Z WARN backend ejected pool=web count=3 share=0.5 \
                    on=true none=None reason=\"timed out\"\n";
        assert_eq!(line(LogFormat::Text, &builder.args(args).build()), text);
        let json = concat!(
            r#"{"time":"2026-11-21T07:42:00.123Z","level":"warn","target":"lb::proxy","#,
            r#""msg":"backend ejected","pool":"web","count":3,"share":0.5,"on":true,"none":null,"#,
            r#""reason":"timed out"}"#,
            "\n"
        );
        assert_eq!(line(LogFormat::Json, &builder.args(args).build()), json);
    }

    #[test]
    fn each_destination_has_its_own_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("error.log");
        for format in [LogFormat::Text, LogFormat::Json] {
            let (target, delivery) = (LogTarget::File(path.clone()), LogDelivery::default());
            let destination = Destination::open(format, &target, &delivery).unwrap();
            let mut builder = Record::builder();
            builder.level(Level::Info).target("lb");
            tell(&destination, &builder.args(format_args!("hello")).build());
            destination.close();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("Z INFO hello"), "{text}");
        assert!(lines[1].ends_with(r#""level":"info","target":"lb","msg":"hello"}"#), "{text}");
    }

    #[test]
    fn messages_of_other_crates_name_the_crate() {
        let mut builder = Record::builder();
        builder.level(Level::Error).target("pingora_core::services");
        let line = line(LogFormat::Text, &builder.args(format_args!("no")).build());
        assert_eq!(line, "2026-11-21T07:42:00.123Z ERROR no target=pingora_core::services\n");
        assert!(!is_ours("lbx::proxy"));
    }

    #[test]
    fn hostile_text_forges_no_line() {
        let pairs = [("path", "/\" level=error\n2026\u{9b}")];
        let args = format_args!("bad\n{{}}\r\u{1b}[31m");
        let mut builder = Record::builder();
        builder.level(Level::Info).target("lb").key_values(&pairs);
        let text = line(LogFormat::Text, &builder.args(args).build());
        let expected = "2026-11-21T07:42:00.123Z INFO bad\\n{}\\r\\u{1b}[31m \
                        path=\"/\\\" level=error\\n2026\\u{9b}\"\n";
        assert_eq!(text, expected);
        let json = line(LogFormat::Json, &builder.args(args).build());
        assert_eq!(json.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["msg"], "bad\n{}\r\u{1b}[31m");
        assert_eq!(value["path"], pairs[0].1);
    }

    #[test]
    fn by_default_our_messages_and_few_of_pingora_are_logged() {
        let logger = Builder::new().parse_filters(DEFAULT_FILTER).build();
        let cases = [
            ("lb::state_log", Level::Info, true),
            ("lb::state_log", Level::Debug, false),
            ("pingora_core::server", Level::Info, false),
            ("pingora_core::services::listening", Level::Error, true),
            ("pingora_core::apps::http_app", Level::Error, false),
            ("pingora_proxy", Level::Error, false),
            ("pingora_proxy::proxy_h1", Level::Error, false),
            ("pingora_load_balancing", Level::Warn, false),
            ("pingora_load_balancing::background", Level::Error, true),
        ];
        for (target, level, expected) in cases {
            let metadata = Metadata::builder().target(target).level(level).build();
            let is_enabled = log::Log::enabled(&logger, &metadata);
            assert_eq!(is_enabled, expected, "{target} {level}");
        }
    }
}
