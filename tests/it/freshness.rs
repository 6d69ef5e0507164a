//! How old a view may be, through a real guard, with a clock whose two parts are set apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use hardtack::config::SystemClock;
use hardtack::feed::{Follower, Message, Need, SnapshotReader};
use hardtack::gateway::View;
use hardtack::guard::{Freshness, Guard, ToolMap};
use hardtack::keys::TrustedRoots;
use hardtack::mint::{self, Task};
use hardtack::model::{Clock, Timestamp};
use hardtack::record::MemorySink;
use hardtack::token::UnverifiedToken;
use hardtack::verify::RevocationView;
use hardtack::vocabulary::grant::grants_from_json;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::feed_server::Log;
use crate::support::rng;
use crate::support_guard::root;

const HOUR: i64 = 3_600_000;

/// A wall clock and a monotonic one that have nothing to do with each other.
#[derive(Debug)]
struct Split {
    wall: AtomicU64,
    micros: AtomicU64,
}

impl Clock for Split {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn micros(&self) -> u64 {
        self.micros.load(Ordering::SeqCst)
    }
}

struct Api {
    guard: Guard,
    view: Arc<View>,
    clock: Arc<Split>,
    sink: Arc<MemorySink>,
    began: Timestamp,
    token: UnverifiedToken,
}

const TOOLS: [&str; 5] = ["delete", "write", "read", "both", "plain"];
/// When the view begins, by the monotonic clock.
const START: u64 = 5_000_000;

fn api() -> Api {
    let (began, sink) = (SystemClock.now(), Arc::new(MemorySink::new()));
    let (wall, micros) = (AtomicU64::new(began.millis()), AtomicU64::new(START));
    let clock = Arc::new(Split { wall, micros });
    let mut tools = ToolMap::new();
    for tool in TOOLS {
        tools = tools.route("POST", &format!("/{tool}"), &format!("crm/{tool}")).unwrap();
    }
    let view = Arc::new(View::new(clock.clone()));
    let labels = [
        ("delete", vec!["destructive"]),
        ("write", vec!["write"]),
        ("read", vec!["read"]),
        ("both", vec!["read", "destructive"]),
    ];
    let mut guard = Guard::builder("gw")
        .roots(TrustedRoots::one(root().public()))
        .tools(tools)
        .clock(clock.clone())
        .freshness(Freshness::default().label("slow", Duration::from_secs(50)))
        .revocations(view.clone())
        .sink(sink.clone());
    for (tool, labels) in labels {
        guard = guard.labels(&format!("crm/{tool}"), labels).unwrap();
    }
    let grants = grants_from_json(br#"[{"tool":"crm/*"}]"#).unwrap();
    let task = Task { ttl_secs: 86_400, ..Task::new(grants, Some(["gw".to_owned()].into())) };
    let token = mint::mint(&task, &root(), began, &mut rng(1)).unwrap().token;
    Api { guard: guard.build().unwrap(), view, clock, sink, began, token }
}

/// A follower of this log that knows it to be new.
fn follower(log: &Log, now: u64) -> Follower {
    let mut follower = Follower::new(TrustedRoots::one(log.root.public()), None);
    follower.learn_keys(&[log.certificate()], 0).unwrap();
    let asked = follower.question("ab".repeat(16), now);
    let head = log.sign(&log.head(Some(asked.nonce.clone())));
    // Whoever has nothing takes the snapshot, if there is one.
    let delta = log.delta(0).filter(|_| log.snapshot.is_none());
    let mut need = follower.hear(&Message { delta, head }, Some(&asked), now).unwrap();
    if let Need::Snapshot(name) = need {
        let mut reader = SnapshotReader::new(name).unwrap();
        reader.read(&log.snapshot.as_ref().unwrap().1).unwrap();
        need = follower.take_snapshot(reader).unwrap();
    }
    assert_eq!(need, Need::Nothing);
    follower
}

impl Api {
    /// The clocks, this much after the beginning by each.
    fn at(&self, wall_millis: i64, micros: u64) {
        self.clock
            .wall
            .store(self.began.millis().saturating_add_signed(wall_millis), Ordering::SeqCst);
        self.clock.micros.store(START + micros, Ordering::SeqCst);
    }

    /// The code of a refusal, or `allow`, and all that the caller was told.
    async fn call(&self, tool: &str) -> (String, String) {
        let router = Router::new().fallback(any(|| async { "done" })).layer(self.guard.clone());
        let request = http::Request::post(format!("/{tool}"))
            .header("authorization", format!("Bearer {}", self.token.to_text()))
            .header("content-type", "application/json")
            .body(Body::from("{}"))
            .unwrap();
        let body = router.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        let code = serde_json::from_str::<serde_json::Value>(&text)
            .map_or("allow".to_owned(), |problem| problem["code"].as_str().unwrap().to_owned());
        (code, text)
    }
}

#[tokio::test]
async fn each_class_has_its_bound_on_the_monotonic_clock_alone() {
    let api = api();
    // Before anything is known.
    assert_eq!(api.call("read").await.0, "revocation-stale");
    api.view.show(&follower(&Log::new(1, 2, 3), START));
    let second = 1_000_000;
    for wall in [0, -3 * HOUR, 3 * HOUR, 20 * HOUR] {
        for (micros, allowed) in [
            (0, &TOOLS[..]),
            (2 * second, &TOOLS[..]),
            (2 * second + 1, &["write", "read", "plain"]),
            (10 * second, &["write", "read", "plain"]),
            (10 * second + 1, &["read"]),
            (60 * second, &["read"]),
            (60 * second + 1, &[]),
            (7200 * second, &[]),
        ] {
            api.at(wall, micros);
            for tool in TOOLS {
                let expected = if allowed.contains(&tool) { "allow" } else { "revocation-stale" };
                assert_eq!(api.call(tool).await.0, expected, "{tool} at {wall} ms, {micros} µs");
            }
            let ready: Vec<_> =
                api.guard.readiness().into_iter().filter(|(_, is)| *is).map(|(l, _)| l).collect();
            let destructive = allowed.contains(&"delete");
            assert_eq!(ready.contains(&"destructive".to_owned()), destructive);
            assert_eq!(ready.contains(&"slow".to_owned()), micros <= 50 * second);
        }
    }
}

#[tokio::test]
async fn a_record_names_the_bound_and_the_caller_does_not_learn_it() {
    let api = api();
    api.view.show(&follower(&Log::new(1, 2, 3), START));
    for (micros, tool, bound) in
        [(3_000_000, "both", "`destructive`"), (61_000_000, "delete", "`read`")]
    {
        api.at(0, micros);
        let told = api.call(tool).await.1;
        assert!(told.contains("revocation-stale") && !told.contains("bound"), "{told}");
        let record = serde_json::to_string(&api.sink.records().pop().unwrap()).unwrap();
        assert!(record.contains(&format!("the bound for {bound}")), "{record}");
    }
}

#[tokio::test]
async fn what_was_forgotten_does_not_come_back_when_the_clock_does() {
    let api = api();
    let mut log = Log::new(1, 2, 3);
    api.view.show(&follower(&log, START));
    assert_eq!(api.call("delete").await.0, "allow");
    // The authority is a day further: the token has ended there, and with it what revoked it.
    log.later(Duration::from_secs(86_400 + 60));
    log.take_snapshot();
    api.view.show(&follower(&log, START));
    assert!(api.view.forgets() > api.began.plus_secs(86_400));
    for wall in [0, -3 * HOUR, 25 * HOUR] {
        api.at(wall, 0);
        assert_eq!(api.call("delete").await.0, "expired", "{wall}");
    }
}

/// By a lying relay, through a guard: five seconds after the process began, by a head of an hour ago.
#[tokio::test]
async fn an_old_head_opens_nothing_in_a_young_process() {
    let api = api();
    let mut log = Log::new(1, 2, 3);
    let old = Message { delta: log.delta(0), head: log.sign(&log.head(None)) };
    log.later(Duration::from_secs(3600));
    log.grow(1);
    let mut follower = Follower::new(TrustedRoots::one(log.root.public()), None);
    follower.learn_keys(&[log.certificate()], 0).unwrap();
    follower.hear(&old, None, START).unwrap();
    let asked = follower.question("ab".repeat(16), START);
    follower.hear_answer(&log.sign(&log.head(Some(asked.nonce.clone()))), &asked).unwrap();
    follower.hear(&old, None, START).unwrap();
    api.view.show(&follower);
    api.at(0, 0);
    for tool in TOOLS {
        assert_eq!(api.call(tool).await.0, "revocation-stale", "{tool}");
    }
}
