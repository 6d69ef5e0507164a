//! What may go wrong between an authority and its gateways, with real processes: after a revocation
//! was acknowledged no gateway allows the token once the bound of the tool has passed, whatever
//! happens; and once the fault is over, everything works again without a hand.

mod commands;
mod gateway;
mod liar;
mod process;
mod proxy;

use std::time::{Duration, Instant};

use self::liar::{Liar, Lie};
use self::process::{Authority, Disk, Process, call, free_address};
use self::proxy::{Proxy, Weather};

/// How old what a gateway knows may be, by tool; the gateway process is set so.
const BOUNDS: [(&str, u64); 3] = [("destroy", 2), ("write", 3), ("read", 5)];

/// How long recovery may take before the test gives up; no measure of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until each tool of the gateway says this of a call with the token.
async fn until(gateway: &Process, token: &str, says: &str) {
    let since = Instant::now();
    for (tool, _) in BOUNDS {
        loop {
            let said = call(gateway, tool, token).await;
            if said == says {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "{tool} says `{said}` and never `{says}`");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Of a token whose revocation was acknowledged at that moment: no call passes that begins after the
/// bound.
async fn stays_dead(gateway: &Process, token: &str, since: Instant) {
    for (tool, bound) in BOUNDS {
        let over = since + Duration::from_secs(bound);
        tokio::time::sleep_until(over.into()).await;
        for _ in 0..10 {
            let said = call(gateway, tool, token).await;
            assert!(["revoked", "revocation-stale"].contains(&said.as_str()), "{tool}: {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A token dies while the network does this, and everything works again afterwards.
async fn in_weather(weather: Weather) {
    let authority = Authority::start().await;
    let proxy = Proxy::start(&authority.url).await;
    let state = authority.path("view");
    let gateway =
        Process::gateway(std::slice::from_ref(&proxy.url), &authority.root, &state, Disk::Free);
    let ((task, dying), (_, living)) = (authority.task().await, authority.task().await);
    until(&gateway, &dying, "allowed").await;
    until(&gateway, &living, "allowed").await;
    proxy.turn(weather);
    assert!(authority.revoke(&task).await);
    stays_dead(&gateway, &dying, Instant::now()).await;
    proxy.turn(Weather::Fair);
    until(&gateway, &dying, "revoked").await;
    until(&gateway, &living, "allowed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stalls() {
    in_weather(Weather::Stalls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut() {
    in_weather(Weather::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_delays() {
    in_weather(Weather::Delays(Duration::from_millis(2500))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_truncates() {
    in_weather(Weather::Truncates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_corrupts() {
    in_weather(Weather::Corrupts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_replays_old_answers() {
    in_weather(Weather::Replays).await;
}

/// The authority is killed while it appends. What it acknowledged is in its log, in one piece, and
/// reaches a gateway that followed it all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_killed_while_it_appends() {
    let mut authority = Authority::start().await;
    let state = authority.path("view");
    let gateway =
        Process::gateway(std::slice::from_ref(&authority.url), &authority.root, &state, Disk::Free);
    let (_, living) = authority.task().await;
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let mut tasks = Vec::new();
        for _ in 0..12 {
            tasks.push(authority.task().await);
        }
        until(&gateway, &tasks[0].1, "allowed").await;
        let (http, kill) = (&authority, Duration::from_millis(3 + 11 * round));
        let revoking = async {
            let mut done = Vec::new();
            for (task, token) in &tasks {
                if http.revoke(task).await {
                    done.push((token.clone(), Instant::now()));
                }
            }
            done
        };
        // Whatever was under way when the time is up is answered by nobody.
        let (done, ()) = tokio::join!(revoking, async {
            tokio::time::sleep(kill).await;
            authority.process.as_ref().unwrap().kill_now();
        });
        acknowledged.extend(done);
        authority.kill();
        authority.serve(Disk::Free);
    }
    assert!(!acknowledged.is_empty());
    for (token, _) in &acknowledged {
        until(&gateway, token, "revoked").await;
    }
    until(&gateway, &living, "allowed").await;
    // A gateway that comes anew learns the same.
    let fresh = authority.path("another view");
    let another =
        Process::gateway(std::slice::from_ref(&authority.url), &authority.root, &fresh, Disk::Free);
    until(&another, &living, "allowed").await;
    for (token, _) in &acknowledged {
        until(&another, token, "revoked").await;
    }
}

/// All that was issued before a moment ends at every gateway, and what comes later does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_before_which_all_is_revoked() {
    let authority = Authority::start().await;
    let (root, state) = (authority.root.clone(), authority.path("view"));
    let sources = std::slice::from_ref(&authority.url);
    let gateway = Process::gateway(sources, &root, &state, Disk::Free);
    let (_, dying) = authority.task().await;
    until(&gateway, &dying, "allowed").await;
    assert!(authority.revoke_all().await);
    stays_dead(&gateway, &dying, Instant::now()).await;
    until(&gateway, &dying, "revoked").await;
    let (_, living) = authority.task().await;
    until(&gateway, &living, "allowed").await;
    // It is known to whoever starts from the saved view, and from a snapshot.
    gateway.kill();
    for state in [state, authority.path("another view")] {
        let gateway = Process::gateway(sources, &root, &state, Disk::Free);
        until(&gateway, &dying, "revoked").await;
        until(&gateway, &living, "allowed").await;
    }
}

/// While the authority is gone, everything ends by itself; when it is back, everything goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_gone() {
    let mut authority = Authority::start().await;
    let state = authority.path("view");
    let gateway =
        Process::gateway(std::slice::from_ref(&authority.url), &authority.root, &state, Disk::Free);
    let ((task, dying), (_, living)) = (authority.task().await, authority.task().await);
    until(&gateway, &dying, "allowed").await;
    let sent = authority.revoke(&task);
    assert!(sent.await);
    let since = Instant::now();
    authority.kill();
    stays_dead(&gateway, &dying, since).await;
    until(&gateway, &living, "revocation-stale").await;
    authority.serve(Disk::Free);
    until(&gateway, &dying, "revoked").await;
    until(&gateway, &living, "allowed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed() {
    let authority = Authority::start().await;
    let (listen, root) = (free_address(), authority.root.clone());
    let (relay_state, state) = (authority.path("relay"), authority.path("view"));
    let relay = Process::relay(&authority.url, &listen, &root, &relay_state);
    let gateway = Process::gateway(std::slice::from_ref(&relay.url), &root, &state, Disk::Free);
    let ((task, dying), (_, living)) = (authority.task().await, authority.task().await);
    until(&gateway, &dying, "allowed").await;
    relay.kill();
    assert!(authority.revoke(&task).await);
    stays_dead(&gateway, &dying, Instant::now()).await;
    let _relay = Process::relay(&authority.url, &listen, &root, &relay_state);
    until(&gateway, &dying, "revoked").await;
    until(&gateway, &living, "allowed").await;
}

/// Where there is another source, a gateway goes there by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_beside_another() {
    let authority = Authority::start().await;
    let root = authority.root.clone();
    let (first, second) = (authority.path("first"), authority.path("second"));
    let first = Process::relay(&authority.url, "127.0.0.1:0", &root, &first);
    // A relay of a relay.
    let second = Process::relay(&first.url, "127.0.0.1:0", &root, &second);
    let third = Process::relay(&authority.url, "127.0.0.1:0", &root, &authority.path("third"));
    let sources = [second.url.clone(), third.url.clone()];
    let state = authority.path("view");
    let gateway = Process::gateway(&sources, &root, &state, Disk::Free);
    let ((task, dying), (_, living)) = (authority.task().await, authority.task().await);
    until(&gateway, &dying, "allowed").await;
    first.kill();
    assert!(authority.revoke(&task).await);
    stays_dead(&gateway, &dying, Instant::now()).await;
    until(&gateway, &dying, "revoked").await;
    until(&gateway, &living, "allowed").await;
}

/// A gateway is killed while it writes its view, again and again: the next one begins with a whole
/// view, and nothing that was revoked comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_while_it_writes_its_view() {
    let authority = Authority::start().await;
    let state = authority.path("view");
    let (_, living) = authority.task().await;
    let mut dead: Vec<String> = Vec::new();
    for round in 0..6 {
        let sources = [authority.url.clone()];
        let gateway = Process::gateway(&sources, &authority.root, &state, Disk::Free);
        if let Some(token) = dead.last() {
            // The view of before is not allowed to vouch for itself.
            let said = call(&gateway, "destroy", token).await;
            assert!(["revoked", "revocation-stale"].contains(&said.as_str()), "{said}");
        }
        until(&gateway, &living, "allowed").await;
        let (task, token) = authority.task().await;
        assert!(authority.revoke(&task).await);
        until(&gateway, &token, "revoked").await;
        dead.push(token);
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        gateway.kill();
    }
    let beside = std::fs::read_dir(state.parent().unwrap()).unwrap();
    let damaged = beside
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"));
    assert_eq!(damaged.count(), 0, "a view was half written");
}

/// A gateway that cannot write its view goes on without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_disk_is_full() {
    let authority = Authority::start().await;
    let state = authority.path("view");
    let sources = [authority.url.clone()];
    let gateway = Process::gateway(&sources, &authority.root, &state, Disk::Full);
    let ((task, dying), (_, living)) = (authority.task().await, authority.task().await);
    until(&gateway, &dying, "allowed").await;
    assert!(authority.revoke(&task).await);
    stays_dead(&gateway, &dying, Instant::now()).await;
    until(&gateway, &living, "allowed").await;
    assert!(!state.exists());
    gateway.disk(Disk::Free);
    let (task, _) = authority.task().await;
    assert!(authority.revoke(&task).await);
    let since = Instant::now();
    while !state.exists() {
        assert!(since.elapsed() < PATIENCE, "the view is never written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An authority that cannot write acknowledges nothing, and what it acknowledged before stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_whose_disk_is_full() {
    let authority = Authority::start().await;
    let state = authority.path("view");
    let gateway =
        Process::gateway(std::slice::from_ref(&authority.url), &authority.root, &state, Disk::Free);
    let ((first, dead), (task, dying)) = (authority.task().await, authority.task().await);
    until(&gateway, &dying, "allowed").await;
    assert!(authority.revoke(&first).await);
    let since = Instant::now();
    authority.process.as_ref().unwrap().disk(Disk::Full);
    assert!(!authority.revoke(&task).await, "acknowledged without a disk");
    stays_dead(&gateway, &dead, since).await;
    authority.process.as_ref().unwrap().disk(Disk::Free);
    let since = Instant::now();
    while !authority.revoke(&task).await {
        assert!(since.elapsed() < PATIENCE, "it never writes again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until(&gateway, &dying, "revoked").await;
    until(&gateway, &dead, "revoked").await;
}

/// A token dies while the only source lies in this way; beside an honest one the lies do no harm.
async fn among_lies(lie: Lie) {
    let authority = Authority::start().await;
    let liar = Liar::start(&authority.url).await;
    let (alone, both) = (authority.path("alone"), authority.path("both"));
    let (lies, root) = (vec![liar.url.clone()], authority.root.clone());
    let sources = [liar.url.clone(), authority.url.clone()];
    let alone = Process::gateway(&lies, &root, &alone, Disk::Free);
    let both = Process::gateway(&sources, &root, &both, Disk::Free);
    let ((task, dying), (_, living)) = (authority.task().await, authority.task().await);
    for gateway in [&alone, &both] {
        until(gateway, &dying, "allowed").await;
    }
    liar.begin(lie);
    assert!(authority.revoke(&task).await);
    let since = Instant::now();
    // Others too, so that there is something to drop and to put in another order.
    for _ in 0..3 {
        let (task, _) = authority.task().await;
        assert!(authority.revoke(&task).await);
    }
    stays_dead(&alone, &dying, since).await;
    stays_dead(&both, &dying, since).await;
    until(&both, &dying, "revoked").await;
    until(&both, &living, "allowed").await;
    liar.begin(Lie::None);
    until(&alone, &dying, "revoked").await;
    until(&alone, &living, "allowed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_shows_an_old_head() {
    among_lies(Lie::OldHead).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_drops_entries() {
    among_lies(Lie::Dropped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_changes_the_order() {
    among_lies(Lie::Reordered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_forges() {
    among_lies(Lie::Forged).await;
}
