use super::{Bytes, Entry, LogHash, Malformed};

const MAGIC: [u8; 4] = *b"HTD1";

/// Most entries of one file; whoever is further behind takes a snapshot.
pub(super) const DELTA_ENTRIES_MAX: usize = 100_000;

/// A stretch of the log, as a file.
///
/// *Shape*: `HTD1`, the place before it (u64), how many entries there are (u32), each entry; numbers
/// big-endian. At most 100,000 entries. It proves nothing by itself: its entries must
/// lead from a hash that is known to one that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    from: u64,
    entries: Vec<Entry>,
}

impl Delta {
    /// The entries that follow this place, at least one and at most 100,000.
    pub fn new(from: u64, entries: Vec<Entry>) -> Option<Self> {
        let fits = (1..=DELTA_ENTRIES_MAX).contains(&entries.len());
        let delta = Self { from, entries };
        (fits && delta.from.checked_add(delta.entries.len() as u64).is_some()).then_some(delta)
    }

    /// The place that it follows.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The place of its last entry.
    pub fn to(&self) -> u64 {
        self.from.saturating_add(self.entries.len() as u64)
    }

    /// Its entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The hash at its last place, where that before it is this.
    pub fn hash_after(&self, before: LogHash) -> LogHash {
        self.entries.iter().fold(before, |hash, entry| hash.then(entry))
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.from.to_be_bytes());
        bytes.extend((self.entries.len() as u32).to_be_bytes());
        self.entries.iter().for_each(|entry| entry.write(&mut bytes));
        bytes
    }

    /// Reads a file.
    ///
    /// *Errors*: [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(bytes);
        if bytes.array()? != MAGIC {
            return Err(Malformed);
        }
        let (from, count) = (bytes.u64()?, bytes.u32()? as usize);
        if count > DELTA_ENTRIES_MAX {
            return Err(Malformed);
        }
        let entries = (0..count).map(|_| Entry::read(&mut bytes)).collect::<Result<_, _>>()?;
        bytes.end()?;
        Self::new(from, entries).ok_or(Malformed)
    }
}
