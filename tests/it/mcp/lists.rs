//! Callers see of a list what they could call.

use hardtack::verify::DangerUnrevoked;

use super::upstream::{Arrived, events, json, plain};
use super::world::{META, Settings, World, told};
use crate::support_guard::client;

const TOOLS: &str = concat!(
    r#"{"result":{"tools":[{"name":"x","n":1.50},{"name":"y"},{"name":"changed"},{"name":"x","#,
    r#""name":"x"},{"name":"mcp:ping"},{"name":"picky"}],"nextCursor":"c"},"jsonrpc":"2.0","id":1}"#
);
const SEEN: &str = concat!(
    r#"{"result":{"ttlMs":0,"cacheScope":"private","tools":[{"name":"x","n":1.50},{"name":"picky"}],"#,
    r#""nextCursor":"c"},"jsonrpc":"2.0","id":1}"#
);
const GRANTS: &str =
    r#"[{"tool":"s/x","args":{"a":{"max":5}}},{"tool":"s/picky"},{"tool":"s/changed"}]"#;

fn list(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"cursor":"a",{META}}}}}"#)
}

#[tokio::test]
async fn lists_hold_what_the_token_could_call() {
    let world = World::new(|_: &Arrived| json(TOOLS)).await.holding(GRANTS);
    let answer = world.modern("tools/list", None, list("tools/list")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), SEEN);
    // Nothing was decided, so nothing was recorded.
    assert!(world.records().is_empty());
}

#[tokio::test]
async fn lists_of_a_stream_are_narrowed_and_other_events_stay() {
    let stream = format!(
        "id: 1\ndata: \n\n: hi\nevent: message\nid: 2\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}}\n\nid: 3\r\ndata: {TOOLS}\r\n\r\n"
    );
    let want = stream.replace(&format!("{TOOLS}\r\n"), &format!("{SEEN}\n"));
    let world = World::new(move |_: &Arrived| events(stream.clone())).await.holding(GRANTS);
    let answer = world.modern("tools/list", None, list("tools/list")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), want);
}

#[tokio::test]
async fn each_list_is_narrowed_by_what_reads_it() {
    let answer = |arrived: &Arrived| {
        let member = match arrived.json()["method"].as_str().unwrap() {
            "prompts/list" => r#""prompts":[{"name":"p"}]"#,
            "resources/list" => r#""resources":[{"uri":"u","name":"n"}]"#,
            _ => r#""resourceTemplates":[{"uriTemplate":"u{x}","name":"n"}]"#,
        };
        json(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{member}}}}}"#))
    };
    let cases = [
        ("prompts/list", "prompts", r#"[{"tool":"s/mcp:prompts/get"}]"#),
        ("resources/list", "resources", r#"[{"tool":"s/mcp:resources/read"}]"#),
        ("resources/templates/list", "resourceTemplates", r#"[{"tool":"s/mcp:resources/read"}]"#),
    ];
    for (method, member, grants) in cases {
        for (grants, seen) in [(grants, 1), (r#"[{"tool":"s/x"}]"#, 0)] {
            let world = World::new(answer).await.holding(grants);
            let (_, answer) = told(world.modern(method, None, list(method))).await;
            assert_eq!(answer["result"][member].as_array().unwrap().len(), seen, "{answer}");
        }
    }
}

#[tokio::test]
async fn prompts_and_resources_are_shown_by_what_is_granted_of_them() {
    let answer = |arrived: &Arrived| {
        let member = match arrived.json()["method"].as_str().unwrap() {
            "prompts/list" => r#""prompts":[{"name":"p"},{"name":"q"}]"#,
            "resources/list" => {
                r#""resources":[{"uri":"data://a/1","name":"1"},{"uri":"data://b/1","name":"2"}]"#
            }
            _ => r#""resourceTemplates":[{"uriTemplate":"data://{x}/1","name":"n"}]"#,
        };
        json(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{member}}}}}"#))
    };
    let grants = r#"[
        {"tool": "s/mcp:prompts/get", "args": {"name": {"eq": "q"}, "arguments": {"any": true}}},
        {"tool": "s/mcp:resources/read", "args": {"uri": {"prefix": "data://a/"}}}
    ]"#;
    let world = World::new(answer).await.holding(grants);
    for (method, path, name) in [
        ("prompts/list", "/result/prompts", "q"),
        ("resources/list", "/result/resources", "1"),
        ("resources/templates/list", "/result/resourceTemplates", "n"),
    ] {
        let (_, answer) = told(world.modern(method, None, list(method))).await;
        let shown = answer.pointer(path).unwrap().as_array().unwrap();
        let names: Vec<_> = shown.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, [name], "{answer}");
    }
}

#[tokio::test]
async fn lists_that_cannot_be_read_are_not_passed_on() {
    let secret = "hidden-tool";
    let texts = [
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"{secret}"}}]}}"#),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[],"tools":[{{"name":"{secret}"}}]}}}}"#
        ),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{{"name":"{secret}"}}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":[{{"name":"{secret}"}}]}}"#),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":["{}{secret}"]}}}}"#,
            "x".repeat(2000)
        ),
    ];
    for text in texts {
        for stream in [false, true] {
            let settings = Settings { list_bytes_max: 1000, ..Settings::default() };
            let told = text.clone();
            let world = World::with(settings, DangerUnrevoked, move |_: &Arrived| match stream {
                false => json(told.clone()),
                true => events(format!("data: {told}\n\n")),
            })
            .await;
            let answer = world.modern("tools/list", None, list("tools/list")).send().await.unwrap();
            let status = answer.status();
            let body = answer.text().await.unwrap();
            assert!(status == 200 && !body.contains(secret), "{body}");
            assert!(body.contains(r#""id":1,"error":{"code":-32603"#), "{body}");
        }
    }
}

#[tokio::test]
async fn errors_in_place_of_a_list_pass() {
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such cursor"}}"#;
    let world = World::new(move |_: &Arrived| json(error)).await;
    let answer = world.modern("tools/list", None, list("tools/list")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), error);
}

#[tokio::test]
async fn a_list_that_is_told_again_is_narrowed_again() {
    let stream = format!(
        "id: 1\ndata: {{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":\"sampling/createMessage\"}}\n\nid: 9\ndata: {TOOLS}\n\ndata: {{\"id\":2,\"result\":{{\"tools\":7}}}}\n\n"
    );
    let narrowed = stream.replace(TOOLS, &SEEN.replace(r#""ttlMs":0,"cacheScope":"private","#, ""));
    let world = World::new(move |arrived: &Arrived| match arrived.method.as_str() {
        "GET" => events(stream.clone()),
        _ => plain(arrived),
    })
    .await
    .holding(GRANTS);
    let session = world.session().await;
    let listen = client().get(world.url()).bearer_auth(&world.bearer);
    let listen = listen.header("accept", "text/event-stream");
    let answer = listen.header("mcp-session-id", session).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), narrowed);
    let last = world.upstream.last();
    assert_eq!(last.headers["mcp-session-id"], "upstream-1");
}
