//! Laws 2, 7 and 8 at the door: default deny, a record for every decision, no secret anywhere.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::HeaderValue;

use super::*;
use crate::decide::Policy;
use crate::guard::flow::Decider;
use crate::model::Key16;
use crate::record::{Redaction, Sink, SinkError, audit};
use crate::verify::RevocationView;

fn with_authorization(value: &str) -> HttpRequest<Body> {
    let mut request = call("POST", "/refunds", "{}");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    request
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused_and_recorded() {
    let (text, other) = (token().to_text(), "22".repeat(32).parse().unwrap());
    let stranger = token_of(&other, 1).to_text();
    let changed = {
        let mut bytes = token().as_bytes().to_vec();
        let at = bytes.windows(5).position(|five| five == b"alice").unwrap();
        bytes[at] = b'A';
        UnverifiedToken::from_bytes(bytes).unwrap().to_text()
    };
    let cases = [
        ("Basic dXNlcjpwYXNz".to_owned(), Code::TokenMissing),
        (text.clone(), Code::TokenMissing),
        ("Bearer ".to_owned(), Code::TokenMalformed),
        ("Bearer x".to_owned(), Code::TokenMalformed),
        (format!("Bearer {text}="), Code::TokenMalformed),
        (format!("Bearer {}", "A".repeat(30_000)), Code::TokenTooLarge),
        (format!("Bearer {stranger}"), Code::RootUnknown),
        (format!("Bearer {changed}"), Code::SignatureInvalid),
    ];
    for (value, code) in cases {
        let api = api();
        let answer = api.answer(with_authorization(&value)).await;
        assert_eq!(answer, (401, Some(code)));
        assert!(api.reached.all().is_empty());
        let record = api.last();
        assert_eq!((record.decision.code(), record.task, record.tool), (Some(code), None, None));
        assert_eq!(record.path.as_deref(), Some("/refunds"));
    }
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let api = api();
    let mut request = call("POST", "/refunds", "{}");
    let value = request.headers()[AUTHORIZATION].clone();
    request.headers_mut().append(AUTHORIZATION, value);
    assert_eq!(api.answer(request).await, (401, Some(Code::TokenMalformed)));
    assert!(api.reached.all().is_empty());
    assert_eq!(api.sink.records().len(), 1);
}

#[tokio::test]
async fn a_preflight_carries_no_token_and_is_refused() {
    let answer = api().answer(bare("OPTIONS", "/refunds")).await;
    assert_eq!(answer, (401, Some(Code::TokenMissing)));
}

#[tokio::test]
async fn an_open_route_needs_no_token_and_gets_none() {
    let api = api();
    assert_eq!(api.answer(call("GET", "/health", "")).await, (200, None));
    assert_eq!(api.answer(bare("HEAD", "/health")).await, (200, None));
    assert_eq!(api.answer(bare("POST", "/health")).await.0, 401);
    let (told, headers, _) = api.reached.all().remove(0);
    assert!(told.is_empty() && !headers.contains_key(AUTHORIZATION));
    assert_eq!(api.sink.records().len(), 1);
}

#[tokio::test]
async fn a_record_names_the_call_and_the_chain() {
    let api = api_with(|builder| {
        builder
            .decider(Arc::new(|_, _, request| {
                assert_eq!(request.audience, GATEWAY);
                assert_eq!(request.http, Some(("POST".to_owned(), "/refunds".to_owned())));
                Decision::Allow { grant: 3 }
            }))
            .redaction(Redaction::default().keeping_args())
            .labels("stripe/*", ["write"])
            .and_then(|builder| builder.labels("stripe/refund", ["money"]))
            .unwrap()
    });
    let body = r#"{"amount":5,"token":"sesame"}"#;
    assert_eq!(api.answer(call("POST", "/refunds", body)).await.0, 200);
    let record = api.last();
    assert_eq!(record.decision, Decision::Allow { grant: 3 });
    assert_eq!(record.principal.as_deref(), Some("user:alice"));
    assert_eq!(record.chain[0].name.as_deref(), Some("agent:one"));
    assert_eq!(record.revocation_ids.len(), 1);
    assert_eq!(record.root, Some(key().id()));
    assert_eq!(record.labels.iter().collect::<Vec<_>>(), ["money", "write"]);
    assert_eq!(record.args.unwrap().to_string(), r#"{"amount":5,"token":"[redacted]"}"#);
    assert_eq!(record.args_digest.unwrap().len(), 64);
    assert!(audit::verify(&api.sink.text()[..], Some(&api.sink.head())).is_ok());
}

/// A sink that fails while it is told to.
#[derive(Default)]
struct Broken {
    broken: AtomicBool,
    blocks: bool,
}

impl Sink for Broken {
    fn write(&self, _: Record) -> Result<(), SinkError> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(SinkError::Broken),
            false => Ok(()),
        }
    }

    fn blocks(&self) -> bool {
        self.blocks
    }
}

#[tokio::test]
async fn without_a_record_there_is_no_call() {
    for blocks in [false, true] {
        let sink = Arc::new(Broken { blocks, ..Broken::default() });
        let api = api_with(|builder| {
            let allow: Decider = Arc::new(|_, _, _| Decision::Allow { grant: 0 });
            builder.sink(sink.clone()).decider(allow)
        });
        assert_eq!(api.answer(call("POST", "/refunds", "{}")).await, (200, None));
        sink.broken.store(true, Ordering::SeqCst);
        let answer = api.answer(call("POST", "/refunds", "{}")).await;
        assert_eq!(answer, (503, Some(Code::RecordUnavailable)));
        assert_eq!(api.reached.all().len(), 1);
    }
}

#[tokio::test]
async fn a_handler_that_panics_leaves_a_record() {
    let api = api();
    async fn panics() {
        panic!("the handler's own fault")
    }
    let router: Router = Router::new().route("/refunds", any(panics)).layer(api.guard.clone());
    let call = tokio::spawn(router.oneshot(call("POST", "/refunds", "{}")));
    assert!(call.await.unwrap_err().is_panic());
    assert!(api.last().decision.is_allow());
}

/// A view that revokes everything, or is stale, when told to.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicUsize>);

impl RevocationView for Switch {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        (self.0.load(Ordering::SeqCst) != 2).then_some(0)
    }

    fn is_revoked(&self, _: &Key16) -> bool {
        self.0.load(Ordering::SeqCst) == 1
    }
}

#[tokio::test]
async fn revocation_is_asked_on_every_call() {
    let api = api();
    let switch = Switch::default();
    api.guard.publish(switch.clone());
    let expected =
        [(0, None), (1, Some(Code::Revoked)), (2, Some(Code::RevocationStale)), (0, None)];
    for (state, code) in expected {
        switch.0.store(state, Ordering::SeqCst);
        assert_eq!(api.answer(call("POST", "/refunds", "{}")).await.1, code);
    }
    api.guard.publish(DangerUnrevoked);
    assert_eq!(api.answer(call("POST", "/refunds", "{}")).await.1, None);
}

#[tokio::test]
async fn a_guard_that_knows_no_revocations_refuses_everything() {
    let builder = Guard::builder(GATEWAY).roots(TrustedRoots::one(key().public())).tools(tools());
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    let guard = builder.sink(Arc::new(MemorySink::new())).clock(clock).build().unwrap();
    let router = Router::new().fallback(any(|| async {})).layer(guard);
    let response = router.oneshot(call("POST", "/refunds", "{}")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_remembered_token_is_forgotten_with_its_root() {
    let api = api();
    assert_eq!(api.answer(call("POST", "/refunds", "{}")).await, (200, None));
    api.guard.trust(TrustedRoots::default());
    let answer = api.answer(call("POST", "/refunds", "{}")).await;
    assert_eq!(answer, (401, Some(Code::RootUnknown)));
}

#[tokio::test]
async fn the_same_trust_again_ends_nothing() {
    let api = api();
    let before = api.guard.shared.tokens.load_full();
    let is_kept = || Arc::ptr_eq(&before, &api.guard.shared.tokens.load());
    api.guard.trust(before.trust().roots.clone());
    api.guard.set_policy(Policy::standard().unwrap());
    assert!(is_kept());
    let policy = "allow if tool($server, $tool), $server == \"none\";";
    api.guard.set_policy(Policy::parse([("policy", policy)]).unwrap());
    assert!(!is_kept());
}

#[tokio::test]
async fn bad_tokens_take_no_room_among_the_remembered() {
    let api = api();
    assert_eq!(api.answer(call("POST", "/refunds", "{}")).await, (200, None));
    for n in 0..50 {
        api.answer(with_authorization(&format!("Bearer x{n}"))).await;
    }
    api.guard.shared.tokens.load().settle();
    assert_eq!(format!("{:?}", api.guard.shared.tokens.load()), "TokenCache(1 entries)");
    // A token whose time is over is not remembered at all.
    api.clock.set(Timestamp::from_secs(NOW + 7 * 24 * 60 * 60));
    api.answer(with_authorization(&format!("Bearer {}", token_of(&key(), 2).to_text()))).await;
    api.guard.shared.tokens.load().settle();
    assert_eq!(format!("{:?}", api.guard.shared.tokens.load()), "TokenCache(1 entries)");
}

#[tokio::test]
async fn a_body_that_never_comes_ends_the_call() {
    let api = api_with(|builder| {
        let allow: Decider = Arc::new(|_, _, _| Decision::Allow { grant: 0 });
        builder.decider(allow).body_timeout(std::time::Duration::from_millis(10))
    });
    let mut request = call("POST", "/refunds", "{}");
    *request.body_mut() = Body::new(Silent(2));
    assert_eq!(api.answer(request).await, (408, Some(Code::RequestMalformed)));
    // One that announces more than is taken is not waited for.
    let mut request = call("POST", "/refunds", "{}");
    *request.body_mut() = Body::new(Silent(2 << 20));
    assert_eq!(api.answer(request).await, (413, Some(Code::RequestMalformed)));
    // Nobody may make a guard wait without a token.
    let mut request = bare("POST", "/refunds");
    *request.body_mut() = Body::new(Silent(2));
    assert_eq!(api.answer(request).await, (401, Some(Code::TokenMissing)));
}

/// A body that announces so many bytes and sends none.
struct Silent(u64);

impl axum::body::HttpBody for Silent {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0)
    }
}

/// A body that does something when it is read.
struct Acting<F>(Option<F>);

impl<F: FnOnce() + Unpin> axum::body::HttpBody for Acting<F> {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        if let Some(act) = self.0.take() {
            act();
        }
        std::task::Poll::Ready(None)
    }
}

#[tokio::test]
async fn what_is_revoked_while_the_body_comes_in_counts() {
    let (api, switch) = (api(), Switch::default());
    api.guard.publish(switch.clone());
    let mut request = call("POST", "/refunds", "{}");
    *request.body_mut() = Body::new(Acting(Some(move || switch.0.store(1, Ordering::SeqCst))));
    assert_eq!(api.answer(request).await, (401, Some(Code::Revoked)));
    // And no body is waited for where the token is revoked already.
    let mut request = call("POST", "/refunds", "{}");
    *request.body_mut() = Body::new(Silent(2));
    assert_eq!(api.answer(request).await, (401, Some(Code::Revoked)));
}

#[tokio::test]
async fn the_extractor_fails_where_no_guard_stands() {
    async fn handler(allowed: Allowed) -> String {
        allowed.tool().to_string()
    }
    let router: Router = Router::new().route("/refunds", any(handler));
    let response = router.clone().oneshot(call("POST", "/refunds", "{}")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let guarded = router.layer(api().guard.clone());
    let response = guarded.oneshot(call("POST", "/refunds", "{}")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[cfg(feature = "cli")]
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

#[cfg(feature = "cli")]
impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn no_token_is_in_any_log_record_answer_or_debug_text() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: whether anybody listens at a place is asked once, by whichever comes first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let text = token().to_text();
    let mut seen = String::new();
    for api in [api(), api_refusing(Reason::new(Code::NotGranted, "no"))] {
        let requests = [
            call("POST", "/refunds", "{}"),
            call("POST", "/refunds", "["),
            with_authorization(&format!("Bearer {text}x")),
            with_authorization(&format!("Basic {text}")),
        ];
        for request in requests {
            let response = api.send(request).await;
            seen.push_str(&format!("{:?}", response.headers()));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            seen.push_str(&String::from_utf8_lossy(&body));
        }
        seen.push_str(&format!("{:?} {:?}", api.guard, api.reached.all()));
        seen.push_str(&String::from_utf8(api.sink.text()).unwrap());
    }
    seen.push_str(&String::from_utf8(captured.0.lock().unwrap().clone()).unwrap());
    assert!(seen.contains("decided a call") && seen.contains("not-granted"), "{seen}");
    for part in text.as_bytes().chunks_exact(24) {
        assert!(!seen.contains(std::str::from_utf8(part).unwrap()));
    }
}
