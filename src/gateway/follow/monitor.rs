use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::failure::Failure;
use super::view::View;
use crate::feed::{Follower, Place};

/// How a source is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It pushes.
    #[default]
    Stream,
    /// It is asked, and answers once there is more.
    LongPoll,
    /// It is asked again and again.
    Poll,
}

/// How keeping up goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncStatus {
    /// Up to where everything is known.
    pub place: Option<Place>,
    /// How long ago that was everything, at most, in milliseconds; none where that is not known.
    pub age_millis: Option<u64>,
    /// How many keys are revoked.
    pub entries: usize,
    /// What they take, in bytes.
    pub bytes: usize,
    /// How the source is followed.
    pub mode: Mode,
    /// Which of the sources, counted from 0.
    pub source: usize,
    /// How many messages were taken.
    pub messages: u64,
    /// How often something was refused or failed.
    pub refused: u64,
    /// How often the saved view could not be read or written.
    pub saved_errors: u64,
}

type Label = [(&'static str, &'static str); 1];

/// Counts what happens, and tells of it.
pub(super) struct Monitor {
    view: Arc<View>,
    now: Mutex<Now>,
    registry: Registry,
    messages: Counter,
    refused: Family<Label, Counter>,
    saved_errors: Counter,
    lag: Histogram,
    mode: Family<Label, Gauge>,
    epoch: Gauge<u64, AtomicU64>,
    seq: Gauge<u64, AtomicU64>,
    entries: Gauge,
    bytes: Gauge,
    age: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Default)]
struct Now {
    place: Option<Place>,
    mode: Mode,
    source: usize,
    refused: u64,
    /// The last cause, and how often it came in a row.
    cause: Option<(&'static str, u64)>,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Stream, Self::LongPoll, Self::Poll];

    /// The mode in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::LongPoll => "long-poll",
            Self::Poll => "poll",
        }
    }
}

impl Monitor {
    pub(super) fn new(view: Arc<View>) -> Self {
        let mut monitor = Self {
            view,
            now: Mutex::default(),
            registry: Registry::with_prefix("hardtack_revocations"),
            messages: Counter::default(),
            refused: Family::default(),
            saved_errors: Counter::default(),
            lag: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            mode: Family::default(),
            epoch: Gauge::default(),
            seq: Gauge::default(),
            entries: Gauge::default(),
            bytes: Gauge::default(),
            age: Gauge::default(),
        };
        monitor.register();
        monitor
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("messages", "Messages that were taken", self.messages.clone());
        let help = "What was refused or failed, by cause";
        registry.register("refusals", help, self.refused.clone());
        let help = "How often the saved view could not be read or written";
        registry.register("saved_errors", help, self.saved_errors.clone());
        let help = "Age of heads with new entries when they were taken";
        registry.register_with_unit("push_lag", help, Unit::Seconds, self.lag.clone());
        registry.register("mode", "How the source is followed: 1 for the one", self.mode.clone());
        registry.register("epoch", "Which log is followed", self.epoch.clone());
        registry.register("seq", "Entries of the log up to which all is known", self.seq.clone());
        registry.register("entries", "Keys that are revoked", self.entries.clone());
        registry.register_with_unit("view", "What they take", Unit::Bytes, self.bytes.clone());
        let help = "How long ago everything was known; NaN where that is not known";
        registry.register_with_unit("age", help, Unit::Seconds, self.age.clone());
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was taken; before it, all was known up to that place.
    pub(super) fn took(&self, follower: &Follower, before: Option<Place>, now: u64) {
        self.messages.inc();
        let place = follower.place();
        // The first place was not pushed.
        if let (true, Some(head)) = (before.is_some() && place != before, follower.seen())
            && let Some(micros) = follower.age_of(head.time, now)
        {
            self.lag.observe(micros as f64 / 1e6);
        }
        let mut state = self.now();
        (state.place, state.cause) = (place, None);
    }

    pub(super) fn knows(&self, place: Option<Place>) {
        self.now().place = place;
    }

    pub(super) fn follows(&self, source: usize, mode: Mode) {
        let mut now = self.now();
        (now.source, now.mode) = (source, mode);
    }

    /// Counts a failure; tells of the first of a kind in a row, and of each hundredth.
    pub(super) fn refused(&self, failure: &Failure, source: usize) {
        let cause = failure.cause();
        self.refused.get_or_create(&[("cause", cause)]).inc();
        let mut now = self.now();
        now.refused = now.refused.saturating_add(1);
        let times = match now.cause {
            Some((last, times)) if last == cause => times.saturating_add(1),
            _ => 1,
        };
        now.cause = Some((cause, times));
        drop(now);
        if times == 1 || times % 100 == 0 {
            tracing::warn!(cause, times, source, %failure, "revocations were not taken");
        }
    }

    pub(super) fn not_kept(&self, what: &'static str, error: &std::io::Error) {
        self.saved_errors.inc();
        tracing::warn!(what, %error, "the saved view of revocations");
    }

    pub(super) fn status(&self) -> SyncStatus {
        let (entries, bytes) = self.view.size();
        let now = self.now();
        SyncStatus {
            place: now.place,
            age_millis: self.view.age_micros().map(|micros| micros.div_ceil(1000)),
            entries,
            bytes,
            mode: now.mode,
            source: now.source,
            messages: self.messages.get(),
            refused: now.refused,
            saved_errors: self.saved_errors.get(),
        }
    }

    /// Everything in the text format of OpenMetrics.
    pub(super) fn metrics(&self) -> String {
        let status = self.status();
        let place = status.place.map_or((0, 0), |place| (place.epoch, place.seq));
        self.epoch.set(place.0);
        self.seq.set(place.1);
        self.entries.set(i64::try_from(status.entries).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(status.bytes).unwrap_or(i64::MAX));
        self.age.set(status.age_millis.map_or(f64::NAN, |millis| millis as f64 / 1e3));
        for mode in Mode::ALL {
            let label = [("mode", mode.as_str())];
            self.mode.get_or_create(&label).set(i64::from(mode == status.mode));
        }
        let mut text = String::new();
        // A `String` takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Monitor").field(&self.status()).finish()
    }
}
