//! What of the log may still hit something, and the snapshots made of it.

use bytes::Bytes;

use crate::feed::{Entry, Place, Snapshot, SnapshotName, Subject};
use crate::model::{Timestamp, limits};

/// A snapshot is due once the log has moved by a twentieth of what is alive, within these bounds, …
const MOVED_MIN: u64 = 1000;
const MOVED_MAX: u64 = 50_000;
/// … or has moved at all and the last is older than this, in microseconds.
const AGE_MAX: u64 = 5 * 60 * 1_000_000;

/// Subjects that may still hit something, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Living {
    subjects: Vec<(Subject, u32)>,
    /// Tokens issued before this are revoked; the highest alone counts.
    before: Option<(Timestamp, u32)>,
    /// Place and moment of the last snapshot.
    last: Option<(u64, u64)>,
    /// What ended before this was dropped.
    dropped: Timestamp,
}

impl Living {
    /// Adds what an entry revokes.
    pub(super) fn add(&mut self, entry: &Entry) {
        match entry.subject() {
            Subject::Before(moment) => {
                let ends = self.before.map_or(0, |(_, ends)| ends).max(entry.ends());
                let moment = self.before.map_or(moment, |(before, _)| before.max(moment));
                self.before = Some((moment, ends));
            }
            subject => self.subjects.push((subject, entry.ends())),
        }
    }

    /// Whether something may have been dropped that has not ended at this time: the clock was ahead.
    pub(super) fn lacks(&self, time: Timestamp) -> bool {
        time.plus_secs(limits::CLOCK_SKEW_SECS) < self.dropped
    }

    /// Whether a snapshot should be made of the log up to here.
    pub(super) fn is_due(&self, seq: u64, micros: u64) -> bool {
        let Some((last, made)) = self.last else { return seq > 0 };
        let moved = seq.saturating_sub(last);
        let much = (self.subjects.len() as u64 / 20).clamp(MOVED_MIN, MOVED_MAX);
        moved > much || moved > 0 && micros.saturating_sub(made) > AGE_MAX
    }

    /// What a snapshot at this place and time holds; what has ended by then for every verifier is
    /// dropped for good.
    pub(super) fn snapshot(&mut self, place: Place, time: Timestamp, micros: u64) -> Snapshot {
        let skew = limits::CLOCK_SKEW_SECS.saturating_mul(1000);
        let ended = Timestamp::from_millis(time.millis().saturating_sub(skew)).secs();
        self.dropped = self.dropped.max(time);
        self.subjects.retain(|(_, ends)| u64::from(*ends) >= ended);
        self.before = self.before.filter(|(_, ends)| u64::from(*ends) >= ended);
        self.last = Some((place.seq, micros));
        let before = self.before.map(|(moment, ends)| (Subject::Before(moment), ends));
        let subjects = self.subjects.iter().copied().chain(before).collect();
        Snapshot { seq: place.seq, hash: place.hash, subjects }
    }
}

/// The file, and its name.
pub(super) fn file(snapshot: &Snapshot) -> (SnapshotName, Bytes) {
    let (bytes, name) = snapshot.to_bytes();
    (name, bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::LogHash;
    use crate::model::Key16;

    fn place(seq: u64) -> Place {
        Place { epoch: 1, seq, hash: LogHash([1; 32]) }
    }

    fn block(number: u128, ends: u64) -> Entry {
        let subject = Subject::Block(Key16(number.to_be_bytes()));
        Entry::new(subject, Timestamp::from_secs(ends), None, None).unwrap()
    }

    fn before(moment: u64, ends: u64) -> Entry {
        let subject = Subject::Before(Timestamp::from_secs(moment));
        Entry::new(subject, Timestamp::from_secs(ends), None, None).unwrap()
    }

    #[test]
    fn a_snapshot_holds_what_may_still_hit() {
        let mut living = Living::default();
        for entry in
            [block(1, 100), block(2, 101), before(50, 90), before(70, 120), before(60, 130)]
        {
            living.add(&entry);
        }
        // Clocks differ: what ended a little while ago is still there.
        let skew = limits::CLOCK_SKEW_SECS;
        let at = |secs| Timestamp::from_secs(secs + skew);
        let all = living.snapshot(place(5), at(100), 0).subjects;
        let (one, two) = (block(1, 100).subject(), block(2, 101).subject());
        let before = (Subject::Before(Timestamp::from_secs(70)), 130);
        assert_eq!(all, [(one, 100), (two, 101), before]);
        assert_eq!(living.snapshot(place(5), at(101), 0).subjects, [(two, 101), before]);
        assert_eq!(living.snapshot(place(5), at(130), 0).subjects, [before]);
        assert_eq!(living.snapshot(place(5), at(131), 0).subjects, []);
    }

    #[test]
    fn a_snapshot_is_due_when_the_log_has_moved() {
        let mut living = Living::default();
        assert!(!living.is_due(0, 0) && living.is_due(1, 0));
        living.snapshot(place(10), Timestamp::from_secs(1), 7);
        for (seq, micros, is_due) in [
            (10, 7, false),
            (10, u64::MAX, false),
            (11, 7 + AGE_MAX, false),
            (11, 8 + AGE_MAX, true),
            (1010, 7, false),
            (1011, 7, true),
        ] {
            assert_eq!(living.is_due(seq, micros), is_due, "{seq} {micros}");
        }
        (0..40_000).for_each(|number| living.add(&block(number, 100)));
        assert!(!living.is_due(2010, 7) && living.is_due(2011, 7));
        (0..1_200_000).for_each(|number| living.add(&block(number, 100)));
        assert!(!living.is_due(50_010, 7) && living.is_due(50_011, 7));
    }
}
