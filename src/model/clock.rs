use std::sync::atomic::{AtomicU64, Ordering};

use super::Timestamp;

/// Where the time of a process comes from. The six steps take moments as arguments; the processes
/// around them take a clock.
pub trait Clock: Send + Sync {
    /// The moment.
    fn now(&self) -> Timestamp;

    /// Microseconds since some fixed point; never goes back where the clock is monotonic.
    fn micros(&self) -> u64 {
        self.now().millis().saturating_mul(1000)
    }
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// A clock that stands still until it is set, for tests and replays.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at this moment.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.millis()))
    }

    /// Sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
