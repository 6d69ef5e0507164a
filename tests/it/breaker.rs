//! Ways in which a stranger, a holder or a caller once broke a promise.

use biscuit_auth::format::schema;
use hardtack::decide::Decision;
use hardtack::model::{Reason, Request};
use hardtack::record::Redaction;
use hardtack::token::UnverifiedToken;
use hardtack::verify::authenticate;
use hardtack::vocabulary::grant::grants_from_json;
use prost::Message;

use crate::support::*;

fn any() -> UnverifiedToken {
    token(r#"[{"tool": "x/y"}]"#)
}

fn with(datalog: &str, request: &Request) -> Decision {
    judge_bytes(appended(&any(), datalog), request)
}

#[test]
fn classes_of_characters_are_bounded_before_they_are_worked_out() {
    let call = request("x/y", "{}");
    let wide = [r"\\pL".repeat(60), r"\\w".repeat(100), "Ā-￿".repeat(35)];
    for class in wide {
        for flags in ["", "(?i)"] {
            let regexes =
                (0..16).map(|i| format!("check if \"x\".matches(\"{flags}[{class}{i}]\");"));
            let decision = with(&regexes.collect::<String>(), &call);
            let reason = &decision.reasons()[0];
            assert!(reason.message.contains("too many regular expressions"), "{class}: {reason}");
        }
        let grant =
            format!(r#"[{{"tool": "x/y", "args": {{"a": {{"matches": "(?i)[{class}]"}}}}}}]"#);
        let error = grants_from_json(grant.as_bytes()).unwrap_err();
        // `\w` is written out in ASCII, and too long then.
        let refusals = ["more than the limit", "is longer than"];
        assert!(refusals.iter().any(|why| error.why.contains(why)), "{error}");
    }
    let honest = r"(?i)^[a-z0-9-]+@[a-z0-9-]+\\.[a-z]{2,}$";
    let honest =
        format!("check if !\"x\".matches(\"{honest}\"), !\"x\".matches(\"\\\\d{{4}}-\\\\d{{2}}\")");
    assert_eq!(code(&with(&honest, &call)), "allow");
}

#[test]
fn a_symbol_is_not_copied_a_thousand_times() {
    let call = request("x/y", "{}");
    for (len, arrays, items) in [(7000, 1, 1024), (5000, 64, 24), (4000, 2, 1024)] {
        let decision = judge_bytes(amplified(&any(), len, arrays, items), &call);
        assert_eq!(code(&decision), "token-too-complex");
        assert!(decision.reasons()[0].message.contains("names texts"), "{decision:?}");
    }
    assert_eq!(code(&judge_bytes(amplified(&any(), 600, 2, 24), &call)), "allow");
}

#[test]
fn asking_for_every_argument_does_not_copy_a_long_path_for_each() {
    let items = vec!["1"; 4000].join(",");
    let call = request("x/y", &format!("{{\"{}\": [{items}]}}", "k".repeat(900_000)));
    assert_eq!(code(&with("check if arg($p, $v), $v == 1", &call)), "token-too-complex");
    let small = request("x/y", &format!("{{\"k\": [{items}]}}"));
    assert_eq!(code(&with("check if arg(\"k/7\", 1)", &small)), "allow");
}

#[test]
fn asking_hundreds_of_times_for_one_array_is_bounded() {
    let items = vec!["1"; 4000].join(",");
    let call =
        request("x/y", &format!(r#"{{"a": {{"a": {{"a": {{"a": {{"a": [{items}]}}}}}}}}}}"#));
    let path = |i: u32| {
        let steps = (0..4).map(|bit| if i >> bit & 1 == 0 { "/a" } else { "/*" });
        format!("a{}/*", steps.collect::<String>())
    };
    let words = ["arg_at", "number_at", "arg_lower", "arg_length", "arg_count"];
    let queries = |i| words.map(|word| format!("{word}(\"{}\", $x)", path(i))).join(" or ");
    let checks: String = (0..16).map(|i| format!("check if {};", queries(i))).collect();
    assert_eq!(code(&with(&checks, &call)), "token-too-complex");
    let oracle = |i| format!("check if arg_cidr(\"{}\", \"10.{i}.0.0/16\") or true;", path(i));
    let oracles: String = (0..32).map(oracle).collect();
    assert_eq!(code(&with(&oracles, &call)), "token-too-complex");
    let one = r#"check if arg_at("a/a/a/a/a/*", $x), $x.contains(1)"#;
    assert_eq!(code(&with(one, &call)), "allow");
}

#[test]
fn reasons_stay_small_whatever_the_arguments_are() {
    let long = format!(r#"{{"note": "{0}", "{0}": 1}}"#, "x".repeat(200_000));
    let call = request("x/y", &long);
    let grants = [
        r#"[{"tool": "x/y", "args": {"note": {"eq": "a"}}, "other_args": "allow"}]"#,
        r#"[{"tool": "x/y", "args": {"note": {"any": true}}}]"#,
    ];
    let mut token = any();
    for block in 0..14 {
        token = narrowed(&token, grants[block % 2]);
    }
    let decision = judge(&token, &call);
    assert_eq!((code(&decision), decision.reasons().len()), ("check-failed", 14));
    assert!(serde_json::to_string(&decision).unwrap().len() < 16 * 1024);
}

#[test]
fn marks_of_secrets_are_not_taken_for_secrets() {
    let letters: Vec<String> = "[redacted]".chars().map(|c| format!("\"{c}\"")).collect();
    let args = format!(r#"{{"password": [{}]}}"#, letters.join(","));
    let mut reasons = vec![Reason::new(hardtack::model::Code::CheckFailed, "tread ".repeat(1000))];
    Redaction::default().reasons(&mut reasons, &request("x/y", &args).args);
    assert!(reasons[0].message.len() < 16 * 1024, "{}", reasons[0].message.len());
    assert!(!reasons[0].message.replace("[redacted]", "").contains(['t', 'r', 'e', 'a', 'd']));
}

#[test]
fn a_secret_that_a_reason_quotes_in_part_is_redacted() {
    let secret = format!("sk-{}", "0123456789".repeat(20));
    let call = request("x/y", &format!(r#"{{"token": "{secret}"}}"#));
    let held = narrowed(&any(), r#"[{"tool": "x/y", "args": {"token": {"eq": "other"}}}]"#);
    let Decision::Deny { mut reasons } = judge(&held, &call) else { panic!("allowed") };
    assert!(reasons[0].fact.as_ref().unwrap().contains("sk-012"));
    Redaction::default().reasons(&mut reasons, &call.args);
    assert!(!serde_json::to_string(&reasons).unwrap().contains("sk-0"), "{reasons:?}");
}

#[test]
fn a_block_cannot_seem_to_end_before_its_token_does() {
    let expires = |token| authenticate(token, &roots()).unwrap().expires();
    let honest = expires(any());
    let early = "check if time($t), $t < 1970-01-01T00:00:01Z;";
    for lie in ["time(1970-01-01T00:00:00Z);", "time($t) <- time($u), $t == $u, time($t);"] {
        let bytes = appended(&any(), &format!("{lie} {early}"));
        let token = UnverifiedToken::from_bytes(bytes).unwrap();
        assert_eq!(expires(token), honest, "{lie}");
    }
}

/// A token whose one long symbol is named over and over.
fn amplified(
    parent: &hardtack::token::UnverifiedToken,
    len: usize,
    arrays: usize,
    items: usize,
) -> Vec<u8> {
    use schema::term::Content;
    let term = |content| schema::Term { content: Some(content) };
    let symbol = || term(Content::String(1024));
    let fact = |_| schema::Fact {
        predicate: schema::Predicate {
            name: 1025,
            terms: vec![term(Content::Array(schema::Array {
                array: (0..items).map(|_| symbol()).collect(),
            }))],
        },
    };
    let mut block = schema::Block {
        symbols: vec!["x".repeat(len), "f".to_owned()],
        version: Some(6),
        facts: (0..arrays).map(fact).collect(),
        ..Default::default()
    };
    // The parent's symbols come first.
    let count: usize = {
        let wire = schema::Biscuit::decode(parent.as_bytes()).unwrap();
        schema::Block::decode(wire.authority.block.as_slice()).unwrap().symbols.len()
    };
    for fact in &mut block.facts {
        fact.predicate.name = 1025 + count as u64;
        for term in &mut fact.predicate.terms {
            if let Some(Content::Array(array)) = &mut term.content {
                for term in &mut array.array {
                    term.content = Some(Content::String(1024 + count as u64));
                }
            }
        }
    }
    with_raw_block(parent, block.encode_to_vec()).unwrap()
}
