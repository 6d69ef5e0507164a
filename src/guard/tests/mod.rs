//! The guard through `oneshot`, with a stand-in for what a token permits where a test needs one.

mod cache;
mod flow;
#[cfg(feature = "gateway")]
mod loopback;
mod refusals;
mod requests;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request as HttpRequest, Response, StatusCode};
use http_body_util::BodyExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tower::ServiceExt;

use super::{Allowed, Guard, GuardBuilder, ToolMap};
use crate::decide::Decision;
use crate::keys::{RootKey, TrustedRoots};
use crate::mint::{self, Task};
use crate::model::ManualClock;
use crate::model::{Code, Reason, Timestamp};
use crate::record::{MemorySink, Record};
use crate::token::UnverifiedToken;
use crate::verify::DangerUnrevoked;
use crate::vocabulary::grant::grants_from_json;

const NOW: u64 = 1_800_000_000;
const GATEWAY: &str = "payments-gateway";

fn key() -> RootKey {
    "11".repeat(32).parse().unwrap()
}

fn token() -> UnverifiedToken {
    token_of(&key(), 1)
}

fn token_of(key: &RootKey, seed: u64) -> UnverifiedToken {
    let grants = grants_from_json(br#"[{"tool":"stripe/refund"}]"#).unwrap();
    let task = Task {
        principal: Some("user:alice".to_owned()),
        agent: Some("agent:one".to_owned()),
        ..Task::new(grants, Some([GATEWAY.to_owned()].into()))
    };
    let mut rng = StdRng::seed_from_u64(seed);
    mint::mint(&task, key, Timestamp::from_secs(NOW), &mut rng).unwrap().token
}

/// What reached the handler.
#[derive(Clone, Debug, Default)]
struct Reached(Arc<Mutex<Vec<Arrival>>>);

/// Tool and arguments as the handler was told, its headers, its body.
type Arrival = (String, http::HeaderMap, Vec<u8>);

impl Reached {
    fn all(&self) -> Vec<Arrival> {
        self.0.lock().unwrap().clone()
    }
}

/// An API behind a guard, and everything it leaves behind.
struct Api {
    guard: Guard,
    router: Router,
    sink: Arc<MemorySink>,
    clock: Arc<ManualClock>,
    reached: Reached,
}

fn tools() -> ToolMap {
    ToolMap::new()
        .route("POST", "/refunds", "stripe/refund")
        .and_then(|tools| tools.route("GET", "/accounts/{id}", "crm/get_account"))
        .and_then(|tools| tools.route("GET", "/accounts/all", "crm/list_accounts"))
        .and_then(|tools| tools.route("PUT", "/accounts/{id}", "crm/set_account"))
        .and_then(|tools| tools.danger_open("GET", "/health"))
        .unwrap()
}

/// An API where every genuine token permits everything.
fn api() -> Api {
    api_with(|builder| builder.decider(Arc::new(|_, _, _| Decision::Allow { grant: 0 })))
}

/// An API where every call is refused for this reason.
fn api_refusing(reason: Reason) -> Api {
    api_with(|builder| builder.decider(Arc::new(move |_, _, _| Decision::deny(reason.clone()))))
}

fn api_with(change: impl FnOnce(GuardBuilder) -> GuardBuilder) -> Api {
    let (sink, reached) = (Arc::new(MemorySink::new()), Reached::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    let builder = Guard::builder(GATEWAY)
        .roots(TrustedRoots::one(key().public()))
        .tools(tools())
        .sink(sink.clone())
        .clock(clock.clone())
        .revocations(DangerUnrevoked);
    let guard = change(builder).build().unwrap();
    let router = Router::new().fallback(any(handler)).with_state(reached.clone());
    Api { router: router.layer(guard.clone()), guard, sink, clock, reached }
}

async fn handler(
    axum::extract::State(reached): axum::extract::State<Reached>,
    request: HttpRequest<Body>,
) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let told = parts.extensions.get::<Allowed>();
    let told = told.map(|allowed| {
        format!("{} {}", allowed.tool(), String::from_utf8_lossy(allowed.args().bytes()))
    });
    reached.0.lock().unwrap().push((told.unwrap_or_default(), parts.headers, body));
    StatusCode::OK
}

impl Api {
    async fn send(&self, request: HttpRequest<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The status and the code of a refusal.
    async fn answer(&self, request: HttpRequest<Body>) -> (u16, Option<Code>) {
        let response = self.send(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let code = problem.map(|problem| serde_json::from_value(problem["code"].clone()).unwrap());
        (status, code)
    }

    fn last(&self) -> Record {
        self.sink.records().pop().unwrap()
    }
}

/// A call with a genuine token.
fn call(method: &str, uri: &str, body: &str) -> HttpRequest<Body> {
    let request = HttpRequest::builder().method(method).uri(uri);
    let request = request.header(AUTHORIZATION, format!("Bearer {}", token().to_text()));
    let request = match body.is_empty() {
        true => request,
        false => request.header(CONTENT_TYPE, "application/json"),
    };
    request.body(Body::from(body.to_owned())).unwrap()
}

fn bare(method: &str, uri: &str) -> HttpRequest<Body> {
    HttpRequest::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}
