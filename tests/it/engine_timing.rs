//! What a warm decision takes, beside biscuit-auth on the same program:
//! `cargo test --release --test it engine_timing -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use biscuit_auth::builder::{Algorithm, AuthorizerBuilder};
use biscuit_auth::{AuthorizerLimits, Biscuit, BlockBuilder, KeyPair};
use hardtack::decide::engine::{Program, TermRef};
use hardtack::model::limits::EVALUATION_STEPS_MAX;
use rand::SeedableRng;

use crate::engine_support::{blocks_of, policy_of};

const AUTHORITY: &str = r#"
    hardtack(1);
    task("01JD3GZ8Q4Y0T5S1E6V7W8X9YZ");
    principal("user:alice@example.com");
    agent("spiffe://example.com/orchestrator");
    intent("resolve billing discrepancy, case 1042");
    granted(0) <- call("stripe", "refund"), arg("currency", $c), {"usd", "eur"}.contains($c),
        number("amount", $a), $a <= 50000000,
        arg_names($n), {"amount", "currency", "charge"}.contains($n);
    granted(1) <- call("crm", $tool), {"get_account", "list_cases"}.contains($tool);
    granted(2) <- call("mail", "send"), arg_domain("to", "example.com");
    check if time($t), $t < 2026-11-22T10:15:00Z;
    check if audience($a), {"payments-gateway", "crm-gateway"}.contains($a);
    check if depth($d), $d <= 3;
"#;
const HOP: &str = r#"
    check if call("stripe", "refund"), number("amount", $a), $a <= 10000000
        or call("crm", "get_account");
    check if time($t), $t < 2026-11-22T10:05:00Z;
    check if arg("charge", $c), $c.starts_with("ch_");
"#;
const POLICY: &str = r#"
    needs_approval("large") <- call("stripe", "refund"), number("amount", $a), $a > 40000000;
    deny if label("quarantined");
    deny if call("stripe", $t), label("internal"), seen("untrusted");
    deny if seen("secret"), label("external");
    deny if number("amount", $a), $a > 100000000;
    deny if time($t), $t < 2024-01-01T00:00:00Z;
    deny if depth($d), $d > 5;
    allow if granted($i);
    deny if true;
"#;
const FACTS: &str = r#"
    call("stripe", "refund");
    arg("currency", "usd");
    arg("charge", "ch_3PqX2y");
    arg("amount", 12);
    arg("reason", "requested_by_customer");
    number("amount", 9000000);
    arg_names({"amount", "currency", "charge"});
    time(2026-11-22T10:01:00Z);
    audience("payments-gateway");
    depth(3);
    presenter(hex:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff);
    label("write");
    label("payments");
    seen("customer");
    method("POST");
    path("/v1/refunds");
"#;

#[test]
#[ignore = "a measurement"]
fn a_warm_decision_at_depth_three() {
    let mut rng = rand::rngs::StdRng::seed_from_u64(7);
    let root = KeyPair::new_with_rng(Algorithm::Ed25519, &mut rng);
    let mut token = Biscuit::builder().code(AUTHORITY).unwrap().build(&root).unwrap();
    for _ in 0..3 {
        token = token.append(BlockBuilder::new().code(HOP).unwrap()).unwrap();
    }
    let blocks = blocks_of(&token);
    let policy = policy_of(POLICY);
    let facts = policy_of(FACTS).facts;
    let theirs = AuthorizerBuilder::new()
        .code(POLICY)
        .unwrap()
        .set_limits(AuthorizerLimits { max_time: Duration::from_secs(10), ..Default::default() });

    let program = Program::compile(&blocks, &policy).unwrap();
    let evaluation = program.evaluate(&facts, EVALUATION_STEPS_MAX).unwrap();
    println!(
        "failed {:?}, policy {:?}, {} steps",
        evaluation.failed_checks(),
        evaluation.policy(),
        evaluation.steps()
    );

    report("compile", 2_000, || drop(Program::compile(&blocks, &policy).unwrap()));
    let base = Program::of_policy(&policy).unwrap();
    report("compile from the policy", 20_000, || {
        drop(base.extended(&blocks).unwrap().unwrap());
    });
    let parent = base.extended(&blocks[..3]).unwrap().unwrap();
    report("extend by one block", 20_000, || {
        drop(parent.extended(&blocks[3..]).unwrap().unwrap());
    });
    report("evaluate builder facts", 50_000, || {
        let evaluation = program.evaluate(&facts, EVALUATION_STEPS_MAX).unwrap();
        assert!(evaluation.policy().is_some());
    });
    report("evaluate borrowed facts", 50_000, || {
        let mut request = program.request();
        borrowed(&mut |name, terms| request.add(name, terms));
        let evaluation = request.evaluate(EVALUATION_STEPS_MAX).unwrap();
        assert!(evaluation.policy().is_some() && evaluation.failed_checks().is_empty());
        assert_eq!(evaluation.authority_integers("granted").next(), Some(0));
    });
    let mut ids = Vec::new();
    borrowed(&mut |name, terms| ids.push(program.predicate(name, terms.len())));
    report("evaluate borrowed facts of known predicates", 50_000, || {
        let mut request = program.request();
        let mut next = ids.iter();
        borrowed(&mut |_, terms| {
            if let Some(Some(id)) = next.next() {
                request.add_to(*id, terms);
            }
        });
        let evaluation = request.evaluate(EVALUATION_STEPS_MAX).unwrap();
        assert!(evaluation.policy().is_some() && evaluation.failed_checks().is_empty());
    });
    report("biscuit-auth clone, facts, build, authorize", 2_000, || {
        let mut builder = theirs.clone();
        for fact in &facts {
            builder = builder.fact(fact.clone()).unwrap();
        }
        builder.build(&token).unwrap().authorize().unwrap();
    });
}

fn borrowed(add: &mut dyn FnMut(&str, &[TermRef<'_>])) {
    use TermRef::{Bytes, Date, Int, Str, TextSet};
    add("call", &[Str("stripe"), Str("refund")]);
    add("arg", &[Str("currency"), Str("usd")]);
    add("arg", &[Str("charge"), Str("ch_3PqX2y")]);
    add("arg", &[Str("amount"), Int(12)]);
    add("arg", &[Str("reason"), Str("requested_by_customer")]);
    add("number", &[Str("amount"), Int(9_000_000)]);
    add("arg_names", &[TextSet(&["amount", "currency", "charge"])]);
    add("time", &[Date(1_795_341_660)]);
    add("audience", &[Str("payments-gateway")]);
    add("depth", &[Int(3)]);
    add("presenter", &[Bytes(&[7; 32])]);
    add("label", &[Str("write")]);
    add("label", &[Str("payments")]);
    add("seen", &[Str("customer")]);
    add("method", &[Str("POST")]);
    add("path", &[Str("/v1/refunds")]);
}

/// Prints the median of batches.
fn report(name: &str, times: u32, mut run: impl FnMut()) {
    let mut batches: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..times / 15).for_each(|_| run());
            start.elapsed().as_secs_f64() * 1e6 / f64::from(times / 15)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    println!("{name:>45}: {:.2} us", batches[batches.len() / 2]);
}

#[test]
#[ignore = "something to profile"]
fn profile_a_warm_decision() {
    let blocks: Vec<_> = [AUTHORITY, HOP, HOP, HOP]
        .iter()
        .map(|code| crate::engine_support::block_of_code(code))
        .collect();
    let program = Program::compile(&blocks, &policy_of(POLICY)).unwrap();
    for _ in 0..2_000_000 {
        let mut request = program.request();
        borrowed(&mut |name, terms| request.add(name, terms));
        let evaluation = request.evaluate(EVALUATION_STEPS_MAX).unwrap();
        assert!(evaluation.policy().is_some() && evaluation.failed_checks().is_empty());
    }
}
