//! Proofs that were used: each is taken once.
//!
//! *Shape*: a store has one operation, [`Replays::spend`]. It must be atomic: of all that spend one
//! key, one is told that it is fresh. [`LocalReplays`] holds for one process; gateways behind one
//! address that share their callers need one store together, such as `RedisReplays`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::{Code, Reason, Timestamp, limits};
use crate::verify::{Possession, ProofFault, Unspent};

/// Parts of a store that are locked one by one.
const SHARDS: usize = 64;

/// How long after a gateway's start a proof must be remembered that may have been shown before it:
/// such a proof is ahead of the start by as much as clocks may be apart.
const SHOWN_BEFORE_SECS: u64 =
    limits::PROOF_AGE_SECS_MAX + 2 * limits::CLOCK_SKEW_SECS + limits::CLOCK_SKEW_SECS;

/// What a store says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Seen for the first time, and from now on remembered.
    Fresh,
    /// Seen before.
    Seen,
    /// The store is full, away, or cannot say any more: nothing was spent.
    Unavailable,
}

/// What a store is about to say.
pub type Spending<'a> = Pin<Box<dyn Future<Output = Spent> + Send + 'a>>;

/// A memory of proofs that were used.
pub trait Replays: Send + Sync {
    /// Spends a key, and remembers it at least until a moment has passed; `now` is the caller's.
    ///
    /// *Shape*: one atomic operation. Whoever does not know answers [`Spent::Unavailable`], never
    /// [`Spent::Fresh`]: a store that may have lost the key, as after a restart, does not know. The
    /// guard drops the future where it takes longer than [`GuardBuilder::replays_timeout`].
    ///
    /// [`GuardBuilder::replays_timeout`]: super::GuardBuilder::replays_timeout
    fn spend(&self, key: [u8; 32], until: Timestamp, now: Timestamp) -> Spending<'_>;
}

/// Spends a proof, within a time.
///
/// *Errors*: a reason with `proof-replayed`, `proof-store-unavailable`, or `proof-invalid` for a
/// proof whose time has passed meanwhile: its key may be forgotten already.
pub(super) async fn spend(
    replays: &dyn Replays,
    timeout: Duration,
    unspent: Unspent,
    now: Timestamp,
) -> Result<Possession, Reason> {
    if now > unspent.good_until() {
        return Err(ProofFault::Old.into());
    }
    let spending = replays.spend(unspent.key(), unspent.closes(), now);
    match tokio::time::timeout(timeout, spending).await.unwrap_or(Spent::Unavailable) {
        Spent::Fresh => Ok(unspent.spent()),
        Spent::Seen => Err(Reason::new(Code::ProofReplayed, "the proof was used before")),
        Spent::Unavailable => {
            let message = "this gateway cannot tell whether the proof was used before";
            Err(Reason::new(Code::ProofStoreUnavailable, message))
        }
    }
}

/// A memory of proofs in this process: exact and bounded.
///
/// *Shape*: keys in 64 shards by their first bits, each with its own lock. A key leaves when its
/// moment has passed and never before; when there is no room, a new one is not taken. It ends with
/// the process, and the next one cannot say what this one was shown.
pub struct LocalReplays {
    shards: Vec<Mutex<Shard>>,
    count: AtomicUsize,
    max: usize,
}

/// Half of a key: 128 bits of a SHA-256 are told apart for certain.
type Half = [u8; 16];

#[derive(Default)]
struct Shard {
    keys: HashSet<Half>,
    /// The keys that leave when each second is over.
    leaving: BTreeMap<u64, Vec<Half>>,
    /// Keys that were to be remembered until this second or before are gone.
    forgotten: u64,
}

impl LocalReplays {
    /// A memory of so many proofs, of a gateway that starts now and may have run before: proofs that
    /// could have been shown to it then are answered with [`Spent::Unavailable`]. These are all that
    /// were issued up to 5 s after the start, by clocks that are ahead.
    pub fn new(max: usize, start: Timestamp) -> Self {
        Self::that_forgot(max, start.plus_secs(SHOWN_BEFORE_SECS).secs())
    }

    /// A memory of so many proofs, of a gateway at an address that has never been in use before.
    pub fn of_new_address(max: usize) -> Self {
        Self::that_forgot(max, 0)
    }

    fn that_forgot(max: usize, forgotten: u64) -> Self {
        let shard = || Mutex::new(Shard { forgotten, ..Shard::default() });
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), count: AtomicUsize::new(0), max }
    }

    /// How many proofs are remembered.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&self, key: [u8; 32], until: Timestamp, now: Timestamp) -> Spent {
        let [first, ..] = key;
        let Some(shard) = self.shards.get(usize::from(first) % SHARDS) else {
            return Spent::Unavailable;
        };
        let mut half = Half::default();
        half.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        if !self.has_room() {
            self.shards.iter().for_each(|shard| self.forget(&mut locked(shard), now));
        }
        let mut shard = locked(shard);
        self.forget(&mut shard, now);
        let until = until.secs();
        if shard.keys.contains(&half) {
            return Spent::Seen;
        }
        // Where a clock went back, the key may have been here already.
        if until <= shard.forgotten || !self.takes_room() {
            return Spent::Unavailable;
        }
        shard.keys.insert(half);
        shard.leaving.entry(until).or_default().push(half);
        Spent::Fresh
    }

    fn has_room(&self) -> bool {
        self.len() < self.max
    }

    fn takes_room(&self) -> bool {
        let one_more = |count: usize| count.checked_add(1).filter(|count| *count <= self.max);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Forgets the keys of a shard whose moment has passed.
    fn forget(&self, shard: &mut Shard, now: Timestamp) {
        while let Some(first) = shard.leaving.first_entry().filter(|e| *e.key() < now.secs()) {
            shard.forgotten = shard.forgotten.max(*first.key());
            let keys = first.remove();
            for key in &keys {
                shard.keys.remove(key);
            }
            self.count.fetch_sub(keys.len(), Ordering::Relaxed);
        }
    }
}

/// A shard is whole after every statement that changes it, so one left by a panic is too.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replays for LocalReplays {
    fn spend(&self, key: [u8; 32], until: Timestamp, now: Timestamp) -> Spending<'_> {
        Box::pin(std::future::ready(self.take(key, until, now)))
    }
}

impl fmt::Debug for LocalReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalReplays({} of {})", self.len(), self.max)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::keys::{HolderKey, RootKey, TrustedRoots};
    use crate::mint::{Task, mint};
    use crate::model::{Args, Request};
    use crate::present::{ProofCall, present};
    use crate::token::UnverifiedToken;
    use crate::verify::{ProofTarget, authenticate, check_proof};
    use crate::vocabulary::grant::grants_from_json;

    fn unspent(now: Timestamp) -> Unspent {
        let rng = &mut StdRng::seed_from_u64(1);
        let (root, holder) = (RootKey::generate(rng), HolderKey::generate(rng));
        let grants = grants_from_json(br#"[{"tool": "crm/get"}]"#).unwrap();
        let task = Task { holder: Some(holder.public()), ..Task::new(grants, None) };
        let token = mint(&task, &root, now, rng).unwrap().token;
        let request = Request {
            tool: "crm/get".parse().unwrap(),
            args: Args::none(),
            labels: BTreeSet::new(),
            audience: "gw".to_owned(),
            time: now,
            http: None,
        };
        let uri = "https://api.example.com/get".parse().unwrap();
        let (tool, args) = (&request.tool, &request.args);
        let call = ProofCall { method: "POST", uri: &uri, tool, args, nonce: None };
        let sent = present(&token, &holder, &call, now, rng).unwrap();
        let sealed: UnverifiedToken = sent.token().parse().unwrap();
        let authentic = authenticate(sealed, &TrustedRoots::one(root.public())).unwrap();
        let token_digest = Sha256::digest(sent.token()).into();
        let target = ProofTarget { token_digest, method: "POST", uri: &uri, nonces: &[] };
        check_proof(Some(sent.dpop()), &authentic, &target, &request).unwrap()
    }

    #[tokio::test]
    async fn a_proof_is_not_spent_after_its_time() {
        let now = Timestamp::from_secs(1_800_000_000);
        let store = LocalReplays::of_new_address(10);
        let spend_at = async |secs| {
            let timeout = Duration::from_secs(1);
            let spent = spend(&store, timeout, unspent(now), now.plus_secs(secs)).await;
            spent.map(drop).map_err(|reason| reason.code)
        };
        assert_eq!(spend_at(66).await, Err(Code::ProofInvalid));
        assert!(store.is_empty());
        assert_eq!(spend_at(65).await, Ok(()));
        assert_eq!(spend_at(65).await, Err(Code::ProofReplayed));
    }
}
