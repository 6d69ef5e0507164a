//! The authority's feed over real HTTP, with [`hardtack::feed::Follower`] as the judge.

use hardtack::feed::{Message, SignedCertificate};
use hardtack::model::{Key16, RevocationId};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::tasks::roots;
use super::*;
use crate::feed_reader::{Events, Reader, client, head, until};

async fn reader(served: &Served) -> Reader {
    Reader::new(&served.url, roots(served).await).await
}

/// Revokes something that nobody has; its key.
async fn revoke(served: &Served, number: u32) -> Key16 {
    let id = format!("{number:0128x}");
    let body = json!({"revocation_id": id});
    let answer = served.post(&served.admin, "/v1/revocations", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    id.parse::<RevocationId>().unwrap().key16()
}

/// Runs SQL behind the authority's back.
async fn sql(served: &Served, sql: &'static str) {
    let path = served.dir.path().join("data/hardtack.db");
    let mut store = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut store).await.unwrap();
}

async fn newest(served: &Served) -> Option<Message> {
    let answer = served.get("", "/v1/revocations/head").await;
    let is_there = answer.status == StatusCode::OK;
    is_there.then(|| Message::from_json(answer.body.to_string().as_bytes()).unwrap())
}

#[tokio::test]
async fn a_revocation_reaches_a_stream() {
    let served = Served::start().await;
    let mut reader = reader(&served).await;
    let mut events = Events::open(&served.url, &client(), None).await;
    reader.hear(&events.next().await.unwrap()).await;
    for number in 1..=3 {
        let key = revoke(&served, number).await;
        while !reader.follower.table().contains(&key) {
            reader.hear(&events.next().await.unwrap()).await;
        }
    }
    assert_eq!((reader.seq(), reader.fetched.len()), (3, 0), "entries come along");
    // A heartbeat follows without anybody doing anything.
    assert!(events.next().await.unwrap().delta.is_none());
}

#[tokio::test]
async fn a_completed_task_is_in_the_next_answer() {
    let served = Served::start().await;
    let mut reader = reader(&served).await;
    reader.catch_up().await;
    let issued = served.task(&served.admin).await;
    let id = issued["task"].as_str().unwrap();
    served.post(&served.admin, &format!("/v1/tasks/{id}/complete"), &json!({})).await;
    reader.catch_up().await;
    assert!(reader.follower.table().contains(&Key16::of(id.as_bytes())));
}

#[tokio::test]
async fn an_answer_is_as_new_as_its_question() {
    let served = Served::start().await;
    let mut reader = reader(&served).await;
    for number in 1..=50 {
        let key = revoke(&served, number).await;
        reader.catch_up().await;
        assert!(reader.follower.table().contains(&key), "{number}");
        assert_eq!(reader.follower.fresh().unwrap(), (u64::from(number), 60_000_000));
    }
    // Nobody tells it of what another process appends: it looks.
    let other = served.again().await;
    for number in 51..=60 {
        let key = revoke(&other, number).await;
        reader.catch_up().await;
        assert!(reader.follower.table().contains(&key), "{number}");
    }
}

/// Whenever the publisher looks at its clock, something is appended just before: a head of that time
/// knows of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_head_claims_to_know_more_than_it_does() {
    let served = Arc::new(Served::start().await);
    let start = served.millis.load(Ordering::Relaxed);
    // How many have been appended; none before the first head, and then at most so many.
    let (count, count_max) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clock = {
        let (served, runtime) = (Arc::clone(&served), tokio::runtime::Handle::current());
        let (count, count_max) = (Arc::clone(&count), Arc::clone(&count_max));
        move || {
            let number = count.load(Ordering::Relaxed) + 1;
            if number <= count_max.load(Ordering::Relaxed) {
                let (served, runtime) = (Arc::clone(&served), runtime.clone());
                let append = async move { revoke(&served, number as u32).await };
                std::thread::spawn(move || runtime.block_on(append)).join().unwrap();
                count.store(number, Ordering::Relaxed);
            }
            Timestamp::from_millis(start + 1000 * count.load(Ordering::Relaxed))
        }
    };
    let opened = DataDir::open(&served.dir.path().join("data")).unwrap();
    let authority = Authority::open(&opened, clock, Entropy::system()).await.unwrap();
    let authority = Arc::new(authority);
    let _service = router(Arc::clone(&authority));
    let newest = || authority.fanout().newest().map(|signed| head(&signed));
    until("it publishes", async || newest().is_some()).await;
    count_max.store(8, Ordering::Relaxed);
    let knows = async || {
        let head = newest().unwrap();
        let appended = (head.time.millis() - start) / 1000;
        assert!(head.seq >= appended, "{} of {appended}", head.seq);
        appended == 8
    };
    until("all of that is published", knows).await;
}

/// More than one message takes is new in one look: the first of them is as old as what was known before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_part_of_what_is_new_is_no_newer_than_what_was_known_before() {
    let served = Arc::new(Served::start().await);
    let start = served.millis.load(Ordering::Relaxed);
    let (millis, appends) = (Arc::new(AtomicU64::new(start)), Arc::new(AtomicU64::new(0)));
    let clock = {
        let (served, runtime) = (Arc::clone(&served), tokio::runtime::Handle::current());
        let (millis, appends) = (Arc::clone(&millis), Arc::clone(&appends));
        move || {
            let count = appends.swap(0, Ordering::Relaxed);
            if count > 0 {
                let all = revoke_all(Arc::clone(&served), count as u32);
                let runtime = runtime.clone();
                std::thread::spawn(move || runtime.block_on(all)).join().unwrap();
                millis.fetch_add(7000, Ordering::Relaxed);
            }
            Timestamp::from_millis(millis.load(Ordering::Relaxed))
        }
    };
    let opened = DataDir::open(&served.dir.path().join("data")).unwrap();
    let authority = Authority::open(&opened, clock, Entropy::system()).await.unwrap();
    let authority = Arc::new(authority);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, router(Arc::clone(&authority)), std::future::pending()));
    until("it publishes", async || authority.fanout().newest().is_some()).await;
    let mut reader = Reader::new(&url, roots(&served).await).await;
    let mut events = Events::open(&url, &client(), None).await;
    reader.hear(&events.next().await.unwrap()).await;
    appends.store(1500, Ordering::Relaxed);
    let mut times = Vec::new();
    while reader.seq() < 1500 {
        let message = events.next().await.unwrap();
        reader.hear(&message).await;
        times.push((reader.seq(), head(&message.head).time.millis() - start));
    }
    times.retain(|(seq, _)| *seq > 0);
    assert_eq!((times, reader.fetched.len()), (vec![(1000, 0), (1500, 7000)], 0));
}

/// Revokes so many things at once.
async fn revoke_all(served: Arc<Served>, count: u32) {
    let mut tasks = Vec::new();
    for part in 0..30 {
        let served = Arc::clone(&served);
        tasks.push(tokio::spawn(async move {
            for number in (1..=count).filter(|number| number % 30 == part) {
                revoke(&served, number).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_long_poll_returns_on_an_append() {
    let served = Served::start().await;
    let epoch = head(&newest(&served).await.unwrap().head).epoch;
    let path = format!("/v1/revocations/head?after={epoch}-0&wait=30000");
    let (polled, key) = tokio::join!(served.get("", &path), async {
        let readers = async || {
            let shown = served.request(Method::GET, "/metrics").send().await.unwrap();
            shown.text().await.unwrap().contains("\nhardtack_feed_readers 1\n")
        };
        until("it waits", readers).await;
        revoke(&served, 1).await
    });
    let message = Message::from_json(polled.body.to_string().as_bytes()).unwrap();
    let delta = message.delta.unwrap();
    assert_eq!((head(&message.head).seq, delta.entries()[0].subject().key16()), (1, Some(key)));
}

/// Many revoke at once while readers come: nobody has to fetch anything after its first message.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_misses_or_repeats_anything() {
    let served = Arc::new(Served::start().await);
    let last = 400;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut reader = reader(&served).await;
        readers.push(tokio::spawn(async move {
            let mut events = Events::open(&reader.url, &client(), None).await;
            reader.hear(&events.next().await.unwrap()).await;
            let fetched = reader.fetched.len();
            while reader.seq() < last {
                let message = events.next().await.unwrap();
                if let Some(delta) = &message.delta {
                    assert_eq!(delta.from(), reader.seq());
                }
                reader.hear(&message).await;
            }
            assert_eq!(reader.fetched.len(), fetched);
        }));
    }
    let mut writers = Vec::new();
    for part in 0..8 {
        let served = Arc::clone(&served);
        writers.push(tokio::spawn(async move {
            for number in 0..50 {
                revoke(&served, part * 50 + number).await;
            }
        }));
    }
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn no_head_is_signed_while_the_store_cannot_be_read() {
    let served = Served::start().await;
    let ready = async || served.get("", "/readyz").await;
    assert_eq!(ready().await.status, StatusCode::OK);
    let mut events = Events::open(&served.url, &client(), None).await;
    events.next().await.unwrap();
    sql(&served, "ALTER TABLE log RENAME TO gone").await;
    let unpublished = async || ready().await.body["code"] == "feed-unpublished";
    until("it says so", unpublished).await;
    // Nobody gets an answer, and the newest head stays as old as it is.
    let before = newest(&served).await.unwrap();
    let asked = format!("/v1/revocations/head?nonce={}", "ab".repeat(16));
    let answer = served.get("", &asked).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body["code"], "head-missing");
    served.pass_secs(5);
    let failed = async || {
        let shown = served.request(Method::GET, "/metrics").send().await.unwrap();
        let text = shown.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("hardtack_feed_failed_total "));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap() >= 3
    };
    until("it goes on trying", failed).await;
    assert_eq!(newest(&served).await.unwrap(), before);
    sql(&served, "ALTER TABLE gone RENAME TO log").await;
    until("it is ready again", async || ready().await.status == StatusCode::OK).await;
    let time = head(&newest(&served).await.unwrap().head).time;
    assert_eq!(time.millis(), served.millis.load(Ordering::Relaxed));
    assert!(events.next().await.is_some(), "the stream goes on");
}

#[tokio::test]
async fn a_log_that_begins_anew_is_followed() {
    let served = Served::start().await;
    let mut reader = reader(&served).await;
    for number in 1..=5 {
        revoke(&served, number).await;
    }
    reader.catch_up().await;
    let epoch = reader.follower.place().unwrap().epoch;
    sql(&served, "DELETE FROM revocations; UPDATE log SET epoch = epoch + 1").await;
    let began = async || {
        newest(&served).await.is_some_and(|message| head(&message.head).epoch == epoch + 1)
    };
    until("it is published", began).await;
    reader.catch_up().await;
    let key = revoke(&served, 9).await;
    reader.catch_up().await;
    assert_eq!(reader.follower.place().map(|place| (place.epoch, place.seq)), Some((epoch + 1, 1)));
    assert!(reader.follower.table().contains(&key));
}

#[tokio::test]
async fn a_log_that_lost_entries_is_no_continuation() {
    let served = Served::start().await;
    let mut reader = reader(&served).await;
    for number in 1..=5 {
        revoke(&served, number).await;
    }
    reader.catch_up().await;
    sql(&served, "DELETE FROM revocations WHERE seq > 3").await;
    let is_shorter =
        async || newest(&served).await.is_some_and(|message| head(&message.head).seq == 3);
    until("it is published as it is", is_shorter).await;
    // And refused: it would take an epoch of its own.
    let message = newest(&served).await.unwrap();
    let refused = reader.follower.hear(&message, None, 1).unwrap_err();
    assert_eq!(refused, hardtack::feed::FeedError::Rollback);
}

#[tokio::test]
async fn an_authority_that_starts_again_serves_all_it_knows() {
    let served = Served::start().await;
    let (mut before, mut nothing) = (reader(&served).await, reader(&served).await);
    for number in 1..=20 {
        revoke(&served, number).await;
        if number == 7 {
            before.catch_up().await;
            before.fetched.clear();
        }
    }
    let again = served.again().await;
    for reader in [&mut before, &mut nothing] {
        reader.url = again.url.clone();
        reader.learn().await;
        reader.catch_up().await;
        assert_eq!(reader.seq(), 20);
        assert_eq!(reader.follower.table().len(), 20);
    }
    assert_eq!(nothing.fetched, ["snapshot"]);
    assert_eq!(before.fetched, [""; 0], "what it lacked came along");
    // What another process appends is published with the next heartbeat.
    let key = revoke(&served, 21).await;
    let mut events = Events::open(&again.url, &client(), before.named().as_deref()).await;
    while !before.follower.table().contains(&key) {
        before.hear(&events.next().await.unwrap()).await;
    }
}

#[tokio::test]
async fn keys_change_each_day_and_nobody_is_left_behind() {
    let served = Served::start().await;
    let mut reader = reader(&served).await;
    reader.catch_up().await;
    let keys = async || {
        let keys = served.get("", "/v1/revocations/keys").await;
        assert_eq!(keys.headers["cache-control"], "no-cache");
        let known = served.get("", "/.well-known/hardtack").await;
        // They may change between one answer and the next.
        let again = served.get("", "/v1/revocations/keys").await;
        assert!(keys.body != again.body || known.body["feed_keys"] == keys.body);
        serde_json::from_value::<Vec<SignedCertificate>>(keys.body).unwrap()
    };
    let first = newest(&served).await.unwrap().head.key;
    assert_eq!(keys().await.len(), 1);
    served.pass_secs(24 * 60 * 60 - 10 * 60);
    until("the next key is published", async || keys().await.len() == 2).await;
    reader.learn().await;
    assert_eq!(newest(&served).await.unwrap().head.key, first);
    served.pass_secs(40 * 60);
    let other = async || newest(&served).await.unwrap().head.key != first;
    until("it signs", other).await;
    // Who learned of it in time needs nothing now.
    revoke(&served, 1).await;
    reader.catch_up().await;
    let seen = reader.follower.seen().unwrap();
    assert_eq!((seen.seq, seen.time.millis()), (1, served.millis.load(Ordering::Relaxed)));
    assert_eq!(keys().await.len(), 2, "heads of the first are good for a while");
    served.pass_secs(60 * 60);
    until("the first is forgotten", async || keys().await.len() == 1).await;
}

#[tokio::test]
async fn a_snapshot_drops_what_has_ended() {
    let served = Served::start().await;
    let issued = served.task(&served.admin).await;
    served.post(&served.admin, "/v1/revocations", &json!({"task": issued["task"]})).await;
    served.pass_secs(605);
    let key = revoke(&served, 1).await;
    let named = async || {
        let newest = newest(&served).await.unwrap();
        head(&newest.head).snapshot.is_some_and(|snapshot| snapshot.seq == 2)
    };
    // Clocks differ: it stays for a while after its end.
    until("there is one", named).await;
    let mut all = reader(&served).await;
    all.catch_up().await;
    assert_eq!((all.follower.table().len(), all.fetched.clone()), (2, vec!["snapshot"]));
    served.pass_secs(301);
    let other = revoke(&served, 2).await;
    let named = async || {
        let newest = newest(&served).await.unwrap();
        head(&newest.head).snapshot.is_some_and(|snapshot| snapshot.seq == 3)
    };
    until("there is another", named).await;
    let mut rest = reader(&served).await;
    rest.catch_up().await;
    assert_eq!(rest.follower.table().len(), 2);
    assert!(rest.follower.table().contains(&key) && rest.follower.table().contains(&other));
}

#[tokio::test]
async fn nothing_is_left_of_an_authority_that_nobody_has() {
    let served = Served::start().await;
    let (data, used) = (served.dir.path().join("data"), Arc::new(()));
    let clock = {
        let used = Arc::clone(&used);
        move || {
            let _ = &used;
            Timestamp::from_secs(1_800_000_000)
        }
    };
    let opened = DataDir::open(&data).unwrap();
    let authority = Authority::open(&opened, clock, Entropy::system()).await.unwrap();
    let authority = Arc::new(authority);
    let fanout = authority.fanout().clone();
    let service = router(Arc::clone(&authority));
    let again = router(Arc::clone(&authority));
    until("it publishes", async || fanout.newest().is_some()).await;
    drop((service, again));
    assert_eq!(Arc::strong_count(&authority), 1);
    drop(authority);
    until("its task has ended", async || Arc::strong_count(&used) == 1).await;
}

#[tokio::test]
async fn closing_an_authority_ends_its_streams() {
    let served = Served::start().await;
    let mut events = Events::open(&served.url, &client(), None).await;
    events.next().await.unwrap();
    served.authority.close().await.unwrap();
    while events.next().await.is_some() {}
    assert_eq!(served.get("", "/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_counted_is_shown() {
    let served = Served::start().await;
    revoke(&served, 1).await;
    let mut reader = reader(&served).await;
    reader.catch_up().await;
    let shown = served.request(Method::GET, "/metrics").send().await.unwrap();
    let kind = shown.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = shown.text().await.unwrap();
    for line in [
        "hardtack_feed_readers 0",
        "hardtack_feed_entries_total 1",
        "hardtack_feed_snapshots_total 1",
        "hardtack_feed_failed_total 0",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
    let refused = answer(served.request(Method::POST, "/v1/revocations/head")).await;
    assert_eq!(refused.body["code"], "method-unknown");
}

#[derive(Clone)]
struct Two(Arc<(AtomicU64, AtomicU64)>);

impl hardtack::model::Clock for Two {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.0.load(Ordering::SeqCst))
    }

    fn micros(&self) -> u64 {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Two {
    fn pass(&self, secs: u64) {
        self.0.0.fetch_add(secs * 1000, Ordering::SeqCst);
        self.0.1.fetch_add(secs * 1_000_000, Ordering::SeqCst);
    }
}

/// The wall clock was two days ahead when the first feed key was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_lacks_nothing_after_a_key_that_was_ahead() {
    let served = Served::start().await;
    let start = served.millis.load(Ordering::Relaxed);
    let clock =
        Two(Arc::new((AtomicU64::new(start + 172_800_000), AtomicU64::new(1_000_000_000_000))));
    let opened = DataDir::open(&served.dir.path().join("data")).unwrap();
    let authority = Authority::open(&opened, clock.clone(), Entropy::system()).await.unwrap();
    let authority = Arc::new(authority);
    let _service = router(Arc::clone(&authority));
    let newest = || authority.fanout().newest();
    until("it publishes", async || newest().is_some()).await;
    let first = newest().unwrap().key;
    // The clock is set right.
    clock.0.0.store(start, Ordering::SeqCst);
    clock.pass(20 * 3600);
    served.millis.store(start + 20 * 3_600_000, Ordering::Relaxed);
    let key = revoke(&served, 1).await;
    let named = || newest().and_then(|signed| head(&signed).snapshot);
    until("a snapshot", async || named().is_some()).await;
    clock.pass(3600 * 3 + 45 * 60);
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    clock.pass(45 * 60);
    until("another key signs", async || newest().is_some_and(|signed| signed.key != first)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, router(Arc::clone(&authority)), std::future::pending()));
    let mut reader = Reader::new(&url, roots(&served).await).await;
    let message = Message { delta: None, head: newest().unwrap() };
    reader.follower.hear(&message, None, 0).unwrap();
    let name = reader.follower.need_instead().unwrap();
    let file = reader.get(&format!("snapshots/{}", name.sha256)).await.bytes().await.unwrap();
    let mut snapshot = hardtack::feed::SnapshotReader::new(name).unwrap();
    snapshot.read(&file).unwrap();
    reader.follower.take_snapshot(snapshot).unwrap();
    assert!(reader.follower.table().contains(&key), "revoked 4.5 h ago, alive for 19.5 h more");
}

#[tokio::test]
async fn heads_are_good_for_as_long_as_the_settings_say() {
    let served = Served::start().await;
    let dir = served.dir.path().join("data");
    let file = dir.join("hardtack.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let set = text.replace("revocation_age_secs = 60", "revocation_age_secs = 7");
    assert_ne!(set, text);
    std::fs::write(&file, set).unwrap();
    let opened = DataDir::open(&dir).unwrap();
    let clock = hardtack::config::SystemClock;
    let authority = Arc::new(Authority::open(&opened, clock, Entropy::system()).await.unwrap());
    let _service = router(Arc::clone(&authority));
    let newest = || authority.fanout().newest();
    until("it publishes", async || newest().is_some()).await;
    let head = head(&newest().unwrap());
    assert_eq!(head.not_after, head.time.plus_secs(7));
}
