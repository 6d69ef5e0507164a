use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::cache::{TokenCache, Trust};
use super::flow::{Decider, Shared};
use super::freshness::Freshness;
use super::layer::Guard;
use super::nonce::Nonces;
use super::replay::{LocalReplays, Replays};
use super::tools::ToolMap;
use crate::config::SystemClock;
use crate::decide::{self, Policy, PolicyError};
use crate::keys::TrustedRoots;
use crate::mint::is_plain_text;
use crate::model::Clock;
use crate::model::{Key16, TargetUri, Timestamp, ToolError, ToolPattern, limits};
use crate::record::{Redaction, Sink};
use crate::verify::RevocationView;

/// What the cache of genuine tokens may take, in bytes.
const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a memory of used proofs may take to answer.
const REPLAYS_TIMEOUT: Duration = Duration::from_secs(1);

/// A guard in the making.
///
/// *Shape*: root keys, tools and a sink are needed. Until a view of revocations is given or
/// published, every call is refused with `revocation-stale`.
pub struct GuardBuilder {
    gateway: String,
    roots: Option<TrustedRoots>,
    policy: Option<Policy>,
    tools: Option<ToolMap>,
    sink: Option<Arc<dyn Sink>>,
    view: Arc<dyn RevocationView>,
    clock: Arc<dyn Clock>,
    labels: Vec<(ToolPattern, BTreeSet<String>)>,
    freshness: Freshness,
    redaction: Redaction,
    body_bytes_max: usize,
    body_timeout: Duration,
    cache_bytes_max: u64,
    public_uri: Option<TargetUri>,
    replays: Option<Arc<dyn Replays>>,
    replays_timeout: Duration,
    nonces: Option<Nonces>,
    decider: Decider,
}

/// Why there is no guard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The gateway's identifier is no text that a token can name.
    #[error("the gateway's identifier is empty, too long or holds control characters")]
    Gateway,
    /// Something a guard cannot be without.
    #[error("a guard needs `{0}`")]
    Missing(&'static str),
    /// The standard policy does not parse.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// What is known before anything was: nothing.
struct NothingKnown;

impl RevocationView for NothingKnown {
    fn age_millis(&self, _now: Timestamp) -> Option<u64> {
        None
    }

    fn is_revoked(&self, _key: &Key16) -> bool {
        false
    }
}

impl GuardBuilder {
    pub(super) fn new(gateway: String) -> Self {
        Self {
            gateway,
            roots: None,
            policy: None,
            tools: None,
            sink: None,
            view: Arc::new(NothingKnown),
            clock: Arc::new(SystemClock),
            labels: Vec::new(),
            freshness: Freshness::default(),
            redaction: Redaction::default(),
            body_bytes_max: limits::ARGS_BYTES_MAX,
            body_timeout: BODY_TIMEOUT,
            cache_bytes_max: CACHE_BYTES_MAX,
            public_uri: None,
            replays: None,
            replays_timeout: REPLAYS_TIMEOUT,
            nonces: None,
            decider: Arc::new(decide::decide),
        }
    }

    /// The root keys whose tokens are accepted.
    pub fn roots(self, roots: TrustedRoots) -> Self {
        Self { roots: Some(roots), ..self }
    }

    /// The gateway's policy, instead of [`Policy::standard`].
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Which request is a call of which tool.
    pub fn tools(self, tools: ToolMap) -> Self {
        Self { tools: Some(tools), ..self }
    }

    /// Where the records go.
    pub fn sink(self, sink: Arc<dyn Sink>) -> Self {
        Self { sink: Some(sink), ..self }
    }

    /// The first view of revocations; [`Guard::publish`] gives the next ones.
    pub fn revocations(self, view: impl RevocationView + 'static) -> Self {
        Self { view: Arc::new(view), ..self }
    }

    /// How old the view of revocations may be, by the labels of the tool that is called.
    pub fn freshness(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// The clock, instead of the system's.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Gives labels to a tool, or to all of a server's (`server/*`), besides those given before.
    ///
    /// *Errors*: [`ToolError`] where the text names none.
    pub fn labels<L: Into<String>>(
        mut self,
        tools: &str,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Self, ToolError> {
        self.labels.push((tools.parse()?, labels.into_iter().map(Into::into).collect()));
        Ok(self)
    }

    /// What of a call's arguments is kept in records, instead of their digest alone.
    pub fn redaction(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }

    /// The longest body that is taken, in bytes; never more than [`limits::ARGS_BYTES_MAX`].
    pub fn body_bytes_max(self, max: usize) -> Self {
        Self { body_bytes_max: max.min(limits::ARGS_BYTES_MAX), ..self }
    }

    /// How long a body may take to arrive, instead of 30 s.
    pub fn body_timeout(self, timeout: Duration) -> Self {
        Self { body_timeout: timeout, ..self }
    }

    /// What the cache of genuine tokens may take, in bytes, instead of 64 MiB; 0 is no cache.
    pub fn cache_bytes_max(self, max: u64) -> Self {
        Self { cache_bytes_max: max, ..self }
    }

    /// The address under which callers reach the service: a proof's `htu` must be this, followed by
    /// the path of the request.
    ///
    /// *Shape*: scheme, host, port where it is not the scheme's own, and what a proxy takes off the
    /// path. Without it, a proof must name `http://` and whatever the request says is its host. That
    /// is right only where callers speak to this process without TLS, and it is the caller's word:
    /// then only the audience of the token, and not the proof, keeps a call from another gateway out.
    pub fn public_uri(self, uri: TargetUri) -> Self {
        Self { public_uri: Some(uri), ..self }
    }

    /// Where proofs that were used are remembered, instead of a [`LocalReplays`] of its own. That one
    /// takes proofs that were issued more than 5 s after [`GuardBuilder::build`], or that carry one of
    /// [newly generated](Nonces::generate) nonces: others may have been shown to the process before.
    /// Gateways that share callers and an address need to share it.
    pub fn replays(self, replays: Arc<dyn Replays>) -> Self {
        Self { replays: Some(replays), ..self }
    }

    /// How long the memory of used proofs may take to answer, instead of 1 s; a call for which it
    /// takes longer is refused with `proof-store-unavailable`.
    pub fn replays_timeout(self, timeout: Duration) -> Self {
        Self { replays_timeout: timeout, ..self }
    }

    /// Asks every proof for a nonce, so that none can be made ahead of its time (RFC 9449, section
    /// 8). A call without one is answered with the nonce to use.
    pub fn proof_nonces(self, nonces: Nonces) -> Self {
        Self { nonces: Some(nonces), ..self }
    }

    #[cfg(test)]
    pub(super) fn decider(self, decider: Decider) -> Self {
        Self { decider, ..self }
    }

    /// The guard.
    ///
    /// *Errors*: [`GuardError`] where something is missing.
    pub fn build(self) -> Result<Guard, GuardError> {
        if !is_plain_text(&self.gateway) {
            return Err(GuardError::Gateway);
        }
        let trust = Trust {
            roots: self.roots.ok_or(GuardError::Missing("roots"))?,
            policy: self.policy.map_or_else(Policy::standard, Ok)?,
        };
        // A proof that was shown to an earlier process has none of the nonces of a new key.
        let is_new = self.nonces.as_ref().is_some_and(Nonces::begins);
        let kept_max = limits::PROOFS_KEPT_MAX;
        let own = || match is_new {
            true => LocalReplays::of_new_address(kept_max),
            false => LocalReplays::new(kept_max, self.clock.now()),
        };
        let replays = self.replays.unwrap_or_else(|| Arc::new(own()));
        let shared = Shared {
            gateway: self.gateway,
            tokens: ArcSwap::from_pointee(TokenCache::new(trust, self.cache_bytes_max)),
            cache_bytes_max: self.cache_bytes_max,
            view: ArcSwap::from_pointee(self.view),
            tools: self.tools.ok_or(GuardError::Missing("tools"))?,
            labels: self.labels,
            freshness: self.freshness,
            sink: self.sink.ok_or(GuardError::Missing("sink"))?,
            clock: self.clock,
            redaction: self.redaction,
            body_bytes_max: self.body_bytes_max,
            body_timeout: self.body_timeout,
            public_uri: self.public_uri,
            replays,
            replays_timeout: self.replays_timeout,
            nonces: self.nonces,
            decider: self.decider,
        };
        Ok(Guard { shared: Arc::new(shared) })
    }
}

impl fmt::Debug for GuardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardBuilder").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}
