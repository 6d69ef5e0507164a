//! `hardtack revoke` for administrators, and `hardtack revocations restart`, by the real binary.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use hardtack::config::{DataDir, SystemClock};
use hardtack::model::{Clock, Timestamp};
use hardtack::store::{NewRevocation, RevocationLog, Store};
use serde_json::{Value, json};

use crate::authority::{Served, task_body};
use crate::cli_support::{Cli, Ran};
use crate::holders::holder;

/// An authority, a directory with its administrator's key and a holder's, and a way to run in it.
async fn administered() -> (Served, Cli) {
    let served = Served::start().await;
    served.millis.store(SystemClock.now().millis(), Ordering::Relaxed);
    let cli = Cli::new();
    cli.write("client.key", &served.admin);
    std::fs::set_permissions(cli.path("client.key"), PermissionsExt::from_mode(0o600)).unwrap();
    cli.write("holder.pub", &holder(7).public().to_string());
    (served, cli)
}

fn run(served: &Served, cli: &Cli, line: &str) -> Ran {
    let line = format!("{line} --server {}", served.url);
    let args: Vec<&str> = line.split_whitespace().collect();
    tokio::task::block_in_place(|| cli.run(&args))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_is_told_what_a_revocation_ends() {
    let (served, cli) = administered().await;
    let root = served.get("", "/.well-known/hardtack").await.body["roots"][0].clone();
    served.task(&served.admin).await;
    let mut other = task_body();
    other["agent"] = json!("agent:b");
    served.post(&served.admin, "/v1/tasks", &other).await;
    let revoke = |line: &str| {
        let ran = run(&served, &cli, &format!("revoke {line} --client-key client.key"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
        ran.stdout
    };
    let dry = revoke("--agent agent:a --dry-run");
    let lines: Vec<&str> = dry.lines().collect();
    assert_eq!(lines[0], "would revoke: agent agent:a; 1 live task would end");
    assert!(lines[1].starts_with("until 2") && lines.len() == 2, "{dry}");
    assert!(lines[1].ends_with("; the log does not hold it yet"), "{dry}");
    let done = revoke("--agent agent:a --reason gone-wrong");
    assert_eq!(done, "revoked: agent agent:a, entry 1; 1 live task ended\n");
    let dry = revoke("--agent agent:a --dry-run");
    assert!(dry.ends_with("; the log holds it already, entry 1\n"), "{dry}");
    for key in ["holder.pub".to_owned(), holder(7).public().to_string(), jwk()] {
        let done = revoke(&format!("--holder {key}"));
        assert!(done.starts_with("revoked: holder "), "{done}");
        assert!(done.ends_with("; 0 live tasks ended\n"), "{done}");
    }
    let json = revoke(&format!("--root {} --dry-run --json", root["id"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["kind"], &json["live_tasks"]), (&json!("root"), &json!(1)));
    let done = revoke(&format!("--root {}", root["key"].as_str().unwrap()));
    assert!(done.ends_with("; 1 live task ended\n"), "{done}");
    let moment = SystemClock.now();
    let done = revoke(&format!("--before {moment}"));
    assert!(done.starts_with(&format!("revoked: before {moment}, entry ")), "{done}");
}

fn jwk() -> String {
    holder(7).public().to_jwk()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_taken_from_a_file_too() {
    let (served, cli) = administered().await;
    let issued = served.task(&served.admin).await;
    cli.write("task.token", &format!("{}\n", issued["token"].as_str().unwrap()));
    let dry = run(&served, &cli, "revoke --token-file task.token --dry-run");
    assert_eq!((dry.code, dry.stdout.lines().count()), (0, 2), "{}", dry.stderr);
    let done = run(&served, &cli, "revoke --token-file task.token");
    assert!(done.stdout.ends_with(", entry 1; 1 live task ended\n"), "{}", done.stdout);
    cli.write("empty", "\n");
    let refused = run(&served, &cli, "revoke --token-file empty");
    assert_eq!((refused.code, refused.stderr.as_str()), (1, "hardtack: `empty` holds no token\n"));
}

#[test]
fn one_thing_is_named_and_named_well() {
    let cli = Cli::new();
    let key = holder(7).to_secret_text();
    cli.write("holder.key", &key);
    for (line, code, says) in [
        ("revoke --agent a --task b", 2, "cannot be used with"),
        ("revoke - --token-file t", 2, "cannot be used with"),
        ("revoke --agent a --key holder.key", 2, "cannot be used with"),
        ("revoke --before yesterday", 2, "`yesterday` is not an RFC 3339 time"),
        ("revoke --holder ed25519/00", 2, "`--holder`: the bytes are not a usable"),
        ("revoke --holder holder.key", 1, "holds a private key; `--holder` takes the public one"),
        ("revoke --root 4294967296", 1, "`--root` is neither a public key nor a file of one"),
    ] {
        let ran = cli.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, code, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{line}: {}", ran.stderr);
        assert!(!ran.stderr.contains(key.as_str()), "{line}");
    }
    let help = cli.run(&["revoke", "--help"]).stdout;
    assert!(help.contains("hardtack revoke --agent agent:refunds --dry-run"), "{help}");
}

/// What the log of a data directory holds: its epoch, and the kinds of its entries.
async fn log(dir: &std::path::Path) -> (u64, Vec<&'static str>) {
    let store = DataDir::open(dir).unwrap().open_store().await.unwrap();
    let part = store.log_after(0, 10).await.unwrap();
    store.close().await.unwrap();
    (part.epoch, part.entries.iter().map(|entry| entry.subject().kind()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_restarts_only_when_told_so_twice() {
    let cli = Cli::new();
    let made = cli.run(&["init", "data"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let dir = cli.path("data");
    let store = DataDir::open(&dir).unwrap().open_store().await.unwrap();
    let now: Timestamp = SystemClock.now();
    store.revoke(NewRevocation::of_before(now, now)).await.unwrap();
    store.revoke(NewRevocation::of_agent("agent:a".to_owned(), now)).await.unwrap();
    store.close().await.unwrap();
    let asked = cli.run(&["revocations", "restart", "data"]);
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let line = |text: &str| text.lines().next().unwrap().to_owned();
    let would = line(&asked.stdout);
    assert!(would.starts_with("a new log would begin: epoch "), "{would}");
    assert!(would.ends_with(", with 1 of 2 entries carried over"), "{would}");
    assert_eq!(asked.stderr, "hardtack: nothing was changed; say `--yes` to do it\n");
    assert_eq!(log(&dir).await, (1, vec!["before", "agent"]));
    let done = cli.run(&["revocations", "restart", "data", "--yes"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(line(&done.stdout).ends_with(", with 1 of 2 entries carried over"));
    let (second, kinds) = log(&dir).await;
    assert!(second >= now.secs(), "{second}");
    assert_eq!(kinds, ["before", "agent"]);
    let done = cli.run(&["revocations", "restart", "data", "--yes", "--json"]);
    let done: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(done["done"], json!(true));
    assert!(done["epoch"].as_u64().unwrap() > second);
    assert_eq!(cli.run(&["revocations", "restart", "none", "--yes"]).code, 1);
}
