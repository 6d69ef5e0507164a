//! What a follower makes of heads: how old they are, for how long they count, and what it forgets.

use hardtack::feed::{
    Certificate, Delta, Entry, FeedError, Follower, Head, LogHash, Message, Need, Saved,
    SignedHead, Snapshot, SnapshotName, SnapshotReader, Subject,
};
use hardtack::keys::HolderKey;
use hardtack::model::{Key16, Timestamp};

use crate::support::{now, rng, root, roots};

const SEC: u64 = 1_000_000;

/// An authority whose time is given with each head.
struct Log {
    feed: HolderKey,
    epoch: u64,
    entries: Vec<Entry>,
    snapshot: Option<SnapshotName>,
}

fn entry(at: u64, ends: Timestamp) -> Entry {
    let key = Key16((u128::from(at + 1) << 64 | 1).to_be_bytes());
    Entry::new(Subject::Task(key), ends, None, None).unwrap()
}

fn later(secs: i64) -> Timestamp {
    Timestamp::from_secs(now().secs().checked_add_signed(secs).unwrap())
}

impl Log {
    fn new(epoch: u64) -> Self {
        let feed = HolderKey::generate(&mut rng(7));
        Self { feed, epoch, entries: Vec::new(), snapshot: None }
    }

    fn hash(&self, seq: usize) -> LogHash {
        let start = LogHash::start(self.epoch);
        self.entries[..seq].iter().fold(start, |hash, entry| hash.then(entry))
    }

    fn head(&self, time: Timestamp, nonce: Option<&str>) -> SignedHead {
        let head = Head {
            issuer: "a".to_owned(),
            epoch: self.epoch,
            seq: self.entries.len() as u64,
            hash: self.hash(self.entries.len()),
            time,
            not_after: time.plus_secs(60),
            snapshot: self.snapshot.clone(),
            nonce: nonce.map(str::to_owned),
        };
        head.signed(self.feed.public(), |bytes| self.feed.sign(bytes)).unwrap()
    }

    /// The head with the entries after a place.
    fn message(&self, from: usize, time: Timestamp) -> Message {
        let delta = Delta::new(from as u64, self.entries[from..].to_vec());
        Message { delta, head: self.head(time, None) }
    }

    fn follower(&self) -> Follower {
        let mut follower = Follower::new(roots(), None);
        let key = self.feed.public();
        let (from, until) = (later(-10_000), later(100_000));
        let certificate = Certificate { issuer: "a".to_owned(), key, from, until };
        follower.learn_keys(&[certificate.signed(&root()).unwrap()], 0).unwrap();
        follower
    }

    fn snapshot(&mut self, living: impl Fn(&Entry) -> bool) -> Vec<u8> {
        let (seq, hash) = (self.entries.len() as u64, self.hash(self.entries.len()));
        let living = self.entries.iter().filter(|entry| living(entry));
        let subjects = living.map(|entry| (entry.subject(), entry.ends())).collect();
        let (file, name) = Snapshot { seq, hash, subjects }.to_bytes();
        self.snapshot = Some(name);
        file
    }
}

/// Hears the newest head, and takes the snapshot that it names.
fn take(follower: &mut Follower, log: &Log, file: &[u8], time: Timestamp) -> Need {
    let message = Message { delta: None, head: log.head(time, None) };
    follower.hear(&message, None, 0).unwrap();
    let name = follower.need_instead().unwrap();
    let mut reader = SnapshotReader::new(name).unwrap();
    reader.read(file).unwrap();
    follower.take_snapshot(reader).unwrap()
}

#[test]
fn a_head_is_as_old_as_the_question_that_it_answers() {
    let log = Log::new(1);
    let mut follower = log.follower();
    let question = follower.question("00".repeat(16), 10 * SEC);
    let answer = log.head(now(), Some(&question.nonce));
    let message = Message { delta: None, head: answer };
    assert_eq!(follower.fresh(), None);
    assert!(follower.wants_answer(10 * SEC));
    // It took three seconds to arrive.
    follower.hear(&message, Some(&question), 13 * SEC).unwrap();
    assert_eq!(follower.fresh(), Some((10 * SEC, 60 * SEC)));
    // Later heads are as much later as they say, whenever they arrive.
    follower.hear(&log.message(0, later(1)), None, 50 * SEC).unwrap();
    assert_eq!(follower.fresh(), Some((11 * SEC, 60 * SEC)));
    assert_eq!(follower.age_of(later(2), 50 * SEC), Some(38 * SEC));
    // An older one changes nothing, and neither does one from the future.
    follower.hear(&log.message(0, later(-5)), None, 50 * SEC).unwrap();
    follower.hear(&log.message(0, later(100)), None, 50 * SEC).unwrap();
    assert_eq!(follower.fresh(), Some((11 * SEC, 60 * SEC)));
    // Two clocks are never quite the same.
    let drifted = Timestamp::from_millis(later(40).millis() + 50);
    follower.hear(&log.message(0, drifted), None, 50 * SEC).unwrap();
    assert_eq!(follower.fresh(), Some((50 * SEC, 60 * SEC)));
    assert!(!follower.wants_answer(69 * SEC) && follower.wants_answer(70 * SEC));
}

#[test]
fn a_head_of_another_key_proves_nothing_of_its_age() {
    let mut log = Log::new(1);
    let (mut follower, old) = (log.follower(), log.feed.clone());
    let question = follower.question("00".repeat(16), SEC);
    let head = log.head(now(), Some(&question.nonce));
    follower.hear(&Message { delta: None, head }, Some(&question), SEC).unwrap();
    log.feed = HolderKey::generate(&mut rng(8));
    let certificates: Vec<_> = [&old, &log.feed]
        .into_iter()
        .map(|key| Certificate {
            issuer: "a".to_owned(),
            key: key.public(),
            from: later(-10_000),
            until: later(10_000),
        })
        .map(|certificate| certificate.signed(&root()).unwrap())
        .collect();
    follower.learn_keys(&certificates, 0).unwrap();
    // Its clock may be another: an hour later says nothing.
    follower.hear(&log.message(0, later(3600)), None, 4000 * SEC).unwrap();
    assert_eq!(follower.fresh(), Some((SEC, 60 * SEC)));
    assert!(follower.wants_answer(2 * SEC));
}

#[test]
fn the_answer_to_another_question_is_none() {
    let mut log = Log::new(1);
    let mut follower = log.follower();
    let question = follower.question("00".repeat(16), SEC);
    let hear = |follower: &mut Follower, head: &SignedHead| follower.hear_answer(head, &question);
    let none = Err(FeedError::NoAnswer);
    assert_eq!(hear(&mut follower, &log.head(now(), None)), none);
    assert_eq!(hear(&mut follower, &log.head(now(), Some("11"))), none);
    let other = Message { delta: None, head: log.head(now(), Some("11")) };
    follower.hear(&other, Some(&question), SEC).unwrap();
    assert_eq!(follower.fresh(), None);
    // An answer is of the log as it was then, or later.
    log.entries.push(entry(0, later(1000)));
    follower.hear(&log.message(0, now()), None, SEC).unwrap();
    let question = follower.question("22".repeat(16), 2 * SEC);
    let at = |log: &Log| log.head(now(), Some(&question.nonce));
    assert_eq!(follower.hear_answer(&at(&Log::new(1)), &question), Err(FeedError::Rollback));
    let mut other = Log::new(1);
    other.entries.push(entry(9, later(1000)));
    assert_eq!(follower.hear_answer(&at(&other), &question), Err(FeedError::Equivocation));
    assert_eq!(follower.fresh(), None, "what contradicts proves nothing");
    assert_eq!(follower.hear_answer(&at(&log), &question), Ok(()));
    assert_eq!(follower.fresh(), Some((2 * SEC, 60 * SEC)));
    // Of entries that it has not heard of yet it learns nothing, and is no fresher.
    let question = follower.question("33".repeat(16), 9 * SEC);
    log.entries.push(entry(1, later(1000)));
    let head = log.head(now(), Some(&question.nonce));
    assert_eq!(follower.hear_answer(&head, &question), Ok(()));
    assert_eq!(follower.fresh(), Some((2 * SEC, 60 * SEC)));
    assert_eq!(follower.place().unwrap().seq, 1);
}

/// What ended may be forgotten, and whoever asks is told up to when.
#[test]
fn what_is_forgotten_is_said() {
    let mut log = Log::new(1);
    let mut follower = log.follower();
    // Half of them end soon; the table grows while they come.
    log.entries.extend((0..2000).map(|at| entry(at, later(10 + 1000 * (at as i64 % 2)))));
    for end in [40, 2000] {
        let all = log.entries.split_off(end);
        let from = follower.place().map_or(0, |place| place.seq as usize);
        let time = if end == 40 { now() } else { later(100) };
        assert_eq!(follower.hear(&log.message(from, time), None, 0), Ok(Need::Nothing));
        log.entries.extend(all);
    }
    let (forgets, held) = (follower.forgets(), follower.table().len());
    assert_eq!(forgets, later(95));
    assert!((1000..2000).contains(&held), "{held}");
    for entry in &log.entries {
        let lives = Timestamp::from_secs(u64::from(entry.ends())) >= forgets;
        assert!(!lives || follower.table().contains(&entry.subject().key16().unwrap()));
    }
    // A snapshot lacks what ended when it was made.
    let mut other = log.follower();
    let file = log.snapshot(|entry| u64::from(entry.ends()) > now().secs() + 100);
    assert_eq!(take(&mut other, &log, &file, later(200)), Need::Nothing);
    assert_eq!((other.forgets(), other.table().len()), (later(195), 1000));
}

/// A log that begins anew may lack what the one before had: that stays revoked.
#[test]
fn another_log_revives_nothing() {
    for by_snapshot in [false, true] {
        let (mut old, mut new) = (Log::new(1), Log::new(2));
        let mut follower = old.follower();
        old.entries.push(entry(0, later(1000)));
        follower.hear(&old.message(0, now()), None, 0).unwrap();
        let before = Subject::Before(later(-1));
        new.entries.push(Entry::new(before, later(1000), None, None).unwrap());
        new.entries.push(entry(1, later(1000)));
        if by_snapshot {
            let file = new.snapshot(|_| true);
            assert_eq!(take(&mut follower, &new, &file, now()), Need::Nothing);
        } else {
            assert_eq!(follower.hear(&new.message(0, now()), None, 0), Ok(Need::Nothing));
        }
        for at in 0..2 {
            let key = entry(at, now()).subject().key16().unwrap();
            assert!(follower.table().contains(&key), "entry of log {}", at + 1);
        }
        assert_eq!(follower.before(), later(-1));
        // And there is no way back.
        old.entries.push(entry(2, later(1000)));
        let back = follower.hear(&old.message(1, later(1)), None, 0);
        assert_eq!(back, Err(FeedError::Rollback));
    }
}

/// A snapshot is the one that the newest head names, and never older than what is known.
#[test]
fn a_snapshot_of_before_is_not_taken() {
    let mut log = Log::new(1);
    log.entries.extend((0..4).map(|at| entry(at, later(1000))));
    let file = log.snapshot(|_| true);
    let name = log.snapshot.clone().unwrap();
    let read = |name: &SnapshotName| {
        let mut reader = SnapshotReader::new(name.clone()).unwrap();
        reader.read(&file).unwrap();
        reader
    };
    let mut follower = log.follower();
    follower.hear(&log.message(0, now()), None, 0).unwrap();
    log.entries.push(entry(4, later(1000)));
    follower.hear(&log.message(4, now()), None, 0).unwrap();
    log.entries.push(entry(5, later(1000)));
    let next = Message { delta: None, head: log.head(now(), None) };
    follower.hear(&next, None, 0).unwrap();
    assert_eq!(follower.need_instead(), None);
    assert_eq!(follower.take_snapshot(read(&name)), Err(FeedError::Gap));
    // Another head names another.
    let mut new = log.follower();
    new.hear(&next, None, 0).unwrap();
    log.snapshot(|_| true);
    let newer = Message { delta: None, head: log.head(now(), None) };
    new.hear(&newer, None, 0).unwrap();
    assert_eq!(new.take_snapshot(read(&name)), Err(FeedError::Malformed));
    assert_eq!(new.place(), None);
}

/// An authority of another name is another, even where the same root key vouches for it.
#[test]
fn another_authority_is_not_followed() {
    let log = Log::new(1);
    let certificates = {
        let (from, until) = (later(-10), later(10));
        let certificate =
            Certificate { issuer: "a".to_owned(), key: log.feed.public(), from, until };
        [certificate.signed(&root()).unwrap()]
    };
    let mut follower = Follower::new(roots(), Some("b".to_owned()));
    follower.learn_keys(&certificates, 0).unwrap();
    let heard = follower.hear(&log.message(0, now()), None, 0);
    assert_eq!(heard, Err(FeedError::OtherIssuer));
    assert_eq!((follower.place(), follower.seen()), (None, None));
}

/// A snapshot of the newest place must have the hash that was signed for it.
#[test]
fn a_snapshot_of_another_log_is_no_arrival() {
    let mut log = Log::new(1);
    log.entries.push(entry(0, later(1000)));
    let snapshot = Snapshot { seq: 1, hash: LogHash([9; 32]), subjects: Vec::new() };
    let (file, name) = snapshot.to_bytes();
    log.snapshot = Some(name.clone());
    let mut follower = log.follower();
    let question = follower.question("00".repeat(16), 0);
    let head = log.head(now(), Some(&question.nonce));
    follower.hear(&Message { delta: None, head }, Some(&question), 0).unwrap();
    let mut reader = SnapshotReader::new(name).unwrap();
    reader.read(&file).unwrap();
    assert_eq!(follower.take_snapshot(reader), Err(FeedError::Equivocation));
    assert_eq!(follower.fresh(), None);
}

/// What was saved is taken whole or not at all, and there is no way back behind what was seen.
#[test]
fn a_saved_view_is_whole_and_remembers_what_was_seen() {
    let mut log = Log::new(1);
    let mut follower = log.follower();
    log.entries.extend((0..3).map(|at| entry(at, later(1000))));
    follower.hear(&log.message(0, now()), None, 0).unwrap();
    let older = log.head(now(), None);
    log.entries.push(entry(3, later(1000)));
    let newer = Message { delta: None, head: log.head(later(1), None) };
    assert!(matches!(follower.hear(&newer, None, 0), Ok(Need::Delta { from: 3, to: 4, .. })));
    let mut bytes = Vec::new();
    Saved::of(&follower).unwrap().write(&mut bytes).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert!(Saved::read(&other).is_err() && Saved::read(&bytes[..at]).is_err(), "byte {at}");
    }
    let mut again = Saved::read(&bytes).unwrap().follower(roots());
    assert_eq!((again.place(), again.fresh()), (follower.place(), None));
    assert_eq!(again.table().len(), 3);
    let key = log.feed.public();
    let (from, until) = (later(-10), later(10));
    let certificate = Certificate { issuer: "a".to_owned(), key, from, until };
    again.learn_keys(&[certificate.signed(&root()).unwrap()], 0).unwrap();
    // It saw that there are four.
    let back = Message { delta: None, head: older };
    assert_eq!(again.hear(&back, None, 0), Err(FeedError::Rollback));
    assert_eq!(again.hear(&log.message(3, later(2)), None, 0), Ok(Need::Nothing));
}

/// E1: a head that is hours old is taken for as old as the process.
#[test]
fn a_head_of_before_the_clock_began_is_of_no_known_age() {
    let mut log = Log::new(1);
    log.entries.push(entry(0, later(86_400)));
    let mut follower = log.follower();
    let hour_old = log.message(0, later(-3600));
    follower.hear(&hour_old, None, SEC / 2).unwrap();
    assert_eq!(follower.fresh(), None);
    // The authority's log has gone on; the answer to the question says so.
    log.entries.push(entry(1, later(86_400)));
    let question = follower.question("00".repeat(16), SEC / 2);
    follower.hear_answer(&log.head(now(), Some(&question.nonce)), &question).unwrap();
    follower.hear(&hour_old, None, SEC).unwrap();
    assert_eq!(follower.fresh(), None, "an hour old head must not make it fresh");
}

/// E2: a feed key whose certificate has long ended.
#[test]
fn a_feed_key_ends_by_the_clock_of_who_follows_it() {
    let log = Log::new(1);
    let mut follower = log.follower();
    // A year later by the follower's monotonic clock; the certificate was for 110 000 s.
    let year = 365 * 86_400 * SEC;
    let question = follower.question("00".repeat(16), year);
    let head = log.head(later(100), Some(&question.nonce));
    let message = Message { delta: None, head };
    assert_eq!(follower.hear(&message, Some(&question), SEC), Ok(Need::Nothing));
    let day = 110_000 * SEC;
    assert_eq!(follower.hear(&message, Some(&question), day), Ok(Need::Nothing));
    // Learning of it once more changes nothing.
    let key = log.feed.public();
    let (from, until) = (later(-10_000), later(100_000));
    let certificate = Certificate { issuer: "a".to_owned(), key, from, until };
    follower.learn_keys(&[certificate.signed(&root()).unwrap()], day).unwrap();
    for now in [day + 1, year] {
        let heard = follower.hear(&message, Some(&question), now);
        assert_eq!(heard, Err(FeedError::UnknownKey));
    }
}

/// E3: heads are counted from an answer of any age.
#[test]
fn times_are_not_counted_from_an_answer_of_yesterday() {
    let log = Log::new(1);
    let mut follower = log.follower();
    let question = follower.question("00".repeat(16), 0);
    let head = log.head(now(), Some(&question.nonce));
    follower.hear(&Message { delta: None, head }, Some(&question), 0).unwrap();
    // 20 hours later; the authority's clock ran 100 ppm faster, which makes 7.2 s. A head that is
    // 7 s old by then.
    let true_now = 72_000 * SEC;
    let made_7_s_ago = Timestamp::from_millis(now().millis() + 72_000_000 + 7_200 - 7_150);
    follower.hear(&log.message(0, made_7_s_ago), None, true_now).unwrap();
    let (made, _) = follower.fresh().unwrap();
    assert!(true_now - made > 2 * SEC);
}

/// E4: an answer that is older than a head that was seen.
#[test]
fn an_answer_older_than_what_was_seen_proves_nothing() {
    let mut log = Log::new(1);
    let mut follower = log.follower();
    follower.hear(&log.message(0, now()), None, 0).unwrap();
    assert_eq!(follower.place().unwrap().seq, 0);
    let old = log.head(later(5), Some(&"00".repeat(16)));
    log.entries.push(entry(0, later(86_400)));
    // The head is seen; the entry was not to be had.
    follower.hear(&Message { delta: None, head: log.head(later(1), None) }, None, SEC).unwrap();
    assert_eq!(follower.seen().unwrap().seq, 1);
    let question = follower.question("00".repeat(16), 5 * SEC);
    let answered = follower.hear_answer(&old, &question);
    assert_eq!(answered, Err(FeedError::Rollback));
}

/// E5: a log that forked, by its snapshot.
#[test]
fn a_fork_revives_nothing_by_its_snapshot() {
    let mut log = Log::new(1);
    log.entries = (0..3).map(|at| entry(at, later(86_400))).collect();
    let mut follower = log.follower();
    follower.hear(&log.message(0, now()), None, 0).unwrap();
    let lost = log.entries[2].subject().key16().unwrap();
    assert!(follower.table().contains(&lost));
    // A backup from before the third entry, and other entries since.
    log.entries.truncate(2);
    log.entries.extend((10..15).map(|at| entry(at, later(86_400))));
    let file = log.snapshot(|_| true);
    let by_delta = follower.hear(&log.message(3, later(1)), None, 0);
    assert_eq!(by_delta, Err(FeedError::Equivocation));
    take(&mut follower, &log, &file, later(1));
    assert!(follower.table().contains(&lost), "what was revoked is no more");
}

/// E6: an authority that was a year ahead once.
#[test]
fn what_was_forgotten_by_a_wrong_clock_is_learned_again() {
    let mut log = Log::new(1);
    log.entries = (0..3).map(|at| entry(at, later(86_400))).collect();
    let file = log.snapshot(|_| true);
    let mut follower = log.follower();
    take(&mut follower, &log, &file, later(90_000));
    // Its clock is right again.
    log.entries.push(entry(9, later(86_400)));
    let file = log.snapshot(|_| true);
    // Somebody's word for it is not enough: an answer to a question is.
    take(&mut follower, &log, &file, later(2));
    assert_eq!(follower.forgets(), later(89_995));
    let question = follower.question("00".repeat(16), 0);
    let head = log.head(later(2), Some(&question.nonce));
    follower.hear(&Message { delta: None, head }, Some(&question), 0).unwrap();
    assert_eq!(follower.fresh(), None, "it begins anew");
    take(&mut follower, &log, &file, later(2));
    assert_eq!((follower.forgets(), follower.table().len()), (later(-3), 4));
}
