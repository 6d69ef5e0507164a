//! Gateways that share their memory of used proofs in a real Redis: each proof opens once at all of
//! them, and nothing opens while the memory is away or too young.

use std::sync::Arc;
use std::time::Duration;

use hardtack::guard::{RedisOptions, RedisReplays, Replays, Spent};
use hardtack::model::Timestamp;
use tower::ServiceExt;

use crate::holders::uri;
use crate::redis_server::Server;
use crate::replay::{Gateway, call, gateway_with, proof, proof_at};
use crate::support::now;

const UNAVAILABLE: &str = "proof-store-unavailable";

/// Long enough for a busy machine.
fn patient() -> RedisOptions {
    RedisOptions { timeout: Duration::from_secs(30), ..RedisOptions::default() }
}

fn replays(server: &Server, options: RedisOptions) -> RedisReplays {
    RedisReplays::new(&server.address(), options).unwrap()
}

fn gateway_of(replays: RedisReplays) -> Gateway {
    let long = Duration::from_secs(60);
    gateway_with(|builder| builder.replays(Arc::new(replays)).replays_timeout(long))
}

/// Two gateways with one memory, which begins 20 s before [`now`].
async fn two_gateways(server: &Server) -> [Gateway; 2] {
    let gateways = [gateway_of(replays(server, patient())), gateway_of(replays(server, patient()))];
    let before = Timestamp::from_secs(now().secs() - 20);
    gateways[0].clock.set(before);
    let early = call(&proof_at(before, &uri(), None, 1000));
    assert_eq!(gateways[0].code(early).await, UNAVAILABLE);
    gateways[0].clock.set(now());
    gateways
}

/// A key of its own for each number.
fn key(n: u8) -> [u8; 32] {
    [n; 32]
}

/// A memory that is not young any more.
async fn begun(server: &Server, options: RedisOptions) -> RedisReplays {
    let replays = replays(server, options);
    let before = Timestamp::from_secs(now().secs() - 100);
    assert_eq!(replays.spend(key(0), before.plus_secs(70), before).await, Spent::Unavailable);
    replays
}

async fn spend(replays: &RedisReplays, n: u8) -> Spent {
    replays.spend(key(n), now().plus_secs(70), now()).await
}

#[tokio::test]
async fn a_proof_opens_at_one_of_two_gateways() {
    let Some(server) = Server::start(&[]) else { return };
    let [one, other] = two_gateways(&server).await;
    let sent = proof(1);
    assert_eq!(one.code(call(&sent)).await, "allow");
    assert_eq!(other.code(call(&sent)).await, "proof-replayed");
    assert_eq!(one.code(call(&sent)).await, "proof-replayed");
    assert_eq!(other.code(call(&proof(2))).await, "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_over_two_gateways_exactly_one_passes() {
    let Some(server) = Server::start(&[]) else { return };
    let gateways = two_gateways(&server).await;
    let sent = Arc::new(proof(1));
    let start = Arc::new(tokio::sync::Barrier::new(1000));
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let (app, sent) = (gateways[n % 2].app.clone(), Arc::clone(&sent));
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                app.oneshot(call(&sent)).await.unwrap().status().as_u16()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers.sort_unstable();
    let (passed, refused) = answers.split_first().unwrap();
    assert_eq!(*passed, 200);
    assert!(refused.iter().all(|status| *status == 401), "{refused:?}");
}

/// Whatever a Redis forgets: a proof that was used before is not taken for a fresh one.
#[tokio::test]
async fn a_memory_that_was_lost_opens_nothing_again() {
    type Lose = fn(&mut Server);
    let ways: [(&str, Lose); 3] = [
        ("flushed", |server| drop(server.ask("FLUSHALL"))),
        ("restarted empty", |server| {
            server.kill();
            server.start_again();
        }),
        ("restarted with what it had a while ago", |server| {
            server.kill();
            server.start_again();
        }),
    ];
    for (how, lose) in ways {
        let Some(mut server) = Server::start(&[]) else { return };
        let gateways = two_gateways(&server).await;
        if how.ends_with("a while ago") {
            assert_eq!(server.ask("SAVE"), "OK");
        }
        let sent = proof(1);
        assert_eq!(gateways[0].code(call(&sent)).await, "allow", "{how}");
        assert_eq!(gateways[0].code(call(&sent)).await, "proof-replayed", "{how}");
        lose(&mut server);
        for gateway in &gateways {
            until_connected(gateway).await;
            assert_eq!(gateway.code(call(&sent)).await, UNAVAILABLE, "{how}");
            // Nor is one that another gateway may have taken just before, its clock ahead.
            for secs in [0, 10] {
                let other = proof_at(now().plus_secs(secs), &uri(), None, 10 + secs);
                gateway.clock.set(now().plus_secs(secs));
                assert_eq!(gateway.code(call(&other)).await, UNAVAILABLE, "{how}");
            }
        }
        let later = now().plus_secs(11);
        for (gateway, expected) in gateways.iter().zip(["allow", "proof-replayed"]) {
            gateway.clock.set(later);
            assert_eq!(gateway.code(call(&proof_at(later, &uri(), None, 3))).await, expected);
            assert_eq!(gateway.code(call(&sent)).await, UNAVAILABLE, "{how}");
        }
    }
}

/// Until the gateway has noticed that its connection broke, and opened another.
async fn until_connected(gateway: &Gateway) {
    for seed in 5000..5003 {
        assert_eq!(gateway.code(call(&proof(seed))).await, UNAVAILABLE);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

#[tokio::test]
async fn a_replica_that_took_over_is_a_new_memory() {
    let Some(server) = Server::start(&[]) else { return };
    let replica = replica_of(&server).await;
    let gateways = two_gateways(&server).await;
    until(&replica, |replica| replica.ask("EXISTS hardtack:memory") == "1").await;
    let there = gateway_of(replays(&replica, patient()));
    assert_eq!(there.code(call(&proof(1))).await, UNAVAILABLE);
    assert_eq!(replica.ask("REPLICAOF NO ONE"), "OK");
    let sent = proof(2);
    assert_eq!(gateways[0].code(call(&sent)).await, "allow");
    assert_eq!(there.code(call(&sent)).await, UNAVAILABLE);
    there.clock.set(now().plus_secs(60));
    assert_eq!(there.code(call(&sent)).await, UNAVAILABLE);
    let fresh = proof_at(now().plus_secs(60), &uri(), None, 3);
    assert_eq!(there.code(call(&fresh)).await, "allow");
}

async fn replica_of(server: &Server) -> Server {
    let replica = Server::start(&["--replicaof", "127.0.0.1", &server.port()]).unwrap();
    until(&replica, |replica| replica.ask("INFO").contains("master_link_status:up")).await;
    replica
}

/// Waits until it is so.
async fn until(server: &Server, is_so: impl Fn(&Server) -> bool) {
    for _ in 0..1000 {
        if is_so(server) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not become so");
}

/// The same process and the same connection, with what another server had meanwhile.
#[tokio::test]
async fn a_server_that_was_a_replica_for_a_while_is_a_new_memory() {
    let Some(server) = Server::start(&[]) else { return };
    let other = replica_of(&server).await;
    let [gateway, _] = two_gateways(&server).await;
    until(&other, |other| other.ask("EXISTS hardtack:memory") == "1").await;
    assert_eq!(other.ask("REPLICAOF NO ONE"), "OK");
    let sent = proof(1);
    assert_eq!(gateway.code(call(&sent)).await, "allow");
    assert_eq!(server.ask(&format!("REPLICAOF 127.0.0.1 {}", other.port())), "OK");
    until(&server, |server| server.ask("DBSIZE") == "1").await;
    assert_eq!(server.ask("REPLICAOF NO ONE"), "OK");
    for (secs, seed) in [(0, 2), (11, 3)] {
        gateway.clock.set(now().plus_secs(secs));
        assert_eq!(gateway.code(call(&sent)).await, UNAVAILABLE);
        let fresh = proof_at(now().plus_secs(secs), &uri(), None, seed);
        let expected = if secs == 0 { UNAVAILABLE } else { "allow" };
        assert_eq!(gateway.code(call(&fresh)).await, expected);
    }
}

#[tokio::test]
async fn nothing_passes_while_it_is_away() {
    let Some(mut server) = Server::start(&[]) else { return };
    let replays = begun(&server, patient()).await;
    assert_eq!(spend(&replays, 1).await, Spent::Fresh);
    server.kill();
    for n in 1..5 {
        assert_eq!(spend(&replays, n).await, Spent::Unavailable);
    }
    server.start_again();
    let mut spent = Spent::Unavailable;
    for n in 10..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let moment = now().plus_secs(20 * u64::from(n));
        spent = replays.spend(key(n), moment.plus_secs(70), moment).await;
        if spent != Spent::Unavailable {
            break;
        }
    }
    assert_eq!(spent, Spent::Fresh);
}

#[tokio::test]
async fn nothing_passes_while_it_hangs() {
    let Some(server) = Server::start(&[]) else { return };
    let quick = RedisOptions { timeout: Duration::from_millis(50), ..RedisOptions::default() };
    let used = begun(&server, patient()).await;
    assert_eq!(spend(&used, 1).await, Spent::Fresh);
    let replays = Arc::new(replays(&server, quick));
    let connected = server.info("total_connections_received");
    server.signal("-STOP");
    for _ in 0..10 {
        let calls: Vec<_> = (0..100)
            .map(|n| {
                let replays = Arc::clone(&replays);
                tokio::spawn(async move { spend(&replays, n).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), Spent::Unavailable);
        }
    }
    server.signal("-CONT");
    let mut spent = Spent::Unavailable;
    for n in 100..200 {
        spent = spend(&replays, n).await;
        if spent != Spent::Unavailable {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(spent, Spent::Fresh);
    assert_eq!(spend(&replays, 1).await, Spent::Seen);
    // A thousand calls did not open a thousand connections.
    let opened = server.info("total_connections_received") - connected;
    assert!(opened < 20, "{opened}");
}

/// A line that went silent is given up, and what waits at once is bounded.
#[tokio::test]
async fn calls_do_not_pile_up() {
    let Some(server) = Server::start(&[]) else { return };
    let replays = begun(&server, RedisOptions { waiting_max: 4, ..patient() }).await;
    let replays = Arc::new(replays);
    server.signal("-STOP");
    let mut calls = tokio::task::JoinSet::new();
    for n in 1..=100 {
        let replays = Arc::clone(&replays);
        calls.spawn(async move { spend(&replays, n).await });
    }
    for _ in 0..96 {
        assert_eq!(calls.join_next().await.unwrap().unwrap(), Spent::Unavailable);
    }
    server.signal("-CONT");
    for _ in 0..4 {
        assert_eq!(calls.join_next().await.unwrap().unwrap(), Spent::Fresh);
    }
    assert!(calls.is_empty());
    let quick = RedisOptions { timeout: Duration::from_millis(50), ..RedisOptions::default() };
    let replays = begun(&server, quick).await;
    let before = server.info("total_connections_received");
    server.signal("-STOP");
    assert_eq!(spend(&replays, 101).await, Spent::Unavailable);
    server.signal("-CONT");
    let mut after = Spent::Unavailable;
    while after == Spent::Unavailable {
        after = spend(&replays, 102).await;
    }
    // Those of `info` and one more.
    assert_eq!(server.info("total_connections_received") - before, 2);
}

#[tokio::test]
async fn keys_leave_by_themselves_and_the_beginning_stays() {
    let Some(server) = Server::start(&[]) else { return };
    let replays = begun(&server, patient()).await;
    let soon = Timestamp::from_millis(now().millis() + 1);
    assert_eq!(replays.spend(key(1), soon, now()).await, Spent::Fresh);
    assert_eq!(server.ask("DBSIZE"), "2");
    assert_eq!(server.ask("TTL hardtack:memory"), "-1");
    let name = "hardtack:proof:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let left: i64 = server.ask(&format!("TTL {name}")).parse().unwrap();
    assert!((1..=61).contains(&left), "{left}");
    assert_eq!(spend(&replays, 2).await, Spent::Fresh);
    let name = "hardtack:proof:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
    let left: i64 = server.ask(&format!("TTL {name}")).parse().unwrap();
    assert!((62..=130).contains(&left), "{left}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_opens_nothing() {
    let Some(server) = Server::start(&[]) else { return };
    let replays = begun(&server, patient()).await;
    let later = now().plus_secs(200);
    assert_eq!(replays.spend(key(1), later.plus_secs(70), later).await, Spent::Fresh);
    assert_eq!(spend(&replays, 2).await, Spent::Unavailable);
    assert_eq!(replays.spend(key(3), later.plus_secs(1), now()).await, Spent::Fresh);
}

/// One gateway whose clock is wrong does not close the others for as long.
#[tokio::test]
async fn a_memory_from_the_future_begins_now() {
    let Some(server) = Server::start(&[]) else { return };
    let years = now().plus_secs(100_000_000);
    let wrong = replays(&server, patient());
    assert_eq!(wrong.spend(key(1), years.plus_secs(70), years).await, Spent::Unavailable);
    let right = replays(&server, patient());
    assert_eq!(spend(&right, 2).await, Spent::Unavailable);
    let later = now().plus_secs(11);
    assert_eq!(right.spend(key(2), later.plus_secs(70), later).await, Spent::Fresh);
}

#[tokio::test]
async fn a_server_that_evicts_is_not_used() {
    let Some(server) = Server::start(&["--maxmemory-policy", "allkeys-lru"]) else { return };
    let replays = replays(&server, patient());
    let later = now().plus_secs(200);
    for (n, moment) in [(1, now()), (2, later)] {
        assert_eq!(replays.spend(key(n), moment.plus_secs(70), moment).await, Spent::Unavailable);
    }
    assert_eq!(server.ask("DBSIZE"), "0");
    // Nor is it asked again and again.
    let connected = server.info("total_connections_received");
    for n in 0..100 {
        let spent = replays.spend(key(n), later.plus_secs(70), later).await;
        assert_eq!(spent, Spent::Unavailable);
    }
    let opened = server.info("total_connections_received") - connected;
    assert!(opened < 50, "{opened}");
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let Some(server) = Server::start(&["--requirepass", "s3cret"]) else { return };
    for (password, expected) in [("s3cret", Spent::Fresh), ("wr0ng", Spent::Unavailable)] {
        let address = server.address().replace("//", &format!("//:{password}@"));
        let replays = RedisReplays::new(&address, patient()).unwrap();
        let debug = format!("{replays:?}");
        assert!(debug.contains("hardtack:") && !debug.contains(password), "{debug}");
        replays.spend(key(9), now().plus_secs(70), now()).await;
        let later = now().plus_secs(200);
        assert_eq!(replays.spend(key(1), later.plus_secs(70), later).await, expected);
    }
    for address in ["http://:s3cret@127.0.0.1", "redis://:s3cret@127.0.0.1:port", "s3cret", ""] {
        let error = RedisReplays::new(address, patient()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
