use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::follower::Place;
use super::{Bytes, Follower, Head, LogHash, Malformed, Table};
use crate::keys::{TrustedRoots, VerifyingKey};
use crate::model::{Key16, Timestamp};

const MAGIC: [u8; 4] = *b"HTV1";
const ENTRY_BYTES: usize = 16 + 4;
const SUM_BYTES: usize = 32;

/// What a follower knows, as it is kept on disk.
///
/// *Shape*: `HTV1`, the length (u32) of a JSON text that says where it is, that text, each key in 20
/// bytes with the second in which it ends, and the SHA-256 of all that. It is a file of its own
/// process: the sum shows damage, not forgery.
#[derive(Clone, Debug)]
pub struct Saved {
    state: State,
    table: Arc<Table>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    issuer: String,
    epoch: u64,
    seq: u64,
    hash: LogHash,
    seen: Head,
    /// The root key that vouched for who signed it.
    root: VerifyingKey,
    before: Timestamp,
    forgets: Timestamp,
}

/// Sums what goes through it.
struct Summed<W> {
    to: W,
    sum: Sha256,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Saved {
    /// What this follower knows; none where that is nothing.
    pub fn of(follower: &Follower) -> Option<Self> {
        let (place, seen, root) = (follower.place?, follower.seen.clone()?, follower.root?);
        let Place { epoch, seq, hash } = place;
        let (issuer, table) = (seen.issuer.clone(), Arc::clone(&follower.table));
        let (before, forgets) = (follower.before, follower.forgets);
        Some(Self { state: State { issuer, epoch, seq, hash, seen, root, before, forgets }, table })
    }

    /// Which log and how many entries of it.
    pub fn place(&self) -> (u64, u64) {
        (self.state.epoch, self.state.seq)
    }

    /// Writes the file. Keys that are added meanwhile may be in it: they are asked for once more, and
    /// change nothing then.
    ///
    /// *Errors*: as the writer's.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let state = serde_json::to_vec(&self.state)?;
        let mut summed = Summed { to, sum: Sha256::new() };
        summed.write_all(&MAGIC)?;
        summed.write_all(&u32::try_from(state.len()).unwrap_or(u32::MAX).to_be_bytes())?;
        summed.write_all(&state)?;
        for (key, ends) in self.table.iter() {
            summed.write_all(&key.0)?;
            summed.write_all(&ends.to_be_bytes())?;
        }
        let Summed { mut to, sum } = summed;
        to.write_all(&sum.finalize())?;
        to.flush()
    }

    /// Reads a file.
    ///
    /// *Errors*: [`Malformed`] where it is damaged, or none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let end = bytes.len().checked_sub(SUM_BYTES).ok_or(Malformed)?;
        let (bytes, sum) = bytes.split_at_checked(end).ok_or(Malformed)?;
        if <[u8; SUM_BYTES]>::from(Sha256::digest(bytes)) != *sum {
            return Err(Malformed);
        }
        let mut bytes = Bytes(bytes);
        if bytes.array()? != MAGIC {
            return Err(Malformed);
        }
        let length = bytes.u32()? as usize;
        let state = serde_json::from_slice(bytes.take(length)?).map_err(|_| Malformed)?;
        let count = bytes.0.len() / ENTRY_BYTES;
        let table = Table::with_room(count + count * 2 / 5);
        for _ in 0..count {
            let key = Key16(bytes.array()?);
            table.insert(&key, bytes.u32()?);
        }
        bytes.end()?;
        Ok(Self { state, table: Arc::new(table) })
    }

    /// Whether one of these roots vouched for it.
    pub fn is_of(&self, roots: &TrustedRoots) -> bool {
        roots.iter().any(|root| root.key == self.state.root)
    }

    /// A follower that goes on from there. It knows nothing of how old that is.
    pub fn follower(self, roots: TrustedRoots) -> Follower {
        let State { issuer, epoch, seq, hash, seen, root, before, forgets } = self.state;
        let place = Some(Place { epoch, seq, hash });
        Follower {
            place,
            seen: Some(seen),
            root: Some(root),
            table: self.table,
            before,
            forgets,
            ..Follower::new(roots, Some(issuer))
        }
    }
}
