//! An authority, whatever lies between, and the follower as it is: one step at a time.

use hardtack::feed::{
    Certificate, Delta, Entry, FeedError, Follower, Head, LogHash, Message, Need, Question, Saved,
    SignedCertificate, SignedHead, Snapshot, SnapshotName, SnapshotReader, Subject,
};
use hardtack::keys::HolderKey;
use hardtack::model::{Key16, Timestamp};

use crate::support::{rng, root, roots};

const ISSUER: &str = "https://authority.example";
const START_SECS: u64 = 1_800_000_000;
/// The clocks of feed keys disagree: each begins anew.
const OFFSETS_MILLIS: [i64; 3] = [0, -3_600_000, 7_200_000];

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Pass,
    Append,
    Sign,
    Snapshot,
    Rotate,
    Restart,
    /// The head so many before the newest, with these entries.
    Deliver(usize, Carried),
    Forge,
    Ask,
    Answer,
    HearAnswer,
    /// A question and its answer at once.
    Calibrate,
    /// An old head in place of the answer.
    HearOld,
    Fetch,
    /// The snapshot, where nobody has the entries any more.
    FetchSnapshot,
    FetchWrong,
    Save,
    Crash,
}

/// What comes along with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Nothing,
    All,
    Dropped,
    Swapped,
    Changed,
}

pub(super) const ACTIONS: [Action; 26] = [
    Action::Pass,
    Action::Append,
    Action::Sign,
    Action::Snapshot,
    Action::Rotate,
    Action::Restart,
    Action::Deliver(0, Carried::Nothing),
    Action::Deliver(0, Carried::All),
    Action::Deliver(0, Carried::Dropped),
    Action::Deliver(0, Carried::Swapped),
    Action::Deliver(0, Carried::Changed),
    Action::Deliver(1, Carried::Nothing),
    Action::Deliver(1, Carried::All),
    Action::Deliver(2, Carried::All),
    Action::Forge,
    Action::Ask,
    Action::Answer,
    Action::HearAnswer,
    Action::Calibrate,
    Action::HearOld,
    Action::Fetch,
    Action::FetchSnapshot,
    Action::FetchWrong,
    Action::Save,
    Action::Crash,
    Action::Deliver(3, Carried::All),
];

/// One log, and when each entry was acknowledged.
#[derive(Clone, Default)]
struct Log {
    entries: Vec<(Entry, u64)>,
}

#[derive(Clone)]
pub(super) struct World {
    now: u64,
    epoch: usize,
    logs: Vec<Log>,
    snapshot: Option<(Vec<u8>, SnapshotName)>,
    snapshots: Vec<(Vec<u8>, SnapshotName)>,
    signer: usize,
    heads: Vec<SignedHead>,
    question: Option<(Question, Option<SignedHead>)>,
    asked: u32,
    follower: Follower,
    need: Need,
    saved: Option<Vec<u8>>,
    reached: (u64, u64),
}

fn feed_key(at: usize) -> HolderKey {
    HolderKey::generate(&mut rng(100 + at as u64))
}

fn certificates() -> Vec<SignedCertificate> {
    let certificate = |at: usize| Certificate {
        issuer: ISSUER.to_owned(),
        key: feed_key(at).public(),
        from: Timestamp::from_secs(START_SECS - 10_000),
        until: Timestamp::from_secs(START_SECS + 100_000),
    };
    let keys = 0..OFFSETS_MILLIS.len();
    keys.map(|at| certificate(at).signed(&root()).unwrap()).collect()
}

fn numbered(epoch: usize, at: usize) -> Entry {
    let key = Key16(((epoch as u128 + 1) << 100 | (at as u128 + 1) << 64 | 7).to_be_bytes());
    Entry::new(Subject::Task(key), Timestamp::from_secs(u64::from(u32::MAX)), None, None).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        let mut follower = Follower::new(roots(), None);
        follower.learn_keys(&certificates(), 0).unwrap();
        Self {
            now: 1_000_000,
            epoch: 0,
            logs: vec![Log::default()],
            snapshot: None,
            snapshots: Vec::new(),
            signer: 0,
            heads: Vec::new(),
            question: None,
            asked: 0,
            follower,
            need: Need::Nothing,
            saved: None,
            reached: (0, 0),
        }
    }

    /// Does it, if it can be done now; what the follower said of it.
    pub(super) fn step(&mut self, action: Action) -> Result<(), FeedError> {
        match action {
            Action::Pass => self.now += 700_000,
            Action::Append => {
                let at = self.log().entries.len();
                self.append(numbered(self.epoch, at));
            }
            Action::Sign => {
                let head = self.sign(None);
                self.heads.push(head);
            }
            Action::Snapshot => self.build_snapshot(),
            Action::Rotate if self.signer + 1 < OFFSETS_MILLIS.len() => self.signer += 1,
            Action::Restart if self.epoch < 2 => self.restart(),
            Action::Deliver(back, carried) => return self.deliver(back, carried),
            Action::Forge => return self.forge(),
            Action::Ask => {
                self.asked += 1;
                let nonce = format!("{:032x}", self.asked);
                self.question = Some((self.follower.question(nonce, self.now), None));
            }
            Action::Answer => {
                if let Some((question, None)) = self.question.clone() {
                    let head = self.sign(Some(question.nonce.clone()));
                    self.question = Some((question, Some(head)));
                }
            }
            Action::HearAnswer => {
                if let Some((question, Some(head))) = self.question.take() {
                    return self.follower.hear_answer(&head, &question);
                }
            }
            Action::Calibrate => {
                self.step(Action::Ask)?;
                self.step(Action::Answer)?;
                return self.step(Action::HearAnswer);
            }
            Action::HearOld => {
                if let (Some((question, _)), Some(head)) = (&self.question, self.heads.last()) {
                    let heard = self.follower.hear_answer(head, question);
                    assert_eq!(heard, Err(FeedError::NoAnswer));
                }
            }
            Action::Fetch => return self.fetch(),
            Action::FetchSnapshot => {
                if let Some(name) = self.follower.need_instead() {
                    self.need = Need::Snapshot(name);
                    return self.fetch();
                }
            }
            Action::FetchWrong => self.fetch_wrong(),
            Action::Save => {
                if let Some(saved) = Saved::of(&self.follower) {
                    let mut bytes = Vec::new();
                    saved.write(&mut bytes).unwrap();
                    self.saved = Some(bytes);
                }
            }
            Action::Crash => self.crash(),
            Action::Rotate | Action::Restart => {}
        }
        Ok(())
    }

    fn log(&self) -> &Log {
        &self.logs[self.epoch]
    }

    fn append(&mut self, entry: Entry) {
        let now = self.now;
        self.logs[self.epoch].entries.push((entry, now));
    }

    fn time(&self) -> Timestamp {
        let millis = (START_SECS * 1000 + self.now / 1000) as i64 + OFFSETS_MILLIS[self.signer];
        Timestamp::from_millis(millis as u64)
    }

    /// The hash of a log up to a place.
    fn hash(&self, epoch: usize, seq: usize) -> LogHash {
        let entries = &self.logs[epoch].entries[..seq];
        entries.iter().fold(LogHash::start(epoch as u64 + 1), |hash, (entry, _)| hash.then(entry))
    }

    fn head(&self, nonce: Option<String>) -> Head {
        let seq = self.log().entries.len();
        Head {
            issuer: ISSUER.to_owned(),
            epoch: self.epoch as u64 + 1,
            seq: seq as u64,
            hash: self.hash(self.epoch, seq),
            time: self.time(),
            not_after: self.time().plus_secs(60),
            snapshot: self.snapshot.as_ref().map(|(_, name)| name.clone()),
            nonce,
        }
    }

    fn sign(&self, nonce: Option<String>) -> SignedHead {
        let key = feed_key(self.signer);
        self.head(nonce).signed(key.public(), |bytes| key.sign(bytes)).unwrap()
    }

    fn build_snapshot(&mut self) {
        let seq = self.log().entries.len();
        let subjects = self.log().entries.iter().map(|(entry, _)| (entry.subject(), entry.ends()));
        let subjects = subjects.collect();
        let snapshot = Snapshot { seq: seq as u64, hash: self.hash(self.epoch, seq), subjects };
        self.snapshot = Some(snapshot.to_bytes());
        self.snapshots.extend(self.snapshot.clone());
    }

    /// The log lost what it had: a new one revokes whatever was issued before.
    fn restart(&mut self) {
        self.epoch += 1;
        self.logs.push(Log::default());
        self.snapshot = None;
        let before = Subject::Before(Timestamp::from_secs(START_SECS + self.epoch as u64));
        let ends = Timestamp::from_secs(u64::from(u32::MAX));
        self.append(Entry::new(before, ends, None, None).unwrap());
    }

    /// The entries from where the follower is to a head.
    fn entries_to(&self, head: &Head) -> Option<Delta> {
        let at = self.follower.place().filter(|place| place.epoch == head.epoch);
        let from = at.map_or(0, |place| place.seq);
        let log = &self.logs[head.epoch as usize - 1].entries;
        let part = log.get(from as usize..head.seq as usize)?;
        Delta::new(from, part.iter().map(|(entry, _)| entry.clone()).collect())
    }

    fn deliver(&mut self, back: usize, carried: Carried) -> Result<(), FeedError> {
        let at = self.heads.len().checked_sub(back + 1);
        let Some(signed) = at.map(|at| self.heads[at].clone()) else { return Ok(()) };
        let head = signed.open(|_| true).unwrap();
        let right = self.entries_to(&head);
        let changed = right.clone().and_then(|right| changed(&right, carried));
        let is_wrong = changed.is_some() && changed != right;
        let before = self.follower.place();
        let message = Message { delta: changed, head: signed };
        let heard = self.follower.hear(&message, None, self.now);
        if is_wrong {
            assert_eq!(self.follower.place(), before, "{carried:?} was taken");
        }
        self.need = heard?;
        Ok(())
    }

    /// Somebody else's key, and the follower's own words in a head that was changed.
    fn forge(&mut self) -> Result<(), FeedError> {
        let key = feed_key(99);
        let newer = Head { seq: self.head(None).seq + 1, ..self.head(None) };
        let forged = newer.signed(key.public(), |bytes| key.sign(bytes)).unwrap();
        let posing = SignedHead { key: feed_key(0).public(), ..forged.clone() };
        for head in [forged, posing] {
            let heard = self.follower.hear(&Message { delta: None, head }, None, self.now);
            assert!(matches!(heard, Err(FeedError::UnknownKey | FeedError::Signature)));
        }
        let own = Certificate {
            issuer: ISSUER.to_owned(),
            key: key.public(),
            from: Timestamp::from_secs(0),
            until: Timestamp::from_secs(u64::from(u32::MAX)),
        };
        let own =
            SignedCertificate { root: root().id(), ..own.signed(&crate::support::root()).unwrap() };
        let own = SignedCertificate { signature: own.signature.replace(['1', '2'], "3"), ..own };
        assert!(self.follower.learn_keys(&[own], 0).is_err());
        Ok(())
    }

    fn fetch(&mut self) -> Result<(), FeedError> {
        self.need = match self.need.clone() {
            Need::Nothing => Need::Nothing,
            Need::Delta { .. } => match self.follower.seen().and_then(|head| self.entries_to(head))
            {
                Some(delta) => self.follower.take_delta(&delta)?,
                None => self.follower.need()?,
            },
            Need::Snapshot(name) => {
                let held = self.snapshots.iter().find(|(_, other)| *other == name).unwrap();
                let mut reader = SnapshotReader::new(name)?;
                held.0.chunks(13).try_for_each(|chunk| reader.read(chunk))?;
                self.follower.take_snapshot(reader)?
            }
        };
        Ok(())
    }

    /// Other bytes than those that are needed change nothing.
    fn fetch_wrong(&mut self) {
        let before = self.follower.place();
        match self.need.clone() {
            Need::Nothing => {}
            Need::Delta { from, .. } => {
                let delta = Delta::new(from, vec![numbered(9, 9)]).unwrap();
                assert!(self.follower.take_delta(&delta).is_err());
            }
            Need::Snapshot(_) => {}
        }
        if let Some(name) = self.follower.need_instead() {
            let held = self.snapshots.iter().find(|(_, other)| *other == name).unwrap();
            let mut reader = SnapshotReader::new(name).unwrap();
            let mut bytes = held.0.clone();
            *bytes.last_mut().unwrap() ^= 1;
            assert!(reader.read(&bytes).is_err() || self.follower.take_snapshot(reader).is_err());
        }
        assert_eq!(self.follower.place(), before);
    }

    fn crash(&mut self) {
        self.need = Need::Nothing;
        self.question = None;
        self.reached = (0, 0);
        self.follower = match &self.saved {
            Some(bytes) => Saved::read(bytes).unwrap().follower(roots()),
            None => Follower::new(roots(), None),
        };
        assert_eq!(self.follower.fresh(), None, "a file proves no freshness");
        self.follower.learn_keys(&certificates(), 0).unwrap();
    }

    /// What must hold whatever happened.
    pub(super) fn check(&mut self) {
        let follower = &self.follower;
        let held: Vec<Key16> = follower.table().iter().map(|(key, _)| key).collect();
        let keys = |log: &[(Entry, u64)]| -> Vec<Key16> {
            log.iter().filter_map(|(entry, _)| entry.subject().key16()).collect()
        };
        let all: Vec<Key16> = self.logs.iter().flat_map(|log| keys(&log.entries)).collect();
        assert!(
            held.iter().all(|key| all.contains(key)),
            "something is revoked that nobody revoked"
        );
        if follower.place().is_none() {
            // It may begin anew, where it forgot too much; it knows then that it knows nothing.
            assert_eq!(follower.fresh(), None, "a view of nothing is fresh");
            self.reached = (0, 0);
        }
        if let Some(place) = follower.place() {
            assert!((place.epoch, place.seq) >= self.reached, "the view went back");
            self.reached = (place.epoch, place.seq);
            let log = &self.logs[place.epoch as usize - 1].entries[..place.seq as usize];
            assert!(keys(log).iter().all(|key| held.contains(key)), "an entry is missing");
        }
        let Some((made, _)) = follower.fresh() else { return };
        assert!(made <= self.now);
        for (epoch, log) in self.logs.iter().enumerate() {
            // Who follows a later log learned that everything before it is revoked.
            let is_over = follower.before() > Timestamp::from_secs(START_SECS + epoch as u64);
            let due = log.entries.iter().filter(|(_, at)| *at < made);
            let known = |entry: &Entry| match entry.subject() {
                Subject::Before(moment) => follower.before() >= moment,
                subject => subject.key16().is_some_and(|key| held.contains(&key)),
            };
            for (entry, at) in due {
                assert!(is_over || known(entry), "fresh as of {made}, without what came at {at}");
            }
        }
    }

    /// After the last fault the follower gets to where the authority is, and knows that it is fresh.
    pub(super) fn settle(&mut self) {
        self.step(Action::Pass).unwrap();
        let nonce = format!("{:032x}", u32::MAX);
        let question = self.follower.question(nonce.clone(), self.now);
        let message = Message { delta: None, head: self.sign(Some(nonce)) };
        self.need = self.follower.hear(&message, Some(&question), self.now).unwrap();
        for _ in 0..3 {
            self.fetch().unwrap();
        }
        self.check();
        let (place, head) = (self.follower.place().unwrap(), self.head(None));
        assert_eq!((place.epoch, place.seq, place.hash), (head.epoch, head.seq, head.hash));
        assert_eq!(self.follower.fresh(), Some((self.now, 60_000_000)));
    }

    /// What tells one state from another, as far as anything can come of it.
    pub(super) fn essence(&self) -> String {
        let follower = &self.follower;
        let seen = follower.seen().map(|head| (head.epoch, head.seq, head.time));
        let lengths: Vec<usize> = self.logs.iter().map(|log| log.entries.len()).collect();
        let heads: Vec<&str> = self.heads.iter().rev().take(4).map(|h| h.head.as_str()).collect();
        let answered = self.question.as_ref().map(|(q, head)| (q.clone(), head.is_some()));
        let saved = self.saved.as_deref().map(|bytes| Saved::read(bytes).unwrap().place());
        format!(
            "{} {lengths:?} {:?} {} {heads:?} {answered:?} {:?} {seen:?} {:?} {:?} {} {:?} {saved:?}",
            self.now,
            self.snapshot.as_ref().map(|(_, name)| name.seq),
            self.signer,
            follower.place().map(|place| (place.epoch, place.seq)),
            follower.fresh(),
            self.need,
            follower.table().len(),
            follower.age_of(self.time(), self.now),
        )
    }

    pub(super) fn appended(&self) -> usize {
        self.logs.iter().map(|log| log.entries.len()).sum()
    }
}

/// The entries as somebody between may have changed them.
fn changed(right: &Delta, carried: Carried) -> Option<Delta> {
    let mut entries = right.entries().to_vec();
    match carried {
        Carried::Nothing => return None,
        Carried::All => {}
        Carried::Dropped => drop(entries.remove(0)),
        Carried::Swapped => entries.rotate_left(1),
        Carried::Changed => entries[0] = numbered(8, 8),
    }
    Delta::new(right.from(), entries)
}
