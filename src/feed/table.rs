use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::model::Key16;

/// How full a table may be, in quarters.
const FULL_QUARTERS: usize = 3;
/// The smallest table.
const SLOTS_MIN: usize = 64;

/// Slots whose tags are looked at together: as many as a word has bytes.
const GROUP: usize = size_of::<u64>();
/// A word with a one in each byte, and one with each byte's highest bit.
const ONES: u64 = u64::from_ne_bytes([0x01; GROUP]);
const HIGHEST: u64 = u64::from_ne_bytes([0x80; GROUP]);

/// What is revoked: an exact set of keys that one thread extends while others read it, without a lock
/// and without a pause.
///
/// *Shape*: open addressing over slots of 21 bytes, at most three quarters full: a tag, two halves of
/// a key and the second in which it ends. Keys are parts of SHA-256 hashes, so that their first half
/// says where to look. Tags are looked at eight at a time, and tell nearly always that a key is not
/// there. A slot is written once, its tag last: whoever sees the tag sees the rest.
#[derive(Debug)]
pub struct Table {
    /// A byte for each slot of a group, the first slot's lowest: zero where the slot is empty, else
    /// made of the key's second half.
    tags: Box<[AtomicU64]>,
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

/// The highest bit of each byte that is zero. Of bytes above the first zero it may be set as well.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHEST
}

/// The byte of a slot of a group.
fn tag_at(tags: u64, lane: usize) -> u8 {
    (tags >> (8 * lane)) as u8
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
        let groups = slots.div_ceil(GROUP);
        let slots = groups * GROUP;
        Self {
            tags: (0..groups).map(|_| AtomicU64::default()).collect(),
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
        self.slots.len() * (size_of::<u8>() + size_of::<Slot>() + size_of::<AtomicU32>())
    }

    /// Whether it holds this key.
    pub fn contains(&self, key: &Key16) -> bool {
        let (first, second) = halves(key);
        let tag = tag_of(second);
        let wanted = ONES * u64::from(tag);
        let (before, from) = self.tags.split_at(self.home(first).min(self.tags.len()));
        for (group, tags) in (before.len()..).zip(from).chain((0..).zip(before)) {
            let tags = tags.load(Ordering::Acquire);
            let mut same = zeros(tags ^ wanted);
            while same != 0 {
                let lane = same.trailing_zeros() as usize / 8;
                let slot = self.slots.get(group * GROUP + lane);
                let is_it = |slot: &Slot| slot.key() == (first, second);
                if tag_at(tags, lane) == tag && slot.is_some_and(is_it) {
                    return true;
                }
                same &= same - 1;
            }
            // Whatever found no room here would have gone on from a full group alone.
            if zeros(tags) != 0 {
                return false;
            }
        }
        false
    }

    /// Adds a key until the second in which it ends, or moves that back. One thread at a time may do
    /// so; false where there is no room.
    pub fn insert(&self, key: &Key16, ends: u32) -> bool {
        let (first, second) = halves(key);
        let (home, count) = (self.home(first), self.tags.len());
        for group in (home..count).chain(0..home) {
            let Some(tags) = self.tags.get(group) else { break };
            let known = tags.load(Ordering::Relaxed);
            for lane in 0..GROUP {
                let at = group * GROUP + lane;
                let (Some(slot), Some(until)) = (self.slots.get(at), self.ends.get(at)) else {
                    break;
                };
                match tag_at(known, lane) {
                    0 if self.len() >= self.room() => return false,
                    0 => {
                        until.store(ends, Ordering::Relaxed);
                        slot.first.store(first, Ordering::Relaxed);
                        slot.second.store(second, Ordering::Relaxed);
                        let tag = u64::from(tag_of(second)) << (8 * lane);
                        tags.store(known | tag, Ordering::Release);
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
        }
        false
    }

    /// Its keys, each with the second in which it ends.
    pub fn iter(&self) -> impl Iterator<Item = (Key16, u32)> {
        let tags = self.tags.iter().flat_map(|tags| tags.load(Ordering::Acquire).to_le_bytes());
        let slots = tags.zip(self.slots.iter().zip(&self.ends)).filter(|(tag, _)| *tag != 0);
        slots.map(|(_, (slot, ends))| {
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

    /// The first group in which a key may be.
    fn home(&self, first: u64) -> usize {
        ((u128::from(first) * self.tags.len() as u128) >> 64) as usize
    }
}
