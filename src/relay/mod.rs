//! A relay: follows the feed of an authority, or of another relay, and serves it onward, so that many
//! gateways can follow one authority as a tree.
//!
//! It adds nothing to trust: it passes on what the authority signed, after it believed it itself, and
//! gateways check all of it again. What it holds back makes their views go stale, no more.
//!
//! | asked for | comes from |
//! | --- | --- |
//! | heads, entries, the stream | what it was told, in order |
//! | the answer to a question | the source: nobody else can sign that it is recent |
//! | a snapshot | the source, once; then from memory |
//! | entries of before it began | the source |

mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use self::upstream::Upstream;
use crate::fanout::Fanout;
use crate::feed::{Message, Place};
use crate::gateway::{
    Authority, METRICS_TYPE, Reporter, RevocationSync, SyncOptions, Taken, Watch,
};
use crate::keys::TrustedRoots;

/// The longest log that is read from its beginning, so that others can be told of its entries.
const ENTRIES_MAX: u64 = 100_000;

/// How old what it knows may be for it to be of use to destructive tools, in milliseconds.
const FRESH_MILLIS: u64 = 2000;

/// A relay under way. Dropping it ends it.
#[derive(Debug)]
pub struct Relay {
    fanout: Fanout,
    sync: RevocationSync,
}

/// Passes on what is taken.
struct Onward {
    fanout: Fanout,
    upstream: Upstream,
}

impl Relay {
    /// Starts to follow these sources, and to serve at most so many streams.
    ///
    /// *Shape*: must be called within a tokio runtime. A watch among the options is told nothing.
    pub fn start(
        sources: Vec<Authority>,
        roots: TrustedRoots,
        options: SyncOptions,
        streams_max: usize,
    ) -> Self {
        let upstream = Upstream::new(sources.clone());
        let fanout = Fanout::new(upstream.clone(), streams_max);
        let watch = Arc::new(Onward { fanout: fanout.clone(), upstream });
        let options = SyncOptions { watch: Some(watch), entries_max: ENTRIES_MAX, ..options };
        let sync = RevocationSync::start(sources, roots, options);
        Self { fanout, sync }
    }

    /// How following goes.
    pub fn sync(&self) -> &RevocationSync {
        &self.sync
    }

    /// What it serves.
    pub fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// Its endpoints: those of the feed, `/readyz` and `/metrics`.
    pub fn router(&self) -> Router {
        let own = Router::new()
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.sync.reporter());
        self.fanout.router().merge(own)
    }

    /// Ends it, and keeps what is known if that has a file.
    pub async fn close(self) {
        self.fanout.close();
        self.sync.close().await;
    }
}

/// Whether it heard a head within the time after which gateways stop believing it.
async fn ready(State(sync): State<Reporter>) -> (StatusCode, &'static str) {
    match sync.status().age_millis {
        Some(age) if age <= FRESH_MILLIS => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "stale"),
    }
}

async fn metrics(State(sync): State<Reporter>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_TYPE)], sync.metrics())
}

impl Watch for Onward {
    fn took(&self, taken: &Taken<'_>) {
        if let Some(certificates) = taken.certificates {
            self.upstream.know(certificates);
            self.fanout.set_keys(certificates.to_vec());
        }
        if taken.restarted {
            self.fanout.restart(taken.from);
        }
        let message = Message { delta: taken.delta.cloned(), head: taken.head.clone() };
        if let Err(error) = self.fanout.publish(&message) {
            // What was verified leads on from what was verified before; if not, it begins again there.
            let Place { epoch, seq, .. } = taken.place;
            tracing::error!(%error, epoch, seq, "a message could not be passed on whole");
            self.fanout.restart(taken.place);
            let alone = Message { delta: None, head: taken.head.clone() };
            if self.fanout.publish(&alone).is_err() {
                return;
            }
        }
        if let Ok(head) = taken.head.open(|_| true)
            && let Some(name) = head.snapshot
        {
            self.upstream.fetch_ahead(name);
        }
    }
}
