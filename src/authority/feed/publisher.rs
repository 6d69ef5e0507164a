//! The one task that reads the log and signs heads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::living::{self, Living};
use super::rotation::{Moment, Rotation};
use super::{Asked, Shared};
use crate::config::Entropy;
use crate::fanout::Fanout;
use crate::feed::{
    Delta, Entry, FeedError, Head, LogHash, Message, Place, SignedHead, SnapshotName,
};
use crate::keys::FeedKey;
use crate::model::{Clock, Timestamp};
use crate::store::{LogPart, Store, StoreError};

/// How often a head is signed where nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The shortest time between two passes: what comes close together goes out together, and nobody can
/// make the store be read without end.
const GAP: Duration = Duration::from_millis(20);
/// Questions that one pass answers at most.
const ASKED_MAX: usize = 1024;
/// Entries that are read at once, and that come along with one head.
const PART: u32 = 1000;
/// Bytes of texts of entries that come along with one head.
const PART_BYTES: usize = 256 * 1024;
/// Entries that are read at once while nobody waits for them.
const LOAD_PART: u32 = 10_000;
/// A snapshot of fewer subjects is made at once.
const MADE_AT_ONCE: usize = 10_000;

/// Why a pass signed nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// It is another log than the one that was read before.
    #[error("the log has changed where it had been read")]
    OtherLog,
}

/// Reads the log and publishes it.
pub(super) struct Publisher {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Entropy,
    pub(super) issuer: String,
    /// How long a head may be believed.
    pub(super) good_secs: u64,
    pub(super) keys: Rotation,
    pub(super) fanout: Fanout,
    pub(super) shared: Arc<Shared>,
    pub(super) log: Option<Followed>,
}

/// What was read of the log.
#[derive(Debug)]
pub(super) struct Followed {
    /// Everything up to here was handed to the fan-out.
    place: Place,
    living: Living,
    /// The moment, by the monotonic clock, at which nothing was in the log that has not been
    /// published since; none before the first head.
    complete: Option<u64>,
    snapshot: Option<SnapshotName>,
    /// A snapshot that is being made.
    making: Option<JoinHandle<(SnapshotName, Bytes)>>,
}

impl Publisher {
    /// Publishes until it is told to stop, or nobody is left who could tell it.
    pub(super) async fn run(
        mut self,
        mut asked: mpsc::Receiver<Asked>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut heart = tokio::time::interval(HEARTBEAT);
        heart.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        let mut next = Instant::now();
        loop {
            let mut waiting = Vec::new();
            let beats = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                _ = heart.tick() => true,
                () = shared.appended.notified() => false,
                Some(question) = asked.recv() => {
                    waiting.push(question);
                    false
                }
            };
            if !beats {
                sleep_until(next).await;
            }
            while waiting.len() < ASKED_MAX
                && let Ok(question) = asked.try_recv()
            {
                waiting.push(question);
            }
            let passed = self.pass(beats, waiting).await;
            self.report(passed);
            next = Instant::now() + GAP;
        }
        self.fanout.close();
    }

    fn report(&mut self, passed: Result<(), Failed>) {
        let is_good = passed.is_ok();
        let was_good = self.shared.is_good.swap(is_good, Ordering::AcqRel);
        let Err(error) = passed else {
            if !was_good {
                tracing::info!("heads of the revocation log are signed");
            }
            return;
        };
        let failed = self.shared.failed.inc();
        if was_good || failed == 0 {
            tracing::error!(%error, "no head of the revocation log can be signed");
        }
        if !matches!(error, Failed::Store(_)) {
            // With the next heartbeat it is read anew.
            self.log = None;
        }
    }

    /// One pass. The time is read first, so that no head claims to know more than it does; and the
    /// store after the questions came in.
    async fn pass(&mut self, beats: bool, waiting: Vec<Asked>) -> Result<(), Failed> {
        let now = Moment::of(&*self.clock);
        let mut entropy = self.entropy.clone();
        if self.keys.advance(now, || FeedKey::generate(&mut entropy))? {
            self.fanout.set_keys(self.keys.certificates());
        }
        let drops = self.drops(now.micros);
        let mut log = match self.log.take().filter(|log| !log.living.lacks(drops)) {
            Some(log) => log,
            None => self.load().await?,
        };
        let passed = self.follow(&mut log, now.micros, beats, waiting).await;
        self.log = Some(log);
        passed
    }

    /// Reads the log from its start; the fan-out takes the entries and tells nobody of them yet.
    async fn load(&self) -> Result<Followed, Failed> {
        let mut part = self.store.log_after(0, LOAD_PART).await?;
        let epoch = part.epoch;
        let mut place = Place { epoch, seq: 0, hash: LogHash::start(epoch) };
        let mut living = Living::default();
        self.fanout.restart(place);
        loop {
            let is_end = part.entries.is_empty();
            place = leads_to(place, &part)?;
            part.entries.iter().for_each(|entry| living.add(entry));
            self.fanout.extend(part.entries);
            if is_end {
                let (complete, snapshot, making) = (None, None, None);
                return Ok(Followed { place, living, complete, snapshot, making });
            }
            part = self.store.log_after(place.seq, LOAD_PART).await?;
        }
    }

    /// Publishes what is new, or else a head where one is due, and answers those who wait.
    async fn follow(
        &self,
        log: &mut Followed,
        micros: u64,
        beats: bool,
        waiting: Vec<Asked>,
    ) -> Result<(), Failed> {
        let is_first = log.complete.is_none();
        let is_told = self.catch_up(log, micros).await?;
        log.complete = Some(micros);
        let time = self.keys.time(micros);
        self.make_snapshot(log, micros).await;
        if beats || is_first && !is_told {
            self.publish(log, time, Vec::new())?;
        }
        for Asked { nonce, reply } in waiting {
            // Whoever asked may have gone.
            if reply.is_closed() {
                continue;
            }
            let _ = reply.send(self.head(log, time, Some(nonce))?);
        }
        Ok(())
    }

    /// Publishes every entry that was in the log at that moment, and says whether there was one.
    async fn catch_up(&self, log: &mut Followed, micros: u64) -> Result<bool, Failed> {
        let (mut target, start) = (None, log.place.seq);
        loop {
            let mut part = self.store.log_after(log.place.seq, PART).await?;
            let target = *target.get_or_insert(part.seq);
            part.entries.truncate(fitting(&part.entries));
            let place = leads_to(log.place, &part)?;
            let is_there = place.seq >= target;
            if place.seq > log.place.seq {
                part.entries.iter().for_each(|entry| log.living.add(entry));
                log.place = place;
                // A head that knows of a part alone is as old as the last that knew of all.
                match if is_there { Some(micros) } else { log.complete } {
                    Some(known) => self.publish(log, self.keys.time(known), part.entries)?,
                    None => self.fanout.extend(part.entries),
                }
            }
            if is_there {
                return Ok(log.place.seq > start);
            }
        }
    }

    fn publish(
        &self,
        log: &Followed,
        time: Timestamp,
        entries: Vec<Entry>,
    ) -> Result<(), FeedError> {
        let from = log.place.seq.saturating_sub(entries.len() as u64);
        let head = self.head(log, time, None)?;
        self.fanout.publish(&Message { delta: Delta::new(from, entries), head })
    }

    fn head(
        &self,
        log: &Followed,
        time: Timestamp,
        nonce: Option<String>,
    ) -> Result<SignedHead, FeedError> {
        let Place { epoch, seq, hash } = log.place;
        let head = Head {
            issuer: self.issuer.clone(),
            epoch,
            seq,
            hash,
            time,
            not_after: time.plus_secs(self.good_secs),
            snapshot: log.snapshot.clone(),
            nonce,
        };
        let key = self.keys.key();
        head.signed(key.public(), |bytes| key.sign(bytes))
    }

    /// Up to when entries may have ended that are dropped: by the key's clock and the wall's, whichever
    /// is behind. The other may have been ahead.
    fn drops(&self, micros: u64) -> Timestamp {
        self.keys.time(micros).min(self.clock.now())
    }

    /// Makes a snapshot where one is due, a large one beside all else.
    async fn make_snapshot(&self, log: &mut Followed, micros: u64) {
        if let Some(making) = log.making.take_if(|making| making.is_finished()) {
            match making.await {
                Ok(made) => self.add_snapshot(log, made),
                Err(error) => tracing::error!(%error, "a snapshot could not be made"),
            }
        }
        if log.making.is_some() || !log.living.is_due(log.place.seq, micros) {
            return;
        }
        let snapshot = log.living.snapshot(log.place, self.drops(micros), micros);
        match snapshot.subjects.len() <= MADE_AT_ONCE {
            true => self.add_snapshot(log, living::file(&snapshot)),
            false => {
                let make = move || living::file(&snapshot);
                log.making = Some(tokio::task::spawn_blocking(make));
            }
        }
    }

    fn add_snapshot(&self, log: &mut Followed, (name, file): (SnapshotName, Bytes)) {
        log.snapshot = Some(name.clone());
        self.fanout.add_snapshot(name, file);
        self.shared.snapshots.inc();
    }
}

/// The place after a part of the log that begins at this one.
fn leads_to(place: Place, part: &LogPart) -> Result<Place, Failed> {
    let hash = part.entries.iter().fold(place.hash, |hash, entry| hash.then(entry));
    let seq = place.seq.saturating_add(part.entries.len() as u64);
    let is_same = match seq.cmp(&part.seq) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => hash == part.hash,
        std::cmp::Ordering::Greater => false,
    };
    match is_same && part.epoch == place.epoch {
        true => Ok(Place { seq, hash, ..place }),
        false => Err(Failed::OtherLog),
    }
}

/// How many of these entries come along with one head.
fn fitting(entries: &[Entry]) -> usize {
    let text = |text: Option<&str>| text.map_or(0, str::len);
    let mut bytes = 0;
    let fit = entries.iter().take_while(|entry| {
        bytes += text(entry.reason()) + text(entry.by());
        bytes <= PART_BYTES
    });
    fit.count().max(1)
}
