//! Serves the feed of an authority's log over HTTP, to anybody: for the authority itself, and for a
//! relay that only passes on.
//!
//! Whoever owns a [`Fanout`] tells it what is new; it signs nothing and checks no signature. What it
//! cannot answer by itself it asks its [`Source`]. Nobody who reads from it can make it grow: the
//! entries that it holds, its files, its streams and its waiting requests are all bounded.
//!
//! | path below `/v1/revocations` | answers with |
//! | --- | --- |
//! | `/head` | the newest head, now or once it is beyond a place; with a nonce, a head that was made since |
//! | `/stream` | every message, as server-sent events |
//! | `/deltas/{epoch}-{from}-{to}-{hash}` | the entries that lead to that hash, as a file |
//! | `/snapshots/{sha256}` | the snapshot of that name |
//! | `/keys` | the certificates of the feed keys |

mod body;
mod files;
mod head;
mod metrics;
mod query;
mod refusal;
mod ring;
mod state;
mod stream;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use self::refusal::Refusal;
use self::state::State;
use crate::feed::{
    Entry, FeedError, LogHash, Message, Place, SignedCertificate, SignedHead, SnapshotName,
};

pub use metrics::Metrics;

/// Messages that a stream may lag behind before it is ended.
const LAG_MAX: usize = 256;

/// Entries that come along with a head; whoever is further behind takes a file.
const ENTRIES_ALONG_MAX: usize = 1000;

/// What a [`Source`] will answer.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Option<T>> + Send + 'a>>;

/// Where a [`Fanout`] gets what it cannot answer by itself.
pub trait Source: Send + Sync {
    /// A head that contains this nonce, made after the call; none where there is none to be had.
    fn answer(&self, nonce: String) -> Answering<'_, SignedHead>;

    /// The snapshot whose SHA-256 this is, where the fan-out does not hold it.
    fn snapshot(&self, sha256: LogHash) -> Answering<'_, Bytes>;

    /// The entries after a place that lead to another, as a file, where the fan-out does not hold them:
    /// none, unless whoever implements this has them.
    fn delta(&self, from: u64, to: Place) -> Answering<'_, Vec<u8>> {
        let _ = (from, to);
        Box::pin(std::future::ready(None))
    }
}

/// The feed as it is served.
///
/// *Shape*: cheap to clone; every clone is the same feed.
#[derive(Clone)]
pub struct Fanout(Arc<Inner>);

struct Inner {
    state: RwLock<State>,
    /// Every message from now on, ready to be sent. What is sent under the write lock is received by
    /// whoever subscribed under the read lock before, and by nobody else.
    live: broadcast::Sender<Bytes>,
    /// The place of the newest head.
    newest: watch::Sender<(u64, u64)>,
    closed: watch::Sender<bool>,
    source: Box<dyn Source>,
    room: Arc<Semaphore>,
    made: files::Made,
    /// For the files that are made for somebody.
    files: Arc<Semaphore>,
    metrics: Metrics,
}

/// Tells streams and waiting requests that the service ends: a request extension.
#[derive(Clone, Debug)]
pub struct Ending(pub watch::Receiver<bool>);

/// The right to keep a connection busy.
struct Held {
    _permit: OwnedSemaphorePermit,
    metrics: Metrics,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.readers.dec();
    }
}

impl Fanout {
    /// A feed without a head, of which at most so many streams and waiting requests are served at
    /// once.
    pub fn new(source: impl Source + 'static, streams_max: usize) -> Self {
        Self(Arc::new(Inner {
            state: RwLock::new(State::default()),
            live: broadcast::Sender::new(LAG_MAX),
            newest: watch::Sender::new((0, 0)),
            closed: watch::Sender::new(false),
            source: Box::new(source),
            room: Arc::new(Semaphore::new(streams_max.min(Semaphore::MAX_PERMITS))),
            made: files::Made::default(),
            files: Arc::new(Semaphore::new(body::MADE_KIB_MAX)),
            metrics: Metrics::default(),
        }))
    }

    /// Begins anew at this place, without a head and without entries before it. Streams go on with
    /// the next message.
    pub fn restart(&self, place: Place) {
        self.write().restart(place);
    }

    /// Adds entries whose head is published later: nobody is told of them before.
    pub fn extend(&self, entries: Vec<Entry>) {
        self.write().extend(entries);
    }

    /// Publishes a head, and the entries that lead to it.
    ///
    /// *Errors*: [`FeedError::Malformed`] where the head is none, [`FeedError::Gap`] or
    /// [`FeedError::Equivocation`] where it is not at the place to which the entries lead. Nothing is
    /// published then.
    pub fn publish(&self, message: &Message) -> Result<(), FeedError> {
        let mut state = self.write();
        let (place, event) = state.publish(message)?;
        let entries = message.delta.as_ref().map_or(0, |delta| delta.entries().len());
        self.0.metrics.messages.inc();
        self.0.metrics.entries.inc_by(entries as u64);
        // Nobody may be listening.
        let _ = self.0.live.send(event);
        self.0.newest.send_replace(place);
        Ok(())
    }

    /// Publishes the certificates of the feed keys, in place of those before.
    pub fn set_keys(&self, keys: Vec<SignedCertificate>) {
        self.write().keys = Arc::new(keys);
    }

    /// The certificates of the feed keys.
    pub fn keys(&self) -> Arc<Vec<SignedCertificate>> {
        Arc::clone(&self.read().keys)
    }

    /// Keeps a snapshot; the last three are kept.
    pub fn add_snapshot(&self, name: SnapshotName, file: Bytes) {
        self.write().add_snapshot(name, file);
    }

    /// The newest head.
    pub fn newest(&self) -> Option<SignedHead> {
        self.read().newest.as_ref().map(|newest| newest.signed.clone())
    }

    /// Ends all streams and all waiting, and takes no more.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Its endpoints. Streams and long polls take as long as they take: no deadline fits around them.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/revocations/head", get(head::newest))
            .route("/v1/revocations/stream", get(stream::open))
            .route("/v1/revocations/deltas/{name}", get(files::delta))
            .route("/v1/revocations/snapshots/{sha256}", get(files::snapshot))
            .route("/v1/revocations/keys", get(files::keys))
            .with_state(self.clone())
    }

    /// Takes one of the places for those who keep a connection busy.
    fn hold(&self) -> Result<Held, Refusal> {
        let metrics = self.0.metrics.clone();
        match Arc::clone(&self.0.room).try_acquire_owned() {
            Ok(permit) if !*self.0.closed.borrow() => {
                metrics.readers.inc();
                Ok(Held { _permit: permit, metrics })
            }
            _ => {
                metrics.refused.inc();
                Err(Refusal::TooMany)
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Fanout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fanout({:?})", *self.0.newest.borrow())
    }
}

/// Ready once the feed is closed or the service ends.
async fn ended(mut closed: watch::Receiver<bool>, ending: Option<Ending>) {
    // Whoever would say so later is gone: that is the end as well.
    let service = async {
        match ending {
            Some(Ending(mut ending)) => drop(ending.wait_for(|ending| *ending).await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = closed.wait_for(|closed| *closed) => {}
        () = service => {}
    }
}
