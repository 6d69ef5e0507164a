use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::decide::{Policy, Program};
use crate::keys::TrustedRoots;
use crate::model::{Reason, Timestamp};
use crate::present::Presented;
use crate::verify::{self, Authentic};

/// An unused entry goes after this long.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// What a decoded token and its program take, as a multiple of the token's bytes, and at least.
const WEIGHT: (u32, u32) = (16, 4096);

/// What a guard trusts: changing any of it makes every remembered token a stranger again.
#[derive(Debug)]
pub struct Trust {
    pub(super) roots: TrustedRoots,
    pub(super) policy: Policy,
}

impl Trust {
    /// Trusts these root keys under this policy.
    pub fn new(roots: TrustedRoots, policy: Policy) -> Self {
        Self { roots, policy }
    }
}

/// A genuine token, ready to decide.
pub struct Known {
    pub(super) authentic: Arc<Authentic>,
    pub(super) program: Program,
    trust: Arc<Trust>,
    life: Duration,
}

impl Known {
    /// The token.
    pub fn authentic(&self) -> &Arc<Authentic> {
        &self.authentic
    }

    /// The token and the policy that it was found with, compiled.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("root", &self.authentic.root()).finish_non_exhaustive()
    }
}

/// Genuine tokens under the SHA-256 of their text.
///
/// *Shape*: only tokens that verified are remembered, so that a flood of bad ones drives nobody
/// out. Revocation is no part of it: [`Authentic::admit`] is asked on every call. An entry ends
/// with its token.
pub struct TokenCache(Cache<[u8; 32], Arc<Known>>);

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

impl TokenCache {
    /// A cache of about so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let weigh = |_: &[u8; 32], known: &Arc<Known>| {
            let bytes = u32::try_from(known.authentic.token().as_bytes().len()).unwrap_or(u32::MAX);
            bytes.saturating_mul(WEIGHT.0).saturating_add(WEIGHT.1)
        };
        let cache = Cache::builder().max_capacity(bytes_max).weigher(weigh);
        Self(cache.time_to_idle(IDLE).expire_after(WithToken).build())
    }

    /// The genuine token with this text.
    ///
    /// *Errors*: a reason of decoding, verifying or compiling the token.
    pub fn find(
        &self,
        text: &str,
        trust: &Arc<Trust>,
        now: Timestamp,
    ) -> Result<Arc<Known>, Reason> {
        let key: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(known) = self.0.get(&key).filter(|known| Arc::ptr_eq(&known.trust, trust)) {
            return Ok(known);
        }
        let malformed = |error: crate::token::TokenError| Reason::new(error.code, error.message);
        let presented = Presented::new(text.parse().map_err(malformed)?);
        let authentic = verify::authenticate(presented.into_token(), &trust.roots)?;
        let program = Program::new(&authentic, &trust.policy)?;
        let left =
            authentic.expires().map_or(u64::MAX, |end| end.millis().saturating_sub(now.millis()));
        let known = Arc::new(Known {
            authentic: Arc::new(authentic),
            program,
            trust: Arc::clone(trust),
            // The cache's clock counts no further than some centuries.
            life: Duration::from_millis(left).min(Duration::from_secs(24 * 60 * 60)),
        });
        if !known.life.is_zero() {
            self.0.insert(key, Arc::clone(&known));
        }
        Ok(known)
    }
}

#[cfg(test)]
impl TokenCache {
    /// Waits until what was put in and thrown out shows in the count.
    pub(super) fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} entries)", self.0.entry_count())
    }
}
