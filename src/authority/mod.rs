//! The authority: issues tasks, ends them, revokes, and publishes its keys and revocations.
//!
//! An HTTP service over a [`Store`]. A token is in the response that issues it and nowhere else:
//! it is not stored and not logged. Nothing is acknowledged before it is durable. It decides no
//! call: gateways do that, without asking here. One file holds one endpoint; `problem` maps every
//! refusal to `application/problem+json` (RFC 9457).

mod body;
mod caller;
mod ceiling;
mod clients;
mod discovery;
mod feed;
mod health;
mod holder;
mod metrics;
mod problem;
mod query;
mod revoke;
mod serve;
mod task_complete;
mod task_create;
mod task_list;
mod task_show;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post};
use prometheus_client::registry::Registry;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use crate::config::{ConfigError, DataDir, Entropy, Settings};
use crate::fanout::Fanout;
use crate::keys::{RootKey, RootState, TrustedRoot, TrustedRoots};
use crate::model::Clock;
use crate::model::Timestamp;
use crate::store::Store;

pub use serve::serve;

/// Everything that the endpoints work with.
pub struct Authority {
    store: Arc<dyn Store>,
    root: RootKey,
    roots: TrustedRoots,
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    feed: feed::Feed,
    registry: Registry,
}

/// The authority as the endpoints share it.
pub(crate) type AppState = Arc<Authority>;

impl Authority {
    /// An authority over a store, with the root key that signs. Keys that retire are among the
    /// settings.
    pub fn new(
        store: impl Store + 'static,
        root: RootKey,
        settings: Settings,
        clock: impl Clock + 'static,
        entropy: Entropy,
    ) -> Self {
        let trusted =
            |key, state| TrustedRoot { id: crate::keys::VerifyingKey::id(&key), key, state };
        let active = trusted(root.public(), RootState::Active);
        let retiring = settings.retiring_roots.iter().map(|key| trusted(*key, RootState::Retiring));
        let roots = TrustedRoots::new(std::iter::once(active).chain(retiring));
        let (store, clock) = (Arc::new(store), Arc::new(clock));
        let (feed, mut registry) = (feed::Feed::new(settings.streams_max), Registry::default());
        feed.register(&mut registry);
        Self { store, root, roots, settings, clock, entropy, feed, registry }
    }

    /// The authority of a data directory. Needs a Tokio runtime.
    ///
    /// *Errors*: [`ConfigError::Store`] where its store does not open.
    pub async fn open(
        dir: &DataDir,
        clock: impl Clock + 'static,
        entropy: Entropy,
    ) -> Result<Self, ConfigError> {
        let store = dir.open_store().await?;
        Ok(Self::new(store, dir.root.clone(), dir.settings.clone(), clock, entropy))
    }

    /// The keys that sign tokens or did so lately.
    pub fn roots(&self) -> &TrustedRoots {
        &self.roots
    }

    /// The settings it runs on.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The revocation feed that it publishes.
    pub fn fanout(&self) -> &Fanout {
        &self.feed.fanout
    }

    /// Ends the feed, finishes what was begun and closes the store.
    ///
    /// *Errors*: as [`Store::close`].
    pub async fn close(&self) -> Result<(), ConfigError> {
        self.feed.stop().await;
        Ok(self.store.close().await?)
    }

    /// Starts to publish the feed, if nothing has yet.
    fn publish(&self) {
        self.feed.start(feed::Works {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: self.entropy.clone(),
            issuer: self.settings.issuer.clone(),
            good_secs: self.settings.revocation_age_secs,
            root: self.root.clone(),
        });
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({}, root {})", self.settings.issuer, self.root.public())
    }
}

/// The HTTP service of an authority. The first call starts to publish its feed, until the authority is
/// closed or nobody has it any more. Needs a Tokio runtime.
pub fn router(authority: Arc<Authority>) -> Router {
    authority.publish();
    let body_bytes_max = authority.settings.body_bytes_max;
    let feed = authority.feed.fanout.router().method_not_allowed_fallback(problem::no_method);
    let appending = Router::new()
        .route("/v1/tasks/{id}/complete", post(task_complete::complete))
        .route("/v1/revocations", post(revoke::revoke))
        .route_layer(middleware::from_fn_with_state(authority.clone(), feed::appending));
    appending
        .route("/v1/tasks", post(task_create::create).get(task_list::list))
        .route("/v1/tasks/{id}", get(task_show::show))
        .route("/v1/clients", post(clients::add).get(clients::list))
        .route("/v1/clients/{id}", delete(clients::disable))
        .route(discovery::PATH, get(discovery::describe))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(middleware::from_fn_with_state(authority.clone(), serve::bounded))
        .with_state(authority)
        // Streams have no deadline.
        .merge(feed)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http().make_span_with(serve::span))
}
