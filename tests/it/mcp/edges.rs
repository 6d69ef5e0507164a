//! Spellings, versions and depths at the edge of what is taken; answers that nobody may keep.

use hardtack::mcp::{Message, MessageError};
use hardtack::model::JsonProfile;
use http::HeaderValue;

use super::upstream::{Arrived, events, json, plain};
use super::world::{INITIALIZE, META, World, call, told};
use crate::support_guard::client;

#[tokio::test]
async fn a_header_that_is_no_plain_text_repeats_nothing() {
    let world = World::new(plain).await;
    for name in ["é", "=?base64?eA=?=", "=?base64?/w==?="] {
        let mut request = world.call("x", "{}").build().unwrap();
        *request.body_mut() = Some(call(name, "{}").into());
        let name = HeaderValue::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert("mcp-name", name.clone());
        let request = reqwest::RequestBuilder::from_parts(client(), request);
        let (status, body) = told(request).await;
        assert_eq!((status, &body["error"]["code"]), (400, &(-32020).into()), "{name:?} {body}");
    }
    assert!(world.upstream.arrived().is_empty());
}

#[test]
fn a_message_is_as_deep_as_arguments_may_be_and_no_deeper() {
    let parse = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"_meta":{{"a":{open}{close}}}}}}}"#
        );
        Message::parse(text, JsonProfile::default())
    };
    assert!(parse(33).is_ok());
    assert!(matches!(parse(34), Err(MessageError::Json(_))), "{:?}", parse(34));
}

#[tokio::test]
async fn who_listens_or_ends_says_so_as_the_protocol_has_it() {
    let world = World::new(|arrived: &Arrived| match arrived.method.as_str() {
        "GET" => events(": \n\n"),
        _ => plain(arrived),
    })
    .await;
    let session = world.session().await;
    let send = |method: http::Method, version: &str, accept: &str| {
        let request = client().request(method, world.url()).bearer_auth(&world.bearer);
        let request = request.header("mcp-session-id", &session).header("accept", accept);
        told(request.header("mcp-protocol-version", version.to_owned()))
    };
    let before = world.upstream.arrived().len();
    for method in [http::Method::GET, http::Method::DELETE] {
        for (version, status) in [("2026-07-28", 405), ("1900-01-01", 400)] {
            let (answered, body) = send(method.clone(), version, "*/*").await;
            assert_eq!(answered, status, "{method} {version} {body}");
        }
    }
    assert_eq!(send(http::Method::GET, "2025-11-25", "application/json").await.0, 406);
    assert_eq!(world.upstream.arrived().len(), before);
    assert_eq!(send(http::Method::GET, "2025-11-25", "text/event-stream").await.0, 200);
    assert_eq!(send(http::Method::DELETE, "2025-11-25", "").await.0, 200);
}

#[tokio::test]
async fn what_answers_a_listener_is_a_stream_or_nothing() {
    let hidden = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden"}]}}"#;
    let world = World::new(move |arrived: &Arrived| match arrived.method.as_str() {
        "GET" => json(hidden),
        _ => plain(arrived),
    })
    .await
    .holding(r#"[{"tool":"s/x"}]"#);
    let listen = client().get(world.url()).bearer_auth(&world.bearer);
    let listen = listen.header("accept", "*/*").header("mcp-session-id", world.session().await);
    let (status, body) = told(listen).await;
    assert!(status == 502 && !body.to_string().contains("hidden"), "{status} {body}");
}

#[tokio::test]
async fn the_place_in_a_stream_is_of_the_legacy_era() {
    let world = World::new(plain).await;
    assert_eq!(told(world.call("x", "{}").header("last-event-id", "8")).await.0, 200);
    assert!(!world.upstream.last().headers.contains_key("last-event-id"));
}

/// Readers take what an answer is from its header, and split its lines by the charset.
#[tokio::test]
async fn what_an_answer_is_says_the_gateway() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for (kinds, want) in [
        (&["application/json; x=y"][..], Some("application/json")),
        (&["Application/JSON;charset=UTF-8"], Some("application/json")),
        (&["text/event-stream"], Some("text/event-stream")),
        (&["Text/Event-Stream ; charset=\"utf-8\""], Some("text/event-stream")),
        (&["text/event-stream; charset=utf-7"], None),
        (&["text/event-stream;x=y; Charset = latin1"], None),
        (&["text/event-stream, x"], None),
        (&["application/json; charset=utf-16"], None),
        (&["application/json", "text/event-stream"], None),
        (&["application/json-seq"], None),
        (&["text/html"], None),
        (&[""], None),
        (&[], None),
    ] {
        for method in ["tools/call", "tools/list"] {
            let world = World::new(move |_: &Arrived| {
                let list = answer.replace("{}", r#"{"tools":[]}"#);
                let is_stream = kinds.iter().any(|kind| kind.to_lowercase().contains("event"));
                let mut told = match is_stream {
                    true => events(format!("data: {list}\n\n")),
                    false => json(list),
                };
                told.headers_mut().remove("content-type");
                for kind in kinds {
                    told.headers_mut().append("content-type", kind.parse().unwrap());
                }
                told
            })
            .await;
            let request = match method {
                "tools/call" => world.call("x", "{}"),
                _ => world.modern(
                    method,
                    None,
                    format!(
                        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}}}}}"#
                    ),
                ),
            };
            let heard = request.send().await.unwrap();
            let found = heard.headers()["content-type"].to_str().unwrap().to_owned();
            let want = (want.map_or(502, |_| 200), want.unwrap_or("application/json"));
            assert_eq!((heard.status().as_u16(), found.as_str()), want, "{kinds:?} {method}");
        }
    }
}

/// A server may have one store of events for all its sessions.
#[tokio::test]
async fn a_session_asks_for_its_own_events_alone() {
    let world = World::new(|arrived: &Arrived| {
        let text = arrived.text();
        match (arrived.method.as_str(), text.contains("tools/call")) {
            ("GET", _) => events("id: heard\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n"),
            (_, true) => events(format!(
                "id: first\ndata:\n\nid: {}\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n\n",
                arrived.headers["mcp-protocol-version"].to_str().unwrap(),
            )),
            _ => plain(arrived),
        }
    })
    .await;
    let (one, other) = (world.session().await, world.session().await);
    let listen = async |session: &str, last: Option<&str>| {
        let listen = client().get(world.url()).bearer_auth(&world.bearer);
        let listen = listen.header("accept", "text/event-stream").header("mcp-session-id", session);
        let listen = match last {
            Some(last) => listen.header("last-event-id", last),
            None => listen,
        };
        let before = world.upstream.arrived().len();
        let status = told(listen).await.0;
        let last =
            world.upstream.arrived().get(before).map(|up| up.headers.get("last-event-id").cloned());
        (status, last.flatten().map(|last| last.to_str().unwrap().to_owned()))
    };
    for last in ["heard", "first", "2025-11-25"] {
        assert_eq!(listen(&one, Some(last)).await, (200, None), "{last}");
    }
    assert_eq!(listen(&one, None).await, (200, None));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#;
    let call = world.post(call);
    let call = call.header("mcp-session-id", &one).header("mcp-protocol-version", "2025-11-25");
    assert_eq!(told(call).await.0, 200);
    for last in ["heard", "first", "2025-11-25"] {
        assert_eq!(listen(&one, Some(last)).await, (200, Some(last.to_owned())));
        assert_eq!(listen(&other, Some(last)).await, (200, None), "{last}");
    }
    assert_eq!(listen(&one, Some("third")).await, (200, None));
}

#[tokio::test]
async fn nobody_keeps_an_answer_that_does_not_say_so() {
    let world = World::new(|arrived: &Arrived| match arrived.text().contains("\"kept\"") {
        true => {
            let mut response = plain(arrived);
            let private = HeaderValue::from_static("private, max-age=1");
            response.headers_mut().insert("cache-control", private);
            response
        }
        false => plain(arrived),
    })
    .await
    .holding(r#"[{"tool":"s/x"},{"tool":"s/kept"}]"#);
    let kept = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        answer.headers()["cache-control"].to_str().unwrap().to_owned()
    };
    assert_eq!(kept(world.call("x", "{}")).await, "no-store");
    assert_eq!(kept(world.call("kept", "{}")).await, "private, max-age=1");
    assert_eq!(kept(world.call("y", "{}")).await, "no-store");
    assert_eq!(kept(world.post(INITIALIZE)).await, "no-store");
    assert_eq!(kept(world.post("{")).await, "no-store");
}

#[tokio::test]
async fn a_list_among_the_members_of_another_is_narrowed_too() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"p"}],"tools":[{"name":"x"},{"name":"y"}]}}"#;
    let world = World::new(move |_: &Arrived| json(answer)).await.holding(r#"[{"tool":"s/x"}]"#);
    let list = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    let (_, body) = told(world.modern("tools/list", None, list)).await;
    let seen = (body["result"]["tools"].to_string(), body["result"]["prompts"].to_string());
    assert_eq!(seen, (r#"[{"name":"x"}]"#.to_owned(), "[]".to_owned()), "{body}");
}

#[tokio::test]
async fn metadata_are_told_to_whoever_means_this_host() {
    let world = World::new(plain).await;
    let url = format!("{}/.well-known/oauth-protected-resource/mcp", world.base);
    assert_eq!(told(client().get(&url)).await.0, 200);
    for (name, value, status) in
        [("host", "evil.example", 421), ("origin", "https://evil.example", 403)]
    {
        assert_eq!(told(client().get(&url).header(name, value)).await.0, status, "{name}");
    }
}
