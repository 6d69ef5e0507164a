//! The worst that the holder of a valid token can do to a verifier: append any block, and choose
//! the arguments.
//!
//! What each step takes, and the worst ten, the signatures left out:
//! `cargo test --release --test it worst_ten -- --ignored --nocapture`.
//!
//! A search for worse:
//! `HARDTACK_SEARCH_SECS=600 HARDTACK_SEARCH_SEED=7 cargo test --release --test it worst_search --
//! --ignored --nocapture`.

mod cases;
mod measure;
mod search;

use std::time::Duration;

use hardtack::decide::Policy;

use self::measure::{Attack, Cost};

#[test]
fn every_attack_has_its_answer() {
    let policy = Policy::standard().unwrap();
    let wrong = |(name, code, attack): (&str, &str, _)| {
        let answer = crate::support::code(&measure::outcome(&attack, &policy));
        (answer != code).then(|| format!("{name}: {answer}, not {code}"))
    };
    let wrong: Vec<String> = cases::cases().into_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a refusal says is worked out after the decision, so it has a budget of its own.
#[test]
fn a_refusal_that_is_dear_to_explain_is_only_named() {
    let policy = Policy::standard().unwrap();
    let block = "check if call(\"crm\", \"get\"), number(\"b\", $b), $b <= 1, arg(\"a\", $a), \
        $a.type() == \"string\" && $a.matches(\"\\\\A(?:.*(?:a?b?){20}y)\\\\z\");";
    for (length, explained) in [(1, true), (100_000, false)] {
        let args = format!("{{\"a\":\"{}\",\"b\":7}}", "a".repeat(length));
        let decision = measure::outcome(&Attack { blocks: vec![block.to_owned()], args }, &policy);
        let reason = &decision.reasons()[0];
        assert_eq!((reason.code.as_str(), reason.hint.is_some()), ("check-failed", explained));
    }
}

#[test]
#[ignore = "a measurement"]
fn worst_ten() {
    let policy = Policy::standard().unwrap();
    let measured = cases::cases()
        .into_iter()
        .filter_map(|(name, _, attack)| Some((name, measure::measure(&attack, &policy, 15)?)));
    let mut measured: Vec<(&str, Cost)> = measured.collect();
    measured.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.total()));
    for (name, cost) in measured.iter().take(10) {
        show(name, cost);
    }
    let worst = measured.iter().max_by_key(|(_, cost)| cost.decide);
    worst.iter().for_each(|(name, cost)| show(&format!("worst decision: {name}"), cost));
}

#[test]
#[ignore = "a search"]
fn worst_search() {
    let knob = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
    };
    let (seed, secs) = (knob("HARDTACK_SEARCH_SEED", 1), knob("HARDTACK_SEARCH_SECS", 60));
    for (attack, cost) in search::search(seed, Duration::from_secs(secs)).iter().take(3) {
        show("found", cost);
        println!("{:#?}\nargs {:.200}\n", attack.blocks, attack.args);
    }
}

fn show(name: &str, cost: &Cost) {
    let micros = |took: Duration| took.as_micros();
    println!(
        "{name:>40} {:6} µs: decode {:5}, verify {:5}, compile {:5}, decide {:5}  {}",
        micros(cost.total()),
        micros(cost.decode),
        micros(cost.verify),
        micros(cost.compile),
        micros(cost.decide),
        cost.code
    );
}
