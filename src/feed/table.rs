use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::model::Key16;

/// How full a table may be, in quarters.
const FULL_QUARTERS: usize = 3;
/// The smallest table.
const SLOTS_MIN: usize = 64;

/// What is revoked: an exact set of keys that one thread extends while others read it, without a lock
/// and without a pause.
///
/// *Shape*: open addressing over slots of 21 bytes, at most three quarters full: a tag, two halves of
/// a key and the second in which it ends. Keys are parts of SHA-256 hashes, so that their first half
/// says where to look. The tags lie side by side, so that a key that is not there is seldom looked for
/// anywhere else. A slot is written once, its tag last: whoever sees the tag sees the rest.
#[derive(Debug)]
pub struct Table {
    /// Zero where a slot is empty, else made of the key's second half.
    tags: Box<[AtomicU8]>,
    slots: Box<[Slot]>,
    ends: Box<[AtomicU32]>,
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

fn tag_of(second: u64) -> u8 {
    (second as u8).max(1)
}

impl Slot {
    fn key(&self) -> (u64, u64) {
        (self.first.load(Ordering::Relaxed), self.second.load(Ordering::Relaxed))
    }
}

impl Table {
    /// An empty table with room for so many keys.
    pub fn with_room(keys: usize) -> Self {
        let slots = keys.saturating_mul(4).div_ceil(FULL_QUARTERS).max(SLOTS_MIN);
        Self {
            tags: (0..slots).map(|_| AtomicU8::default()).collect(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            ends: (0..slots).map(|_| AtomicU32::default()).collect(),
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
        self.slots.len() * (size_of::<AtomicU8>() + size_of::<Slot>() + size_of::<AtomicU32>())
    }

    /// Whether it holds this key.
    pub fn contains(&self, key: &Key16) -> bool {
        let (first, second) = halves(key);
        let tag = tag_of(second);
        let (before, from) = self.tags.split_at(self.home(first).min(self.tags.len()));
        for (at, found) in (before.len()..).zip(from).chain((0..).zip(before)) {
            match found.load(Ordering::Acquire) {
                0 => return false,
                found if found == tag => match self.slots.get(at) {
                    Some(slot) if slot.key() == (first, second) => return true,
                    _ => {}
                },
                _ => {}
            }
        }
        false
    }

    /// Adds a key until the second in which it ends, or moves that back. One thread at a time may do
    /// so; false where there is no room.
    pub fn insert(&self, key: &Key16, ends: u32) -> bool {
        let (first, second) = halves(key);
        let (home, count) = (self.home(first), self.slots.len());
        for at in (home..count).chain(0..home) {
            let place = (self.tags.get(at), self.slots.get(at), self.ends.get(at));
            let (Some(tag), Some(slot), Some(until)) = place else { break };
            match tag.load(Ordering::Relaxed) {
                0 if self.len() >= self.room() => return false,
                0 => {
                    until.store(ends, Ordering::Relaxed);
                    slot.first.store(first, Ordering::Relaxed);
                    slot.second.store(second, Ordering::Relaxed);
                    tag.store(tag_of(second), Ordering::Release);
                    self.len.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                _ if slot.key() == (first, second) => {
                    until.fetch_max(ends, Ordering::Relaxed);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Its keys, each with the second in which it ends.
    pub fn iter(&self) -> impl Iterator<Item = (Key16, u32)> {
        let slots = self.tags.iter().zip(&self.slots).zip(&self.ends);
        slots.filter(|((tag, _), _)| tag.load(Ordering::Acquire) != 0).map(|((_, slot), ends)| {
            let (first, second) = slot.key();
            let key = (u128::from(first) << 64) | u128::from(second);
            (Key16(key.to_be_bytes()), ends.load(Ordering::Relaxed))
        })
    }

    /// Another table with room for so many keys more, and with the keys of this one that end in this
    /// second or later.
    pub fn grown(&self, more: usize, now_secs: u64) -> Self {
        let keys = || self.iter().filter(|(_, ends)| u64::from(*ends) >= now_secs);
        let table = Self::with_room(keys().count().saturating_add(more));
        for (key, ends) in keys() {
            table.insert(&key, ends);
        }
        table
    }

    /// The first slot in which a key may be.
    fn home(&self, first: u64) -> usize {
        ((u128::from(first) * self.slots.len() as u128) >> 64) as usize
    }
}
