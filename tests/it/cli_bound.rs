//! A bound chain, walked by separate processes that share nothing but files.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::routing::post;
use hardtack::config::SystemClock;
use hardtack::guard::{Guard, LocalReplays, Nonces, ToolMap};
use hardtack::keys::TrustedRoots;
use hardtack::model::Clock;
use hardtack::record::MemorySink;
use hardtack::verify::DangerUnrevoked;
use serde_json::{Value, json};

use crate::authority::Served;
use crate::cli_support::{Cli, Ran};

const URL: &str = "https://api.example.com/refunds";
const ARGS: &str = r#"{"amount": 15, "currency": "usd"}"#;

/// A directory with two holders' keys, a token of the first and one that it handed to the second.
pub(crate) fn chain() -> Cli {
    let cli = Cli::with_key();
    for name in ["agent", "sub"] {
        let made = cli.run(&["key", "new", "--holder", &format!("{name}.key")]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        cli.write(&format!("{name}.pub"), &made.stdout);
    }
    let task = cli.mint(&["--holder", "agent.pub", "--agent", "agent:support"]);
    let narrowing = ["--tool", "stripe/refund", "--arg", "amount<=20"];
    let ran = delegate(&cli, &task, "agent.key", "sub.pub", &narrowing);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    cli.write("task.token", &task);
    cli.write("sub.token", &ran.stdout);
    cli
}

pub(crate) fn read(cli: &Cli, name: &str) -> String {
    std::fs::read_to_string(cli.path(name)).unwrap().trim().to_owned()
}

fn delegate(cli: &Cli, token: &str, key: &str, to: &str, more: &[&str]) -> Ran {
    let args = ["delegate", "-", "--key", key, "--to", to, "--name", "agent:refunds"];
    cli.fed(&[&args[..], more].concat(), token.as_bytes())
}

fn call(cli: &Cli, key: &str, tool: &str, args: &str, more: &[&str]) -> Ran {
    let token = read(cli, "sub.token");
    let line = ["call", "-", "--key", key, "--tool", tool, "--url", URL, "--args", args];
    cli.fed(&[&line[..], more].concat(), token.as_bytes())
}

/// The token and the proof of a call's header lines.
fn headers(ran: &Ran) -> (String, String) {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let mut lines = ran.stdout.lines();
    let token = lines.next().unwrap().strip_prefix("Authorization: DPoP ").unwrap();
    let proof = lines.next().unwrap().strip_prefix("DPoP: ").unwrap();
    assert_eq!(lines.next(), None);
    (token.to_owned(), proof.to_owned())
}

/// The code that a call is decided with.
fn decided(cli: &Cli, token: &str, request: &Value, more: &[&str]) -> String {
    cli.write("request.json", &request.to_string());
    let args = ["verify", "-", "--root", "root.pub", "--request", "request.json", "--json"];
    let ran = cli.fed(&[&args[..], more].concat(), token.as_bytes());
    let json: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let is_allow = json["decision"] == "allow";
    assert_eq!(ran.code, if is_allow { 0 } else { 3 });
    json["code"].as_str().unwrap_or("allow").to_owned()
}

fn request(tool: &str, amount: u32) -> Value {
    json!({ "tool": tool, "args": { "currency": "usd", "amount": amount } })
}

#[test]
fn a_chain_walks_from_key_to_verdict() {
    let cli = chain();
    let (token, proof) = headers(&call(&cli, "sub.key", "stripe/refund", ARGS, &[]));
    let sent = ["--proof", proof.as_str(), "--url", URL];
    let refund = request("stripe/refund", 15);
    assert_eq!(decided(&cli, &token, &refund, &sent), "allow");
    cli.write("proof", &proof);
    assert_eq!(decided(&cli, &token, &refund, &["--proof", "@proof", "--url", URL]), "allow");
    // Another call, method, place or token.
    assert_eq!(decided(&cli, &token, &request("stripe/pay", 15), &sent), "proof-invalid");
    assert_eq!(decided(&cli, &token, &request("stripe/refund", 16), &sent), "proof-invalid");
    let put = [&sent[..], &["--method", "PUT"]].concat();
    assert_eq!(decided(&cli, &token, &refund, &put), "proof-invalid");
    let elsewhere = ["--proof", proof.as_str(), "--url", "https://api.example.com/payouts"];
    assert_eq!(decided(&cli, &token, &refund, &elsewhere), "proof-invalid");
    assert_eq!(decided(&cli, &read(&cli, "sub.token"), &refund, &sent), "proof-invalid");
    assert_eq!(decided(&cli, &cli.mint(&[]), &refund, &sent), "proof-invalid");
    // None at all.
    assert_eq!(decided(&cli, &token, &refund, &[]), "proof-missing");
    assert_eq!(decided(&cli, &read(&cli, "task.token"), &refund, &[]), "proof-missing");
}

#[test]
fn a_proof_is_no_grant() {
    let cli = chain();
    for (tool, amount, expected) in
        [("stripe/pay", 15, "not-granted"), ("stripe/refund", 21, "check-failed")]
    {
        let args = json!({ "amount": amount, "currency": "usd" }).to_string();
        let (token, proof) = headers(&call(&cli, "sub.key", tool, &args, &[]));
        let sent = ["--proof", proof.as_str(), "--url", URL];
        assert_eq!(decided(&cli, &token, &request(tool, amount), &sent), expected);
    }
}

#[test]
fn only_the_holder_can_call_or_hand_on() {
    let cli = chain();
    cli.run(&["key", "new", "--holder", "third.key"]);
    cli.write("third.pub", &cli.run(&["key", "public", "third.key"]).stdout);
    let sub = read(&cli, "sub.token");
    let refused = |ran: Ran, why: &str| {
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
        assert_eq!(ran.stderr, format!("hardtack: {why}\n"));
    };
    let not_the_holder = "the key given is not that of the token's current holder";
    for key in ["agent.key", "third.key"] {
        refused(call(&cli, key, "stripe/refund", ARGS, &[]), not_the_holder);
        refused(delegate(&cli, &sub, key, "third.pub", &[]), not_the_holder);
    }
    let form = "`root.key` holds no private key: a holder's private key is \
                `ed25519-holder-private/` and 64 hexadecimal characters";
    refused(call(&cli, "root.key", "stripe/refund", ARGS, &[]), form);
    refused(
        delegate(&cli, &sub, "sub.key", "agent.pub", &[]),
        "the next holder's key holds the token or has held it before",
    );
    refused(
        delegate(&cli, &sub, "sub.key", "third.key", &[]),
        "`third.key` holds a private key; `--to` takes the public one",
    );
    refused(
        delegate(&cli, &cli.mint(&[]), "sub.key", "third.pub", &[]),
        "the token is bound to no holder: whoever has it can use it, so just pass it on",
    );
    assert_eq!(delegate(&cli, &sub, "sub.key", "third.pub", &[]).code, 0);
}

#[test]
fn a_holders_key_has_one_private_and_three_public_forms() {
    use std::os::unix::fs::PermissionsExt;
    let cli = chain();
    let mode = std::fs::metadata(cli.path("sub.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let private = read(&cli, "sub.key");
    assert!(private.starts_with("ed25519-holder-private/"));
    let shown = cli.fed(&["key", "public", "-", "--json"], private.as_bytes()).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["key"], read(&cli, "sub.pub"));
    let jwk = cli.run(&["key", "public", "sub.key", "--as", "jwk"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&jwk).unwrap(), shown["jwk"]);
    let thumbprint = cli.run(&["key", "public", "sub.key", "--as", "thumbprint"]).stdout;
    assert_eq!(thumbprint.trim(), shown["thumbprint"]);
    cli.write("sub.jwk", &jwk);
    let task = read(&cli, "task.token");
    let key = read(&cli, "sub.pub");
    for to in [key.as_str(), key.strip_prefix("ed25519/").unwrap(), jwk.trim(), "sub.jwk"] {
        let ran = delegate(&cli, &task, "agent.key", to, &["--json"]);
        assert_eq!(ran.code, 0, "{to}: {}", ran.stderr);
        let minted: Value = serde_json::from_str(
            &cli.run(&[
                "mint",
                "--key",
                "root.key",
                "--grants",
                "grants.json",
                "--holder",
                to,
                "--json",
            ])
            .stdout,
        )
        .unwrap();
        assert_eq!(minted["holder"], shown["thumbprint"], "{to}");
    }
}

#[test]
fn a_call_as_json_has_the_same_credentials_twice() {
    let cli = chain();
    cli.write("args.json", ARGS);
    let ran = call(&cli, "sub.key", "stripe/refund", "@args.json", &["--json", "--nonce", "n1"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((json["method"].as_str(), json["url"].as_str()), (Some("POST"), Some(URL)));
    let (headers, meta) = (&json["headers"], &json["_meta"]);
    assert!(headers["Authorization"].as_str().unwrap().starts_with("DPoP "));
    assert_eq!(headers["Authorization"], meta["io.hardtack/authorization"]);
    assert_eq!(headers["DPoP"], meta["io.hardtack/dpop"]);
    // A bearer token needs no key, and goes as it is.
    let token = cli.mint(&[]);
    let line = ["call", "-", "--tool", "stripe/refund", "--url", URL];
    let ran = cli.fed(&line, token.as_bytes());
    assert_eq!((ran.code, ran.stdout), (0, format!("Authorization: Bearer {token}\n")));
}

#[test]
fn mistakes_get_one_sentence() {
    let cli = chain();
    let mut all = String::new();
    for line in [
        "call",
        "call - --tool stripe/refund --url https://a.example/",
        "call - --key sub.key --tool stripe --url https://a.example/",
        "call - --key sub.key --tool stripe/refund --url a.example",
        "call - --key sub.key --tool stripe/refund --url https://u@a.example/",
        "call - --key sub.key --tool stripe/refund --url https://a.example/ --args []",
        "call - --key sub.key --tool stripe/refund --url https://a.example/ --args {\"a\":1,\"a\":2}",
        "call - --key sub.key --tool stripe/refund --url https://a.example/ --args -",
        "call - --key sub.key --tool stripe/refund --url https://a.example/ --nonce=",
        "call - --key sub.key --tool stripe/refund --url https://a.example/ --method P,T",
        "delegate - --key sub.key --name a",
        "delegate - --key sub.key --to - --name a",
        "delegate - --key sub.key --to ed25519/00 --name a",
        "delegate - --key sub.key --to {} --name a",
        "delegate - --key sub.key --to root.pub --name=",
        "delegate - --key sub.key --to root.pub --name a --tool stripe",
        "delegate - --key sub.key --to root.pub --name a --arg x<=1",
        "mint --key root.key --grants grants.json --holder ed25519/xyz",
        "mint --key root.key --grants - --holder -",
        "key new --holder",
        "key new k --as pem",
        "key public sub.key --as jwk --json",
        "verify - --root root.pub --request request.json --proof x",
        "verify - --root root.pub --request request.json --url https://a.example/",
        "verify - --root root.pub --request request.json --proof - --url https://a.example/",
        "verify - --root root.pub --request request.json --proof x --url a.example",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let ran = cli.fed(&args, read(&cli, "sub.token").as_bytes());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{line}: {}", ran.stderr);
        all.push_str(&format!("{line}\n  {}", ran.stderr.trim_start_matches("hardtack: ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_private_key_in_the_wrong_place_is_not_repeated() {
    let cli = chain();
    let key = read(&cli, "sub.key");
    let token = read(&cli, "task.token");
    for args in [
        vec!["call", "-", "--key", &key, "--tool", "a/b", "--url", URL],
        vec!["call", "-", "--key", "agent.key", "--tool", "a/b", "--url", URL, "--args", &key],
        vec!["call", "-", "--key", "agent.key", "--tool", "a/b", "--url", &key],
        vec!["delegate", "-", "--key", "agent.key", "--to", &key, "--name", "a"],
        vec!["inspect", "-", "--root", &key],
        vec!["key", "new", "--holder", "--as", &key, "k"],
    ] {
        let ran = cli.fed(&args, token.as_bytes());
        assert!([1, 2].contains(&ran.code), "{}", ran.stderr);
        assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{}", ran.stderr);
        assert!(!ran.stderr.contains(&key[40..60]), "{}", ran.stderr);
    }
}

/// The second holder's token with a check more, handed on to a third for one gateway.
pub(crate) fn third_hop(cli: &Cli) -> String {
    cli.run(&["key", "new", "--holder", "third.key"]);
    cli.write("third.pub", &cli.run(&["key", "public", "third.key"]).stdout);
    let noted = ["attenuate", "-", "--check", "check if label(\"write\")"];
    let noted = cli.fed(&noted, read(cli, "sub.token").as_bytes()).stdout;
    let more = ["--audience", "payments-gateway", "--depth", "2"];
    delegate(cli, noted.trim(), "sub.key", "third.pub", &more).stdout
}

#[test]
fn the_holders_of_a_token_are_a_tree() {
    let cli = chain();
    let third = third_hop(&cli);
    let last = ["attenuate", "-", "--tool", "stripe/refund", "--arg", "currency=usd"];
    let last = cli.fed(&last, third.as_bytes()).stdout;
    let shown = cli.fed(&["inspect", "-", "--root", "root.pub"], last.as_bytes());
    assert_eq!(shown.code, 0, "{}", shown.stdout);
    let mut page = shown.stdout;
    for (pattern, stands_for) in [
        (r"root key \d+", "root key [n]"),
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[task]"),
        (r"id [0-9a-f]{16}", "id [id]"),
        (r"\d+ bytes", "[n] bytes"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]"),
        (r"\[time\], in [0-9ms ]+", "[time], in [time]"),
        (r"[A-Za-z0-9_-]{43}\n", "[thumbprint]\n"),
    ] {
        page = regex::Regex::new(pattern).unwrap().replace_all(&page, stands_for).into_owned();
    }
    insta::assert_snapshot!(page);
    let json = cli.fed(&["inspect", "-", "--json"], last.as_bytes()).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let holders = json["holders"].as_array().unwrap();
    let blocks: Vec<_> = holders.iter().map(|holder| holder["block"].as_u64().unwrap()).collect();
    assert_eq!((json["hops"].as_u64(), blocks), (Some(2), vec![0, 1, 3]));
    assert_eq!(holders[1]["name"], "agent:refunds");
    assert_eq!(holders[1]["took_away"][0]["leaves_only"][0][0]["args"]["amount"]["max"], 20);
    assert_eq!(holders[2]["took_away"][1]["audience"][0], "payments-gateway");
}

/// A guard that asks for nonces, and an API behind it that gives back what it was sent.
async fn api(root: &str) -> String {
    let guard = Guard::builder("gw")
        .roots(TrustedRoots::one(root.parse().unwrap()))
        .tools(ToolMap::new().route("POST", "/refunds", "stripe/refund").unwrap())
        .sink(Arc::new(MemorySink::new()))
        .revocations(DangerUnrevoked)
        .proof_nonces(Nonces::from_key([7; 32]))
        .replays(Arc::new(LocalReplays::of_new_address(10)))
        .build()
        .unwrap();
    let router = Router::new().route("/refunds", post(|body: String| async { body })).layer(guard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/refunds")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_sent_gets_its_nonce_and_its_answer() {
    let cli = chain();
    let url = api(&read(&cli, "root.pub")).await;
    let sent = |token: &str, more: &[&str]| {
        let line = ["call", "-", "--tool", "stripe/refund", "--send", "--url"];
        let token = read(&cli, token);
        tokio::task::block_in_place(|| cli.fed(&[&line[..], more].concat(), token.as_bytes()))
    };
    let ran = sent("sub.token", &[&url, "--key", "sub.key", "--args", ARGS]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ARGS));
    assert_eq!(ran.stderr, "hardtack: the gateway answered 200 OK\n");
    let too_much = r#"{"amount": 21, "currency": "usd"}"#;
    let ran = sent("sub.token", &[&url, "--key", "sub.key", "--args", too_much, "--json"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, json["status"].as_u64()), (3, Some(403)));
    assert_eq!(json["body"]["code"], "check-failed");
    let ran = sent("sub.token", &[&url, "--key", "sub.key", "--method", "DELETE"]);
    assert_ne!(ran.code, 0);
    cli.write("bearer.token", &cli.mint(&[]));
    assert_eq!(sent("bearer.token", &[&url, "--args", ARGS]).code, 0);
    let ran = sent("sub.token", &["http://127.0.0.1:1/refunds", "--key", "sub.key"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "hardtack: the gateway at http://127.0.0.1:1: was not reached\n");
}

#[test]
fn a_batch_takes_proofs() {
    let cli = chain();
    let (token, proof) = headers(&call(&cli, "sub.key", "stripe/refund", ARGS, &[]));
    let (args, other): (Value, Value) =
        (serde_json::from_str(ARGS).unwrap(), json!({"amount": 1, "currency": "usd"}));
    let line = |args: &Value, more: Value| {
        let mut line = json!({"token": token, "request": {"tool": "stripe/refund", "args": args}});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string()
    };
    let lines = [
        (line(&args, json!({"proof": proof, "url": URL})), "allow"),
        (line(&args, json!({"proof": proof, "url": URL, "method": "POST"})), "allow"),
        (line(&args, json!({})), "proof-missing"),
        (line(&args, json!({"proof": proof, "url": URL, "method": "GET"})), "proof-invalid"),
        (line(&args, json!({"proof": proof, "url": "https://b.example/"})), "proof-invalid"),
        (line(&other, json!({"proof": proof, "url": URL})), "proof-invalid"),
        (line(&args, json!({"proof": "a.b.c", "url": URL})), "proof-invalid"),
        (line(&args, json!({"proof": proof})), "request-malformed"),
        (line(&args, json!({"url": URL})), "request-malformed"),
        (line(&args, json!({"method": "POST"})), "request-malformed"),
        (line(&args, json!({"proof": proof, "url": "here"})), "request-malformed"),
        (line(&args, json!({"proof": 7, "url": URL})), "request-malformed"),
    ];
    let text: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
    let verify = ["verify", "--root", "root.pub", "--batch", "-"];
    let ran = cli.fed(&verify, text.join("\n").as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let code = |line: &str| serde_json::from_str::<Value>(line).unwrap()["code"].clone();
    let codes: Vec<String> =
        ran.stdout.lines().map(|line| code(line).as_str().unwrap_or("allow").to_owned()).collect();
    let expected: Vec<&str> = lines.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, expected);
}

/// Agents that are processes of their own, and an authority: from the task to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_takes_the_word_of_holders() {
    let served = Served::start().await;
    served.millis.store(SystemClock.now().millis(), Ordering::Relaxed);
    let (client, _) = served.client("bound", json!({"bearer": false})).await;
    let cli = Cli::new();
    cli.write("client.key", &client);
    cli.write("grants.json", r#"{"tool": "crm/get"}"#);
    let run = |line: &str, stdin: &str| {
        let line = format!("{line} --server {}", served.url);
        let args: Vec<&str> = line.split_whitespace().collect();
        tokio::task::block_in_place(|| cli.fed(&args, stdin.as_bytes()))
    };
    for name in ["agent", "sub"] {
        let made = cli.run(&["key", "new", "--holder", &format!("{name}.key")]);
        cli.write(&format!("{name}.pub"), &made.stdout);
    }
    std::fs::set_permissions(cli.path("client.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let ask = "task new --client-key client.key --grants grants.json --principal user:alice \
               --audience gw --json";
    let refused = run(ask, "");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("may not ask for bearer tokens"), "{}", refused.stderr);
    let issued = run(&format!("{ask} --key agent.key"), "");
    assert_eq!((issued.code, issued.stderr.as_str()), (0, ""));
    let issued: Value = serde_json::from_str(&issued.stdout).unwrap();
    let (task, token) = (issued["task"].as_str().unwrap(), issued["token"].as_str().unwrap());
    let line = ["delegate", "-", "--key", "agent.key", "--to", "sub.pub", "--name", "agent:sub"];
    let sub = cli.fed(&line, token.as_bytes()).stdout;
    let refused = run("revoke -", &sub);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("the token is bound"), "{}", refused.stderr);
    let refused = run("revoke - --key sub.key", token);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("by a key that never held the token"), "{}", refused.stderr);
    for (line, stdin, says) in [
        ("revoke - --key sub.key".to_owned(), sub.as_str(), "revoked: block"),
        ("revoke - --key agent.key".to_owned(), sub.as_str(), "revoked: block"),
        (format!("task complete {task} --key agent.key"), "", "completed"),
    ] {
        let ran = run(&line, stdin);
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        assert!(ran.stdout.contains(says), "{line}: {}", ran.stdout);
    }
    let refused = run(&format!("task complete {task} --key sub.key"), "");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("there is no such task"), "{}", refused.stderr);
}
