//! A line of the access log for people: what a person looks for, in the order in which it is read.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::super::{
    connection_record::TlsRecord,
    record::AccessRecord,
    text::{Timestamp, Word},
};
use super::client_text;

/// Appends the line, without a newline.
pub(super) fn write(record: &AccessRecord<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    write!(line, "{} ", Timestamp(record.time))?;
    match record.client() {
        Some(client) => write!(line, "{client}")?,
        None => line.push(b'-'),
    }
    write!(line, " {} {}", Word(record.method.as_bytes()), Word(&client_text::path(record.path)))?;
    write!(line, " {} {}B {:.3}ms", record.status, record.bytes, millis(record.latency))?;
    write!(line, " -> {} attempts={}", record.backend.unwrap_or("-"), record.attempts)?;
    for (index, one) in record.tries.iter().enumerate().filter(|_| record.tries.len() > 1) {
        let before = if index == 0 { " tries=" } else { "," };
        write!(line, "{before}{}:{}", one.backend, one.outcome)?;
    }
    for (index, (reason, count)) in record.no_backend.unwrap_or_default().iter().enumerate() {
        let before = if index == 0 { " no_backend=" } else { "," };
        write!(line, "{before}{reason}:{count}")?;
    }
    write!(line, " pool={}", Word(record.pool.unwrap_or_default().as_bytes()))?;
    let host = client_text::bounded(record.host.unwrap_or_default());
    write!(line, " host={} real_ip=", Word(&host))?;
    match record.real_ip() {
        Some(real_ip) => write!(line, "{real_ip}")?,
        None => line.push(b'-'),
    }
    write!(line, " id={}", Word(record.request_id.as_bytes()))?;
    record.trace_id.map_or(Ok(()), |trace_id| write!(line, " trace_id={trace_id}"))?;
    if let Some(TlsRecord { version, sni, client_cert, .. }) = record.connection.tls {
        write!(line, " tls={version} sni={}", Word(sni.unwrap_or_default().as_bytes()))?;
        if let Some(subject) = client_cert {
            write!(line, " client_cert={}", Word(subject.as_bytes()))?;
        }
    }
    record.error.map_or(Ok(()), |error| write!(line, " error={}", Word(error.as_bytes())))
}

/// Exact to the microsecond. Digits below that are noise on a network.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
