//! The client against real guards and servers on the loopback: every call carries a proof of its own,
//! for the arguments that the guard reads, and goes to no other place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardtack::client::{CallError, Caller};
use hardtack::guard::{Allowed, Guard, LocalReplays, Nonces, ToolMap};
use hardtack::keys::HolderKey;
use hardtack::model::{Args, JsonProfile, ManualClock};
use hardtack::present::PresentError;
use hardtack::record::MemorySink;
use hardtack::token::UnverifiedToken;
use hardtack::verify::DangerUnrevoked;
use reqwest::Method;
use serde_json::{Value, json};

use crate::holders::{bound_with, handed, holder};
use crate::support::{grants, now, roots, token};

const GRANT: &str = r#"[{"tool": "crm/*"}]"#;

fn bound() -> UnverifiedToken {
    handed(&bound_with(1, |task| task.grants = grants(GRANT)), 0, 1)
}

fn caller_with(token: UnverifiedToken, key: Option<HolderKey>) -> Result<Caller, CallError> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    Ok(Caller::new(client, token, key)?.clock(Arc::new(ManualClock::at(now()))))
}

/// Holder 1, with the token that it holds.
fn caller() -> Caller {
    caller_with(bound(), Some(holder(1))).unwrap()
}

fn args(json: &Value) -> Args {
    Args::parse(json.to_string(), JsonProfile::Interoperable).unwrap()
}

async fn served(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

/// A guarded API that answers with the arguments as they were judged.
async fn api(nonces: Option<Nonces>) -> (String, Arc<MemorySink>) {
    let sink = Arc::new(MemorySink::new());
    let tools = ToolMap::new()
        .route("POST", "/accounts", "crm/add_account")
        .and_then(|tools| tools.route("GET", "/accounts", "crm/find_account"))
        .and_then(|tools| tools.route("GET", "/accounts/{id}", "crm/get_account"))
        .and_then(|tools| tools.route("DELETE", "/accounts/{id}", "crm/delete_account"))
        .and_then(|tools| tools.route("PUT", "/accounts/{id}/notes/{note}", "crm/put_note"))
        .unwrap();
    let guard = Guard::builder("gw")
        .roots(roots())
        .tools(tools)
        .sink(sink.clone())
        .clock(Arc::new(ManualClock::at(now())))
        .replays(Arc::new(LocalReplays::of_new_address(100)))
        .revocations(DangerUnrevoked);
    let guard = match nonces {
        Some(nonces) => guard.proof_nonces(nonces),
        None => guard,
    };
    async fn judged(allowed: Allowed) -> Vec<u8> {
        allowed.args().bytes().to_vec()
    }
    let one = get(judged).delete(judged);
    let router = Router::new()
        .route("/accounts", post(judged).get(judged))
        .route("/accounts/{id}", one)
        .route("/accounts/{id}/notes/{note}", any(judged))
        .layer(guard.build().unwrap());
    (served(router).await, sink)
}

#[tokio::test]
async fn arguments_arrive_as_they_were_proved() {
    let (base, _) = api(None).await;
    let odd = "a b&c=d;e/ü+%2F\"{}";
    let bearer = || caller_with(token(GRANT), None).unwrap();
    for caller in [caller(), bearer()] {
        for (method, path, tool, given, judged) in [
            (
                Method::POST,
                "/accounts",
                "crm/add_account",
                json!({ "n": [1, { "x": null }], "é": 0.5 }),
                json!({ "n": [1, { "x": null }], "é": 0.5 }),
            ),
            (Method::POST, "/accounts", "crm/add_account", json!({}), json!({})),
            (
                Method::GET,
                "/accounts",
                "crm/find_account",
                json!({ "q": odd, odd: "1", "n": 7, "b": true, "empty": "" }),
                json!({ "q": odd, odd: "1", "n": "7", "b": "true", "empty": "" }),
            ),
            (Method::GET, "/accounts", "crm/find_account", json!({}), json!({})),
            (
                Method::GET,
                "/accounts?q=%41+b&z=%C3%BC",
                "crm/find_account",
                json!({ "n": 7 }),
                json!({ "q": "A b", "z": "ü", "n": "7" }),
            ),
            (
                Method::GET,
                "/accounts/{id}",
                "crm/get_account",
                json!({ "id": 7 }),
                json!({ "id": "7" }),
            ),
            (
                Method::GET,
                "/accounts/{id}?x=1#part",
                "crm/get_account",
                json!({ "id": "%2e ü?#&;+{}", "y": "2" }),
                json!({ "id": "%2e ü?#&;+{}", "x": "1", "y": "2" }),
            ),
            (
                Method::DELETE,
                "/accounts/{id}",
                "crm/delete_account",
                json!({ "id": "a7" }),
                json!({ "id": "a7" }),
            ),
            (
                Method::PUT,
                "/accounts/{id}/notes/{note}?draft=true",
                "crm/put_note",
                json!({ "text": odd, "note": "n", "id": 7, "tags": ["a"] }),
                json!({ "id": "7", "note": "n", "draft": "true", "text": odd, "tags": ["a"] }),
            ),
        ] {
            let (tool, url) = (tool.parse().unwrap(), format!("{base}{path}"));
            let answer = caller.call(&tool, method, &url, &args(&given)).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.text().await.unwrap();
            assert_eq!(status, 200, "{path} {given}: {body}");
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), judged, "{path}");
        }
    }
}

#[tokio::test]
async fn what_has_no_place_is_not_sent() {
    let (base, sink) = api(None).await;
    let caller = caller();
    for (method, path, given, expected) in [
        (Method::GET, "/accounts/{id}", json!({}), "the argument `id` is in the path"),
        (Method::GET, "/accounts/{id}", json!({ "id": ".." }), "`id` is no segment"),
        (Method::GET, "/accounts/{id}", json!({ "id": "" }), "`id` is no segment"),
        (Method::GET, "/accounts/{id}", json!({ "id": "a/b" }), "`id` is no segment"),
        (Method::GET, "/accounts/{id}", json!({ "id": "a\\b" }), "`id` is no segment"),
        (Method::GET, "/accounts/{id}", json!({ "id": "a\n" }), "`id` is no segment"),
        (Method::GET, "/accounts/{id}", json!({ "id": null }), "`id` is neither text"),
        (Method::GET, "/accounts", json!({ "id": [1] }), "`id` is neither text"),
        (Method::GET, "/accounts?id=1", json!({ "id": "1" }), "`id` is given twice"),
        (Method::POST, "/accounts?id=1", json!({ "id": 1 }), "`id` is given twice"),
    ] {
        let url = format!("{base}{path}");
        let tool = "crm/get_account".parse().unwrap();
        let error = caller.call(&tool, method, &url, &args(&given)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    for url in ["http://{id}/", "http://u@h/", "ftp://h/", "/accounts", "", "http:///"] {
        let tool = "crm/get_account".parse().unwrap();
        let given = args(&json!({ "id": "127.0.0.1" }));
        let called = caller.call(&tool, Method::POST, url, &given).await;
        assert!(matches!(called, Err(CallError::Address)), "{url}");
    }
    assert!(sink.records().is_empty());
}

#[tokio::test]
async fn a_nonce_is_learned_once() {
    let (base, sink) = api(Some(Nonces::from_key([7; 32]))).await;
    let (caller, tool) = (caller(), "crm/add_account".parse().unwrap());
    let url = format!("{base}/accounts");
    for requests in [2, 3, 4] {
        let given = args(&json!({ "n": requests }));
        let answer = caller.call(&tool, Method::POST, &url, &given).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(sink.records().len(), requests);
    }
    // One that is known from elsewhere.
    let nonce = Nonces::from_key([7; 32]).current(now());
    let caller = self::caller().nonce(&base, &nonce).unwrap();
    let answer = caller.call(&tool, Method::POST, &url, &Args::none()).await.unwrap();
    assert_eq!((answer.status().as_u16(), sink.records().len()), (200, 5));
    for nonce in ["", "a b", "ü", &"n".repeat(600)] {
        assert!(matches!(self::caller().nonce(&base, nonce), Err(CallError::Nonce)));
    }
}

#[tokio::test]
async fn only_the_holder_calls() {
    for (token, key) in [(bound(), holder(0)), (bound(), holder(2))] {
        let refused = caller_with(token, Some(key)).unwrap_err();
        assert!(matches!(refused, CallError::Present(PresentError::NotTheHolder)));
    }
    assert!(matches!(caller_with(bound(), None).unwrap_err(), CallError::KeyMissing));
    let (base, _) = api(None).await;
    let caller = caller_with(token(GRANT), Some(holder(1))).unwrap();
    let (tool, url) = ("crm/add_account".parse().unwrap(), format!("{base}/accounts"));
    let answer = caller.call(&tool, Method::POST, &url, &Args::none()).await.unwrap();
    assert_eq!(answer.status(), 200);
    // The wrong tool is the guard's to refuse.
    let tool = "crm/find_account".parse().unwrap();
    let answer = self::caller().call(&tool, Method::POST, &url, &Args::none()).await.unwrap();
    assert_eq!(answer.status(), 401);
}

/// A server that keeps what it is sent, and answers as it was told.
#[derive(Clone, Default)]
struct Scripted {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

/// Headers and body.
type Seen = (http::HeaderMap, Vec<u8>);

/// Status and headers.
type Answer = (u16, Vec<(&'static str, String)>);

impl Scripted {
    async fn serve(answers: &[Answer]) -> (Self, String) {
        let script = Self::default();
        script.answers.lock().unwrap().extend(answers.iter().cloned());
        async fn answer(
            State(script): State<Scripted>,
            headers: http::HeaderMap,
            body: bytes::Bytes,
        ) -> axum::response::Response {
            script.seen.lock().unwrap().push((headers, body.to_vec()));
            let next = script.answers.lock().unwrap().pop_front();
            let (status, headers) = next.unwrap_or((200, Vec::new()));
            let mut response = ().into_response();
            *response.status_mut() = status.try_into().unwrap();
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
        let router = Router::new().fallback(answer).with_state(script.clone());
        (script, served(router).await)
    }

    /// The claims of each proof that came, without those that do not change.
    fn proofs(&self) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|(headers, _)| {
                let proof = headers["dpop"].to_str().unwrap();
                let claims = proof.split('.').nth(1).unwrap();
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
            })
            .collect()
    }
}

/// A refusal that asks for this nonce.
fn asking(nonce: &str) -> Answer {
    let challenge = "DPoP error=\"use_dpop_nonce\", algs=\"EdDSA\"";
    (401, vec![("www-authenticate", challenge.to_owned()), ("dpop-nonce", nonce.to_owned())])
}

async fn call(caller: &Caller, base: &str) -> u16 {
    let (tool, url) = ("crm/x".parse().unwrap(), format!("{base}/x"));
    let given = args(&json!({ "a": 1 }));
    caller.call(&tool, Method::POST, &url, &given).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_call_is_made_once_more_and_never_again() {
    let caller = caller();
    let (greedy, base) = Scripted::serve(&[asking("n1"), asking("n2"), asking("n3")]).await;
    assert_eq!(call(&caller, &base).await, 401);
    let proofs = greedy.proofs();
    let nonces: Vec<_> = proofs.iter().map(|proof| proof["nonce"].clone()).collect();
    assert_eq!(nonces, [Value::Null, "n1".into()]);
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
    let bodies: Vec<_> = greedy.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
    assert_eq!(bodies, [b"{\"a\":1}"; 2]);
    // The same nonce again is no reason; nor is a refusal of another kind, nor one without a nonce.
    for (answers, made) in [
        (vec![asking("n1"), asking("n1")], 2),
        (vec![(401, vec![("dpop-nonce", "n1".to_owned())])], 1),
        (vec![(403, asking("n1").1)], 1),
        (vec![(401, asking("n1").1[..1].to_vec())], 1),
        (vec![asking(&"n".repeat(600))], 1),
        (vec![(503, Vec::new())], 1),
    ] {
        let (server, base) = Scripted::serve(&answers).await;
        assert_ne!(call(&caller, &base).await, 200);
        assert_eq!(server.proofs().len(), made, "{answers:?}");
    }
    let (server, base) = Scripted::serve(&[asking("n1"), asking("n1"), asking("n1")]).await;
    for made in [2, 3] {
        assert_eq!(call(&caller, &base).await, 401);
        assert_eq!(server.proofs().len(), made);
    }
    let bearer = caller_with(token(GRANT), None).unwrap();
    let (server, base) = Scripted::serve(&[asking("n1")]).await;
    assert_eq!(call(&bearer, &base).await, 401);
    assert_eq!(server.seen.lock().unwrap().len(), 1);
    assert!(!server.seen.lock().unwrap()[0].0.contains_key("dpop"));
}

#[tokio::test]
async fn each_origin_has_its_own_nonce_and_any_answer_may_name_it() {
    let caller = caller();
    let named = |nonce: &str| (200, vec![("dpop-nonce", nonce.to_owned())]);
    let (one, at_one) = Scripted::serve(&[named("n1"), named("n2"), (200, Vec::new())]).await;
    let (other, at_other) = Scripted::serve(&[]).await;
    for _ in 0..4 {
        assert_eq!(call(&caller, &at_one).await, 200);
    }
    assert_eq!(call(&caller, &at_other).await, 200);
    let nonces: Vec<_> = one.proofs().iter().map(|proof| proof["nonce"].clone()).collect();
    assert_eq!(nonces, [Value::Null, "n1".into(), "n2".into(), "n2".into()]);
    assert_eq!(other.proofs()[0]["nonce"], Value::Null);
    let ids: std::collections::HashSet<_> =
        one.proofs().iter().map(|proof| proof["jti"].to_string()).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn no_redirect_takes_the_credentials_along() {
    let (other, at_other) = Scripted::serve(&[]).await;
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = vec![("location", format!("{at_other}/x"))];
        let here = vec![("location", "/y".to_owned())];
        let (server, base) = Scripted::serve(&[(status, elsewhere), (status, here)]).await;
        for caller in [caller(), caller_with(token(GRANT), None).unwrap()] {
            assert_eq!(call(&caller, &base).await, status);
        }
        assert_eq!(server.seen.lock().unwrap().len(), 2);
    }
    assert!(other.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_shows_token_key_nonce_or_arguments() {
    let caller = caller().nonce("http://127.0.0.1:1", "n0nce").unwrap();
    let (tool, url) = ("crm/x".parse().unwrap(), "http://127.0.0.1:1/{id}?p=s3cret");
    let given = args(&json!({ "id": "s3cret", "text": "s3cret" }));
    let unreached = caller.call(&tool, Method::GET, url, &given).await.unwrap_err();
    assert!(matches!(unreached, CallError::Unreached));
    let secret = holder(1).to_secret_text();
    let text = bound().to_text();
    let shown = format!("{caller:?} {unreached} {unreached:?}");
    for hidden in [&text[..30], secret.rsplit('/').next().unwrap(), "n0nce", "s3cret"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(shown.contains(&holder(1).public().thumbprint()));
    // A server that accepts and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(100));
    let caller = Caller::new(client, bound(), Some(holder(1))).unwrap();
    let late = caller.call(&tool, Method::GET, &url, &Args::none()).await.unwrap_err();
    assert!(matches!(late, CallError::Timeout), "{late:?}");
}
