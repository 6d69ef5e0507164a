//! Small programs and what they must give.

use biscuit_auth::builder::{Binary, Check, Expression, Fact, Op, Policy, Rule, Term, Unary};

use super::*;
use crate::model::Block;

const STEPS: u64 = 100_000;

fn block(facts: &[&str], rules: &[&str], checks: &[&str]) -> Block {
    Block {
        facts: facts.iter().map(|text| Fact::try_from(*text).unwrap()).collect(),
        rules: rules.iter().map(|text| Rule::try_from(*text).unwrap()).collect(),
        checks: checks.iter().map(|text| Check::try_from(*text).unwrap()).collect(),
        ..Block::default()
    }
}

fn checked(check: Check) -> Result<Result<bool, EvaluationError>, CompileFault> {
    let block = Block { checks: vec![check], ..Block::default() };
    let program = Program::compile(&[block], &PolicyCode::default()).map_err(|e| e.fault)?;
    Ok(program.evaluate(&[], STEPS).map(|outcome| outcome.failed_checks().is_empty()))
}

fn condition(text: &str) -> Result<Result<bool, EvaluationError>, CompileFault> {
    checked(Check::try_from(format!("check if {text}").as_str()).unwrap())
}

#[test]
fn conditions_hold() {
    let cases = [
        "1 + 2 * 3 === 7 && 7 / 2 === 3 && 7 - 9 === -2",
        "(6 & 3) === 2 && (6 | 3) === 7 && (6 ^ 3) === 5",
        "1 == 1 && 1 != \"1\" && null == null && null != 1",
        "\"ab\" + \"c\" === \"abc\" && \"é\".length() === 2",
        "\"ab\" + \"c\" == \"a\" + \"bc\"",
        "\"abc\".starts_with(\"ab\") && \"abc\".ends_with(\"bc\") && \"abc\".contains(\"b\")",
        "\"ch_1\".matches(\"^ch_[0-9]+$\") && !\"x\".matches(\"^ch_\")",
        "{\"a\" , \"b\"}.contains(\"a\" + \"\") && {1, 2}.contains({2}) && !{1}.contains({1, 2})",
        "{1, 2}.union({2, 3}) === {1, 2, 3} && {1, 2}.intersection({2, 3}) === {2}",
        "{1, 2} == {2, 1} && {1} != {2} && {,}.length() === 0",
        "{\"ab\", \"c\"}.union({\"d\"}).contains(\"a\" + \"b\")",
        "[1, \"a\"].contains(\"a\") && [1, 2].starts_with([1]) && [1, 2].ends_with([2])",
        "![1].starts_with([1, 2]) && ![1].ends_with([1, 2])",
        "[1, 2].get(1) === 2 && [1].get(1) === null && [1].get(-1) === null",
        "{\"a\": 1, 2: \"b\"}.get(\"a\") === 1 && {2: \"b\"}.get(2) === \"b\"",
        "{\"a\": 1}.get(\"b\") === null && {\"a\": 1}.contains(\"a\") && !{\"a\": 1}.contains(1)",
        "{\"a\": 1}.length() === 1 && {\"a\": 1}.all($p -> $p.get(0) === \"a\" && $p.get(1) === 1)",
        "[1, 2].all($x -> [3].any($y -> $x < $y)) && ![].any($x -> true) && [].all($x -> false)",
        "hex:00ff.length() === 2 && hex:00 !== hex:01",
        "2020-01-01T00:00:00Z < 2020-01-02T00:00:00Z",
        "1.type() === \"integer\" && null.type() === \"null\" && {,}.type() === \"set\"",
        "true || 1 / 0 === 1",
        "!(false && 1 / 0 === 1)",
        "(1 / 0 === 1).try_or(true)",
        "([1, 2].any($x -> $x / 0 === 1) && true).try_or(true)",
        "(true.any($x -> $x)).try_or(true)",
    ];
    for case in cases {
        assert_eq!(condition(case), Ok(Ok(true)), "{case}");
    }
}

#[test]
fn conditions_that_have_no_value() {
    use ExpressionError::{DivisionByZero, Overflow, ShadowedVariable, Type};
    let cases = [
        ("1 === \"1\"", Type),
        ("1 < \"1\"", Type),
        ("null === 1", Type),
        ("{1}.contains(null)", Type),
        ("1.length() > 0", Type),
        ("1", Type),
        ("\"a\".matches(1)", Type),
        ("true && 1", Type),
        ("1.any($x -> true)", Type),
        ("[1].all($x -> 1)", Type),
        ("9223372036854775807 + 1 > 0", Overflow),
        ("-9223372036854775808 / -1 > 0", Overflow),
        ("1 / 0 > 0", DivisionByZero),
        ("[1].any($x -> [2].any($x -> true))", ShadowedVariable),
        ("true.try_or(1 / 0 > 0)", DivisionByZero),
    ];
    for (case, fault) in cases {
        let fault = EvaluationError::Expression(fault);
        assert_eq!(condition(case), Ok(Err(fault)), "{case}");
    }
}

#[test]
fn what_does_not_compile() {
    let deep = (0..10).fold("true".to_owned(), |inner, n| format!("[1].all($x{n} -> {inner})"));
    let long = format!("\"\".matches(\"{}\")", "a".repeat(300));
    let cases = [
        ("a($x), $y > 1", CompileFault::UnboundVariable("y".into())),
        ("1.extern::f()", CompileFault::ExternFunction("f".into())),
        ("1.extern::f(2)", CompileFault::ExternFunction("f".into())),
        ("a($x), \"a\".matches($x)", CompileFault::RegexNotConstant),
        ("\"a\".matches(\"(\")", CompileFault::RegexInvalid),
        ("\"a\".matches(\"(a{99}){99}\")", CompileFault::RegexTooLarge),
        (long.as_str(), CompileFault::RegexTooLarge),
        ("a({p})", CompileFault::UnboundParameter("p".into())),
        (deep.as_str(), CompileFault::NestedTooDeeply),
    ];
    for (case, fault) in cases {
        assert_eq!(condition(case), Err(fault), "{case}");
    }
    let many: Vec<String> = (0..17).map(|n| format!("\"a\".matches(\"{n}\")")).collect();
    assert_eq!(condition(&many.join(" || ")), Err(CompileFault::TooManyRegexes));
    let many: Vec<String> = (0..129).map(|n| format!("$x{n}")).collect();
    let wide = format!("a({})", many.join(", "));
    assert_eq!(condition(&wide), Err(CompileFault::TooManyVariables));
}

#[test]
fn operations_must_form_one_value() {
    let value = |int| Op::Value(Term::Integer(int));
    let malformed = [
        vec![],
        vec![value(1), value(2)],
        vec![Op::Binary(Binary::Add)],
        vec![value(1), Op::Binary(Binary::Add)],
        vec![Op::Closure(vec![], vec![value(1)])],
        vec![Op::Closure(vec![], vec![value(1)]), Op::Unary(Unary::Negate)],
        vec![value(1), Op::Closure(vec![], vec![]), Op::Binary(Binary::LazyAnd)],
    ];
    for ops in malformed {
        let mut check = Check::try_from("check if true").unwrap();
        check.queries[0].expressions = vec![Expression { ops: ops.clone() }];
        assert_eq!(checked(check), Err(CompileFault::MalformedExpression), "{ops:?}");
    }
}

#[test]
fn queries_match() {
    let facts = ["n(0)", "n(1)", "n(2)", "e(0, 1)", "e(1, 2)", "s(\"a\")"];
    let cases = [
        ("check if n($x), $x > 1", Ok(true)),
        ("check if n($x), e($x, $y), n($y), $y > 1", Ok(true)),
        ("check if e($x, $x)", Ok(false)),
        ("check if n(7) or n(1)", Ok(true)),
        ("check all n($x), $x >= 0", Ok(true)),
        ("check all n($x), $x > 0", Ok(false)),
        ("check all m($x), $x > 0", Ok(false)),
        ("check all true", Ok(true)),
        ("check all false", Ok(false)),
        ("reject if n(7)", Ok(true)),
        ("reject if n(1)", Ok(false)),
        ("check if path(0, 2)", Ok(true)),
        ("check if path(2, 0)", Ok(false)),
        // The specification rejects on either; biscuit-auth 6.0 only if both match.
        ("reject if n(1) or n(7)", Ok(false)),
        ("reject if n(7) or n(1)", Ok(false)),
        ("reject if n(7) or n(8)", Ok(true)),
        // One binding matches, another has no value: the error wins.
        ("check if n($x), 2 / $x > 0", Err(ExpressionError::DivisionByZero)),
        ("check all n($x), 2 / $x > 5", Err(ExpressionError::DivisionByZero)),
        // The fault is on the way to no complete binding.
        ("check if n($x), 2 / $x > 0, m($x)", Ok(false)),
        ("check if n($x), 2 / $x > 0, e($x, 2)", Ok(true)),
        ("check if n($x), 2 / $x > 0, e($x, $y)", Err(ExpressionError::DivisionByZero)),
        // The conditions are tested in the order they are written.
        ("check if n($x), $x > 0, 2 / $x > 0", Ok(true)),
        ("check if n($x), e($x, $y), $y > 1, 2 / $x > 0", Ok(true)),
    ];
    let rules = ["path($a, $b) <- e($a, $b)", "path($a, $c) <- path($a, $b), e($b, $c)"];
    for (check, expected) in cases {
        let program =
            Program::compile(&[block(&facts, &rules, &[check])], &PolicyCode::default()).unwrap();
        let outcome = program.evaluate(&[], STEPS);
        let outcome = outcome.map(|outcome| outcome.failed_checks().is_empty());
        assert_eq!(outcome, expected.map_err(EvaluationError::Expression), "{check}");
    }
}

#[test]
fn the_first_matching_policy_counts_and_failed_checks_are_in_order() {
    let policy = |text: &str| Policy::try_from(text).unwrap();
    let code = PolicyCode {
        checks: vec![Check::try_from("check if never(1)").unwrap()],
        policies: vec![policy("allow if b(1)"), policy("deny if c(1)"), policy("allow if true")],
        ..PolicyCode::default()
    };
    let blocks = [block(&["b(1)"], &[], &["check if x(1)"]), block(&[], &[], &["check if y(1)"])];
    let program = Program::compile(&blocks, &code).unwrap();
    let outcome = program.evaluate(&[Fact::try_from("x(1)").unwrap()], STEPS).unwrap();
    let failed: Vec<_> = outcome.failed_checks().iter().map(|f| (f.origin, f.index)).collect();
    assert_eq!(failed, [(Origin::Block(1), 0), (Origin::Policy, 0)]);
    assert_eq!(outcome.policy(), Some((0, biscuit_auth::builder::PolicyKind::Allow)));
}

#[test]
fn only_block_0_grants() {
    let rule = "granted(1) <- call(\"a\")";
    let policy =
        PolicyCode { facts: vec![Fact::try_from("granted(2)").unwrap()], ..PolicyCode::default() };
    let blocks = [block(&["granted(0)"], &[rule], &[]), block(&["granted(3)"], &[], &[])];
    let program = Program::compile(&blocks, &policy).unwrap();
    let mut request = program.request();
    request.add("call", &[TermRef::Str("a")]);
    request.add("granted", &[TermRef::Int(4)]);
    let outcome = request.evaluate(STEPS).unwrap();
    let granted = |ints: &[i64]| -> Vec<Vec<Term>> {
        ints.iter().map(|int| vec![Term::Integer(*int)]).collect()
    };
    assert_eq!(outcome.visible("granted", 1), granted(&[0, 1, 2, 4]));
    assert_eq!(outcome.authority_only("granted", 1), granted(&[0, 1]));
    assert_eq!(outcome.authority_integers("granted").collect::<Vec<_>>(), [0, 1]);
    assert_eq!(outcome.authority_only("granted", 2), granted(&[]));
}

#[test]
fn request_facts_that_cannot_be_taken_in_deny() {
    let program =
        Program::compile(&[block(&[], &[], &["check if a($x)"])], &PolicyCode::default()).unwrap();
    let mut request = program.request();
    request.add("a", &[TermRef::Set(&[TermRef::TextSet(&["x"])])]);
    assert_eq!(request.evaluate(STEPS).err(), Some(EvaluationError::MalformedFact));
    let variable = Fact::new("a".to_owned(), vec![Term::Variable("x".to_owned())]);
    let outcome = program.evaluate(&[variable], STEPS);
    assert_eq!(outcome.err(), Some(EvaluationError::MalformedFact));
}

#[test]
fn borrowed_facts_are_builder_facts() {
    let checks = ["check if a({\"x\", \"y\"}, [1, null], hex:01, true, \"z\")"];
    let program = Program::compile(&[block(&[], &[], &checks)], &PolicyCode::default()).unwrap();
    let mut request = program.request();
    request.add(
        "a",
        &[
            TermRef::TextSet(&["y", "x", "y"]),
            TermRef::Array(&[TermRef::Int(1), TermRef::Null]),
            TermRef::Bytes(&[1]),
            TermRef::Bool(true),
            TermRef::Str("z"),
        ],
    );
    assert!(request.evaluate(STEPS).unwrap().failed_checks().is_empty());
}
