//! Doors, headers, versions, and how a refusal is told.

use hardtack::config::gateway::Denials;
use hardtack::verify::DangerUnrevoked;

use super::upstream::{json, plain};
use super::world::{INITIALIZE, META, Settings, World, call, told};
use crate::support_guard::client;

#[tokio::test]
async fn pages_and_hosts_of_others_are_refused() {
    let settings =
        Settings { origins: vec!["https://app.example".to_owned()], ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, plain).await;
    let host = world.base.strip_prefix("http://").unwrap().to_owned();
    let port = host.rsplit_once(':').unwrap().1.to_owned();
    let cases = [
        ("host", "evil.example".to_owned(), 421),
        ("host", format!("localhost.evil.example:{port}"), 421),
        ("host", format!("LOCALHOST:{port}"), 200),
        ("host", "[::1]:1".to_owned(), 200),
        ("origin", "https://evil.example".to_owned(), 403),
        ("origin", "null".to_owned(), 403),
        ("origin", format!("http://localhost:{port}"), 403),
        ("origin", "https://app.example.evil".to_owned(), 403),
        ("origin", "https://app.example".to_owned(), 200),
        ("origin", format!("http://{host}"), 200),
    ];
    for (name, value, status) in cases {
        let before = world.upstream.arrived().len();
        let (answered, answer) = told(world.call("x", "{}").header(name, &value)).await;
        assert_eq!(answered, status, "{name} {value} {answer}");
        assert_eq!(world.upstream.arrived().len() - before, usize::from(status == 200));
    }
}

#[tokio::test]
async fn a_message_is_json_and_any_answer_can_be_taken() {
    let world = World::new(plain).await;
    let cases = [
        ("content-type", "text/plain", 415),
        ("content-type", "application/json; charset=latin1", 415),
        ("content-type", "application/json-rpc", 415),
        ("content-type", "Application/JSON; charset=UTF-8", 200),
        ("accept", "application/json", 406),
        ("accept", "text/event-stream", 406),
        ("accept", "text/event-stream;q=0.9, application/*", 200),
        ("accept", "*/*", 200),
        ("content-encoding", "gzip", 415),
        ("content-encoding", "identity", 200),
        ("upgrade", "websocket", 400),
    ];
    for (name, value, status) in cases {
        let (mut head, other) = (world.call("x", "{}").build().unwrap(), client());
        head.headers_mut().insert(name, value.parse().unwrap());
        let request = reqwest::RequestBuilder::from_parts(other, head);
        assert_eq!(told(request).await.0, status, "{name} {value}");
    }
    for method in [http::Method::PUT, http::Method::PATCH, http::Method::OPTIONS] {
        let answer = client().request(method, world.url()).send().await.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "POST, GET, DELETE");
    }
    let elsewhere = client().post(format!("{}/mcp/other", world.base)).bearer_auth(&world.bearer);
    assert_eq!(told(elsewhere).await.0, 404);
}

#[tokio::test]
async fn headers_are_held_against_the_body() {
    let world = World::new(plain).await;
    let send = |headers: &[(&str, &str)], body: &str| {
        headers.iter().fold(world.post(body.to_owned()), |request, (name, value)| {
            request.header(*name, *value)
        })
    };
    let (v, m, n) =
        (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "x"));
    let modern = call("x", "{}");
    let ping = |version: &str| {
        let meta = META.replace("2026-07-28", version);
        format!(r#"{{"jsonrpc":"2.0","id":"p","method":"ping","params":{{{meta}}}}}"#)
    };
    let bare = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#.to_owned();
    let old = ("mcp-protocol-version", "2025-11-25");
    let unknown = ("mcp-protocol-version", "1900-01-01");
    let pinged = ("mcp-method", "ping");
    let mirrored = call("mirrored", r#"{"r":"é"}"#);
    let (mn, mr) = (("mcp-name", "mirrored"), ("mcp-param-r", "=?base64?w6k=?="));
    let cases = [
        (vec![v, m, n], &modern, 200, 0),
        (vec![m, n], &modern, 400, -32020),
        (vec![v, n], &modern, 400, -32020),
        (vec![v, m], &modern, 400, -32020),
        (vec![v, m, ("mcp-name", "y")], &modern, 400, -32020),
        (vec![v, ("mcp-method", "tools/list"), n], &modern, 400, -32020),
        (vec![old, m, n], &modern, 400, -32020),
        (vec![v, m, n, n], &modern, 400, -32020),
        (vec![unknown, pinged], &ping("1900-01-01"), 400, -32022),
        (vec![unknown], &bare, 400, -32022),
        (vec![old, pinged], &ping("2025-11-25"), 400, -32022),
        (vec![v, pinged], &bare, 400, -32602),
        (vec![("mcp-method", "tools/list")], &bare, 400, -32020),
        (vec![v, m, mn, mr], &mirrored, 200, 0),
        (vec![v, m, mn], &mirrored, 400, -32020),
        (vec![v, m, mn, ("mcp-param-r", "e")], &mirrored, 400, -32020),
        (vec![v, m, mn, mr, ("mcp-param-other", "e")], &mirrored, 200, 0),
    ];
    for (headers, body, status, code) in cases {
        let before = world.upstream.arrived().len();
        let (answered, answer) = told(send(&headers, body)).await;
        assert_eq!(answered, status, "{headers:?} {body} {answer}");
        assert_eq!(world.upstream.arrived().len() - before, usize::from(status == 200));
        if code != 0 {
            assert_eq!(answer["error"]["code"], code, "{answer}");
            let sent: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(answer["id"], sent["id"]);
        }
    }
    let (_, answer) = told(send(&[unknown], &bare)).await;
    assert_eq!(answer["error"]["data"]["requested"], "1900-01-01");
    assert_eq!(answer["error"]["data"]["supported"][0], "2026-07-28");
}

#[tokio::test]
async fn what_goes_up_is_the_message_and_nothing_of_the_callers() {
    let world = World::new(plain).await;
    let request = world.call("x", "{}").header("cookie", "a=b").header("x-other", "1");
    let request = request
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("mcp-session-id", "mine");
    assert_eq!(told(request.header("proxy-authorization", "Basic x")).await.0, 200);
    let mut names: Vec<_> = world.upstream.last().headers.keys().map(|n| n.to_string()).collect();
    names.sort();
    let want = [
        "accept",
        "accept-encoding",
        "content-length",
        "content-type",
        "host",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "traceparent",
    ];
    assert_eq!(names, want);
    assert_eq!(world.upstream.last().headers["accept-encoding"], "identity");
    assert_eq!(
        world.records().last().unwrap().trace.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
}

#[tokio::test]
async fn refusals_are_told_so_that_a_client_can_act() {
    let narrow =
        r#"[{"tool":"s/x","args":{"a":{"max":5}}},{"tool":"s/picky"},{"tool":"s/changed"}]"#;
    let world = World::new(plain).await.holding(narrow);
    let answer = world.call("y", "{}").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp/s", world.base);
    for part in
        ["insufficient_scope", "scope=\"s/y\"", &format!("resource_metadata=\"{metadata}\"")]
    {
        assert!(challenge.contains(part), "{challenge}");
    }
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((&body["id"], &body["error"]["code"]), (&1.into(), &7403.into()));
    assert_eq!(body["error"]["data"]["code"], "not-granted");
    let (status, body) = told(world.call("x", r#"{"a":6}"#)).await;
    assert_eq!((status, &body["error"]["code"]), (403, &7403.into()));
    for (tool, args) in [("picky", r#"{"bad":1}"#), ("changed", "{}")] {
        let (status, body) = told(world.call(tool, args)).await;
        assert_eq!((status, &body["error"]["code"]), (400, &(-32602).into()), "{body}");
        let record = world.records().pop().unwrap();
        assert_eq!(record.tool.unwrap().name(), tool);
    }
    assert!(world.upstream.arrived().is_empty());
    // Without a token.
    let mut request = world.call("x", "{}").build().unwrap();
    request.headers_mut().remove("authorization");
    let answer = client().execute(request).await.unwrap();
    assert_eq!(answer.status(), 401);
    let challenges: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
    assert!(challenges[0].to_str().unwrap().contains(&metadata), "{challenges:?}");
    let found: serde_json::Value =
        client().get(&metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(found["resource"], world.url());
    assert_eq!(found["bearer_methods_supported"][0], "header");
    let other = metadata.replace("/mcp/s", "/mcp/other");
    assert_eq!(client().get(other).send().await.unwrap().status(), 404);
    assert!(world.upstream.arrived().is_empty());
}

/// Clients of the older versions end their session at any status that is no success.
#[tokio::test]
async fn a_refusal_does_not_end_a_session() {
    let narrow = r#"[{"tool":"s/x"},{"tool":"s/picky"}]"#;
    let world = World::new(plain).await.holding(narrow);
    let session = world.session().await;
    let call = |tool: &str| {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"bad":1}}}}}}"#
        );
        world.post(text).header("mcp-session-id", &session)
    };
    for (tool, number, code) in [("y", 7403, "not-granted"), ("picky", -32602, "request-malformed")]
    {
        let answer = call(tool).send().await.unwrap();
        let has_challenge = answer.headers().contains_key("www-authenticate");
        assert_eq!(has_challenge, code == "not-granted", "more authority would help");
        let (status, body) =
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap());
        let error = &body["error"];
        assert_eq!((status, &body["id"], &error["code"]), (200, &7.into(), &number.into()));
        assert_eq!(error["data"]["code"], code);
        assert_eq!(world.records().pop().unwrap().tool.unwrap().name(), tool);
    }
    let mut bad = call("x").build().unwrap();
    bad.headers_mut().insert("authorization", "Bearer x".parse().unwrap());
    assert_eq!(client().execute(bad).await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_denial_can_be_a_result_for_the_model() {
    let settings = Settings { denials: Denials::Result, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, plain).await.holding(r#"[{"tool":"s/x"}]"#);
    let (status, body) = told(world.call("y", "{}")).await;
    assert_eq!((status, &body["result"]["isError"]), (200, &true.into()), "{body}");
    assert_eq!(body["result"]["resultType"], "complete");
    assert_eq!(body["result"]["_meta"]["io.hardtack/problem"]["code"], "not-granted");
    let (status, body) = told(world.modern(
        "resources/read",
        Some("u"),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"u",{META}}}}}"#
        ),
    ))
    .await;
    assert_eq!((status, &body["error"]["code"]), (403, &7403.into()), "{body}");
    let bad = world.call("x", "{}").bearer_auth("x");
    assert_eq!(told(bad).await.0, 401);
    assert!(world.upstream.arrived().is_empty());
}

#[tokio::test]
async fn every_method_that_does_something_is_decided() {
    let world = World::new(plain)
        .await
        .holding(r#"[{"tool":"s/mcp:resources/read","args":{"uri":{"eq":"file:///a"}}}]"#);
    let send = |method: &str, name: Option<&str>, params: &str| {
        let comma = if params.is_empty() { "" } else { "," };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}{comma}{params}}}}}"#
        );
        told(world.modern(method, name, body))
    };
    let read = |uri: &str| format!(r#""uri":"{uri}""#);
    assert_eq!(send("resources/read", Some("file:///a"), &read("file:///a")).await.0, 200);
    assert_eq!(send("resources/read", Some("file:///b"), &read("file:///b")).await.0, 403);
    assert_eq!(send("prompts/get", Some("p"), r#""name":"p""#).await.0, 403);
    for method in [
        "completion/complete",
        "resources/subscribe",
        "subscriptions/listen",
        "tasks/get",
        "tools/CALL",
        "tools/call ",
        "Initialize",
    ] {
        let (status, _) = send(method, None, "").await;
        assert!(matches!(status, 400 | 403), "{method} {status}");
    }
    assert_eq!(world.upstream.arrived().len(), 1);
    for method in ["ping", "server/discover", "logging/setLevel"] {
        assert_eq!(send(method, None, "").await.0, 200, "{method}");
    }
    let decided = world.records().iter().filter(|record| record.decision.is_allow()).count();
    assert_eq!((decided, world.upstream.arrived().len()), (1, 4));
    // Answers that come with a request must not name roots.
    let roots = r#""uri":"file:///a","inputResponses":{"q":{"roots":[{"uri":"file:///"}]}}"#;
    assert_eq!(send("resources/read", Some("file:///a"), roots).await.0, 400);
    let other =
        r#""uri":"file:///a","requestState":"s","inputResponses":{"q":{"action":"accept"}}"#;
    assert_eq!(send("resources/read", Some("file:///a"), other).await.0, 200);
    assert!(world.upstream.last().text().contains("inputResponses"));
}

#[tokio::test]
async fn the_servers_own_errors_pass_as_they_are() {
    let world = World::new(|arrived| {
        let text = arrived.text();
        let error =
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"not initialized"},"id":null}"#;
        let mut response = json(if text.contains("discover") { error } else { "{ }" });
        *response.status_mut() =
            if text.contains("discover") { 400 } else { 404 }.try_into().unwrap();
        response.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
        response
    })
    .await;
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{META}}}}}"#);
    let answer = world.modern("server/discover", None, body).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("set-cookie")), (400, None));
    assert!(answer.text().await.unwrap().contains(r#""id":null"#));
    let answer = world.post(INITIALIZE).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("mcp-session-id")), (404, None));
    assert!(answer.text().await.unwrap().contains("the server refused the request"));
}

#[tokio::test]
async fn a_trace_is_known_by_the_metadata_first() {
    let world = World::new(plain).await;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let trace = |id: &str| format!("00-{id}-00f067aa0ba902b7-01");
    let meta = META.replacen('{', &format!(r#"{{"traceparent":"{}","#, trace(id)), 1);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x",{meta}}}}}"#
    );
    let call = world.modern("tools/call", Some("x"), body);
    let call = call.header("traceparent", trace(&"1".repeat(32)));
    assert_eq!(call.send().await.unwrap().status(), 200);
    assert_eq!(world.records().pop().unwrap().trace.as_deref(), Some(id));
}

/// What repeats arguments, and was not held against them, could say something else.
#[tokio::test]
async fn headers_that_nobody_judged_stay_down() {
    let world = World::new(plain).await;
    let call = world.call("x", r#"{"a":1}"#).header("mcp-param-unheard", "eu");
    assert_eq!(call.header("mcp-foo", "1").send().await.unwrap().status(), 200);
    let last = world.upstream.last();
    for name in ["mcp-param-unheard", "mcp-foo"] {
        assert!(!last.headers.contains_key(name), "{name}");
    }
    assert_eq!(last.headers["mcp-method"], "tools/call");
}
