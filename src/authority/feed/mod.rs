//! The authority's end of the feed: one task reads the log, signs its heads and hands them to a
//! [`Fanout`].
//!
//! A head is signed after each append, for each question, and once a second. While the store cannot be
//! read none is: gateways then refuse calls once what they know is too old. Heads are signed by a
//! [`crate::keys::FeedKey`] that lives in memory for a day and that the root key vouches for.

mod living;
mod publisher;
mod rotation;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use self::publisher::Publisher;
use self::rotation::{Moment, Rotation};
use super::AppState;
use super::problem::Refusal;
use crate::config::Entropy;
use crate::fanout::{Answering, Fanout, Source};
use crate::feed::{LogHash, SignedHead};
use crate::keys::{FeedKey, RootKey};
use crate::model::Clock;
use crate::store::Store;

/// Questions that may wait; the others are refused.
const QUESTIONS_MAX: usize = 1024;

/// The feed of an authority, and the task that publishes it.
///
/// *Shape*: the task ends with it.
pub(super) struct Feed {
    pub(super) fanout: Fanout,
    shared: Arc<Shared>,
    questions: Mutex<Option<mpsc::Receiver<Asked>>>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What the task shows of itself, and hears.
#[derive(Debug, Default)]
struct Shared {
    appended: Notify,
    /// Whether the last pass signed.
    is_good: AtomicBool,
    snapshots: Counter,
    failed: Counter,
}

/// A question: a nonce that the head must contain.
#[derive(Debug)]
struct Asked {
    nonce: String,
    reply: oneshot::Sender<SignedHead>,
}

/// Asks the task.
struct Questions(mpsc::Sender<Asked>);

impl Source for Questions {
    fn answer(&self, nonce: String) -> Answering<'_, SignedHead> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.0.try_send(Asked { nonce, reply }).ok()?;
            answer.await.ok()
        })
    }

    fn snapshot(&self, _sha256: LogHash) -> Answering<'_, Bytes> {
        Box::pin(std::future::ready(None))
    }
}

/// What the task works with.
pub(super) struct Works {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Entropy,
    pub(super) issuer: String,
    /// How long a head may be believed.
    pub(super) good_secs: u64,
    pub(super) root: RootKey,
}

impl Feed {
    /// A feed that is not published yet.
    pub(super) fn new(streams_max: usize) -> Self {
        let (asks, questions) = mpsc::channel(QUESTIONS_MAX);
        Self {
            fanout: Fanout::new(Questions(asks), streams_max),
            shared: Arc::default(),
            questions: Mutex::new(Some(questions)),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
        }
    }

    /// Starts the task, the first time it is called. Needs a Tokio runtime.
    pub(super) fn start(&self, works: Works) {
        let questions = self.questions.lock().ok().and_then(|mut questions| questions.take());
        let Some(questions) = questions else { return };
        let Works { store, clock, mut entropy, issuer, good_secs, root } = works;
        let key = FeedKey::generate(&mut entropy);
        let keys = match Rotation::new(issuer.clone(), root, key, Moment::of(&*clock)) {
            Ok(keys) => keys,
            Err(error) => {
                tracing::error!(%error, "no feed key could be certified");
                return;
            }
        };
        let (fanout, shared) = (self.fanout.clone(), Arc::clone(&self.shared));
        fanout.set_keys(keys.certificates());
        let publisher =
            Publisher { store, clock, entropy, issuer, good_secs, keys, fanout, shared, log: None };
        let task = tokio::spawn(publisher.run(questions, self.stop.subscribe()));
        if let Ok(mut kept) = self.task.lock() {
            *kept = Some(task);
        }
    }

    /// Says that the log may have grown.
    fn appended(&self) {
        self.shared.appended.notify_one();
    }

    /// Whether heads are signed.
    pub(super) fn is_published(&self) -> bool {
        let task = self.task.lock().ok();
        let is_running =
            task.and_then(|task| task.as_ref().map(|task| !task.is_finished())) == Some(true);
        is_running && self.shared.is_good.load(Ordering::Acquire)
    }

    /// Ends the task, and all streams.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        self.fanout.close();
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task {
            // A task that panicked has nothing left to finish.
            let _ = task.await;
        }
    }

    /// Shows what is counted in a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.fanout.metrics().register(registry);
        let (snapshots, failed) = (self.shared.snapshots.clone(), self.shared.failed.clone());
        registry.register("hardtack_feed_snapshots", "Snapshots made", snapshots);
        registry.register("hardtack_feed_failed", "Passes in which no head was signed", failed);
    }
}

/// Says that the log may have grown, after a request that may have appended to it.
pub(super) async fn appending(
    State(authority): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let is_change = request.method() == Method::POST;
    let response = next.run(request).await;
    if is_change && response.status().is_success() {
        authority.feed.appended();
    }
    Ok(response)
}
