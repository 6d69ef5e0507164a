//! `hardtack verify` decides as a gateway would.

use serde_json::{Value, json};

use crate::cli_support::{Cli, Ran};

fn verify(cli: &Cli, token: &str, request: &str, more: &[&str]) -> Ran {
    cli.write("request.json", request);
    let args = ["verify", "-", "--root", "root.pub", "--request", "request.json"];
    cli.fed(&[&args[..], more].concat(), token.as_bytes())
}

fn code(cli: &Cli, token: &str, request: &str, more: &[&str]) -> String {
    let ran = verify(cli, token, request, &[more, &["--json"]].concat());
    let json: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let is_allow = json["decision"] == "allow";
    assert_eq!(ran.code, if is_allow { 0 } else { 3 });
    json["code"].as_str().unwrap_or("allow").to_owned()
}

const GOOD: &str = r#"{"tool": "stripe/refund", "args": {"amount": 50, "currency": "usd"}}"#;

#[test]
fn a_granted_call_is_allowed_and_another_denied() {
    let cli = Cli::with_key();
    let token = cli.mint(&[]);
    assert_eq!(code(&cli, &token, GOOD, &[]), "allow");
    for (request, expected) in [
        (
            r#"{"tool": "stripe/refund", "args": {"amount": 50.000001, "currency": "usd"}}"#,
            "not-granted",
        ),
        (
            r#"{"tool": "stripe/refund", "args": {"amount": 50, "currency": "usd", "x": 1}}"#,
            "not-granted",
        ),
        (r#"{"tool": "stripe/pay", "args": {"amount": 50, "currency": "usd"}}"#, "not-granted"),
        (
            r#"{"tool": "stripe/refund", "args_raw": "{\"amount\":1,\"amount\":99,\"currency\":\"usd\"}"}"#,
            "request-malformed",
        ),
        (r#"{"tool": "stripe/refund", "args": {"amount": 1}, "extra": 1}"#, "request-malformed"),
        (r#"{"tool": "stripe"}"#, "request-malformed"),
        (
            r#"{"tool": "stripe/refund", "args": {"amount": 50, "currency": "usd"}, "time": "2099-01-01T00:00:00Z"}"#,
            "expired",
        ),
    ] {
        assert_eq!(code(&cli, &token, request, &[]), expected, "{request}");
    }
}

#[test]
fn a_verdict_says_what_failed() {
    let cli = Cli::with_key();
    let token = cli.mint(&[]);
    let token = cli.fed(
        &["attenuate", "-", "--tool", "stripe/refund", "--arg", "amount<=20"],
        token.as_bytes(),
    );
    let ran = verify(&cli, &token.stdout, GOOD, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""));
    assert!(ran.stdout.starts_with("deny  check-failed\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("block       1, appended by hop 1"), "{}", ran.stdout);
    let less = r#"{"tool": "stripe/refund", "args": {"amount": 20, "currency": "usd"}}"#;
    let ran = verify(&cli, &token.stdout, less, &[]);
    assert_eq!(ran.stdout, "allow  grant 0 of block 0 covers the call, and nothing forbids it\n");
}

#[test]
fn tokens_that_are_none_have_their_own_codes() {
    let cli = Cli::with_key();
    let token = cli.mint(&[]);
    assert_eq!(code(&cli, "AAAA", GOOD, &[]), "token-malformed");
    assert_eq!(code(&cli, &"A".repeat(22_000), GOOD, &[]), "token-too-large");
    let mut bytes = token.clone().into_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(bytes).unwrap();
    assert!(
        ["token-malformed", "signature-invalid"]
            .contains(&code(&cli, &changed, GOOD, &[]).as_str())
    );
    cli.run(&["key", "new", "other.key"]);
    let other = cli.run(&["key", "public", "other.key"]).stdout;
    let args = ["verify", "-", "--root", other.trim(), "--request", "request.json", "--json"];
    assert!(cli.fed(&args, token.as_bytes()).stdout.contains("\"root-unknown\""));
    let args = ["verify", "--root", "root.pub", "--request", "request.json", "--json"];
    let ran = cli.run(&args);
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("\"token-missing\""));
}

#[test]
fn policies_and_revocations_count() {
    let cli = Cli::with_key();
    let made = cli.run(&["mint", "--key", "root.key", "--grants", "grants.json", "--json"]);
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    cli.write("deny.datalog", "deny if call(\"stripe\", $tool); allow if granted($grant);");
    assert_eq!(code(&cli, token, GOOD, &["--policy", "deny.datalog"]), "policy-denied");
    let revoked = made["revocation_ids"][0].as_str().unwrap();
    for line in [revoked, made["task"].as_str().unwrap()] {
        cli.write("revoked", &format!("# what is over\n\n{line}\n"));
        assert_eq!(code(&cli, token, GOOD, &["--revoked", "revoked"]), "revoked");
    }
    cli.write("revoked", "01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11\n");
    assert_eq!(code(&cli, token, GOOD, &["--revoked", "revoked"]), "allow");
}

#[test]
fn a_batch_answers_every_line_in_order() {
    let cli = Cli::with_key();
    let token = cli.mint(&[]);
    let good: Value = serde_json::from_str(GOOD).unwrap();
    let raw = json!({ "tool": "stripe/refund", "args_raw": "{\"amount\":1,\"amount\":2}" });
    let lines = [
        (json!({ "token": token, "request": good }).to_string(), "allow"),
        ("not json".to_owned(), "request-malformed"),
        (String::new(), "request-malformed"),
        (json!({ "request": good }).to_string(), "token-missing"),
        (json!({ "token": null, "request": good }).to_string(), "token-missing"),
        (json!({ "token": 5, "request": good }).to_string(), "token-malformed"),
        (json!({ "token": "AAAA", "request": good }).to_string(), "token-malformed"),
        (json!({ "token": token }).to_string(), "request-malformed"),
        (json!({ "token": token, "request": good, "id": 1 }).to_string(), "request-malformed"),
        (json!({ "token": token, "request": raw }).to_string(), "request-malformed"),
        (json!({ "token": token, "request": { "tool": "a/b" } }).to_string(), "not-granted"),
        (json!({ "token": token, "request": good }).to_string(), "allow"),
    ];
    let text: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
    let args = ["verify", "--root", "root.pub", "--batch", "-"];
    let ran = cli.fed(&args, text.join("\n").as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let codes: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|json| json["code"].as_str().unwrap_or("allow").to_owned())
        .collect();
    let expected: Vec<&str> = lines.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, expected);
    assert_eq!(ran.stdout.lines().next(), Some(r#"{"decision":"allow","grant":0}"#));
    let not_utf8 = cli.fed(&args, b"\xff\xfe\n");
    assert!(not_utf8.stdout.contains("request-malformed"));
    assert_eq!(cli.fed(&args, b"").stdout, "");
}
