//! Putting a request's facts in order is paid for, and costs the same whatever order they come in.

use hardtack::decide::engine::{EvaluationError, PolicyCode, Program, TermRef};
use hardtack::decide::{Decision, Policy};
use hardtack::model::limits;
use hardtack::verify::DangerUnrevoked;

use crate::engine_support::{block_of_code, policy_of};
use crate::support::{code, judge_with, request, token};

const ANY: &str = r#"[{"tool": "crm/find"}]"#;

/// A number below `count` for each below it, well mixed.
fn mixed(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| n * 2_654_435_761 % count)
}

fn decided(policy: &str, args: &[String]) -> Decision {
    let policy = Policy::parse([("policy", policy)]).unwrap();
    let request = request("crm/find", &format!("{{{}}}", args.join(",")));
    judge_with(token(ANY), &request, &policy, &DangerUnrevoked)
}

#[test]
fn a_policy_may_look_at_thousands_of_arguments() {
    let policy = r#"deny if arg($p, $v), $v == "secret"; allow if granted($i);"#;
    let named = |n: usize| format!("\"customer_{n}\": \"v{n}\"");
    let nested = |n: usize| format!("\"customer_{}\": {{\"id\": \"v{n}\"}}", n);
    let in_order: Vec<String> = (0..2_500).map(named).collect();
    assert_eq!(code(&decided(policy, &in_order)), "allow");
    for write in [&named as &dyn Fn(usize) -> String, &nested] {
        let args: Vec<String> = mixed(2_000).map(write).collect();
        assert_eq!(code(&decided(policy, &args)), "allow");
    }
    let mut args = in_order;
    args[77] = "\"customer_77\": \"secret\"".to_owned();
    assert_eq!(code(&decided(policy, &args)), "policy-denied");
}

#[test]
fn the_price_is_the_content_s() {
    let block = block_of_code("check if arg($p, $v);");
    let program = Program::compile(&[block], &policy_of("allow if true;")).unwrap();
    let steps = |order: &[usize]| {
        let mut request = program.request();
        for n in order {
            let path = format!("items/{}/{}", n % 37, "x".repeat(n % 97));
            let texts = [path.as_str(), "b", &path];
            request.add("arg", &[TermRef::Str(&path), TermRef::TextSet(&texts)]);
        }
        request.evaluate(1_000_000).unwrap().steps()
    };
    let sorted: Vec<usize> = (0..3_000).collect();
    let expected = steps(&sorted);
    assert!(expected > 1_000, "{expected}");
    assert_eq!(steps(&mixed(3_001).filter(|n| *n < 3_000).collect::<Vec<_>>()), expected);
    assert_eq!(steps(&sorted.iter().rev().copied().collect::<Vec<_>>()), expected);
}

#[test]
fn what_takes_too_long_to_put_in_order_is_refused() {
    let program =
        |check: &str| Program::compile(&[block_of_code(check)], &PolicyCode::default()).unwrap();
    let start = "x".repeat(700);
    let texts: Vec<String> = mixed(4_096).map(|n| format!("{start}{n}")).collect();
    let rows = program("check if arg($p, 1);");
    let mut request = rows.request();
    texts.iter().for_each(|text| request.add("arg", &[TermRef::Str(text), TermRef::Null]));
    let outcome = request.evaluate(limits::EVALUATION_STEPS_MAX);
    assert_eq!(outcome.err(), Some(EvaluationError::TooComplex));

    let sets = program("check if tags($t);");
    let set: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut request = sets.request();
    request.add("tags", &[TermRef::TextSet(&set)]);
    let outcome = request.evaluate(limits::EVALUATION_STEPS_MAX);
    assert_eq!(outcome.err(), Some(EvaluationError::TooComplex));
}
