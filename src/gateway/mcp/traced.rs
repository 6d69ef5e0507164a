//! The spans of messages.
//!
//! *Source*: OpenTelemetry semantic conventions for the Model Context Protocol (in development).
//! Addresses of resources are not told: they are arguments.

use http::{HeaderMap, HeaderValue};

use crate::gateway::trace::{Kind, Span, TRACEPARENT, TraceContext, Traces};
use crate::mcp::{Kind as Form, META_VERSION, Message, Splice};
use crate::model::Tool;

/// What a span is called whose method is not one of these; callers could name any.
const OTHER: &str = "_OTHER";
const METHODS: &[&str] = &[
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// The place that a message names above its own: by its metadata, or else by the request that it came
/// in.
pub(super) fn parent(headers: &HeaderMap, message: &Message) -> Option<TraceContext> {
    let told = message.meta().and_then(|meta| meta.member(TRACEPARENT.as_str())?.text());
    let header = || headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    told.or_else(header).and_then(TraceContext::parse)
}

/// The span of a message.
pub(super) fn begin(
    traces: &Traces,
    message: &Message,
    parent: Option<TraceContext>,
    transport: &'static str,
) -> Span {
    let method = method(message);
    let mut span = traces.begin(Kind::Server, method, parent);
    if span.context().is_none() {
        return span;
    }
    describe(&mut span, message);
    span.set("network.transport", transport);
    let version = message.meta().and_then(|meta| meta.member(META_VERSION)?.text());
    if let Some(version) = version.filter(|_| method != OTHER) {
        span.set("mcp.protocol.version", version);
    }
    span
}

/// Says of a span what its message calls, which was allowed.
pub(super) fn allowed(span: &mut Span, message: &Message, tool: &Tool) {
    if span.context().is_none() {
        return;
    }
    span.set("hardtack.tool", tool.to_string());
    let key = match message.method() {
        Some("tools/call") => "gen_ai.tool.name",
        Some("prompts/get") => "gen_ai.prompt.name",
        _ => return,
    };
    if let Some(name) = message.param("name").and_then(|place| place.text()) {
        span.set(key, name);
        span.rename(|| format!("{} {name}", method(message)));
    }
    if key == "gen_ai.tool.name" {
        span.set("gen_ai.operation.name", "execute_tool");
    }
}

/// The span of what goes up, which the server is told of: in the metadata where there are any, and in
/// the header.
pub(super) fn up(
    span: &Span,
    message: &Message,
    splice: &mut Splice,
    headers: &mut HeaderMap,
) -> Span {
    let mut up = span.child(Kind::Client);
    let Some(context) = up.context() else { return up };
    describe(&mut up, message);
    let text = context.to_string();
    if let Some(meta) = message.meta() {
        match meta.member(TRACEPARENT.as_str()) {
            Some(told) => splice.replace(told.span(), format!("\"{text}\"")),
            None => {
                let comma = if message.keeps_metadata() { "," } else { "" };
                let member = format!("\"{TRACEPARENT}\":\"{text}\"{comma}");
                splice.insert(meta.span().start.saturating_add(1), member);
            }
        }
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(TRACEPARENT, value);
    }
    up
}

fn describe(span: &mut Span, message: &Message) {
    span.set("mcp.method.name", method(message));
    if let Form::Request { .. } = message.kind() {
        let id = String::from_utf8_lossy(message.id_text());
        span.set("jsonrpc.request.id", id.trim_matches('"').to_owned());
    }
}

fn method(message: &Message) -> &'static str {
    let named = message.method().unwrap_or_default();
    METHODS.iter().copied().find(|known| *known == named).unwrap_or(OTHER)
}
