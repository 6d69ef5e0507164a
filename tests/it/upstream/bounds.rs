//! Everything ends in time, and nothing is held whole.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::routing::{get as on_get, post};
use bytes::Bytes;

use super::*;
use crate::raw_http::Step;
use crate::slow_body::body_of;
use crate::support_guard::serve;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
const LONG: Duration = Duration::from_secs(600);

fn with(base: &str, change: impl FnOnce(&mut UpstreamOptions)) -> Upstream {
    let mut options = UpstreamOptions::default();
    change(&mut options);
    Upstream::new("crm", base, options).unwrap()
}

#[tokio::test]
async fn an_upstream_that_is_not_there_or_says_nothing_is_given_up() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let refused = with(&base, |_| {}).send(get("/"), None).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (502, "upstream-unreachable"));
    let server = RawServer::answering(vec![Step::Wait(LONG)]).await;
    let short = |options: &mut UpstreamOptions| options.head_timeout = Duration::from_millis(100);
    let refused = with(&server.base, short).send(get("/"), None).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (504, "upstream-slow"));
    // A name that does not resolve, within the time for connecting.
    let named = "https://name.invalid";
    let refused = with(named, |_| {}).send(get("/"), None).await.unwrap_err();
    assert_eq!(refused.code(), "upstream-unreachable");
}

#[tokio::test]
async fn an_answer_that_ends_early_never_looks_whole() {
    let unending = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n";
    let until_closed = "HTTP/1.1 200 OK\r\n\r\ndone";
    let pause = Step::Wait(Duration::from_millis(50));
    for steps in [
        vec![send(HEAD), send("done"), pause.clone()],
        vec![send(unending), pause.clone()],
        vec![send(until_closed), pause.clone(), Step::Reset],
        vec![send(HEAD), send("done"), pause.clone(), Step::Reset],
        vec![send(unending), send("nonsense\r\n")],
    ] {
        for shown in [None, Some(bearer())] {
            let server = RawServer::answering(steps.clone()).await;
            let credential = shown.as_ref().map(|shown| &shown.credential);
            match upstream(&server).send(get("/"), credential).await {
                Ok(answer) => {
                    assert_eq!(text(answer).await, Err("the upstream broke off".to_owned()));
                }
                Err(error) => assert_eq!(error, UpstreamError::Broken),
            }
        }
    }
}

#[tokio::test]
async fn pauses_and_the_whole_exchange_are_bounded() {
    let server = RawServer::answering(vec![send(HEAD), send("d"), Step::Wait(LONG)]).await;
    let short = Duration::from_millis(100);
    let paused = Err("the upstream paused for too long".to_owned());
    let upstream = with(&server.base, |options| options.idle_timeout = Some(short));
    assert_eq!(text(upstream.send(get("/"), None).await.unwrap()).await, paused);
    let upstream = with(&server.base, |options| options.total_timeout = Some(short));
    assert_eq!(text(upstream.send(get("/"), None).await.unwrap()).await, paused);
    // Though there is always something new.
    let mut drops = vec![send(HEAD)];
    (0..90).for_each(|_| drops.extend([send("d"), Step::Wait(Duration::from_millis(20))]));
    let server = RawServer::answering(drops).await;
    let upstream = with(&server.base, |options| options.total_timeout = Some(3 * short));
    assert_eq!(text(upstream.send(get("/"), None).await.unwrap()).await, paused);
    let upstream = with(&server.base, |_| {}).with_times(UpstreamOptions {
        head_timeout: short,
        idle_timeout: None,
        ..UpstreamOptions::default()
    });
    assert!(text(upstream.send(get("/"), None).await.unwrap()).await.is_err(), "not 100 bytes");
}

#[tokio::test]
async fn a_body_on_its_way_up_counts_as_progress_and_a_pause_does_not() {
    let server = RawServer::answering(ok("done")).await;
    let slowly = |pause: Duration| {
        let mut parts = 0..4;
        let next = move || parts.next().map(|_| Ok(Bytes::from_static(b"part")));
        Request::post("/").body(body_of(pause, next)).unwrap()
    };
    let upstream = with(&server.base, |options| {
        options.head_timeout = Duration::from_millis(700);
        options.idle_timeout = Some(Duration::from_secs(2));
    });
    let sent = upstream.send(slowly(Duration::from_millis(300)), None).await;
    assert_eq!(text(sent.unwrap()).await.unwrap(), "done");
    assert!(server.only().ends_with("0\r\n\r\n"));
    let upstream = with(&server.base, |options| {
        options.idle_timeout = Some(Duration::from_millis(100));
    });
    let refused = upstream.send(slowly(LONG), None).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (408, "body-slow"));
    let mut parts = vec![Err("gone"), Ok(Bytes::from_static(b"part"))];
    let request = Request::post("/").body(body_of(Duration::ZERO, move || parts.pop())).unwrap();
    assert_eq!(upstream.send(request, None).await.map(drop), Err(UpstreamError::Body));
}

#[tokio::test]
async fn only_so_many_requests_are_with_an_upstream_at_once() {
    let server = RawServer::start(|request| match request.starts_with("GET /long") {
        true => vec![send(HEAD), send("d"), Step::Wait(LONG)],
        false => ok("done"),
    });
    let server = server.await;
    let upstream = with(&server.base, |options| {
        options.requests_max = 1;
        options.queue_timeout = Duration::from_millis(100);
    });
    let long = upstream.send(get("/long"), None).await.unwrap();
    let refused = upstream.send(get("/"), None).await.unwrap_err();
    assert_eq!(refused, UpstreamError::Busy);
    let response = refused.response();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(server.asked().len(), 1, "the second never went up");
    drop(long);
    for _ in 0..3 {
        let answer = upstream.send(get("/"), None).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "done");
    }
    // One that waits gets its turn as soon as there is one.
    let patient = upstream
        .clone()
        .with_times(UpstreamOptions { queue_timeout: LONG, ..UpstreamOptions::default() });
    let long = upstream.send(get("/long"), None).await.unwrap();
    let waiting = tokio::spawn(async move { patient.send(get("/"), None).await.map(drop) });
    tokio::task::yield_now().await;
    drop(long);
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

const PART: usize = 64 * 1024;
const PARTS: u64 = 1600;
/// What may be on the way: buffers of sockets and of both servers.
const ON_THE_WAY_MAX: u64 = 24 * 1024 * 1024;

/// A hundred MiB, and how many of its bytes were asked for.
fn large() -> (Body, Arc<AtomicU64>) {
    let made = Arc::new(AtomicU64::new(0));
    let count = made.clone();
    let next = move || {
        let so_far = count.fetch_add(PART as u64, Ordering::SeqCst);
        (so_far < PARTS * PART as u64).then(|| Ok(Bytes::from(vec![b's'; PART])))
    };
    (body_of(Duration::ZERO, next), made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_is_made_no_faster_than_it_is_read() {
    let (body, made) = large();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let router = Router::new()
        .route("/", on_get(move || async move { body.lock().unwrap().take().unwrap() }));
    let upstream = with(&serve(router).await, |_| {});
    let answer = upstream.send(get("/"), Some(&bearer().credential)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut body, mut read) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let ahead = made.load(Ordering::SeqCst) - read;
        assert!(ahead <= ON_THE_WAY_MAX, "{ahead} bytes ahead");
        read += frame.unwrap().into_data().unwrap().len() as u64;
    }
    assert_eq!(read, PARTS * PART as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_request_is_read_no_faster_than_it_is_taken() {
    let (body, made) = large();
    let router = Router::new().route(
        "/",
        post(move |request: AxumRequest| async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let (mut body, mut taken, mut ahead) = (request.into_body(), 0, 0);
            while let Some(frame) = body.frame().await {
                ahead = ahead.max(made.load(Ordering::SeqCst) - taken);
                taken += frame.unwrap().into_data().unwrap().len() as u64;
            }
            format!("{taken} {}", ahead <= ON_THE_WAY_MAX)
        }),
    );
    let upstream = with(&serve(router).await, |_| {});
    let request = Request::post("/").body(body).unwrap();
    let answer = upstream.send(request, None).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), format!("{} true", PARTS * PART as u64));
}
