//! From a revocation to the refusal of a hundred gateways: an authority with its store, real HTTP,
//! and each gateway a guard of its own that follows the authority's stream.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use hardtack::authority::{self, serve};
use hardtack::config::{DataDir, Entropy, InitOptions, SystemClock};
use hardtack::gateway::{Authority, RevocationSync, SyncOptions, Taken, Watch};
use hardtack::guard::{Guard, ToolMap};
use hardtack::model::Clock;
use hardtack::record::WriterSink;
use hardtack::vocabulary::grant::grants_from_json;
use http::{Request, StatusCode};
use rand::rngs::OsRng;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::{Layer, ServiceExt};

use super::{Report, percentile};

const GATEWAYS: usize = 100;
const ROUNDS: usize = 60;

/// When each gateway learned of the newest entry.
#[derive(Default)]
struct Learned {
    at: Mutex<Vec<Instant>>,
    all: Notify,
}

struct One(Arc<Learned>);

impl Watch for One {
    fn took(&self, taken: &Taken<'_>) {
        if taken.delta.is_none() {
            return;
        }
        let mut at = self.0.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.push(Instant::now());
        if at.len() >= GATEWAYS {
            self.0.all.notify_one();
        }
    }
}

struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Client {
    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        let answer = request.json(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}");
        answer.json().await.expect("JSON")
    }
}

async fn authority(dir: &std::path::Path) -> Client {
    let ceiling = grants_from_json(br#"[{"tool": "t/*"}]"#).expect("grants");
    let options = InitOptions { ceiling, bearer: true, ..InitOptions::default() };
    let now = SystemClock.now();
    let made = DataDir::init(dir, &options, &mut OsRng, now).await.expect("a directory");
    let opened = DataDir::open(dir).expect("a directory");
    let opened = authority::Authority::open(&opened, SystemClock, Entropy::system()).await;
    let router = authority::router(Arc::new(opened.expect("an authority")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener, router, std::future::pending()));
    let key = made.to_secret_text().as_str().to_owned();
    Client { http: reqwest::Client::new(), url, key }
}

/// What a guard says of a call.
async fn call(guard: &Guard, token: &str) -> StatusCode {
    let app = Router::new().route("/call", post(|| async { "done" }));
    let request = Request::post("/call")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let request = request.body(Body::from("{}")).expect("a request");
    guard.layer(app).oneshot(request).await.map_or(StatusCode::OK, |answer| answer.status())
}

pub(super) async fn measure(report: &mut Report) {
    let home = tempfile::tempdir().expect("a directory");
    let client = authority(&home.path().join("data")).await;
    let source = || Authority::new(&client.url, Duration::from_secs(5)).expect("an address");
    let roots = source().danger_fetch_roots().await.expect("root keys");
    let learned = Arc::new(Learned::default());
    let mut gateways = Vec::new();
    for _ in 0..GATEWAYS {
        let watch = Arc::new(One(Arc::clone(&learned)));
        let options = SyncOptions { watch: Some(watch), ..SyncOptions::default() };
        let sync = RevocationSync::start(vec![source()], roots.clone(), options);
        let guard = Guard::builder("gw")
            .roots(roots.clone())
            .tools(ToolMap::new().route("POST", "/call", "t/call").expect("a route"))
            .labels("t/call", ["destructive"])
            .expect("labels")
            .revocations(sync.view())
            .sink(Arc::new(WriterSink::new(std::io::sink())))
            .build()
            .expect("a guard");
        while sync.status().age_millis.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gateways.push((sync, guard));
    }
    let mut millis = Vec::new();
    for _ in 0..ROUNDS {
        let body = json!({"grants": [{"tool": "t/call"}], "principal": "p", "audience": ["gw"]});
        let task = client.post("/v1/tasks", &body).await;
        let token = task["token"].as_str().unwrap_or_default();
        for (_, guard) in &gateways {
            assert_eq!(call(guard, token).await, StatusCode::OK);
        }
        learned.at.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let asked = Instant::now();
        client.post("/v1/revocations", &json!({"task": task["task"]})).await;
        learned.all.notified().await;
        for at in learned.at.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            millis.push(at.duration_since(asked).as_secs_f64() * 1e3);
        }
        for (_, guard) in &gateways {
            assert_eq!(call(guard, token).await, StatusCode::UNAUTHORIZED);
        }
    }
    report.row(
        format!("revoke → deny over {GATEWAYS} gateways, {ROUNDS} revocations: p50, p99, max"),
        format!(
            "{:.1} ms, {:.1} ms, {:.1} ms",
            percentile(&millis, 50),
            percentile(&millis, 99),
            percentile(&millis, 100)
        ),
        "p99 < 1 s, aim < 100 ms",
    );
}
