//! Tokens and requests to decisions. A bound token comes with a proof by its final holder.

use std::sync::Arc;

use biscuit_auth::builder::Algorithm;
use hardtack::attenuate::{Narrowing, attenuate, delegate, seal};
use hardtack::decide::{Decision, Policy, Program, decide};
use hardtack::keys::RootKey;
use hardtack::mint::mint;
use hardtack::model::{Reason, Request};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{Authentic, DangerUnrevoked, ProofTarget, authenticate, check_proof};
use hardtack::vocabulary::{Datalog, Needs, facts, print};
use serde_json::{Value, json};

use super::proofs::{b64, claims, header, signed, uri};
use super::shared::{HOLDERS, NARROWED, holder, made, start};
use super::{file, held, parseable};
use crate::holders::{digest, signed_by};
use crate::support::{grants, now, request, rng, root, roots, task};

/// One token, one call, and what becomes of it.
struct Case {
    name: String,
    token: String,
    request: Request,
}

#[test]
fn tokens_and_requests_get_the_same_decisions() {
    let entries: Vec<Value> = cases().iter().map(Case::entry).collect();
    let count = |wanted: &str| entries.iter().filter(|entry| entry["decision"] == wanted).count();
    assert!(count("allow") >= 20 && count("deny") >= 30, "{} {}", count("allow"), count("deny"));
    held(
        "decisions.json",
        &file(&[("root", json!(root().public())), ("decisions", json!(entries))]),
    );
}

impl Case {
    fn new(name: &str, token: impl Into<String>, request: Request) -> Self {
        Self { name: name.to_owned(), token: token.into(), request }
    }

    fn entry(&self) -> Value {
        let authentic = authentic(&self.token);
        let facts = authentic.as_ref().map(|authentic| self.facts(authentic)).unwrap_or_default();
        let decision = authentic.and_then(|authentic| self.decided(&authentic));
        let decision = decision.unwrap_or_else(Decision::deny);
        let Request { tool, args, labels, audience, time, .. } = &self.request;
        json!({
            "name": self.name,
            "token": self.token,
            "request": {
                "tool": tool, "args": std::str::from_utf8(args.bytes()).unwrap(),
                "labels": labels, "audience": audience, "time": time,
            },
            "facts": facts,
            "decision": if decision.is_allow() { "allow" } else { "deny" },
            "code": decision.code(),
        })
    }

    /// What the gateway says of the request: all that the token asks for and that is true.
    fn facts(&self, authentic: &Authentic) -> Vec<String> {
        let mut needs = Needs::default();
        for block in authentic.blocks() {
            let checked = block.checks.iter().flat_map(|check| &check.queries);
            for predicate in block.rules.iter().chain(checked).flat_map(|query| &query.body) {
                needs.add(predicate);
            }
        }
        let facts = facts(&self.request, &authentic.bearing(), &needs).unwrap();
        facts.iter().map(|fact| parseable(&print::fact(fact))).collect()
    }

    fn decided(&self, authentic: &Arc<Authentic>) -> Result<Decision, Reason> {
        let program = Program::new(authentic, &Policy::standard().unwrap())?;
        let possession = match authentic.holder() {
            None => None,
            Some(key) => {
                let (name, _) =
                    HOLDERS.into_iter().find(|(name, _)| holder(name).public() == *key).unwrap();
                let mut claims = claims(&self.token, &self.request);
                claims["jti"] = b64(self.name.as_bytes()).into();
                let proof = signed(&header(name), &claims, &holder(name));
                let token_digest = digest(&self.token);
                let (uri, nonces) = (uri(), []);
                let target =
                    ProofTarget { token_digest, method: "POST", uri: &uri, nonces: &nonces };
                let unspent = check_proof(Some(&proof), authentic, &target, &self.request)?;
                Some(unspent.danger_unrecorded())
            }
        };
        let verified =
            authentic.admit_with(&DangerUnrevoked, self.request.time, possession.as_ref())?;
        Ok(decide(&verified, &program, &self.request))
    }
}

fn authentic(text: &str) -> Result<Arc<Authentic>, Reason> {
    let token: UnverifiedToken = text.parse()?;
    authenticate(token, &roots()).map(Arc::new)
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    constraints(&mut cases);
    narrowings(&mut cases);
    frames(&mut cases);
    chains(&mut cases);
    strangers(&mut cases);
    for (by, made) in made() {
        for (name, token) in &made.tokens {
            for (what, tool, args) in [
                ("within", "stripe/refund", r#"{"amount": 12.5, "currency": "usd"}"#),
                ("above", "stripe/refund", r#"{"amount": 12.500001, "currency": "usd"}"#),
                ("a text for a number", "stripe/refund", r#"{"amount": "12", "currency": "usd"}"#),
                ("another currency", "stripe/refund", r#"{"amount": 1, "currency": "eur"}"#),
                (
                    "another argument",
                    "stripe/refund",
                    r#"{"amount": 1, "currency": "usd", "note": "x"}"#,
                ),
                ("nested", "crm/get", r#"{"filter": {"id": "c\"\\é7"}}"#),
                ("nested, left out", "crm/list", "{}"),
                ("nested, another", "crm/get", r#"{"filter": {"id": "c7"}}"#),
                ("another tool", "crm/delete", "{}"),
            ] {
                let name = format!("made by {by}: {name}, {what}");
                cases.push(Case::new(&name, token, request(tool, args)));
            }
        }
    }
    cases
}

fn minted(grants: &str) -> UnverifiedToken {
    mint(&task(grants), &root(), now(), &mut rng(30)).unwrap().token
}

fn narrowed(token: &UnverifiedToken, json: &str) -> UnverifiedToken {
    let narrowing = Narrowing { grants: grants(json), ..Narrowing::default() };
    attenuate(token, &narrowing, &mut rng(31)).unwrap()
}

fn checked(token: &UnverifiedToken, datalog: &str) -> UnverifiedToken {
    let narrowing = Narrowing { datalog: Datalog::parse(datalog).unwrap(), ..Narrowing::default() };
    attenuate(token, &narrowing, &mut rng(32)).unwrap()
}

/// One grant with one constraint on `x`, and arguments that it takes and that it does not.
fn constraints(cases: &mut Vec<Case>) {
    for (constraint, taken, refused) in [
        (r#"{"max": 12.5}"#, r#"{"x": 1.25e1}"#, r#"{"x": 12.51}"#),
        (r#"{"min": -0.000001}"#, r#"{"x": -1e-6}"#, r#"{"x": -1}"#),
        (r#"{"max": 5}"#, r#"{"x": 4.999999}"#, r#"{"x": 1.0000001}"#),
        (r#"{"eq": 5}"#, r#"{"x": 5.0}"#, r#"{"x": "5"}"#),
        (r#"{"eq": true}"#, r#"{"x": true}"#, r#"{"x": 1}"#),
        (r#"{"one_of": ["a", 7, false]}"#, r#"{"x": false}"#, r#"{"x": null}"#),
        (r#"{"not_one_of": ["a"]}"#, r#"{"x": "b"}"#, r#"{"x": 7}"#),
        (r#"{"eq": "USD", "ignore_case": true}"#, r#"{"x": "uSd"}"#, r#"{"x": "uſd"}"#),
        (r#"{"prefix": "é\"\\\n"}"#, r#"{"x": "é\"\\\n."}"#, r#"{"x": "é\"\\n."}"#),
        (r#"{"contains": "a\tb"}"#, r#"{"x": "-a\tb-"}"#, r#"{"x": "-a b-"}"#),
        (r#"{"matches": "ch_\\w+"}"#, r#"{"x": "ch_1"}"#, r#"{"x": "ch_1 "}"#),
        (r#"{"max_length": 2}"#, r#"{"x": "😀é"}"#, r#"{"x": "abc"}"#),
        (r#"{"max": 1, "optional": true}"#, r#"{"x": null}"#, r#"{"x": 2}"#),
        (r#"{"present": true}"#, r#"{"x": {"y": 1}}"#, r#"{"x": null}"#),
        (r#"{"absent": true}"#, "{}", r#"{"x": 0}"#),
        (r#"{"subset_of": ["a", "b"]}"#, r#"{"x": ["b", "b"]}"#, r#"{"x": "b"}"#),
        (r#"{"subset_of": [1.5, 2]}"#, r#"{"x": []}"#, r#"{"x": [3]}"#),
        (r#"{"contains_all": ["a", "b"]}"#, r#"{"x": ["c", "b", "a"]}"#, r#"{"x": ["a"]}"#),
        (r#"{"each": {"min": 1}, "max_items": 2}"#, r#"{"x": [1, 2]}"#, r#"{"x": [1, 0]}"#),
        (r#"{"on": "2026-11-22"}"#, r#"{"x": "2026-11-22T23:59:59Z"}"#, r#"{"x": "2026-11-23"}"#),
        (r#"{"under": "/data"}"#, r#"{"x": "/data/a"}"#, r#"{"x": "/data/../etc"}"#),
        (r#"{"host": "*.example.com"}"#, r#"{"x": "https://a.example.com/"}"#, r#"{"x": "a"}"#),
        (r#"{"cidr": "10.0.0.0/8"}"#, r#"{"x": "10.1.2.3"}"#, r#"{"x": "11.1.2.3"}"#),
        (r#"{"command": ["git", "ls"]}"#, r#"{"x": "git log"}"#, r#"{"x": "git log; rm x"}"#),
    ] {
        let token = minted(&format!(r#"[{{"tool": "a/b", "args": {{"x": {constraint}}}}}]"#));
        for (what, args) in [("takes", taken), ("refuses", refused)] {
            let name = format!("{constraint} {what} {args}");
            cases.push(Case::new(&name, token.to_text(), request("a/b", args)));
        }
    }
    let nested = minted(
        r#"[{"tool": "a/b", "args": {"items/*/price": {"max": 9}, "a~1b/~2": {"eq": "*"}}},
            {"server": "a", "labels": ["read", "small"]}]"#,
    );
    for (what, args) in [
        ("nested paths", r#"{"items": [{"price": 9}, {"price": 1.5}], "a/b": {"*": "*"}}"#),
        ("one element above", r#"{"items": [{"price": 9}, {"price": 9.5}], "a/b": {"*": "*"}}"#),
        ("a stranger inside", r#"{"items": [{"price": 9, "x": 1}], "a/b": {"*": "*"}}"#),
    ] {
        cases.push(Case::new(what, nested.to_text(), request("a/b", args)));
    }
    for labels in [&["read"][..], &["read", "small", "more"]] {
        let labels = labels.iter().map(|label| label.to_string()).collect();
        let request = Request { labels, ..request("a/other", r#"{"any": [{}, []]}"#) };
        cases.push(Case::new("by labels", nested.to_text(), request));
    }
}

fn narrowings(cases: &mut Vec<Case>) {
    let token = narrowed(&start(None), NARROWED);
    let twice = narrowed(&token, r#"[{"tool": "crm/*"}]"#);
    for (token, what) in [(&token, "narrowed"), (&seal(&twice).unwrap(), "narrowed twice, sealed")]
    {
        for (tool, args) in [
            ("stripe/refund", r#"{"amount": 12, "currency": "usd"}"#),
            ("stripe/refund", r#"{"amount": 13, "currency": "usd"}"#),
            ("crm/list", "{}"),
            ("crm/delete", "{}"),
            ("mail/send", "{}"),
        ] {
            cases.push(Case::new(what, token.to_text(), request(tool, args)));
        }
    }
    let wider = narrowed(&minted(r#"[{"tool": "a/b"}]"#), r#"[{"tool": "a/*"}, {"tool": "c/d"}]"#);
    for tool in ["a/b", "a/c", "c/d"] {
        cases.push(Case::new("a later block grants nothing", wider.to_text(), request(tool, "{}")));
    }
    let hostile = crate::support::appended(
        &minted(r#"[{"tool": "a/b"}]"#),
        r#"granted(0) <- call($s, $t); granted(0); call("a", "b"); check if call("a", "b");"#,
    );
    let hostile = UnverifiedToken::from_bytes(hostile).unwrap();
    for tool in ["a/b", "a/c"] {
        cases.push(Case::new("facts of a later block", hostile.to_text(), request(tool, "{}")));
    }
    let digest = hex::encode(request("a/b", r#"{"x": 1}"#).args.digest());
    let once = checked(
        &minted(r#"[{"tool": "a/b"}]"#),
        &format!("check if args_digest($d), $d == hex:{digest}"),
    );
    for args in [r#"{ "x": 1.0 }"#, r#"{"x": 2}"#] {
        cases.push(Case::new("for one call", once.to_text(), request("a/b", args)));
    }
}

fn frames(cases: &mut Vec<Case>) {
    let token = start(None);
    let call = request("crm/get", "{}");
    for (what, request) in [
        ("the last second", Request { time: now().plus_secs(3599), ..call.clone() }),
        ("expired", Request { time: now().plus_secs(3600), ..call.clone() }),
        ("another gateway", Request { audience: "other".to_owned(), ..call.clone() }),
    ] {
        cases.push(Case::new(what, token.to_text(), request));
    }
    for (what, datalog) in [
        ("Sundays", "check if weekday($d), $d == 7, minute_of_day($m), $m == 601"),
        ("Mondays", "check if weekday(1)"),
        ("one hop", "check if depth($d), $d <= 1"),
        ("no hop", "check if depth(0)"),
        ("every label", "check all label($l), $l == \"read\""),
        ("not a label", "reject if label(\"write\")"),
    ] {
        for label in ["read", "write"] {
            let request = Request { labels: [label.to_owned()].into(), ..call.clone() };
            let name = format!("{what}, {label}");
            cases.push(Case::new(&name, checked(&token, datalog).to_text(), request));
        }
    }
}

/// The bound token, handed on along these holders.
fn handed(names: &[&str]) -> UnverifiedToken {
    let first = start(names.first().copied());
    names.windows(2).fold(first, |token, pair| {
        let [from, to] = [holder(pair[0]), holder(pair[1])];
        let narrowing = Narrowing { grants: grants(NARROWED), ..Narrowing::default() };
        let name = format!("agent:{}", pair[1]);
        delegate(&token, &from, &to.public(), &name, &narrowing, &mut rng(33)).unwrap()
    })
}

fn chains(cases: &mut Vec<Case>) {
    let (in_reach, beyond) = (
        request("stripe/refund", r#"{"amount": 10, "currency": "usd"}"#),
        request("stripe/refund", r#"{"amount": 20, "currency": "usd"}"#),
    );
    for names in [&["rust"][..], &["rust", "python"], &["rust", "python", "typescript", "other"]] {
        let token = handed(names);
        for token in [seal(&token).unwrap(), token] {
            let name = format!("held by {}", names.join(", then "));
            cases.push(Case::new(&name, token.to_text(), in_reach.clone()));
            cases.push(Case::new(&name, token.to_text(), beyond.clone()));
        }
    }
    let two = handed(&["rust", "python"]);
    for (what, by, datalog) in [
        ("a check by its holder", "python", "check if presenter($k), depth(1)".to_owned()),
        ("a check by a stranger", "other", "check if depth(2)".to_owned()),
        ("handed on by a stranger", "other", delegation("other")),
        ("handed on by a former holder", "rust", delegation("other")),
        ("handed back", "python", delegation("rust")),
        ("handed on twice in a block", "python", delegation("other") + &delegation("typescript")),
    ] {
        cases.push(Case::new(
            what,
            signed_by(&two, &holder(by), &datalog).to_text(),
            in_reach.clone(),
        ));
    }
    for (what, token) in [("unsigned", &two), ("of a bearer token", &start(None))] {
        let token = crate::support::appended(token, &delegation("other"));
        let token = UnverifiedToken::from_bytes(token).unwrap();
        let name = format!("a delegation {what}");
        cases.push(Case::new(&name, token.to_text(), in_reach.clone()));
    }
}

fn delegation(to: &str) -> String {
    format!("delegate(hex:{}, \"agent:{to}\");", hex::encode(holder(to).public().to_bytes()))
}

/// Tokens that nobody should take.
fn strangers(cases: &mut Vec<Case>) {
    let call = request("a/b", "{}");
    let task = task(r#"[{"tool": "a/b"}]"#);
    let other = mint(&task, &RootKey::generate(&mut rng(40)), now(), &mut rng(41)).unwrap().token;
    cases.push(Case::new("another root key", other.to_text(), call.clone()));
    let mut bytes = minted(r#"[{"tool": "a/b"}]"#).as_bytes().to_vec();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    cases.push(Case::new("a bit of block 0", base64url(&bytes), call.clone()));
    for (what, version) in [("no version", ""), ("another version", "hardtack(2);")] {
        let root = biscuit_auth::PrivateKey::from_bytes_hex(
            root().to_secret_text().rsplit('/').next().unwrap(),
            Algorithm::Ed25519,
        );
        let code = format!("{version} granted(0) <- call(\"a\", \"b\"); task(\"t\");");
        let key = biscuit_auth::KeyPair::from(&root.unwrap());
        let next = biscuit_auth::KeyPair::new_with_rng(Algorithm::Ed25519, &mut rng(42));
        let token = biscuit_auth::Biscuit::builder()
            .code(code)
            .unwrap()
            .build_with_key_pair(&key, biscuit_auth::datalog::SymbolTable::new(), &next)
            .unwrap();
        cases.push(Case::new(what, token.to_base64().unwrap(), call.clone()));
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}
