//! Questions about large arguments.

use super::{Case, list, one, repeat, wide};

pub(super) fn cases() -> Vec<Case> {
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
    vec![
        (
            "contains big arg",
            "token-too-complex",
            one(
                "check if arg(\"a\", $v), {1,2,3,4,5,6,7,8,9}.any($a -> $v.contains(\"xxxxxxxxxy\"));",
                big.clone(),
            ),
        ),
        (
            "contains big arg, hard",
            "token-too-complex",
            one(
                format!(
                    "check if arg(\"a\", $v), {{1,2,3,4,5,6,7,8,9}}.any($a -> $v.contains(\"{}y{}\"));",
                    "x".repeat(60),
                    "x".repeat(60)
                ),
                big.clone(),
            ),
        ),
        (
            "every arg",
            "token-too-complex",
            one("check if arg($p, $v), $v == 5;", list(4095, |n| n.to_string())),
        ),
        (
            "every arg, long paths",
            "token-too-complex",
            one(
                "check if arg($p, $v), $v == 5;",
                format!("{{\"{}\":[{}]}}", "x".repeat(800), vec!["1"; 4000].join(",")),
            ),
        ),
        (
            "every arg, wide",
            "token-too-complex",
            one("check if arg($p, $v), arg($q, $v), $p != $q;", wide(4095, "1")),
        ),
        (
            "every arg, texts",
            "token-too-complex",
            one(
                "check if arg($p, $v), number($q, $v);",
                list(4000, |n| format!("\"{}{n}\"", "x".repeat(200))),
            ),
        ),
        (
            "some paths over wide",
            "check-failed",
            one(repeat(32, " ", |n| format!("check if arg(\"k{n}\", 1);")), wide(4095, "1")),
        ),
        (
            "patterns",
            "token-too-complex",
            one(
                repeat(32, " ", |n| {
                    format!(
                        "check if arg_at(\"a/*?\", $a), number_at(\"a/*\", $b), arg_length(\"a?/*\", {n}), arg_time(\"a/*\", $c, $d), arg_lower(\"a/*\", $e), arg_count(\"a\", {n});"
                    )
                }),
                list(4000, |n| format!("\"2026-01-01T00:00:{:02}Z\"", n % 60)),
            ),
        ),
        (
            "pattern numbers",
            "check-failed",
            one(
                "check if number_at(\"a/*\", $b), $b.contains(5), arg_at(\"a/*\", $c), $c.contains(5);",
                list(2500, |n| format!("{n}.5")),
            ),
        ),
        (
            "pattern lower",
            "token-too-complex",
            one(
                "check if arg_lower(\"a/*\", $b), $b.contains(\"x\");",
                list(4000, |n| format!("\"{}{n}\"", "É".repeat(100))),
            ),
        ),
        (
            "set of arg",
            "token-too-complex",
            one(
                "check if arg(\"a\", $b), $b.contains(\"x\");",
                list(4000, |n| format!("\"{}{n}\"", "x".repeat(200))),
            ),
        ),
        (
            "every arg, long prefix",
            "token-too-complex",
            one(
                "check all arg($p, $t), $t.length() > 0;",
                list(4000, |n| format!("\"{}{n}\"", "É".repeat(100))),
            ),
        ),
        (
            "set of arg, long prefix",
            "token-too-complex",
            one(
                "check if arg(\"a\", $b), $b.contains(\"x\");",
                list(4000, |n| format!("\"{}{n}\"", "É".repeat(100))),
            ),
        ),
        (
            "names",
            "check-failed",
            one("check if arg_names($n), $n.contains(\"x\");", wide(4095, "1")),
        ),
        (
            "names at",
            "check-failed",
            one(
                repeat(32, " ", |_| {
                    "check if arg_names(\"a/*\", $n), $n.contains(\"x\");".to_owned()
                }),
                format!("{{\"a\":[{}]}}", vec!["{\"b\":1,\"c\":2}"; 2000].join(",")),
            ),
        ),
        ("digest", "check-failed", one("check if args_digest($d), $d.length() == 1;", big.clone())),
        (
            "globs",
            "token-too-complex",
            one(
                repeat(32, " ", |i| {
                    format!("check if arg_glob(\"a\", \"{}{i}\") or true;", "a*é*".repeat(30))
                }),
                format!("{{\"a\":\"{}\"}}", "aé".repeat(340)),
            ),
        ),
        (
            "glob classes",
            "token-too-complex",
            one(
                repeat(20, " ", |i| {
                    format!("check if arg_glob(\"a\", \"{}{i}\") or true;", "[é-ü]*".repeat(20))
                }),
                format!("{{\"a\":\"{}\"}}", "é".repeat(500)),
            ),
        ),
        (
            "paths",
            "token-too-complex",
            one(
                repeat(32, " ", |i| format!("check if arg_under(\"a\", \"/d{i}\") or true;")),
                format!("{{\"a\":\"{}\"}}", "%2525é".repeat(500)),
            ),
        ),
        (
            "paths of many",
            "token-too-complex",
            one(
                repeat(32, " ", |i| format!("check if arg_under(\"a/*\", \"/d{i}\") or true;")),
                list(1000, |n| format!("\"/a/%2525\u{e9}{n}\"")),
            ),
        ),
        (
            "paths, many constants",
            "allow",
            one(
                format!(
                    "check if arg_under(\"a\", {{{}}}) or true;",
                    repeat(500, ", ", |i| format!("\"/d/e/f/g/h/i/{i}\""))
                ),
                "{\"a\":\"/x\"}",
            ),
        ),
        (
            "hosts, many constants",
            "allow",
            one(
                format!(
                    "check if arg_host(\"a\", {{{}}}) or true;",
                    repeat(500, ", ", |i| format!("\"b\u{fc}cher{i}.example\""))
                ),
                "{\"a\":\"https://x.com/\"}",
            ),
        ),
        (
            "cidr, many constants",
            "allow",
            one(
                format!(
                    "check if arg_cidr(\"a\", {{{}}}) or true;",
                    repeat(500, ", ", |i| format!("\"10.{}.{}.0/24\"", i / 250, i % 250))
                ),
                "{\"a\":\"11.0.0.1\"}",
            ),
        ),
        (
            "domains, many constants",
            "allow",
            one(
                format!(
                    "check if arg_domain(\"a\", {{{}}}) or true;",
                    repeat(500, ", ", |i| format!("\"b\u{fc}cher{i}.example\""))
                ),
                "{\"a\":\"a@x.com\"}",
            ),
        ),
        (
            "hosts",
            "allow",
            one(
                repeat(32, " ", |i| format!("check if arg_host(\"a\", \"h{i}.com\") or true;")),
                format!("{{\"a\":\"https://{}.com/\"}}", "é.".repeat(250)),
            ),
        ),
        (
            "hosts of many",
            "token-too-complex",
            one(
                repeat(32, " ", |i| format!("check if arg_host(\"a/*\", \"h{i}.com\") or true;")),
                list(1000, |n| format!("\"https://\u{e9}{n}.com/\"")),
            ),
        ),
        (
            "public hosts of many",
            "token-too-complex",
            one(
                "check if arg_public_host(\"a/*\") or true;",
                list(2000, |n| format!("\"https://\u{e9}{n}.com/\"")),
            ),
        ),
        (
            "hosts puny",
            "allow",
            one(
                "check if arg_public_host(\"a/*\") or true;",
                list(200, |_| {
                    format!("\"https://{}.com/\"", "xn--a9ca".to_owned() + &"a".repeat(50))
                }),
            ),
        ),
        (
            "commands of many",
            "token-too-complex",
            one(
                repeat(32, " ", |i| format!("check if arg_command(\"a/*\", \"h{i}\") or true;")),
                list(1000, |n| format!("\"git {n}\"")),
            ),
        ),
        ("large arg", "allow", one("check if true;", big.clone())),
    ]
}
