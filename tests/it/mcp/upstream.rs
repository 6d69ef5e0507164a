//! A server that keeps the very bytes that reached it, and answers as it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::any;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;

use crate::support_guard::serve;

/// What reached the server.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Arrived {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A body that neither says anything nor ends.
struct Silent;

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

pub(super) fn silent() -> Body {
    Body::new(Silent)
}

type Answer = dyn Fn(&Arrived) -> Response<Body> + Send + Sync;

#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Upstream {
    pub(super) async fn start(
        answer: impl Fn(&Arrived) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let state = (Arc::clone(&arrived), Arc::new(answer) as Arc<Answer>);
        let url = serve(Router::new().route("/mcp", any(handle)).with_state(state)).await;
        Self { url: format!("{url}/mcp"), arrived }
    }

    pub(super) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    pub(super) fn last(&self) -> Arrived {
        self.arrived().pop().unwrap()
    }
}

type Shared = (Arc<Mutex<Vec<Arrived>>>, Arc<Answer>);

async fn handle(State((all, answer)): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let arrived = Arrived { method: parts.method, headers: parts.headers, body };
    let response = answer(&arrived);
    all.lock().unwrap().push(arrived);
    response
}

/// A response of JSON.
pub(super) fn json(text: impl Into<Body>) -> Response<Body> {
    Response::builder().header("content-type", "application/json").body(text.into()).unwrap()
}

/// A response of events.
pub(super) fn events(text: impl Into<Body>) -> Response<Body> {
    Response::builder().header("content-type", "text/event-stream").body(text.into()).unwrap()
}

/// Answers every request with an empty result, opens sessions, and takes notifications.
pub(super) fn plain(arrived: &Arrived) -> Response<Body> {
    if arrived.method != Method::POST {
        return json("");
    }
    let message = arrived.json();
    let Some(id) = message.get("id").filter(|_| message.get("method").is_some()) else {
        return Response::builder().status(202).body(Body::empty()).unwrap();
    };
    let mut response = json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    if message["method"] == "initialize" {
        response.headers_mut().insert("mcp-session-id", "upstream-1".parse().unwrap());
    }
    response
}
