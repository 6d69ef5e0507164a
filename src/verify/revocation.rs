//! What a verifier knows about revocations.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Key16, Timestamp, limits};

/// A verifier's view of revocations.
pub trait RevocationView: Send + Sync {
    /// How long ago, at most, everything was known that had been revoked by then, in milliseconds;
    /// none where nothing is known. Whoever has a monotonic clock passes over `now`.
    fn age_millis(&self, now: Timestamp) -> Option<u64>;

    /// Whether something with this key is revoked.
    fn is_revoked(&self, key: &Key16) -> bool;

    /// The first of these keys that is revoked.
    fn first_revoked(&self, keys: &[Key16]) -> Option<usize> {
        keys.iter().position(|key| self.is_revoked(key))
    }

    /// Tokens issued before this moment are revoked.
    fn issued_since(&self) -> Timestamp {
        Timestamp::default()
    }

    /// What ended before this moment may have been forgotten: for whoever asks, it is at least that
    /// late.
    fn forgets(&self) -> Timestamp {
        Timestamp::default()
    }

    /// Whether the view is recent enough to decide on: no older than
    /// [`limits::REVOCATION_AGE_SECS_MAX`], unless it says otherwise.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let millis_max = limits::REVOCATION_AGE_SECS_MAX.saturating_mul(1000);
        self.age_millis(now).is_some_and(|age| age <= millis_max)
    }
}

/// A view that decisions may rest on while it is no older than this.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    /// The view.
    pub view: &'a dyn RevocationView,
    /// How old it may be, in milliseconds.
    pub age_millis_max: u64,
}

impl RevocationView for Within<'_> {
    fn age_millis(&self, now: Timestamp) -> Option<u64> {
        self.view.age_millis(now)
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        self.view.is_revoked(key)
    }

    fn first_revoked(&self, keys: &[Key16]) -> Option<usize> {
        self.view.first_revoked(keys)
    }

    fn issued_since(&self) -> Timestamp {
        self.view.issued_since()
    }

    fn forgets(&self) -> Timestamp {
        self.view.forgets()
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.view.age_millis(now).is_some_and(|age| age <= self.age_millis_max)
    }
}

impl<V: RevocationView + ?Sized> RevocationView for Arc<V> {
    fn age_millis(&self, now: Timestamp) -> Option<u64> {
        (**self).age_millis(now)
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        (**self).is_revoked(key)
    }

    fn first_revoked(&self, keys: &[Key16]) -> Option<usize> {
        (**self).first_revoked(keys)
    }

    fn issued_since(&self) -> Timestamp {
        (**self).issued_since()
    }

    fn forgets(&self) -> Timestamp {
        (**self).forgets()
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        (**self).is_fresh(now)
    }
}

/// No revocations, always fresh: for deciding offline, where nobody can say what was revoked.
#[derive(Clone, Copy, Debug)]
pub struct DangerUnrevoked;

impl RevocationView for DangerUnrevoked {
    fn age_millis(&self, _now: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _key: &Key16) -> bool {
        false
    }
}

/// What an entry of a revocation list revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationKind {
    /// One block, and every token that contains it.
    Block,
    /// Every token of a task.
    Task,
    /// Every token issued to an agent.
    Agent,
    /// Every token signed by a root key.
    Root,
    /// Every token that a holder's key held at any hop.
    Holder,
    /// Every token issued before a moment: the key is its whole seconds, a big-endian number.
    Before,
}

impl RevocationKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Block, Self::Task, Self::Agent, Self::Root, Self::Holder, Self::Before];

    /// The kind in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Task => "task",
            Self::Agent => "agent",
            Self::Root => "root",
            Self::Holder => "holder",
            Self::Before => "before",
        }
    }
}

/// One entry of a revocation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationEntry {
    /// The entry's place in the log, from 1.
    pub seq: u64,
    /// What is revoked.
    pub kind: RevocationKind,
    /// Its key.
    pub key16: Key16,
    /// The latest moment at which anything it could hit may still be alive.
    pub not_after: Timestamp,
    /// Why, where somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A view of what was known to be revoked at one moment.
///
/// *Shape*: exact, without false positives. Its age is counted by the wall clock.
#[derive(Clone, Debug)]
pub struct KnownRevocations {
    keys: HashSet<Key16>,
    time: Timestamp,
}

impl KnownRevocations {
    /// These keys, and nothing else, were revoked at this time.
    pub fn new(keys: impl IntoIterator<Item = Key16>, time: Timestamp) -> Self {
        Self { keys: keys.into_iter().collect(), time }
    }
}

impl RevocationView for KnownRevocations {
    fn age_millis(&self, now: Timestamp) -> Option<u64> {
        // A view from the future would stay fresh for as long as it pleases.
        let is_real = self.time <= now.plus_secs(limits::CLOCK_SKEW_SECS);
        is_real.then(|| now.millis().saturating_sub(self.time.millis()))
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        self.keys.contains(key)
    }
}
