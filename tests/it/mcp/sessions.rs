//! A session is its owner's, and proves nothing.

use std::time::Duration;

use hardtack::verify::DangerUnrevoked;
use serde_json::json as value;

use super::upstream::{Arrived, events, json, plain, silent};
use super::world::{ALL, INITIALIZE, Settings, World, token, told};
use crate::support_guard::client;

const CALL: &str = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x"}}"#;

/// Nobody is told of it, so that nobody could end it.
#[tokio::test]
async fn a_session_whose_opening_was_no_answer_ends() {
    for (id, kind) in [(77, "application/json"), (0, "text/html")] {
        ends_at_its_server(id, kind).await;
    }
}

async fn ends_at_its_server(id: u64, kind: &'static str) {
    let world = World::new(move |arrived: &Arrived| match arrived.method.as_str() {
        "POST" => {
            let mut answer = json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
            answer.headers_mut().insert("content-type", kind.parse().unwrap());
            answer.headers_mut().insert("mcp-session-id", "upstream-7".parse().unwrap());
            answer
        }
        _ => json(""),
    })
    .await;
    let opened = world.post(INITIALIZE).send().await.unwrap();
    assert_eq!((opened.status().as_u16(), opened.headers().get("mcp-session-id")), (502, None));
    let ended = || {
        let last = world.upstream.last();
        last.method == http::Method::DELETE && last.headers["mcp-session-id"] == "upstream-7"
    };
    for _ in 0..400 {
        if ended() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:?}", world.upstream.arrived());
}

#[tokio::test]
async fn a_session_is_needed_and_its_owners() {
    let world = World::new(plain).await;
    let session = world.session().await;
    assert_ne!(session, "upstream-1");
    let other = token(ALL, 2).to_text();
    let with = |session: &str, bearer: &str| {
        let mut request = world.post(CALL).header("mcp-session-id", session).build().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
        told(reqwest::RequestBuilder::from_parts(client(), request))
    };
    assert_eq!(told(world.post(CALL)).await.0, 400);
    assert_eq!(with(&session, &world.bearer).await.0, 200);
    let last = world.upstream.last();
    assert_eq!(last.headers["mcp-session-id"], "upstream-1");
    assert_eq!(last.text(), CALL);
    let before = (world.upstream.arrived().len(), world.records().len());
    assert_eq!(with(&session, &other).await.0, 404);
    assert_eq!(with("upstream-1", &world.bearer).await.0, 404);
    assert_eq!(with(&session.to_uppercase(), &world.bearer).await.0, 404);
    assert_eq!((world.upstream.arrived().len(), world.records().len()), before);
    // It proves nothing: without a token, with one that is of no use.
    assert_eq!(with(&session, "x").await.0, 401);
    let twice = world.post(CALL).header("mcp-session-id", &session);
    assert_eq!(told(twice.header("mcp-session-id", &session)).await.0, 400);
    let again = world.post(INITIALIZE).header("mcp-session-id", &session);
    assert_eq!(told(again).await.0, 400);
    assert_eq!(world.upstream.arrived().len(), before.0);
}

#[tokio::test]
async fn a_session_ends_when_its_owner_says_so() {
    let world = World::new(plain).await;
    let session = world.session().await;
    let end = |bearer: &str| {
        let request = client().delete(world.url()).bearer_auth(bearer);
        request.header("mcp-session-id", &session).send()
    };
    let before = world.upstream.arrived().len();
    assert_eq!(end(&token(ALL, 2).to_text()).await.unwrap().status(), 404);
    assert_eq!(end("x").await.unwrap().status(), 401);
    assert_eq!(world.upstream.arrived().len(), before);
    assert_eq!(end(&world.bearer).await.unwrap().status(), 200);
    assert_eq!(world.upstream.last().method, http::Method::DELETE);
    assert_eq!(world.upstream.last().headers["mcp-session-id"], "upstream-1");
    assert_eq!(end(&world.bearer).await.unwrap().status(), 404);
    assert_eq!(told(world.post(CALL).header("mcp-session-id", &session)).await.0, 404);
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_ended() {
    let world = World::new(|arrived: &Arrived| {
        let mut response = plain(arrived);
        if arrived.headers.contains_key("mcp-session-id") {
            *response.status_mut() = http::StatusCode::NOT_FOUND;
        }
        response
    })
    .await;
    let session = world.session().await;
    let call = || world.post(CALL).header("mcp-session-id", &session);
    assert_eq!(told(call()).await.0, 404);
    let before = world.upstream.arrived().len();
    assert_eq!(told(call()).await.0, 404);
    assert_eq!(world.upstream.arrived().len(), before);
}

#[tokio::test]
async fn sessions_are_bounded() {
    let settings = Settings { sessions_max: 2, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, plain).await;
    world.session().await;
    world.session().await;
    let before = world.upstream.arrived().len();
    assert_eq!(told(world.post(INITIALIZE)).await.0, 503);
    assert_eq!(world.upstream.arrived().len(), before);
}

/// However many a caller opens at once.
#[tokio::test]
async fn sessions_that_are_being_opened_count() {
    let settings = Settings { sessions_max: 100, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, plain).await;
    let opened = (0..60).map(|_| tokio::spawn(world.post(INITIALIZE).send()));
    let mut good = Vec::new();
    for answer in opened.collect::<Vec<_>>() {
        let answer = answer.await.unwrap().unwrap();
        good.extend(answer.headers().get("mcp-session-id").cloned());
    }
    let mut living = 0;
    for session in good {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        living +=
            usize::from(told(world.post(ping).header("mcp-session-id", session)).await.0 == 200);
    }
    assert!((1..=32).contains(&living), "{living}");
}

/// A session is listened to once; who listens again takes the place of the first, and nobody who
/// listens keeps others from calling.
#[tokio::test]
async fn who_listens_again_is_the_only_one() {
    let world = World::new(|arrived: &Arrived| match arrived.method == http::Method::GET {
        true => events(silent()),
        false => plain(arrived),
    })
    .await;
    let session = world.session().await;
    let listen = || {
        let request = client().get(world.url()).bearer_auth(&world.bearer);
        request.header("accept", "text/event-stream").header("mcp-session-id", &session).send()
    };
    let mut first = listen().await.unwrap();
    assert_eq!(first.status(), 200);
    let mut second = listen().await.unwrap();
    assert_eq!(second.status(), 200);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), first.chunk()).await;
    assert!(!matches!(ended.unwrap(), Ok(Some(_))));
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(200), second.chunk()).await;
    assert!(quiet.is_err(), "the second goes on");
}

/// What is not decided waits for an answer all the same.
#[tokio::test]
async fn lists_are_in_flight_too() {
    let limits = hardtack::config::gateway::Limits { calls_max: 100, task_calls_max: 2 };
    let settings = Settings { limits, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, |_: &Arrived| events(silent())).await;
    let list = || {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#,
            super::world::META
        );
        world.modern("tools/list", None, body)
    };
    let (_one, _two) = (list().send().await.unwrap(), list().send().await.unwrap());
    let (status, body) = told(list()).await;
    assert_eq!((status, &body["error"]["data"]["code"]), (200, &"too-many-calls".into()), "{body}");
    assert_eq!(world.records().pop().unwrap().decision.code().unwrap().as_str(), "too-many-calls");
}

#[tokio::test]
async fn what_makes_room_for_another_ends_at_the_server_too() {
    let settings = Settings { sessions_max: 64, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, plain).await;
    let first = world.session().await;
    for _ in 0..32 {
        world.session().await;
    }
    assert_eq!(told(world.post(CALL).header("mcp-session-id", first)).await.0, 404);
    let mut left = 200;
    while world.upstream.arrived().iter().all(|one| one.method != http::Method::DELETE) {
        left -= 1;
        assert!(left > 0);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_caller_answers_only_what_was_asked() {
    let asks = concat!(
        "data: {\"method\":\"sampling/createMessage\",\"id\":0,\"jsonrpc\":\"2.0\",\"params\":{\"id\":4}}\n\n",
        "data: {\"method\":\"roots/list\",\"id\":\"r\",\"jsonrpc\":\"2.0\"}\n\n",
        "data: {\"method\":\"notifications/message\",\"params\":{\"id\":5}}\n\n",
        "data: {\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"id\":6,\"method\":\"x\"}}\n\n",
    );
    let settings = Settings { roots: vec!["file:///data".to_owned()], ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, move |arrived: &Arrived| {
        match arrived.text().contains("tools/call") {
            true => events(asks),
            false => plain(arrived),
        }
    })
    .await;
    let (session, other) = (world.session().await, world.session().await);
    let answer = |session: &str, text: &str| {
        told(world.post(text.to_owned()).header("mcp-session-id", session))
    };
    let said = |id: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[{{"uri":"file:///"}}]}}}}"#)
    };
    assert_eq!(answer(&session, &said("0")).await.0, 400);
    let call = world.post(CALL).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(call.text().await.unwrap(), asks);
    let before = world.upstream.arrived().len();
    for id in ["1", "3", "4", "5", "6", "\"0\""] {
        assert_eq!(answer(&session, &said(id)).await.0, 400, "{id}");
    }
    assert_eq!(answer(&other, &said("0")).await.0, 400);
    assert_eq!(world.upstream.arrived().len(), before);
    assert_eq!(answer(&session, &said("0")).await.0, 202);
    assert_eq!(world.upstream.last().text(), said("0"));
    // Once is enough.
    assert_eq!(answer(&session, &said("0")).await.0, 400);
    // Roots are the gateway's to name.
    assert_eq!(answer(&session, &said("\"r\"")).await.0, 202);
    let want =
        value!({"jsonrpc": "2.0", "id": "r", "result": {"roots": [{"uri": "file:///data"}]}});
    assert_eq!(world.upstream.last().json(), want);
}

#[tokio::test]
async fn no_caller_names_roots() {
    let world = World::new(plain).await;
    let session = world.session().await;
    let without = INITIALIZE.replace(r#""roots":{"listChanged":true},"#, "");
    assert_eq!(world.upstream.last().text(), without);
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let before = world.upstream.arrived().len();
    assert_eq!(told(world.post(changed).header("mcp-session-id", &session)).await.0, 202);
    assert_eq!(world.upstream.arrived().len(), before);
    let other = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(told(world.post(other).header("mcp-session-id", &session)).await.0, 202);
    assert_eq!(world.upstream.last().text(), other);
}
