//! Properties of whole tokens: whatever is appended takes away, a grant means the same as a rule of
//! block 0 and as a check, and the order of things decides nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::decide::Decision;
use hardtack::mint::mint;
use hardtack::model::{Args, Json, JsonProfile, Request};
use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::Grant;
use hardtack::vocabulary::names::WORDS;
use proptest::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::generators::{cases, grant, near, request_near, seeded};
use crate::outline::is_shown;
use crate::support::{code, judge, judge_bytes, now, root, task};

/// How often a property met an allowed call: one that is never met says nothing.
static ALLOWED: AtomicU32 = AtomicU32::new(0);
static JUDGED: AtomicU32 = AtomicU32::new(0);

fn minted(grants: &[Grant]) -> Option<UnverifiedToken> {
    let mut task = task(r#"[{"tool": "s/t"}]"#);
    task.grants = grants.to_vec();
    mint(&task, &root(), now(), &mut seeded(9)).ok().map(|minted| minted.token)
}

fn with_check(
    token: &UnverifiedToken,
    grants: &[Grant],
    r: &mut StdRng,
) -> Option<UnverifiedToken> {
    let narrowing = Narrowing { grants: grants.to_vec(), ..Narrowing::default() };
    attenuate(token, &narrowing, r).ok()
}

/// Random Datalog over the vocabulary's own words: facts, rules and checks a hostile holder writes.
fn hostile(r: &mut StdRng) -> String {
    (0..r.gen_range(1..4)).map(|_| statement(r)).collect()
}

fn statement(r: &mut StdRng) -> String {
    match r.gen_range(0..4) {
        0 => format!("{};", predicate(r, &[])),
        1 => {
            let body = body(r);
            let head = predicate(r, &bound(&body));
            format!("{head} <- {body}{};", scope(r))
        }
        2 => format!("check if {}{};", body(r), scope(r)),
        _ => format!("{} {}{};", ["check all", "reject if"][r.gen_range(0..2)], body(r), scope(r)),
    }
}

fn scope(r: &mut StdRng) -> &'static str {
    ["", "", "", " trusting previous", " trusting authority"].choose(r).unwrap()
}

fn body(r: &mut StdRng) -> String {
    let predicates: Vec<String> =
        (0..r.gen_range(1..3)).map(|_| predicate(r, &["$x", "$y", "$z"])).collect();
    predicates.join(", ")
}

fn bound(body: &str) -> Vec<&'static str> {
    ["$x", "$y", "$z"].into_iter().filter(|variable| body.contains(variable)).collect()
}

fn predicate(r: &mut StdRng, variables: &[&str]) -> String {
    let word = WORDS.choose(r).unwrap();
    let constants = [
        "\"s\"",
        "\"t\"",
        "\"a\"",
        "\"b\"",
        "\"a?\"",
        "\"a/*\"",
        "\"x\"",
        "1",
        "0",
        "1000000",
        "true",
        "null",
        "{\"a\", \"b\"}",
        "2026-11-22T10:00:00Z",
        "hex:00",
    ];
    let term = |r: &mut StdRng| match variables.choose(r) {
        Some(variable) if r.gen_bool(0.5) => (*variable).to_owned(),
        _ => (*constants.choose(r).unwrap()).to_owned(),
    };
    let terms: Vec<String> = (0..word.arity).map(|_| term(r)).collect();
    format!("{}({})", word.name, terms.join(", "))
}

fn child_bytes(parent: &UnverifiedToken, datalog: &str) -> Option<Vec<u8>> {
    let block = biscuit_auth::builder::BlockBuilder::new().code(datalog).ok()?;
    let parent = biscuit_auth::UnverifiedBiscuit::from(parent.as_bytes()).ok()?;
    parent.append(block).ok()?.to_vec().ok()
}

fn count(allowed: bool) {
    JUDGED.fetch_add(1, Ordering::Relaxed);
    ALLOWED.fetch_add(allowed.into(), Ordering::Relaxed);
}

fn is_met_often_enough() -> bool {
    let (judged, allowed) = (JUDGED.load(Ordering::Relaxed), ALLOWED.load(Ordering::Relaxed));
    judged < 2_000 || allowed * 50 > judged
}

/// The same arguments with their members in another order, at every depth.
fn shuffled(json: &Json, r: &mut StdRng) -> Json {
    match json {
        Json::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(name, value)| (name.clone(), shuffled(value, r))).collect();
            members.shuffle(r);
            Json::Object(members)
        }
        Json::Array(items) => Json::Array(items.iter().map(|item| shuffled(item, r)).collect()),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_child_is_allowed_no_more_than_its_parent(seed: u64) {
        let mut r = seeded(seed);
        let (json, first) = grant(&mut r);
        let (_, second) = near(&mut r, &json);
        let Some(parent) = minted(&[first, second]) else { return Ok(()) };
        // The parent may itself be narrowed already.
        let (_, third) = near(&mut r, &json);
        let parent = match with_check(&parent, &[third], &mut r) {
            Some(narrowed) if r.gen_bool(0.5) => narrowed,
            _ => parent,
        };
        let (_, fourth) = near(&mut r, &json);
        let narrowed = with_check(&parent, &[fourth], &mut r);
        let mut children: Vec<Vec<u8>> = narrowed.iter().map(|t| t.as_bytes().to_vec()).collect();
        for _ in 0..3 {
            children.extend(child_bytes(&parent, &hostile(&mut r)));
        }
        for _ in 0..4 {
            let request = request_near(&mut r, &json);
            let of_parent = judge(&parent, &request);
            count(of_parent.is_allow());
            for child in &children {
                let of_child = judge_bytes(child.clone(), &request);
                prop_assert!(
                    of_parent.is_allow() || !of_child.is_allow(),
                    "parent {} for {} {}", code(&of_parent), request.tool, request.args.value()
                );
                // Whatever a token may do, its lists show.
                prop_assert!(!of_child.is_allow() || is_shown(child, &request), "{}", request.tool);
                // A forged grant never shows up either: the grant that matched is the parent's.
                if let (Decision::Allow { grant: a }, Decision::Allow { grant: b }) =
                    (&of_parent, &of_child)
                {
                    prop_assert_eq!(a, b);
                }
            }
        }
        prop_assert!(is_met_often_enough(), "hardly any call was allowed");
    }

    #[test]
    fn a_grant_and_the_same_grant_as_a_check_decide_alike(seed: u64) {
        let mut r = seeded(seed);
        let (json, first) = grant(&mut r);
        let (_, second) = near(&mut r, &json);
        let grants = [first, second];
        let all = hardtack::vocabulary::grant::grants_from_json(
            br#"[{"tools": ["s/*", "r/*"]}]"#,
        ).unwrap();
        let Some(granting) = minted(&grants) else { return Ok(()) };
        let Some(free) = minted(&all) else { return Ok(()) };
        let Some(checking) = with_check(&free, &grants, &mut r) else { return Ok(()) };
        for _ in 0..4 {
            let request = request_near(&mut r, &json);
            let (a, b) = (judge(&granting, &request), judge(&checking, &request));
            prop_assert_eq!(a.is_allow(), b.is_allow(), "{} {}", request.tool, request.args.value());
            // Both readings explain a refusal alike.
            if let ([a], [b]) = (a.reasons(), b.reasons()) {
                prop_assert_eq!((&a.fact, &a.hint), (&b.fact, &b.hint));
            }
        }
    }

    #[test]
    fn the_order_of_arguments_decides_nothing(seed: u64) {
        let mut r = seeded(seed);
        let (json, first) = grant(&mut r);
        let (_, second) = near(&mut r, &json);
        let Some(token) = minted(&[first, second]) else { return Ok(()) };
        for _ in 0..4 {
            let request = request_near(&mut r, &json);
            let text = shuffled(request.args.value(), &mut r).to_string();
            let args = Args::parse(text, JsonProfile::Interoperable).unwrap();
            let other = Request { args, ..request.clone() };
            prop_assert_eq!(code(&judge(&token, &request)), code(&judge(&token, &other)));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let request = request_near(&mut seeded(1), &serde_json::json!({"tool": "s/t"}));
        prop_assert!(!judge_bytes(bytes, &request).is_allow());
    }

    #[test]
    fn no_block_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), seed: u64) {
        // Random bytes as the inner block, signed by the holder, as anybody can.
        let mut r = seeded(seed);
        let Some(parent) = minted(&[grant(&mut r).1]) else { return Ok(()) };
        if let Some(forged) = crate::support::with_raw_block(&parent, bytes) {
            let request = request_near(&mut r, &serde_json::json!({"tool": "s/t"}));
            let of_child = judge_bytes(forged, &request);
            prop_assert!(judge(&parent, &request).is_allow() || !of_child.is_allow());
        }
    }
}
