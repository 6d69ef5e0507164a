//! A guard takes each proof once, and refuses bound calls where it cannot tell.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use hardtack::guard::{
    Guard, GuardBuilder, LocalReplays, Nonces, Replays, Spending, Spent, ToolMap,
};
use hardtack::keys::TrustedRoots;
use hardtack::model::{ManualClock, TargetUri, Timestamp};
use hardtack::present::{Presentation, ProofCall, present, to_authorization};
use hardtack::record::MemorySink;
use hardtack::verify::{DangerUnrevoked, RevocationView};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::holders::{GRANT, bound, get_account, handed, holder, uri};
use crate::support::{now, rng, root, token};

pub(crate) struct Gateway {
    pub(crate) app: Router,
    guard: Guard,
    sink: Arc<MemorySink>,
    pub(crate) clock: Arc<ManualClock>,
}

/// A gateway that has been running for a while.
pub(crate) fn gateway_with(change: impl FnOnce(GuardBuilder) -> GuardBuilder) -> Gateway {
    let gateway = gateway_started(Timestamp::from_secs(now().secs() - 10), change);
    gateway.clock.set(now());
    gateway
}

fn gateway_started(start: Timestamp, change: impl FnOnce(GuardBuilder) -> GuardBuilder) -> Gateway {
    let (sink, clock) = (Arc::new(MemorySink::new()), Arc::new(ManualClock::at(start)));
    let builder = Guard::builder("gw")
        .roots(TrustedRoots::one(root().public()))
        .tools(ToolMap::new().route("POST", "/accounts", "crm/get_account").unwrap())
        .sink(sink.clone())
        .clock(clock.clone())
        .public_uri("https://api.example.com".parse().unwrap())
        .revocations(DangerUnrevoked);
    let guard = change(builder).build().unwrap();
    let app = Router::new().route("/accounts", post(|| async {})).layer(guard.clone());
    Gateway { app, guard, sink, clock }
}

fn gateway() -> Gateway {
    gateway_with(|builder| builder)
}

/// Holder 1's proof to call for account 7, at this moment.
pub(crate) fn proof_at(
    time: Timestamp,
    uri: &TargetUri,
    nonce: Option<&str>,
    seed: u64,
) -> Presentation {
    let (token, request) = (handed(&bound(), 0, 1), get_account(7));
    let (tool, args) = (&request.tool, &request.args);
    let call = ProofCall { method: "POST", uri, tool, args, nonce };
    present(&token, &holder(1), &call, time, &mut rng(seed)).unwrap()
}

pub(crate) fn proof(seed: u64) -> Presentation {
    proof_at(now(), &uri(), None, seed)
}

pub(crate) fn call(sent: &Presentation) -> http::Request<Body> {
    call_with(&[("authorization", &sent.authorization()), ("dpop", sent.dpop())])
}

fn call_with(headers: &[(&str, &str)]) -> http::Request<Body> {
    let request = http::Request::post("/accounts").header("content-type", "application/json");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::from("{\"id\": 7}")).unwrap()
}

impl Gateway {
    /// The code, or `allow`; and the challenge.
    async fn answer(&self, request: http::Request<Body>) -> (String, Option<String>) {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let challenge = response.headers().get("www-authenticate").cloned();
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        if response.status() == 200 {
            return ("allow".to_owned(), challenge);
        }
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], status);
        (problem["code"].as_str().unwrap().to_owned(), challenge)
    }

    pub(crate) async fn code(&self, request: http::Request<Body>) -> String {
        self.answer(request).await.0
    }
}

#[tokio::test]
async fn the_same_proof_opens_once() {
    let gateway = gateway();
    let sent = proof(1);
    assert_eq!(gateway.code(call(&sent)).await, "allow");
    let (code, challenge) = gateway.answer(call(&sent)).await;
    assert_eq!(code, "proof-replayed");
    let challenge = challenge.unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"invalid_dpop_proof\""));
    assert!(challenge.ends_with("algs=\"EdDSA\""), "{challenge}");
    assert_eq!(gateway.code(call(&proof(2))).await, "allow");
    let record = gateway.sink.records().pop().unwrap();
    let chain: Vec<_> =
        record.chain.iter().map(|hop| (hop.name.clone(), hop.key.clone())).collect();
    let step = |name: &str, n| (Some(name.to_owned()), Some(holder(n).public().thumbprint()));
    assert_eq!(chain, [step("agent:orchestrator", 0), step("agent:1", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_at_once_exactly_one_passes() {
    let gateway = gateway();
    let sent = Arc::new(proof(1));
    let start = Arc::new(tokio::sync::Barrier::new(1000));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (app, sent, start) = (gateway.app.clone(), Arc::clone(&sent), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                app.oneshot(call(&sent)).await.unwrap().status().as_u16()
            })
        })
        .collect();
    let (mut passed, mut refused) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            200 => passed += 1,
            401 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((passed, refused), (1, 999));
}

#[tokio::test]
async fn a_proof_is_refused_for_as_long_as_it_would_be_accepted() {
    let gateway = gateway();
    let sent = proof(1);
    gateway.clock.set(Timestamp::from_millis(now().millis() - 5000));
    assert_eq!(gateway.code(call(&sent)).await, "allow");
    for (secs, expected) in [(0, "proof-replayed"), (65, "proof-replayed"), (66, "proof-invalid")] {
        gateway.clock.set(now().plus_secs(secs));
        // Others come and go meanwhile.
        let other = proof_at(now().plus_secs(secs), &uri(), None, 100 + secs);
        assert_eq!(gateway.code(call(&other)).await, "allow");
        assert_eq!(gateway.code(call(&sent)).await, expected, "{secs}");
    }
    // A clock that is set back does not open it again.
    gateway.clock.set(now().plus_secs(200));
    assert_eq!(gateway.code(call(&proof_at(now().plus_secs(200), &uri(), None, 9))).await, "allow");
    gateway.clock.set(now().plus_secs(30));
    assert_ne!(gateway.code(call(&sent)).await, "allow");
}

#[tokio::test]
async fn a_proof_is_good_at_its_own_gateway_alone() {
    let elsewhere = gateway_with(|b| b.public_uri("https://other.example.com".parse().unwrap()));
    assert_eq!(elsewhere.code(call(&proof(1))).await, "proof-invalid");
    let prefixed = gateway_with(|b| b.public_uri("https://api.example.com/v1/".parse().unwrap()));
    let uri = "https://api.example.com/v1/accounts".parse().unwrap();
    assert_eq!(prefixed.code(call(&proof_at(now(), &uri, None, 1))).await, "allow");
}

#[tokio::test]
async fn how_a_token_is_sent_must_fit_it() {
    let gateway = gateway();
    let sent = proof(1);
    let (as_bearer, bearer) = (format!("Bearer {}", sent.token()), to_authorization(&token(GRANT)));
    let as_dpop = bearer.replace("Bearer", "DPoP");
    for (headers, expected) in [
        (vec![("authorization", as_bearer.as_str())], "proof-missing"),
        (vec![("authorization", &as_bearer), ("dpop", sent.dpop())], "proof-missing"),
        (vec![("authorization", &sent.authorization())], "proof-missing"),
        (vec![("authorization", &as_dpop), ("dpop", sent.dpop())], "proof-invalid"),
        (vec![("authorization", &as_dpop)], "proof-invalid"),
        (
            vec![
                ("authorization", &sent.authorization()),
                ("dpop", sent.dpop()),
                ("dpop", sent.dpop()),
            ],
            "proof-invalid",
        ),
        (vec![("authorization", &bearer)], "allow"),
        (vec![("authorization", &sent.authorization()), ("dpop", sent.dpop())], "allow"),
    ] {
        assert_eq!(gateway.code(call_with(&headers)).await, expected);
    }
}

/// What has been refused for another reason has not used the proof up.
#[tokio::test]
async fn a_proof_is_spent_last() {
    struct All;
    impl RevocationView for All {
        fn age_millis(&self, _: Timestamp) -> Option<u64> {
            Some(0)
        }
        fn is_revoked(&self, _: &hardtack::model::Key16) -> bool {
            true
        }
    }
    let gateway = gateway();
    let sent = proof(1);
    gateway.guard.publish(All);
    assert_eq!(gateway.code(call(&sent)).await, "revoked");
    gateway.guard.publish(DangerUnrevoked);
    let mut other = call(&sent);
    *other.body_mut() = Body::from("{\"id\": 8}");
    assert_eq!(gateway.code(other).await, "proof-invalid");
    assert_eq!(gateway.code(call(&sent)).await, "allow");
}

#[tokio::test]
async fn a_full_store_refuses_and_forgets_nothing() {
    let gateway =
        gateway_with(|builder| builder.replays(Arc::new(LocalReplays::of_new_address(2))));
    let (one, two, three) = (proof(1), proof(2), proof(3));
    assert_eq!(gateway.code(call(&one)).await, "allow");
    assert_eq!(gateway.code(call(&two)).await, "allow");
    for _ in 0..3 {
        assert_eq!(gateway.code(call(&three)).await, "proof-store-unavailable");
        assert_eq!(gateway.code(call(&one)).await, "proof-replayed");
    }
    // A bearer token needs no memory.
    let bearer = to_authorization(&token(GRANT));
    assert_eq!(gateway.code(call_with(&[("authorization", &bearer)])).await, "allow");
    let later = now().plus_secs(71);
    gateway.clock.set(later);
    assert_eq!(gateway.code(call(&proof_at(later, &uri(), None, 4))).await, "allow");
}

/// A gateway that was restarted cannot say what was shown to it before, by whatever clock.
#[tokio::test]
async fn a_restart_opens_no_proof_again() {
    let used = proof_at(now().plus_secs(5), &uri(), None, 1);
    assert_eq!(gateway().code(call(&used)).await, "allow");
    let gateway = gateway_started(now(), |builder| builder);
    let at = |secs, seed| proof_at(now().plus_secs(secs), &uri(), None, seed);
    assert_eq!(gateway.code(call(&used)).await, "proof-store-unavailable");
    gateway.clock.set(now().plus_secs(6));
    assert_eq!(gateway.code(call(&at(5, 2))).await, "proof-store-unavailable");
    assert_eq!(gateway.code(call(&at(6, 3))).await, "allow");
    for later in [30, 65, 70] {
        gateway.clock.set(now().plus_secs(later));
        assert_ne!(gateway.code(call(&used)).await, "allow", "{later} s later");
    }
}

/// With new nonces a restarted gateway need not wait: no proof of before has one. With the same ones,
/// known from a key or kept by whoever builds guards, it cannot tell.
#[tokio::test]
async fn new_nonces_make_a_restart_safe_at_once() {
    let start = |nonces: Nonces| gateway_started(now(), |builder| builder.proof_nonces(nonces));
    let nonces = Nonces::generate(&mut rng(1));
    let with = |nonces: &Nonces, seed| proof_at(now(), &uri(), Some(&nonces.current(now())), seed);
    let used = with(&nonces, 1);
    assert_eq!(start(nonces.clone()).code(call(&used)).await, "allow");
    assert_eq!(start(nonces.clone()).code(call(&used)).await, "proof-store-unavailable");
    let known = start(Nonces::from_key([7; 32]));
    let sent = with(&Nonces::from_key([7; 32]), 2);
    assert_eq!(known.code(call(&sent)).await, "proof-store-unavailable");
    let others = Nonces::generate(&mut rng(2));
    let restarted = start(others.clone());
    assert_eq!(restarted.code(call(&used)).await, "proof-invalid");
    assert_eq!(restarted.code(call(&with(&others, 3))).await, "allow");
}

struct Away;

impl Replays for Away {
    fn spend(&self, _: [u8; 32], _: Timestamp, _: Timestamp) -> Spending<'_> {
        Box::pin(async { Spent::Unavailable })
    }
}

#[tokio::test]
async fn a_store_that_is_away_refuses() {
    let gateway = gateway_with(|builder| builder.replays(Arc::new(Away)));
    assert_eq!(gateway.code(call(&proof(1))).await, "proof-store-unavailable");
}

#[tokio::test]
async fn a_store_that_never_answers_refuses() {
    struct Never;
    impl Replays for Never {
        fn spend(&self, _: [u8; 32], _: Timestamp, _: Timestamp) -> Spending<'_> {
            Box::pin(std::future::pending())
        }
    }
    let soon = std::time::Duration::from_millis(10);
    let gateway = gateway_with(|b| b.replays(Arc::new(Never)).replays_timeout(soon));
    assert_eq!(gateway.code(call(&proof(1))).await, "proof-store-unavailable");
}

#[tokio::test]
async fn a_nonce_is_asked_for_and_told() {
    let nonces = Nonces::from_key([7; 32]);
    let gateway = gateway_with(|builder| builder.proof_nonces(nonces.clone()));
    let response = gateway.app.clone().oneshot(call(&proof(1))).await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = response.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    assert_eq!(nonce, nonces.current(now()));
    let sent = proof_at(now(), &uri(), Some(&nonce), 2);
    assert_eq!(gateway.code(call(&sent)).await, "allow");
    let stale = nonces.current(Timestamp::from_secs(now().secs() - 180));
    let sent = proof_at(now(), &uri(), Some(&stale), 3);
    assert_eq!(gateway.code(call(&sent)).await, "proof-invalid");
}

#[tokio::test]
async fn without_an_address_the_request_names_its_host() {
    let clock = Arc::new(ManualClock::at(now()));
    let guard = Guard::builder("gw")
        .roots(TrustedRoots::one(root().public()))
        .tools(ToolMap::new().route("POST", "/accounts", "crm/get_account").unwrap())
        .sink(Arc::new(MemorySink::new()))
        .clock(clock.clone())
        .replays(Arc::new(LocalReplays::of_new_address(10)))
        .revocations(DangerUnrevoked)
        .build()
        .unwrap();
    let app = Router::new().route("/accounts", post(|| async {})).layer(guard.clone());
    let gateway = Gateway { app, guard, sink: Arc::new(MemorySink::new()), clock };
    let uri = "http://localhost:8080/accounts".parse().unwrap();
    let from = |hosts: &[&str], seed| {
        let sent = proof_at(now(), &uri, None, seed);
        let authorization = sent.authorization();
        let mut headers = vec![("authorization", authorization.as_str()), ("dpop", sent.dpop())];
        headers.extend(hosts.iter().map(|host| ("host", *host)));
        call_with(&headers)
    };
    for (seed, (hosts, expected)) in (1..).zip([
        (&["localhost:8080"][..], "allow"),
        (&["LOCALHOST:8080"], "allow"),
        (&["localhost"], "proof-invalid"),
        (&[], "request-malformed"),
        (&["localhost:8080", "localhost:8080"], "request-malformed"),
        (&["user@localhost:8080"], "request-malformed"),
        (&["localhost:8080/accounts?"], "request-malformed"),
    ]) {
        assert_eq!(gateway.code(from(hosts, seed)).await, expected, "{hosts:?}");
    }
}

/// A body that trickles in after its proof was looked at does not stretch the proof's time.
#[tokio::test]
async fn a_slow_body_does_not_outlive_the_memory() {
    let gateway = gateway();
    let sent = proof(1);
    assert_eq!(gateway.code(call(&sent)).await, "allow");
    gateway.clock.set(now().plus_secs(64));
    let clock = Arc::clone(&gateway.clock);
    let slow = futures_body(move || clock.set(now().plus_secs(94)));
    let (parts, _) = call(&sent).into_parts();
    let code = gateway.code(http::Request::from_parts(parts, slow)).await;
    assert_eq!(code, "proof-invalid");
}

/// A body that does something before it arrives.
fn futures_body(first: impl Fn() + Send + 'static) -> Body {
    struct Slow<F>(F, Option<bytes::Bytes>);
    impl<F: Fn() + Unpin> http_body::Body for Slow<F> {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            (self.0)();
            std::task::Poll::Ready(self.1.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
        }
    }
    // Boxed, so that it may be moved.
    Body::new(Slow(Box::new(first), Some(bytes::Bytes::from_static(b"{\"id\": 7}"))))
}

#[tokio::test]
async fn the_memory_is_exact_and_bounded() {
    let store = LocalReplays::of_new_address(1000);
    let key = |n: u32| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_le_bytes());
        key
    };
    for n in 0..1000 {
        assert_eq!(store.spend(key(n), now().plus_secs(70), now()).await, Spent::Fresh);
    }
    for n in 0..1000 {
        assert_eq!(store.spend(key(n), now().plus_secs(70), now()).await, Spent::Seen);
    }
    assert_eq!(store.spend(key(5000), now().plus_secs(70), now()).await, Spent::Unavailable);
    let last = now().plus_secs(70);
    assert_eq!(store.spend(key(5000), last, last).await, Spent::Unavailable);
    assert_eq!(store.len(), 1000);
    let over = now().plus_secs(71);
    assert_eq!(store.spend(key(5000), over.plus_secs(70), over).await, Spent::Fresh);
    assert_eq!(store.len(), 1);
    // What may have been forgotten is not called fresh.
    assert_eq!(store.spend(key(0), now().plus_secs(70), now()).await, Spent::Unavailable);
}
