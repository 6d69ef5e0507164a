//! Every mistake gets one sentence, its exit code, and nothing secret.

use std::os::unix::fs::PermissionsExt;

use crate::cli_support::{Cli, Ran};

/// One sentence on stderr, nothing on stdout, no trace of a panic.
fn one_sentence(ran: &Ran, what: &str) {
    assert_eq!(ran.stdout, "", "{what}");
    assert_eq!(ran.stderr.lines().count(), 1, "{what}: {}", ran.stderr);
    assert!(ran.stderr.starts_with("hardtack: "), "{what}: {}", ran.stderr);
    for word in ["panicked", "backtrace", "unwrap", "os error", "Error {"] {
        assert!(!ran.stderr.contains(word), "{what}: {}", ran.stderr);
    }
}

#[test]
fn mistakes_of_the_command_line() {
    let cli = Cli::with_key();
    let mut all = String::new();
    for line in [
        "fly",
        "mint",
        "mint --keyy x",
        "mint --key root.key --grants grants.json --for 15",
        "mint --key root.key --grants grants.json --for 2d",
        "mint --key root.key --grants grants.json --depth 16",
        "mint --key root.key --grants grants.json --depth -1",
        "mint --key root.key --grants grants.json --time now",
        "mint --key root.key --grants grants.json --intent=",
        "attenuate",
        "attenuate - --arg amount<=5",
        "attenuate - --tool stripe",
        "attenuate - --tool stripe/refund --arg amount<5",
        "attenuate - --tool stripe/refund --arg amount<=many",
        "attenuate - --tool stripe/refund --grants grants.json",
        "attenuate - --for 5m --expires 2030-01-01T00:00:00Z",
        "attenuate - --check granted(1)",
        "attenuate - --check (",
        "attenuate - --grants -",
        "verify --request r.json",
        "verify --root root.pub",
        "verify - --root root.pub --request -",
        "verify - --root root.pub --batch -",
        "revoke",
        "revoke --block abc",
        "task show nope",
        "task list",
        "task list --server ftp://x --client-key client.key",
        "completions tcsh",
        "policy",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let ran = cli.run(&args);
        assert_eq!(ran.code, 2, "{line}: {}", ran.stderr);
        if line == "policy" {
            assert!(ran.stderr.contains("Usage: hardtack policy"));
            continue;
        }
        one_sentence(&ran, line);
        all.push_str(&format!("{line}\n  {}", ran.stderr.trim_start_matches("hardtack: ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn mistakes_in_files_and_tokens() {
    let cli = Cli::with_key();
    let token = cli.mint(&[]);
    cli.write("open.key", "ed25519-private/00");
    cli.write("junk", "junk");
    std::fs::set_permissions(cli.path("junk"), PermissionsExt::from_mode(0o600)).unwrap();
    cli.write("bad.json", r#"{"tool": "a/b", "args": {"amount": {"maximum": 5}}}"#);
    cli.write("twice.json", r#"{"tool": "a/b", "tool": "a/c"}"#);
    cli.write("bad.toml", "tool = ");
    cli.write("call.datalog", "call(\"a\", \"b\");");
    cli.write("broken.datalog", "check if time(");
    cli.write("policy.datalog", "deny if true;");
    cli.write("short", "0123456789abcdef\n");
    cli.write("request.json", "{}");
    let mut all = String::new();
    let base = "mint --key root.key --grants";
    let verify = "verify - --root root.pub --request request.json";
    for line in [
        "key new root.key".to_owned(),
        "key new no/such/dir/k".to_owned(),
        "key public none.key".to_owned(),
        "key public open.key".to_owned(),
        "key public junk".to_owned(),
        "key public -".to_owned(),
        "mint --key open.key --grants grants.json".to_owned(),
        "mint --key root.pub --grants grants.json".to_owned(),
        format!("{base} none.json"),
        format!("{base} bad.json"),
        format!("{base} twice.json"),
        format!("{base} bad.toml"),
        format!("{base} ."),
        format!("{base} grants.json --datalog call.datalog"),
        format!("{base} grants.json --datalog broken.datalog"),
        "attenuate AAAA --for 5m".to_owned(),
        "attenuate -".to_owned(),
        "attenuate - --datalog policy.datalog".to_owned(),
        "attenuate - --grants bad.json".to_owned(),
        "inspect AAAA".to_owned(),
        "inspect not/base64".to_owned(),
        "inspect - --root none.pub".to_owned(),
        "inspect - --root root.key".to_owned(),
        "inspect - --root ed25519/00".to_owned(),
        "inspect - --root junk".to_owned(),
        "verify - --root root.pub --request none.json".to_owned(),
        format!("{verify} --policy none.datalog"),
        format!("{verify} --policy broken.datalog"),
        format!("{verify} --policy policy.datalog"),
        format!("{verify} --revoked short"),
        format!("{verify} --revoked bad.json"),
        "verify --root root.pub --batch none".to_owned(),
        "policy test none".to_owned(),
        "audit verify none.log".to_owned(),
        "serve none".to_owned(),
        "task list --server http://127.0.0.1:1 --client-key root.key".to_owned(),
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let ran = cli.fed(&args, token.as_bytes());
        assert_eq!(ran.code, 1, "{line}: {}", ran.stderr);
        one_sentence(&ran, &line);
        all.push_str(&format!("{line}\n  {}", ran.stderr.trim_start_matches("hardtack: ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn secrets_in_the_wrong_place_are_not_repeated() {
    let cli = Cli::with_key();
    let token = cli.mint(&[]);
    let key = std::fs::read_to_string(cli.path("root.key")).unwrap().trim().to_owned();
    let (part, hex) = (&token[20..60], &key[30..60]);
    for secret in [token.as_str(), key.as_str()] {
        let expression = format!("{}<5", secret.trim_end_matches('='));
        for args in [
            vec![secret],
            vec!["mint", secret],
            vec!["mint", "--key", secret, "--grants", "grants.json"],
            vec!["mint", "--key", "root.key", "--grants", secret],
            vec!["mint", "--key", "root.key", "--grants", "grants.json", "--for", secret],
            vec!["attenuate", "-", "--tool", secret],
            vec!["attenuate", "-", "--tool", "a/b", "--arg", &expression],
            vec!["attenuate", "-", "--check", secret],
            vec!["inspect", key.as_str()],
            vec!["inspect", token.as_str(), "--root", secret],
            vec!["inspect", &token[..200]],
            vec!["verify", "-", "--root", "root.pub", "--request", secret],
            vec!["task", "show", secret],
            vec!["task", "list", "--server", secret, "--client-key", "root.key"],
            vec!["revoke", "--block", secret],
            vec!["revoke", "--before", secret],
            vec!["revoke", "--holder", secret],
            vec!["revoke", "--root", secret],
            vec!["revoke", "--token-file", secret],
            vec!["revocations", "restart", secret],
            vec!["completions", secret],
        ] {
            let ran = cli.fed(&args, token.as_bytes());
            // A key's text happens to be a well-formed name of a tool.
            if ran.code != 0 {
                assert!([1, 2].contains(&ran.code), "{}", ran.stderr);
                one_sentence(&ran, "a secret");
            }
            assert!(!ran.stderr.contains(part) && !ran.stderr.contains(hex), "{}", ran.stderr);
        }
    }
}
