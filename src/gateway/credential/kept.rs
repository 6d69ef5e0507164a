//! One value, kept while it is good and renewed by one at a time. Moments are microseconds of a
//! monotonic clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::CredentialError;
use super::value::Value;

/// The longest pause between attempts that fail.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A value that the upstream refuses is not given up before this age: it would be no better anew.
const REFUSABLE_AFTER: Duration = Duration::from_secs(5);

/// A value that was obtained.
pub(super) struct Held {
    pub(super) value: Arc<Value>,
    /// How long nothing is to be done; for ever without.
    pub(super) fresh: Option<Duration>,
    /// How long it may be used; for ever without.
    pub(super) good: Option<Duration>,
}

/// What is known of a value.
#[derive(Default)]
pub(super) struct Kept {
    state: Mutex<State>,
    /// Whoever obtains the value holds it.
    pub(super) gate: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// With the moment from which it is counted.
    held: Option<(Held, u64)>,
    failed: Option<Failed>,
    is_renewing: bool,
}

struct Failed {
    error: CredentialError,
    count: u32,
    again: u64,
}

/// What is to be done for a value.
pub(super) enum Look {
    /// Use it.
    Good(Arc<Value>),
    /// Use it, and see to it that it is renewed.
    Ageing(Arc<Value>),
    /// It was tried a moment ago.
    Failed(CredentialError),
    /// Wait for it.
    Missing,
}

impl Kept {
    /// What is to be done now. `Ageing` is said to one caller only.
    pub(super) fn look(&self, now: u64) -> Look {
        let mut state = self.state();
        let pauses = state.pauses(now);
        match state.good(now) {
            Some((value, true)) => Look::Good(value),
            Some((value, false)) if pauses.is_some() || state.is_renewing => Look::Good(value),
            Some((value, false)) => {
                state.is_renewing = true;
                Look::Ageing(value)
            }
            None => pauses.map_or(Look::Missing, Look::Failed),
        }
    }

    /// What another has come to meanwhile, for whoever waited at the gate.
    pub(super) fn settled(&self, now: u64) -> Option<Result<Arc<Value>, CredentialError>> {
        let mut state = self.state();
        match (state.good(now), state.pauses(now)) {
            (Some((value, true)), _) | (Some((value, false)), Some(_)) => Some(Ok(value)),
            (Some((_, false)), None) => None,
            (None, failed) => failed.map(Err),
        }
    }

    /// Takes what came of obtaining it: after a failure the old value, while it is good.
    pub(super) fn put(
        &self,
        obtained: Result<Held, CredentialError>,
        now: u64,
    ) -> Result<Arc<Value>, CredentialError> {
        let mut state = self.state();
        state.is_renewing = false;
        match obtained {
            Ok(held) => {
                let value = Arc::clone(&held.value);
                (state.held, state.failed) = (Some((held, now)), None);
                Ok(value)
            }
            Err(error) => {
                let count = state.failed.as_ref().map_or(0, |failed| failed.count).min(6);
                let pause = Duration::from_secs(1 << count).min(PAUSE_MAX);
                let again = after(now, pause);
                state.failed = Some(Failed { error: error.clone(), count: count + 1, again });
                state.good(now).map(|(value, _)| value).ok_or(error)
            }
        }
    }

    /// Gives up this value, if it is still the one and not new.
    pub(super) fn forget(&self, value: &Arc<Value>, now: u64) {
        let mut state = self.state();
        let is_old = state.held.as_ref().is_some_and(|(held, since)| {
            Arc::ptr_eq(&held.value, value) && now >= after(*since, REFUSABLE_AFTER)
        });
        if is_old {
            state.held = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The value and whether it is fresh; one that is no longer good is wiped.
    fn good(&mut self, now: u64) -> Option<(Arc<Value>, bool)> {
        let (held, since) = self.held.as_ref()?;
        let within = |time: Option<Duration>| time.is_none_or(|time| now < after(*since, time));
        if within(held.good) {
            return Some((Arc::clone(&held.value), within(held.fresh)));
        }
        self.held = None;
        None
    }

    /// The last error, while it is not tried again.
    fn pauses(&self, now: u64) -> Option<CredentialError> {
        let failed = self.failed.as_ref()?;
        (now < failed.again).then(|| failed.error.clone())
    }
}

fn after(moment: u64, time: Duration) -> u64 {
    moment.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}
