//! Revocation by task, by identifier, and by whoever holds an unsealed token.

use biscuit_auth::format::schema;
use hardtack::attenuate::{Narrowing, attenuate, seal};
use hardtack::model::{Key16, RevocationId};
use hardtack::store::TASK_REVOCATIONS_MAX;
use hardtack::token::UnverifiedToken;
use prost::Message;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::tasks::revoked;
use super::*;

fn narrowed(token: &UnverifiedToken, depth: u32) -> UnverifiedToken {
    let narrowing = Narrowing { depth: Some(depth), ..Narrowing::default() };
    attenuate(token, &narrowing, &mut OsRng).unwrap()
}

fn token(issued: &Value) -> UnverifiedToken {
    issued["token"].as_str().unwrap().parse().unwrap()
}

fn last(token: &UnverifiedToken) -> Key16 {
    token.revocation_ids().last().unwrap().key16()
}

/// Revokes as somebody without a client key.
async fn by_token(served: &Served, token: &UnverifiedToken) -> Answer {
    let body = json!({"token": token.to_text(), "reason": "lost"});
    answer(served.request(Method::POST, "/v1/revocations").json(&body)).await
}

#[tokio::test]
async fn a_holder_revokes_the_last_block_and_no_other() {
    let served = Served::start().await;
    let issued = served.task(&served.admin).await;
    let parent = token(&issued);
    let child = narrowed(&parent, 2);
    let answer = by_token(&served, &child).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let list = revoked(&served).await;
    assert_eq!(list.entries.len(), 1);
    assert_eq!((list.entries[0].key16, list.entries[0].seq), (last(&child), 1));
    assert_eq!(list.entries[0].not_after.to_string(), issued["expires"].as_str().unwrap());
    assert_eq!(list.entries[0].reason.as_deref(), Some("lost"));
    let path = format!("/v1/tasks/{}", issued["task"].as_str().unwrap());
    assert_eq!(served.get(&served.admin, &path).await.body["state"], "active");
    // The authority block's own token ends the task.
    assert_eq!(by_token(&served, &parent).await.body["seq"], 2);
    assert_eq!(by_token(&served, &parent).await.body["seq"], 2);
    assert_eq!(served.get(&served.admin, &path).await.body["state"], "revoked");
}

/// A hostile child makes block after block and revokes each: what it holds itself can still be revoked.
#[tokio::test]
async fn nobody_uses_up_the_revocations_of_those_above() {
    let served = Served::start().await;
    let child = narrowed(&token(&served.task(&served.admin).await), 2);
    let mut refused = None;
    for _ in 0..=TASK_REVOCATIONS_MAX {
        refused = Some(by_token(&served, &narrowed(&child, 2)).await.body["code"].clone());
    }
    assert_eq!(refused, Some(json!("too-many-revocations")));
    let answer = by_token(&served, &child).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(revoked(&served).await.entries.iter().any(|entry| entry.key16 == last(&child)));
}

#[tokio::test]
async fn a_child_cannot_revoke_its_parent() {
    let served = Served::start().await;
    let child = narrowed(&token(&served.task(&served.admin).await), 2);
    let sealed = by_token(&served, &seal(&child).unwrap()).await;
    assert_eq!(sealed.status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = "the token is sealed: only whoever holds it unsealed may revoke it";
    assert_eq!(sealed.body["detail"], detail);
    // The parent's blocks with the child's proof, and a sealed token's blocks with any secret.
    let mut cut = schema::Biscuit::decode(child.as_bytes()).unwrap();
    cut.blocks.clear();
    let mut reopened = schema::Biscuit::decode(seal(&child).unwrap().as_bytes()).unwrap();
    reopened.proof.content = Some(schema::proof::Content::NextSecret(vec![7; 32]));
    for forged in [cut, reopened] {
        let forged = UnverifiedToken::from_bytes(forged.encode_to_vec()).unwrap();
        let answer = by_token(&served, &forged).await;
        assert_eq!(answer.body["code"], "signature-invalid", "{}", answer.body);
    }
    let other = Served::start().await;
    assert_eq!(by_token(&other, &child).await.body["code"], "root-unknown");
    assert_eq!(revoked(&served).await.entries, []);
}

#[tokio::test]
async fn tasks_and_blocks_are_revoked_by_their_owner_or_an_administrator() {
    let served = Served::start().await;
    let (owner, _) = served.client("owner", json!({})).await;
    let (other, _) = served.client("other", json!({})).await;
    let (one, two) = (served.task(&owner).await, served.task(&owner).await);
    let child = narrowed(&token(&two), 2);
    let unknown: &RevocationId = child.revocation_ids().last().unwrap();
    for (key, body, status) in [
        ("", json!({"task": one["task"]}), 401),
        (&other, json!({"task": one["task"]}), 404),
        (&owner, json!({"task": one["task"]}), 200),
        ("", json!({"revocation_id": two["revocation_id"]}), 401),
        (&other, json!({"revocation_id": two["revocation_id"]}), 404),
        (&owner, json!({"revocation_id": two["revocation_id"]}), 200),
        (&owner, json!({"revocation_id": unknown}), 404),
        (&served.admin, json!({"revocation_id": unknown}), 200),
    ] {
        let answer = served.post(key, "/v1/revocations", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.body);
    }
    let keys: Vec<Key16> = revoked(&served).await.entries.iter().map(|e| e.key16).collect();
    let task = Key16::of(one["task"].as_str().unwrap().as_bytes());
    assert_eq!(keys, [task, last(&token(&two)), last(&child)]);
    let states = served.get(&owner, "/v1/tasks?state=revoked").await;
    assert_eq!(states.body["items"].as_array().unwrap().len(), 2);
}
