//! Nonces that a guard asks proofs for, so that none can be made ahead of its time.
//!
//! *Source*: RFC 9449, section 8.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::{Timestamp, limits};

/// How long a nonce is handed out, in seconds; it is accepted for as long again.
const PERIOD_SECS: u64 = 60;

/// What goes before the period where it is hashed.
const LABEL: &[u8] = b"hardtack-nonce-v1\0";

/// Nonces that need no memory: each is a keyed hash of the minute it is handed out in.
///
/// *Shape*: 128 bits of SHA-256 over a key of 32 bytes, a label and the minute, as base64url. All
/// that is hashed has one length and half of the hash is left out, so that it cannot be extended.
/// Guards behind one address must share the key.
#[derive(Clone)]
pub struct Nonces {
    key: Zeroizing<[u8; 32]>,
    /// Whether nobody can have been told one of them yet.
    untold: Arc<AtomicBool>,
}

impl Nonces {
    /// Nonces under a new key.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self { key, untold: Arc::new(AtomicBool::new(true)) }
    }

    /// Nonces under a key that several guards share.
    pub fn from_key(key: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(key), untold: Arc::default() }
    }

    /// Whether nobody can have been told one of them before: true once, of a new key.
    pub(super) fn begins(&self) -> bool {
        self.untold.swap(false, Ordering::Relaxed)
    }

    /// The nonce that is handed out now.
    pub fn current(&self, now: Timestamp) -> String {
        self.of(now.secs() / PERIOD_SECS)
    }

    /// The nonces that are accepted now: this one, the one before, and the next one, if another
    /// guard's clock may have reached it.
    pub(super) fn accepted(&self, now: Timestamp) -> Vec<String> {
        let period = now.secs() / PERIOD_SECS;
        let ahead = now.plus_secs(limits::CLOCK_SKEW_SECS).secs() / PERIOD_SECS;
        (period.saturating_sub(1)..=ahead).map(|period| self.of(period)).collect()
    }

    fn of(&self, period: u64) -> String {
        let hash = Sha256::new().chain_update(*self.key).chain_update(LABEL);
        let hash = hash.chain_update(period.to_be_bytes()).finalize();
        URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_for_one_period_more() {
        let nonces = Nonces::from_key([7; 32]);
        let start = Timestamp::from_secs(1_800_000_000);
        let nonce = nonces.current(start);
        for (secs, accepted) in [(0, true), (59, true), (60, true), (119, true), (120, false)] {
            let now = start.plus_secs(secs);
            assert_eq!(nonces.accepted(now).contains(&nonce), accepted, "{secs}");
        }
        // Another guard's clock may be five seconds ahead, and no more.
        let ahead = |secs: u64| nonces.accepted(Timestamp::from_secs(1_800_000_000 - secs));
        assert!(ahead(5).contains(&nonce) && !ahead(6).contains(&nonce));
    }

    #[test]
    fn each_key_has_its_own() {
        let now = Timestamp::from_secs(1_800_000_000);
        let (one, two) = (Nonces::from_key([1; 32]), Nonces::from_key([2; 32]));
        assert_ne!(one.current(now), two.current(now));
        assert_eq!(one.current(now).len(), 22);
        assert_eq!(format!("{one:?}"), "Nonces");
    }
}
