//! OpenTelemetry's exporter for the settings of a configuration, over HTTP or in gRPC.
//!
//! The exporter reads variables of the environment, too; all that we set goes before these. Its errors
//! leave out why a collector cannot be reached, so that the client of HTTP keeps that.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
    tonic_types::{
        metadata::MetadataMap,
        transport::{Certificate, ClientTlsConfig},
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkError,
    resource::TelemetryResourceDetector,
    trace::{SpanData, SpanExporter as _},
};
use parking_lot::Mutex;
use tokio::time;

use crate::config::{OtlpProtocol, Tracing};
use crate::files;
use crate::http_client::{self, Client, Scheme};

/// The longest answer that is read: collectors say little.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The file with this machine's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// How the exporter's errors in gRPC begin.
const GRPC: &str = "TonicTracesClient export failed with ";

/// What the exporter's errors in gRPC say of a collector that does not answer. Its limit is as long as that of
/// [`Exporter::export`], and chance decides which of both comes first.
const GRPC_LATE: &str = "Timeout expired";
const LATE: &str = "no answer in time";

/// Sends spans to a collector.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: SpanExporter,
    timeout: Duration,
    /// Why the last request over HTTP had no answer.
    why: Arc<Mutex<Option<String>>>,
}

impl Exporter {
    /// An exporter for these settings; needs the context of a runtime.
    ///
    /// # Errors
    ///
    /// What is wrong with the file of certificates.
    pub(super) fn new(settings: &Tracing) -> Result<Self, String> {
        let why = Arc::default();
        let mut inner = match settings.protocol {
            OtlpProtocol::HttpProtobuf => over_http(settings, &why)?,
            OtlpProtocol::Grpc => in_grpc(settings)?,
        };
        inner.set_resource(&resource(settings));
        Ok(Self { inner, timeout: settings.timeout, why })
    }

    /// Sends spans, with retries if the collector says so, within the limit.
    ///
    /// # Errors
    ///
    /// Why the collector has not taken them, in words for the process log.
    pub(super) async fn export(&self, spans: Vec<SpanData>) -> Result<(), String> {
        let exported = time::timeout(self.timeout, self.inner.export(spans)).await;
        let why = self.why.lock().take();
        match exported {
            Ok(Ok(())) => Ok(()),
            Ok(Err(OTelSdkError::InternalFailure(message))) if message.contains(GRPC_LATE) => {
                Err(LATE.to_owned())
            }
            Ok(Err(OTelSdkError::InternalFailure(message))) => {
                let message = message.strip_prefix(GRPC).unwrap_or(&message);
                Err(why.unwrap_or_else(|| http_client::one_line(message)))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(why.unwrap_or_else(|| LATE.to_owned())),
        }
    }
}

fn over_http(settings: &Tracing, why: &Arc<Mutex<Option<String>>>) -> Result<SpanExporter, String> {
    let client = CollectorClient {
        client: Client::new(settings.ca.as_deref(), Scheme::Any)?,
        headers: headers(settings),
        why: Arc::clone(why),
    };
    let builder = SpanExporter::builder().with_http().with_http_client(client);
    let builder = builder.with_protocol(opentelemetry_otlp::Protocol::HttpBinary);
    let builder = builder.with_endpoint(&*settings.endpoint).with_timeout(settings.timeout);
    builder.build().map_err(|error| error.to_string())
}

fn in_grpc(settings: &Tracing) -> Result<SpanExporter, String> {
    let builder = SpanExporter::builder().with_tonic();
    let builder = builder.with_metadata(MetadataMap::from_headers(headers(settings)));
    let builder = builder.with_endpoint(&*settings.endpoint).with_timeout(settings.timeout);
    let builder = match settings.endpoint.starts_with("https:") {
        true => builder.with_tls_config(tls(settings.ca.as_deref())?),
        false => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

fn tls(ca: Option<&Path>) -> Result<ClientTlsConfig, String> {
    let Some(file) = ca else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    // For its messages: what reads them here takes a file without certificates.
    http_client::roots(file)?;
    let pem = files::read(file).map_err(|error| error.to_string())?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

/// The fields of the configuration, which has checked them.
fn headers(settings: &Tracing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(value.text())) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

/// The attributes of this process.
fn resource(settings: &Tracing) -> Resource {
    let own = [
        KeyValue::new("service.name", settings.service_name.to_string()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    let host = files::read_text(Path::new(HOST_NAME)).ok();
    let host = host.map(|host| KeyValue::new("host.name", host.trim_end().to_owned()));
    let given = settings.attributes.iter();
    let given = given.map(|(name, value)| KeyValue::new(name.to_string(), value.to_string()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(own.into_iter().chain(host).chain(given))
        .build()
}

/// The client of HTTP, which the exporter has no one of its own for.
struct CollectorClient {
    client: Client<Full<Bytes>>,
    headers: HeaderMap,
    /// Why the last request had no answer.
    why: Arc<Mutex<Option<String>>>,
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Those of the environment are there already.
        request.headers_mut().extend(self.headers.clone());
        let answer = async {
            let response = self.client.send(request.map(Full::new)).await?;
            http_client::read(response, LONGEST_ANSWER).await
        };
        let answer = answer.await;
        *self.why.lock() = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers with {}", answer.status())),
            Err(error) => Some(http_client::with_causes(&**error)),
        };
        answer
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorClient").finish_non_exhaustive()
    }
}
