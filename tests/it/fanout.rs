//! The fan-out over real HTTP: whoever reads converges, no gap, no repetition, nothing unbounded.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hardtack::authority::serve;
use hardtack::fanout::{Answering, Fanout, Source};
use hardtack::feed::{
    Certificate, Delta, Entry, FeedError, Head, LogHash, Message, Place, SignedHead, Snapshot,
    SnapshotName, Subject,
};
use hardtack::keys::{FeedKey, RootKey, TrustedRoots};
use hardtack::model::{Key16, Timestamp};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::feed_reader::{Events, HANGS, Reader, client, head, until};
use crate::support::rng;

/// Whoever writes the log.
struct Writer {
    url: String,
    fanout: Fanout,
    entries: Vec<Entry>,
    place: Place,
    upstream: Arc<Upstream>,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// What is asked of it.
struct Upstream {
    root: RootKey,
    key: FeedKey,
    head: Mutex<Option<Head>>,
    file: Mutex<Option<(LogHash, Bytes)>>,
}

impl Upstream {
    fn sign(&self, head: &Head) -> SignedHead {
        head.signed(self.key.public(), |bytes| self.key.sign(bytes)).unwrap()
    }
}

struct Asks(Arc<Upstream>);

impl Source for Asks {
    fn answer(&self, nonce: String) -> Answering<'_, SignedHead> {
        let head = self.0.head.lock().unwrap().clone();
        let answer = head.map(|head| self.0.sign(&Head { nonce: Some(nonce), ..head }));
        Box::pin(std::future::ready(answer))
    }

    fn snapshot(&self, sha256: LogHash) -> Answering<'_, Bytes> {
        let file = self.0.file.lock().unwrap().clone();
        let file = file.filter(|(name, _)| *name == sha256).map(|(_, file)| file);
        Box::pin(std::future::ready(file))
    }
}

fn entry(number: u64, reason: Option<String>) -> Entry {
    let subject = Subject::Block(Key16::of(&number.to_be_bytes()));
    Entry::new(subject, Timestamp::from_secs(2_000_000_000), reason, None).unwrap()
}

fn start(epoch: u64) -> Place {
    Place { epoch, seq: 0, hash: LogHash::start(epoch) }
}

impl Writer {
    async fn start() -> Self {
        Self::with_room(100).await
    }

    async fn with_room(streams_max: usize) -> Self {
        let root = RootKey::generate(&mut rng(1));
        let key = FeedKey::generate(&mut rng(2));
        let certificate = Certificate {
            issuer: "authority".to_owned(),
            key: key.public(),
            from: Timestamp::from_secs(0),
            until: Timestamp::from_secs(2_000_000_000),
        };
        let certificate = certificate.signed(&root).unwrap();
        let (head, file) = (Mutex::default(), Mutex::default());
        let upstream = Arc::new(Upstream { root, key, head, file });
        let fanout = Fanout::new(Asks(Arc::clone(&upstream)), streams_max);
        fanout.set_keys(vec![certificate]);
        fanout.restart(start(1));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, fanout.router(), async {
            let _ = stopped.await;
        }));
        let (entries, place, stop) = (Vec::new(), start(1), Some(stop));
        Self { url, fanout, entries, place, upstream, stop, served }
    }

    /// Appends so many entries, and makes the message that says so.
    fn append(&mut self, count: u64, reason: Option<&str>) -> Message {
        let from = self.place.seq;
        let new = (from + 1..=from + count).map(|n| entry(n, reason.map(str::to_owned)));
        let new: Vec<Entry> = new.collect();
        for entry in &new {
            self.place.hash = self.place.hash.then(entry);
        }
        self.place.seq += count;
        self.entries.extend(new.clone());
        Message { delta: Delta::new(from, new), head: self.sign() }
    }

    fn sign(&mut self) -> SignedHead {
        let mut last = self.upstream.head.lock().unwrap();
        let time = last.as_ref().map_or(1_800_000_000_000, |head| head.time.millis() + 1);
        let time = Timestamp::from_millis(time);
        let head = Head {
            issuer: "authority".to_owned(),
            epoch: self.place.epoch,
            seq: self.place.seq,
            hash: self.place.hash,
            time,
            not_after: time.plus_secs(60),
            snapshot: last.as_ref().and_then(|head| head.snapshot.clone()),
            nonce: None,
        };
        *last = Some(head.clone());
        self.upstream.sign(&head)
    }

    /// Publishes so many entries in one message.
    fn publish(&mut self, count: u64) {
        let message = self.append(count, None);
        self.fanout.publish(&message).unwrap();
    }

    /// Makes a snapshot of everything, which the next head names.
    fn snapshot(&mut self) -> (SnapshotName, Bytes) {
        let subjects = self.entries.iter().map(|entry| (entry.subject(), entry.ends())).collect();
        let Place { seq, hash, .. } = self.place;
        let (bytes, name) = Snapshot { seq, hash, subjects }.to_bytes();
        self.upstream.head.lock().unwrap().as_mut().unwrap().snapshot = Some(name.clone());
        (name, bytes.into())
    }

    async fn reader(&self) -> Reader {
        Reader::new(&self.url, TrustedRoots::one(self.upstream.root.public())).await
    }

    fn get(&self, path: &str) -> RequestBuilder {
        client().get(format!("{}/v1/revocations/{path}", self.url))
    }

    /// Everything up to the newest place, and nothing else.
    fn is_known_to(&self, reader: &Reader) {
        assert_eq!(reader.follower.place(), Some(self.place));
        assert_eq!(reader.follower.table().len(), self.entries.len());
        let keys = self.entries.iter().filter_map(|entry| entry.subject().key16());
        assert!(keys.into_iter().all(|key| reader.follower.table().contains(&key)));
    }
}

/// Status and code of a refusal.
async fn refused(request: RequestBuilder) -> (StatusCode, String) {
    let response = request.send().await.unwrap();
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let retry = response.headers().contains_key("retry-after");
    assert_eq!(retry, status == StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = response.json().await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn whoever_reads_converges() {
    let mut writer = Writer::start().await;
    let mut within = writer.reader().await;
    let mut beyond = writer.reader().await;
    writer.publish(10);
    within.catch_up().await;
    beyond.catch_up().await;
    assert_eq!(within.fetched, ["delta"], "a reader from nothing takes what there is");
    // One that is close is told all it lacks at once, by streams and by long polls.
    writer.publish(1000);
    within.catch_up().await;
    assert_eq!((within.fetched.len(), within.seq()), (1, 1010));
    writer.publish(2000);
    let from = within.named();
    let mut events = Events::open(&writer.url, &within.http, from.as_deref()).await;
    let first = events.next().await.unwrap();
    assert!(first.delta.is_none(), "too far behind for one message");
    within.hear(&first).await;
    assert_eq!(within.fetched, ["delta", "delta"]);
    writer.is_known_to(&within);
    // What is not in the ring any more is in a snapshot.
    let (name, file) = writer.snapshot();
    writer.fanout.restart(writer.place);
    writer.fanout.add_snapshot(name, file);
    writer.publish(5);
    beyond.catch_up().await;
    assert_eq!(beyond.fetched, ["delta", "snapshot", "delta"]);
    let mut anew = writer.reader().await;
    anew.catch_up().await;
    within.catch_up().await;
    for reader in [&within, &beyond, &anew] {
        writer.is_known_to(reader);
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_its_reader_is() {
    let mut writer = Writer::start().await;
    writer.publish(20);
    let first = async |query: &str, last: Option<&str>| {
        let request = writer.get(&format!("stream{query}"));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let message = Events::of(request.send().await.unwrap()).next().await.unwrap();
        assert_eq!(head(&message.head).seq, 20);
        message.delta.map(|delta| (delta.from(), delta.to()))
    };
    assert_eq!(first("?from=1-5", None).await, Some((5, 20)));
    assert_eq!(first("?from=1-5", Some("1-7")).await, Some((7, 20)));
    assert_eq!(first("", Some("1-7")).await, Some((7, 20)));
    for query in ["", "?from=1-20", "?from=1-21", "?from=2-5", "?from=0-5"] {
        assert_eq!(first(query, None).await, None, "{query}");
    }
}

#[tokio::test]
async fn files_never_change() {
    let mut writer = Writer::start().await;
    writer.publish(30);
    let (name, file) = writer.snapshot();
    writer.fanout.add_snapshot(name.clone(), file);
    let delta = format!("deltas/1-3-30-{}", writer.place.hash);
    for path in [delta, format!("snapshots/{}", name.sha256)] {
        let response = writer.get(&path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "application/octet-stream");
        let kept = "public, max-age=31536000, immutable";
        assert_eq!(response.headers()["cache-control"], kept);
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'));
        let bytes = response.bytes().await.unwrap();
        for (known, status) in [
            (tag.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"x\", {tag}"), StatusCode::NOT_MODIFIED),
            ("\"x\"".to_owned(), StatusCode::OK),
        ] {
            let again = writer.get(&path).header("if-none-match", &known).send().await.unwrap();
            assert_eq!(again.status(), status);
            assert_eq!(again.headers()["etag"], tag.as_str());
            assert_eq!(again.headers()["cache-control"], kept);
            let expected = if status == StatusCode::OK { bytes.clone() } else { Bytes::new() };
            assert_eq!(again.bytes().await.unwrap(), expected);
        }
    }
    let hash = writer.place.hash;
    for path in [
        format!("deltas/1-3-29-{hash}"),
        format!("deltas/1-3-31-{hash}"),
        format!("deltas/2-3-30-{hash}"),
        format!("deltas/1-30-30-{hash}"),
        format!("deltas/1-3-30-{}", LogHash([1; 32])),
        "deltas/x".to_owned(),
        format!("snapshots/{hash}"),
        "snapshots/x".to_owned(),
    ] {
        let refusal = refused(writer.get(&path)).await;
        assert_eq!(refusal, (StatusCode::NOT_FOUND, "file-unknown".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_delta_has_at_most_a_hundred_thousand_entries() {
    let mut writer = Writer::start().await;
    writer.publish(1);
    writer.publish(100_000);
    let hash = writer.place.hash;
    let response = writer.get(&format!("deltas/1-1-100001-{hash}")).send().await.unwrap();
    let delta = Delta::from_bytes(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(delta.entries(), &writer.entries[1..]);
    let refusal = refused(writer.get(&format!("deltas/1-0-100001-{hash}"))).await;
    assert_eq!(refusal.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn three_snapshots_are_kept_and_others_asked_for() {
    let mut writer = Writer::start().await;
    let mut names = Vec::new();
    for _ in 0..4 {
        writer.publish(1);
        let (name, file) = writer.snapshot();
        writer.fanout.add_snapshot(name.clone(), file.clone());
        names.push((name, file));
    }
    let status = async |at: usize| {
        let path = format!("snapshots/{}", names[at].0.sha256);
        writer.get(&path).send().await.unwrap().status().as_u16()
    };
    let all = [status(0).await, status(1).await, status(2).await, status(3).await];
    assert_eq!(all, [404, 200, 200, 200]);
    let (name, file) = &names[0];
    *writer.upstream.file.lock().unwrap() = Some((name.sha256, file.clone()));
    assert_eq!(status(0).await, 200);
}

#[tokio::test]
async fn a_long_poll_ends_with_news_or_its_time() {
    let mut writer = Writer::start().await;
    writer.publish(3);
    let poll = async |query: &str| {
        let bytes = writer.get(&format!("head?{query}")).send().await.unwrap().bytes().await;
        Message::from_json(&bytes.unwrap()).unwrap()
    };
    // Nothing new: the newest head, at its end.
    for query in ["after=1-3&wait=30", "after=1-7&wait=30", "after=2-0&wait=30", "after=1-3", ""] {
        let message = poll(query).await;
        assert_eq!((head(&message.head).seq, message.delta), (3, None), "{query}");
    }
    // Something new already; and a nonce with it.
    let nonce = "0123456789abcdef".repeat(2);
    let message = poll(&format!("after=1-1&wait=30000&nonce={nonce}")).await;
    let delta = message.delta.unwrap();
    assert_eq!((delta.from(), delta.to()), (1, 3));
    assert_eq!(head(&message.head).nonce, Some(nonce.clone()));
    // Something new while it waits: the answer is made then.
    let path = format!("head?after=1-3&wait=30000&nonce={nonce}");
    // Far less than it might wait.
    let waiting = tokio::spawn(writer.get(&path).timeout(HANGS).send());
    let metrics = writer.fanout.metrics().clone();
    until("it waits", async || metrics.readers.get() == 1).await;
    writer.publish(2);
    let bytes = waiting.await.unwrap().unwrap().bytes().await.unwrap();
    let message = Message::from_json(&bytes).unwrap();
    assert_eq!((head(&message.head).seq, head(&message.head).nonce), (5, Some(nonce)));
    assert_eq!(message.delta.unwrap().from(), 3);
    until("it holds nothing", async || metrics.readers.get() == 0).await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused() {
    let mut writer = Writer::start().await;
    let missing = (StatusCode::SERVICE_UNAVAILABLE, "head-missing".to_owned());
    let nonce = "ab".repeat(32);
    for path in ["head", "stream", &format!("head?nonce={nonce}")] {
        assert_eq!(refused(writer.get(path)).await, missing, "{path}");
    }
    writer.publish(1);
    let malformed = (StatusCode::BAD_REQUEST, "request-malformed".to_owned());
    for path in [
        "head?nonce=ab",
        "head?nonce=ABABABABABABABABABABABABABABABAB",
        "head?after=1",
        "head?after=1-1&wait=30001",
        "head?wait=1",
        "head?x=1",
        "stream?from=x",
        "stream?after=1-1",
    ] {
        assert_eq!(refused(writer.get(path)).await, malformed, "{path}");
    }
    let last = writer.get("stream").header("last-event-id", "x");
    assert_eq!(refused(last).await, malformed);
}

#[tokio::test]
async fn only_what_continues_the_log_is_published() {
    let mut writer = Writer::start().await;
    writer.publish(2);
    let good = writer.append(2, None);
    let Message { delta: Some(delta), head } = good.clone() else { panic!() };
    let alone = Message { delta: None, head: head.clone() };
    let short = Delta::new(2, delta.entries()[..1].to_vec());
    let other = Delta::new(2, delta.entries().iter().rev().cloned().collect());
    let later = Delta::new(3, delta.entries().to_vec());
    let no_head = SignedHead { head: "{}".to_owned(), ..head.clone() };
    for (message, error) in [
        (alone, FeedError::Gap),
        (Message { delta: short, head: head.clone() }, FeedError::Gap),
        (Message { delta: later, head: head.clone() }, FeedError::Gap),
        (Message { delta: other, head }, FeedError::Equivocation),
        (Message { delta: None, head: no_head }, FeedError::Malformed),
    ] {
        assert_eq!(writer.fanout.publish(&message), Err(error));
    }
    // None of that has left a trace.
    assert_eq!(writer.fanout.publish(&good), Ok(()));
    let mut reader = writer.reader().await;
    reader.catch_up().await;
    writer.is_known_to(&reader);
}

/// Readers come and go while the log grows: each message follows the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_misses_or_repeats_anything() {
    let mut writer = Writer::start().await;
    writer.publish(1);
    let last = 3000;
    let mut readers = Vec::new();
    for number in 0..16u64 {
        let mut reader = writer.reader().await;
        readers.push(tokio::spawn(async move {
            let mut streams = 0;
            loop {
                let from = reader.named();
                let mut events = Events::open(&reader.url, &reader.http, from.as_deref()).await;
                streams += 1;
                let mut heard = 0;
                while let Some(message) = events.next().await {
                    let is_first = heard == 0;
                    heard += 1;
                    if !is_first {
                        let delta = message.delta.as_ref().expect("no heartbeats here");
                        assert_eq!(delta.from(), reader.seq(), "a gap, or a repetition");
                    }
                    let fetched = reader.fetched.len();
                    reader.hear(&message).await;
                    assert!(is_first || reader.fetched.len() == fetched);
                    if reader.seq() == last {
                        return (reader, streams);
                    }
                    // Some leave early and come back.
                    if heard > 20 + 40 * number {
                        break;
                    }
                }
            }
        }));
    }
    while writer.place.seq < last {
        writer.publish(1);
        if writer.place.seq.is_multiple_of(4) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    let mut streams = 0;
    for reader in readers {
        let (reader, opened) = reader.await.unwrap();
        writer.is_known_to(&reader);
        streams += opened;
    }
    assert!(streams > 32, "{streams} streams: too few to show anything");
}

/// Sends a request and reads nothing.
async fn stalled(writer: &Writer) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = writer.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = "GET /v1/revocations/stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let metrics = writer.fanout.metrics().clone();
    until("the stream is open", async || metrics.readers.get() == 1).await;
    stream
}

/// Far more than the system keeps for one connection.
fn flood(writer: &mut Writer) {
    let reason = "x".repeat(512);
    for _ in 0..24 {
        let message = writer.append(1000, Some(&reason));
        writer.fanout.publish(&message).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_lags_behind_is_dropped() {
    let mut writer = Writer::start().await;
    writer.publish(1);
    let mut stream = stalled(&writer).await;
    flood(&mut writer);
    for _ in 0..300 {
        let head = writer.sign();
        writer.fanout.publish(&Message { delta: None, head }).unwrap();
    }
    let mut all = Vec::new();
    let end = tokio::time::timeout(HANGS, stream.read_to_end(&mut all)).await;
    end.expect("the stream goes on").unwrap();
    assert!(all.ends_with(b"\r\n0\r\n\r\n"), "its stream ends");
    let heard = all.windows(15).filter(|part| part == b"event: message\n").count();
    assert!((1..325).contains(&heard), "{heard}");
    assert_eq!(writer.fanout.metrics().lagged.get(), 1);
    assert_eq!(writer.fanout.metrics().readers.get(), 0);
}

/// The system gives up a connection whose peer takes nothing: this waits for it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_holds_no_connection() {
    let mut writer = Writer::start().await;
    writer.publish(1);
    let stream = stalled(&writer).await;
    flood(&mut writer);
    let metrics = writer.fanout.metrics().clone();
    until("the connection is given up", async || metrics.readers.get() == 0).await;
    drop(stream);
}

#[tokio::test]
async fn streams_are_bounded() {
    let mut writer = Writer::with_room(2).await;
    writer.publish(1);
    let open = async || writer.get("stream").send().await.unwrap();
    let (one, two) = (open().await, open().await);
    let many = (StatusCode::SERVICE_UNAVAILABLE, "too-many-readers".to_owned());
    assert_eq!(refused(writer.get("stream")).await, many);
    assert_eq!(refused(writer.get("head?after=1-1&wait=1000")).await, many);
    assert_eq!(writer.fanout.metrics().refused.get(), 2);
    // Whoever does not wait is served.
    assert_eq!(writer.get("head").send().await.unwrap().status(), StatusCode::OK);
    drop(one);
    let metrics = writer.fanout.metrics().clone();
    until("a place is free", async || metrics.readers.get() == 1).await;
    assert_eq!(open().await.status(), StatusCode::OK);
    drop(two);
}

#[tokio::test]
async fn streams_and_polls_end_with_the_service() {
    let mut writer = Writer::start().await;
    writer.publish(1);
    let mut events = Events::open(&writer.url, &client(), None).await;
    events.next().await.unwrap();
    let poll = tokio::spawn(writer.get("head?after=1-1&wait=30000").send());
    let metrics = writer.fanout.metrics().clone();
    until("both are there", async || metrics.readers.get() == 2).await;
    writer.stop.take().unwrap().send(()).unwrap();
    // Ended, not broken off: nothing is left for the deadline to cut.
    assert_eq!(events.next().await, None);
    assert_eq!(poll.await.unwrap().unwrap().status(), StatusCode::OK);
    writer.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn closing_ends_all_streams() {
    let mut writer = Writer::start().await;
    writer.publish(1);
    let mut events = Events::open(&writer.url, &client(), None).await;
    events.next().await.unwrap();
    writer.fanout.close();
    assert_eq!(events.next().await, None);
    let many = (StatusCode::SERVICE_UNAVAILABLE, "too-many-readers".to_owned());
    assert_eq!(refused(writer.get("stream")).await, many);
}

#[tokio::test]
async fn a_stream_outlives_a_log_that_begins_anew() {
    let mut writer = Writer::start().await;
    let mut reader = writer.reader().await;
    writer.publish(5);
    let mut events = Events::open(&writer.url, &client(), None).await;
    reader.hear(&events.next().await.unwrap()).await;
    writer.place = start(2);
    writer.entries.clear();
    writer.fanout.restart(writer.place);
    writer.publish(2);
    reader.hear(&events.next().await.unwrap()).await;
    assert_eq!(reader.named().as_deref(), Some("2-2"));
}

/// Files that were made for readers who do not read are bounded together, and forgotten with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_flight_are_bounded() {
    let mut writer = Writer::with_room(2).await;
    let reason = "x".repeat(400);
    for _ in 0..100 {
        let message = writer.append(1000, Some(&reason));
        writer.fanout.publish(&message).unwrap();
    }
    writer.entries.clear();
    let hash = writer.place.hash;
    let get = async |from: u32| {
        writer.get(&format!("deltas/1-{from}-100000-{hash}")).send().await.unwrap()
    };
    let mut held = Vec::new();
    let mut refused = 0;
    for from in 0..12 {
        let answer = get(from).await;
        match answer.status() {
            reqwest::StatusCode::OK => held.push(answer),
            other => {
                assert_eq!(other, reqwest::StatusCode::SERVICE_UNAVAILABLE);
                refused += 1;
            }
        }
    }
    assert!(held.len() >= 2 && refused > 0, "{} files of some 40 MB are held", held.len());
    drop(held);
    until("there is room again", async || get(50).await.status().is_success()).await;
}
