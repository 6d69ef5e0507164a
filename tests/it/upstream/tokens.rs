//! Tokens that are fetched from a token endpoint, renewed before they end, by one at a time.

use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::logged::Logged;
use crate::support_guard::serve;

/// The `Authorization` and the form of one request.
type Asked = (Option<String>, String);

/// A token endpoint: what it was asked, and how it answers.
#[derive(Clone)]
struct Endpoint {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<(u16, String)>>,
    pause: Duration,
}

impl Endpoint {
    async fn start(answer: &str, pause: Duration) -> (Self, String) {
        let answer = Arc::new(Mutex::new((200, answer.to_owned())));
        let endpoint = Self { asked: Arc::default(), answer, pause };
        let router = Router::new()
            .route("/token", post(token))
            .route("/moved", post(async || Redirect::temporary("/token")))
            .with_state(endpoint.clone());
        (endpoint, serve(router).await)
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn token(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    form: String,
) -> impl IntoResponse {
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap());
    let count = {
        let mut asked = endpoint.asked.lock().unwrap();
        asked.push((authorization.map(str::to_owned), form));
        asked.len()
    };
    tokio::time::sleep(endpoint.pause).await;
    let (status, body) = endpoint.answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), body.replace("COUNT", &count.to_string()))
}

const GOOD: &str =
    r#"{"access_token":"token-number-COUNT","token_type":"bearer","expires_in":600,"x":1}"#;

fn client(base: &str, more: &str) -> Shown {
    shown_with(
        &format!(
            "client_credentials = {{ token_url = \"{base}/token\", client_id = \"a:b c\", \
             client_secret = SECRET{more} }}"
        ),
        "s3cr3t/+%",
    )
}

/// Which token the upstream is shown.
async fn sent(server: &RawServer, upstream: &Upstream, shown: &Shown) -> Result<String, String> {
    let sent = upstream.send(get("/"), Some(&shown.credential)).await;
    sent.map_err(|error| error.to_string())?;
    Ok(header(&server.asked().pop().unwrap(), "authorization").unwrap())
}

#[tokio::test]
async fn a_client_says_who_it_is_and_what_it_wants() {
    let (endpoint, base) = Endpoint::start(GOOD, Duration::ZERO).await;
    let basic = client(&base, ", scope = \"a b\", audience = \"https://crm/\"");
    basic.credential.check().await.unwrap();
    let posted = client(&base, ", auth = \"post\"");
    posted.credential.check().await.unwrap();
    let exchange = shown_with(
        &format!(
            "exchange = {{ token_url = \"{base}/token\", subject_token = SECRET, \
             audience = \"crm\", resource = \"https://crm/\", scope = \"a\" }}"
        ),
        "subject&token",
    );
    exchange.credential.check().await.unwrap();
    let asked = endpoint.asked.lock().unwrap().clone();
    // base64 of `a%3Ab+c:s3cr3t%2F%2B%25`
    let authorization = "Basic YSUzQWIrYzpzM2NyM3QlMkYlMkIlMjU=";
    let grant = "grant_type=client_credentials";
    assert_eq!(asked[0].0.as_deref(), Some(authorization));
    assert_eq!(asked[0].1, format!("{grant}&scope=a+b&audience=https%3A%2F%2Fcrm%2F"));
    let in_form = format!("{grant}&client_id=a%3Ab+c&client_secret=s3cr3t%2F%2B%25");
    assert_eq!(asked[1], (None, in_form));
    let exchanged = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
        &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
        &audience=crm&resource=https%3A%2F%2Fcrm%2F&scope=a&subject_token=subject%26token";
    assert_eq!(asked[2], (None, exchanged.to_owned()));
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_before_it_ends() {
    let (endpoint, base) = Endpoint::start(GOOD, Duration::ZERO).await;
    let (shown, server) = (client(&base, ""), RawServer::answering(ok("done")).await);
    let upstream = upstream(&server);
    let first = || Ok("Bearer token-number-1".to_owned());
    for after in [0, 300, 230] {
        shown.later(after);
        assert_eq!(sent(&server, &upstream, &shown).await, first());
    }
    assert_eq!(endpoint.count(), 1);
    // In its last minute it is used once more, while the next is fetched.
    shown.later(15);
    assert_eq!(sent(&server, &upstream, &shown).await, first());
    let mut tries = 0;
    while sent(&server, &upstream, &shown).await.unwrap() != "Bearer token-number-2" {
        tries += 1;
        assert!(tries < 200, "it was not renewed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(endpoint.count(), 2);
    // One that ended is not used, whatever becomes of the next.
    endpoint.answers(503, "down");
    shown.later(596);
    let refused = sent(&server, &upstream, &shown).await.unwrap_err();
    assert!(refused.contains("the token endpoint answered 503 (unknown error)"), "{refused}");
    assert_eq!(server.asked().iter().filter(|asked| asked.contains("number-2")).count(), 1);
}

#[tokio::test]
async fn many_that_wait_fetch_one_token() {
    let (endpoint, base) = Endpoint::start(GOOD, Duration::from_millis(100)).await;
    let (shown, server) = (client(&base, ""), RawServer::answering(ok("done")).await);
    let upstream = upstream(&server);
    // The first goes away while it waits: what it began goes on for the others.
    let gone = tokio::time::timeout(Duration::from_millis(30), shown.credential.check());
    assert!(gone.await.is_err());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (upstream, credential) = (upstream.clone(), shown.credential.clone());
        waiting.spawn(async move { upstream.send(get("/"), Some(&credential)).await.map(drop) });
    }
    assert!(waiting.join_all().await.into_iter().all(|sent| sent.is_ok()));
    assert_eq!(endpoint.count(), 1);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_left_alone_for_a_while() {
    let (endpoint, base) = Endpoint::start(GOOD, Duration::ZERO).await;
    let (shown, server) = (client(&base, ""), RawServer::answering(ok("done")).await);
    let upstream = upstream(&server);
    endpoint.answers(400, r#"{"error":"invalid_client","error_description":"s3cr3t/+% is wrong"}"#);
    let logged = Logged::start();
    for _ in 0..5 {
        let refused = sent(&server, &upstream, &shown).await.unwrap_err();
        assert!(refused.ends_with("the token endpoint answered 400 (invalid_client)"), "{refused}");
    }
    assert_eq!(endpoint.count(), 1);
    assert!(!logged.text().contains("is wrong"), "{}", logged.text());
    // Twice as long each time.
    for (after, count) in [(2, 2), (1, 2), (2, 3), (3, 3), (2, 4)] {
        shown.later(after);
        assert!(sent(&server, &upstream, &shown).await.is_err());
        assert_eq!(endpoint.count(), count);
    }
    endpoint.answers(200, GOOD);
    shown.later(60);
    assert_eq!(sent(&server, &upstream, &shown).await.unwrap(), "Bearer token-number-5");
}

#[tokio::test]
async fn what_is_no_token_is_not_taken_for_one() {
    let long = format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, "t".repeat(70_000));
    for (answer, says) in [
        ("nothing", "is no token response"),
        (r#"{"access_token":"token-number-1"}"#, "is no token response"),
        (r#"{"access_token":"token-number-1","token_type":"N_A"}"#, "no bearer token"),
        (
            r#"{"access_token":"token-number-1","access_token":"x","token_type":"Bearer"}"#,
            "is no token",
        ),
        (
            r#"{"access_token":"token-number-1","token_type":"Bearer","expires_in":-1}"#,
            "is no token",
        ),
        (r#"{"access_token":"token number 1","token_type":"Bearer"}"#, "is no token response"),
        (r#"{"access_token":"short","token_type":"Bearer"}"#, "fewer than 8 bytes"),
        (r#"{"access_token":"token\nnumber-1","token_type":"Bearer"}"#, "a header cannot carry"),
        (&long, "gave no answer (upstream-broken)"),
    ] {
        let (_endpoint, base) = Endpoint::start(answer, Duration::ZERO).await;
        let error = client(&base, "").credential.check().await.unwrap_err().to_string();
        assert!(error.contains(says), "{answer}: {error}");
        assert!(!error.contains("number"), "{error}");
    }
    // Nor is one followed elsewhere.
    let (endpoint, base) = Endpoint::start(GOOD, Duration::ZERO).await;
    let moved = format!(
        "client_credentials = {{ token_url = \"{base}/moved\", client_id = \"a\", \
         client_secret = SECRET }}"
    );
    let error = shown(&moved).credential.check().await.unwrap_err().to_string();
    assert!(error.contains("answered 307"), "{error}");
    assert_eq!(endpoint.count(), 0);
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_but_not_at_once() {
    let (endpoint, base) = Endpoint::start(GOOD, Duration::ZERO).await;
    let server = RawServer::start(|request| match request.contains("number-2") {
        true => ok("done"),
        false => vec![send("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")],
    });
    let (shown, server) = (client(&base, ""), server.await);
    let upstream = upstream(&server);
    for (after, count, taken) in [(0, 1, false), (1, 1, false), (6, 1, false), (0, 2, true)] {
        shown.later(after);
        assert_eq!(sent(&server, &upstream, &shown).await.is_ok(), taken);
        assert_eq!(endpoint.count(), count);
    }
}
