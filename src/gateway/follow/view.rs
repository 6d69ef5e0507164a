use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::feed::{Follower, Table};
use crate::model::{Clock, Key16, Timestamp};
use crate::verify::RevocationView;

/// The moment of what is known where nothing is.
const NOTHING: u64 = u64::MAX;

/// What is revoked, as a [`Follower`] knows it, for readers who do not wait.
///
/// *Shape*: one writer at a time; reading takes no lock. Its age is measured on the monotonic clock
/// alone: the wall clock neither makes it older nor younger.
///
/// *Order*: whoever reads how fresh it is, and then looks for a key, finds every key up to the head that
/// it is fresh for. The writer makes the keys visible first, in the table that is shared or by
/// another in its place, and stores the moment last, with release; a reader loads the moment first,
/// with acquire, and so sees all that was stored before it. In the same way what was forgotten is said
/// before the table is replaced that lacks it. The moment and its end are two values: a reader who
/// sees the one of an older head with the other of a newer takes the view for older than it is, or for
/// over sooner.
pub struct View {
    clock: Arc<dyn Clock>,
    table: ArcSwap<Table>,
    /// In milliseconds, as [`Timestamp`] has them.
    before: AtomicU64,
    forgets: AtomicU64,
    /// When the head was made up to which everything is known, and until when that may be believed; in
    /// microseconds of the clock.
    made: AtomicU64,
    until: AtomicU64,
}

impl View {
    /// A view that knows nothing, and counts time with the clock's [`micros`](Clock::micros).
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            table: ArcSwap::from_pointee(Table::with_room(0)),
            before: AtomicU64::new(0),
            forgets: AtomicU64::new(0),
            made: AtomicU64::new(NOTHING),
            until: AtomicU64::new(0),
        }
    }

    /// Shows what this follower knows now.
    pub fn show(&self, follower: &Follower) {
        let was_fresh = self.until.load(Ordering::Relaxed) != 0;
        if follower.fresh().is_none() && was_fresh {
            // The follower begins anew. What is shown stays as it is, and is of no known age.
            self.made.store(NOTHING, Ordering::Release);
            return;
        }
        self.forgets.store(follower.forgets().millis(), Ordering::Release);
        self.before.store(follower.before().millis(), Ordering::Release);
        let table = follower.table();
        if !Arc::ptr_eq(&self.table.load(), table) {
            self.table.store(Arc::clone(table));
        }
        // After everything that it speaks of.
        if let Some((made, good_for)) = follower.fresh() {
            self.until.store(made.saturating_add(good_for), Ordering::Release);
            self.made.store(made, Ordering::Release);
        }
    }

    /// How many keys it holds, and what they take in bytes.
    pub fn size(&self) -> (usize, usize) {
        let table = self.table.load();
        (table.len(), table.bytes())
    }

    /// How long ago, at most, everything was known, in microseconds.
    pub(super) fn age_micros(&self) -> Option<u64> {
        let made = self.made.load(Ordering::Acquire);
        let until = self.until.load(Ordering::Acquire);
        let now = self.clock.micros();
        (made != NOTHING && now <= until).then(|| now.saturating_sub(made))
    }
}

impl RevocationView for View {
    fn age_millis(&self, _now: Timestamp) -> Option<u64> {
        Some(self.age_micros()?.div_ceil(1000))
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        self.table.load().contains(key)
    }

    fn first_revoked(&self, keys: &[Key16]) -> Option<usize> {
        let table = self.table.load();
        keys.iter().position(|key| table.contains(key))
    }

    fn issued_since(&self) -> Timestamp {
        Timestamp::from_millis(self.before.load(Ordering::Acquire))
    }

    fn forgets(&self) -> Timestamp {
        Timestamp::from_millis(self.forgets.load(Ordering::Acquire))
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, bytes) = self.size();
        let (age, forgets) = (self.age_micros(), self.forgets());
        f.debug_struct("View")
            .field("keys", &keys)
            .field("bytes", &bytes)
            .field("age_micros", &age)
            .field("forgets", &forgets)
            .finish_non_exhaustive()
    }
}
