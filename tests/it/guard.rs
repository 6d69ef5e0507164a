//! The guard and its view of revocations over loopback, through the public API alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use hardtack::config::SystemClock;
use hardtack::gateway::{Authority, FetchError, RevocationSync, SyncOptions, SyncStatus};
use hardtack::guard::{Allowed, Guard, ToolMap};
use hardtack::keys::{RootKey, TrustedRoots};
use hardtack::mint::{self, Task};
use hardtack::model::Clock;
use hardtack::model::{Key16, Timestamp};
use hardtack::record::MemorySink;
use hardtack::token::UnverifiedToken;
use hardtack::verify::{
    DangerUnrevoked, RevocationEntry, RevocationKind, RevocationList, SignedList,
};
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn key(byte: &str) -> RootKey {
    byte.repeat(32).parse().unwrap()
}

fn token() -> UnverifiedToken {
    let text = br#"[{"tool":"stripe/refund","args":{"amount":{"max":50}}}]"#;
    let task = Task::new(grants_from_json(text).unwrap(), Some(["gw".to_owned()].into()));
    let mut rng = StdRng::seed_from_u64(1);
    mint::mint(&task, &key("11"), SystemClock.now(), &mut rng).unwrap().token
}

fn guard(sink: Arc<MemorySink>) -> Guard {
    Guard::builder("gw")
        .roots(TrustedRoots::one(key("11").public()))
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund").unwrap())
        .sink(sink)
        .build()
        .unwrap()
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

async fn api(guard: Guard) -> String {
    async fn refund(_: Allowed, body: String) -> String {
        body
    }
    serve(Router::new().route("/refunds", post(refund)).layer(guard)).await
}

async fn refund(base: &str, token: &UnverifiedToken, amount: u64) -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{base}/refunds")).bearer_auth(token.to_text());
    let body = format!("{{\"amount\":{amount}}}");
    let request = request.header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn grants_hold_over_http() {
    let sink = Arc::new(MemorySink::new());
    let guard = guard(sink.clone());
    guard.publish(DangerUnrevoked);
    let base = api(guard).await;
    assert_eq!(refund(&base, &token(), 50).await, (200, "{\"amount\":50}".to_owned()));
    let (status, problem) = refund(&base, &token(), 51).await;
    assert_eq!(status, 403, "{problem}");
    assert!(problem.contains("\"code\":\"not-granted\""), "{problem}");
    let decisions: Vec<_> = sink.records().iter().map(|r| r.decision.is_allow()).collect();
    assert_eq!(decisions, [true, false]);
}

#[tokio::test]
async fn a_stranger_audience_and_an_expired_token_are_refused() {
    let sink = Arc::new(MemorySink::new());
    let guard = Guard::builder("other")
        .roots(TrustedRoots::one(key("11").public()))
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund").unwrap())
        .sink(sink)
        .revocations(DangerUnrevoked)
        .build()
        .unwrap();
    let (status, problem) = refund(&api(guard).await, &token(), 5).await;
    assert_eq!(status, 401);
    assert!(problem.contains("audience-mismatch"), "{problem}");
}

/// An authority that serves whatever it is told to.
#[derive(Clone)]
struct Fake(Arc<Mutex<Option<SignedList>>>);

impl Fake {
    async fn serve(&self) -> Authority {
        async fn list(State(fake): State<Fake>) -> Result<Json<SignedList>, http::StatusCode> {
            let list = fake.0.lock().unwrap().clone();
            list.map(Json).ok_or(http::StatusCode::SERVICE_UNAVAILABLE)
        }
        async fn discovery() -> Json<serde_json::Value> {
            let public = key("11").public();
            let root = serde_json::json!({"id": public.id(), "key": public, "state": "active"});
            Json(serde_json::json!({"issuer": "https://a", "roots": [root], "more": 1}))
        }
        let router = Router::new()
            .route("/v1/revocations", get(list))
            .route("/.well-known/hardtack", get(discovery))
            .with_state(self.clone());
        Authority::new(&serve(router).await, Duration::from_secs(5)).unwrap()
    }

    fn says(&self, key: &RootKey, seq: u64, time: Timestamp, keys: &[Key16]) {
        let entry = |key16: &Key16| RevocationEntry {
            seq,
            kind: RevocationKind::Block,
            key16: *key16,
            not_after: time.plus_secs(3600),
            reason: None,
        };
        let entries = keys.iter().map(entry).collect();
        let list = RevocationList { issuer: "https://a".to_owned(), seq, time, entries };
        *self.0.lock().unwrap() = Some(SignedList::sign(&list, key).unwrap());
    }
}

async fn until(sync: &RevocationSync, done: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
    for _ in 0..1000 {
        let status = sync.status();
        if done(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {:?}", sync.status());
}

#[tokio::test]
async fn a_revocation_reaches_the_guard_and_cannot_be_taken_back() {
    let (fake, now) = (Fake(Arc::default()), SystemClock.now());
    let authority = fake.serve().await;
    let (sink, token) = (Arc::new(MemorySink::new()), token());
    let guard = guard(sink.clone());
    let base = api(guard.clone()).await;
    let (status, problem) = refund(&base, &token, 5).await;
    assert_eq!(status, 503);
    assert!(problem.contains("revocation-stale"), "{problem}");

    let options = SyncOptions { interval: Duration::from_millis(10), ..SyncOptions::default() };
    let roots = authority.danger_fetch_roots().await.unwrap();
    let sync = RevocationSync::start(authority, roots, guard, options);
    until(&sync, |status| status.failed >= 2).await;

    fake.says(&key("11"), 1, now, &[]);
    until(&sync, |status| status.taken > 0).await;
    assert_ne!(refund(&base, &token, 5).await.0, 503);

    fake.says(&key("11"), 2, now, &[token.revocation_ids()[0].key16()]);
    until(&sync, |status| status.revoked == 1).await;
    assert!(refund(&base, &token, 5).await.1.contains("\"code\":\"revoked\""));

    // Older, forged and foreign lists change nothing.
    let failed = until(&sync, |status| status.failed_in_a_row == 0).await.failed;
    fake.says(&key("11"), 1, now.plus_secs(1), &[]);
    let status = until(&sync, |status| status.failed > failed + 1).await;
    fake.says(&key("22"), 3, now.plus_secs(1), &[]);
    let status = until(&sync, |now| now.failed > status.failed + 1).await;
    assert_eq!(status.revoked, 1);
    assert!(refund(&base, &token, 5).await.1.contains("\"code\":\"revoked\""));
    let allowed = sink.records().iter().filter(|record| record.decision.is_allow()).count();
    assert_eq!(allowed, 1, "the one call between the first list and the revocation");
}

#[tokio::test]
async fn a_view_that_is_not_renewed_goes_stale() {
    let (fake, now) = (Fake(Arc::default()), SystemClock.now());
    fake.says(&key("11"), 1, Timestamp::from_secs(now.secs() - 120), &[]);
    let guard = guard(Arc::new(MemorySink::new()));
    let base = api(guard.clone()).await;
    let roots = TrustedRoots::one(key("11").public());
    let sync = RevocationSync::start(fake.serve().await, roots, guard, SyncOptions::default());
    until(&sync, |status| status.taken == 1).await;
    assert_eq!(refund(&base, &token(), 5).await.0, 503);
}

#[tokio::test]
async fn addresses_and_redirects_are_not_followed_blindly() {
    for address in ["ftp://a", "a", "http://u:p@a", "http://a?x", "http://a#x"] {
        assert!(Authority::new(address, Duration::from_secs(1)).is_err(), "{address}");
    }
    let fake = Fake(Arc::default());
    async fn moved() -> axum::response::Redirect {
        axum::response::Redirect::temporary("/elsewhere")
    }
    let base = serve(Router::new().route("/v1/revocations", get(moved)).with_state(fake)).await;
    let authority = Authority::new(&base, Duration::from_secs(5)).unwrap();
    let roots = TrustedRoots::one(key("11").public());
    assert!(matches!(authority.revocations(&roots).await, Err(FetchError::Status(307))));
}
