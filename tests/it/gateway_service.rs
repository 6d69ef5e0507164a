//! A whole gateway, from its file of settings: new settings, bounds, and its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hardtack::config::SystemClock;
use hardtack::config::gateway::{GatewaySettings, Listen};
use hardtack::gateway::ops::serve;
use hardtack::gateway::service::Gateway;
use hardtack::guard::{RedisOptions, RedisReplays, Replays, Spent};
use hardtack::keys::HolderKey;
use hardtack::mint::{self, Task};
use hardtack::model::{Args, Clock, JsonProfile, Key16, Timestamp};
use hardtack::present::{Presentation, ProofCall, present};
use hardtack::record::MemorySink;
use hardtack::verify::RevocationView;
use hardtack::vocabulary::grant::grants_from_json;
use rand::SeedableRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::raw_http::{RawServer, Step, ok, send};
use crate::support::rng;
use crate::support_guard::{client, get, root, serve as serve_router};

pub(crate) struct Fresh;

impl RevocationView for Fresh {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _: &Key16) -> bool {
        false
    }
}

pub(crate) fn bearer(grants: &str, seed: u64) -> String {
    let task =
        Task::new(grants_from_json(grants.as_bytes()).unwrap(), Some(["tools".to_owned()].into()));
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let token = mint::mint(&task, &root(), SystemClock.now(), &mut rng).unwrap().token;
    format!("Bearer {}", token.to_text())
}

/// A gateway in a folder of its own, whose records are in memory.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) gateway: Gateway,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

impl World {
    pub(crate) async fn new(settings: &str, listen: Listen) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, full(settings)).unwrap();
        let sink = Arc::<MemorySink>::default();
        let settings = GatewaySettings::read(&path).unwrap();
        let gateway = Gateway::of(settings, sink.clone(), &path, true).unwrap();
        // Nobody answers where the settings say that revocations come from.
        gateway.guard().publish(Fresh);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = gateway.router();
        let served = tokio::spawn(async move {
            serve(2, listener, router, &listen, async { drop(stopped.await) }).await.unwrap();
        });
        Self { dir, gateway, sink, address, stop, served }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    pub(crate) fn write(&self, settings: &str) {
        std::fs::write(self.path(), full(settings)).unwrap();
    }

    /// Ends it, as its process would.
    pub(crate) async fn end(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
        self.gateway.close().await;
    }

    pub(crate) async fn call(&self, path: &str, bearer: &str) -> u16 {
        let url = format!("http://{}{path}", self.address);
        let sent = client().get(url).header("authorization", bearer).send().await;
        sent.unwrap().status().as_u16()
    }
}

pub(crate) fn full(settings: &str) -> String {
    format!(
        "gateway = \"tools\"\n{settings}\n[authority]\nsources = [\"http://127.0.0.1:9\"]\n\
         roots = [\"{}\"]\n",
        root().public()
    )
}

pub(crate) fn server(name: &str, url: &str) -> String {
    format!(
        "[[server]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}\"\n[[server.route]]\n\
         method = \"GET\"\npath = \"/{name}/{{id}}\"\ntool = \"get\"\n"
    )
}

pub(crate) const ALL: &str = r#"[{"tool":"a/*"},{"tool":"b/*"}]"#;

#[tokio::test]
async fn new_settings_are_taken_and_bad_ones_change_nothing() {
    let upstream = RawServer::answering(ok("yes")).await;
    let (a, b) = (server("a", &upstream.base), server("b", &upstream.base));
    let world = World::new(&a, Listen::default()).await;
    let bearer = bearer(ALL, 1);
    assert_eq!((world.call("/a/1", &bearer).await, world.call("/b/1", &bearer).await), (200, 404));

    world.write(&format!("{a}{b}"));
    world.gateway.reload().await.unwrap();
    assert_eq!((world.call("/a/1", &bearer).await, world.call("/b/1", &bearer).await), (200, 200));

    for (settings, says) in [
        ("nonsense".to_owned(), "line 2"),
        (server("A", &upstream.base), "a server is called `A`"),
        (format!("{a}[policy]\nfiles = [\"none\"]"), "no such file"),
        (format!("[listen]\naddress = \"127.0.0.1:1\"\n{a}"), "`listen.address` cannot change"),
        (format!("public_uri = \"http://x.example/\"\n{a}"), "`public_uri` cannot change"),
        (format!("[records]\narguments = true\n{a}"), "`records` cannot change"),
    ] {
        world.write(&settings);
        let error = world.gateway.reload().await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(world.call("/b/1", &bearer).await, 200, "{says}");
    }

    world.write(&format!("{b}[policy]\nfiles = [\"own.datalog\"]"));
    std::fs::write(world.dir.path().join("own.datalog"), "allow if false;").unwrap();
    world.gateway.reload().await.unwrap();
    assert_eq!((world.call("/a/1", &bearer).await, world.call("/b/1", &bearer).await), (404, 403));
    let (status, metrics) =
        get(&format!("{}/metrics", serve_router(world.gateway.operations()).await)).await;
    assert_eq!(status, 200);
    for line in [
        r#"hardtack_gateway_reloads_total{outcome="refused"} 6"#,
        r#"hardtack_gateway_reloads_total{outcome="taken"} 2"#,
        r#"hardtack_gateway_decisions_total{tool="b/?",code="policy-denied"} 1"#,
        "hardtack_gateway_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(metrics.matches("# EOF").count(), 1);
}

#[tokio::test]
async fn connections_outlive_new_settings_and_a_change_of_the_file_is_seen() {
    let upstream = RawServer::answering(ok("yes")).await;
    let a = server("a", &upstream.base);
    let world = World::new(&a, Listen::default()).await;
    let watched = world.gateway.clone();
    let watching = tokio::spawn(async move { watched.watch().await });
    let bearer = bearer(ALL, 1);
    let mut kept = TcpStream::connect(world.address).await.unwrap();
    let mut ask = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\n\r\n");
        kept.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = kept.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..count]).split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!((ask("/a/1").await, ask("/b/1").await), ("200".to_owned(), "404".to_owned()));
    world.write(&format!("{a}{}", server("b", &upstream.base)));
    let mut status = String::new();
    for _ in 0..100 {
        status = ask("/b/1").await;
        if status == "200" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, "200");
    watching.abort();
}

#[tokio::test]
async fn calls_in_flight_are_bounded_by_task_and_as_a_whole() {
    let slow = RawServer::answering(vec![
        send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ny"),
        Step::Wait(Duration::from_millis(1500)),
        send("es"),
    ])
    .await;
    let limits = "[limits]\ncalls_max = 2\ntask_calls_max = 1\n";
    let world =
        World::new(&format!("{limits}{}", server("a", &slow.base)), Listen::default()).await;
    let (one, two, three) = (bearer(ALL, 1), bearer(ALL, 2), bearer(ALL, 3));
    let begin = async |bearer: &str| {
        let url = format!("http://{}/a/1", world.address);
        client().get(url).header("authorization", bearer).send().await.unwrap()
    };
    let first = begin(&one).await;
    assert_eq!(first.status(), 200);
    assert_eq!(begin(&one).await.status(), 429);
    let second = begin(&two).await;
    assert_eq!(second.status(), 200);
    assert_eq!(begin(&three).await.status(), 503);
    assert_eq!(
        (first.text().await.unwrap(), second.text().await.unwrap()),
        ("yes".into(), "yes".into())
    );
    assert_eq!(begin(&three).await.status(), 200);
    // Each of them left a record, and what was refused did not go up.
    let codes: Vec<_> =
        world.sink.records().iter().map(|r| r.decision.code().map(|c| c.as_str())).collect();
    let many = Some("too-many-calls");
    assert_eq!(codes, [None, many, None, many, None]);
    assert_eq!(slow.asked().len(), 3);
}

#[tokio::test]
async fn what_is_under_way_ends_before_the_gateway_does() {
    let slow = RawServer::answering(vec![
        Step::Wait(Duration::from_millis(500)),
        send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes"),
    ])
    .await;
    let world = World::new(&server("a", &slow.base), Listen::default()).await;
    let url = format!("http://{}/a/1", world.address);
    let call = tokio::spawn(client().get(&url).header("authorization", bearer(ALL, 1)).send());
    while slow.asked().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.stop.send(()).unwrap();
    let answer = call.await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "yes"));
    world.served.await.unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn a_slow_head_and_one_connection_too_many_hold_nobody_up() {
    let upstream = RawServer::answering(ok("yes")).await;
    let listen = Listen { head_timeout_secs: 3, connections_max: 2, ..Listen::default() };
    let world = World::new(&server("a", &upstream.base), listen).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET /a/1 HTT").await.unwrap();
        slow.push(stream);
    }
    // The third waits until the first two are given up.
    let bearer = bearer(ALL, 1);
    let mut third = std::pin::pin!(world.call("/a/1", &bearer));
    let early = tokio::time::timeout(Duration::from_millis(500), &mut third).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    assert_eq!(third.await, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        let text = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
    }
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn nothing_is_ready_before_revocations_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    std::fs::write(&path, full(&server("a", "http://127.0.0.1:1"))).unwrap();
    let settings = GatewaySettings::read(&path).unwrap();
    let gateway = Gateway::of(settings, Arc::<MemorySink>::default(), &path, true).unwrap();
    let operations = serve_router(gateway.operations()).await;
    assert_eq!(get(&format!("{operations}/readyz")).await.0, 503);
    assert_eq!(get(&format!("{operations}/healthz")).await.0, 200);
    let callers = serve_router(gateway.router()).await;
    let sent = client().get(format!("{callers}/a/1")).header("authorization", bearer(ALL, 1));
    assert_eq!(sent.send().await.unwrap().status(), 503);
    gateway.guard().publish(Fresh);
    assert_eq!(get(&format!("{operations}/readyz")).await.0, 200);
}

#[tokio::test]
async fn what_upstreams_fail_at_is_counted() {
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let world = World::new(&server("a", &format!("http://{nowhere}")), Listen::default()).await;
    assert_eq!(world.call("/a/1", &bearer(ALL, 1)).await, 502);
    let operations = serve_router(world.gateway.operations()).await;
    let (_, metrics) = get(&format!("{operations}/metrics")).await;
    let line =
        r#"hardtack_gateway_upstream_failures_total{server="a",cause="upstream-unreachable"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
}

/// Two gateways of one address take each proof once between them, while they know what was used.
#[tokio::test]
async fn gateways_of_one_address_share_what_they_know_of_proofs() {
    let Some(redis) = crate::redis_server::Server::start(&[]) else { return };
    // The memory is not young any more.
    let memory = RedisReplays::new(&redis.address(), RedisOptions::default()).unwrap();
    let before = Timestamp::from_secs(SystemClock.now().secs() - 60);
    while SystemClock.now().secs() - before.secs() < 90 {
        memory.spend([0; 32], before.plus_secs(70), before).await;
        let (now, key) = (SystemClock.now(), rand::random());
        if memory.spend(key, now.plus_secs(70), now).await == Spent::Fresh {
            break;
        }
    }
    let upstream = RawServer::answering(ok("yes")).await;
    let settings = |url: &str| {
        format!(
            "public_uri = \"http://tools.example\"\n{}[proofs]\nredis = {{ command = [\"echo\", \"{url}\"] }}\n",
            server("a", &upstream.base)
        )
    };
    let good = settings(&redis.address());
    let one = World::new(&good, Listen::default()).await;
    let other = World::new(&good, Listen::default()).await;
    let without = World::new(&settings("redis://127.0.0.1:1"), Listen::default()).await;
    let holder = HolderKey::generate(&mut rng(7));
    let mut task =
        Task::new(grants_from_json(ALL.as_bytes()).unwrap(), Some(["tools".to_owned()].into()));
    task.holder = Some(holder.public());
    let token = mint::mint(&task, &root(), SystemClock.now(), &mut rng(3)).unwrap().token;
    let (uri, tool) = ("http://tools.example/a/1".parse().unwrap(), "a/get".parse().unwrap());
    let args = Args::parse(r#"{"id":"1"}"#, JsonProfile::default()).unwrap();
    let call = ProofCall { method: "GET", uri: &uri, tool: &tool, args: &args, nonce: None };
    let proof = |seed| present(&token, &holder, &call, SystemClock.now(), &mut rng(seed)).unwrap();
    let shown = [proof(1), proof(2)];
    let send = async |world: &World, shown: &Presentation| {
        let request = client().get(format!("http://{}/a/1", world.address));
        let request = request.header("authorization", shown.authorization());
        let answer = request.header("dpop", shown.dpop()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // A machine that is busy may take longer to connect than a call waits.
    for (world, seeds) in [(&one, 100..150), (&other, 200..250)] {
        for seed in seeds {
            if send(world, &proof(seed)).await.0 == 200 {
                break;
            }
        }
    }
    assert_eq!(send(&one, &shown[0]).await.0, 200);
    let (status, body) = send(&other, &shown[0]).await;
    assert!(status == 401 && body.contains("proof-replayed"), "{status} {body}");
    let (status, body) = send(&without, &shown[1]).await;
    assert!(status == 503 && body.contains("proof-store-unavailable"), "{status} {body}");
    let (status, body) = send(&other, &shown[1]).await;
    assert_eq!(status, 200, "{body}");
}
