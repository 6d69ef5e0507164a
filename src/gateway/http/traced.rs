//! The spans of calls over plain HTTP.
//!
//! *Source*: OpenTelemetry semantic conventions for HTTP 1.40, "HTTP server" and "HTTP client".

use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};

use super::routes::Route;
use crate::gateway::trace::{Kind, Span, TRACEPARENT, TraceContext, Traces};
use crate::guard::Refusal;

/// The place that a request names above its own.
pub(super) fn parent(parts: &Parts) -> Option<TraceContext> {
    let told = parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    told.and_then(TraceContext::parse)
}

/// The span of a call.
pub(super) fn begin(traces: &Traces, parts: &Parts, route: &Route) -> Span {
    let mut span = traces.begin(Kind::Server, "HTTP", parent(parts));
    if span.context().is_some() {
        let method = parts.method.as_str();
        span.rename(|| format!("{method} {}", route.path));
        span.set("http.request.method", method);
        span.set("http.route", route.path.as_str());
        span.set("hardtack.tool", route.tool.to_string());
    }
    span
}

/// The span of what goes up, which the server is told of.
pub(super) fn up<B>(span: &Span, request: &mut Request<B>) -> Span {
    let mut up = span.child(Kind::Client);
    if let Some(Ok(place)) = up.context().map(|place| HeaderValue::try_from(place.to_string())) {
        up.set("http.request.method", request.method().as_str());
        request.headers_mut().insert(TRACEPARENT, place);
    }
    up
}

/// Says of a span how its request was answered.
pub(super) fn answered(span: &mut Span, status: StatusCode) {
    span.set("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.fail(status.as_str());
    }
}

/// Says of a span that its call was refused.
pub(super) fn refused(span: &mut Span, refusal: &Refusal) {
    span.fail(refusal.code().as_str());
    span.set("http.response.status_code", refusal.status().as_u16());
}
