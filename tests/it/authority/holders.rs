//! Requests that a holder's key has signed: a bound task, its end, and the revocation of a hop.

use hardtack::attenuate::{Narrowing, attenuate, seal};
use hardtack::keys::HolderKey;
use hardtack::model::{Args, JsonProfile, TargetUri, Timestamp};
use hardtack::present::prove_key;
use hardtack::token::{Chain, UnverifiedToken};
use serde_json::{Value, json};

use super::tasks::revoked;
use super::*;
use crate::holders::{handed, holder};

/// What of a request a proof names.
struct Proof<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a Value,
    secs: i64,
}

impl Served {
    fn proof(&self, key: &HolderKey, proof: &Proof<'_>) -> String {
        let body = Args::parse(proof.body.to_string(), JsonProfile::Interoperable).unwrap();
        let uri: TargetUri = format!("{}{}", self.url, proof.path).parse().unwrap();
        let millis = self.millis.load(Ordering::Relaxed).saturating_add_signed(proof.secs * 1000);
        let now = Timestamp::from_millis(millis);
        prove_key(key, proof.method, &uri, body.digest(), now, &mut OsRng).unwrap()
    }

    /// A request whose body a holder has signed.
    pub(super) fn signed(&self, key: &HolderKey, path: &str, body: &Value) -> RequestBuilder {
        let proof = self.proof(key, &Proof { method: "POST", path, body, secs: 0 });
        self.request(Method::POST, path).header("DPoP", proof).json(body)
    }

    /// Holder 0's task.
    pub(super) async fn bound_task(&self, client: &str) -> Value {
        let body = bound_body();
        let request = self.signed(&holder(0), "/v1/tasks", &body).bearer_auth(client);
        let issued = answer(request).await;
        assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.body);
        issued.body
    }

    async fn state(&self, task: &Value) -> String {
        let path = format!("/v1/tasks/{}", task["task"].as_str().unwrap());
        self.get(&self.admin, &path).await.body["state"].as_str().unwrap().to_owned()
    }
}

pub(super) fn bound_body() -> Value {
    let mut body = task_body();
    body["holder"] = json!(holder(0).public());
    body
}

fn jwk(key: &HolderKey) -> Value {
    serde_json::from_str(&key.public().to_jwk()).unwrap()
}

fn token(issued: &Value) -> UnverifiedToken {
    issued["token"].as_str().unwrap().parse().unwrap()
}

async fn code(request: RequestBuilder) -> String {
    let answer = answer(request).await;
    match answer.status.is_success() {
        true => "done".to_owned(),
        false => answer.body["code"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn a_task_is_bound_to_a_key_that_its_caller_has() {
    let served = Served::start().await;
    let (client, _) = served.client("bound", json!({"bearer": false})).await;
    for key in [json!(holder(0).public()), jwk(&holder(0))] {
        let mut body = task_body();
        body["holder"] = key;
        let request = served.signed(&holder(0), "/v1/tasks", &body).bearer_auth(&client);
        let issued = answer(request).await;
        assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.body);
        let chain = Chain::of(&token(&issued.body)).unwrap();
        assert_eq!(chain.current().unwrap().key, holder(0).public());
        let path = format!("/v1/tasks/{}", issued.body["task"].as_str().unwrap());
        let shown = served.get(&client, &path).await.body;
        assert_eq!(shown["holder"], json!(holder(0).public()));
    }
    // Members that say nothing of the key are not looked at; a private key is refused.
    let mut known = jwk(&holder(0));
    known["kid"] = json!("agent");
    let mut private = jwk(&holder(0));
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    for (key, expected) in [
        (known, "done"),
        (private, "request-malformed"),
        (json!({"kty": "OKP", "crv": "X25519", "x": jwk(&holder(0))["x"]}), "request-invalid"),
        (json!("ed25519/00"), "request-invalid"),
        (json!(format!("ed25519/{}", "00".repeat(32))), "request-invalid"),
        (json!(7), "request-malformed"),
    ] {
        let mut body = task_body();
        body["holder"] = key.clone();
        let request = served.signed(&holder(0), "/v1/tasks", &body).bearer_auth(&client);
        assert_eq!(code(request).await, expected, "{key}");
    }
}

#[tokio::test]
async fn a_client_gets_bearer_tokens_only_where_its_limits_say_so() {
    let served = Served::start().await;
    let (bound, _) = served.client("bound", json!({"bearer": false})).await;
    let (bearer, _) = served.client("bearer", json!({"bearer": true})).await;
    let refused = served.post(&bound, "/v1/tasks", &task_body()).await;
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (403, &json!("beyond-ceiling")));
    let detail = "`holder` is missing, and this client may not ask for bearer tokens";
    assert_eq!(refused.body["detail"], detail);
    assert_eq!(served.post(&bearer, "/v1/tasks", &task_body()).await.status, StatusCode::CREATED);
    served.bound_task(&bearer).await;
    let clients = served.get(&served.admin, "/v1/clients").await.body;
    let flags: Vec<_> = clients["items"].as_array().unwrap().iter().map(|c| &c["bearer"]).collect();
    assert_eq!(flags, [&json!(true), &json!(false), &json!(true)]);
}

/// Each is a proof for something else than the request that it comes with.
#[tokio::test]
async fn another_proof_binds_no_task() {
    let served = Served::start().await;
    let body = bound_body();
    let mut other = bound_body();
    other["depth"] = json!(3);
    let right = Proof { method: "POST", path: "/v1/tasks", body: &body, secs: 0 };
    let ask = |proofs: &[String]| {
        let request = served.request(Method::POST, "/v1/tasks").bearer_auth(&served.admin);
        proofs.iter().fold(request.json(&body), |request, proof| request.header("DPoP", proof))
    };
    for (key, proof, expected) in [
        (1, Proof { ..right }, "not-the-holder"),
        (0, Proof { method: "PUT", ..right }, "proof-invalid"),
        (0, Proof { path: "/v1/revocations", ..right }, "proof-invalid"),
        (0, Proof { body: &other, ..right }, "proof-invalid"),
        (0, Proof { secs: -66, ..right }, "proof-invalid"),
        (0, Proof { secs: 6, ..right }, "proof-invalid"),
        (0, Proof { secs: -65, ..right }, "done"),
        (0, Proof { secs: 5, ..right }, "done"),
    ] {
        let sent = served.proof(&holder(key), &proof);
        assert_eq!(code(ask(&[sent])).await, expected, "{} {}", proof.method, proof.secs);
    }
    assert_eq!(code(ask(&[])).await, "proof-missing");
    assert_eq!(code(ask(&["a.b.c".to_owned()])).await, "proof-invalid");
    let two = [served.proof(&holder(0), &right), served.proof(&holder(0), &right)];
    assert_eq!(code(ask(&two)).await, "request-malformed");
    let mut tampered = served.proof(&holder(0), &right).into_bytes();
    let last = tampered.last_mut().unwrap();
    *last = if *last == b'A' { b'Q' } else { b'A' };
    let tampered = [String::from_utf8(tampered).unwrap()];
    assert_eq!(code(ask(&tampered)).await, "proof-invalid");
    let tasks = served.get(&served.admin, "/v1/tasks").await.body;
    assert_eq!(tasks["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_proof_makes_one_task() {
    let served = Served::start().await;
    let body = bound_body();
    let proof = Proof { method: "POST", path: "/v1/tasks", body: &body, secs: 0 };
    let proof = served.proof(&holder(0), &proof);
    let ask = || {
        let request = served.request(Method::POST, "/v1/tasks").bearer_auth(&served.admin);
        request.header("DPoP", &proof).json(&body)
    };
    assert_eq!(code(ask()).await, "done");
    let again = answer(ask()).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert_eq!(again.body["code"], "proof-replayed");
    let challenge = again.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("invalid_dpop_proof"));
    served.pass_secs(65);
    assert_eq!(code(ask()).await, "proof-replayed");
    served.pass_secs(1);
    assert_eq!(code(ask()).await, "proof-invalid");
    let tasks = served.get(&served.admin, "/v1/tasks").await.body;
    assert_eq!(tasks["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_task_is_completed_by_its_owner_or_its_holder() {
    let served = Served::start().await;
    let (other, _) = served.client("other", json!({})).await;
    let task = served.bound_task(&served.admin).await;
    let path = format!("/v1/tasks/{}/complete", task["task"].as_str().unwrap());
    let none = json!({});
    let signed = |n: u64| served.signed(&holder(n), &path, &none);
    // A holder further down, a client whose task it is not, and nobody.
    assert_eq!(code(signed(1)).await, "not-found");
    assert_eq!(code(served.request(Method::POST, &path).bearer_auth(&other)).await, "not-found");
    assert_eq!(code(served.request(Method::POST, &path)).await, "client-key-missing");
    // A client key that is not good is not made up for by a proof.
    assert_eq!(code(signed(0).bearer_auth(&other)).await, "not-found");
    let elsewhere = Proof { method: "POST", path: "/v1/tasks", body: &none, secs: 0 };
    let elsewhere = served.proof(&holder(0), &elsewhere);
    let request = served.request(Method::POST, &path).header("DPoP", elsewhere);
    assert_eq!(code(request).await, "proof-invalid");
    assert_eq!(served.state(&task).await, "active");
    assert_eq!(code(signed(0)).await, "done");
    assert_eq!(code(signed(0)).await, "done");
    assert_eq!(served.state(&task).await, "completed");
    // A bearer token's task has no holder.
    let task = served.task(&served.admin).await;
    let path = format!("/v1/tasks/{}/complete", task["task"].as_str().unwrap());
    assert_eq!(code(served.signed(&holder(0), &path, &none)).await, "not-found");
    let task = served.bound_task(&served.admin).await;
    let path = format!("/v1/tasks/{}/complete", task["task"].as_str().unwrap());
    assert_eq!(code(served.request(Method::POST, &path).bearer_auth(&served.admin)).await, "done");
    assert_eq!(served.state(&task).await, "completed");
}

/// Whoever holds a bound token, or held it before, revokes its last block; nobody else does.
#[tokio::test]
async fn a_hop_is_revoked_by_a_holder_at_or_above_it() {
    let served = Served::start().await;
    let issued = served.bound_task(&served.admin).await;
    let first = token(&issued);
    let (second, sibling) = (handed(&first, 0, 1), handed(&first, 0, 3));
    let third = handed(&second, 1, 2);
    let by = |n: u64, token: &UnverifiedToken| {
        served.signed(&holder(n), "/v1/revocations", &json!({"token": token.to_text()}))
    };
    let anonymous = json!({"token": third.to_text()});
    let request = served.request(Method::POST, "/v1/revocations").json(&anonymous);
    assert_eq!(code(request).await, "proof-missing");
    // A child cannot touch its parent, a sibling or the task, even with their tokens in its hands.
    for (n, token) in
        [(2, &second), (2, &first), (1, &first), (3, &second), (3, &third), (1, &sibling)]
    {
        assert_eq!(code(by(n, token)).await, "not-the-holder", "holder {n}");
        assert_eq!(code(by(n, &seal(token).unwrap())).await, "not-the-holder", "holder {n}");
    }
    assert_eq!(revoked(&served).await.entries, []);
    let last = |token: &UnverifiedToken| token.revocation_ids().last().unwrap().key16();
    let narrowed =
        attenuate(&third, &Narrowing { depth: Some(2), ..Narrowing::default() }, &mut OsRng);
    let narrowed = narrowed.unwrap();
    let mut expected = Vec::new();
    // Itself, its delegator, whoever began the chain; sealed or not.
    for (n, token) in [(2, &narrowed), (1, &third), (0, &seal(&second).unwrap()), (0, &sibling)] {
        assert_eq!(code(by(n, token)).await, "done", "holder {n}");
        expected.push(last(token));
        let entries = revoked(&served).await.entries;
        assert_eq!(entries.iter().map(|entry| entry.key16).collect::<Vec<_>>(), expected);
    }
    assert_eq!(served.state(&issued).await, "active");
    assert_eq!(code(by(0, &first)).await, "done");
    assert_eq!(served.state(&issued).await, "revoked");
}

/// A request for another token, and one that was signed for a gateway, revoke nothing.
#[tokio::test]
async fn a_revocation_is_signed_for_its_token() {
    let served = Served::start().await;
    let issued = served.bound_task(&served.admin).await;
    let child = handed(&token(&issued), 0, 1);
    let (path, asked) = ("/v1/revocations", json!({"token": child.to_text()}));
    let other = json!({"token": token(&issued).to_text()});
    let proof = served.proof(&holder(0), &Proof { method: "POST", path, body: &asked, secs: 0 });
    let request = served.request(Method::POST, path).header("DPoP", &proof).json(&other);
    assert_eq!(code(request).await, "proof-invalid");
    assert_eq!(revoked(&served).await.entries, []);
    let request = served.request(Method::POST, path).header("DPoP", &proof).json(&asked);
    assert_eq!(code(request).await, "done");
}
