//! What is told of a call's way to whoever collects traces.
//!
//! A call is one span; what goes up for it is another one below that. A caller that names its trace has
//! its own, and the upstream is told of the span that its request belongs to. Names and values are
//! those of OpenTelemetry's conventions; nothing of a call's arguments is among them.
//!
//! *Source*: W3C Trace Context; OpenTelemetry semantic conventions for HTTP 1.40, and for the Model
//! Context Protocol (in development).

mod context;
#[cfg(feature = "otel")]
mod otlp;
mod span;
#[cfg(test)]
mod tests;
mod traces;

pub(super) use context::TRACEPARENT;
pub use context::TraceContext;
#[cfg(feature = "otel")]
pub(super) use otlp::Otlp;
pub use span::{Kind, Span, SpanRecord, Value};
pub use traces::{Export, Traces};
