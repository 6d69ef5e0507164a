//! Grants mean the same wherever they are read: directly, as Datalog, and back from Datalog.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use biscuit_auth::builder::{AuthorizerBuilder, BlockBuilder, Policy, Rule};
use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair};
use hardtack::model::{Args, Json, JsonProfile, Request};
use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::grant::{grants_from_json, within_any};
use hardtack::vocabulary::{Bearing, Grant, Needs, compile, facts, read};
use proptest::prelude::*;
use rand::Rng;

use super::generators::{cases, grant, near, request_near, seeded};

/// What biscuit-auth itself decides about a token, a request and a policy.
fn decided(token: &Biscuit, rules: &[Rule], request: &Request, policy: &str) -> bool {
    let mut needs = Needs::default();
    rules.iter().flat_map(|rule| &rule.body).for_each(|predicate| needs.add(predicate));
    // Building runs the rules already, under the builder's own limits: one millisecond by default.
    let limits = AuthorizerLimits {
        max_facts: 100_000,
        max_iterations: 100,
        max_time: Duration::from_secs(60),
    };
    let mut builder = AuthorizerBuilder::new()
        .set_limits(limits.clone())
        .policy(Policy::try_from(policy).unwrap())
        .unwrap();
    for fact in facts(request, &Bearing::default(), &needs).unwrap() {
        builder = builder.fact(fact).unwrap();
    }
    match builder.build(token).unwrap().authorize_with_limits(limits) {
        Ok(_) => true,
        Err(biscuit_auth::error::Token::FailedLogic(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

/// A token whose block 0 grants, and one whose second block checks.
fn tokens(grant: &Grant) -> Option<(Biscuit, Biscuit, Vec<Rule>)> {
    let grants = std::slice::from_ref(grant);
    let (rules, check) = (compile::rules(grants).ok()?, compile::check(grants).ok()?);
    let root = KeyPair::new();
    let granting = rules.iter().cloned().try_fold(Biscuit::builder(), |b, rule| b.rule(rule));
    let granting = granting.unwrap().build(&root).unwrap();
    let block = BlockBuilder::new().check(check).unwrap();
    let checking = Biscuit::builder().build(&root).unwrap().append(block).unwrap();
    Some((granting, checking, rules))
}

fn decoded(token: &Biscuit) -> UnverifiedToken {
    UnverifiedToken::from_bytes(token.to_vec().unwrap()).unwrap()
}

static PERMITTED: AtomicU32 = AtomicU32::new(0);
static READ: AtomicU32 = AtomicU32::new(0);
static UNREAD: AtomicU32 = AtomicU32::new(0);
static JUDGED: AtomicU32 = AtomicU32::new(0);

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn datalog_and_direct_reading_agree(seed: u64) {
        let mut r = seeded(seed);
        let (json, grant) = grant(&mut r);
        let Some((granting, checking, rules)) = tokens(&grant) else { return Ok(()) };
        for _ in 0..4 {
            let request = request_near(&mut r, &json);
            let direct = grant.permits(&request).is_ok();
            let at = format!("{grant}\n{} {}", request.tool, request.args.value());
            let granted = decided(&granting, &rules, &request, "allow if granted(0)");
            prop_assert_eq!(direct, granted, "as a grant of {}", at);
            let checked = decided(&checking, &rules, &request, "allow if true");
            prop_assert_eq!(direct, checked, "as a check of {}", at);
            JUDGED.fetch_add(1, Ordering::Relaxed);
            PERMITTED.fetch_add(direct.into(), Ordering::Relaxed);
        }
        // A property of denials alone would say little.
        let (judged, permitted) = (JUDGED.load(Ordering::Relaxed), PERMITTED.load(Ordering::Relaxed));
        prop_assert!(judged < 800 || permitted * 8 > judged, "{permitted} of {judged} permitted");
    }

    #[test]
    fn a_compiled_grant_is_read_back(seed: u64) {
        let mut r = seeded(seed);
        let (json, grant) = grant(&mut r);
        let Some((granting, checking, _)) = tokens(&grant) else { return Ok(()) };
        let back = read::authority(&decoded(&granting).blocks()[0].rules);
        let queries = read::check(&decoded(&checking).blocks()[1].checks[0]);
        READ.fetch_add(1, Ordering::Relaxed);
        let (Some(mut back), Some(queries)) = (back, queries) else {
            // Such as one bound on the elements twice, by `each` and by a path with `*`.
            UNREAD.fetch_add(1, Ordering::Relaxed);
            let (read, unread) = (READ.load(Ordering::Relaxed), UNREAD.load(Ordering::Relaxed));
            prop_assert!(unread * 100 <= read + 100, "{unread} of {read} unread: {grant}");
            return Ok(());
        };
        let back = back.remove(&0).unwrap();
        prop_assert_eq!(back.len(), 1, "{}", grant);
        for _ in 0..6 {
            let request = request_near(&mut r, &json);
            let permits = |grants: &[Grant]| grants.iter().any(|g| g.permits(&request).is_ok());
            let (want, args) = (grant.permits(&request).is_ok(), request.args.value());
            prop_assert_eq!(want, permits(&back), "{} read as {}: {}", grant, back[0], args);
            prop_assert_eq!(want, permits(&queries), "{}: {}", grant, args);
        }
        for grant in back.iter().chain(&queries) {
            prop_assert_eq!(grants_from_json(grant.to_string().as_bytes()).unwrap(), vec![grant.clone()]);
        }
        prop_assert_eq!(within_any(&back, std::slice::from_ref(&grant)), Ok(()), "{}", back[0]);
    }

    #[test]
    fn text_form_round_trips(seed: u64) {
        let (_, grant) = grant(&mut seeded(seed));
        let text = grant.to_string();
        prop_assert_eq!(grants_from_json(text.as_bytes()), Ok(vec![grant]), "{}", text);
    }

    #[test]
    fn facts_are_unique_and_ordered_by_nothing_in_the_request(seed: u64) {
        let mut r = seeded(seed);
        let (json, grant) = grant(&mut r);
        let mut request = request_near(&mut r, &json);
        let mut needs = Needs::default();
        let every: Rule = "q(1) <- arg($p, $v), number($p, $n)".try_into().unwrap();
        let rules = compile::rules(&[grant]).unwrap_or_default();
        let queries = rules.iter().chain([&every]);
        queries.flat_map(|rule| &rule.body).for_each(|predicate| needs.add(predicate));
        let made = facts(&request, &Bearing::default(), &needs).unwrap();
        let mut keys = BTreeSet::new();
        for fact in made.iter().filter(|fact| ["arg", "number"].contains(&fact.predicate.name.as_str())) {
            let key = format!("{} {:?}", fact.predicate.name, fact.predicate.terms[0]);
            prop_assert!(keys.insert(key), "{} twice for {}", fact, request.args.value());
        }
        let sorted = |facts: &[biscuit_auth::builder::Fact]| {
            facts.iter().map(|fact| format!("{fact:?}")).collect::<BTreeSet<_>>()
        };
        let turned = turned(request.args.value()).to_string();
        request.args = Args::parse(turned, JsonProfile::Interoperable).unwrap();
        prop_assert_eq!(sorted(&made), sorted(&facts(&request, &Bearing::default(), &needs).unwrap()));
    }
}

/// The value with the members of every object in the other order.
fn turned(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let members = members.iter().rev();
            Json::Object(members.map(|(name, value)| (name.clone(), turned(value))).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(turned).collect()),
        other => other.clone(),
    }
}

static PAIRS: AtomicU32 = AtomicU32::new(0);
static WITHIN: AtomicU32 = AtomicU32::new(0);

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn whatever_is_within_is_permitted(seed: u64) {
        let mut r = seeded(seed);
        let (ceiling_json, ceiling) = grant(&mut r);
        let (json, grant) = near(&mut r, &ceiling_json);
        if grant == ceiling {
            return Ok(());
        }
        PAIRS.fetch_add(1, Ordering::Relaxed);
        let result = grant.within(&ceiling);
        if result.is_ok() {
            WITHIN.fetch_add(1, Ordering::Relaxed);
            for _ in 0..12 {
                let near_to = if r.r#gen() { &json } else { &ceiling_json };
                let request = request_near(&mut r, near_to);
                if grant.permits(&request).is_ok() {
                    let allowed = ceiling.permits(&request);
                    prop_assert!(
                        allowed.is_ok(),
                        "{} is not within {}: {} {:?}", grant, ceiling, request.args.value(), allowed
                    );
                }
            }
        }
        prop_assert_eq!(ceiling.within(&ceiling), Ok(()), "{} is within itself", ceiling);
        let (pairs, within) = (PAIRS.load(Ordering::Relaxed), WITHIN.load(Ordering::Relaxed));
        prop_assert!(pairs < 200 || within * 5 > pairs, "{within} of {pairs} within");
    }
}
