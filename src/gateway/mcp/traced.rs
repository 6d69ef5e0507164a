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
    task: Option<&str>,
    transport: &'static str,
) -> Span {
    let method = method(message);
    let mut span = traces.begin(Kind::Server, method, parent);
    if span.context().is_none() {
        return span;
    }
    describe(&mut span, message);
    span.set("network.transport", transport);
    if let Some(task) = task {
        span.set("hardtack.task", task);
    }
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
            // What differs in case alone stays as it came, and stays the caller's.
            None if meta
                .members()
                .any(|one| one.name.eq_ignore_ascii_case(TRACEPARENT.as_str())) => {}
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::trace::{Export, SpanRecord};
    use crate::model::{JsonProfile, ManualClock};

    struct Nobody;

    impl Export for Nobody {
        fn export(&self, _: SpanRecord) {}
    }

    /// What goes up of a message, and the span that it belongs to.
    fn sent(traces: &Traces, meta: &str) -> (String, HeaderMap, Option<TraceContext>) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x"{meta}}}}}"#
        );
        let message = Message::parse(text, JsonProfile::default()).unwrap();
        let (mut splice, mut headers) = (Splice::new(), HeaderMap::new());
        message.take_credentials(&mut splice);
        let span = begin(traces, &message, parent(&headers, &message), None, "tcp");
        let up = up(&span, &message, &mut splice, &mut headers);
        (String::from_utf8(splice.apply(message.bytes()).unwrap()).unwrap(), headers, up.context())
    }

    #[test]
    fn a_server_is_told_of_its_span_once() {
        let traces = Traces::new(Arc::new(Nobody), Arc::new(ManualClock::default()), 1.0);
        let credential = format!(r#""{}":"Bearer x""#, crate::present::META_AUTHORIZATION);
        let told = r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01""#;
        for (meta, others) in [
            (String::new(), 0),
            (" ".to_owned(), 0),
            (r#""a":1"#.to_owned(), 1),
            (credential.clone(), 0),
            (format!("{credential},\"a\":1"), 1),
            (format!("\"a\":1 , {credential}"), 1),
            (told.to_owned(), 0),
            (format!("{credential},{told},\"a\":1"), 1),
            (r#""traceparent":7"#.to_owned(), 0),
        ] {
            let (text, headers, context) = sent(&traces, &format!(r#","_meta":{{{meta}}}"#));
            let place = context.unwrap().to_string();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            let read = read["params"]["_meta"].as_object().unwrap();
            assert_eq!(
                (read["traceparent"].as_str(), read.len()),
                (Some(&*place), others + 1),
                "{text}"
            );
            assert_eq!(text.matches("traceparent").count(), 1);
            assert_eq!(headers[TRACEPARENT], *place);
            assert_eq!(meta.contains("4bf9"), place.contains("4bf92f3577b34da6a3ce929d0e0e4736"));
        }
        // A reader that ignores case hears of one place alone.
        let other = r#","_meta":{"TraceParent":"x"}"#;
        assert!(sent(&traces, other).0.contains(&other[1..]), "{other}");
        let (text, headers, context) = sent(&traces, "");
        assert_eq!(headers[TRACEPARENT], *context.unwrap().to_string());
        assert!(!text.contains("_meta"), "{text}");
        let (text, headers, context) = sent(&Traces::default(), &format!(r#","_meta":{{{told}}}"#));
        assert!(text.contains(told) && headers.is_empty() && context.is_none());
    }
}
