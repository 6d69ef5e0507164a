//! The guard and its view of revocations over loopback, through the public API alone.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{self, post};
use hardtack::config::SystemClock;
use hardtack::feed::{Entry, Subject};
use hardtack::gateway::{Authority, FetchError, RevocationSync, health_router};
use hardtack::guard::{Allowed, Guard, ToolMap};
use hardtack::keys::TrustedRoots;
use hardtack::mint::{self, Task};
use hardtack::model::Clock;
use hardtack::record::MemorySink;
use hardtack::token::UnverifiedToken;
use hardtack::verify::DangerUnrevoked;
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::feed_server::{Log, Server};
use crate::following::{options, until};
use crate::support_guard::{builder, client, get, root, serve};

fn token() -> UnverifiedToken {
    let text = br#"[{"tool":"stripe/refund","args":{"amount":{"max":50}}}]"#;
    let task = Task::new(grants_from_json(text).unwrap(), Some(["gw".to_owned()].into()));
    let mut rng = StdRng::seed_from_u64(1);
    mint::mint(&task, &root(), SystemClock.now(), &mut rng).unwrap().token
}

async fn api(guard: Guard) -> String {
    async fn refund(_: Allowed, body: String) -> String {
        body
    }
    serve(Router::new().route("/refunds", post(refund)).layer(guard)).await
}

async fn refund(base: &str, token: &UnverifiedToken, amount: u64) -> (u16, String) {
    let request = client().post(format!("{base}/refunds")).bearer_auth(token.to_text());
    let body = format!("{{\"amount\":{amount}}}");
    let request = request.header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn grants_hold_over_http() {
    let sink = Arc::new(MemorySink::new());
    let guard = builder(sink.clone()).build().unwrap();
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
        .roots(TrustedRoots::one(root().public()))
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund").unwrap())
        .sink(sink)
        .revocations(DangerUnrevoked)
        .build()
        .unwrap();
    let (status, problem) = refund(&api(guard).await, &token(), 5).await;
    assert_eq!(status, 401);
    assert!(problem.contains("audience-mismatch"), "{problem}");
}

#[tokio::test]
async fn a_revocation_reaches_the_guard_and_cannot_be_taken_back() {
    let (sink, token) = (Arc::new(MemorySink::new()), token());
    let guard = builder(sink.clone()).build().unwrap();
    let base = api(guard.clone()).await;
    let (status, problem) = refund(&base, &token, 5).await;
    assert_eq!(status, 503);
    assert!(problem.contains("revocation-stale"), "{problem}");

    let log = Log::new(1, 2, 3);
    let roots = TrustedRoots::one(log.root.public());
    let server = Server::start(log).await;
    let sync = RevocationSync::start(vec![server.authority()], roots, options());
    guard.publish(sync.view());
    until(&sync, |status| status.age_millis.is_some()).await;
    assert_eq!(refund(&base, &token, 5).await.0, 200);

    let id = token.revocation_ids()[0].key16();
    let entry = Entry::new(Subject::Block(id), SystemClock.now().plus_secs(900), None, None);
    server.set(|knobs| knobs.log.entries.extend(entry));
    until(&sync, |status| status.entries == 4).await;
    assert!(refund(&base, &token, 5).await.1.contains("\"code\":\"revoked\""));

    // A log without it changes nothing.
    server.set(|knobs| drop(knobs.log.entries.pop()));
    let refused = sync.status().refused;
    until(&sync, |status| status.refused > refused + 2).await;
    assert!(refund(&base, &token, 5).await.1.contains("\"code\":\"revoked\""));
    let allowed = sink.records().iter().filter(|record| record.decision.is_allow()).count();
    assert_eq!(allowed, 1, "the one call before the revocation");
}

#[tokio::test]
async fn readiness_is_told_by_class() {
    let log = Log::new(1, 2, 3);
    let roots = TrustedRoots::one(log.root.public());
    let server = Server::start(log).await;
    server.set(|knobs| knobs.is_up = false);
    let guard = builder(Arc::default()).build().unwrap();
    let sync = RevocationSync::start(vec![server.authority()], roots, options());
    guard.publish(sync.view());
    let base = serve(health_router(guard, &sync)).await;
    let (status, text) = get(&format!("{base}/readyz")).await;
    let nothing = r#"{"ready":false,"classes":{"destructive":false,"read":false,"write":false}}"#;
    assert_eq!((status, text.as_str()), (503, nothing));
    server.set(|knobs| knobs.is_up = true);
    until(&sync, |status| status.age_millis.is_some()).await;
    let ready = r#"{"ready":true,"classes":{"read":true}}"#.to_owned();
    assert_eq!(get(&format!("{base}/readyz?class=read")).await, (200, ready));
    assert_eq!(get(&format!("{base}/readyz?class=other")).await.0, 404);
    let (_, metrics) = get(&format!("{base}/metrics")).await;
    for line in [
        "hardtack_revocations_seq 3",
        "hardtack_revocations_entries 3",
        "hardtack_revocations_mode{mode=\"stream\"}",
        "hardtack_revocations_refusals_total{cause=\"status\"}",
        "hardtack_revocations_push_lag_seconds_bucket",
        "hardtack_revocations_age_seconds 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn addresses_and_redirects_are_not_followed_blindly() {
    for address in ["ftp://a", "a", "http://u:p@a", "http://a?x", "http://a#x"] {
        assert!(Authority::new(address, Duration::from_secs(1)).is_err(), "{address}");
    }
    async fn moved() -> axum::response::Redirect {
        axum::response::Redirect::temporary("/elsewhere")
    }
    let router = Router::new().route("/.well-known/hardtack", routing::get(moved));
    let authority = Authority::new(&serve(router).await, Duration::from_secs(5)).unwrap();
    assert!(matches!(authority.discover().await, Err(FetchError::Status(307))));
}
