use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, Instant, timeout};

use super::authority::Authority;
use super::failure::Failure;
use super::keeper::Keeper;
use super::monitor::Monitor;
use super::view::View;
use super::watch::{Taken, Watch};
use crate::feed::{
    Delta, FeedError, Follower, LogHash, Message, Need, Place, Question, SignedCertificate,
    SnapshotName, SnapshotReader,
};
use crate::keys::TrustedRoots;
use crate::model::Clock;

/// Longest text that is read where others wait for the thread.
const LIGHT_BYTES_MAX: usize = 16 * 1024;
/// The largest table that is made anew there, in keys.
const LIGHT_KEYS_MAX: usize = 20_000;
/// How often keys are asked for.
const KEYS_EVERY: Duration = Duration::from_secs(1);
/// Files that are fetched for one head: entries, a snapshot in their place, and what came after it.
const FILES_MAX: usize = 4;
/// Parts of a snapshot that wait to be read.
const PARTS_MAX: usize = 8;

/// Takes what sources send, fetches what is missing, and shows what it learned.
pub(super) struct Learner {
    /// None once it was lost.
    pub(super) follower: Option<Follower>,
    pub(super) roots: TrustedRoots,
    pub(super) view: Arc<View>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keeper: Option<Keeper>,
    pub(super) watch: Option<Arc<dyn Watch>>,
    pub(super) told: Told,
    pub(super) keys_asked: Option<Instant>,
}

/// What the watch knows, and what it must be told next.
#[derive(Debug, Default)]
pub(super) struct Told {
    place: Option<Place>,
    certificates: Vec<SignedCertificate>,
    are_new: bool,
    snapshot: Option<SnapshotName>,
}

impl Learner {
    /// What it holds.
    pub(super) fn place(&self) -> Option<Place> {
        self.follower.as_ref()?.place()
    }

    /// When the head was made that it knows everything up to; what a source sends is of use where this
    /// moves on.
    pub(super) fn made(&self) -> Option<u64> {
        Some(self.follower.as_ref()?.fresh()?.0)
    }

    /// A question that contains this nonce, and whether its answer is needed to tell the age of heads.
    pub(super) fn question(&self, nonce: String) -> Result<(Question, bool), Failure> {
        let (follower, now) = (self.follower.as_ref().ok_or(Failure::Lost)?, self.clock.micros());
        Ok((follower.question(nonce, now), follower.wants_answer(now)))
    }

    /// Takes a message, and fetches what leads to its head. What was verified is shown, even where the
    /// rest is not to be had.
    pub(super) async fn hear(
        &mut self,
        from: &Authority,
        text: Vec<u8>,
        asked: Option<&Question>,
    ) -> Result<(), Failure> {
        let before = self.place();
        let message = Arc::new(read(text).await?);
        let taken = self.take(from, &message, asked).await;
        let follower = self.follower.as_ref().ok_or(Failure::Lost)?;
        self.view.show(follower);
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(follower);
        }
        let (delta, from_place) = taken?.unzip();
        self.monitor.took(follower, before, self.clock.micros());
        self.tell(before, (delta.as_ref(), from_place), &message);
        Ok(())
    }

    /// Takes the answer to a question that was asked beside a stream.
    pub(super) async fn answer(
        &mut self,
        from: &Authority,
        text: Vec<u8>,
        asked: &Question,
    ) -> Result<(), Failure> {
        let head = read(text).await?.head;
        let follower = self.follower.as_mut().ok_or(Failure::Lost)?;
        match follower.hear_answer(&head, asked) {
            Err(FeedError::UnknownKey) => {
                self.learn_keys(from).await?;
                self.follower.as_mut().ok_or(Failure::Lost)?.hear_answer(&head, asked)?;
            }
            heard => heard?,
        }
        self.view.show(self.follower.as_ref().ok_or(Failure::Lost)?);
        Ok(())
    }

    /// Gets to the message's head; gives the entries that led there, and the place before them.
    async fn take(
        &mut self,
        from: &Authority,
        message: &Arc<Message>,
        asked: Option<&Question>,
    ) -> Result<Option<(Delta, Place)>, Failure> {
        let before = self.place();
        let mut need = self.believe(from, message, asked).await?;
        // What the follower passed over led nowhere.
        let leads = |delta: &Delta| {
            let place = self.place();
            Some(delta.from()) == place.map(|place| start_of(place.epoch, before).seq)
                && Some(delta.to()) == place.map(|place| place.seq)
        };
        let is_there = need == Need::Nothing && message.delta.as_ref().is_some_and(leads);
        let epoch = self.epoch()?;
        let delta = message.delta.clone().filter(|_| is_there);
        let mut delta = delta.map(|delta| (delta, start_of(epoch, before)));
        for _ in 0..FILES_MAX {
            let name = match need {
                Need::Nothing => return Ok(delta),
                Need::Snapshot(name) => name,
                Need::Delta { from: after, to, hash } => {
                    let start = start_of(epoch, self.place());
                    match from.feed_delta(epoch, (after, to), hash).await {
                        Err(super::FetchError::Status(404)) => self.instead()?,
                        bytes => {
                            let (taken, next) = self.take_delta(bytes?).await?;
                            (need, delta) = (next, Some((taken, start)));
                            continue;
                        }
                    }
                }
            };
            need = self.take_snapshot(from, name).await?;
            delta = None;
        }
        Err(Failure::Behind)
    }

    async fn believe(
        &mut self,
        from: &Authority,
        message: &Arc<Message>,
        asked: Option<&Question>,
    ) -> Result<Need, Failure> {
        match self.hear_once(message, asked).await {
            Err(Failure::Feed(FeedError::UnknownKey)) => {
                self.learn_keys(from).await?;
                self.hear_once(message, asked).await
            }
            heard => heard,
        }
    }

    async fn hear_once(
        &mut self,
        message: &Arc<Message>,
        asked: Option<&Question>,
    ) -> Result<Need, Failure> {
        let (message, asked) = (Arc::clone(message), asked.cloned());
        let (entries, clock) = (entries(message.delta.as_ref()), Arc::clone(&self.clock));
        let hear =
            move |follower: &mut Follower| follower.hear(&message, asked.as_ref(), clock.micros());
        Ok(self.with(entries, hear).await??)
    }

    /// Asks for the keys that sign heads, at most once a second.
    async fn learn_keys(&mut self, from: &Authority) -> Result<(), Failure> {
        if self.keys_asked.is_some_and(|at| at.elapsed() < KEYS_EVERY) {
            return Err(FeedError::UnknownKey.into());
        }
        self.keys_asked = Some(Instant::now());
        let mut certificates = from.feed_keys().await?;
        let now = self.clock.micros();
        self.follower.as_mut().ok_or(Failure::Lost)?.learn_keys(&certificates, now)?;
        certificates.retain(|certificate| certificate.open(&self.roots).is_ok());
        if certificates != self.told.certificates {
            self.told.certificates = certificates;
            self.told.are_new = true;
        }
        Ok(())
    }

    fn epoch(&self) -> Result<u64, Failure> {
        let seen = self.follower.as_ref().and_then(Follower::seen);
        seen.map(|head| head.epoch).ok_or(Failure::Lost)
    }

    fn instead(&self) -> Result<SnapshotName, Failure> {
        let name = self.follower.as_ref().and_then(Follower::need_instead);
        name.ok_or(Failure::Behind)
    }

    async fn take_delta(&mut self, bytes: Vec<u8>) -> Result<(Delta, Need), Failure> {
        let take = move |follower: &mut Follower| {
            let delta = Delta::from_bytes(&bytes)?;
            let need = follower.take_delta(&delta)?;
            Ok::<_, FeedError>((delta, need))
        };
        Ok(self.with(usize::MAX, take).await??)
    }

    /// Reads a snapshot as it arrives, on a thread that may take its time.
    async fn take_snapshot(
        &mut self,
        from: &Authority,
        name: SnapshotName,
    ) -> Result<Need, Failure> {
        let (mut answer, time) = from.feed_snapshot(&name).await?;
        let mut reader = SnapshotReader::new(name.clone())?;
        let (parts, mut arrived) = mpsc::channel::<bytes::Bytes>(PARTS_MAX);
        let reading = spawn_blocking(move || {
            while let Some(part) = arrived.blocking_recv() {
                reader.read(&part)?;
            }
            Ok::<_, crate::feed::Malformed>(reader)
        });
        let arriving = async move {
            while let Some(part) = answer.next().await? {
                // Nobody reads on where the file is another one.
                if parts.send(part).await.is_err() {
                    break;
                }
            }
            Ok::<_, Failure>(())
        };
        timeout(time, arriving).await.unwrap_or(Err(super::FetchError::Slow.into()))?;
        let reader = reading.await.map_err(|_| Failure::Feed(FeedError::Malformed))??;
        let take = move |follower: &mut Follower| follower.take_snapshot(reader);
        let need = self.with(usize::MAX, take).await??;
        self.told.snapshot = Some(name);
        Ok(need)
    }

    /// Lets the follower take so many entries; on a thread that may take its time where it takes some.
    async fn with<T: Send + 'static>(
        &mut self,
        entries: usize,
        work: impl FnOnce(&mut Follower) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let mut follower = self.follower.take().ok_or(Failure::Lost)?;
        let table = follower.table();
        let grows = table.len().saturating_add(entries) > table.room();
        let is_heavy = entries > LIGHT_BYTES_MAX / 32 || grows && table.len() > LIGHT_KEYS_MAX;
        let run = move || {
            let done = work(&mut follower);
            (follower, done)
        };
        let (follower, done) = match is_heavy {
            true => spawn_blocking(run).await.map_err(|_| Failure::Lost)?,
            false => run(),
        };
        self.follower = Some(follower);
        Ok(done)
    }

    fn tell(
        &mut self,
        before: Option<Place>,
        (delta, from): (Option<&Delta>, Option<Place>),
        message: &Message,
    ) {
        let place = self.place();
        let epoch = |place: Option<Place>| place.map(|place| place.epoch);
        let goes_on = self.told.place.is_some()
            && self.told.place == before
            && self.told.snapshot.is_none()
            && epoch(before) == epoch(place);
        if let (Some(watch), Some(place)) = (&self.watch, place) {
            watch.took(&Taken {
                restarted: !goes_on,
                from: from.unwrap_or(place),
                snapshot: self.told.snapshot.as_ref(),
                delta,
                head: &message.head,
                certificates: self.told.are_new.then_some(self.told.certificates.as_slice()),
                place,
            });
        }
        (self.told.snapshot, self.told.are_new) = (None, false);
        self.told.place = place;
    }
}

/// Where the entries of a log begin for whoever is at this place of it, or of another.
fn start_of(epoch: u64, place: Option<Place>) -> Place {
    let start = Place { epoch, seq: 0, hash: LogHash::start(epoch) };
    place.filter(|place| place.epoch == epoch).unwrap_or(start)
}

fn entries(delta: Option<&Delta>) -> usize {
    delta.map_or(0, |delta| delta.entries().len())
}

/// Reads a message, a long one where nobody waits for the thread.
async fn read(text: Vec<u8>) -> Result<Message, Failure> {
    if text.len() <= LIGHT_BYTES_MAX {
        return Ok(Message::from_json(&text)?);
    }
    let reading = spawn_blocking(move || Message::from_json(&text));
    Ok(reading.await.map_err(|_| Failure::Lost)??)
}
