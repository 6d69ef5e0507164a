use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::authority::{Authority, FetchError};
use crate::guard::Guard;
use crate::keys::TrustedRoots;
use crate::model::{Timestamp, limits};
use crate::verify::Revocations;

/// How a guard's view of revocations is kept.
#[derive(Clone, Copy, Debug)]
pub struct SyncOptions {
    /// How often the authority is asked.
    pub interval: Duration,
    /// How old a view may be before calls are denied, in seconds.
    pub age_secs_max: u64,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), age_secs_max: limits::REVOCATION_AGE_SECS_MAX }
    }
}

/// How keeping up goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncStatus {
    /// When the newest list was made.
    pub list_time: Option<Timestamp>,
    /// How many things it revokes.
    pub revoked: usize,
    /// How many lists were taken.
    pub taken: u64,
    /// How many attempts failed.
    pub failed: u64,
    /// How many attempts failed since the last list that was taken.
    pub failed_in_a_row: u64,
}

/// Keeps a guard's view of revocations in step with an authority, until it is dropped.
///
/// *Shape*: asks at once and then at every interval, never twice at a time. A list that is forged,
/// older than the last one or of another authority is not taken: the last good view stays until it
/// is too old, and then every call is denied.
#[derive(Debug)]
pub struct RevocationSync {
    task: JoinHandle<()>,
    status: Arc<Mutex<SyncStatus>>,
}

impl RevocationSync {
    /// Starts to keep the guard's view; `roots` are the keys that may sign lists.
    ///
    /// *Shape*: must be called within a tokio runtime.
    pub fn start(
        authority: Authority,
        roots: TrustedRoots,
        guard: Guard,
        options: SyncOptions,
    ) -> Self {
        let status = Arc::new(Mutex::new(SyncStatus::default()));
        let keeper = Keeper { authority, roots, guard, age_secs_max: options.age_secs_max };
        let task = tokio::spawn(keeper.run(options.interval, Arc::clone(&status)));
        Self { task, status }
    }

    /// How it goes.
    pub fn status(&self) -> SyncStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RevocationSync {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    authority: Authority,
    roots: TrustedRoots,
    guard: Guard,
    age_secs_max: u64,
}

impl Keeper {
    async fn run(self, every: Duration, status: Arc<Mutex<SyncStatus>>) {
        // An interval of zero would panic.
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<Revocations> = None;
        loop {
            ticks.tick().await;
            let step = self.step(last.as_ref()).await;
            let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
            match step {
                Ok(view) => {
                    status.list_time = Some(view.time());
                    status.revoked = view.len();
                    status.taken += 1;
                    status.failed_in_a_row = 0;
                    last = Some(view);
                }
                Err(error) => {
                    status.failed += 1;
                    status.failed_in_a_row += 1;
                    tracing::warn!(%error, "the view of revocations was not renewed");
                }
            }
        }
    }

    /// Fetches one list and publishes the view it makes.
    async fn step(&self, last: Option<&Revocations>) -> Result<Revocations, FetchError> {
        let list = self.authority.revocations(&self.roots).await?;
        let view = match last {
            Some(last) => last.follow(list)?,
            None => Revocations::new(list, self.age_secs_max),
        };
        self.guard.publish(view.clone());
        Ok(view)
    }
}
