//! A small server of the feed, made of its types alone, that lies and breaks where it is told to.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::routing::get;
use hardtack::config::SystemClock;
use hardtack::feed::{
    Certificate, Delta, Entry, Head, LogHash, Message, SignedCertificate, Snapshot, SnapshotName,
    Subject,
};
use hardtack::gateway::Authority;
use hardtack::keys::{HolderKey, RootKey};
use hardtack::model::{Clock, Key16, Timestamp};
use http::StatusCode;
use http_body::Frame;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use crate::support::rng;

pub(crate) const ISSUER: &str = "https://authority.example";

/// Something that is revoked, by number.
pub(crate) fn key(n: u64) -> Key16 {
    Key16::of(&n.to_be_bytes())
}

pub(crate) fn entry(n: u64) -> Entry {
    let ends = SystemClock.now().plus_secs(3600);
    Entry::new(Subject::Block(key(n)), ends, Some(format!("reason {n}")), None).unwrap()
}

/// An authority's log and the keys that sign it.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) root: RootKey,
    pub(crate) feed: HolderKey,
    pub(crate) issuer: String,
    pub(crate) epoch: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) snapshot: Option<(SnapshotName, Vec<u8>)>,
    started: (Instant, Timestamp),
}

impl Log {
    /// A log with so many entries, numbered from 1.
    pub(crate) fn new(root: u64, feed: u64, entries: u64) -> Self {
        Self {
            root: RootKey::generate(&mut rng(root)),
            feed: HolderKey::generate(&mut rng(feed)),
            issuer: ISSUER.to_owned(),
            epoch: 1,
            entries: (1..=entries).map(entry).collect(),
            snapshot: None,
            started: (Instant::now(), SystemClock.now()),
        }
    }

    pub(crate) fn grow(&mut self, count: u64) {
        let from = self.entries.len() as u64;
        self.entries.extend((1..=count).map(|n| entry(from + n)));
    }

    pub(crate) fn hash(&self, seq: usize) -> LogHash {
        self.entries[..seq].iter().fold(LogHash::start(self.epoch), |hash, entry| hash.then(entry))
    }

    /// Its clock goes ahead.
    pub(crate) fn later(&mut self, by: Duration) {
        self.started.1 = Timestamp::from_millis(self.started.1.millis() + by.as_millis() as u64);
    }

    /// Makes a snapshot of all there is.
    pub(crate) fn take_snapshot(&mut self) {
        let seq = self.entries.len();
        let subjects = self.entries.iter().map(|entry| (entry.subject(), entry.ends())).collect();
        let snapshot = Snapshot { seq: seq as u64, hash: self.hash(seq), subjects };
        let (bytes, name) = snapshot.to_bytes();
        self.snapshot = Some((name, bytes));
    }

    pub(crate) fn head(&self, nonce: Option<String>) -> Head {
        let time = self.started.1.millis() + self.started.0.elapsed().as_millis() as u64;
        let time = Timestamp::from_millis(time);
        Head {
            issuer: self.issuer.clone(),
            epoch: self.epoch,
            seq: self.entries.len() as u64,
            hash: self.hash(self.entries.len()),
            time,
            not_after: time.plus_secs(60),
            snapshot: self.snapshot.as_ref().map(|(name, _)| name.clone()),
            nonce,
        }
    }

    pub(crate) fn certificate(&self) -> SignedCertificate {
        let certificate = Certificate {
            issuer: self.issuer.clone(),
            key: self.feed.public(),
            from: Timestamp::from_secs(0),
            until: SystemClock.now().plus_secs(864_000),
        };
        certificate.signed(&self.root).unwrap()
    }

    pub(crate) fn delta(&self, from: usize) -> Option<Delta> {
        Delta::new(from as u64, self.entries.get(from..)?.to_vec())
    }

    pub(crate) fn sign(&self, head: &Head) -> hardtack::feed::SignedHead {
        head.signed(self.feed.public(), |bytes| self.feed.sign(bytes)).unwrap()
    }

    fn message(&self, from: usize, nonce: Option<String>) -> Message {
        Message { delta: self.delta(from), head: self.sign(&self.head(nonce)) }
    }
}

/// How the server's stream behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Streaming {
    Good,
    Refused,
    /// These bytes, again and again.
    Bytes(Vec<u8>),
}

pub(crate) type Twist = Arc<dyn Fn(&Log, Message) -> Message + Send + Sync>;

/// What the server does.
#[derive(Clone)]
pub(crate) struct Knobs {
    pub(crate) log: Log,
    pub(crate) streaming: Streaming,
    pub(crate) is_up: bool,
    pub(crate) keeps_questions: bool,
    pub(crate) has_deltas: bool,
    /// What becomes of every message.
    pub(crate) twist: Option<Twist>,
    /// What was asked for.
    pub(crate) asked: Vec<String>,
}

/// A server of a log.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) knobs: Arc<Mutex<Knobs>>,
    changed: watch::Sender<()>,
    pub(crate) url: String,
}

#[derive(Deserialize)]
struct Asked {
    nonce: Option<String>,
    after: Option<String>,
    wait: Option<u64>,
}

type Answer = Result<Vec<u8>, StatusCode>;

impl Server {
    pub(crate) async fn start(log: Log) -> Self {
        let knobs = Knobs {
            log,
            streaming: Streaming::Good,
            is_up: true,
            keeps_questions: true,
            has_deltas: true,
            twist: None,
            asked: Vec::new(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server =
            Self { knobs: Arc::new(Mutex::new(knobs)), changed: watch::channel(()).0, url };
        let router = Router::new()
            .route("/v1/revocations/keys", get(keys))
            .route("/v1/revocations/head", get(head))
            .route("/v1/revocations/deltas/{name}", get(delta))
            .route("/v1/revocations/snapshots/{name}", get(snapshot))
            .route("/v1/revocations/stream", get(stream))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::new(&self.url, Duration::from_secs(5)).unwrap()
    }

    /// Changes what it does, from now on, for streams under way too.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.knobs.lock().unwrap());
        self.changed.send_replace(());
    }

    pub(crate) fn asked(&self, part: &str) -> usize {
        self.knobs.lock().unwrap().asked.iter().filter(|asked| asked.contains(part)).count()
    }

    /// What it does now, unless it is down.
    fn now(&self, asked: &str) -> Result<Knobs, StatusCode> {
        let mut knobs = self.knobs.lock().unwrap();
        knobs.asked.push(asked.to_owned());
        if knobs.is_up { Ok(knobs.clone()) } else { Err(StatusCode::SERVICE_UNAVAILABLE) }
    }
}

impl Knobs {
    fn say(&self, from: usize, nonce: Option<String>) -> Message {
        let message = self.log.message(from, nonce);
        match &self.twist {
            Some(twist) => twist(&self.log, message),
            None => message,
        }
    }
}

/// The place after `EPOCH-`, where that is the log's own epoch.
fn seq(knobs: &Knobs, place: Option<&str>) -> usize {
    let (epoch, seq) = place.and_then(|place| place.split_once('-')).unwrap_or(("", ""));
    let seq = seq.parse().unwrap_or(0);
    let is_known = epoch == knobs.log.epoch.to_string() && seq <= knobs.log.entries.len();
    if is_known { seq } else { 0 }
}

async fn keys(State(server): State<Server>) -> Answer {
    let certificate = server.now("keys")?.log.certificate();
    Ok(serde_json::to_vec(&[certificate]).unwrap())
}

async fn head(State(server): State<Server>, Query(asked): Query<Asked>) -> Answer {
    let knobs = server.now(&format!("head {}", asked.after.as_deref().unwrap_or("-")))?;
    let Some(after) = asked.after.as_deref() else {
        let message = knobs.say(knobs.log.entries.len(), asked.nonce);
        return Ok(message.to_json().unwrap().into_bytes());
    };
    if !knobs.keeps_questions {
        return Err(StatusCode::NOT_FOUND);
    }
    let until = Instant::now() + Duration::from_millis(asked.wait.unwrap_or(0));
    let from = loop {
        let knobs = server.knobs.lock().unwrap().clone();
        let from = seq(&knobs, Some(after));
        if from < knobs.log.entries.len() || Instant::now() >= until {
            break from;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let knobs = server.now("answered")?;
    Ok(knobs.say(from, asked.nonce).to_json().unwrap().into_bytes())
}

async fn delta(State(server): State<Server>, Path(name): Path<String>) -> Answer {
    let knobs = server.now(&format!("delta {name}"))?;
    let parts: Vec<&str> = name.split('-').collect();
    let (from, to): (usize, usize) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
    let entries = knobs.log.entries.get(from..to).filter(|_| knobs.has_deltas);
    let delta = entries.and_then(|entries| Delta::new(from as u64, entries.to_vec()));
    let is_named = parts[3] == knobs.log.hash(to).to_string();
    delta.filter(|_| is_named).map(|delta| delta.to_bytes()).ok_or(StatusCode::NOT_FOUND)
}

async fn snapshot(State(server): State<Server>, Path(name): Path<String>) -> Answer {
    let knobs = server.now(&format!("snapshot {name}"))?;
    let snapshot = knobs.log.snapshot.filter(|(known, _)| known.sha256.to_string() == name);
    snapshot.map(|(_, bytes)| bytes).ok_or(StatusCode::NOT_FOUND)
}

/// A body that is written while it is sent.
struct Written(mpsc::Receiver<Bytes>);

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[derive(Deserialize)]
struct From {
    from: Option<String>,
}

async fn stream(
    State(server): State<Server>,
    Query(From { from }): Query<From>,
) -> Result<Body, StatusCode> {
    let knobs = server.now(&format!("stream {}", from.as_deref().unwrap_or("-")))?;
    if knobs.streaming == Streaming::Refused {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut from = match (&knobs.log.snapshot, &from) {
        // Whoever has nothing takes the snapshot first.
        (Some(_), None) => knobs.log.entries.len(),
        _ => seq(&knobs, from.as_deref()),
    };
    let mut changed = server.changed.subscribe();
    let (to, body) = mpsc::channel(4);
    let streaming = knobs.streaming;
    tokio::spawn(async move {
        loop {
            let knobs = server.knobs.lock().unwrap().clone();
            if !knobs.is_up || knobs.streaming != streaming {
                break;
            }
            let (bytes, beat) = match knobs.streaming.clone() {
                Streaming::Bytes(bytes) => (bytes, 1),
                _ => {
                    let text = knobs.say(from, None).to_json().unwrap();
                    from = knobs.log.entries.len();
                    (format!(": beat\nevent: message\ndata: {text}\n\n").into_bytes(), 50)
                }
            };
            if to.send(bytes.into()).await.is_err() {
                break;
            }
            let beat = Duration::from_millis(beat);
            let _ = tokio::time::timeout(beat, changed.changed()).await;
        }
    });
    Ok(Body::new(Written(body)))
}
