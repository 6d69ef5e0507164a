//! Traces of calls, as a collector gets them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use hardtack::config::gateway::{GatewaySettings, Listen};
use http::{HeaderMap, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost_new::Message;

use crate::gateway_service::{World, bearer, full, server};
use crate::support_guard::{client, serve};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SECRET: &str = "collector-key-0123456789";

/// A server that keeps what reached it, and answers each call alike.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Vec<(HeaderMap, Bytes)>>>);

impl Server {
    async fn start(answer: &'static str) -> (Self, String) {
        let own = Self::default();
        let kept = own.clone();
        let router = Router::new().fallback(move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            kept.0.lock().unwrap().push((parts.headers, body));
            Response::builder()
                .header("content-type", "application/json")
                .body(Body::from(answer))
                .unwrap()
        });
        let base = serve(router).await;
        (own, base)
    }

    fn arrived(&self) -> Vec<(HeaderMap, Bytes)> {
        self.0.lock().unwrap().clone()
    }

    /// The spans that reached it as a collector, by their names and kinds.
    fn spans(&self) -> HashMap<(String, SpanKind), Span> {
        let mut spans = HashMap::new();
        for (headers, body) in self.arrived() {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            assert_eq!(headers["x-collector-key"], SECRET);
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            for resource in request.resource_spans {
                let about = resource.resource.unwrap().attributes;
                let name = about.iter().find(|kept| kept.key == "service.name").unwrap();
                let name = name.value.clone().unwrap().value.unwrap();
                assert_eq!(name, Value::StringValue("hardtack-gateway".to_owned()));
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.insert((span.name.clone(), span.kind()), span);
                }
            }
        }
        spans
    }
}

fn said(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|kept| kept.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

fn tool(name: &str, meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"q":"kept to itself"}},"_meta":{{{meta}"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

async fn call(world: &World, bearer: &str, name: &str, meta: &str) -> u16 {
    let request = client().post(format!("http://{}/mcp/m", world.address));
    let request = request
        .header("authorization", bearer)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", name)
        .body(tool(name, meta));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_each_call_and_what_went_up_for_it() {
    let (collector, at) = Server::start("").await;
    let (tools, mcp) = Server::start(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    let (api, http) = Server::start("{}").await;
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), format!("{SECRET}\n")).unwrap();
    let settings = format!(
        "{}[[server]]\nname = \"m\"\nkind = \"mcp-http\"\nurl = \"{mcp}\"\n\
         [traces]\nurl = \"{at}/v1/traces\"\nheaders = {{ x-collector-key = {{ file = \"{}\" }} }}\n",
        server("a", &http),
        key.path().display(),
    );
    let world = World::new(&settings, Listen::default()).await;
    let bearer = bearer(r#"[{"tool":"a/*"},{"tool":"m/read"}]"#, 1);
    let above = format!(r#""traceparent":"{PARENT}","#);
    assert_eq!(call(&world, &bearer, "read", &above).await, 200);
    assert_eq!(call(&world, &bearer, "write", "").await, 403);
    let get = client().get(format!("http://{}/a/7?q=secret", world.address));
    let get = get.header("authorization", &bearer).header("traceparent", PARENT);
    // What a caller says of its connection takes nothing out that is the gateway's.
    let get = get.header("connection", "traceparent");
    assert_eq!(get.send().await.unwrap().status(), 200);
    let unsampled = format!(r#""traceparent":"{}","#, PARENT.replace("-01", "-00"));
    assert_eq!(call(&world, &bearer, "read", &unsampled).await, 200);
    let records = world.sink.records();
    world.end().await;

    let spans = collector.spans();
    let names = [
        ("tools/call read", SpanKind::Server),
        ("tools/call read", SpanKind::Client),
        ("tools/call", SpanKind::Server),
        ("GET /a/{id}", SpanKind::Server),
        ("GET /a/{id}", SpanKind::Client),
    ];
    assert_eq!(spans.len(), names.len(), "{:?}", spans.keys());
    let span = |at: usize| &spans[&(names[at].0.to_owned(), names[at].1)];
    let (caller, trace) = ("00f067aa0ba902b7", "4bf92f3577b34da6a3ce929d0e0e4736");
    for (own, up) in [(0, 1), (3, 4)] {
        assert_eq!(hex::encode(&span(own).parent_span_id), caller);
        assert_eq!(span(up).parent_span_id, span(own).span_id);
        assert_eq!(hex::encode(&span(up).trace_id), trace);
        assert!(span(own).start_time_unix_nano <= span(up).start_time_unix_nano);
        assert!(span(up).end_time_unix_nano <= span(own).end_time_unix_nano);
    }
    // The servers are told of what is above them.
    let told = |up: usize| format!("00-{trace}-{}-01", hex::encode(&span(up).span_id));
    let up = tools.arrived();
    assert_eq!(up[0].0["traceparent"], told(1).as_str());
    let body = String::from_utf8(up[0].1.to_vec()).unwrap();
    assert_eq!(body, tool("read", &format!(r#""traceparent":"{}","#, told(1))));
    assert_eq!(api.arrived()[0].0["traceparent"], told(4).as_str());
    // What is not collected goes up as it came.
    assert_eq!(up[1].1, tool("read", &unsampled).as_bytes());
    assert!(!up[1].0.contains_key("traceparent"));

    let of_read = [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "read"),
        ("gen_ai.operation.name", "execute_tool"),
        ("jsonrpc.request.id", "1"),
        ("mcp.protocol.version", "2026-07-28"),
        ("network.transport", "tcp"),
        ("hardtack.tool", "m/read"),
    ];
    for (key, value) in of_read {
        assert_eq!(said(span(0), key).as_deref(), Some(value), "{key}");
    }
    let task = records[0].task.as_deref();
    assert!(
        task.is_some()
            && [0, 2, 3].map(|at| said(span(at), "hardtack.task"))
                == [task; 3].map(|task| task.map(str::to_owned))
    );
    // A refused call names no tool: callers could name any.
    assert_eq!(said(span(2), "error.type").as_deref(), Some("not-granted"));
    assert_eq!(said(span(2), "gen_ai.tool.name"), None);
    assert_eq!(said(span(3), "http.route").as_deref(), Some("/a/{id}"));
    assert_eq!(said(span(3), "http.response.status_code").as_deref(), Some("200"));
    let all = format!("{spans:?}");
    for private in ["kept to itself", "secret", SECRET, bearer.trim_start_matches("Bearer ")] {
        assert!(!all.contains(private), "{private}");
    }
    // Records name the trace, the one that began here too.
    let traces: Vec<_> = records.iter().map(|record| record.trace.clone().unwrap()).collect();
    let began = hex::encode(&span(2).trace_id);
    assert_eq!(traces, [trace, &began, trace, trace].map(str::to_owned));
}

/// A collector that is not there costs traces and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn calls_do_not_wait_for_a_collector() {
    let (_, http) = Server::start("{}").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = nobody.local_addr().unwrap();
    let settings = format!("{}[traces]\nurl = \"http://{at}/v1/traces\"\n", server("a", &http));
    let world = World::new(&settings, Listen::default()).await;
    let bearer = bearer(r#"[{"tool":"a/*"}]"#, 1);
    let calls = async {
        for _ in 0..3000 {
            assert_eq!(world.call("/a/7", &bearer).await, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), calls).await.unwrap();
}

#[test]
fn settings_of_traces_are_checked() {
    for (given, why) in [
        ("url = \"collector:4317\"", "`traces.url`"),
        ("url = \"grpc://collector:4317\"", "`traces.url`"),
        ("url = \"http://a:b@collector/v1/traces\"", "`traces.url`"),
        ("url = \"http://collector/v1/traces?key=x\"", "`traces.url`"),
        ("share = 1.5", "`traces.share`"),
        ("share = nan", "`traces.share`"),
        ("headers = { \"a b\" = { env = \"X\" } }", "`traces.headers`"),
        ("headers = { a = \"in line\" }", "a secret is never written"),
        ("endpoint = \"x\"", "unknown field"),
    ] {
        let settings = full(&format!("[traces]\n{given}\n"));
        let error = GatewaySettings::from_toml(&settings).unwrap_err();
        assert!(error.contains(why), "{given}: {error}");
    }
}
