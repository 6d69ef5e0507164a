//! Whose a session is, and what every message asks of a token, decided or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hardtack::attenuate::{Narrowing, attenuate, delegate};
use hardtack::config::SystemClock;
use hardtack::config::gateway::Limits;
use hardtack::keys::{HolderKey, RootKey, RootState, TrustedRoot, TrustedRoots};
use hardtack::mint::{self, Task};
use hardtack::model::{Args, Clock, Code, Key16, Timestamp};
use hardtack::present::{ProofCall, present};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{DangerUnrevoked, RevocationView};
use hardtack::vocabulary::grant::grants_from_json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::faults::Everything;
use super::upstream::{Arrived, json, plain, silent};
use super::world::{ALL, INITIALIZE, META, Settings, World, call, token, told};
use crate::support::rng;
use crate::support_guard::{client, root};

const PING: &str = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;

fn task() -> Task {
    Task::new(grants_from_json(ALL.as_bytes()).unwrap(), Some(["gw".to_owned()].into()))
}

fn modern_ping() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{{META}}}}}"#)
}

/// A message with a token, and a proof where a holder has to have one.
async fn send(
    world: &World,
    session: Option<&str>,
    (token, holder): (&UnverifiedToken, Option<&HolderKey>),
    (text, tool, seed): (&'static str, &str, u64),
) -> (u16, Option<String>) {
    let mut request = world.post(text).build().unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", token.to_text()).parse().unwrap());
    if let Some(holder) = holder {
        let params: serde_json::Value = serde_json::from_str(text).unwrap();
        let args = params.get("params").map_or("{}".to_owned(), ToString::to_string);
        let args = Args::parse(args, Default::default()).unwrap();
        let (uri, tool) = (world.url().parse().unwrap(), tool.parse().unwrap());
        let call = ProofCall { method: "POST", uri: &uri, tool: &tool, args: &args, nonce: None };
        let shown = present(token, holder, &call, SystemClock.now(), &mut rng(seed)).unwrap();
        headers.insert("authorization", shown.authorization().parse().unwrap());
        headers.insert("dpop", shown.dpop().parse().unwrap());
    }
    if let Some(session) = session {
        headers.insert("mcp-session-id", session.parse().unwrap());
    }
    let answer = client().execute(request).await.unwrap();
    let session = answer.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    (answer.status().as_u16(), session)
}

#[tokio::test]
async fn a_session_is_one_holders() {
    let world = World::new(plain).await;
    let (one, two) = (HolderKey::generate(&mut rng(7)), HolderKey::generate(&mut rng(8)));
    let bound = Task { holder: Some(one.public()), depth: 2, ..task() };
    let own = mint::mint(&bound, &root(), SystemClock.now(), &mut rng(3)).unwrap().token;
    let narrowing = Narrowing::default();
    let next = delegate(&own, &one, &two.public(), "next", &narrowing, &mut rng(4)).unwrap();
    let open = (INITIALIZE, "s/mcp:initialize", 1);
    let (status, session) = send(&world, None, (&own, Some(&one)), open).await;
    assert_eq!(status, 200);
    let ping = |seed| (PING, "s/mcp:ping", seed);
    let of_next = send(&world, session.as_deref(), (&next, Some(&two)), ping(2)).await;
    assert_eq!(of_next.0, 404);
    let of_own = send(&world, session.as_deref(), (&own, Some(&one)), ping(3)).await;
    assert_eq!(of_own.0, 200);
}

/// A holder can make any number of keys, and hand its token on to each.
#[tokio::test]
async fn calls_in_flight_are_the_tasks_whoever_makes_them() {
    let limits = Limits { calls_max: 9, task_calls_max: 1 };
    let settings = Settings { limits, ..Settings::default() };
    let world = World::with(settings, DangerUnrevoked, |arrived: &Arrived| {
        match arrived.text().contains("resources/read") {
            true => json(silent()),
            false => plain(arrived),
        }
    })
    .await;
    let (one, two) = (HolderKey::generate(&mut rng(7)), HolderKey::generate(&mut rng(8)));
    let bound = Task { holder: Some(one.public()), depth: 2, ..task() };
    let own = mint::mint(&bound, &root(), SystemClock.now(), &mut rng(3)).unwrap().token;
    let next = delegate(&own, &one, &two.public(), "next", &Narrowing::default(), &mut rng(4));
    let next = next.unwrap();
    let open = |seed| (INITIALIZE, "s/mcp:initialize", seed);
    let (_, of_one) = send(&world, None, (&own, Some(&one)), open(1)).await;
    let (_, of_two) = send(&world, None, (&next, Some(&two)), open(2)).await;
    let read = |seed| {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b"}}"#;
        (text, "s/mcp:resources/read", seed)
    };
    let under_way = send(&world, of_one.as_deref(), (&own, Some(&one)), read(3));
    let arrives = async {
        while !world.upstream.arrived().iter().any(|up| up.text().contains("resources/read")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        send(&world, of_two.as_deref(), (&next, Some(&two)), read(4)).await
    };
    let refused = tokio::select! {
        ended = under_way => panic!("{ended:?}"),
        refused = tokio::time::timeout(Duration::from_secs(20), arrives) => refused.unwrap(),
    };
    assert_eq!(refused.0, 200, "clients of this era take other statuses for the session's end");
    let code = world.records().last().unwrap().decision.code();
    assert_eq!(code, Some(Code::TooManyCalls));
}

#[tokio::test]
async fn a_session_is_of_one_root() {
    let world = World::new(plain).await;
    let other: RootKey = "22".repeat(32).parse().unwrap();
    let roots = [root().public(), other.public()];
    world.guard.trust(TrustedRoots::new(roots.map(|key| TrustedRoot {
        id: key.id(),
        key,
        state: RootState::Active,
    })));
    // The same name of a task, given by two authorities.
    let now = SystemClock.now();
    let minted = |key: &RootKey| mint::mint(&task(), key, now, &mut rng(3)).unwrap();
    let (one, two) = (minted(&root()), minted(&other));
    assert_eq!(one.task, two.task);
    let open = (INITIALIZE, "s/mcp:initialize", 1);
    let (_, session) = send(&world, None, (&one.token, None), open).await;
    let ping = (PING, "s/mcp:ping", 2);
    assert_eq!(send(&world, session.as_deref(), (&two.token, None), ping).await.0, 404);
    assert_eq!(send(&world, session.as_deref(), (&one.token, None), ping).await.0, 200);
}

#[tokio::test]
async fn what_is_not_decided_is_for_tokens_of_this_gateway() {
    let world = World::new(plain).await;
    let audience = Some(["other".to_owned()].into());
    let narrowing = Narrowing { audience, ..Narrowing::default() };
    let bearer = attenuate(&token(ALL, 1), &narrowing, &mut rng(1)).unwrap().to_text();
    let world = World { bearer, ..world };
    assert_eq!(told(world.modern("ping", None, modern_ping())).await.0, 401);
    assert!(world.upstream.arrived().is_empty());
    let refused: Vec<_> = world.records().iter().map(|record| record.decision.code()).collect();
    assert_eq!(refused, [Some(Code::AudienceMismatch)]);
}

/// What a gateway answers to a message during which everything was revoked.
async fn revoked_meanwhile(body: &str, headers: &str) -> (String, World) {
    let world = World::new(plain).await;
    let host = world.base.strip_prefix("http://").unwrap();
    let mut slow = tokio::net::TcpStream::connect(host).await.unwrap();
    let (first, rest) = body.split_at(10);
    let head = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: */*\r\n\
         mcp-protocol-version: 2026-07-28\r\n{headers}authorization: Bearer {}\r\n\
         content-length: {}\r\n\r\n{first}",
        world.bearer,
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The caller was taken in by now; where not, it is refused all the same.
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.guard.publish(Everything);
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    (String::from_utf8(answer).unwrap(), world)
}

#[tokio::test]
async fn what_was_revoked_while_a_message_came_in_does_nothing() {
    let called = call("x", "{}");
    for (body, headers) in [
        (modern_ping(), "mcp-method: ping\r\n"),
        (called, "mcp-method: tools/call\r\nmcp-name: x\r\n"),
    ] {
        let (status, world) = revoked_meanwhile(&body, headers).await;
        assert_eq!(status, "HTTP/1.1 401", "{body}");
        assert!(world.upstream.arrived().is_empty());
    }
}

/// A view that forgets, while it is looked into for the `at`th time, all that ends before `time`.
struct Forgets {
    at: usize,
    time: Timestamp,
    looked: Arc<AtomicUsize>,
}

impl RevocationView for Forgets {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _: &Key16) -> bool {
        self.looked.fetch_add(1, Ordering::SeqCst);
        false
    }

    fn forgets(&self) -> Timestamp {
        match self.looked.load(Ordering::SeqCst) >= self.at {
            true => self.time,
            false => Timestamp::default(),
        }
    }
}

/// The status of one message before a view that forgets so, and how often it was looked into.
async fn forgotten(calls: bool, at: usize, secs: u64) -> (u16, usize) {
    let looked = Arc::<AtomicUsize>::default();
    let view = Forgets { at, time: SystemClock.now().plus_secs(secs), looked: looked.clone() };
    let world = World::with(Settings::default(), view, plain).await;
    let request = match calls {
        true => world.call("x", "{}"),
        false => world.modern("ping", None, modern_ping()),
    };
    (told(request).await.0, looked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn what_may_have_been_forgotten_by_the_time_of_the_last_look_has_ended() {
    let days = 3 * 24 * 60 * 60;
    for calls in [true, false] {
        assert_eq!(forgotten(calls, 0, 60).await.0, 200);
        let (status, looks) = forgotten(calls, usize::MAX, days).await;
        assert!(status == 200 && looks > 1, "{status} {looks}");
        for at in 0..=looks {
            assert_eq!(forgotten(calls, at, days).await.0, 401, "{calls} {at} of {looks}");
        }
    }
}
