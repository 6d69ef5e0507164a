use std::collections::VecDeque;
use std::sync::Arc;

use crate::feed::{Delta, Entry, LogHash, Place};

/// Entries that a ring holds at most.
const ENTRIES_MAX: usize = 200_000;
/// Bytes that they may take; the oldest go first.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = size_of::<Entry>() + size_of::<(Arc<Entry>, LogHash)>() + 16;

/// The newest entries of a log, with the hash at each place.
#[derive(Debug)]
pub(super) struct Ring {
    /// The place before the oldest entry.
    start: Place,
    entries: VecDeque<(Arc<Entry>, LogHash)>,
    bytes: usize,
}

/// Entries of a ring, taken out while it is locked and made a file afterwards.
#[derive(Debug)]
pub(super) struct Stretch {
    from: u64,
    entries: Vec<Arc<Entry>>,
}

fn bytes_of(entry: &Entry) -> usize {
    let text = |text: Option<&str>| text.map_or(0, str::len);
    ENTRY_BYTES + text(entry.reason()) + text(entry.by())
}

impl Ring {
    /// A ring without entries, at this place.
    pub(super) fn at(start: Place) -> Self {
        Self { start, entries: VecDeque::new(), bytes: 0 }
    }

    /// The place of the newest entry.
    pub(super) fn end(&self) -> Place {
        let seq = self.start.seq.saturating_add(self.entries.len() as u64);
        let hash = self.entries.back().map_or(self.start.hash, |(_, hash)| *hash);
        Place { epoch: self.start.epoch, seq, hash }
    }

    /// Adds the next entry, whose hash this is.
    pub(super) fn push(&mut self, entry: Entry, hash: LogHash) {
        self.bytes = self.bytes.saturating_add(bytes_of(&entry));
        self.entries.push_back((Arc::new(entry), hash));
        while self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX {
            let Some((entry, hash)) = self.entries.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(bytes_of(&entry));
            self.start = Place { seq: self.start.seq.saturating_add(1), hash, ..self.start };
        }
    }

    /// Whether this place is one of its own.
    pub(super) fn knows(&self, place: Place) -> bool {
        place.epoch == self.start.epoch && self.hash_at(place.seq) == Some(place.hash)
    }

    /// The hash at a place that it has.
    fn hash_at(&self, seq: u64) -> Option<LogHash> {
        match seq.checked_sub(self.start.seq)? {
            0 => Some(self.start.hash),
            count => {
                let at = usize::try_from(count).ok()?.checked_sub(1)?;
                self.entries.get(at).map(|(_, hash)| *hash)
            }
        }
    }

    /// The entries after a place that lead to another, at least one and at most so many.
    pub(super) fn stretch(&self, from: u64, to: Place, count_max: usize) -> Option<Stretch> {
        let (begin, count) = self.find(from, to, count_max)?;
        let entries = self.entries.iter().skip(begin).take(count);
        Some(Stretch { from, entries: entries.map(|(entry, _)| Arc::clone(entry)).collect() })
    }

    /// Where these entries begin, and how many there are.
    pub(super) fn find(&self, from: u64, to: Place, count_max: usize) -> Option<(usize, usize)> {
        let is_here = self.knows(to);
        let count = usize::try_from(to.seq.checked_sub(from)?).ok()?;
        if !is_here || !(1..=count_max).contains(&count) {
            return None;
        }
        Some((usize::try_from(from.checked_sub(self.start.seq)?).ok()?, count))
    }
}

impl Stretch {
    pub(super) fn into_delta(self) -> Option<Delta> {
        Delta::new(self.from, self.entries.iter().map(|entry| Entry::clone(entry)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Subject;
    use crate::model::{Key16, Timestamp};

    fn entry(number: u128, reason: Option<String>) -> Entry {
        let subject = Subject::Block(Key16(number.to_be_bytes()));
        Entry::new(subject, Timestamp::from_secs(1), reason, None).unwrap()
    }

    fn start() -> Place {
        Place { epoch: 1, seq: 0, hash: LogHash::start(1) }
    }

    fn filled(count: usize, reason: Option<String>) -> (Ring, Vec<LogHash>) {
        let (mut ring, mut hashes) = (Ring::at(start()), vec![start().hash]);
        for number in 0..count {
            let entry = entry(number as u128, reason.clone());
            let hash = ring.end().hash.then(&entry);
            ring.push(entry, hash);
            hashes.push(hash);
        }
        (ring, hashes)
    }

    #[test]
    fn a_stretch_leads_from_hash_to_hash() {
        let (ring, hashes) = filled(20, None);
        for from in 0..20u64 {
            for to in from + 1..=20 {
                let place = Place { epoch: 1, seq: to, hash: hashes[to as usize] };
                let delta = ring.stretch(from, place, 20).unwrap().into_delta().unwrap();
                assert_eq!((delta.from(), delta.to()), (from, to));
                assert_eq!(delta.hash_after(hashes[from as usize]), place.hash);
                let is_short = to - from <= 5;
                assert_eq!(ring.stretch(from, place, 5).is_some(), is_short, "{from} to {to}");
            }
        }
        let end = ring.end();
        for (from, to) in [
            (20, end),
            (21, end),
            (0, Place { seq: 21, ..end }),
            (0, Place { hash: hashes[19], ..end }),
            (0, Place { epoch: 2, ..end }),
        ] {
            assert!(ring.stretch(from, to, 20).is_none(), "{from} to {to:?}");
        }
    }

    #[test]
    fn the_oldest_go_first() {
        let (ring, _) = filled(ENTRIES_MAX + 7, None);
        let end = ring.end();
        assert_eq!(end.seq, ENTRIES_MAX as u64 + 7);
        assert!(ring.stretch(6, end, usize::MAX).is_none());
        let delta = ring.stretch(7, end, usize::MAX);
        assert_eq!(delta.map(|delta| delta.entries.len()), Some(ENTRIES_MAX));
        let (ring, _) = filled(120_000, Some("x".repeat(500)));
        assert!(ring.entries.len() < 120_000 && !ring.entries.is_empty());
        assert!(ring.bytes <= BYTES_MAX);
        assert_eq!(ring.end().seq, 120_000);
        assert_eq!(ring.start.seq + ring.entries.len() as u64, 120_000);
    }
}
