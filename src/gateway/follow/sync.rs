use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::authority::Authority;
use super::driver::Driver;
use super::keeper::Keeper;
use super::learner::{Learner, Told};
use super::monitor::{Monitor, SyncStatus};
use super::view::View;
use super::watch::Watch;
use crate::config::SystemClock;
use crate::feed::Follower;
use crate::keys::TrustedRoots;
use crate::model::Clock;

/// How long an orderly end may take.
const END: Duration = Duration::from_secs(10);

/// How a view of revocations is kept.
#[derive(Clone)]
pub struct SyncOptions {
    /// The authority's name; without it, that of the first log that the roots vouch for.
    pub issuer: Option<String>,
    /// Where what is known is kept for the next start. No other process may use the file.
    pub file: Option<PathBuf>,
    /// Is told of everything that is taken.
    pub watch: Option<Arc<dyn Watch>>,
    /// Of a log that is new here, so many entries are taken one by one instead of by a snapshot.
    pub entries_max: u64,
    /// What age is measured with, instead of the system's monotonic clock.
    pub clock: Arc<dyn Clock>,
    /// When what is tried.
    pub pace: Pace,
}

/// When a source is given up, and tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a stream may prove nothing newer.
    pub silence: Duration,
    /// How long a source may keep a question, in milliseconds on the wire.
    pub wait: Duration,
    /// How often a source is asked that answers at once.
    pub poll: Duration,
    /// How often the stream is tried again where it failed.
    pub stream_again: Duration,
    /// The first pause after a failure; each further one is twice as long.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(3),
            wait: Duration::from_secs(1),
            poll: Duration::from_millis(500),
            stream_again: Duration::from_secs(10),
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(2),
        }
    }
}

impl Default for SyncOptions {
    fn default() -> Self {
        let (issuer, file, watch, entries_max) = (None, None, None, 0);
        Self {
            issuer,
            file,
            watch,
            entries_max,
            clock: Arc::new(SystemClock),
            pace: Pace::default(),
        }
    }
}

impl fmt::Debug for SyncOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncOptions")
            .field("issuer", &self.issuer)
            .field("file", &self.file)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

/// Keeps a view of revocations in step with an authority, until it is dropped.
///
/// *Shape*: follows one source at a time, by its stream where that works, else by asking; after a
/// failure the next one. What is forged, older, of another authority or incomplete is refused: the
/// last good view stays until it is too old, and then calls are denied. A saved view is held to from
/// the start, and is of no known age until a head was proven to be recent.
#[derive(Debug)]
pub struct RevocationSync {
    task: JoinHandle<()>,
    end: Arc<Notify>,
    monitor: Arc<Monitor>,
    view: Arc<View>,
}

impl RevocationSync {
    /// Starts to follow these sources, the first one first; `roots` are the keys that vouch for who
    /// signs the log.
    ///
    /// *Shape*: must be called within a tokio runtime.
    pub fn start(sources: Vec<Authority>, roots: TrustedRoots, options: SyncOptions) -> Self {
        let view = Arc::new(View::new(Arc::clone(&options.clock)));
        let monitor = Arc::new(Monitor::new(Arc::clone(&view)));
        let end = Arc::new(Notify::new());
        let (shown, watched, ended) = (Arc::clone(&view), Arc::clone(&monitor), Arc::clone(&end));
        let task = tokio::spawn(async move {
            let SyncOptions { issuer, file, watch, entries_max, clock, pace } = options;
            let (mut keeper, mut follower) = (None, None);
            if let Some(file) = file {
                let (roots, issuer) = (roots.clone(), issuer.clone());
                let opened = Keeper::open(file, roots, issuer, Arc::clone(&watched)).await;
                (keeper, follower) = (Some(opened.0), opened.1);
            }
            let follower = follower.unwrap_or_else(|| Follower::new(roots.clone(), issuer));
            let follower = follower.with_entries(entries_max);
            shown.show(&follower);
            watched.knows(follower.place());
            let learner = Learner {
                follower: Some(follower),
                roots,
                view: shown,
                monitor: watched,
                clock,
                keeper,
                watch,
                told: Told::default(),
                keys_asked: None,
            };
            let mut driver = Driver::new(sources, learner, pace);
            tokio::select! {
                () = driver.run() => {}
                () = ended.notified() => {}
            }
            driver.end().await;
        });
        Self { task, end, monitor, view }
    }

    /// The view that it keeps, for [`Guard::publish`](crate::guard::Guard::publish).
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// How it goes.
    pub fn status(&self) -> SyncStatus {
        self.monitor.status()
    }

    /// What tells how it goes, for longer than it lasts.
    pub fn reporter(&self) -> Reporter {
        Reporter(Arc::clone(&self.monitor))
    }

    /// Ends it, and keeps what is known if that has a file.
    pub async fn close(mut self) {
        self.end.notify_one();
        // After that it is ended as by a drop.
        let _ = tokio::time::timeout(END, &mut self.task).await;
    }

    pub(super) fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }
}

/// Tells how keeping up goes.
#[derive(Clone, Debug)]
pub struct Reporter(Arc<Monitor>);

impl Reporter {
    /// How it goes.
    pub fn status(&self) -> SyncStatus {
        self.0.status()
    }

    /// What is counted, in the text format of OpenMetrics.
    pub fn metrics(&self) -> String {
        self.0.metrics()
    }
}

impl Drop for RevocationSync {
    fn drop(&mut self) {
        self.task.abort();
    }
}
