//! A whole gateway, from its file of settings to its listener.
//!
//! What may change while it runs is taken from the file when that changes: servers, tools, policy,
//! limits, root keys. A file that makes no sense changes nothing. Connections stay.

mod explain;
mod known;
mod parts;
mod proofs;
mod reload;
mod routes;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;

pub use self::explain::{Explained, explain};
use self::parts::Revocations;
pub use self::parts::sink;
pub(in crate::gateway) use self::routes::Shared;
pub use self::routes::threads;
use crate::config::gateway::{GatewaySettings, SettingsError};
use crate::gateway::catalogue::Catalogue;
use crate::gateway::http::HttpProxy;
use crate::gateway::ops::{Flights, Metrics};
use crate::gateway::trace::Traces;
use crate::guard::Guard;
use crate::record::{MemorySink, Sink};

/// A gateway under way.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    path: PathBuf,
    guard: Guard,
    metrics: Metrics,
    flights: Flights,
    traces: Traces,
    revocations: Revocations,
    now: ArcSwap<Now>,
    reloading: tokio::sync::Mutex<()>,
}

/// What may change while the gateway runs.
struct Now {
    settings: Arc<GatewaySettings>,
    catalogue: Arc<Catalogue>,
    servers: routes::Servers,
    router: Router,
}

/// Why a gateway does not start, or does not take new settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The file of settings.
    #[error(transparent)]
    File(#[from] SettingsError),
    /// What the settings name.
    #[error("{0}")]
    Settings(String),
    /// A setting that cannot change while the gateway runs.
    #[error("`{0}` cannot change while the gateway runs: restart it")]
    Restart(&'static str),
}

impl OpenError {
    fn file(path: &Path, why: &std::io::Error) -> Self {
        let why = why.to_string();
        let why = why.split(" (os error").next().unwrap_or_default().to_lowercase();
        Self::Settings(format!("`{}`: {why}", path.display()))
    }
}

impl Gateway {
    /// Opens a gateway with the settings in this file, whose records go to `otherwise` where those name
    /// no file.
    ///
    /// *Shape*: must be called within a tokio runtime. *Errors*: [`OpenError`].
    pub fn open(path: &Path, otherwise: Arc<dyn Sink>) -> Result<Self, OpenError> {
        let settings = GatewaySettings::read(path)?;
        let sink = parts::sink(&settings.records, otherwise)?;
        Self::of(settings, sink, path, false)
    }

    /// Opens a gateway with these settings, whose records go to this sink; `path` is the file that
    /// [`Gateway::reload`] would read. Where its address is new, no proof can have been shown there
    /// before.
    ///
    /// *Shape*: must be called within a tokio runtime. *Errors*: [`OpenError`].
    pub fn of(
        settings: GatewaySettings,
        sink: Arc<dyn Sink>,
        path: &Path,
        is_new_address: bool,
    ) -> Result<Self, OpenError> {
        let settings = Arc::new(settings);
        let (metrics, flights) = (Metrics::default(), Flights::default());
        let traces = parts::traces(&settings)?;
        let guard = parts::guard(&settings, sink, &metrics, is_new_address)?;
        let catalogue = Arc::new(parts::catalogue(&settings)?);
        let shared = Shared {
            guard: guard.clone(),
            catalogue: Arc::clone(&catalogue),
            settings: Arc::clone(&settings),
            flights: flights.clone(),
            traces: traces.clone(),
            metrics: metrics.clone(),
        };
        let servers = routes::Servers::open(&shared, &routes::Servers::default())?;
        let router = servers.router();
        let revocations = parts::revocations(&settings.authority, &guard)?;
        let now = ArcSwap::from_pointee(Now { settings, catalogue, servers, router });
        let (path, reloading) = (path.to_owned(), tokio::sync::Mutex::default());
        let inner = Inner { path, guard, metrics, flights, traces, revocations, now, reloading };
        Ok(Self(Arc::new(inner)))
    }

    /// Reads the settings, and all that they name, without starting anything.
    ///
    /// *Errors*: [`OpenError`].
    pub fn check(path: &Path) -> Result<GatewaySettings, OpenError> {
        let settings = GatewaySettings::read(path)?;
        if settings.authority.bundle.is_some() {
            parts::bundle(&settings.authority)?;
        }
        let metrics = Metrics::default();
        let guard = parts::guard(&settings, Arc::<MemorySink>::default(), &metrics, true)?;
        let catalogue = Arc::new(parts::catalogue(&settings)?);
        parts::can_trace(&settings)?;
        let (flights, traces) = (Flights::default(), Traces::default());
        let settings = Arc::new(settings);
        let shared =
            Shared { guard, catalogue, settings: Arc::clone(&settings), flights, traces, metrics };
        routes::Servers::open(&shared, &routes::Servers::default())?;
        Ok((*settings).clone())
    }

    /// The settings that hold now.
    pub fn settings(&self) -> Arc<GatewaySettings> {
        Arc::clone(&self.0.now.load().settings)
    }

    /// What decides its calls.
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// Serves callers.
    pub fn router(&self) -> Router {
        let gateway = self.clone();
        Router::new().fallback(move |request: axum::extract::Request| {
            let router = gateway.0.now.load().router.clone();
            routes::serve(router, gateway.0.metrics.clone(), request)
        })
    }

    /// What other proxies ask about.
    pub(in crate::gateway) fn external(&self) -> Option<HttpProxy> {
        self.0.now.load().servers.external().cloned()
    }

    /// Serves operators: `/healthz`, `/readyz`, `/metrics`.
    pub fn operations(&self) -> Router {
        routes::operations(self.clone())
    }

    /// Ends what runs besides the listener: children, following revocations; sends the last traces.
    pub async fn close(self) {
        let traces = self.0.traces.clone();
        if let Ok(inner) = Arc::try_unwrap(self.0)
            && let Revocations::Followed(sync) = inner.revocations
        {
            sync.close().await;
        }
        traces.close().await;
    }

    fn metrics(&self) -> String {
        let inner = &self.0;
        let own = inner.metrics.text(inner.flights.count(), inner.guard.known_tokens());
        match &inner.revocations {
            Revocations::Followed(sync) => {
                // One text has one end.
                format!("{}{}", own.trim_end_matches("# EOF\n"), sync.reporter().metrics())
            }
            Revocations::Bundle => own,
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("path", &self.0.path).finish_non_exhaustive()
    }
}
