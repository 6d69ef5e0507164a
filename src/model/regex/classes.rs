use std::iter::Peekable;
use std::str::Chars;

use crate::model::limits;

/// How many classes of Unicode characters a regular expression names, those that ignore case
/// weighed: escapes such as `\w`, ranges beyond ASCII, and brackets within brackets. Counts too
/// many where it is in doubt.
pub(super) fn classes(text: &str) -> usize {
    let mut chars = text.chars().peekable();
    let (mut count, mut depth, mut previous) = (0usize, 0usize, ' ');
    while let Some(c) = chars.next() {
        match c {
            '\\' => count += usize::from(chars.next().is_some_and(names_class)),
            '[' => {
                count += usize::from(depth > 0);
                depth += 1;
                first_of_bracket(&mut chars);
            }
            ']' => depth = depth.saturating_sub(1),
            '-' if depth > 0 => {
                let is_wide = |c: char| !c.is_ascii() || c == '\\';
                count +=
                    usize::from(is_wide(previous) || chars.peek().copied().is_some_and(is_wide));
            }
            _ => {}
        }
        previous = c;
    }
    count * if ignores_case(text) { limits::REGEX_CASELESS_WEIGHT } else { 1 }
}

/// Whether the escape of this letter may name a class: not those of anchors and control characters.
fn names_class(c: char) -> bool {
    c.is_ascii_alphanumeric() && !matches!(c, 'A' | 'z' | 'a' | 'f' | 'n' | 'r' | 't' | 'v')
}

/// Passes over a bracket's `^`, and a `]` that is its first member and does not close it.
fn first_of_bracket(chars: &mut Peekable<Chars<'_>>) {
    chars.next_if_eq(&'^');
    chars.next_if_eq(&']');
}

/// Whether some group may say `i`: letters after a `?`, up to where flags end.
fn ignores_case(text: &str) -> bool {
    text.split('?').skip(1).any(|rest| {
        let flags = rest.split([':', ')', '>']).next().unwrap_or_default();
        flags.contains('i')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_counted() {
        let cases = [
            ("abc", 0),
            ("^[a-z0-9-]+@[a-z]+$", 0),
            ("(?i)^[a-z0-9-]+$", 0),
            (r"\d{4}-\d{2}", 2),
            (r"(?i)\pL", 16),
            (r"( ?i)\w", 16),
            ("[\u{100}-\u{fffd}]", 1),
            (r"[\x{80}-\x{ffff}]", 3),
            ("[[a]b]", 1),
            ("[]a[]a[b]]]", 2),
            (r"\[\[\[", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(classes(text), expected, "{text}");
        }
    }
}
