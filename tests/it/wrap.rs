//! A server over standard input and output with a gateway inside: lines in, lines out.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::any;
use hardtack::config::SystemClock;
use hardtack::config::gateway::Secret;
use hardtack::gateway::wrap::{Caller, Wrap};
use hardtack::keys::HolderKey;
use hardtack::mint::{self, Task};
use hardtack::model::{Clock, JsonProfile};
use hardtack::vocabulary::grant::grants_from_json;
use http::{HeaderMap, Response};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use crate::support::rng;
use crate::support_guard::root;

fn minted(holder: Option<&HolderKey>, dir: &Path) -> Secret {
    let grants = grants_from_json(br#"[{"tool":"s/*"}]"#).unwrap();
    let task = Task { holder: holder.map(HolderKey::public), ..Task::new(grants, None) };
    let token = mint::mint(&task, &root(), SystemClock.now(), &mut rng(1)).unwrap().token;
    std::fs::write(dir.join("token"), token.to_text()).unwrap();
    Secret::File(dir.join("token"))
}

fn caller(holder: Option<&HolderKey>, key: Option<HolderKey>, dir: &Path) -> Caller {
    Caller::new(minted(holder, dir), key, JsonProfile::default())
}

/// The session and the message of a request.
type Seen = (Option<String>, String);

/// An agent, and what it made the server inside see.
struct Agent {
    to: DuplexStream,
    from: BufReader<DuplexStream>,
    seen: Arc<Mutex<Vec<Seen>>>,
    let_go: Arc<Mutex<usize>>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    _dir: tempfile::TempDir,
}

/// Counts exchanges that ended, answered or not.
struct LetGo(Arc<Mutex<usize>>);

impl Drop for LetGo {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

impl Agent {
    fn new() -> Self {
        let (seen, let_go) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<usize>>::default());
        let (kept, count) = (seen.clone(), let_go.clone());
        let answer = async move |headers: HeaderMap, body: Bytes| {
            let session = headers.get("mcp-session-id");
            let session = session.map(|session| session.to_str().unwrap().to_owned());
            let text = String::from_utf8(body.to_vec()).unwrap();
            kept.lock().unwrap().push((session, text.clone()));
            answer(&text, LetGo(count)).await
        };
        let router = Router::new().route(
            "/mcp/s",
            any(move |headers: HeaderMap, body: Bytes| {
                let answer = answer.clone();
                async move { answer(headers, body).await }
            }),
        );
        let dir = tempfile::tempdir().unwrap();
        let caller = caller(None, None, dir.path());
        let ((to, input), (output, from)) =
            (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        let wrap = Wrap { server: "s".to_owned(), router, caller };
        let served = tokio::spawn(wrap.serve(input, output));
        Self { to, from: BufReader::new(from), seen, let_go, served, _dir: dir }
    }

    async fn say(&mut self, line: &str) {
        self.to.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        let read = self.from.read_line(&mut line);
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    async fn hear_after(&mut self, line: &str) -> Value {
        self.say(line).await;
        self.hear().await
    }

    async fn ask(&mut self, method: &str) -> Value {
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).await;
        self.hear().await
    }
}

/// What the server inside says to a message.
async fn answer(text: &str, let_go: LetGo) -> Response<Body> {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    let (id, result) = (&message["id"], "\"result\":\n{}\r\n");
    let response = Response::builder();
    match message["method"].as_str() {
        Some("initialize") => {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
            response.header("mcp-session-id", "g1").body(body.into()).unwrap()
        }
        Some("whole") => {
            response.body(format!("{{\"jsonrpc\":\"2.0\",\n\"id\":{id},{result}}}").into()).unwrap()
        }
        Some("other") => response.body("{\"hidden\":1}".into()).unwrap(),
        Some("slow") => {
            let wait = tokio::time::sleep(Duration::from_secs(1000));
            wait.await;
            drop(let_go);
            response.body(Body::empty()).unwrap()
        }
        _ => response.status(202).body(Body::empty()).unwrap(),
    }
}

#[tokio::test]
async fn each_message_is_one_line_and_who_asks_is_answered() {
    let mut agent = Agent::new();
    assert_eq!(agent.ask("whole").await["result"], serde_json::json!({}));
    for method in ["other", "nothing"] {
        let told = agent.ask(method).await;
        assert_eq!((&told["id"], &told["error"]["code"]), (&1.into(), &(-32603).into()), "{told}");
    }
    assert!(matches!(agent.hear_after("{").await["error"]["code"].as_i64(), Some(-32700)));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(4 << 20));
    let told = agent.hear_after(&long).await;
    assert!(told["error"]["message"].as_str().unwrap().contains("longer than"), "{told}");
    assert_eq!(agent.ask("whole").await["id"], 1);
    drop((agent.to, agent.from));
    drop(agent.served.await.unwrap());
}

#[tokio::test]
async fn a_session_is_named_from_its_opening_on() {
    let mut agent = Agent::new();
    agent.ask("initialize").await;
    agent.ask("whole").await;
    agent.ask("initialize").await;
    let seen = agent.seen.lock().unwrap().clone();
    let of = |method: &str| {
        let named = seen.iter().filter(|(_, text)| text.contains(method));
        named.map(|(session, _)| session.as_deref()).collect::<Vec<_>>()
    };
    assert_eq!((of("initialize"), of("whole")), (vec![None, None], vec![Some("g1")]));
}

#[tokio::test]
async fn what_a_modern_agent_cancels_is_let_go() {
    let mut agent = Agent::new();
    agent.say(r#"{"jsonrpc":"2.0","id":"a","method":"slow"}"#).await;
    while agent.seen.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*agent.let_go.lock().unwrap(), 0);
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#;
    agent.say(cancel).await;
    assert_eq!(agent.ask("whole").await["id"], 1);
    // The one that went, the notification, and the one that was answered.
    let let_go = agent.let_go.clone();
    let all = async {
        while *let_go.lock().unwrap() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
}

#[tokio::test]
async fn a_bound_token_comes_with_the_key_of_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let key = |seed| HolderKey::generate(&mut rng(seed));
    let holder = key(7);
    let check = async |bound: bool, key: Option<HolderKey>| {
        let caller = caller(bound.then_some(&holder), key, dir.path());
        caller.check().await.err().map(|error| error.to_string())
    };
    assert_eq!(check(true, Some(key(7))).await, None);
    assert_eq!(check(false, None).await, None);
    assert!(check(true, Some(key(8))).await.unwrap().contains("not that of its holder"));
    assert!(check(true, None).await.unwrap().contains("whose key is missing"));
    std::fs::write(dir.path().join("token"), "nonsense").unwrap();
    let caller = Caller::new(Secret::File(dir.path().join("token")), None, JsonProfile::default());
    assert!(caller.check().await.is_err());
}
