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

async fn served(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// A relay with one source that takes connections and says nothing, and a good one.
#[tokio::test]
async fn a_source_that_is_mute_holds_up_no_answer() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = mute.accept().await {
            held.push(stream);
        }
    });
    let good = Server::start(Log::new(1, 2, 3)).await;
    let roots = TrustedRoots::one(Log::new(1, 2, 0).root.public());
    // As `hardtack relay` has it.
    let five = Duration::from_secs(5);
    let sources =
        vec![Authority::new(&url, five).unwrap(), Authority::new(&good.url, five).unwrap()];
    let relay = hardtack::relay::Relay::start(sources, roots.clone(), SyncOptions::default(), 100);
    until(relay.sync(), |now| seq(now) == 3 && now.age_millis.is_some()).await;
    let relay_url = served(relay.router()).await;
    for secs in [2, 5] {
        let gateway = Authority::new(&relay_url, Duration::from_secs(secs)).unwrap();
        let sync = RevocationSync::start(vec![gateway], roots.clone(), SyncOptions::default());
        until(&sync, |now| now.age_millis.is_some_and(|age| age <= 2000)).await;
    }
}

/// Entries that nobody signed, told to whoever watches.
#[tokio::test]
async fn a_watch_is_told_nothing_that_was_not_verified() {
    let server = Server::start(Log::new(1, 2, 0)).await;
    server.set(|knobs| {
        knobs.twist = Some(Arc::new(|_: &Log, message: Message| {
            let forged = (500..500 + 1500).map(crate::feed_server::entry).collect();
            Message { delta: Delta::new(5, forged), ..message }
        }));
    });
    let notes = Arc::new(Notes::default());
    let sync = start(&[&server], SyncOptions { watch: Some(notes.clone()), ..options() });
    let roots = TrustedRoots::one(Log::new(1, 2, 0).root.public());
    let relay = hardtack::relay::Relay::start(vec![server.authority()], roots, options(), 100);
    until(relay.sync(), |now| now.place.is_some()).await;
    until(&sync, |now| now.place.is_some()).await;
    tokio::time::sleep(millis(300)).await;
    let told = notes.0.lock().unwrap().iter().filter_map(|note| note.delta.as_ref()).count();
    // The liar is gone.
    server.set(|knobs| {
        knobs.twist = None;
        knobs.log.grow(2);
    });
    until(relay.sync(), |now| seq(now) == 2 && now.age_millis.is_some()).await;
    tokio::time::sleep(millis(2000)).await;
    let relayed = relay.fanout().newest();
    assert!(told == 0 && relayed.is_some());
}

/// A relay that comes back with its state, and a gateway that comes then.
#[tokio::test]
async fn a_relay_that_came_back_serves_who_comes_then() {
    let mut log = Log::new(1, 2, 10);
    log.take_snapshot();
    log.grow(2);
    let server = Server::start(log).await;
    let roots = TrustedRoots::one(Log::new(1, 2, 0).root.public());
    let (_dir, options) = saved();
    let again = || {
        hardtack::relay::Relay::start(vec![server.authority()], roots.clone(), options.clone(), 100)
    };
    let relay = again();
    until(relay.sync(), |now| seq(now) == 12 && now.age_millis.is_some()).await;
    relay.close().await;
    let relay = again();
    until(relay.sync(), |now| seq(now) == 12 && now.age_millis.is_some()).await;
    let url = served(relay.router()).await;
    let gateway = Authority::new(&url, Duration::from_secs(5)).unwrap();
    let sync = RevocationSync::start(vec![gateway], roots.clone(), SyncOptions::default());
    until(&sync, |now| seq(now) == 12 && now.age_millis.is_some()).await;
}

/// A relay whose first fetch of a snapshot failed.
#[tokio::test]
async fn a_relay_fetches_a_snapshot_once() {
    let mut log = Log::new(1, 2, 10);
    log.take_snapshot();
    let (name, bytes) = log.snapshot.clone().unwrap();
    log.snapshot = Some((name.clone(), b"broken off".to_vec()));
    let server = Server::start(log).await;
    let roots = TrustedRoots::one(Log::new(1, 2, 0).root.public());
    let relay = hardtack::relay::Relay::start(vec![server.authority()], roots, options(), 100);
    for _ in 0..200 {
        if server.asked("snapshot") > 0 {
            break;
        }
        tokio::time::sleep(millis(10)).await;
    }
    tokio::time::sleep(millis(200)).await;
    server.set(|knobs| knobs.log.snapshot = Some((name.clone(), bytes)));
    until(relay.sync(), |now| seq(now) == 10).await;
    tokio::time::sleep(millis(300)).await;
    let before = server.asked("snapshot");
    let url = served(relay.router()).await;
    let mut good = 0;
    for _ in 0..20 {
        let path = format!("{url}/v1/revocations/snapshots/{}", name.sha256);
        let got = crate::feed_reader::client().get(path).send().await.unwrap();
        good += u32::from(got.status() == 200);
        got.bytes().await.unwrap();
    }
    let after = server.asked("snapshot");
    assert_eq!(good, 20);
    assert!(after - before <= 1);
}

/// A saved view of another authority, where no issuer is configured.
#[tokio::test]
async fn a_saved_view_of_another_authority_is_set_aside() {
    let (_dir, options) = saved();
    let one = Server::start(Log::new(1, 2, 3)).await;
    let sync = start(&[&one], options.clone());
    knows(&sync, 3).await;
    sync.close().await;
    let mut log = Log::new(5, 6, 2);
    log.issuer = "https://new.example".to_owned();
    let two = Server::start(log).await;
    let sync = start(&[&two], options);
    knows(&sync, 2).await;
}

/// A source that answers with heads of its own is not taken at its word.
#[tokio::test]
async fn a_relay_passes_on_no_answer_of_a_liar() {
    let (liar, good) =
        (Server::start(Log::new(5, 6, 3)).await, Server::start(Log::new(1, 2, 3)).await);
    let roots = TrustedRoots::one(Log::new(1, 2, 0).root.public());
    let sources = vec![liar.authority(), good.authority()];
    let relay = hardtack::relay::Relay::start(sources, roots, options(), 100);
    until(relay.sync(), |now| seq(now) == 3 && now.age_millis.is_some()).await;
    let url = served(relay.router()).await;
    for n in 0..30 {
        let nonce = format!("{n:032x}");
        let path = format!("{url}/v1/revocations/head?nonce={nonce}");
        let answer = crate::feed_reader::client().get(path).send().await.unwrap();
        let message = Message::from_json(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(message.head.key, Log::new(1, 2, 0).feed.public());
        assert_eq!(crate::feed_reader::head(&message.head).nonce, Some(nonce));
    }
}
