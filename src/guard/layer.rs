use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, Service};

use super::builder::GuardBuilder;
use super::cache::Trust;
use super::flow::Shared;
use crate::decide::Policy;
use crate::keys::TrustedRoots;
use crate::verify::RevocationView;

/// A tower layer that decides every call before its handler sees it.
///
/// *Shape*: cheap to clone; all clones share one state, so that what is published through one
/// holds for all.
#[derive(Clone)]
pub struct Guard {
    pub(super) shared: Arc<Shared>,
}

/// A service behind a [`Guard`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl Guard {
    /// Starts a guard for the gateway with this identifier, which tokens name as their audience.
    pub fn builder(gateway: impl Into<String>) -> GuardBuilder {
        GuardBuilder::new(gateway.into())
    }

    /// Every call from now on is held to this view of revocations.
    pub fn publish(&self, view: impl RevocationView + 'static) {
        self.shared.view.store(Arc::new(Arc::new(view)));
    }

    /// Whether the view of revocations is recent enough for the tools of each class, by its label.
    pub fn readiness(&self) -> BTreeMap<String, bool> {
        let (view, now) = (self.shared.view.load_full(), self.shared.clock.now());
        self.shared.freshness.readiness(&**view, now)
    }

    /// How many tokens are remembered, and roughly how many bytes they take.
    pub fn known_tokens(&self) -> (u64, u64) {
        self.shared.tokens.load().size()
    }

    /// The gateway's identifier, which tokens name as their audience.
    pub fn gateway(&self) -> &str {
        &self.shared.gateway
    }

    /// Every call from now on is held to these root keys.
    pub fn trust(&self, roots: TrustedRoots) {
        self.shared.hold_to(|trust| Trust { roots: roots.clone(), policy: trust.policy.clone() });
    }

    /// Every call from now on is held to this policy.
    pub fn set_policy(&self, policy: Policy) {
        self.shared.hold_to(|trust| Trust { roots: trust.roots.clone(), policy: policy.clone() });
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("gateway", &self.shared.gateway)
            .field("tools", &self.shared.tools)
            .field("tokens", &**self.shared.tokens.load())
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone left behind is not ready; the one that is ready takes the call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let guard = self.guard.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let open = guard.shared.tools.is_open(&parts);
            let request = Request::from_parts(parts, body);
            let forward = match open {
                true => Ok(Shared::open(request)),
                false => Shared::judge(&guard, request).await,
            };
            match forward {
                Ok(request) => Ok(inner.call(request).await?.map(Body::new)),
                Err(refusal) => Ok(refusal),
            }
        })
    }
}
