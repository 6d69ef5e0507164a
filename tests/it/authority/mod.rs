//! The authority over real loopback HTTP.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod data_dir;
mod feed;
mod holders;
mod refusals;
mod revocations;
mod secrets;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hardtack::authority::{Authority, router, serve};
use hardtack::config::{DataDir, Entropy, InitOptions};
use hardtack::model::Timestamp;
use hardtack::vocabulary::grant::grants_from_json;
use rand::rngs::OsRng;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

const CEILING: &str = r#"[{"tool": "stripe/refund", "args": {"amount": {"max": 50}}},
    {"tool": "crm/get"}]"#;

/// An authority of its own, whose clock the test sets.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) admin: String,
    pub(crate) http: Client,
    pub(crate) millis: Arc<AtomicU64>,
    pub(crate) dir: Arc<TempDir>,
    pub(crate) authority: Arc<Authority>,
}

/// An answer: its status and its body, `null` where that is empty.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Served {
    pub(crate) async fn start() -> Self {
        // Another test may have done so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let path = dir.path().join("data");
        let ceiling = grants_from_json(CEILING.as_bytes()).unwrap();
        let options = InitOptions { ceiling, bearer: true, ..InitOptions::default() };
        let now = Timestamp::from_secs(1_800_000_000);
        let made = DataDir::init(&path, &options, &mut OsRng, now).await.unwrap();
        let millis = Arc::new(AtomicU64::new(now.millis()));
        Self::open(dir, made.to_secret_text().as_str().to_owned(), millis).await
    }

    /// Another authority over the same data, with the same clock.
    pub(crate) async fn again(&self) -> Self {
        Self::open(Arc::clone(&self.dir), self.admin.clone(), Arc::clone(&self.millis)).await
    }

    async fn open(dir: Arc<TempDir>, admin: String, millis: Arc<AtomicU64>) -> Self {
        let clock = {
            let millis = Arc::clone(&millis);
            move || Timestamp::from_millis(millis.load(Ordering::Relaxed))
        };
        let opened = DataDir::open(&dir.path().join("data")).unwrap();
        let authority = Authority::open(&opened, clock, Entropy::system()).await.unwrap();
        let authority = Arc::new(authority);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = router(Arc::clone(&authority));
        tokio::spawn(serve(listener, service, std::future::pending()));
        let served = Self { url, admin, http: Client::new(), millis, dir, authority };
        // The first head is signed a moment later.
        while served.get("", "/v1/revocations/head").await.status != StatusCode::OK {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        served
    }

    pub(crate) fn pass_secs(&self, secs: u64) {
        self.millis.fetch_add(secs * 1000, Ordering::Relaxed);
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        answer(self.request(Method::GET, path).bearer_auth(key)).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).bearer_auth(key).json(body)).await
    }

    /// A client that is no administrator; its key and id.
    pub(crate) async fn client(&self, name: &str, more: Value) -> (String, String) {
        let mut body = json!({"name": name, "ceiling": grants(), "bearer": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let added = self.post(&self.admin, "/v1/clients", &body).await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&added.body["key"]), text(&added.body["client"]["id"]))
    }

    /// Issues a task.
    pub(crate) async fn task(&self, key: &str) -> Value {
        let answer = self.post(key, "/v1/tasks", &task_body()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).unwrap(),
    };
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(body["status"], status.as_u16());
    }
    Answer { status, headers, body }
}

pub(crate) fn grants() -> Value {
    serde_json::from_str(CEILING).unwrap()
}

pub(crate) fn task_body() -> Value {
    json!({
        "grants": grants(), "principal": "user:alice", "agent": "agent:a", "intent": "case 1042",
        "audience": ["gateway"], "ttl_secs": 600, "depth": 2,
    })
}
