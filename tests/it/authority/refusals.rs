//! Bad input: each names what is wrong.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

/// A task body with one field changed; `null` takes it out.
fn with(field: &str, value: Value) -> String {
    let mut body = task_body();
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(field)),
        value => body[field] = value,
    }
    body.to_string()
}

fn refund(max: u32) -> Value {
    json!({"tool": "stripe/refund", "args": {"amount": {"max": max}}})
}

async fn refused(served: &Served, path: &str, body: String) -> (u16, String) {
    let request = served.request(Method::POST, path).bearer_auth(&served.admin);
    let answer = answer(request.header("content-type", "application/json").body(body)).await;
    (answer.status.as_u16(), answer.body["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn tasks_that_are_malformed_or_invalid() {
    let served = Served::start().await;
    let duplicate = r#"{"principal": "a", "principal": "b"}"#.to_owned();
    let long = "x".repeat(513);
    for (body, status, says) in [
        ("{".to_owned(), 400, "the body is not acceptable JSON: the text ends"),
        ("[]".to_owned(), 400, "the body is a array, not a JSON object"),
        (duplicate, 400, "the body is not acceptable JSON: a name is given twice"),
        (with("principal", Value::Null), 400, "`principal`: is missing"),
        (with("principal", json!(7)), 400, "`principal`: is a number, not a string"),
        (with("principal", json!("")), 422, "`principal` is empty"),
        (with("intent", json!(long)), 422, "`intent` is empty, longer than 512"),
        (with("grants", Value::Null), 400, "`grants`: is missing"),
        (with("grants", json!({})), 400, "`grants`: is a object, not an array"),
        (with("grants", json!([])), 422, "a task needs at least one grant"),
        (with("grants", json!([{"tool": "x"}])), 422, "`grants[0].tool`: "),
        (with("grants", json!([{"tool": "a/b", "uses": 1}])), 422, "`grants[0].uses`: is reserved"),
        (with("audience", json!([])), 422, "the audience is empty"),
        (with("audience", json!("gateway")), 400, "`audience`: is a string, not an array"),
        (with("audience", json!(["g", 1])), 400, "`audience[1]`: is a number, not a string"),
        (with("ttl_secs", json!("600")), 400, "`ttl_secs`: is a string, not a number"),
        (with("ttl_secs", json!(-1)), 400, "`ttl_secs`: is not a whole number in range"),
        (with("ttl_secs", json!(1.5)), 400, "`ttl_secs`: is not a whole number in range"),
        (with("ttl_secs", json!(0)), 422, "a token lives between 1 and 86400 seconds"),
        (with("ttl_secs", json!(3601)), 403, "`ttl_secs` is 3601, and at most 3600 is allowed"),
        (with("depth", json!(9)), 403, "`depth` is 9, and at most 8 is allowed"),
        (with("ttl", json!(600)), 400, "`ttl`: is not a field of this request"),
        (with("token", json!("x")), 400, "`token`: is not a field of this request"),
        (
            with("grants", json!([{"tool": "crm/delete"}])),
            403,
            "`grants[0]` goes beyond the ceiling",
        ),
        (
            with("grants", json!([{"tool": "crm/get"}, refund(51)])),
            403,
            "`grants[1]` goes beyond the ceiling in argument `amount`: ",
        ),
    ] {
        let (answered, detail) = refused(&served, "/v1/tasks", body.clone()).await;
        assert_eq!(answered, status, "{body}: {detail}");
        assert!(detail.starts_with(says), "{body}: {detail}");
    }
    let all = served.get(&served.admin, "/v1/tasks").await;
    assert_eq!(all.body["items"], json!([]));
}

#[tokio::test]
async fn a_clients_own_bounds_hold() {
    let served = Served::start().await;
    let bounds = json!({"ttl_secs_max": 60, "depth_max": 1, "audience": ["a"]});
    let (key, _) = served.client("bounded", bounds).await;
    for (body, says) in [
        (json!({}), ""),
        (json!({"grants": [refund(20)]}), ""),
        (json!({"ttl_secs": 61}), "`ttl_secs` is 61, and at most 60 is allowed"),
        (json!({"depth": 2}), "`depth` is 2, and at most 1 is allowed"),
        (json!({"audience": ["a", "b"]}), "`audience` holds `b`, which this client may not name"),
    ] {
        let mut task = json!({"grants": grants(), "principal": "p", "audience": ["a"]});
        task.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = served.post(&key, "/v1/tasks", &task).await;
        match says {
            "" => assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body),
            says => {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
                assert_eq!(
                    (&answer.body["code"], &answer.body["detail"]),
                    (&json!("beyond-ceiling"), &json!(says),)
                );
            }
        }
    }
}

#[tokio::test]
async fn other_bodies_that_are_malformed_or_invalid() {
    let served = Served::start().await;
    let id = "0".repeat(128);
    for (path, body, status, says) in [
        ("/v1/clients", json!({}), 400, "`name`: is missing"),
        ("/v1/clients", json!({"name": "a\nb"}), 422, "`name`: is empty"),
        ("/v1/clients", json!({"name": "a", "admin": 1}), 400, "`admin`: is a number"),
        ("/v1/clients", json!({"name": "a", "ceiling": [{}]}), 422, "`ceiling[0]`: names no tool"),
        ("/v1/clients", json!({"name": "a", "key": "x"}), 400, "`key`: is not a field"),
        ("/v1/revocations", json!({}), 400, "the body names exactly one of"),
        ("/v1/revocations", json!({"task": "a", "token": "b"}), 400, "the body names exactly one"),
        ("/v1/revocations", json!({"agent": "a", "root": 7}), 400, "the body names exactly one"),
        ("/v1/revocations", json!({"dry_run": true}), 400, "the body names exactly one"),
        ("/v1/revocations", json!({"agent": "a", "dry_run": 1}), 400, "`dry_run`: is a number"),
        ("/v1/revocations", json!({"agent": "a\n"}), 422, "`agent`: is empty, longer"),
        ("/v1/revocations", json!({"holder": "x"}), 422, "`holder`: a public key is"),
        ("/v1/revocations", json!({"root": -1}), 400, "`root`: is not a whole number in range"),
        ("/v1/revocations", json!({"root": []}), 400, "`root`: is a array, not a number"),
        ("/v1/revocations", json!({"root": "7"}), 422, "`root`: a public key is"),
        ("/v1/revocations", json!({"before": "noon"}), 422, "`before`: `noon` is not an RFC 3339"),
        ("/v1/revocations", json!({"task": "none"}), 404, "there is no such task"),
        ("/v1/revocations", json!({"revocation_id": "x"}), 422, "`revocation_id`: a revocation"),
        ("/v1/revocations", json!({"token": "x"}), 422, "the token is not URL-safe base64"),
        ("/v1/revocations", json!({"revocation_id": id, "reason": ""}), 422, "`reason`: is empty"),
        ("/v1/revocations", json!({"task": "a", "why": "b"}), 400, "`why`: is not a field"),
        ("/v1/tasks/none/complete", json!({}), 404, "there is no such task"),
        ("/v1/tasks/none/complete", json!({"a": 1}), 400, "`a`: is not a field"),
    ] {
        let (answered, detail) = refused(&served, path, body.to_string()).await;
        assert_eq!(answered, status, "{path} {body}: {detail}");
        assert!(detail.starts_with(says), "{path} {body}: {detail}");
    }
}

#[tokio::test]
async fn queries_that_are_malformed() {
    let served = Served::start().await;
    for (query, says) in [
        ("limit=0", "`limit`: is not a number from 1 to 200"),
        ("limit=201", "`limit`: is not a number from 1 to 200"),
        ("cursor=zzz", "`cursor`: the cursor is not one"),
        ("state=done", "`state`: is none of `active`"),
        ("page=2", "the query may hold `cursor`, `limit` and `state` only"),
    ] {
        let answer = served.get(&served.admin, &format!("/v1/tasks?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body["detail"].as_str().unwrap().starts_with(says), "{}", answer.body);
    }
}

#[tokio::test]
async fn requests_that_are_no_business_of_an_endpoint() {
    let served = Served::start().await;
    let json = ("content-type", "application/json");
    for (method, path, header, body, status, code) in [
        (Method::GET, "/nowhere", json, String::new(), 404, "route-unknown"),
        (Method::PUT, "/v1/tasks", json, String::new(), 405, "method-unknown"),
        (
            Method::POST,
            "/v1/tasks",
            ("content-type", "text/plain"),
            "{}".to_owned(),
            415,
            "media-type-unknown",
        ),
        (
            Method::POST,
            "/v1/tasks",
            ("idempotency-key", "a b"),
            "{}".to_owned(),
            415,
            "media-type-unknown",
        ),
        (Method::POST, "/v1/tasks", json, " ".repeat(256 * 1024 + 1), 413, "body-too-large"),
        (Method::POST, "/v1/tasks", json, " ".repeat(256 * 1024), 400, "request-malformed"),
    ] {
        let request = served.request(method.clone(), path).bearer_auth(&served.admin);
        let answer = answer(request.header(header.0, header.1).body(body)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (status, &json!(code)),
            "{path}"
        );
        if status == 405 {
            assert_eq!(answer.headers["allow"], "POST,GET,HEAD");
        }
    }
    let request = served.request(Method::POST, "/v1/tasks").bearer_auth(&served.admin);
    let answer = answer(request.header("idempotency-key", "a b").json(&task_body())).await;
    assert!(answer.body["detail"].as_str().unwrap().starts_with("`idempotency-key`: is not one"));
}

#[tokio::test]
async fn calls_without_a_good_key() {
    let served = Served::start().await;
    let (rest, last) = served.admin.split_at(served.admin.len() - 1);
    let wrong = format!("{rest}{}", if last == "A" { "B" } else { "A" });
    let unknown = served.admin.replacen("htc_", "htc_0", 1);
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        format!("Basic {}", served.admin),
        format!("Bearer {wrong}"),
        format!("Bearer {unknown}"),
    ] {
        for path in ["/v1/tasks", "/v1/tasks/x", "/v1/clients"] {
            let mut request = served.request(Method::GET, path);
            if !value.is_empty() {
                request = request.header("authorization", &value);
            }
            let answer = answer(request).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert_eq!(challenge.contains("invalid_token"), !value.is_empty());
        }
    }
}
