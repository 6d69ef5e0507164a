//! Proofs of holders to verdicts: one fault at a time, for each row of the table in
//! `src/verify/proof.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardtack::attenuate::seal;
use hardtack::keys::HolderKey;
use hardtack::model::{Args, JsonProfile, Request, TargetUri, Timestamp};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{ProofTarget, authenticate, check_proof};
use serde_json::{Value, json};

use super::shared::{holder, made, start};
use super::{file, held};
use crate::holders::digest;
use crate::support::{now, request, root, roots};

const TOOL: &str = "stripe/refund";
const ARGS: &str = r#"{"amount": 12.5, "currency": "usd"}"#;

pub(super) fn uri() -> TargetUri {
    "https://api.example.com/refunds".parse().unwrap()
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn header(name: &str) -> Value {
    let jwk: Value = serde_json::from_str(&holder(name).public().to_jwk()).unwrap();
    json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk})
}

pub(super) fn claims(token: &str, request: &Request) -> Value {
    json!({
        "htm": "POST", "htu": uri().as_str(), "iat": request.time.secs(), "jti": "one",
        "ath": b64(digest(token)), "tool": request.tool, "args": b64(request.args.digest()),
    })
}

/// A proof with these very parts, signed by this key.
pub(super) fn signed(header: &Value, claims: &Value, key: &HolderKey) -> String {
    of_text(&header.to_string(), &claims.to_string(), key)
}

fn of_text(header: &str, claims: &str, key: &HolderKey) -> String {
    let signed = format!("{}.{}", b64(header), b64(claims));
    format!("{signed}.{}", b64(key.sign(signed.as_bytes())))
}

/// A proof and the call that it came with.
#[derive(Clone)]
struct Case {
    name: String,
    token: &'static str,
    proof: Option<String>,
    method: &'static str,
    url: String,
    tool: &'static str,
    args: String,
    time: Timestamp,
    nonces: Vec<String>,
}

/// The tokens that proofs go with: `held` is sealed, and the Rust holder's.
fn token(name: &str) -> String {
    match name {
        "held" => seal(&start(Some("rust"))).unwrap().to_text(),
        "bearer" => seal(&start(None)).unwrap().to_text(),
        text => text.to_owned(),
    }
}

fn called() -> Request {
    Request { time: now(), ..request(TOOL, ARGS) }
}

fn case(name: &str, proof: Option<String>) -> Case {
    Case {
        name: name.to_owned(),
        token: "held",
        proof,
        method: "POST",
        url: uri().to_string(),
        tool: TOOL,
        args: ARGS.to_owned(),
        time: now(),
        nonces: Vec::new(),
    }
}

impl Case {
    fn entry(&self) -> Value {
        json!({
            "name": self.name, "token": self.token, "proof": self.proof, "method": self.method,
            "url": self.url, "tool": self.tool, "args": self.args, "time": self.time,
            "nonces": self.nonces, "verdict": self.verdict(),
        })
    }

    fn verdict(&self) -> String {
        let text = token(self.token);
        let authentic = authenticate(text.parse::<UnverifiedToken>().unwrap(), &roots()).unwrap();
        let Ok(args) = Args::parse(self.args.as_bytes(), JsonProfile::Interoperable) else {
            return "request-malformed".to_owned();
        };
        let request = Request { time: self.time, args, ..request(self.tool, "{}") };
        let uri = self.url.parse().unwrap();
        let target = ProofTarget {
            token_digest: digest(&text),
            method: self.method,
            uri: &uri,
            nonces: &self.nonces,
        };
        match check_proof(self.proof.as_deref(), &authentic, &target, &request) {
            Ok(_) => "ok".to_owned(),
            Err(fault) => kebab(&format!("{fault:?}")),
        }
    }
}

fn kebab(name: &str) -> String {
    let of = |(at, c): (usize, char)| match c.is_ascii_uppercase() && at > 0 {
        true => format!("-{}", c.to_ascii_lowercase()),
        false => c.to_ascii_lowercase().to_string(),
    };
    name.chars().enumerate().map(of).collect()
}

fn with_claim(name: &str, value: Value) -> String {
    let mut claims = claims(&token("held"), &called());
    claims[name] = value;
    signed(&header("rust"), &claims, &holder("rust"))
}

fn without_claim(name: &str) -> String {
    let mut claims = claims(&token("held"), &called());
    claims.as_object_mut().unwrap().remove(name);
    signed(&header("rust"), &claims, &holder("rust"))
}

fn with_header(name: &str, value: Value) -> String {
    let mut header = header("rust");
    header[name] = value;
    signed(&header, &claims(&token("held"), &called()), &holder("rust"))
}

/// The proof that has no fault.
fn good() -> String {
    signed(&header("rust"), &claims(&token("held"), &called()), &holder("rust"))
}

#[test]
fn proofs_get_the_same_verdicts() {
    let mut cases = vec![case("good", Some(good())), case("missing", None)];
    encodings(&mut cases);
    headers(&mut cases);
    claims_of_the_call(&mut cases);
    times(&mut cases);
    arguments(&mut cases);
    for (by, made) in made() {
        for proof in made.proofs {
            let token = Box::leak(made.tokens[&proof.token].clone().into_boxed_str());
            let nonces = proof.nonce.iter().cloned().collect();
            let name = format!("made by {by}: {}", proof.name);
            let made = Case { token, nonces, args: proof.args, ..case(&name, Some(proof.proof)) };
            assert_eq!(made.verdict(), "ok", "{name}");
            cases.push(made);
        }
    }
    let entries: Vec<Value> = cases.iter().map(Case::entry).collect();
    let verdicts: std::collections::BTreeSet<&str> =
        entries.iter().map(|entry| entry["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts.len(), 23, "21 faults and two more: {verdicts:?}");
    held(
        "proofs.json",
        &file(&[
            ("root", json!(root().public())),
            ("tokens", json!({"held": token("held"), "bearer": token("bearer")})),
            ("proofs", json!(entries)),
        ]),
    );
}

fn encodings(cases: &mut Vec<Case>) {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let (key, header) = (holder("rust"), header("rust").to_string());
    let claims = claims(&token("held"), &called()).to_string();
    let first = if parts[2].starts_with('A') { "B" } else { "A" };
    let mut loose = parts[2].to_owned();
    // The last of 86 characters says two bits alone: another one with the same two.
    loose.replace_range(85.., &char::from(good.as_bytes()[good.len() - 1] + 1).to_string());
    for (name, proof) in [
        ("empty", String::new()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.x")),
        ("padding", format!("{good}=")),
        ("a space", format!(" {good}")),
        ("loose last bits", format!("{}.{}.{loose}", parts[0], parts[1])),
        ("too long", format!("{good}{}", "A".repeat(4097 - good.len()))),
        ("another signature", format!("{}.{}.{first}{}", parts[0], parts[1], &parts[2][1..])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("signed by another", of_text(&header, &claims, &holder("other"))),
        ("spaces in the JSON", of_text(&header, &claims.replace(':', " : "), &key)),
        ("a claim twice", of_text(&header, &claims.replacen('{', "{\"jti\":\"0\",", 1), &key)),
        (
            "a claim twice, escaped",
            of_text(&header, &claims.replacen('{', "{\"\\u006ati\":\"0\",", 1), &key),
        ),
        (
            "a name twice inside",
            of_text(&header, &claims.replacen('{', "{\"a\":[{\"b\":1,\"b\":1}],", 1), &key),
        ),
        ("a header twice", of_text(&header.replacen('{', "{\"alg\":\"EdDSA\",", 1), &claims, &key)),
        ("claims that are no object", of_text(&header, "[]", &key)),
        ("a header that is no object", of_text("7", &claims, &key)),
        ("claims that are no JSON", of_text(&header, "{", &key)),
        ("claims with more after", of_text(&header, &format!("{claims}x"), &key)),
        ("other members", with_claim("exp", json!(1))),
    ] {
        cases.push(case(name, Some(proof)));
    }
}

fn headers(cases: &mut Vec<Case>) {
    let jwk = header("rust")["jwk"].clone();
    let changed = |name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        with_header("jwk", jwk)
    };
    let mut other = header("other");
    other["jwk"] = header("other")["jwk"].clone();
    let claims = claims(&token("held"), &called());
    for (name, proof) in [
        ("typ JWT", with_header("typ", json!("JWT"))),
        ("typ in capitals", with_header("typ", json!("DPOP+JWT"))),
        ("alg none", with_header("alg", json!("none"))),
        ("alg ES256", with_header("alg", json!("ES256"))),
        ("alg Ed25519", with_header("alg", json!("Ed25519"))),
        ("crit", with_header("crit", json!(["b64"]))),
        ("no key", with_header("jwk", json!(null))),
        ("a private key", changed("d", json!(b64([1; 32])))),
        ("a key with more", changed("kid", json!("1"))),
        ("another curve", changed("crv", json!("X25519"))),
        ("a short key", changed("x", json!(b64([1; 31])))),
        ("another's key", signed(&other, &claims, &holder("other"))),
        ("another header", with_header("kid", json!("x"))),
    ] {
        cases.push(case(name, Some(proof)));
    }
}

fn claims_of_the_call(cases: &mut Vec<Case>) {
    for (name, proof) in [
        ("htm in small letters", with_claim("htm", json!("post"))),
        ("no htm", without_claim("htm")),
        ("htu of another path", with_claim("htu", json!("https://api.example.com/refund"))),
        ("htu of another host", with_claim("htu", json!("https://api.example.net/refunds"))),
        ("htu without TLS", with_claim("htu", json!("http://api.example.com/refunds"))),
        ("htu that is relative", with_claim("htu", json!("/refunds"))),
        ("htu with a user", with_claim("htu", json!("https://api.example.com@h/refunds"))),
        ("htu with a query", with_claim("htu", json!("https://api.example.com/refunds?a#b"))),
        ("htu in capitals", with_claim("htu", json!("HTTPS://API.example.com:443/refunds"))),
        ("htu of another port", with_claim("htu", json!("https://api.example.com:444/refunds"))),
        ("ath of another token", with_claim("ath", json!(b64(digest("x"))))),
        ("ath with padding", with_claim("ath", json!(b64(digest(&token("held"))) + "="))),
        ("another tool", with_claim("tool", json!("stripe/charge"))),
        ("no tool", without_claim("tool")),
        ("no args", without_claim("args")),
        ("args as JSON", with_claim("args", json!({"amount": 12.5}))),
        ("no jti", without_claim("jti")),
        ("an empty jti", with_claim("jti", json!(""))),
        ("a jti with a space", with_claim("jti", json!("a b"))),
        ("a jti of 128", with_claim("jti", json!("x".repeat(128)))),
        ("a jti of 129", with_claim("jti", json!("x".repeat(129)))),
        ("a jti that is a number", with_claim("jti", json!(1))),
        ("a nonce that nobody asked for", with_claim("nonce", json!("n"))),
    ] {
        cases.push(case(name, Some(proof)));
    }
    let nonces = vec!["one".to_owned(), "two".to_owned()];
    for (name, proof) in [
        ("no nonce", good()),
        ("another nonce", with_claim("nonce", json!("three"))),
        ("the second nonce", with_claim("nonce", json!("two"))),
    ] {
        cases.push(Case { nonces: nonces.clone(), ..case(name, Some(proof)) });
    }
    let good = case("", Some(good()));
    let name = |name: &str| name.to_owned();
    cases.extend([
        Case { name: name("called with GET"), method: "GET", ..good.clone() },
        Case { name: name("called elsewhere"), url: "https://h/".to_owned(), ..good.clone() },
        Case { name: name("another tool is called"), tool: "stripe/charge", ..good.clone() },
        Case { name: name("with a bearer token"), token: "bearer", ..good },
    ]);
}

fn times(cases: &mut Vec<Case>) {
    let at = |millis: i64| {
        let time = now().millis().checked_add_signed(millis).unwrap();
        Case {
            time: Timestamp::from_millis(time),
            ..case(&format!("{millis} ms later"), Some(good()))
        }
    };
    cases.extend([65_000, 65_001, -5_000, -5_001].map(at));
    for iat in [json!("1"), json!(1.5), json!(-1), json!(null), json!(u32::MAX)] {
        cases.push(case(&format!("iat {iat}"), Some(with_claim("iat", iat))));
    }
    cases.push(case("no iat", Some(without_claim("iat"))));
}

/// The same arguments in other words, and others.
fn arguments(cases: &mut Vec<Case>) {
    for args in [
        r#"{"currency":"usd","amount":1.25e1}"#,
        r#"{"amount": 12.5, "currency": "\u0075sd"}"#,
        r#"{"amount": 12.51, "currency": "usd"}"#,
        r#"{"amount": "12.5", "currency": "usd"}"#,
        "{}",
        r#"{"amount": 12.5, "amount": 12.5, "currency": "usd"}"#,
        r#"{"amount": 9007199254740993}"#,
        r#"{"amount": 1e400}"#,
        r#"{"note": "\ud800"}"#,
        r#"["amount"]"#,
        r#"{"amount": 12.5, "currency": "usd"} x"#,
    ] {
        cases.push(Case { args: args.to_owned(), ..case(&format!("args {args}"), Some(good())) });
    }
    for args in [
        r#"{"numbers": [4.50, 2e-3, 1e-27, 0.000001, 1e-7, 333333333.3333333, -0.0, 5e-324, 1e15]}"#,
        r#"{"numbers": [9007199254740991, -9007199254740991, 100, 1E2, 142495392378120.5]}"#,
        "{\"\u{e000}\": 1, \"\u{1f600}\": 2, \"a\": {\"\\r\": 3, \"\u{f6}\": 4, \"\u{20ac}\": 5, \"1\": 6, \"10\": 7, \"2\": 8}}",
        r#"{"text": "\u20ac$\u000f\nA'B\"\\\\\"/\u2028\u007f\b\f\t", "none": null, "yes": [true, false, [], {}]}"#,
    ] {
        let request = Request { time: now(), ..request(TOOL, args) };
        let proof = signed(&header("rust"), &claims(&token("held"), &request), &holder("rust"));
        cases.push(Case {
            args: args.to_owned(),
            ..case(&format!("canonical {args}"), Some(proof))
        });
    }
}
