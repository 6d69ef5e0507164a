//! All servers behind one endpoint.

use serde_json::{Value, json as value};

use super::upstream::{Arrived, Upstream, json, plain};
use super::world::{INITIALIZE, META, World, told};
use crate::support_guard::client;

const GRANTS: &str = r#"[{"tool":"s/x"},{"tool":"t/*"}]"#;

/// Two servers, `s` and `t`, behind `/mcp`.
struct Joined {
    world: World,
    other: Upstream,
}

fn answer(arrived: &Arrived) -> http::Response<axum::body::Body> {
    let message = match arrived.method.as_str() {
        "POST" => arrived.json(),
        _ => return plain(arrived),
    };
    let result = match message["method"].as_str() {
        Some("tools/list") if message["params"]["cursor"].is_null() => {
            r#"{"tools":[{"name":"x"},{"name":"y"}],"nextCursor":"more:1"}"#
        }
        Some("tools/list") => r#"{"tools":[{"name":"x","late":true}]}"#,
        Some("resources/list") => r#"{"resources":[{"uri":"file:///a"}]}"#,
        Some("prompts/list") => {
            let id = &message["id"];
            return json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no"}}}}"#
            ));
        }
        _ => return plain(arrived),
    };
    json(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, message["id"]))
}

impl Joined {
    async fn new() -> Self {
        let other = Upstream::start(answer).await;
        let world = World::joined(other.clone(), answer).await.holding(GRANTS);
        Self { world, other }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.world.base)
    }

    /// A modern request.
    fn send(&self, method: &str, name: Option<&str>, params: &str) -> reqwest::RequestBuilder {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"i","method":"{method}","params":{{{params}{META}}}}}"#
        );
        let mut request = self.world.modern(method, name, body).build().unwrap();
        *request.url_mut() = self.url().parse().unwrap();
        reqwest::RequestBuilder::from_parts(client(), request)
    }

    fn legacy(&self, session: Option<&str>, body: &str) -> reqwest::RequestBuilder {
        let mut request = self.world.post(body.to_owned()).build().unwrap();
        *request.url_mut() = self.url().parse().unwrap();
        let request = reqwest::RequestBuilder::from_parts(client(), request);
        match session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }
}

#[tokio::test]
async fn calls_go_to_the_server_that_they_name_and_are_judged_as_its_own() {
    let joined = Joined::new().await;
    let call = |name: &str| {
        told(joined.send(
            "tools/call",
            Some(name),
            &format!(r#""name":"{name}","arguments":{{"a":1}},"#),
        ))
    };
    let (status, answer) = call("s__x").await;
    assert_eq!((status, &answer["id"]), (200, &value!("i")), "{answer}");
    let arrived = joined.world.upstream.last();
    assert_eq!(arrived.json()["params"]["name"], "x");
    assert_eq!(arrived.headers["mcp-name"], "x");
    assert_eq!(joined.world.records().pop().unwrap().tool.unwrap().to_string(), "s/x");
    assert_eq!(call("t__x").await.0, 200);
    assert_eq!(joined.other.arrived().len(), 1);
    let (status, answer) = call("s__y").await;
    assert_eq!((status, &answer["error"]["code"]), (403, &value!(7403)));
    for name in ["x", "u__x", "s_x", "__x", "s__", "S__x"] {
        let (status, answer) = call(name).await;
        assert!(matches!(status, 400 | 404), "{name} {status} {answer}");
    }
    let mismatch = joined.send("tools/call", Some("t__x"), r#""name":"s__x","#);
    assert_eq!(told(mismatch).await.1["error"]["code"], -32020);
    let read = joined.send("resources/read", Some("t+file:///a"), r#""uri":"t+file:///a","#);
    assert_eq!(told(read).await.0, 200);
    let last = joined.other.last();
    assert_eq!(last.json()["params"]["uri"], "file:///a");
    assert_eq!(last.headers["mcp-name"], "file:///a");
    assert_eq!((joined.world.upstream.arrived().len(), joined.other.arrived().len()), (1, 2));
}

#[tokio::test]
async fn lists_are_those_of_one_server_after_another() {
    let joined = Joined::new().await;
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, answer) = told(joined.send("tools/list", None, &cursor)).await;
        assert_eq!(status, 200, "{answer}");
        pages.push(answer["result"]["tools"].clone());
        match answer["result"]["nextCursor"].as_str() {
            Some(next) => cursor = format!(r#""cursor":"{next}","#),
            None => break,
        }
    }
    let want = [
        value!([{"name": "s__x"}]),
        value!([{"name": "s__x", "late": true}]),
        value!([{"name": "t__x"}, {"name": "t__y"}]),
        value!([{"name": "t__x", "late": true}]),
    ];
    assert_eq!(pages, want);
    assert_eq!(joined.other.last().json()["params"]["cursor"], "more:1");
    // A server that has no such list is an empty page.
    let (_, first) = told(joined.send("prompts/list", None, "")).await;
    assert_eq!(first["result"]["prompts"], value!([]));
    assert_eq!(first["result"]["nextCursor"], "t");
    let (_, last) = told(joined.send("prompts/list", None, r#""cursor":"t","#)).await;
    assert_eq!(last["result"]["nextCursor"], Value::Null);
    let (_, resources) = told(joined.send("resources/list", None, r#""cursor":"t","#)).await;
    assert_eq!(resources["result"]["resources"][0]["uri"], "t+file:///a");
    for cursor in ["u", "u:x", ""] {
        let (status, _) =
            told(joined.send("tools/list", None, &format!(r#""cursor":"{cursor}","#))).await;
        assert_eq!(status, 404);
    }
}

#[tokio::test]
async fn the_endpoint_speaks_for_itself() {
    let joined = Joined::new().await;
    let (status, answer) = told(joined.send("server/discover", None, "")).await;
    assert_eq!((status, &answer["result"]["supportedVersions"]), (200, &value!(["2026-07-28"])));
    for method in ["subscriptions/listen", "ping", "initialize", "tasks/get"] {
        let (status, answer) = told(joined.send(method, None, "")).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &value!(-32601)), "{method}");
    }
    assert_eq!(told(joined.send("ping", None, "").bearer_auth("x")).await.0, 401);
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", joined.world.base);
    let found: Value = client().get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(found["resource"], joined.url());
    assert!(joined.world.upstream.arrived().is_empty() && joined.other.arrived().is_empty());
}

#[tokio::test]
async fn a_session_opens_one_with_each_server_that_it_comes_to() {
    let joined = Joined::new().await;
    let answer = joined.legacy(None, INITIALIZE).send().await.unwrap();
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert!(joined.world.upstream.arrived().is_empty());
    let call = |name: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"{name}"}}}}"#
        );
        told(joined.legacy(Some(&session), &body))
    };
    for _ in 0..2 {
        assert_eq!(call("t__x").await.0, 200);
    }
    let methods: Vec<_> =
        joined.other.arrived().iter().map(|one| one.json()["method"].clone()).collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "tools/call", "tools/call"]);
    let arrived = joined.other.arrived();
    assert_eq!(arrived[0].json()["params"]["capabilities"], value!({}));
    assert_eq!(arrived[0].json()["params"]["clientInfo"]["name"], "c");
    assert_eq!(arrived[3].headers["mcp-session-id"], "upstream-1");
    assert!(joined.world.upstream.arrived().is_empty());
    let (status, refused) = call("s__y").await;
    assert_eq!((status, &refused["error"]["code"]), (200, &value!(7403)));
    let list = r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#;
    let (_, page) = told(joined.legacy(Some(&session), list)).await;
    assert_eq!(page["result"]["nextCursor"], "s:more:1");
    assert_eq!(told(joined.legacy(None, list)).await.0, 400);
    let other = super::world::token(GRANTS, 2).to_text();
    let mut foreign = joined.legacy(Some(&session), list).build().unwrap();
    foreign.headers_mut().insert("authorization", format!("Bearer {other}").parse().unwrap());
    assert_eq!(client().execute(foreign).await.unwrap().status(), 404);
    let answered = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
    assert_eq!(told(joined.legacy(Some(&session), answered)).await.0, 400);
    let end = client().delete(joined.url()).bearer_auth(&joined.world.bearer);
    assert_eq!(end.header("mcp-session-id", &session).send().await.unwrap().status(), 200);
    assert_eq!(call("t__x").await.0, 404);
    let mut left = 200;
    while joined.other.last().method != http::Method::DELETE {
        left -= 1;
        assert!(left > 0);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
