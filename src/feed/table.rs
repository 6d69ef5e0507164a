use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::model::Key16;

/// How full a table may be, in quarters.
const FULL_QUARTERS: usize = 3;
/// The smallest table.
const SLOTS_MIN: usize = 64;

/// What is revoked: an exact set of keys that one thread extends while others read it, without a lock
/// and without a pause.
///
/// *Shape*: open addressing over slots of 20 bytes, at most three quarters full: two halves of a key
/// and the second in which it ends. Keys are parts of SHA-256 hashes, so that their first half says
/// where to look. A slot is written once: its second half, then its first; a reader that meets one
/// half-written does not find that key yet, and goes on.
#[derive(Debug)]
pub struct Table {
    slots: Box<[Slot]>,
    ends: Box<[AtomicU32]>,
    /// The key of zeros looks like an empty slot.
    holds_zero: AtomicBool,
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    first: AtomicU64,
    second: AtomicU64,
}

fn halves(key: &Key16) -> (u64, u64) {
    let key = u128::from_be_bytes(key.0);
    ((key >> 64) as u64, key as u64)
}

impl Table {
    /// An empty table with room for so many keys.
    pub fn with_room(keys: usize) -> Self {
        let slots = keys.saturating_mul(4).div_ceil(FULL_QUARTERS).max(SLOTS_MIN);
        Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            ends: (0..slots).map(|_| AtomicU32::default()).collect(),
            holds_zero: AtomicBool::new(false),
            len: AtomicUsize::new(0),
        }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys it may hold.
    pub fn room(&self) -> usize {
        self.slots.len().saturating_mul(FULL_QUARTERS) / 4
    }

    /// What it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.slots.len() * (size_of::<Slot>() + size_of::<AtomicU32>())
    }

    /// Whether it holds this key.
    pub fn contains(&self, key: &Key16) -> bool {
        let (first, second) = halves(key);
        if (first, second) == (0, 0) {
            return self.holds_zero.load(Ordering::Acquire);
        }
        for at in self.places(first) {
            let Some(slot) = self.slots.get(at) else { return false };
            // Whoever sees the first half sees the second, which was written before it.
            match (slot.first.load(Ordering::Acquire), slot.second.load(Ordering::Acquire)) {
                (0, 0) => return false,
                found if found == (first, second) => return true,
                _ => {}
            }
        }
        false
    }

    /// Adds a key until the second in which it ends, or moves that back. One thread at a time may do
    /// so; false where there is no room.
    pub fn insert(&self, key: &Key16, ends: u32) -> bool {
        let (first, second) = halves(key);
        if (first, second) == (0, 0) {
            self.holds_zero.store(true, Ordering::Release);
            return true;
        }
        for at in self.places(first) {
            let (Some(slot), Some(until)) = (self.slots.get(at), self.ends.get(at)) else { break };
            match (slot.first.load(Ordering::Relaxed), slot.second.load(Ordering::Relaxed)) {
                (0, 0) if self.len() >= self.room() => return false,
                (0, 0) => {
                    until.store(ends, Ordering::Relaxed);
                    slot.second.store(second, Ordering::Release);
                    slot.first.store(first, Ordering::Release);
                    self.len.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                found if found == (first, second) => {
                    until.fetch_max(ends, Ordering::Relaxed);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Another table with room for so many keys more, and with the keys of this one that end in this
    /// second or later.
    pub fn grown(&self, more: usize, now_secs: u64) -> Self {
        let lives = |ends: &AtomicU32| u64::from(ends.load(Ordering::Relaxed)) >= now_secs;
        let keys = || {
            let slots = self.slots.iter().zip(&self.ends).filter(|(_, ends)| lives(ends));
            slots.filter_map(|(slot, ends)| {
                let (first, second) =
                    (slot.first.load(Ordering::Relaxed), slot.second.load(Ordering::Relaxed));
                let key = (u128::from(first) << 64) | u128::from(second);
                (key != 0).then(|| (Key16(key.to_be_bytes()), ends.load(Ordering::Relaxed)))
            })
        };
        let table = Self::with_room(keys().count().saturating_add(more));
        for (key, ends) in keys() {
            table.insert(&key, ends);
        }
        let holds_zero = self.holds_zero.load(Ordering::Relaxed);
        table.holds_zero.store(holds_zero, Ordering::Relaxed);
        table
    }

    /// The slots in which a key may be, from its own one on.
    fn places(&self, first: u64) -> impl Iterator<Item = usize> + use<> {
        let count = self.slots.len();
        let home = ((u128::from(first) * count as u128) >> 64) as usize;
        (home..count).chain(0..home)
    }
}
