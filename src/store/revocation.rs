use crate::feed::{Entry, LogHash};
use crate::model::{Key16, Timestamp};
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
    /// Whether it hits every token of that task, so that the task ends.
    pub ends_task: bool,
    /// When.
    pub at: Timestamp,
}

/// What came of revoking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The log holds this entry: appended now, or before and good enough.
    Entry(RevocationEntry),
    /// The task has as many entries as blocks at that place may bring it to; nothing was changed.
    TooMany,
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
    /// How many entries of its task there may be before it does not fit.
    pub(super) fn fits_below(&self) -> u32 {
        let above = self.block.unwrap_or_default().saturating_sub(1);
        TASK_REVOCATIONS_MAX.saturating_sub(above.saturating_mul(PLACE_REVOCATIONS))
    }
}
