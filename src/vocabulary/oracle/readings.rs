//! The readings of a path-like text: what it says to a target that decodes it, and to one that
//! takes backslashes for separators.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Rounds of percent-decoding that a chain of proxies and frameworks may do.
const DECODINGS_MAX: usize = 3;

/// Characters that mean something in a path.
const SPECIAL: [char; 5] = ['.', '/', '\\', '%', '~'];

/// Characters that some code page or font takes for a special one although Unicode's
/// compatibility forms (NFKC) keep them apart: slashes, full stops, yen and won (the backslash
/// of old Japanese and Korean systems), tildes and percent signs.
const LOOKALIKES: [char; 16] = [
    '\u{2044}', '\u{2215}', '\u{29f8}', '\u{2571}', '\u{2216}', '\u{29f5}', '\u{29f9}', '\u{2572}',
    '\u{a5}', '\u{ffe5}', '\u{20a9}', '\u{ffe6}', '\u{2dc}', '\u{223c}', '\u{2053}', '\u{66a}',
];

/// Every reading of a text, the text itself first; `None` where it has one that no path should
/// have.
pub(super) fn readings(text: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut current = text.to_owned();
    for _ in 0..=DECODINGS_MAX {
        if is_deceptive(&current) {
            return None;
        }
        let slashed = current.contains('\\').then(|| current.replace('\\', "/"));
        if slashed.as_deref().is_some_and(has_disguised_dots) {
            return None;
        }
        let next = percent_decode(&current)?;
        let done = next == current;
        all.push(std::mem::replace(&mut current, next));
        all.extend(slashed);
        if done {
            return Some(all);
        }
    }
    None
}

/// Whether a text has characters that turn into `.`, `/`, `\`, `%` or `~` under NFKC, or that
/// look like them.
pub(super) fn has_lookalikes(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let normal = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    text.contains(LOOKALIKES) || normal.matches(SPECIAL).count() > text.matches(SPECIAL).count()
}

fn is_deceptive(text: &str) -> bool {
    text.contains(char::is_control)
        || has_lookalikes(text)
        || has_wide_escape(text)
        || has_disguised_dots(text)
}

/// `%u002e`: an escape that a few servers decode.
fn has_wide_escape(text: &str) -> bool {
    text.to_ascii_lowercase().split("%u").skip(1).any(|rest| {
        rest.as_bytes().get(..4).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// A segment of dots, spaces and invisible characters, other than `.` and `..`: some systems
/// drop the rest and see the dots.
fn has_disguised_dots(text: &str) -> bool {
    let is_noise = |c: char| c == '.' || c.is_whitespace() || is_invisible(c);
    text.split('/')
        .any(|segment| !matches!(segment, "" | "." | "..") && segment.chars().all(is_noise))
}

/// Characters without a shape, which some systems ignore in names.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// One round of decoding; a percent sign without two digits stays. `None` where the result is
/// not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let high = ahead.next().and_then(hex_digit);
        let low = ahead.next().and_then(hex_digit);
        match (byte, high, low) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_is_listed() {
        let cases: &[(&str, &[&str])] = &[
            ("a", &["a"]),
            ("100%", &["100%"]),
            ("%zz%4", &["%zz%4"]),
            ("%41%c3%a9", &["%41%c3%a9", "Aé"]),
            ("a\\b", &["a\\b", "a/b"]),
            ("%252e", &["%252e", "%2e", "."]),
            ("%25252e", &["%25252e", "%252e", "%2e", "."]),
            ("%5c", &["%5c", "\\", "/"]),
        ];
        for (text, want) in cases {
            assert_eq!(readings(text).unwrap(), *want, "{text}");
        }
    }

    #[test]
    fn deceptive_texts_have_no_readings() {
        let cases = [
            "%2525252e",
            "a\0",
            "a%00",
            "a\n",
            "%0a",
            "%2500",
            "\u{85}",
            "%c0%ae",
            "%c0%af",
            "%ff",
            "%e0%80%af",
            "\u{ff0e}\u{ff0e}",
            "\u{2025}",
            "\u{2024}",
            "\u{2026}",
            "\u{ff0f}",
            "\u{2044}",
            "\u{2215}",
            "\u{29f8}",
            "\u{2216}",
            "\u{fe68}",
            "\u{ff05}2e",
            "\u{fe6a}",
            "\u{ff3c}",
            "\u{ff5e}",
            "\u{2488}",
            "\u{2100}",
            "%ef%bc%8e",
            "\u{a5}",
            "%u002e",
            "%U002E",
            "a/.\u{200b}./b",
            "a/.. /b",
            "a/.../b",
            "a\\.. \\b",
            "a/ /b",
        ];
        for text in cases {
            assert_eq!(readings(text), None, "{}", text.escape_debug());
        }
        for text in ["é/日本語", "e\u{301}", "naïve – “quoted”.txt", "❤\u{fe0f}.txt", "%u00"]
        {
            assert!(readings(text).is_some(), "{text}");
        }
    }
}
