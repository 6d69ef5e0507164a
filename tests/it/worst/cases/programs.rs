//! Programs that take many steps, or much room.

use super::{Attack, Case, numbers, one, repeat, texts};

pub(super) fn cases() -> Vec<Case> {
    let n64 = repeat(64, " ", |n| format!("n({n});"));
    let large_map = format!("{{{}}}", repeat(600, ", ", |n| format!("\"k{n}\": {n}")));
    vec![
        (
            "join",
            "token-too-complex",
            one(format!("{n64} check if n($a), n($b), n($c), $a + $b + $c < 0;"), "{}"),
        ),
        (
            "join, text",
            "token-too-complex",
            one(
                format!(
                    "{} check if t($a), t($b), t($c), $a + $b == $c;",
                    repeat(60, " ", |n| format!("t(\"{}{n}\");", "x".repeat(100)))
                ),
                "{}",
            ),
        ),
        (
            "closures",
            "token-too-complex",
            one(
                format!(
                    "check if {s}.all($a -> {s}.all($b -> {s}.all($c -> $a + $b + $c >= 0)));",
                    s = numbers(100)
                ),
                "{}",
            ),
        ),
        (
            "sets union",
            "token-too-complex",
            one(
                format!(
                    "s({t}); check if s($s), $s.all($a -> $s.union($s).contains($a));",
                    t = texts(300, 30)
                ),
                "{}",
            ),
        ),
        (
            "sets compared",
            "token-too-complex",
            one(
                format!(
                    "check if {t}.all($a -> {t}.union({{\"y\"}}) == {t}.union({{\"y\"}}));",
                    t = texts(150, 30)
                ),
                "{}",
            ),
        ),
        (
            "concat",
            "token-too-complex",
            one(
                format!(
                    "t(\"{}\"); check if t($t), {}.all($a -> ({}).length() > 0);",
                    "x".repeat(8000),
                    numbers(200),
                    vec!["$t"; 30].join(" + ")
                ),
                "{}",
            ),
        ),
        (
            "caught",
            "token-too-complex",
            one(
                format!(
                    "check if {s}.all($a -> {s}.all($b -> (1 / 0 > 0).try_or(true)));",
                    s = numbers(1000)
                ),
                "{}",
            ),
        ),
        (
            "maps",
            "token-too-complex",
            one(
                format!(
                    "check if {m}.all($a -> {m}.all($b -> {m}.all($c -> $a != $b || $b != $c || true)));",
                    m = format!("{{{}}}", repeat(100, ", ", |n| format!("\"k{n}\": [{n}]")))
                ),
                "{}",
            ),
        ),
        (
            "map get",
            "check-failed",
            one(
                format!(
                    "m({m}); check if m($m), {}.all($b -> $m.get(\"k599\") == $m.get(\"k598\"));",
                    numbers(400),
                    m = large_map
                ),
                "{}",
            ),
        ),
        (
            "rules",
            "token-too-complex",
            one(
                format!(
                    "{n64} {}",
                    repeat(64, " ", |i| format!("r{i}($a, $b) <- n($a), n($b), $a < $b;"))
                ),
                "{}",
            ),
        ),
        (
            "recursion",
            "token-too-complex",
            one(
                format!(
                    "{} e($a, $c) <- e($a, $b), e($b, $c);",
                    repeat(64, " ", |n| format!("e({n}, {});", n + 1))
                ),
                "{}",
            ),
        ),
        (
            "origins",
            "token-too-complex",
            Attack {
                blocks: (0..15)
                    .map(|b| format!("p(1); q({b}); p($x) <- p($x), q($y) trusting previous;"))
                    .collect(),
                args: "{}".into(),
            },
        ),
        (
            "many rules, rounds",
            "allow",
            Attack {
                blocks: (0..6)
                    .map(|b| {
                        repeat(64, " ", |n| format!("p{b}x{n}($x) <- p{b}x{}($x);", (n + 1) % 64))
                            + &format!("p{b}x0(1);")
                    })
                    .collect(),
                args: "{}".into(),
            },
        ),
        (
            "many variables",
            "check-failed",
            one(
                repeat(20, " ", |i| {
                    format!("check if v($a{i}, {});", repeat(22, ", ", |v| format!("$v{i}x{v}")))
                }),
                "{}",
            ),
        ),
        (
            "many facts",
            "allow",
            Attack {
                blocks: (0..15)
                    .map(|b| repeat(40, " ", |n| format!("f{b}({n}, {n}, {n});")))
                    .collect(),
                args: "{}".into(),
            },
        ),
        (
            "big collections",
            "allow",
            one(repeat(3, " ", |k| format!("f{k}({});", numbers(1000))), "{}"),
        ),
    ]
}
