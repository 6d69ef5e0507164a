//! Tasks: issued, shown, listed, completed.

use hardtack::feed::{Delta, Entry, LogHash, Message};
use hardtack::model::{Key16, Timestamp};
use hardtack::token::UnverifiedToken;
use hardtack::verify::authenticate;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::*;

/// The root keys, as a gateway learns them.
pub(crate) async fn roots(served: &Served) -> hardtack::keys::TrustedRoots {
    let known = served.get("", "/.well-known/hardtack").await;
    let roots: Vec<hardtack::keys::TrustedRoot> =
        serde_json::from_value(known.body["roots"].clone()).unwrap();
    hardtack::keys::TrustedRoots::new(roots)
}

/// The log of revocations, as the feed has it.
pub(crate) struct Log {
    pub(crate) seq: u64,
    pub(crate) entries: Vec<Logged>,
}

/// An entry of the log.
#[derive(Debug, PartialEq)]
pub(crate) struct Logged {
    pub(crate) seq: u64,
    pub(crate) key16: Key16,
    pub(crate) not_after: Timestamp,
    pub(crate) reason: Option<String>,
}

/// The log up to a head that was made after the call.
pub(crate) async fn revoked(served: &Served) -> Log {
    let nonce = "00".repeat(16);
    let path = format!("/v1/revocations/head?nonce={nonce}&after=1-0");
    let answer = served.request(Method::GET, &path).send().await.unwrap();
    let message = Message::from_json(&answer.bytes().await.unwrap()).unwrap();
    // Who signed it is no matter here: a revoked root key vouches for nobody any more.
    let head = message.head.open(|_| true).unwrap();
    assert_eq!(head.nonce, Some(nonce));
    let hash = message.delta.as_ref().map(|delta| delta.hash_after(LogHash::start(1)));
    assert_eq!(hash.unwrap_or(LogHash::start(1)), head.hash);
    let entries = message.delta.iter().flat_map(Delta::entries);
    Log { seq: head.seq, entries: (1..).zip(entries).map(logged).collect() }
}

fn logged((seq, entry): (u64, &Entry)) -> Logged {
    Logged {
        seq,
        key16: entry.subject().bytes16(),
        not_after: Timestamp::from_secs(u64::from(entry.ends())),
        reason: entry.reason().map(str::to_owned),
    }
}

#[tokio::test]
async fn a_task_gets_a_token_that_verifies() {
    let served = Served::start().await;
    let answer = served.post(&served.admin, "/v1/tasks", &task_body()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let id = answer.body["task"].as_str().unwrap();
    assert_eq!(answer.headers["location"], format!("/v1/tasks/{id}"));
    let token: UnverifiedToken = answer.body["token"].as_str().unwrap().parse().unwrap();
    let token = authenticate(token, &roots(&served).await).unwrap();
    assert_eq!((token.task(), token.principal()), (Some(id), Some("user:alice")));
    assert_eq!(token.expires().unwrap().to_string(), answer.body["expires"].as_str().unwrap());
    assert_eq!(answer.body["revocation_id"], token.revocation_ids()[0].to_string());

    let shown = served.get(&served.admin, &format!("/v1/tasks/{id}")).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert_eq!(shown.body["state"], "active");
    assert_eq!(shown.body["grants"], grants());
    assert_eq!(shown.body["intent"], "case 1042");
    assert_eq!(shown.body.get("token"), None);
    served.pass_secs(600);
    let shown = served.get(&served.admin, &format!("/v1/tasks/{id}")).await;
    assert_eq!(shown.body["state"], "expired");
}

#[tokio::test]
async fn completing_revokes_and_may_be_repeated() {
    let served = Served::start().await;
    let (key, _) = served.client("worker", json!({})).await;
    let (other, _) = served.client("other", json!({})).await;
    let issued = served.task(&key).await;
    let path = format!("/v1/tasks/{}/complete", issued["task"].as_str().unwrap());
    assert_eq!(served.post(&other, &path, &json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(revoked(&served).await.entries, []);
    for _ in 0..2 {
        let request = served.request(Method::POST, &path).bearer_auth(&key);
        let done = answer(request).await;
        assert_eq!((done.status, &done.body["state"]), (StatusCode::OK, &json!("completed")));
    }
    let list = revoked(&served).await;
    let key16 = hardtack::model::Key16::of(issued["task"].as_str().unwrap().as_bytes());
    assert_eq!((list.seq, list.entries.len()), (1, 1));
    assert_eq!(list.entries[0].key16, key16);
    assert_eq!(list.entries[0].not_after.to_string(), issued["expires"].as_str().unwrap());
}

#[tokio::test]
async fn listings_show_a_client_its_own_in_pages() {
    let served = Served::start().await;
    let (one, _) = served.client("one", json!({})).await;
    let (two, _) = served.client("two", json!({})).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, served.task(&one).await["task"].clone());
        served.task(&two).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/tasks?limit=2".to_owned());
    loop {
        let page = served.get(&one, &path).await;
        assert_eq!(page.status, StatusCode::OK);
        seen.extend(page.body["items"].as_array().unwrap().iter().map(|t| t["task"].clone()));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/v1/tasks?limit=2&cursor={next}");
    }
    assert_eq!(seen, ids);
    let all = served.get(&served.admin, "/v1/tasks?state=active").await;
    assert_eq!(all.body["items"].as_array().unwrap().len(), 10);
    let theirs = served.get(&two, &format!("/v1/tasks/{}", ids[0].as_str().unwrap())).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_repeated_request_makes_no_second_task() {
    let served = Served::start().await;
    let send = async |body: String| {
        let request = served.request(Method::POST, "/v1/tasks").bearer_auth(&served.admin);
        let request = request.header("idempotency-key", "abc-1");
        answer(request.header("content-type", "application/json").body(body)).await
    };
    let first = send(task_body().to_string()).await;
    assert_eq!(first.status, StatusCode::CREATED);
    // The same body spelled otherwise is the same.
    let again = send(format!("{:#}", task_body())).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.body["code"], "request-repeated");
    assert_eq!(again.body["task"], first.body["task"]);
    let mut other = task_body();
    other["ttl_secs"] = json!(599);
    let other = send(other.to_string()).await;
    assert_eq!(
        (other.status, &other.body["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("idempotency-key-reused"),)
    );
    let all = served.get(&served.admin, "/v1/tasks").await;
    assert_eq!(all.body["items"].as_array().unwrap().len(), 1);
    served.pass_secs(24 * 60 * 60 + 1);
    assert_eq!(send(task_body().to_string()).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_service_describes_itself() {
    let served = Served::start().await;
    let known = served.get("", "/.well-known/hardtack").await;
    assert_eq!(
        (&known.body["vocabulary"], &known.body["issuer"]),
        (&json!(1), &json!("http://127.0.0.1:8787"),)
    );
    assert_eq!(known.body["roots"][0]["state"], "active");
    assert_eq!(known.body["endpoints"]["tasks"], "/v1/tasks");
    assert_eq!(served.get("", "/healthz").await.body, json!({"status": "up"}));
    assert_eq!(served.get("", "/readyz").await.body, json!({"status": "ready"}));
}

#[tokio::test]
async fn clients_are_added_listed_and_disabled() {
    let served = Served::start().await;
    let (key, id) = served.client("worker", json!({"ttl_secs_max": 60})).await;
    let again = served.post(&served.admin, "/v1/clients", &json!({"name": "worker"})).await;
    assert_eq!((again.status, &again.body["code"]), (StatusCode::CONFLICT, &json!("name-taken")));
    let listed = served.get(&served.admin, "/v1/clients").await;
    assert_eq!(listed.body["items"][0]["name"], "worker");
    assert_eq!(listed.body["items"][0]["ceiling"], grants());
    assert_eq!(listed.body["items"][1]["name"], "admin");
    for (method, path) in
        [(Method::GET, "/v1/clients".to_owned()), (Method::DELETE, format!("/v1/clients/{id}"))]
    {
        let refused = answer(served.request(method, &path).bearer_auth(&key)).await;
        assert_eq!(refused.body["code"], "admin-required");
    }
    assert_eq!(served.get(&key, "/v1/tasks").await.status, StatusCode::OK);
    let remove = async |id: &str| {
        let request = served.request(Method::DELETE, &format!("/v1/clients/{id}"));
        answer(request.bearer_auth(&served.admin)).await
    };
    assert_eq!(remove(&id).await.status, StatusCode::OK);
    assert_eq!(served.get(&key, "/v1/tasks").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(remove("0000000000000000").await.status, StatusCode::NOT_FOUND);
    let own = listed.body["items"][1]["id"].as_str().unwrap();
    assert_eq!(remove(own).await.status, StatusCode::CONFLICT);
}
