//! Servers that break off, callers that dawdle, records that cannot be written.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hardtack::config::SystemClock;
use hardtack::keys::TrustedRoots;
use hardtack::mint::{self, Task};
use hardtack::model::{Clock, Key16, Timestamp};
use hardtack::record::{Record, Sink, SinkError};
use hardtack::verify::{DangerUnrevoked, RevocationView};
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::upstream::{Arrived, events, json, plain};
use super::world::{ALL, META, Settings, World, told};
use crate::support::rng;
use crate::support_guard::root;

/// A sink that is out of order.
struct Broken(AtomicUsize);

impl Sink for Broken {
    fn write(&self, _: Record) -> Result<(), SinkError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(SinkError::Io(std::io::Error::other("out of order")))
    }
}

#[tokio::test]
async fn nothing_goes_up_without_its_record() {
    let sink = Arc::new(Broken(AtomicUsize::new(0)));
    let settings = Settings { sink: Some(sink.clone()), ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, plain).await;
    let (status, body) = told(world.call("x", "{}")).await;
    assert_eq!((status, &body["error"]["code"]), (503, &7503.into()), "{body}");
    assert_eq!(told(world.call("x", "[]")).await.0, 503);
    assert_eq!(told(world.call("picky", r#"{"bad":1}"#)).await.0, 503);
    assert_eq!(sink.0.load(Ordering::SeqCst), 3);
    assert!(world.upstream.arrived().is_empty());
}

#[tokio::test]
async fn long_and_slow_messages_are_refused() {
    let settings = Settings {
        body_bytes_max: 1000,
        body_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let world = World::with(settings, DangerUnrevoked, plain).await;
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1000));
    assert_eq!(told(world.call("x", &long)).await.0, 413);
    let host = world.base.strip_prefix("http://").unwrap();
    let mut slow = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: */*\r\nauthorization: Bearer {}\r\ncontent-length: 500\r\n\r\n{{",
        world.bearer
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    // A token in the headers that is of no use is refused before the body is read.
    let mut early = tokio::net::TcpStream::connect(host).await.unwrap();
    early.write_all(head.replace(&world.bearer, "x").as_bytes()).await.unwrap();
    early.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 401");
    assert!(world.upstream.arrived().is_empty());
}

/// A body that is fed from outside; its sender learns when it is let go.
struct Fed(mpsc::Receiver<Result<Bytes, std::io::Error>>);

type Feed = mpsc::Sender<Result<Bytes, std::io::Error>>;

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|one| one.map(|one| one.map(Frame::data)))
    }
}

/// A world whose server answers with bodies that are fed by what comes out.
async fn feeding(stream: bool, list_bytes_max: usize) -> (World, mpsc::UnboundedReceiver<Feed>) {
    let (feeds, receiver) = mpsc::unbounded_channel();
    let settings = Settings { list_bytes_max, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, move |_: &Arrived| {
        let (feed, fed) = mpsc::channel(1);
        feeds.send(feed).unwrap();
        let body = Body::new(Fed(fed));
        if stream { events(body) } else { json(body) }
    })
    .await;
    (world, receiver)
}

const NOTE: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";

async fn feed(feed: &Feed, text: &str) {
    feed.send(Ok(Bytes::from(text.to_owned()))).await.unwrap();
}

#[tokio::test]
async fn answers_are_streamed_and_one_that_breaks_off_is_not_whole() {
    for stream in [false, true] {
        let (world, mut feeds) = feeding(stream, 100).await;
        let request = tokio::spawn(world.call("x", "{}").send());
        let one = feeds.recv().await.unwrap();
        // A short answer that is no stream is waited for; a longer one is one part behind, since its end
        // is held back.
        let long = "x".repeat(70_000);
        feed(&one, if stream { NOTE } else { &long }).await;
        let mut answer = request.await.unwrap().unwrap();
        let mut behind = long.len();
        if stream {
            assert_eq!(answer.chunk().await.unwrap().unwrap(), NOTE);
            behind = 10_000;
        }
        // Longer than anything that is kept.
        for _ in 0..100 {
            feed(&one, &"x".repeat(10_000)).await;
            let mut left = std::mem::replace(&mut behind, 10_000);
            while left > 0 {
                left -= answer.chunk().await.unwrap().unwrap().len();
            }
        }
        one.send(Err(std::io::Error::other("died"))).await.unwrap();
        assert!(answer.chunk().await.is_err());
    }
}

/// A server that means ill answers one request on the answer to another, where nobody looks at lists.
#[tokio::test]
async fn what_answers_another_request_is_not_heard() {
    let list = r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"evil"}]}}"#;
    let both = r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{"tools":[{"name":"evil"}]}}"#;
    let disguised = r#"{"jsonrpc":"2.0","id":1,"error":{},"Result":{"tools":[{"name":"evil"}]}}"#;
    for text in [list, both, disguised, &format!("[{list}]"), &format!("{list}\n{list}")] {
        for (stream, method) in
            [(false, "x"), (true, "x"), (false, "tools/list"), (true, "tools/list")]
        {
            let told = text.to_owned();
            let world = World::new(move |_: &Arrived| match stream {
                false => json(told.clone()),
                true => events(format!("{NOTE}data: {}\n\n", told.replace('\n', " "))),
            })
            .await;
            let request = match method {
                "x" => world.call("x", "{}"),
                _ => {
                    let body = format!(
                        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#
                    );
                    world.modern("tools/list", None, body)
                }
            };
            // It is broken off, or an error takes its place.
            let (status, heard) = match request.send().await {
                Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
                Err(_) => (0, String::new()),
            };
            assert!(!heard.contains("evil"), "{method} {stream} {text}: {heard}");
            if !stream {
                assert_eq!(
                    (status, heard.contains("-32603")),
                    (if method == "x" { 502 } else { 200 }, true)
                );
            }
        }
    }
}

/// An event that has not ended has not been judged.
#[tokio::test]
async fn a_stream_that_ends_within_an_event_is_cut() {
    let world = World::new(|_: &Arrived| {
        events(format!("{NOTE}data: {{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{}}}}\n"))
    })
    .await;
    let heard = match world.call("x", "{}").send().await {
        Ok(answer) => answer.text().await.ok(),
        Err(_) => None,
    };
    assert_eq!(heard, None);
}

/// Of an answer that is none nothing goes down but an error.
#[tokio::test]
async fn a_list_that_is_refused_holds_no_list() {
    for status in [400, 404, 500] {
        let world = World::new(move |_: &Arrived| {
            let mut answer =
                json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"evil"}]}}"#);
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            answer
        })
        .await;
        for body in ["tools/list", "ping"].map(|method| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}}}}}"#)
        }) {
            let method = if body.contains("ping") { "ping" } else { "tools/list" };
            let (told_status, answer) = told(world.modern(method, None, body)).await;
            assert_eq!((told_status, &answer["error"]["code"]), (status, &(-32603).into()));
        }
    }
}

#[tokio::test]
async fn after_a_list_that_cannot_be_read_nothing_follows() {
    let (world, mut feeds) = feeding(true, 1000).await;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    let request = tokio::spawn(world.modern("tools/list", None, body).send());
    let one = feeds.recv().await.unwrap();
    let list = |tools: &str| {
        format!("data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"tools\":{tools}}}}}\n\n")
    };
    feed(&one, &list("7")).await;
    let mut answer = request.await.unwrap().unwrap();
    let first = String::from_utf8(answer.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.contains(r#""id":1,"error":{"code":-32603"#), "{first}");
    feed(&one, &list(r#"[{"name":"x"}]"#)).await;
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_its_call() {
    let (world, mut feeds) = feeding(true, 100).await;
    let request = tokio::spawn(world.call("x", "{}").send());
    let one = feeds.recv().await.unwrap();
    feed(&one, NOTE).await;
    let answer = request.await.unwrap().unwrap();
    assert!(!one.is_closed());
    drop(answer);
    tokio::time::timeout(Duration::from_secs(10), one.closed()).await.unwrap();
}

/// A view in which everything is revoked.
pub(super) struct Everything;

impl RevocationView for Everything {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _: &Key16) -> bool {
        true
    }
}

#[tokio::test]
async fn an_answer_lasts_as_long_as_its_token_holds() {
    for ends in ["revoked", "roots"] {
        let (world, mut feeds) = feeding(true, 100).await;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{{META}}}}}"#
        );
        let request = tokio::spawn(world.modern("subscriptions/listen", None, body).send());
        let one = feeds.recv().await.unwrap();
        feed(&one, NOTE).await;
        let mut answer = request.await.unwrap().unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), NOTE);
        match ends {
            "revoked" => world.guard.publish(Everything),
            _ => world.guard.trust(TrustedRoots::default()),
        }
        tokio::time::timeout(Duration::from_secs(10), one.closed()).await.unwrap();
        assert!(answer.chunk().await.is_err(), "{ends}");
    }
}

/// One that is waited for as a whole, too.
#[tokio::test]
async fn a_short_answer_that_takes_its_time_ends_with_its_token() {
    let (world, mut feeds) = feeding(false, 100).await;
    let request = tokio::spawn(told(world.call("x", "{}")));
    let one = feeds.recv().await.unwrap();
    feed(&one, "{\"jsonrpc\":\"2.0\",").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    feed(&one, "\"id\":1,").await;
    assert!(!request.is_finished());
    world.guard.publish(Everything);
    tokio::time::timeout(Duration::from_secs(10), one.closed()).await.unwrap();
    let (status, answer) = request.await.unwrap();
    assert_eq!((status, &answer["id"]), (502, &1.into()), "{answer}");
}

/// Some readers take more characters for the end of a line than others.
#[tokio::test]
async fn lines_of_a_stream_end_alike_for_everybody() {
    let ends = ["\u{2028}", "\u{2029}", "\u{85}", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}"];
    for (at, end) in ends.into_iter().enumerate() {
        let evil = format!("{end}data: evil{end}{end}");
        let text = if at < 3 { evil.as_str() } else { "" };
        let stream = format!(
            ":{evil}\nid: {evil}\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"tools\":[],\"a\":\"{text}\"}}}}\n\n"
        );
        let world = World::new(move |_: &Arrived| events(stream.clone())).await;
        for body in [
            world.call("x", "{}"),
            world.modern(
                "tools/list",
                None,
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#),
            ),
        ] {
            let heard = body.send().await.unwrap().text().await.unwrap();
            assert!(heard.contains("data: evil") && !heard.contains(end), "{heard}");
            let answer = heard.lines().find_map(|line| line.strip_prefix("data: {"));
            let answer = answer.map(|rest| format!("{{{rest}"));
            let answer: serde_json::Value = serde_json::from_str(&answer.unwrap()).unwrap();
            assert_eq!(answer["result"]["a"], text, "{heard}");
        }
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_token() {
    let (world, mut feeds) = feeding(true, 100).await;
    let grants = hardtack::vocabulary::grant::grants_from_json(ALL.as_bytes()).unwrap();
    let task = Task { ttl_secs: 2, ..Task::new(grants, Some(["gw".to_owned()].into())) };
    let minted = mint::mint(&task, &root(), SystemClock.now(), &mut rng(1)).unwrap();
    let world = World { bearer: minted.token.to_text(), ..world };
    let request = tokio::spawn(world.call("x", "{}").send());
    let one = feeds.recv().await.unwrap();
    feed(&one, NOTE).await;
    let mut answer = request.await.unwrap().unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), NOTE);
    tokio::time::timeout(Duration::from_secs(10), one.closed()).await.unwrap();
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of() {
    let world = World::nowhere().await;
    let (status, body) = told(world.call("x", "{}")).await;
    assert_eq!((status, &body["id"], &body["error"]["code"]), (502, &1.into(), &7502.into()));
    assert_eq!(body["error"]["data"]["code"], "upstream-unreachable");
}

#[tokio::test]
async fn answers_that_ask_the_gateway_for_something_are_not_passed_on() {
    for (name, value, status) in [
        ("content-encoding", "gzip", 200),
        ("www-authenticate", "Bearer", 401),
        ("location", "http://127.0.0.1:1/", 302),
    ] {
        let world = World::new(move |_: &Arrived| {
            let mut response = json("{}");
            response.headers_mut().insert(name, value.parse().unwrap());
            *response.status_mut() = status.try_into().unwrap();
            response
        })
        .await;
        let (told, body) = told(world.call("x", "{}")).await;
        assert_eq!((told, &body["error"]["code"]), (502, &(-32603).into()), "{name}");
    }
}
