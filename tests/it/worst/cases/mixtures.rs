//! Several costs at once: what the search found, each with what made it dear.

use super::{Attack, Case, list, numbers, one, repeat, wide};

const NUMBER: &str = "call(\"crm\", \"get\"), number(\"b\", $b), $b <= 1";

/// Every argument as text and as a number, and a little work on each.
fn every(blocks: &[&str], args: String) -> Attack {
    Attack { blocks: blocks.iter().map(|block| block.to_string()).collect(), args }
}

pub(super) fn cases() -> Vec<Case> {
    let explained = format!("check if {};", repeat(32, " or ", |_| NUMBER.to_owned()));
    let intersected = format!(
        "check all arg($p, $t), {{1}}.intersection({}).contains((7 + 7) + (7 + 7));",
        numbers(256)
    );
    let regex = |n: usize| format!("check if arg(\"a\", $t), $t.matches(\"(?:[a-y]){{29}}y{n}\");");
    let hundred = "x".repeat(100);
    vec![
        (
            "arguments and numbers",
            "token-too-complex",
            every(
                &[&intersected, "check all arg($p, $t), 7 < 7 + 7 + 7;", &explained],
                wide(4000, "5"),
            ),
        ),
        (
            "arguments joined",
            "token-too-complex",
            every(
                &[
                    "check if arg($p, $t), arg($q, $t), {0, 1}.all($x -> {0, 1}.contains(\"x\".length()));",
                    &explained,
                ],
                wide(4000, "5"),
            ),
        ),
        (
            "arguments and sets",
            "token-too-complex",
            every(
                &[
                    "check all arg($p, $t), {0}.union({1}).union({0}.intersection({0})) == {\"x\"};",
                    "t(\"x\"); check if t($t), arg($p, $t), !({0}.contains(7));",
                    &explained,
                ],
                list(4000, |n| format!("\"https://é{n}.com/\"")),
            ),
        ),
        (
            "long arguments, short work",
            "token-too-complex",
            every(
                &["check all arg($p, $t), !(7 < (7 + 7));", &explained],
                list(3000, |n| format!("\"{}{n}\"", "x".repeat(62))),
            ),
        ),
        (
            "pattern, oracle and explanation",
            "check-failed",
            every(
                &[
                    &explained,
                    "check if arg_at(\"a?/*\", $x) or false; check if arg_under(\"a\", {\"/d\"}) or true;",
                ],
                list(2000, |n| format!("\"/d/%2525{n}\"")),
            ),
        ),
        (
            "classes",
            "check-failed",
            one(repeat(3, " ", regex), format!("{{\"a\":\"{}\"}}", "ab".repeat(300))),
        ),
        (
            "members looked up",
            "token-too-complex",
            one(
                repeat(6, " ", |c| {
                    let question = |n| format!("arg_at(\"k{:04}\", 1)", 3999 - 8 * c - n);
                    format!("check if {};", repeat(8, " or ", question))
                }),
                wide(4000, "5"),
            ),
        ),
        (
            "what is absent, carried on",
            "token-too-complex",
            one(
                repeat(4, " ", |n| {
                    let rest = format!("/{n}{}", "/b".repeat(13));
                    format!("check if arg_at(\"a/*{rest}\", $x), $x == 1;")
                }),
                list(4000, |_| "{}".to_owned()),
            ),
        ),
        (
            "names, numbers and a long text",
            "token-too-complex",
            one(
                format!("check if arg_names($n), number($p, $x), $x < 0, {{\"{hundred}\"}} == $n;"),
                wide(4000, "5"),
            ),
        ),
    ]
}
