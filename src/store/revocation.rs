use crate::feed::{Entry, LogHash, Subject};
use crate::keys::{KeyId, TrustedRoot, VerifyingKey};
use crate::model::{Key16, Timestamp, limits};
use crate::verify::{RevocationEntry, RevocationKind};

/// Entries that the blocks of one task's tokens may have in the log.
///
/// Whoever holds an unsealed token can append blocks to it and revoke each: without a bound that
/// would let one token swell every gateway's list.
pub const TASK_REVOCATIONS_MAX: u32 = 1000;

/// How many of these are kept at each place of a token for it and those above.
///
/// A holder can make many blocks after its own, and none in its place: so nobody uses up what those
/// above need to revoke them.
pub const PLACE_REVOCATIONS: u32 = 60;

/// Something to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevocation {
    /// What is revoked.
    pub kind: RevocationKind,
    /// Its key.
    pub key16: Key16,
    /// The latest moment at which anything it could hit may still be alive.
    pub not_after: Timestamp,
    /// Why, where somebody said: a plain text.
    pub reason: Option<String>,
    /// Who did it, where that is known: a plain text.
    pub by: Option<String>,
    /// The task whose tokens it hits, where known.
    pub task: Option<String>,
    /// The place of the block in that task's token, where it is one and known.
    pub block: Option<u32>,
    /// The tasks that it ends, since it hits every token of theirs.
    pub ends: Ends,
    /// When.
    pub at: Timestamp,
}

/// Tasks that a revocation ends, of those that are alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// None.
    Nothing,
    /// The one with this id.
    Task(String),
    /// Those whose tokens were issued to this agent.
    Agent(String),
    /// Those whose tokens are bound to this key.
    Holder(VerifyingKey),
    /// Those whose tokens this root key signed.
    Root(KeyId),
    /// Those issued before this moment.
    Before(Timestamp),
}

/// What came of revoking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The log holds this entry: appended now, or before and good enough.
    Entry {
        /// The entry.
        entry: RevocationEntry,
        /// How many tasks were alive and are ended now.
        live_tasks: u64,
    },
    /// The task has as many entries as blocks at that place may bring it to; nothing was changed.
    TooMany,
}

/// What would come of revoking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// It would be done.
    Entry {
        /// The newest entry for the same that has not ended yet, if the log holds one.
        known: Option<RevocationEntry>,
        /// How many tasks are alive that would be ended.
        live_tasks: u64,
    },
    /// As [`Revoked::TooMany`].
    TooMany,
}

/// A log that begins anew, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The epoch of the new log.
    pub epoch: u64,
    /// How many entries the log before it has.
    pub entries: u64,
    /// How many of them go on in the new one.
    pub carried: u64,
    /// How many tasks were alive and are ended.
    pub live_tasks: u64,
}

/// The entries of the log that still count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRevocations {
    /// The highest place in the log.
    pub seq: u64,
    /// The entries, in the order of the log.
    pub entries: Vec<RevocationEntry>,
}

/// A stretch of the log, and where the log ends, of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// Which log it is.
    pub epoch: u64,
    /// The entries after the place that was asked for, up to as many as were.
    pub entries: Vec<Entry>,
    /// The highest place.
    pub seq: u64,
    /// The hash there.
    pub hash: LogHash,
}

impl NewRevocation {
    /// A revocation that ends no task, for no reason and by nobody that is known.
    pub fn new(kind: RevocationKind, key16: Key16, not_after: Timestamp, at: Timestamp) -> Self {
        let ends = Ends::Nothing;
        Self { kind, key16, not_after, reason: None, by: None, task: None, block: None, ends, at }
    }

    /// Every token issued to an agent, up to a day after this moment.
    pub fn of_agent(agent: String, at: Timestamp) -> Self {
        let key = Key16::of(agent.as_bytes());
        let ends = Ends::Agent(agent);
        Self { ends, ..Self::new(RevocationKind::Agent, key, day_after(at), at) }
    }

    /// Every token that a holder's key held at any hop, up to a day after this moment.
    pub fn of_holder(holder: VerifyingKey, at: Timestamp) -> Self {
        let key = Key16::of(&holder.to_bytes());
        let ends = Ends::Holder(holder);
        Self { ends, ..Self::new(RevocationKind::Holder, key, day_after(at), at) }
    }

    /// Every token that a root key signed or will sign: its secret does not become one again.
    pub fn of_root(root: &TrustedRoot, at: Timestamp) -> Self {
        let key = Key16::of(&root.key.to_bytes());
        // The last second that the log knows.
        let never = Timestamp::from_secs(u64::from(u32::MAX));
        Self { ends: Ends::Root(root.id), ..Self::new(RevocationKind::Root, key, never, at) }
    }

    /// Every token issued before a moment, which is brought up to a whole second.
    pub fn of_before(moment: Timestamp, at: Timestamp) -> Self {
        let moment = Timestamp::from_secs(moment.millis().div_ceil(1000));
        let key = Subject::Before(moment).bytes16();
        let ends = Ends::Before(moment);
        // What was issued last before a moment to come lives longer than what was issued until now.
        let not_after = day_after(at.max(moment));
        Self { ends, ..Self::new(RevocationKind::Before, key, not_after, at) }
    }

    /// How many entries of its task there may be before it does not fit.
    pub(super) fn fits_below(&self) -> u32 {
        let above = self.block.unwrap_or_default().saturating_sub(1);
        TASK_REVOCATIONS_MAX.saturating_sub(above.saturating_mul(PLACE_REVOCATIONS))
    }
}

/// When the last token has ended that was issued up to this moment.
fn day_after(at: Timestamp) -> Timestamp {
    at.plus_secs(limits::TOKEN_TTL_SECS_MAX)
}
