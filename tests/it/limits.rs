//! Every limit at one below, at, and one above.

use hardtack::model::{Args, JsonProfile, limits};
use hardtack::token::UnverifiedToken;

use crate::support::*;

const GRANT: &str = r#"[{"tool": "crm/get"}]"#;

/// Whether a block of this Datalog, appended to a good token, is accepted.
fn accepted(datalog: &str) -> Result<(), String> {
    let bytes = appended(&token(GRANT), datalog);
    match UnverifiedToken::from_bytes(bytes) {
        Ok(token) => {
            assert_eq!(code(&judge(&token, &request("crm/get", "{}"))), "allow");
            Ok(())
        }
        Err(error) => Err(format!("{}: {error}", error.code)),
    }
}

#[track_caller]
fn around(max: usize, code: &str, datalog: impl Fn(usize) -> String) {
    for count in [max - 1, max] {
        assert_eq!(accepted(&datalog(count)), Ok(()), "{count}");
    }
    let refused = accepted(&datalog(max + 1)).unwrap_err();
    assert!(refused.starts_with(code), "{refused}");
}

fn repeat(count: usize, separator: &str, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(separator)
}

#[test]
fn counts_in_a_block() {
    let complex = "token-too-complex";
    around(limits::BLOCK_FACTS_MAX, complex, |n| repeat(n, " ", |i| format!("f({i});")));
    around(limits::BLOCK_RULES_MAX, complex, |n| {
        repeat(n, " ", |i| format!("r({i}) <- call(\"a\", \"b\");"))
    });
    around(limits::BLOCK_CHECKS_MAX, complex, |n| repeat(n, " ", |_| "check if true;".to_owned()));
    around(limits::CHECK_QUERIES_MAX, complex, |n| {
        format!("check if {};", repeat(n, " or ", |_| "true".to_owned()))
    });
}

#[test]
fn counts_in_a_query() {
    let complex = "token-too-complex";
    around(limits::QUERY_PREDICATES_MAX, complex, |n| {
        format!("check if {};", repeat(n, ", ", |_| "call(\"crm\", $t)".to_owned()))
    });
    around(limits::QUERY_UNKEYED_MAX, complex, |n| {
        format!("check if {};", repeat(n, ", ", |i| format!("time($t{i})")))
    });
    // Four operations each: two values, the comparison, the parentheses.
    around(limits::QUERY_OPERATIONS_MAX / 4, complex, |n| {
        format!("check if {};", repeat(n, ", ", |_| "(1 < 2)".to_owned()))
    });
    around(limits::REGEX_BYTES_MAX, complex, |n| {
        format!("check if !\"b\".matches(\"{}\");", "a".repeat(n))
    });
    around(limits::TOKEN_REGEXES_MAX, complex, |n| {
        repeat(n, " ", |i| format!("check if \"x{i}\".matches(\"x{i}\");"))
    });
}

#[test]
fn bytes_of_regular_expressions() {
    let max = limits::TOKEN_REGEX_WORK_MAX / limits::REGEX_BYTE_WORK;
    // As few as hold so many bytes; each of letters of its own.
    let of = |bytes: usize| {
        let lengths = (0..bytes).step_by(limits::REGEX_BYTES_MAX);
        let lengths = lengths.map(|from| (bytes - from).min(limits::REGEX_BYTES_MAX));
        let check = |(letter, length): (char, usize)| {
            format!("check if \"x\".matches(\"{}\");", letter.to_string().repeat(length))
        };
        let bytes = appended(&token(GRANT), &('a'..).zip(lengths).map(check).collect::<String>());
        UnverifiedToken::from_bytes(bytes).map(drop).map_err(|error| error.code.as_str())
    };
    assert_eq!((of(max - 1), of(max)), (Ok(()), Ok(())));
    assert_eq!(of(max + 1), Err("token-too-complex"));
}

#[test]
fn nesting() {
    around(limits::NESTING_MAX, "token-too-complex", |n| {
        format!("check if [] != {}1{};", "[".repeat(n), "]".repeat(n))
    });
    // The closures of `||` nest to the right.
    around(limits::NESTING_MAX, "token-too-complex", |n| {
        format!("check if true{}{};", " || (true".repeat(n), ")".repeat(n))
    });
}

#[test]
fn bytes_and_blocks() {
    let parent = token(GRANT);
    let of = |length: usize| format!("check if \"{}\" != \"\";", "a".repeat(length));
    let overhead = appended(&parent, &of(1000)).len() - 1000;
    // Two lengths of varints grow on the way: step down until it fits exactly.
    let exact = (0..16)
        .map(|slack| limits::TOKEN_BYTES_MAX - overhead - slack)
        .find(|length| appended(&parent, &of(*length)).len() == limits::TOKEN_BYTES_MAX)
        .unwrap();
    for length in [exact - 1, exact] {
        assert_eq!(accepted(&of(length)), Ok(()));
    }
    assert!(accepted(&of(exact + 1)).unwrap_err().starts_with("token-too-large"));
    let mut token = parent;
    for blocks in 2..=limits::BLOCKS_MAX {
        let bytes = appended(&token, "check if true;");
        token = UnverifiedToken::from_bytes(bytes).unwrap();
        assert_eq!(token.blocks().len(), blocks);
    }
    let error = UnverifiedToken::from_bytes(appended(&token, "check if true;")).unwrap_err();
    assert_eq!(error.code.as_str(), "chain-too-long");
}

#[test]
fn arguments() {
    let parse = |text: String| Args::parse(text, JsonProfile::Interoperable).is_ok();
    let padded = |length: usize| format!("{{\"a\": \"{}\"}}", "x".repeat(length - 9));
    let nested =
        |depth: usize| format!("{{\"a\": {}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let wide = |leaves: usize| format!("{{\"a\": [{}]}}", vec!["1"; leaves].join(","));
    let cases: [(usize, &dyn Fn(usize) -> String); 3] = [
        (limits::ARGS_BYTES_MAX, &padded),
        (limits::ARGS_DEPTH_MAX, &nested),
        (limits::ARGS_LEAVES_MAX, &wide),
    ];
    for (max, text) in cases {
        assert!(parse(text(max - 1)) && parse(text(max)), "{max}");
        assert!(!parse(text(max + 1)), "{max}");
    }
    assert_eq!(padded(100).len(), 100);
}
