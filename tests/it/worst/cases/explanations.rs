//! Refusals that are dear to explain.

use super::{Attack, Case, list, one, repeat, texts};

pub(super) fn cases() -> Vec<Case> {
    let grant = |i: usize| {
        format!(
            "call(\"crm\", \"get\"), arg(\"a{i}\", $a), $a.type() == \"string\" && $a.matches(\"\\\\A(?:[a-z]{{3}}{})\\\\z\")",
            i % 8
        )
    };
    let plain_grant = |i: usize| {
        format!(
            "call(\"crm\", \"get\"), number(\"a\", $a), $a <= {i}, number(\"b\", $b), $b <= {i}, number(\"c\", $c), $c <= {i}, arg(\"d\", $d), {{\"x\", \"y\"}}.contains($d)"
        )
    };
    vec![
        (
            "explained grants",
            "check-failed",
            one(
                repeat(4, " ", |_| format!("check if {};", repeat(20, " or ", plain_grant))),
                "{\"a\":100}",
            ),
        ),
        (
            "explained regexes",
            "check-failed",
            one(repeat(4, " ", |_| format!("check if {};", repeat(32, " or ", grant))), "{}"),
        ),
        (
            "explained text",
            "check-failed",
            one(
                format!(
                    "check if call(\"crm\", \"get\"), arg(\"a\", $a), {}.contains($a);",
                    texts(700, 10)
                ),
                "{}",
            ),
        ),
        (
            "explained places",
            "check-failed",
            one(
                repeat(4, " ", |_| {
                    format!(
                        "check if {};",
                        repeat(32, " or ", |i| format!(
                            "call(\"crm\", \"get\"), number_at(\"a/*\", $a), $a.all($p -> $p <= {i})"
                        ))
                    )
                }),
                list(4000, |n| n.to_string()),
            ),
        ),
        (
            "explained long text",
            "check-failed",
            one(
                "check if call(\"crm\", \"get\"), number(\"b\", $b), $b <= 1, arg(\"a\", $a), $a.type() == \"string\" && $a.matches(\"\\\\A(?:.*(?:a?b?){40}y)\\\\z\");",
                format!("{{\"a\":\"{}\",\"b\":7}}", "ab".repeat(5_000)),
            ),
        ),
        (
            "explained hosts",
            "token-too-complex",
            one(
                repeat(4, " ", |_| {
                    format!(
                        "check if {};",
                        repeat(8, " or ", |i| format!(
                            "call(\"crm\", \"get\"), number(\"b\", $b), $b <= {i}, arg_host(\"a/*\", \"h{i}.com\")"
                        ))
                    )
                }),
                format!(
                    "{{\"a\":[{}],\"b\":7000}}",
                    repeat(1000, ",", |n| format!("\"https://\u{e9}{n}.com/\""))
                ),
            ),
        ),
        (
            "failed checks",
            "check-failed",
            Attack {
                blocks: (0..15)
                    .map(|b| repeat(32, " ", |i| format!("check if call(\"x{b}{i}\", $a);")))
                    .collect(),
                args: "{}".into(),
            },
        ),
        ("nothing", "allow", one("check if true;", "{}")),
    ]
}
