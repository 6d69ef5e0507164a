//! Globs, matched in bounded time.
//!
//! A pattern is small, so all states it can be in fit a few words of bits and advance together,
//! character by character: no backtracking, whatever the pattern. The crates at hand either
//! backtrack, or compile to a regular expression, or take more syntax (braces, a leading `!`)
//! than a grant should hold.

mod machine;

use machine::Machine;

use super::readings::readings;
use crate::model::limits::REGEX_BYTES_MAX;

/// Whether one of the globs matches the whole value, in every reading.
pub(super) fn matches(value: &str, patterns: &[&str]) -> bool {
    let Some(readings) = readings(value) else { return false };
    let has_dots = |text: &String| text.split('/').any(|part| matches!(part, "." | ".."));
    if readings.iter().any(has_dots) {
        return false;
    }
    patterns.iter().any(|pattern| {
        read(pattern).is_ok_and(|tokens| {
            let mut machine = Machine::new(tokens);
            readings.iter().all(|reading| machine.matches(reading))
        })
    })
}

/// Judges a pattern.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    read(pattern).map(drop)
}

#[derive(Clone)]
enum Token {
    Char(char),
    AnyChar,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`: any run without `/`.
    Run,
    /// `**`: any run.
    DeepRun,
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::AnyChar => c != '/',
            Self::Class { negated, ranges } => {
                c != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            Self::Run | Self::DeepRun => false,
        }
    }

    /// Whether it names characters beyond ASCII; any other token takes all of these or none.
    fn tells_foreign_apart(&self) -> bool {
        match self {
            Self::Char(own) => !own.is_ascii(),
            Self::Class { ranges, .. } => ranges.iter().any(|(_, high)| !high.is_ascii()),
            Self::AnyChar | Self::Run | Self::DeepRun => false,
        }
    }
}

fn read(pattern: &str) -> Result<Vec<Token>, String> {
    if pattern.is_empty() || pattern.len() > REGEX_BYTES_MAX {
        return Err(format!("a glob has 1 to {REGEX_BYTES_MAX} bytes"));
    }
    if pattern.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("values with `.` and `..` segments never match".to_owned());
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => {
                let mut stars = 1;
                while chars.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                if stars == 1 { Token::Run } else { Token::DeepRun }
            }
            '?' => Token::AnyChar,
            '[' => read_class(&mut chars)?,
            '{' | '}' => return Err("braces are not part of a glob here".to_owned()),
            '\\' => Token::Char(escaped(chars.next())?),
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn read_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, String> {
    let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next().ok_or("a class has no `]`")? {
            ']' if ranges.is_empty() => return Err("a class is empty".to_owned()),
            ']' => return Ok(Token::Class { negated, ranges }),
            c => class_member(c, chars)?,
        };
        let mut high = low;
        if chars.next_if_eq(&'-').is_some() {
            high = match chars.next().ok_or("a class has no `]`")? {
                ']' => return Err("a `-` in a class stands between two characters".to_owned()),
                c => class_member(c, chars)?,
            };
        }
        if low > high {
            return Err("a range in a class goes down".to_owned());
        }
        ranges.push((low, high));
    }
}

fn class_member(c: char, chars: &mut impl Iterator<Item = char>) -> Result<char, String> {
    match c {
        '/' | '[' | '-' => Err(format!("`{c}` cannot be in a class unless escaped")),
        '\\' => match escaped(chars.next())? {
            '/' => Err("`/` is in no class".to_owned()),
            c => Ok(c),
        },
        c => Ok(c),
    }
}

fn escaped(c: Option<char>) -> Result<char, String> {
    match c {
        None => Err("a `\\` is last".to_owned()),
        Some('\\') => Err("a backslash may be a separator, so none is matched".to_owned()),
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs_match_whole_values() {
        let cases = [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc", "xabc", false),
            ("ABC", "abc", false),
            ("*", "", true),
            ("*", "a.b", true),
            ("*", "a/b", false),
            ("**", "a/b//c", true),
            ("***", "a/b", true),
            ("/data/*", "/data/x", true),
            ("/data/*", "/data/", true),
            ("/data/*", "/data/x/y", false),
            ("/data/**", "/data/x/y", true),
            ("/data/**", "/data", false),
            ("/data/**/*.csv", "/data/x/y/z.csv", true),
            ("/data/**/*.csv", "/data/z.csv", false),
            ("/data/**.csv", "/data/z.csv", true),
            ("*.csv", "x.csv.exe", false),
            ("a?c", "aéc", true),
            ("a?c", "a/c", false),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[^a-c]x", "ax", false),
            ("[!a]x", "/x", false),
            ("[+-0]", "/", false),
            ("[à-é]", "é", true),
            ("[à-é]", "ü", false),
            ("[!à-é]", "ü", true),
            ("[!a]", "é", true),
            ("[a]", "é", false),
            ("é*", "éü", true),
            ("é*", "ü", false),
            ("[\\]\\-]", "-", true),
            ("[.]", ".", false),
            ("\\*\\[\\{", "*[{", true),
            ("\\*", "x", false),
            ("!a", "b", false),
            ("ch_*", "ch_123", true),
            ("*a*b*c", "xxaxbxbxc", true),
            ("a**b*c", "a/x/bb/bxc", true),
            ("**/b*/c", "b/b/bx/c", true),
        ];
        for (pattern, value, want) in cases {
            assert_eq!(check_pattern(pattern), Ok(()), "{pattern}");
            assert_eq!(matches(value, &[pattern]), want, "{pattern} {value}");
        }
        assert!(matches("b", &["a", "b"]) && !matches("c", &["a", "b"]));
    }

    #[test]
    fn values_that_escape_in_any_reading_do_not_match() {
        let cases = [
            "/pub/..",
            "/pub/../etc",
            "/pub/./x",
            "/pub/%2e%2e/etc",
            "/pub/%252e%252e/etc",
            "/pub/..\\etc",
            "/pub\\..\\etc",
            "/pub/..%5cetc",
            "/pub/x\0",
            "/pub/x%00",
            "/pub/\n",
            "/pub/\u{2025}/etc",
            "/pub/..\u{2215}etc",
            "/pub/%c0%ae%c0%ae/",
            "/pub/.\u{200b}./x",
            "..",
            ".",
            "%2e%2e",
        ];
        for value in cases {
            assert!(!matches(value, &["**", "/pub/**", "*"]), "{}", value.escape_debug());
        }
        assert!(!matches("/pub/a%2fb", &["/pub/*"]) && !matches("/pub/a\\b", &["/pub/*"]));
        assert!(matches("/pub/a%20b", &["/pub/*"]));
    }

    #[test]
    fn patterns_are_judged() {
        let long = "a".repeat(REGEX_BYTES_MAX + 1);
        let bad = [
            "",
            "{a,b}",
            "a}",
            "[",
            "[]",
            "[!]",
            "[a",
            "[a-",
            "[a-]",
            "[z-a]",
            "[/]",
            "[\\/]",
            "[-a]",
            "[[:alpha:]]",
            "a\\",
            "a\\\\b",
            "a/../b",
            "./a",
            "..",
            &long,
        ];
        for pattern in bad {
            assert!(check_pattern(pattern).is_err(), "{pattern}");
            assert!(!matches("a", &[pattern]), "{pattern}");
        }
        let full = "?".repeat(REGEX_BYTES_MAX);
        assert!(matches(&"é".repeat(REGEX_BYTES_MAX), &[&full]));
        assert!(!matches(&"é".repeat(REGEX_BYTES_MAX - 1), &[&full]));
    }

    /// The definition, by trying every split.
    fn slow(pattern: &[char], value: &[char]) -> bool {
        match pattern {
            [] => value.is_empty(),
            ['*', '*', rest @ ..] => (0..=value.len()).any(|n| slow(rest, &value[n..])),
            ['*', rest @ ..] => (0..=value.len())
                .take_while(|n| !value[..*n].contains(&'/'))
                .any(|n| slow(rest, &value[n..])),
            ['?', rest @ ..] => value.first().is_some_and(|c| *c != '/') && slow(rest, &value[1..]),
            [c, rest @ ..] => value.first() == Some(c) && slow(rest, &value[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(pattern in r"[aé/?*]{1,9}", value in "[aéü/]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let want = slow(&chars(&pattern), &chars(&value));
            prop_assert_eq!(matches(&value, &[&pattern]), want);
        }
    }
}
