//! The nine laws. Each has tests named after it; the properties of the first, third and sixth are
//! in `properties`, the bounds of the fifth in `adversarial` and `limits`.

use std::collections::HashSet;
use std::sync::Arc;

use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::decide::{Policy, PolicyError};
use hardtack::mint::mint;
use hardtack::model::{Args, Code, JsonProfile, Key16, Timestamp};
use hardtack::verify::{
    DangerUnrevoked, KnownRevocations, RevocationView, Within, authenticate, authenticate_like,
};
use hardtack::vocabulary::Datalog;

use crate::support::*;

const GRANT: &str = r#"[{"tool": "crm/get_account", "args": {"id": {"max": 100}}}]"#;

fn call() -> hardtack::model::Request {
    request("crm/get_account", r#"{"id": 7}"#)
}

#[test]
fn law_1_only_block_0_grants() {
    let parent = token(GRANT);
    let other = request("crm/delete_account", "{}");
    for block in ["granted(0);", "granted(1) <- call($s, $t);", "granted(0) <- true;"] {
        assert_eq!(code(&judge_bytes(appended(&parent, block), &other)), "not-granted", "{block}");
    }
}

#[test]
fn law_1_no_policy_trusts_previous_or_grants() {
    for text in [
        "allow if granted($g) trusting previous;",
        "ok($t) <- call($s, $t) trusting previous; allow if ok($t);",
        "granted(0) <- call($s, $t); allow if granted($g);",
        "granted(7); allow if true;",
        "check if call($s, $t) trusting previous; allow if granted($g);",
    ] {
        let refused = Policy::parse([("p", text)]);
        assert!(matches!(refused, Err(PolicyError::Refused { .. })), "{text}: {refused:?}");
    }
    // A policy that allows everything still allows nothing that block 0 does not grant.
    let generous = Policy::parse([("p", "allow if true;")]).unwrap();
    let other = request("crm/delete_account", "{}");
    let decision = judge_with(token(GRANT), &other, &generous, &DangerUnrevoked);
    assert_eq!(code(&decision), "not-granted");
}

#[test]
fn law_2_default_deny() {
    let none = hardtack::present::Presented::from_authorization([]);
    assert_eq!(none.unwrap_err().code, Code::TokenMissing);
    let cases = [
        ("not-granted", judge(&token(GRANT), &request("crm/other", "{}"))),
        ("not-granted", judge(&token(GRANT), &request("crm/get_account", "{}"))),
        ("check-failed", judge(&checked(&token(GRANT), "check if never(1);"), &call())),
        (
            "evaluation-error",
            judge(&checked(&token(GRANT), "check if 9223372036854775807 + 1 > 0;"), &call()),
        ),
        (
            "token-too-complex",
            judge(
                &checked(
                    &token(GRANT),
                    &format!(
                        "{} check if f($a), f($b), f($c), $a + $b + $c > 1000;",
                        (0..64).map(|i| format!("f({i}); ")).collect::<String>()
                    ),
                ),
                &call(),
            ),
        ),
    ];
    for (expected, decision) in cases {
        assert_eq!(code(&decision), expected, "{decision:?}");
    }
}

#[test]
fn law_2_a_policy_cannot_refuse_by_a_question_that_may_stay_unanswered() {
    for text in [
        "deny if arg_under(\"path\", \"/etc\"); allow if granted($g);",
        "reject if arg_host(\"url\", \"evil.com\"); allow if granted($g);",
    ] {
        let refused = Policy::parse([("p", text)]).unwrap_err().to_string();
        assert!(refused.contains("silent where it cannot read"), "{refused}");
    }
    let asks = "check if arg_under(\"path\", \"/data\"); allow if granted($g);";
    assert!(Policy::parse([("p", asks)]).is_ok());
}

#[test]
fn law_2_an_unknown_vocabulary_version_denies() {
    use biscuit_auth::builder::Algorithm;
    let pair = biscuit_auth::KeyPair::from(
        &biscuit_auth::PrivateKey::from_bytes_hex(
            root().to_secret_text().trim_start_matches("ed25519-private/"),
            Algorithm::Ed25519,
        )
        .unwrap(),
    );
    for (block, expected) in [
        ("hardtack(1); granted(0) <- call(\"crm\", $t);", "allow"),
        ("hardtack(2); granted(0) <- call(\"crm\", $t);", "vocabulary-unknown"),
        ("hardtack(1); hardtack(2); granted(0) <- call(\"crm\", $t);", "vocabulary-unknown"),
        ("hardtack(\"1\"); granted(0) <- call(\"crm\", $t);", "vocabulary-unknown"),
        ("granted(0) <- call(\"crm\", $t);", "vocabulary-unknown"),
        ("hardtack(1); granted(0);", "vocabulary-unknown"),
        (
            "hardtack(1); task(\"a\"); task(\"b\"); granted(0) <- call(\"crm\", $t);",
            "vocabulary-unknown",
        ),
        ("hardtack(1); holder(hex:00); granted(0) <- call(\"crm\", $t);", "token-malformed"),
    ] {
        let bytes = biscuit_auth::Biscuit::builder()
            .root_key_id(root().id())
            .code(block)
            .unwrap()
            .build(&pair)
            .unwrap()
            .to_vec()
            .unwrap();
        assert_eq!(code(&judge_bytes(bytes, &call())), expected, "{block}");
    }
}

#[test]
fn law_2_a_stale_view_of_revocations_denies() {
    let view = KnownRevocations::new([], now());
    let at = |time: Timestamp| {
        let request = hardtack::model::Request { time, ..call() };
        let policy = Policy::standard().unwrap();
        code(&judge_with(token(GRANT), &request, &policy, &view))
    };
    assert_eq!(at(now().plus_secs(60)), "allow");
    assert_eq!(at(now().plus_secs(61)), "revocation-stale");
    // A view from the future would be fresh for ever.
    assert_eq!(at(Timestamp::from_secs(now().secs() - 5)), "allow");
    assert_eq!(at(Timestamp::from_secs(now().secs() - 6)), "revocation-stale");
}

/// Nothing that has a key is revoked, but all that was issued before a moment.
struct Since(Timestamp);

impl RevocationView for Since {
    fn age_millis(&self, _now: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, _key: &Key16) -> bool {
        false
    }

    fn issued_since(&self) -> Timestamp {
        self.0
    }
}

#[test]
fn law_2_what_was_issued_before_a_moment_is_revoked() {
    let parent = token(GRANT);
    let narrowing = Narrowing { depth: Some(1), ..Narrowing::default() };
    let child = attenuate(&parent, &narrowing, &mut rng(5)).unwrap();
    let judged = |token: &hardtack::token::UnverifiedToken, since: Timestamp| {
        let (policy, view) = (Policy::standard().unwrap(), Since(since));
        // As a guard holds it to the bound of a tool.
        let within = Within { view: &view, age_millis_max: 1 };
        let one = code(&judge_with(token.clone(), &call(), &policy, &view));
        assert_eq!(code(&judge_with(token.clone(), &call(), &policy, &within)), one);
        one
    };
    for token in [&parent, &child] {
        assert_eq!(judged(token, now()), "allow");
        assert_eq!(judged(token, Timestamp::from_millis(now().millis() + 1)), "revoked");
    }
    // Nobody knows when a token was issued whose task is no UUIDv7.
    let pair = biscuit_auth::KeyPair::from(
        &biscuit_auth::PrivateKey::from_bytes_hex(
            root().to_secret_text().trim_start_matches("ed25519-private/"),
            biscuit_auth::Algorithm::Ed25519,
        )
        .unwrap(),
    );
    for task in ["", "task(\"a\");", "task(\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\");"] {
        let block = format!("hardtack(1); {task} granted(0) <- call(\"crm\", $t);");
        let builder = biscuit_auth::Biscuit::builder().root_key_id(root().id());
        let bytes = builder.code(block).unwrap().build(&pair).unwrap().to_vec().unwrap();
        let undated = hardtack::token::UnverifiedToken::from_bytes(bytes).unwrap();
        assert_eq!(judged(&undated, Timestamp::default()), "allow", "{task}");
        assert_eq!(judged(&undated, Timestamp::from_secs(1)), "revoked", "{task}");
    }
}

struct Revoked(HashSet<Key16>);

impl RevocationView for Revoked {
    fn age_millis(&self, _now: Timestamp) -> Option<u64> {
        Some(0)
    }

    fn is_revoked(&self, key: &Key16) -> bool {
        self.0.contains(key)
    }
}

#[test]
fn law_2_a_revoked_block_task_agent_or_root_denies() {
    let parent = token(GRANT);
    let child = checked(&parent, "check if true;");
    let sibling = checked(&parent, "check if 1 < 2;");
    let policy = Policy::standard().unwrap();
    let verdicts = |revoked: &[u8]| {
        let view = Revoked(HashSet::from([Key16::of(revoked)]));
        [&parent, &child, &sibling]
            .map(|token| code(&judge_with(token.clone(), &call(), &policy, &view)))
    };
    let raw = |token: &hardtack::token::UnverifiedToken| {
        hex::decode(token.revocation_ids().last().unwrap().to_string()).unwrap()
    };
    assert_eq!(verdicts(b"nothing"), ["allow"; 3]);
    assert_eq!(verdicts(&raw(&child)), ["allow", "revoked", "allow"]);
    assert_eq!(verdicts(&raw(&parent)), ["revoked"; 3]);
    assert_eq!(verdicts(parent.authority_text("task").unwrap().as_bytes()), ["revoked"; 3]);
    assert_eq!(verdicts(b"agent:orchestrator"), ["revoked"; 3]);
    assert_eq!(verdicts(&root().public().to_bytes()), ["revoked"; 3]);
}

/// A leaked key takes down what it held at any hop, whoever holds that now; and nothing else.
#[test]
fn law_2_a_revoked_holder_at_any_hop_denies() {
    use crate::holders::{bound, handed, holder};

    let first = bound();
    let through = handed(&handed(&first, 0, 1), 1, 2);
    let around = handed(&handed(&first, 0, 3), 3, 2);
    let verdicts = |revoked: &[u8]| {
        let view = Revoked(HashSet::from([Key16::of(revoked)]));
        [&first, &through, &around].map(|token| {
            // A child of a known token is held against all of its holders too.
            let known = authenticate(first.clone(), &roots()).unwrap();
            let alone = authenticate(token.clone(), &roots()).unwrap();
            let like = authenticate_like(token.clone().into(), &roots(), Some(&known)).unwrap();
            let [alone, like] = [alone, like].map(|it| it.unrevoked(&view, now()).is_ok());
            assert_eq!(alone, like);
            alone
        })
    };
    let key = |n| holder(n).public().to_bytes();
    assert_eq!(verdicts(&key(4)), [true; 3]);
    assert_eq!(verdicts(&key(1)), [true, false, true]);
    assert_eq!(verdicts(&key(3)), [true, true, false]);
    assert_eq!(verdicts(&key(2)), [true, false, false]);
    assert_eq!(verdicts(&key(0)), [false; 3]);
}

#[test]
fn law_3_request_facts_come_from_the_gateway_alone() {
    for word in hardtack::vocabulary::names::WORDS {
        let terms = vec!["1"; word.arity].join(", ");
        let fact = format!("{}({terms});", word.name);
        let mut hostile = task(GRANT);
        hostile.datalog = Datalog::parse(&fact).unwrap();
        let refused = mint(&hostile, &root(), now(), &mut rng(2)).unwrap_err().to_string();
        assert!(refused.contains("a word of the vocabulary"), "{fact} {refused}");
    }
    // A block that carries one changes no other block's decision, in either direction.
    let limited = checked(&token(GRANT), "check if number(\"id\", $n), $n <= 5000000;");
    for forged in ["number(\"id\", 1);", "number(\"id\", 1) <- true;", "arg(\"id\", 1);"] {
        let child = appended(&limited, forged);
        assert_eq!(code(&judge_bytes(child.clone(), &call())), "check-failed", "{forged}");
        let within = request("crm/get_account", r#"{"id": 5}"#);
        assert_eq!(code(&judge_bytes(child, &within)), "allow", "{forged}");
    }
}

#[test]
fn law_3_a_block_cannot_add_facts_for_another_by_asking() {
    // Asking about an absent argument must not show its `null` to a query that asks about all.
    let parent = checked(&token(GRANT), "check if arg($path, null);");
    let child = appended(&parent, "check if arg_at(\"ghost?\", $x) or true;");
    assert_eq!(code(&judge_bytes(child, &call())), "check-failed");
}

#[test]
fn law_4_judged_bytes_are_kept_and_strict() {
    let text = "{ \"id\" : 7.0 }";
    let args = Args::parse(text, JsonProfile::Interoperable).unwrap();
    assert_eq!(args.bytes(), text.as_bytes());
    for text in [
        r#"{"id": 7, "id": 8}"#,
        r#"{"id": 7, "\u0069d": 8}"#,
        r#"{"id": "\ud800"}"#,
        r#"{"id": 9007199254740992}"#,
        r#"{"id": 1e400}"#,
        r#"{"id": NaN}"#,
        r#"{"id": 7} {}"#,
        "[7]",
        "\u{feff}{}",
    ] {
        assert!(Args::parse(text, JsonProfile::Interoperable).is_err(), "{text}");
    }
}

#[test]
fn law_5_cost_is_bounded_before_evaluation() {
    let facts: String = (0..64).map(|i| format!("f({i}); ")).collect();
    // By shape, when the token is decoded: no signature is checked for it, no policy consulted.
    for shape in [
        format!("{facts} check if f($a), f($b), f($c), f($d);"),
        "check if call($s, $t), $t.matches($s);".to_owned(),
        "reject if true or false;".to_owned(),
        format!("check if {}1{} != [];", "[".repeat(20), "]".repeat(20)),
    ] {
        let bytes = appended(&token(GRANT), &shape);
        let error = hardtack::token::UnverifiedToken::from_bytes(bytes).unwrap_err();
        assert_eq!(error.code, Code::TokenTooComplex, "{shape}");
    }
    // By steps, what the shape cannot tell; and the token that was narrowed stays usable.
    let slow = appended(
        &token(GRANT),
        &format!("{facts} check if f($a), f($b), f($c), $a + $b + $c > 999;"),
    );
    assert_eq!(code(&judge_bytes(slow, &call())), "token-too-complex");
    assert!(judge(&token(GRANT), &call()).is_allow());
}

#[test]
fn law_6_same_input_same_decision() {
    let grants = r#"[{"tool": "crm/get_account", "args": {"id": {"max": 5}, "x": {"any": true}}},
        {"tool": "crm/get_account", "args": {"id": {"max": 9}, "x": {"any": true}}}]"#;
    let token = token(grants);
    let a = judge(&token, &request("crm/get_account", r#"{"id": 7, "x": {"b": 1, "a": 2}}"#));
    let b = judge(&token, &request("crm/get_account", r#"{"x": {"a": 2, "b": 1}, "id": 7}"#));
    assert_eq!(a, b);
    assert!(matches!(a, hardtack::decide::Decision::Allow { grant: 1 }), "{a:?}");
    let over = |args| judge(&token, &request("crm/get_account", args));
    assert_eq!(over(r#"{"id": 70, "x": 1}"#), over(r#"{"x": 1, "id": 70}"#));
}

/// A log whose disk is full.
#[cfg(feature = "guard")]
struct Full;

#[cfg(feature = "guard")]
impl hardtack::record::Sink for Full {
    fn write(&self, _: hardtack::record::Record) -> Result<(), hardtack::record::SinkError> {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
    }
}

/// The status of one call through a guard, and how often the handler ran.
#[cfg(feature = "guard")]
fn guarded(sink: Arc<dyn hardtack::record::Sink>, body: &'static str) -> (u16, usize) {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::{Router, routing::post};
    use hardtack::guard::{Guard, ToolMap};
    use hardtack::model::ManualClock;
    use tower::ServiceExt;

    let guard = Guard::builder("gw")
        .roots(roots())
        .tools(ToolMap::new().route("POST", "/accounts", "crm/get_account").unwrap())
        .sink(sink)
        .clock(Arc::new(ManualClock::at(now())))
        .revocations(DangerUnrevoked)
        .build()
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let app = Router::new().route("/accounts", post(handler)).layer(guard);
    let request = http::Request::post("/accounts")
        .header("authorization", hardtack::present::to_authorization(&token(GRANT)))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(app.oneshot(request)).unwrap();
    (response.status().as_u16(), runs.load(Ordering::SeqCst))
}

#[cfg(feature = "guard")]
#[test]
fn law_7_every_decision_leaves_a_record_or_the_call_is_denied() {
    let sink = Arc::new(hardtack::record::MemorySink::new());
    assert_eq!(guarded(sink.clone(), r#"{"id": 7}"#), (200, 1));
    assert_eq!(guarded(sink.clone(), r#"{"id": 700}"#), (403, 0));
    assert_eq!(guarded(sink.clone(), r#"{"id": 7, "id": 8}"#), (400, 0));
    let codes: Vec<_> = sink.records().iter().map(|record| record.decision.code()).collect();
    assert_eq!(codes, [None, Some(Code::NotGranted), Some(Code::RequestMalformed)]);
    assert_eq!(guarded(Arc::new(Full), r#"{"id": 7}"#), (503, 0));
}

#[test]
fn law_8_secrets_never_appear_in_debug() {
    let token = token(GRANT);
    let text = token.to_text();
    let authentic = Arc::new(authenticate(token.clone(), &roots()).unwrap());
    let verified = authentic.admit(&DangerUnrevoked, now()).unwrap();
    let minted = mint(&task(GRANT), &root(), now(), &mut rng(2)).unwrap();
    let secret = root().to_secret_text();
    let presented = hardtack::present::Presented::new(token.clone());
    let debug = format!(
        "{token:?} {authentic:?} {verified:?} {minted:?} {presented:?} {:?} {:?}",
        root(),
        judge(&token, &call())
    );
    let shown = |needle: &str| debug.contains(needle) || debug.contains(&hex::encode(needle));
    assert!(!shown(&text[..40]) && !shown(&text[text.len() - 40..]));
    assert!(!debug.contains(secret.trim_start_matches("ed25519-private/")));
}

#[test]
fn law_9_time_and_randomness_are_arguments() {
    let mint_once = || mint(&task(GRANT), &root(), now(), &mut rng(5)).unwrap().token.to_text();
    assert_eq!(mint_once(), mint_once());
    let narrowing = Narrowing { depth: Some(1), ..Narrowing::default() };
    let parent = token(GRANT);
    let once = || attenuate(&parent, &narrowing, &mut rng(6)).unwrap().to_text();
    assert_eq!(once(), once());
    let expired = hardtack::model::Request { time: now().plus_secs(900), ..call() };
    assert_eq!(code(&judge(&parent, &expired)), "expired");
    let last_second = hardtack::model::Request { time: now().plus_secs(899), ..call() };
    assert_eq!(code(&judge(&parent, &last_second)), "allow");
}
