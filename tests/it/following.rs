//! A view that follows the feed over HTTP: it converges in every mode, refuses what is not true, and is
//! kept for the next start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardtack::feed::{Delta, Entry, Head, LogHash, Message, Place};
use hardtack::gateway::{
    Authority, Mode, Pace, RevocationSync, SyncOptions, SyncStatus, Taken, Watch, health_router,
};
use hardtack::keys::TrustedRoots;
use hardtack::model::Timestamp;
use hardtack::verify::RevocationView;

use crate::feed_server::{Log, Server, Streaming, Twist, key};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Everything sooner, so that the tests are.
pub(crate) fn options() -> SyncOptions {
    let pace = Pace {
        silence: millis(500),
        wait: millis(200),
        poll: millis(20),
        stream_again: millis(300),
        pause_min: millis(5),
        pause_max: millis(40),
    };
    SyncOptions { pace, ..SyncOptions::default() }
}

fn start(servers: &[&Server], options: SyncOptions) -> RevocationSync {
    let root = servers[0].knobs.lock().unwrap().log.root.public();
    let sources = servers.iter().map(|server| server.authority()).collect();
    RevocationSync::start(sources, TrustedRoots::one(root), options)
}

pub(crate) async fn until(sync: &RevocationSync, done: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
    for _ in 0..4000 {
        let status = sync.status();
        if done(&status) {
            return status;
        }
        tokio::time::sleep(millis(5)).await;
    }
    panic!("never: {:?}", sync.status());
}

fn seq(status: &SyncStatus) -> u64 {
    status.place.map_or(0, |place| place.seq)
}

/// It knows so many entries, and that these are all.
async fn knows(sync: &RevocationSync, count: u64) -> SyncStatus {
    let status = until(sync, |now| seq(now) == count && now.age_millis.is_some()).await;
    let view = sync.view();
    for n in 1..=count {
        assert!(view.is_revoked(&key(n)), "{n} of {count}");
    }
    assert!(!view.is_revoked(&key(count + 1)));
    status
}

#[tokio::test]
async fn it_converges_in_every_mode_and_comes_back() {
    let server = Server::start(Log::new(1, 2, 3)).await;
    let sync = start(&[&server], options());
    assert_eq!(knows(&sync, 3).await.mode, Mode::Stream);
    server.set(|knobs| knobs.log.grow(2));
    knows(&sync, 5).await;
    assert_eq!(server.asked("head 1-"), 0);

    server.set(|knobs| knobs.streaming = Streaming::Refused);
    until(&sync, |now| now.mode == Mode::LongPoll).await;
    server.set(|knobs| knobs.log.grow(1));
    knows(&sync, 6).await;
    assert!(server.asked("head 1-") > 0);

    server.set(|knobs| knobs.keeps_questions = false);
    until(&sync, |now| now.mode == Mode::Poll).await;
    server.set(|knobs| knobs.log.grow(3));
    knows(&sync, 9).await;
    assert!(server.asked("delta 1-6-9-") > 0);

    server.set(|knobs| knobs.streaming = Streaming::Good);
    until(&sync, |now| now.mode == Mode::Stream).await;
    server.set(|knobs| knobs.log.grow(1));
    knows(&sync, 10).await;
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let server = Server::start(Log::new(1, 2, 3)).await;
    let sync = start(&[&server], options());
    knows(&sync, 3).await;
    server.set(|knobs| knobs.is_up = false);
    let refused = sync.status().refused;
    until(&sync, |now| now.refused > refused + 5).await;
    assert!(sync.view().is_revoked(&key(1)));
    // It comes back with another feed key, whose time begins anew.
    let mut log = Log::new(1, 3, 0);
    log.entries = server.knobs.lock().unwrap().log.entries.clone();
    log.grow(4);
    server.set(|knobs| (knobs.log, knobs.is_up) = (log, true));
    knows(&sync, 7).await;
    // And with another log, after it lost some: nothing comes back to life.
    let mut log = Log::new(1, 4, 0);
    (log.epoch, log.entries) = (2, vec![crate::feed_server::entry(50)]);
    server.set(|knobs| knobs.log = log);
    until(&sync, |now| now.place.is_some_and(|place| (place.epoch, place.seq) == (2, 1))).await;
    for n in [1, 7, 50] {
        assert!(sync.view().is_revoked(&key(n)), "{n}");
    }
}

#[tokio::test]
async fn where_one_source_dies_the_other_is_followed() {
    let log = Log::new(1, 2, 3);
    let (one, two) = (Server::start(log.clone()).await, Server::start(log).await);
    let sync = start(&[&one, &two], options());
    assert_eq!(knows(&sync, 3).await.source, 0);
    one.set(|knobs| knobs.is_up = false);
    until(&sync, |now| now.source == 1).await;
    two.set(|knobs| knobs.log.grow(1));
    knows(&sync, 4).await;
    // Nobody answers there at all.
    let nobody = Authority::new("http://127.0.0.1:1", millis(200)).unwrap();
    let roots = TrustedRoots::one(Log::new(1, 2, 0).root.public());
    let sync = RevocationSync::start(vec![nobody, two.authority()], roots, options());
    assert_eq!(knows(&sync, 4).await.source, 1);
}

/// What a server, or whoever is between, can do to messages, and what it is refused for.
fn lies() -> Vec<(&'static str, Twist)> {
    let with = |message: Message, change: &dyn Fn(&mut Vec<Entry>)| {
        let Some(delta) = &message.delta else { return message };
        let (from, mut entries) = (delta.from(), delta.entries().to_vec());
        change(&mut entries);
        Message { delta: Delta::new(from, entries), ..message }
    };
    let signed = |log: &Log, message: Message, change: &dyn Fn(&mut Head)| {
        let mut head: Head = serde_json::from_str(&message.head.head).unwrap();
        change(&mut head);
        Message { head: log.sign(&head), ..message }
    };
    let old = Mutex::new(None);
    vec![
        (
            "signature",
            Arc::new(|_: &Log, mut message: Message| {
                message.head.head = message.head.head.replace("\"seq\":", "\"seq\": ");
                message
            }),
        ),
        (
            "unknown-key",
            Arc::new(|_: &Log, message: Message| {
                let head: Head = serde_json::from_str(&message.head.head).unwrap();
                Message { head: Log::new(1, 99, 0).sign(&head), ..message }
            }),
        ),
        (
            "rollback",
            Arc::new(move |log: &Log, message: Message| {
                signed(log, Message { delta: None, ..message }, &|head| {
                    (head.seq, head.hash) = (2, log.hash(2));
                })
            }),
        ),
        (
            "equivocation",
            Arc::new(move |log: &Log, message: Message| {
                signed(log, message, &|head| head.hash = LogHash([1; 32]))
            }),
        ),
        (
            "other-issuer",
            Arc::new(move |log: &Log, message: Message| {
                signed(log, message, &|head| head.issuer = "https://other.example".to_owned())
            }),
        ),
        (
            "equivocation",
            Arc::new(move |_: &Log, message: Message| {
                with(message, &|entries| entries.rotate_left(1))
            }),
        ),
        (
            "gap",
            Arc::new(move |_: &Log, message: Message| {
                with(message, &|entries| drop(entries.pop()))
            }),
        ),
        (
            "equivocation",
            Arc::new(move |_: &Log, message: Message| {
                with(message, &|entries| entries[0] = crate::feed_server::entry(77))
            }),
        ),
        // An old truth, again and again: it is believed, and proves nothing.
        (
            "silent",
            Arc::new(move |log: &Log, _: Message| {
                let mut old = old.lock().unwrap();
                let head = old.get_or_insert_with(|| {
                    let mut before = log.clone();
                    before.entries.truncate(3);
                    before.sign(&before.head(None))
                });
                Message { delta: None, head: head.clone() }
            }),
        ),
    ]
}

#[tokio::test]
async fn what_is_not_true_changes_nothing() {
    for (at, (cause, twist)) in lies().into_iter().enumerate() {
        let server = Server::start(Log::new(1, 2, 3)).await;
        let sync = start(&[&server], options());
        let guard = crate::support_guard::guard(sync.view());
        let health = crate::support_guard::serve(health_router(guard, &sync)).await;
        knows(&sync, 3).await;
        server.set(|knobs| {
            (knobs.twist, knobs.has_deltas) = (Some(twist), false);
            knobs.log.grow(2);
        });
        let count = format!("hardtack_revocations_refusals_total{{cause=\"{cause}\"}}");
        for tries in 0.. {
            let (_, metrics) = crate::support_guard::get(&format!("{health}/metrics")).await;
            if metrics.contains(&count) {
                break;
            }
            assert!(tries < 1000, "{at}: no {cause}: {metrics}");
            tokio::time::sleep(millis(10)).await;
        }
        assert_eq!(seq(&sync.status()), 3, "{at}: {cause}");
        // A stream that repeats itself is left at once, not when the view is old.
        let (_, metrics) = crate::support_guard::get(&format!("{health}/metrics")).await;
        assert!(!metrics.contains("cause=\"lagging\""), "{at}: {metrics}");
        let view = sync.view();
        assert!((1..=3).all(|n| view.is_revoked(&key(n))) && !view.is_revoked(&key(77)));
        // Nothing of it stays: it goes on with the next entry.
        server.set(|knobs| {
            (knobs.twist, knobs.has_deltas) = (None, true);
            knobs.log.grow(1);
        });
        knows(&sync, 6).await;
    }
}

#[tokio::test]
async fn a_hostile_stream_is_left() {
    for bytes in [
        vec![b'x'; 1024 * 1024],
        [b"data: ".to_vec(), vec![b'x'; 1024 * 1024]].concat(),
        b"data: x\n".repeat(100_000),
        b"data: {\"head\": 1}\n\n".to_vec(),
        b": nothing\n".to_vec(),
        b"event: other\ndata: {}\n\n".to_vec(),
        (0..=255).collect(),
    ] {
        let server = Server::start(Log::new(1, 2, 3)).await;
        server.set(|knobs| knobs.streaming = Streaming::Bytes(bytes));
        let sync = start(&[&server], options());
        until(&sync, |now| now.refused > 2).await;
        assert_ne!(knows(&sync, 3).await.mode, Mode::Stream);
    }
}

#[tokio::test]
async fn a_snapshot_is_taken_where_entries_are_gone() {
    let mut log = Log::new(1, 2, 40);
    log.take_snapshot();
    log.grow(2);
    let server = Server::start(log).await;
    let sync = start(&[&server], options());
    knows(&sync, 42).await;
    assert_eq!((server.asked("snapshot"), server.asked("delta 1-40-42-")), (1, 1));
    // Whoever is behind, where nobody has the entries any more.
    server.set(|knobs| knobs.is_up = false);
    until(&sync, |now| now.mode != Mode::Stream || now.refused > 3).await;
    server.set(|knobs| {
        (knobs.is_up, knobs.has_deltas) = (true, false);
        let cut = |_: &Log, message: Message| Message { delta: None, ..message };
        knobs.twist = Some(Arc::new(cut));
        knobs.log.grow(5);
        knobs.log.take_snapshot();
    });
    knows(&sync, 47).await;
    assert_eq!(server.asked("snapshot"), 2);
}

/// Writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<Note>>);

struct Note {
    restarted: bool,
    snapshot: Option<u64>,
    delta: Option<Delta>,
    certificates: usize,
    place: Place,
}

impl Watch for Notes {
    fn took(&self, taken: &Taken<'_>) {
        self.0.lock().unwrap().push(Note {
            restarted: taken.restarted,
            snapshot: taken.snapshot.map(|name| name.seq),
            delta: taken.delta.cloned(),
            certificates: taken.certificates.map_or(0, <[_]>::len),
            place: taken.place,
        });
    }
}

#[tokio::test]
async fn who_watches_is_told_without_gaps() {
    let mut log = Log::new(1, 2, 10);
    log.take_snapshot();
    log.grow(2);
    let server = Server::start(log).await;
    let notes = Arc::new(Notes::default());
    let sync = start(&[&server], SyncOptions { watch: Some(notes.clone()), ..options() });
    knows(&sync, 12).await;
    for count in 13..20 {
        server.set(|knobs| knobs.log.grow(1));
        knows(&sync, count).await;
        if count == 15 {
            server.set(|knobs| knobs.streaming = Streaming::Refused);
        }
    }
    drop(sync);
    let notes = std::mem::take(&mut *notes.0.lock().unwrap());
    assert_eq!((notes[0].restarted, notes[0].snapshot, notes[0].certificates), (true, Some(10), 1));
    let log = server.knobs.lock().unwrap().log.clone();
    let mut place = Place { epoch: 1, seq: 10, hash: log.hash(10) };
    for (at, note) in notes.iter().enumerate() {
        assert_eq!((note.restarted, note.certificates > 0), (at == 0, at == 0), "{at}");
        if let Some(delta) = &note.delta {
            assert_eq!(delta.from(), place.seq);
            place = Place { seq: delta.to(), hash: delta.hash_after(place.hash), ..place };
        }
        assert_eq!(note.place, place, "{at}");
    }
    assert_eq!(place.seq, 19);
}

fn saved() -> (tempfile::TempDir, SyncOptions) {
    let dir = tempfile::tempdir().unwrap();
    let file = Some(dir.path().join("view"));
    (dir, SyncOptions { file, ..options() })
}

#[tokio::test]
async fn a_saved_view_is_held_to_and_is_not_fresh_until_that_is_proven() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start(Log::new(1, 2, 3)).await;
    let (dir, options) = saved();
    // What a crash between the two steps leaves.
    std::fs::write(dir.path().join("view.new"), "half").unwrap();
    let sync = start(&[&server], options.clone());
    knows(&sync, 3).await;
    server.set(|knobs| knobs.log.grow(1));
    knows(&sync, 4).await;
    sync.close().await;
    let file = dir.path().join("view");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!dir.path().join("view.new").exists());

    // Nobody is there, and then only an old truth.
    server.set(|knobs| knobs.is_up = false);
    let sync = start(&[&server], options.clone());
    let status = until(&sync, |now| now.refused > 3).await;
    assert_eq!((seq(&status), status.age_millis, status.entries), (4, None, 4));
    assert!(sync.view().is_revoked(&key(4)) && !sync.view().is_fresh(Timestamp::from_secs(0)));
    let log = server.knobs.lock().unwrap().log.clone();
    let old = log.sign(&log.head(None));
    server.set(|knobs| {
        let twist = move |_: &Log, _: Message| Message { delta: None, head: old.clone() };
        knobs.twist = Some(Arc::new(twist));
        knobs.is_up = true;
    });
    let status = until(&sync, |now| now.messages > 3).await;
    assert_eq!(status.age_millis, None);
    server.set(|knobs| knobs.twist = None);
    knows(&sync, 4).await;
    assert_eq!(server.asked("delta"), 0);
}

#[tokio::test]
async fn a_saved_view_that_is_damaged_or_foreign_is_set_aside() {
    let server = Server::start(Log::new(1, 2, 3)).await;
    let (dir, options) = saved();
    let sync = start(&[&server], options.clone());
    knows(&sync, 3).await;
    sync.close().await;
    let file = dir.path().join("view");
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let foreign =
        SyncOptions { issuer: Some("https://other.example".to_owned()), ..options.clone() };
    for (bytes, options) in [
        (&good[..good.len() - 1], &options),
        (&flipped, &options),
        (&[], &options),
        (&good, &foreign),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let sync = start(&[&server], options.clone());
        match options.issuer {
            None => assert_eq!(seq(&knows(&sync, 3).await), 3),
            Some(_) => assert_eq!(seq(&until(&sync, |now| now.refused > 1).await), 0),
        }
        assert_eq!(sync.status().saved_errors, 1);
        assert_eq!(std::fs::read(dir.path().join("view.damaged")).unwrap(), bytes);
        sync.close().await;
    }
    // Nowhere to write: it goes on without.
    let nowhere = SyncOptions { file: Some(dir.path().join("no/such/view")), ..options };
    let sync = start(&[&server], nowhere);
    knows(&sync, 3).await;
    until(&sync, |now| now.saved_errors > 0).await;
}
