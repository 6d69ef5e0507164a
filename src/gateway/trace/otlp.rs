//! Spans as OpenTelemetry has them, sent in batches over OTLP/HTTP.
//!
//! *Source*: OpenTelemetry Protocol 1.x, "OTLP/HTTP", with binary Protobuf.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor,
};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::span::{Kind, SpanRecord, Value};
use super::traces::Export;
use crate::config::gateway::{Secret, Traces as Settings};
use crate::gateway::upstream::{Address, Change, UpstreamOptions, Wire};

/// How long a batch may take to be sent.
const SEND_TIME: Duration = Duration::from_secs(10);

/// How long the last batch may take.
const END_TIME: Duration = Duration::from_secs(3);

/// Spans that may wait, how many are sent at once, and how often.
const WAITING_MAX: usize = 2048;
const BATCH_MAX: usize = 512;
const EVERY: Duration = Duration::from_secs(5);

/// Longest answer of a collector, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sends spans to a collector.
///
/// *Shape*: some two thousand wait at most; more are lost, and so are those that the collector does not
/// take within 10 s. The log says so.
pub(in crate::gateway) struct Otlp {
    batches: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Otlp {
    /// A collector at this address, told of this gateway.
    ///
    /// *Shape*: must be called within a tokio runtime. *Errors*: a sentence.
    pub(in crate::gateway) fn new(
        url: &str,
        settings: &Settings,
        gateway: &str,
    ) -> Result<Self, String> {
        let client = Collector::new(url, settings)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_timeout(SEND_TIME)
            .build()
            .map_err(|why| why.to_string())?;
        // All of it, so that nothing is left for the environment to say.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(EVERY)
            .build();
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config);
        let mut batches = batches.build();
        let named = [
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", gateway.to_owned()),
        ];
        let resource = Resource::builder_empty().with_service_name("hardtack-gateway");
        batches.set_resource(&resource.with_attributes(named).build());
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"));
        let scope = scope.with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { batches, scope })
    }
}

impl Export for Otlp {
    fn export(&self, span: SpanRecord) {
        self.batches.on_end(data(span, self.scope.clone()));
    }

    fn close(&self) {
        // What could not be sent was told in the log.
        let _ = self.batches.shutdown_with_timeout(END_TIME);
    }
}

fn data(span: SpanRecord, scope: InstrumentationScope) -> SpanData {
    let context = SpanContext::new(
        TraceId::from_bytes(span.context.trace),
        SpanId::from_bytes(span.context.span),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    let mut attributes: Vec<_> =
        span.attributes.into_iter().map(|(key, value)| attribute(key, value)).collect();
    let status = match span.error {
        Some(error) => {
            attributes.push(KeyValue::new("error.type", error));
            Status::error("")
        }
        None => Status::Unset,
    };
    SpanData {
        span_context: context,
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
        parent_span_is_remote: span.is_parent_remote,
        span_kind: match span.kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
        },
        name: span.name.into(),
        start_time: moment(span.began),
        end_time: moment(span.ended),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: scope,
    }
}

fn attribute(key: &'static str, value: Value) -> KeyValue {
    match value {
        Value::Text(text) => KeyValue::new(key, text),
        Value::Number(number) => KeyValue::new(key, number),
    }
}

fn moment(micros: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_micros(micros)).unwrap_or(UNIX_EPOCH)
}

/// The way to a collector. Batches are made on a thread of their own, and sent on the runtime.
struct Collector {
    wire: Wire,
    headers: Vec<(HeaderName, Secret)>,
    runtime: Handle,
}

impl Collector {
    fn new(url: &str, settings: &Settings) -> Result<Self, String> {
        let address = Address::parse(url).map_err(|why| why.to_string())?;
        let wire = Wire::new(address, &options()).map_err(|why| why.to_string())?;
        let headers = settings.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).map_err(|why| why.to_string())?;
            Ok((name, value.clone()))
        });
        let headers = headers.collect::<Result<_, String>>()?;
        Ok(Self { wire, headers, runtime: Handle::current() })
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (wire, headers) = (self.wire.clone(), self.headers.clone());
        let sending = self.runtime.spawn(async move {
            timeout(SEND_TIME, send(wire, headers, request)).await.map_err(HttpError::from)?
        });
        Box::pin(async move { sending.await? })
    }
}

async fn send(
    wire: Wire,
    secrets: Vec<(HeaderName, Secret)>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    // Headers that the environment names are some other collector's.
    parts.headers.clear();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    for (name, secret) in secrets {
        let mut value = HeaderValue::from_str(&secret.read().await?)?;
        value.set_sensitive(true);
        parts.headers.insert(name, value);
    }
    let answer = wire.exchange(parts, Body::from(body), &options(), Change::None).await?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

fn options() -> UpstreamOptions {
    UpstreamOptions {
        head_timeout: SEND_TIME,
        idle_timeout: Some(SEND_TIME),
        total_timeout: Some(SEND_TIME),
        idle_connections_max: 1,
        ..UpstreamOptions::default()
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({:?})", self.wire)
    }
}
