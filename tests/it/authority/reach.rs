//! Revocations that reach beyond one task: of an agent, a holder's key, a root key, a moment.

use hardtack::keys::RootKey;
use hardtack::model::Key16;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::holders::bound_body;
use super::tasks::revoked;
use super::*;
use crate::holders::holder;

const REVOKE: &str = "/v1/revocations";

impl Served {
    async fn task_with(&self, agent: &str) -> Answer {
        let mut body = task_body();
        body["agent"] = json!(agent);
        self.post(&self.admin, "/v1/tasks", &body).await
    }

    async fn in_state(&self, state: &str) -> usize {
        let page = self.get(&self.admin, &format!("/v1/tasks?state={state}")).await;
        page.body["items"].as_array().unwrap().len()
    }

    async fn root(&self) -> Value {
        self.get("", "/.well-known/hardtack").await.body["roots"][0].clone()
    }
}

/// The authority's answer, done and not refused.
async fn done(served: &Served, body: &Value) -> Value {
    let answer = served.post(&served.admin, REVOKE, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.body);
    answer.body
}

fn key16(bytes: &[u8]) -> String {
    Key16::of(bytes).to_string()
}

/// The time of the tests' clock, so many milliseconds later.
fn moment(millis: u64) -> String {
    Timestamp::from_millis(1_800_000_000_000 + millis).to_string()
}

#[tokio::test]
async fn one_revocation_ends_the_live_tasks_it_hits() {
    for case in ["agent", "holder", "root", "before"] {
        let served = Served::start().await;
        assert_eq!(served.task_with("agent:a").await.status, StatusCode::CREATED);
        served.bound_task(&served.admin).await;
        served.pass_secs(1);
        assert_eq!(served.task_with("agent:b").await.status, StatusCode::CREATED);
        let root = served.root().await;
        let root_key: hardtack::keys::VerifyingKey =
            serde_json::from_value(root["key"].clone()).unwrap();
        let secs = Key16(1_800_000_001_u128.to_be_bytes()).to_string();
        let (subject, key16, count) = match case {
            // The bound task is of `agent:a` too.
            "agent" => (json!("agent:a"), key16(b"agent:a"), 2),
            "holder" => {
                let key = holder(0).public();
                (json!(key), key16(&key.to_bytes()), 1)
            }
            "root" => (root["id"].clone(), key16(&root_key.to_bytes()), 3),
            _ => (json!(moment(500)), secs, 2),
        };
        let body = json!({case: subject, "reason": "gone wrong"});
        let mut dry = body.clone();
        dry["dry_run"] = json!(true);
        let would = done(&served, &dry).await;
        assert_eq!((&would["kind"], &would["key16"]), (&json!(case), &json!(key16)));
        assert_eq!((&would["live_tasks"], &would["in_log"]), (&json!(count), &json!(false)));
        assert_eq!((&would["dry_run"], would.get("seq")), (&json!(true), None));
        assert_eq!((revoked(&served).await.seq, served.in_state("active").await), (0, 3));
        let entry = done(&served, &body).await;
        assert_eq!((&entry["kind"], &entry["key16"]), (&json!(case), &json!(key16)));
        assert_eq!((&entry["live_tasks"], &entry["seq"]), (&json!(count), &json!(1)));
        assert_eq!(
            (&entry["not_after"], &entry["reason"]),
            (&would["not_after"], &json!("gone wrong"))
        );
        assert_eq!(
            (served.in_state("revoked").await, served.in_state("active").await),
            (count, 3 - count)
        );
        let would = done(&served, &dry).await;
        assert_eq!((&would["live_tasks"], &would["in_log"]), (&json!(0), &json!(true)));
        assert_eq!(would["seq"], 1);
        let list = revoked(&served).await;
        assert_eq!((list.seq, list.entries.len()), (1, 1));
        assert_eq!(list.entries[0].key16.to_string(), key16);
    }
}

#[tokio::test]
async fn what_reaches_beyond_a_task_takes_an_administrator() {
    let served = Served::start().await;
    let (client, _) = served.client("worker", json!({})).await;
    let issued = served.task(&client).await;
    let root = served.root().await;
    for subject in [
        json!({"agent": "agent:a"}),
        json!({"holder": holder(0).public()}),
        json!({"root": root["id"]}),
        json!({"before": moment(0)}),
    ] {
        for dry_run in [false, true] {
            let mut body = subject.clone();
            body["dry_run"] = json!(dry_run);
            let refused = served.post(&client, REVOKE, &body).await;
            assert_eq!(refused.body["code"], "admin-required", "{body}");
            let request = served.request(reqwest::Method::POST, REVOKE).json(&body);
            assert_eq!(answer(request).await.body["code"], "client-key-missing", "{body}");
        }
    }
    // What stays within its own tasks it may ask about as well, and do.
    for (dry_run, seq) in [(true, None), (false, Some(&json!(1)))] {
        let body = json!({"task": issued["task"], "dry_run": dry_run});
        let answer = served.post(&client, REVOKE, &body).await;
        assert_eq!((answer.status, &answer.body["live_tasks"]), (StatusCode::OK, &json!(1)));
        assert_eq!(answer.body.get("seq"), seq);
    }
    assert_eq!(revoked(&served).await.seq, 1);
}

/// By number and by key; another's key and a number of nobody's are none of this authority.
#[tokio::test]
async fn a_root_key_is_one_that_the_authority_knows() {
    let served = Served::start().await;
    let other = RootKey::generate(&mut OsRng).public();
    for unknown in [json!(other), json!(other.id())] {
        let refused = served.post(&served.admin, REVOKE, &json!({"root": unknown})).await;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (404, &json!("not-found")));
        let detail = "there is no such root key here, active or retiring";
        assert_eq!(refused.body["detail"], detail);
    }
    let root = served.root().await;
    for name in [&root["id"], &root["key"]] {
        assert_eq!(done(&served, &json!({"root": name})).await["seq"], 1);
    }
    // A key that is known does not become a secret again.
    served.pass_secs(10 * 365 * 24 * 60 * 60);
    assert_eq!(revoked(&served).await.entries.len(), 1);
}

/// A moment is brought up to a whole second; one that is to come is refused, clocks aside.
#[tokio::test]
async fn a_moment_is_not_in_the_future() {
    let served = Served::start().await;
    for (millis, secs) in [(5000, Some(5)), (4001, Some(5)), (5001, None), (90_000, None)] {
        let body = json!({"before": moment(millis)});
        let answer = served.post(&served.admin, REVOKE, &body).await;
        match secs {
            Some(secs) => {
                let key = Key16((1_800_000_000_u128 + secs).to_be_bytes());
                assert_eq!(answer.body["key16"], key.to_string(), "{}", answer.body);
            }
            None => assert_eq!(answer.body["detail"], "`before`: is in the future"),
        }
    }
}

#[tokio::test]
async fn nobody_gets_a_token_that_is_dead_on_arrival() {
    let served = Served::start().await;
    let details = [
        ("agent", "the agent is revoked, so every gateway would refuse the token"),
        ("holder", "the holder's key is revoked, so every gateway would refuse the token"),
    ];
    done(&served, &json!({"agent": "agent:b"})).await;
    done(&served, &json!({"holder": holder(0).public()})).await;
    let bound = bound_body();
    for (case, detail) in details {
        let refused = match case {
            "agent" => served.task_with("agent:b").await,
            _ => {
                answer(served.signed(&holder(0), "/v1/tasks", &bound).bearer_auth(&served.admin))
                    .await
            }
        };
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(
            (&refused.body["code"], &refused.body["detail"]),
            (&json!("subject-revoked"), &json!(detail))
        );
    }
    assert_eq!(served.task_with("agent:a").await.status, StatusCode::CREATED);
    // An entry ends after a day, and gateways whose clocks are behind go by it for a little longer.
    served.pass_secs(24 * 60 * 60 + 5);
    assert_eq!(served.task_with("agent:b").await.status, StatusCode::FORBIDDEN);
    served.pass_secs(1);
    assert_eq!(served.task_with("agent:b").await.status, StatusCode::CREATED);
    served.bound_task(&served.admin).await;
    let now = served.millis.load(Ordering::Relaxed) - 1_800_000_000_000;
    done(&served, &json!({"before": moment(now + 1)})).await;
    let refused = served.task_with("agent:a").await;
    let detail = "all that is issued before a moment still to come is revoked, so every gateway \
                  would refuse the token";
    assert_eq!(refused.body["detail"], detail);
    served.pass_secs(1);
    assert_eq!(served.task_with("agent:a").await.status, StatusCode::CREATED);
    done(&served, &json!({"root": served.root().await["id"]})).await;
    let refused = served.task_with("agent:a").await;
    let detail = "the root key that signs here is revoked, so every gateway would refuse the token";
    assert_eq!((refused.status, &refused.body["detail"]), (StatusCode::FORBIDDEN, &json!(detail)));
}
