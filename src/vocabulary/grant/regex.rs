//! Regular expressions in grants: RE2 syntax, matching a whole value.

use crate::model::{Regex, RegexError, RegexWork, limits};

/// A user's regular expression as one that must match a whole text.
///
/// *Errors*: a sentence fragment where it is too long, not valid by itself, or too large.
pub(crate) fn whole_match(regex: &str) -> Result<Regex, String> {
    let compile = |text: &str| RegexWork::default().compile(text);
    let whole = whole_text(regex);
    if whole.len() > limits::REGEX_BYTES_MAX {
        return Err(format!(
            "is longer than {} bytes, each `\\d`, `\\w` and `\\s` written out",
            limits::REGEX_BYTES_MAX - WRAPPED
        ));
    }
    // By itself first: `a)|(b` would otherwise escape the group that holds it together.
    compile(&ascii_classes(regex)).and_then(|_| compile(&whole)).map_err(|error| match error {
        RegexError::TooLarge => "compiles to more than the limit allows".to_owned(),
        RegexError::Invalid => "is not a regular expression in RE2 syntax".to_owned(),
    })
}

/// The bytes that [`whole_text`] adds.
const WRAPPED: usize = 8;

/// The text of [`whole_match`]'s expression, as it stands in the Datalog.
pub(crate) fn whole_text(regex: &str) -> String {
    format!(r"\A(?:{})\z", ascii_classes(regex))
}

/// Writes `\d`, `\w`, `\s` and their opposites out as RE2 means them, in ASCII. The Unicode classes
/// that other engines take them for would let through digits that the tool may not know, and
/// compile to many times the size.
fn ascii_classes(regex: &str) -> String {
    let mut written = String::with_capacity(regex.len());
    let mut brackets = 0usize;
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match (chars.next(), brackets) {
                (Some('d'), 0) => written.push_str("[0-9]"),
                (Some('w'), 0) => written.push_str("[0-9A-Za-z_]"),
                (Some('s'), 0) => written.push_str("[\\t\\n\\f\\r\\x20]"),
                (Some('D'), 0) => written.push_str("[^0-9]"),
                (Some('W'), 0) => written.push_str("[^0-9A-Za-z_]"),
                (Some('S'), 0) => written.push_str("[^\\t\\n\\f\\r\\x20]"),
                (Some('d'), _) => written.push_str("0-9"),
                (Some('w'), _) => written.push_str("0-9A-Za-z_"),
                (Some('s'), _) => written.push_str("\\t\\n\\f\\r\\x20"),
                (Some(other), _) => written.extend(['\\', other]),
                (None, _) => written.push('\\'),
            },
            '[' => {
                brackets += 1;
                written.push(c);
            }
            ']' => {
                brackets = brackets.saturating_sub(1);
                written.push(c);
            }
            c => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RegexScratch;

    #[test]
    fn the_whole_value_must_match() {
        let cases = [
            (r"ch_\w+", "ch_12a", true),
            (r"ch_\w+", "xch_12a", false),
            (r"ch_\w+", "ch_12a\n", false),
            ("a|b", "ab", false),
            (r"\d{3}-\d{4}", "555-0199", true),
            (r"\d{3}-\d{4}", "５５５-0199", false),
            (r"[\w.]+@example\.com", "al.ice@example.com", true),
            (r"[^\d\s]+", "abc", true),
            (r"[^\d\s]+", "ab c", false),
            (r"\S+\W", "ab!", true),
            (r"\\d", r"\d", true),
            (r"\\d", "5", false),
            ("(?m)a$", "a\nb", false),
        ];
        for (regex, text, expected) in cases {
            let found = whole_match(regex).unwrap().is_match(text, &mut RegexScratch::default());
            assert_eq!(found, expected, "{regex} {text:?}");
        }
    }

    #[test]
    fn expressions_that_are_no_whole_are_refused() {
        for regex in ["a)|(b", "(", "[", r"\", "(?x)a # b", r"(\pL{99}){99}", "*"] {
            assert!(whole_match(regex).is_err(), "{regex}");
        }
        assert!(whole_match(&"a".repeat(248)).is_ok());
        assert!(whole_match(&"a".repeat(249)).is_err());
        assert!(whole_match(&"(".repeat(200)).is_err());
    }

    #[test]
    fn writing_out_again_changes_nothing() {
        for regex in [r"\d[\w-]\S", r"a\\d", r"[^\s]"] {
            assert_eq!(ascii_classes(&ascii_classes(regex)), ascii_classes(regex));
        }
    }
}
