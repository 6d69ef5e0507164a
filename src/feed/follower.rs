use std::sync::Arc;

use super::certificate::{FeedKeys, KnownKey};
use super::freshness::{Freshness, Question};
use super::snapshot::Loaded;
use super::{
    Delta, Entry, FeedError, Head, LogHash, Message, SignedCertificate, SignedHead, SnapshotName,
    SnapshotReader, Subject, Table,
};
use crate::keys::{TrustedRoots, VerifyingKey};
use crate::model::{Key16, Timestamp, limits};

/// Whoever is further behind takes a snapshot, if there is one.
const DELTA_BEHIND_MAX: u64 = super::delta::DELTA_ENTRIES_MAX as u64;

/// How far ahead of an authority a follower may be in what it forgets, in seconds.
const AHEAD_SECS: u64 = 60;

/// How old the answer may be that times are counted from, in microseconds.
const ANSWER_AGE_MAX: u64 = 60_000_000;

/// Follows the log of an authority, whoever carries it: decides what is believed, and what is asked
/// for next. It does no I/O and reads no clock: moments are microseconds of a monotonic one.
///
/// *Shape*: what it holds only moves forward. Entries that it refuses change nothing.
#[derive(Debug)]
pub struct Follower {
    pub(super) roots: TrustedRoots,
    pub(super) issuer: Option<String>,
    pub(super) keys: FeedKeys,
    /// What it holds: everything up to here.
    pub(super) place: Option<Place>,
    /// The newest head that it believed.
    pub(super) seen: Option<Head>,
    /// That head while it is not there yet, and when it was made at the earliest.
    pub(super) wanted: Option<(Head, Option<u64>)>,
    pub(super) table: Arc<Table>,
    /// Tokens issued before this are revoked.
    pub(super) before: Timestamp,
    /// What ended before this may be missing.
    pub(super) forgets: Timestamp,
    pub(super) freshness: Freshness,
    /// The key of the newest head.
    pub(super) signer: Option<VerifyingKey>,
    /// The root key that vouched for the key of the newest head.
    pub(super) root: Option<VerifyingKey>,
    /// Of a log that it knows nothing of, so many entries are taken one by one.
    pub(super) entries_max: u64,
}

/// A place in a log, with the hash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which log.
    pub epoch: u64,
    /// How many entries.
    pub seq: u64,
    /// The hash over them.
    pub hash: LogHash,
}

/// What a follower needs to get to the newest head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is there.
    Nothing,
    /// The entries after a place, up to another with this hash.
    Delta {
        /// The place before the first.
        from: u64,
        /// The place of the last.
        to: u64,
        /// The hash there.
        hash: LogHash,
    },
    /// The snapshot of this name.
    Snapshot(SnapshotName),
}

impl Follower {
    /// A follower that knows nothing yet, of the authority with this name or of the first one that
    /// these roots vouch for.
    pub fn new(roots: TrustedRoots, issuer: Option<String>) -> Self {
        Self {
            roots,
            issuer,
            keys: FeedKeys::default(),
            place: None,
            seen: None,
            wanted: None,
            table: Arc::new(Table::with_room(0)),
            before: Timestamp::default(),
            forgets: Timestamp::default(),
            freshness: Freshness::default(),
            signer: None,
            root: None,
            entries_max: 0,
        }
    }

    /// A follower that takes up to so many entries of a log that it knows nothing of one by one, and a
    /// snapshot where there are more; without this it always takes the snapshot, if there is one.
    pub fn with_entries(self, entries_max: u64) -> Self {
        Self { entries_max: entries_max.min(DELTA_BEHIND_MAX), ..self }
    }

    /// Takes the feed keys that its roots vouch for, in place of those it knew.
    ///
    /// *Errors*: as [`SignedCertificate::open`] where there is none; it keeps what it knew then.
    pub fn learn_keys(
        &mut self,
        certificates: &[SignedCertificate],
        now: u64,
    ) -> Result<(), FeedError> {
        self.keys = FeedKeys::of(certificates, &self.roots, &self.keys, now)?;
        Ok(())
    }

    /// Hears of a head, and of the entries before it where they came along.
    ///
    /// *Errors*: [`FeedError`]; [`FeedError::UnknownKey`] may mean that new keys must be learned.
    pub fn hear(
        &mut self,
        message: &Message,
        asked: Option<&Question>,
        now: u64,
    ) -> Result<Need, FeedError> {
        let head = self.open(&message.head, now)?;
        if let Some(seen) = &self.seen {
            head.follows(seen)?;
        }
        let answers = asked.filter(|asked| head.nonce.as_deref() == Some(asked.nonce.as_str()));
        if let Some(asked) = answers {
            self.freshness.answered(message.head.key, head.time, asked.sent);
            self.forget_less(head.time);
        }
        let made = self.freshness.made(&message.head.key, head.time, now);
        self.signer = Some(message.head.key);
        self.issuer = Some(head.issuer.clone());
        self.seen = Some(head.clone());
        self.wanted = Some((head, made));
        let follows = |delta: &&Delta| delta.from() == self.start().seq;
        match message.delta.as_ref().filter(follows) {
            Some(delta) => self.take_delta(delta),
            None => self.need(),
        }
    }

    /// Takes the answer to a question that was asked beside a stream: only its time counts, and that
    /// it does not contradict what is known.
    ///
    /// *Errors*: [`FeedError`].
    pub fn hear_answer(&mut self, signed: &SignedHead, asked: &Question) -> Result<(), FeedError> {
        let head = self.open(signed, asked.sent)?;
        if head.nonce.as_deref() != Some(asked.nonce.as_str()) {
            return Err(FeedError::NoAnswer);
        }
        if asked.seen.is_some_and(|known| (head.epoch, head.seq) < known) {
            return Err(FeedError::Rollback);
        }
        self.freshness.answered(signed.key, head.time, asked.sent);
        self.forget_less(head.time);
        match self.place {
            Some(place) if (place.epoch, place.seq) == (head.epoch, head.seq) => {
                if place.hash != head.hash {
                    return Err(FeedError::Equivocation);
                }
                self.freshness.reached(asked.sent, good_for(&head));
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes entries that lead to the head it wants.
    ///
    /// *Errors*: [`FeedError::Gap`], [`FeedError::Equivocation`].
    pub fn take_delta(&mut self, delta: &Delta) -> Result<Need, FeedError> {
        let Some((wanted, _)) = &self.wanted else { return Ok(Need::Nothing) };
        let start = self.start();
        wanted.reached_by(start.seq, start.hash, delta)?;
        let place = Place { epoch: wanted.epoch, seq: wanted.seq, hash: wanted.hash };
        let forgets = self.forgettable(wanted.time);
        delta.entries().iter().for_each(|entry| self.add(entry, forgets));
        self.place = Some(place);
        self.need()
    }

    /// Takes a snapshot that was read to its end. It must be the one that the newest head names.
    ///
    /// *Errors*: [`FeedError::Malformed`] where it is not, [`FeedError::Gap`] where it is older than
    /// what is known.
    pub fn take_snapshot(&mut self, reader: SnapshotReader) -> Result<Need, FeedError> {
        let Loaded { name, hash, table, before } = reader.finish()?;
        let Some((wanted, _)) = &self.wanted else { return Ok(Need::Nothing) };
        if wanted.snapshot.as_ref() != Some(&name) {
            return Err(FeedError::Malformed);
        }
        let (epoch, forgets) = (wanted.epoch, self.forgettable(wanted.time));
        match self.place {
            Some(place) if place.epoch == epoch && place.seq > name.seq => {
                return Err(FeedError::Gap);
            }
            // Another log may lack what was known before: that stays revoked.
            Some(_) => self.table = Arc::new(merged(table, &self.table, forgets)),
            None => self.table = Arc::new(table),
        }
        self.before = self.before.max(before);
        self.forgets = self.forgets.max(forgets);
        self.place = Some(Place { epoch, seq: name.seq, hash });
        self.need()
    }

    /// What it needs to get to the newest head.
    ///
    /// *Errors*: [`FeedError::Equivocation`] where that head is at its own place, with another hash.
    pub fn need(&mut self) -> Result<Need, FeedError> {
        let Some((wanted, made)) = &self.wanted else { return Ok(Need::Nothing) };
        let start = self.start();
        if start.seq == wanted.seq {
            if start.hash != wanted.hash {
                return Err(FeedError::Equivocation);
            }
            if let Some(made) = made {
                self.freshness.reached(*made, good_for(wanted));
            }
            self.place = Some(start);
            self.wanted = None;
            return Ok(Need::Nothing);
        }
        let behind = wanted.seq.saturating_sub(start.seq);
        let is_new = self.place.is_none_or(|place| place.epoch != wanted.epoch);
        let behind_max = if is_new { self.entries_max } else { DELTA_BEHIND_MAX };
        match &wanted.snapshot {
            Some(name) if behind > behind_max && name.seq > start.seq => {
                Ok(Need::Snapshot(name.clone()))
            }
            _ => Ok(Need::Delta { from: start.seq, to: wanted.seq, hash: wanted.hash }),
        }
    }

    /// What to take where nobody has the entries that it needs any more; none where no snapshot is
    /// newer than what it has.
    pub fn need_instead(&self) -> Option<SnapshotName> {
        let (wanted, _) = self.wanted.as_ref()?;
        wanted.snapshot.clone().filter(|name| name.seq > self.start().seq)
    }

    /// A question that contains this nonce, to be asked now.
    pub fn question(&self, nonce: String, now: u64) -> Question {
        let seen = self.seen.as_ref().map(|head| (head.epoch, head.seq));
        Question { nonce, sent: now, seen }
    }

    /// Whether a question should be asked now, to know how old the heads are that it hears.
    pub fn wants_answer(&self, now: u64) -> bool {
        let signer = self.signer.as_ref();
        signer.is_none_or(|key| self.freshness.wants_answer(key, now, ANSWER_AGE_MAX))
    }

    /// When the head was made, at the earliest, up to which it knows everything, and for how long
    /// that may be believed; both in microseconds.
    pub fn fresh(&self) -> Option<(u64, u64)> {
        self.freshness.fresh()
    }

    /// How long ago a head of the newest key and this time was made, at most; in microseconds.
    pub fn age_of(&self, time: Timestamp, now: u64) -> Option<u64> {
        let made = self.freshness.made(self.signer.as_ref()?, time, now)?;
        Some(now.saturating_sub(made))
    }

    /// Up to where it knows everything.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// The newest head that it believed.
    pub fn seen(&self) -> Option<&Head> {
        self.seen.as_ref()
    }

    /// What is revoked by its key.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Tokens issued before this are revoked.
    pub fn before(&self) -> Timestamp {
        self.before
    }

    /// What ended before this may have been forgotten.
    pub fn forgets(&self) -> Timestamp {
        self.forgets
    }

    /// The head, if a feed key signed it that a root vouches for which is not itself revoked.
    fn open(&mut self, signed: &SignedHead, now: u64) -> Result<Head, FeedError> {
        let is_revoked = |root: &VerifyingKey| self.table.contains(&Key16::of(&root.to_bytes()));
        let known: Vec<_> = self.keys.of_key(&signed.key).collect();
        let head = signed.open(|_| known.iter().any(|known| !is_revoked(&known.root)))?;
        if self.issuer.as_ref().is_some_and(|issuer| *issuer != head.issuer) {
            return Err(FeedError::OtherIssuer);
        }
        let vouches = |known: &&&KnownKey| {
            known.may_sign(&head.issuer, head.time, now) && !is_revoked(&known.root)
        };
        let root = known.iter().find(vouches).map(|known| known.root);
        self.root = Some(root.ok_or(FeedError::UnknownKey)?);
        Ok(head)
    }

    /// Where the entries must begin that lead to the wanted head: another log begins at its start.
    fn start(&self) -> Place {
        let epoch = self.wanted.as_ref().map(|(wanted, _)| wanted.epoch);
        match (self.place, epoch) {
            (Some(place), Some(epoch)) if place.epoch == epoch => place,
            (Some(place), None) => place,
            (_, epoch) => {
                let epoch = epoch.unwrap_or_default();
                Place { epoch, seq: 0, hash: LogHash::start(epoch) }
            }
        }
    }

    /// Begins anew where it forgot what ended before a time that is still to come, by the word of an
    /// authority whose clock was ahead when that was forgotten.
    fn forget_less(&mut self, time: Timestamp) {
        if time.plus_secs(AHEAD_SECS) >= self.forgets {
            return;
        }
        self.place = None;
        self.table = Arc::new(Table::with_room(0));
        (self.before, self.forgets) = (Timestamp::default(), Timestamp::default());
        self.freshness.lose();
    }

    fn add(&mut self, entry: &Entry, forgets: Timestamp) {
        let subject = entry.subject();
        if let Subject::Before(moment) = subject {
            self.before = self.before.max(moment);
        }
        let Some(key) = subject.key16() else { return };
        if self.table.insert(&key, entry.ends()) {
            return;
        }
        self.table = Arc::new(self.table.grown(self.table.len() * 2 / 5 + 16, forgets.secs()));
        self.forgets = self.forgets.max(forgets);
        self.table.insert(&key, entry.ends());
    }

    /// What has ended before this may be forgotten at this time of a head.
    fn forgettable(&self, time: Timestamp) -> Timestamp {
        let kept = limits::CLOCK_SKEW_SECS.saturating_mul(1000);
        Timestamp::from_millis(time.millis().saturating_sub(kept))
    }
}

/// A table with what another one holds besides, as far as that was not forgotten.
fn merged(table: Table, other: &Table, forgets: Timestamp) -> Table {
    let is_missing =
        |(key, ends): &(Key16, u32)| u64::from(*ends) >= forgets.secs() && !table.contains(key);
    let missing: Vec<_> = other.iter().filter(is_missing).collect();
    let table = match table.len().saturating_add(missing.len()) <= table.room() {
        true => table,
        false => table.grown(missing.len().saturating_mul(7) / 5, forgets.secs()),
    };
    for (key, ends) in missing {
        table.insert(&key, ends);
    }
    table
}

/// A follower with a table of its own: what one learns from then on, the other does not.
impl Clone for Follower {
    fn clone(&self) -> Self {
        Self {
            roots: self.roots.clone(),
            issuer: self.issuer.clone(),
            keys: self.keys.clone(),
            place: self.place,
            seen: self.seen.clone(),
            wanted: self.wanted.clone(),
            table: Arc::new(self.table.grown(0, 0)),
            before: self.before,
            forgets: self.forgets,
            freshness: self.freshness.clone(),
            signer: self.signer,
            root: self.root,
            entries_max: self.entries_max,
        }
    }
}

/// For how long a head may be believed, in microseconds.
fn good_for(head: &Head) -> u64 {
    head.not_after.millis().saturating_sub(head.time.millis()).saturating_mul(1000)
}
