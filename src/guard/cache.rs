use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::recent::Recent;
use crate::decide::{Decision, Policy, Program, decide};
use crate::keys::TrustedRoots;
use crate::model::{Reason, Request, Timestamp};
use crate::token::Envelope;
use crate::verify::{Authentic, RevocationView, authenticate_like};

/// An unused entry goes after this long.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// The longest life of an entry: the cache's clock counts no further than some centuries.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a decoded token and its program take beside regular expressions, as a multiple of the
/// token's bytes, and at least.
const WEIGHT: (usize, usize) = (40, 8192);

/// What finding a token's relatives takes, an entry: a signature, a place, and the cache's own.
const RELATIVE_BYTES: u64 = 256;

/// What a verifier holds tokens to.
#[derive(Debug)]
pub struct Trust {
    /// The root keys whose tokens are accepted.
    pub roots: TrustedRoots,
    /// The gateway's policy.
    pub policy: Policy,
}

/// A genuine token, ready to decide.
///
/// *Shape*: only a [`TokenCache`] makes one.
#[derive(Debug)]
pub struct Known {
    authentic: Arc<Authentic>,
    program: Program,
    /// How long it may be remembered.
    life: Duration,
}

/// Genuine tokens, ready to decide, under the SHA-256 of their text.
///
/// *Shape*: one cache holds tokens to one [`Trust`]; another trust takes another cache, so that a
/// token ends with its root key. Only genuine tokens are remembered, until they end: a flood of
/// others drives nobody out and takes no room. Bounded in bytes. When many ask for one token that
/// is not known, one of them verifies it. Whether a token is revoked is no part of what is
/// remembered: [`Known::decide`] asks on every call.
///
/// A token that shares its first blocks with a known one, as a parent's child does, costs the
/// signatures of its other blocks.
pub struct TokenCache {
    trust: Trust,
    tokens: Cache<[u8; 32], Arc<Known>>,
    recent: Recent,
    /// A known token for each signature of a block.
    relatives: Cache<[u8; 64], Weak<Known>>,
}

/// Why a token is not remembered.
#[derive(Clone)]
enum Passing {
    Refused(Reason),
    /// Genuine, and at its end.
    Ended(Arc<Known>),
}

struct WithToken;

impl Expiry<[u8; 32], Arc<Known>> for WithToken {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        known: &Arc<Known>,
        _: Instant,
    ) -> Option<Duration> {
        Some(known.life)
    }
}

impl Known {
    /// The token.
    pub fn authentic(&self) -> &Arc<Authentic> {
        &self.authentic
    }

    /// The token and the policy it is held to, made ready.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Decides one call, under a view of revocations.
    pub fn decide(&self, revocations: &dyn RevocationView, request: &Request) -> Decision {
        match self.authentic.admit(revocations, request.time) {
            Ok(verified) => decide(&verified, &self.program, request),
            Err(reason) => Decision::deny(reason),
        }
    }

    /// The program of a token that shares blocks with this one.
    fn program_of(&self, other: &Authentic, policy: &Policy) -> Result<Program, Reason> {
        let ours = self.authentic.token().envelope();
        let common = other.token().envelope().common_blocks(ours);
        if common == ours.blocks().len() {
            Program::extend(&self.program, other, common)
        } else {
            Program::new(other, policy)
        }
    }

    fn weight(&self) -> u32 {
        let bytes = WEIGHT.0.saturating_mul(self.authentic.token().as_bytes().len());
        let all = bytes.saturating_add(WEIGHT.1).saturating_add(self.program.regex_bytes());
        u32::try_from(all).unwrap_or(u32::MAX)
    }
}

impl TokenCache {
    /// A cache of about so many bytes; 0 remembers nothing.
    pub fn new(trust: Trust, bytes_max: u64) -> Self {
        let tokens = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|_: &[u8; 32], known: &Arc<Known>| known.weight())
            .time_to_idle(IDLE)
            .expire_after(WithToken);
        let relatives =
            Cache::builder().max_capacity(bytes_max / 16 / RELATIVE_BYTES).time_to_idle(IDLE);
        let (tokens, relatives) = (tokens.build(), relatives.build());
        Self { trust, tokens, recent: Recent::default(), relatives }
    }

    /// What tokens are held to.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How many tokens are remembered, and roughly how many bytes they take.
    pub fn size(&self) -> (u64, u64) {
        (self.tokens.entry_count(), self.tokens.weighted_size())
    }

    /// The genuine token with this text.
    ///
    /// *Errors*: a reason of decoding, verifying or compiling the token.
    pub fn find(&self, text: &str, now: Timestamp) -> Result<Arc<Known>, Reason> {
        self.find_under(Sha256::digest(text.as_bytes()).into(), text, now)
    }

    /// The same where the SHA-256 of the text is known already.
    pub(super) fn find_under(
        &self,
        key: [u8; 32],
        text: &str,
        now: Timestamp,
    ) -> Result<Arc<Known>, Reason> {
        if let Some(known) = self.recent.find(&key) {
            return Ok(known);
        }
        if let Some(known) = self.tokens.get(&key) {
            self.recent.keep(&key, &known);
            return Ok(known);
        }
        self.tokens.try_get_with(key, || self.verify(text, now)).or_else(|passing| {
            match Arc::unwrap_or_clone(passing) {
                Passing::Refused(reason) => Err(reason),
                Passing::Ended(known) => Ok(known),
            }
        })
    }

    fn verify(&self, text: &str, now: Timestamp) -> Result<Arc<Known>, Passing> {
        let ready = || self.ready(text.parse()?, now);
        let known = Arc::new(ready().map_err(Passing::Refused)?);
        if known.life.is_zero() {
            return Err(Passing::Ended(known));
        }
        for block in known.authentic.token().envelope().blocks() {
            let is_known = |weak: Weak<Known>| weak.strong_count() > 0;
            if !self.relatives.get(&block.signature).is_some_and(is_known) {
                self.relatives.insert(block.signature, Arc::downgrade(&known));
            }
        }
        Ok(known)
    }

    fn ready(&self, envelope: Envelope, now: Timestamp) -> Result<Known, Reason> {
        let relative = self.relative(&envelope);
        let proven = relative.as_ref().map(|known| &*known.authentic);
        let authentic = authenticate_like(envelope, &self.trust.roots, proven)?;
        let program = match relative {
            Some(known) => known.program_of(&authentic, &self.trust.policy)?,
            None => Program::new(&authentic, &self.trust.policy)?,
        };
        let left = |end: Timestamp| end.millis().saturating_sub(now.millis());
        let life = authentic.expires().map_or(LIFE_MAX, |end| Duration::from_millis(left(end)));
        Ok(Known { authentic: Arc::new(authentic), program, life: life.min(LIFE_MAX) })
    }

    /// The known token that shares most blocks with this one.
    fn relative(&self, envelope: &Envelope) -> Option<Arc<Known>> {
        let signatures = envelope.blocks().iter().rev().map(|block| &block.signature);
        signatures.filter_map(|signature| self.relatives.get(signature)?.upgrade()).next()
    }
}

#[cfg(test)]
impl TokenCache {
    /// Waits until what was put in and thrown out shows in the count.
    pub(super) fn settle(&self) {
        self.tokens.run_pending_tasks();
    }

    /// Drops all that is remembered.
    pub(super) fn forget(&self) {
        self.tokens.invalidate_all();
        self.settle();
    }

    /// What would be remembered of a token, and its weight.
    pub(super) fn known_with_weight(&self, text: &str, now: Timestamp) -> (Known, u32) {
        let known = self.ready(text.parse().unwrap(), now).unwrap();
        let weight = known.weight();
        (known, weight)
    }

    /// What the entries weigh.
    pub(super) fn size_bytes(&self) -> u64 {
        self.tokens.weighted_size()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} entries)", self.tokens.entry_count())
    }
}
