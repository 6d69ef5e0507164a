//! Regular expressions.

use super::{Case, one, repeat};

pub(super) fn cases() -> Vec<Case> {
    let pats = ["(a?b?){100}y", "(a?a?b?b?.?){20}[^ab]", "(?:(?:a|b|ab|ba)?){24}y"];
    let ab: String = "abbabaab".repeat(300);
    vec![
        (
            "regex dense",
            "token-too-complex",
            one(
                repeat(3, " ", |n| {
                    format!("check if arg(\"a\", $v), $v.matches(\"{}\");", pats[n])
                }),
                format!("{{\"a\":\"{ab}\"}}"),
            ),
        ),
        (
            "regex unicode",
            "token-too-complex",
            one(
                repeat(8, " ", |n| format!("check if \"x{n}\".matches(\"x|\\\\w{{{}}}\");", n)),
                "{}",
            ),
        ),
        (
            "regex unicode caseless",
            "token-too-complex",
            one(
                repeat(4, " ", |n| format!("check if \"x{n}\".matches(\"(?i)x|\\\\pL{n}\");")),
                "{}",
            ),
        ),
        (
            "regex texts",
            "token-too-complex",
            one(
                repeat(8, " ", |n| {
                    format!("check if \"x{n}\".matches(\"{}{n}\");", "()".repeat(120))
                }),
                "{}",
            ),
        ),
        (
            "regex alternatives",
            "token-too-complex",
            one(
                repeat(8, " ", |n| {
                    format!("check if \"x{n}\".matches(\"{}{n}\");", "(?:[a-c]|[x-z])".repeat(16))
                }),
                "{}",
            ),
        ),
    ]
}
