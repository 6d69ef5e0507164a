//! `hardtack revocations tail` and `fetch`, from the authority and from a relay of a relay.

use serde_json::{Value, json};

use super::process::{Authority, Disk, Process, call};
use super::until;
use crate::cli_support::{Cli, Ran};

/// Runs a command without holding up what it asks.
fn run(cli: &Cli, line: &str) -> Ran {
    let args: Vec<&str> = line.split_whitespace().collect();
    tokio::task::block_in_place(|| cli.run(&args))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_shown_and_fetched_from_the_authority_and_from_relays() {
    let (authority, cli) = (Authority::start().await, Cli::new());
    let root = authority.root.clone();
    let relay =
        |from: &str, name: &str| Process::relay(from, "127.0.0.1:0", &root, &authority.path(name));
    let first = relay(&authority.url, "first");
    let second = relay(&first.url, "second");
    let ((dead, token), (_, living)) = (authority.task().await, authority.task().await);
    assert!(authority.revoke(&dead).await);
    let (others, view) = (authority.task().await, authority.path("view"));
    assert!(authority.revoke(&others.0).await);
    // Once a gateway behind both relays knows it, they know it too.
    let gateway = Process::gateway(std::slice::from_ref(&second.url), &root, &view, Disk::Free);
    until(&gateway, &token, "revoked").await;
    assert_eq!(call(&gateway, "read", &living).await, "allowed");
    let request = json!({"tool": "t/read", "audience": "gw"});
    cli.write("request.json", &request.to_string());
    for server in [&authority.url, &first.url, &second.url] {
        let from = format!("--server {server} --root {root}");
        let tail = run(&cli, &format!("revocations tail {from} --no-follow --json -n 1"));
        assert_eq!(tail.code, 0, "{}", tail.stderr);
        assert_eq!(tail.stderr, "hardtack: the log has 2 entries, epoch 1\n");
        let entry: Value = serde_json::from_str(&tail.stdout).unwrap();
        assert_eq!((&entry["seq"], &entry["kind"]), (&json!(2), &json!("task")));
        assert!(entry["by"].as_str().unwrap().starts_with("client:"), "{entry}");
        let tail = run(&cli, &format!("revocations tail {from} --no-follow"));
        assert_eq!(tail.stdout.lines().count(), 2, "{}", tail.stdout);
        let fetched = run(&cli, &format!("revocations fetch {from} --output revoked"));
        assert_eq!((fetched.code, fetched.stderr.as_str()), (0, ""));
        assert!(fetched.stdout.starts_with("2 revoked as of 2"), "{}", fetched.stdout);
        let verify = |token: &str| {
            run(
                &cli,
                &format!("verify {token} --root {root} --request request.json --revoked revoked"),
            )
        };
        let (denied, allowed) = (verify(&token), verify(&living));
        assert_eq!((denied.code, allowed.code), (3, 0), "{}{}", denied.stdout, allowed.stderr);
        assert!(denied.stdout.contains("revoked"), "{}", denied.stdout);
    }
    // A file that was changed, of another root, or old, is of no use.
    let bytes = std::fs::read(cli.path("revoked")).unwrap();
    std::fs::write(cli.path("cut"), &bytes[..bytes.len() - 1]).unwrap();
    let other = run(&cli, "key new other.key").stdout;
    let verify = |root: &str, more: &str| {
        run(&cli, &format!("verify {living} --root {root} --request request.json {more}"))
    };
    let cut = verify(&root, "--revoked cut");
    assert_eq!((cut.code, cut.stdout.as_str()), (1, ""));
    assert!(cut.stderr.starts_with("hardtack: `cut` is refused: "), "{}", cut.stderr);
    assert_eq!(verify(other.trim(), "--revoked revoked").code, 1);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let old = verify(&root, "--revoked revoked --revoked-age 1s");
    assert_eq!(old.code, 3, "{}", old.stderr);
    assert!(old.stdout.contains("revocation-stale"), "{}", old.stdout);
    let from = format!("--server {} --root {}", authority.url, other.trim());
    let refused = run(&cli, &format!("revocations fetch {from} --output nothing"));
    assert_eq!(refused.code, 1);
    assert!(!cli.path("nothing").exists());
}
