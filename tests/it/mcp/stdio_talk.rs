//! What a child may say to whom, and what reaches it of a caller.

use std::time::{Duration, Instant};

use hardtack::gateway::StdioOptions;
use serde_json::json;

use super::stdio::{Stdio, call, messages};
use super::world::{INITIALIZE, META, Settings, told};

fn with_env(options: &mut StdioOptions, env: &str) {
    let extra: std::collections::BTreeMap<_, _> = serde_json::from_str(env).unwrap();
    options.env.extend(extra);
}

#[tokio::test]
async fn one_message_is_one_line() {
    let stdio = Stdio::new().await;
    let smuggled = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"y"}}"#;
    for line_break in ["\n", "\r", "\r\n"] {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"x\",\"arguments\":{{\"a\":{line_break}{smuggled}{line_break}}},{META}}}}}"
        );
        let (status, answer) = told(stdio.world.modern("tools/call", Some("x"), body)).await;
        assert_eq!((status, &answer["id"]), (200, &json!(1)), "{line_break:?} {answer}");
        assert!(answer["result"].is_object(), "{line_break:?} {answer}");
    }
    let arrived = stdio.arrived();
    assert_eq!(arrived.len(), 3, "{arrived:?}");
    assert!(arrived.iter().all(|line| line.starts_with(r#"{"jsonrpc":"2.0","id":"#)));
}

#[tokio::test]
async fn a_secret_comes_back_in_no_message() {
    let stdio = Stdio::with(Settings::default(), |options| {
        with_env(options, r#"{"KEY":{"env":"CARGO_PKG_NAME"}}"#);
    })
    .await;
    let session = stdio.world.session().await;
    let told_of = messages(stdio.legacy(&session, &call("tells", "1"))).await;
    assert_eq!(told_of.len(), 2, "{told_of:?}");
    assert_eq!(told_of[0]["params"], json!({}));
    assert_eq!(told_of[1]["result"]["ok"], true);
    // Nor was the question asked.
    let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    assert_eq!(told(stdio.legacy(&session, answer)).await.0, 400);
}

#[tokio::test]
async fn a_modern_child_asks_nobody() {
    let stdio = Stdio::new().await;
    let ask = stdio.modern("ask", "1", "").timeout(Duration::from_secs(20));
    let told_of = messages(ask).await;
    assert_eq!(told_of.len(), 1, "{told_of:?}");
    assert_eq!((&told_of[0]["id"], &told_of[0]["result"]), (&json!(1), &json!({"refused": true})));
}

#[tokio::test]
async fn a_modern_message_of_no_request_goes_to_nobody_where_two_asked() {
    let stdio = Stdio::new().await;
    let silent =
        tokio::spawn(messages(stdio.modern("silent", "1", "").timeout(Duration::from_secs(30))));
    while stdio.arrived().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let second = messages(stdio.modern("flood", "2", "")).await;
    assert_eq!(second.len(), 1, "{} after {:?}", second.len(), began.elapsed());
    silent.abort();
}

#[tokio::test]
async fn progress_that_names_no_number_goes_to_nobody() {
    let stdio = Stdio::new().await;
    let session = stdio.world.session().await;
    let told_of = messages(stdio.legacy(&session, &call("unnamed", "1"))).await;
    assert_eq!(told_of.len(), 1, "{told_of:?}");
}

#[tokio::test]
async fn only_ones_own_requests_are_cancelled() {
    let stdio = Stdio::new().await;
    let session = stdio.world.session().await;
    let before = stdio.arrived().len();
    for params in [r#"{"requestId":1}"#, r#"{"requestId":"1"}"#, r#"{"reason":"x"}"#, "{}"] {
        let text =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
        assert_eq!(told(stdio.legacy(&session, &text)).await.0, 202, "{params}");
    }
    assert_eq!(told(stdio.legacy(&session, &call("x", "4"))).await.0, 200);
    let arrived = stdio.arrived();
    assert_eq!(arrived.len(), before + 1, "{arrived:?}");
}

#[tokio::test]
async fn no_session_opens_where_the_child_refuses_one() {
    let stdio =
        Stdio::with(Settings::default(), |options| with_env(options, r#"{"REFUSES":"yes"}"#)).await;
    let answer = stdio.world.post(INITIALIZE).send().await.unwrap();
    assert!(!answer.headers().contains_key("mcp-session-id"));
    assert!(answer.text().await.unwrap().contains("-32000"));
    stdio.children(0).await;
}

#[tokio::test]
async fn a_list_after_other_messages_is_narrowed() {
    let stdio =
        Stdio::with(Settings::default(), |options| with_env(options, r#"{"BEFORE":"yes"}"#)).await;
    let stdio = Stdio { world: stdio.world.holding(r#"[{"tool":"s/x"}]"#), ..stdio };
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    let told_of = messages(stdio.world.modern("tools/list", None, body)).await;
    assert_eq!(told_of.len(), 2, "{told_of:?}");
    assert_eq!(told_of[1]["result"]["tools"], json!([{"name": "x"}]));
}

#[tokio::test]
async fn a_stream_says_that_its_child_ended() {
    let stdio = Stdio::new().await;
    let pausing = tokio::spawn(messages(stdio.modern("pauses", "1", "")));
    while stdio.arrived().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // By now the message before has made a stream of the answer.
    tokio::time::sleep(Duration::from_millis(200)).await;
    messages(stdio.modern("crash", "2", "")).await;
    let told_of = pausing.await.unwrap();
    assert_eq!(told_of.len(), 2, "{told_of:?}");
    assert_eq!((&told_of[1]["id"], &told_of[1]["error"]["code"]), (&json!(1), &json!(-32603)));
}

#[tokio::test]
async fn a_child_that_says_no_more_is_not_waited_for() {
    let stdio = Stdio::with(Settings::default(), |options| {
        options.answer_timeout = Duration::from_millis(300);
    })
    .await;
    let told_of = messages(stdio.modern("pauses", "1", "").timeout(Duration::from_secs(30))).await;
    assert_eq!(told_of.len(), 2, "{told_of:?}");
    assert_eq!((&told_of[1]["id"], &told_of[1]["error"]["code"]), (&json!(1), &json!(-32603)));
}
