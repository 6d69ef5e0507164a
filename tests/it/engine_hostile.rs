//! Hostile programs, each within the structural limits of a token, end quickly whatever they do.

use std::time::{Duration, Instant};

use biscuit_auth::builder::Fact;
use hardtack::decide::engine::{CompileFault, EvaluationError, PolicyCode, Program, TermRef};
use hardtack::model::{Block, limits};
use rand::{Rng, SeedableRng};

use crate::engine_support::{block_of_code, policy_of};

/// What a decision may take; far more where the code is not optimised.
const TIME_MAX: Duration =
    if cfg!(debug_assertions) { Duration::from_millis(60) } else { Duration::from_millis(1) };

struct Case {
    name: &'static str,
    blocks: Vec<String>,
    facts: Vec<String>,
}

fn case(name: &'static str, block: String) -> Case {
    Case { name, blocks: vec![block], facts: Vec::new() }
}

fn cases() -> Vec<Case> {
    let numbers: String = (0..64).map(|n| format!("n({n}); ")).collect();
    let set = |count: usize| {
        let items: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        format!("{{{}}}", items.join(", "))
    };
    let texts: Vec<String> = (0..300).map(|n| format!("\"{}{n:03}\"", "x".repeat(30))).collect();
    let texts = format!("{{{}}}", texts.join(", "));
    let edges: String = (0..64).map(|n| format!("edge({}, {}); ", n / 8, n % 8 + 8)).collect();
    let long = "x".repeat(4_000);
    let doubled = |times: usize| vec!["$t"; times].join(" + ");
    vec![
        case(
            "join",
            format!("{numbers} check if n($a), n($b), n($c), n($d), $a + $b + $c + $d < 0;"),
        ),
        case("join without conditions", format!("{numbers} check if n($a), n($b), n($c), no($a);")),
        case("check all", format!("{numbers} check all n($a), n($b), n($c), $a + $b + $c >= 0;")),
        case(
            "failing late",
            format!("{numbers} check if n($a), 1 / $a > 0, n($b), n($c), n($d), no($d);"),
        ),
        case(
            "transitive",
            format!(
                "{edges} edge($a, $c) <- edge($a, $b), edge($b, $c); \
             all($a, $b, $c) <- edge($a, $b), edge($c, $d), edge($e, $f); check if all(1, 2, 3);"
            ),
        ),
        case(
            "tuples",
            format!("{numbers} t($a, $b, $c) <- n($a), n($b), n($c); check if t(1, 2, 3);"),
        ),
        case(
            "nested closures",
            format!(
                "check if {s}.all($a -> {s}.all($b -> {s}.all($c -> {s}.all($d -> \
             $a + $b + $c + $d >= 0))));",
                s = set(60)
            ),
        ),
        case(
            "sets in closures",
            format!(
                "s({texts}); check if s($s), $s.all($a -> $s.union($s).contains($a) && \
                 $s.intersection($s).contains($s));"
            ),
        ),
        case(
            "set comparison",
            format!("s({texts}); check if s($s), $s.all($a -> $s.union($s) == $s.union($s));"),
        ),
        case(
            "concatenation",
            format!(
                "t(\"{long}\"); check if t($t), {s}.all($a -> ({d}).length() > 0);",
                s = set(200),
                d = doubled(30)
            ),
        ),
        case(
            "growing text",
            format!(
                "t(\"{long}\"); check if t($t), {s}.any($a -> ({d}).contains({d} + \"y\"));",
                s = set(200),
                d = doubled(15)
            ),
        ),
        case(
            "affixes",
            format!(
                "t(\"{long}\"); check if t($t), {s}.all($a -> $t.starts_with($t) && $t.ends_with($t));",
                s = set(1000)
            ),
        ),
        case(
            "searching",
            format!(
                "t(\"{long}\"); check if t($t), {s}.any($a -> $t.contains(\"{}y\"));",
                "x".repeat(2000),
                s = set(1000)
            ),
        ),
        case(
            "pairs of maps",
            format!(
                "check if {m}.all($a -> {m}.all($b -> {m}.all($c -> $a != $b || $b != $c || true)));",
                m = {
                    let items: Vec<String> = (0..100).map(|n| format!("\"k{n}\": [{n}]")).collect();
                    format!("{{{}}}", items.join(", "))
                }
            ),
        ),
        case(
            "caught again and again",
            format!(
                "check if {s}.all($a -> {s}.all($b -> (1 / 0 > 0).try_or(true)));",
                s = set(1000)
            ),
        ),
        case(
            "wide rows",
            format!(
                "n(0); n(1); n(2); n(3); n(4); n(5); n(6); n(7); w({ones}, 1, 1, 1); \
                 w({ones}, $a, $b, $c) <- w({ones}, $d, $e, $f), n($a), n($b), n($c);",
                ones = vec!["1"; 700].join(", ")
            ),
        ),
        case(
            "many rounds over many rules",
            (0..400).map(|n| format!("p{n}($x) <- p{}($x); ", (n + 1) % 400)).collect::<String>()
                + "p0(1);",
        ),
        Case {
            name: "origins",
            blocks: (0..16)
                .map(|block| format!("p(1); q({block}); p($x) <- p($x), q($y) trusting previous;"))
                .collect(),
            facts: Vec::new(),
        },
        Case {
            name: "large request",
            blocks: vec![format!(
                "check if arg($k, $v), {s}.any($a -> $v.contains(\"y\" ));",
                s = set(1000)
            )],
            facts: vec![format!("arg(\"body\", \"{}\")", "x".repeat(1024 * 1024))],
        },
        Case {
            name: "many arguments",
            blocks: vec![
                "check if arg($k, $v), arg($l, $v), arg($k, $w), $v != $w, $k != $l;".to_owned(),
            ],
            facts: (0..4096).map(|n| format!("arg(\"k{n}\", \"v{}\")", n % 64)).collect(),
        },
    ]
}

fn compile(case: &Case) -> Program {
    let blocks: Vec<Block> = case.blocks.iter().map(|code| block_of_code(code)).collect();
    for code in &case.blocks {
        assert!(code.len() <= limits::TOKEN_BYTES_MAX, "{}", case.name);
    }
    Program::compile(&blocks, &policy_of("allow if true;")).unwrap()
}

#[test]
fn hostile_programs_end_quickly() {
    let mut slowest = Duration::ZERO;
    for case in cases() {
        let program = compile(&case);
        let facts: Vec<Fact> =
            case.facts.iter().map(|fact| fact.as_str().try_into().unwrap()).collect();
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            let outcome = program.evaluate(&facts, limits::EVALUATION_STEPS_MAX);
            best = best.min(start.elapsed());
            assert_eq!(outcome.err(), Some(EvaluationError::TooComplex), "{}", case.name);
        }
        println!(
            "{:>24}: {:>8.1} us, {:>6.2} ns a step",
            case.name,
            best.as_secs_f64() * 1e6,
            best.as_secs_f64() * 1e9 / limits::EVALUATION_STEPS_MAX as f64
        );
        slowest = slowest.max(best);
        assert!(case.facts.len() > 1_000 || best < TIME_MAX, "{}: {best:?}", case.name);
    }
    println!("slowest: {slowest:?}");
}

#[test]
fn the_budget_is_never_caught() {
    let program = compile(&case("", "check if {1, 2, 3}.any($a -> $a > 5).try_or(true);".into()));
    let steps = program.evaluate(&[], 1_000).unwrap().steps();
    for max in 0..steps {
        assert_eq!(program.evaluate(&[], max).err(), Some(EvaluationError::TooComplex), "{max}");
    }
}

#[test]
fn expensive_regexes_are_refused_or_charged() {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let text: String =
        (0..1024 * 1024).map(|_| if rng.gen_bool(0.5) { 'a' } else { 'b' }).collect();
    let patterns = [
        "(a|b)*a(a|b){12}$",
        "(?:a|b|ab)*c",
        "(a?){60}a{60}$",
        "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)y$",
        "(a|b)*a(a|b){30}y",
        "(a|b)*a(a|b){100}y",
        "((a|b)*a(a|b){9}a(a|b)*){4}y",
        "(.*a.{20}b.*){5}y",
        "[ab]*a[ab]{9}y",
        "[ab]*a[ab]{100}y",
        "(a?b?){14}y",
        "(a?b?){100}y",
        "(?:(?:a|b|ab|ba)?){24}y",
        "(a?a?b?b?.?){20}[^ab]",
        "(.*a.{9}b.*){3}y",
        r"(\w*\w*){3}\d",
        r"(\w|\d|\s|.){9}é",
        r"\w{30}y",
        r"\pL{5}[^ab]",
        "((a{0,9}b{0,9}){0,9}y){0,3}z",
        r"(\w|\d|.)*y",
        "[a-y]*z",
        "(x+x+)+y",
        "(?i)(a|b|é)*[^x]{20}z",
        r"(a{200}){200}",
        r"\w{200}",
        r"(\pL\pN){30}",
        "((((((((a{0,9}){0,9}){0,9}){0,9}){0,9}){0,9}){0,9}){0,9})",
    ];
    for pattern in patterns {
        let pattern = pattern.replace('\\', "\\\\");
        let block = block_of_code(&format!("check if arg($k, $v), $v.matches(\"{pattern}\");"));
        let start = Instant::now();
        let program = Program::compile(&[block], &PolicyCode::default());
        let compiled = start.elapsed();
        let program = match program {
            Ok(program) => program,
            Err(error) => {
                assert_eq!(error.fault, CompileFault::RegexTooLarge, "{pattern}");
                println!("{pattern:>50}: refused after {compiled:?}");
                continue;
            }
        };
        // The longest text that the budget admits: halve until it is not too complex.
        let mut length = text.len();
        let (best, steps, first) = loop {
            let text = &text[..length];
            let run = || {
                let start = Instant::now();
                let mut request = program.request();
                request.add("arg", &[TermRef::Str("body"), TermRef::Str(text)]);
                let outcome = request.evaluate(limits::EVALUATION_STEPS_MAX);
                (start.elapsed(), outcome.map(|outcome| outcome.steps()).ok())
            };
            let (first, steps) = run();
            if let Some(steps) = steps {
                break ((0..3).map(|_| run().0).min().unwrap(), steps, first);
            }
            length = length * 9 / 10;
        };
        println!(
            "{pattern:>50}: compiled {compiled:>10.1?}, {length:>7} bytes first {first:>10.1?} then {best:>10.1?} for {steps} steps"
        );
        if !cfg!(debug_assertions) {
            assert!(first < TIME_MAX * 2, "{pattern}");
        }
    }
}
