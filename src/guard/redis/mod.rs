//! A memory of used proofs in Redis, for gateways that share their callers and an address.
//!
//! *What a call costs*: one script, which is one round trip and one atomic step of Redis. It takes the
//! key with `SET … NX EX`, so that of all gateways one is told that a proof is fresh.
//!
//! *What a Redis can forget, and what is done about it.* A key that was lost would open a second time.
//!
//! - *Restart, failover, flush.* A marker beside the keys says of which server the memory is, and since
//!   when. The server is known by its `master_replid`, which is new at each start, each time that it
//!   becomes a master, and when its first replica joins it. Where the marker is missing or
//!   names another, the memory begins anew at this moment, and proofs that may be older than it are
//!   answered with [`Spent::Unavailable`]. So the first 10 s of a memory refuse every proof; then those
//!   pass that were made meanwhile. No persistence and no waiting for replicas is needed.
//! - *Eviction.* A server whose `maxmemory_policy` is not `noeviction` is not used.
//! - *Clocks.* A key is given so many seconds to live, counted from the gateway's moment, and a minute
//!   more, so that only a clock of the server that is set forward by more than that forgets early.
//!   A gateway whose own clock is set back calls nothing fresh that may be forgotten.
//!
//! *What is asked of the Redis.* Version 5 or later, one writable server at a time behind the address,
//! and no proxy that spreads calls over several. Two servers that both take writes, such as the two
//! sides of a split, each have a memory of their own: set `min-replicas-to-write` where there are
//! replicas. Clusters are not supported. The user needs `EVAL`, `INFO`, `HMGET`, `HSET` and `SET` on
//! keys under the prefix. Whoever can write to the Redis can open every proof again.
//!
//! *What a sick Redis costs.* So many calls wait at once, each so long, and no more; the others are
//! refused at once. One connection is being opened at a time, and one that did not answer in time is
//! given up with all that was sent on it.

mod line;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::{Client, cmd};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::line::{Fault, Line, Link};
use super::replay::{Replays, Spending, Spent};
use crate::model::{Timestamp, limits};

/// Takes a key, unless the memory is too young to know it.
///
/// *Shape*: `KEYS` are the marker and the key; `ARGV` the caller's moment, the last moment of the key,
/// both in milliseconds, how long a memory is young, and the seconds to keep the key. A memory that
/// begins in the caller's future is one of a clock that was wrong.
const SCRIPT: &str = "\
local me = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if not me then return redis.error_reply('no master_replid') end
local memory = redis.call('HMGET', KEYS[1], 'server', 'since')
local server, since, now = memory[1], tonumber(memory[2]), tonumber(ARGV[1])
if server ~= me or not since or since > now then
  since = now
  redis.call('HSET', KEYS[1], 'server', me, 'since', ARGV[1])
end
if tonumber(ARGV[2]) <= since + tonumber(ARGV[3]) then return -1 end
if redis.call('SET', KEYS[2], '', 'NX', 'EX', ARGV[4]) then return 1 end
return 0";

/// How far the last moment of a key that was lost can lie behind the beginning of the next memory.
/// A proof is accepted up to 5 s before its time, by a gateway whose clock may be 5 s ahead of the one
/// that begins the memory; and its key is kept for 70 s after its time.
const YOUNG_SECS: u64 = limits::PROOF_AGE_SECS_MAX + 4 * limits::CLOCK_SKEW_SECS;

/// How much longer than asked for a key is kept: Redis turns seconds into a moment of its own clock.
const MARGIN_SECS: u64 = 60;

/// How a memory in Redis is used.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// What the names of all keys begin with: `hardtack:`. Gateways that share a memory share it.
    pub prefix: String,
    /// How long a call waits for an answer, the connection included: 200 ms. The guard waits no
    /// longer than its own time in any case.
    pub timeout: Duration,
    /// How many calls may wait at once: 1024.
    pub waiting_max: usize,
}

impl Default for RedisOptions {
    fn default() -> Self {
        let timeout = Duration::from_millis(200);
        Self { prefix: "hardtack:".to_owned(), timeout, waiting_max: 1024 }
    }
}

/// Why there is no memory in Redis. It says nothing of the address, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not a `redis`, `rediss` or `unix` URL of a Redis")]
pub struct RedisAddressError;

/// A memory of used proofs in Redis.
///
/// *Shape*: nothing is connected to before the first call, which must come from within a tokio runtime
/// with time and I/O. A connection that broke is opened anew. See the module for what is asked of the
/// server.
pub struct RedisReplays {
    memory: Arc<Memory>,
    /// The latest moment of any call, in milliseconds.
    latest: AtomicU64,
}

struct Memory {
    line: Arc<Line>,
    waiting: Arc<Semaphore>,
    options: RedisOptions,
}

/// One key on its way.
struct Question {
    key: [u8; 32],
    until: Timestamp,
    now: Timestamp,
}

impl RedisReplays {
    /// A memory at this address: `redis://[user]:password@host:port/database`, `rediss://…` for TLS
    /// with the system's roots, `unix:///path`.
    ///
    /// *Errors*: [`RedisAddressError`].
    pub fn new(address: &str, options: RedisOptions) -> Result<Self, RedisAddressError> {
        // Somebody else may have installed one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::open(address).map_err(|_| RedisAddressError)?;
        let permits = options.waiting_max.min(Semaphore::MAX_PERMITS);
        let memory = Memory {
            line: Arc::new(Line::new(client)),
            waiting: Arc::new(Semaphore::new(permits)),
            options,
        };
        Ok(Self { memory: Arc::new(memory), latest: AtomicU64::new(0) })
    }
}

impl Replays for RedisReplays {
    fn spend(&self, key: [u8; 32], until: Timestamp, now: Timestamp) -> Spending<'_> {
        let latest = self.latest.fetch_max(now.millis(), Ordering::Relaxed);
        let question = Question { key, until, now };
        Box::pin(async move {
            // Where a clock went back, the key may have been kept and forgotten already.
            if until.millis() <= latest {
                return Spent::Unavailable;
            }
            let Ok(place) = Arc::clone(&self.memory.waiting).try_acquire_owned() else {
                return Spent::Unavailable;
            };
            let memory = Arc::clone(&self.memory);
            // A task of its own: a caller that goes away does not keep a sick line from being given up.
            let asking = tokio::spawn(async move {
                let spent = memory.ask(&question).await;
                drop(place);
                spent
            });
            asking.await.unwrap_or(Spent::Unavailable)
        })
    }
}

impl Memory {
    async fn ask(&self, question: &Question) -> Spent {
        let deadline = Instant::now() + self.options.timeout;
        let Ok(Some(link)) = timeout_at(deadline, self.line.link()).await else {
            return Spent::Unavailable;
        };
        let fault = match timeout_at(deadline, self.script(&link, question)).await {
            Ok(Ok(1)) => return Spent::Fresh,
            Ok(Ok(0)) => return Spent::Seen,
            Ok(Ok(-1)) => return Spent::Unavailable,
            Ok(Ok(_)) => Fault::Answer,
            Ok(Err(error)) => error.into(),
            Err(_) => Fault::Late,
        };
        self.line.give_up(&link, &fault);
        Spent::Unavailable
    }

    async fn script(&self, link: &Link, question: &Question) -> ::redis::RedisResult<i64> {
        let Question { key, until, now } = question;
        let left = until.millis().saturating_sub(now.millis()).div_ceil(1000);
        let prefix = &self.options.prefix;
        cmd("EVAL")
            .arg(SCRIPT)
            .arg(2)
            .arg(format!("{prefix}memory"))
            .arg(format!("{prefix}proof:{}", URL_SAFE_NO_PAD.encode(key)))
            .arg(now.millis())
            .arg(until.millis())
            .arg(YOUNG_SECS * 1000)
            .arg(left.saturating_add(MARGIN_SECS))
            .query_async(&mut link.connection.clone())
            .await
    }
}

impl fmt::Debug for RedisReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplays")
            .field("options", &self.memory.options)
            .finish_non_exhaustive()
    }
}
